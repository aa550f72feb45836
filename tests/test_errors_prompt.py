"""copied_prompt and leaked_prompt: the prompt given back, and what stands behind the conversation shown."""

from __future__ import annotations

from typing import Any

import pytest
from errors_items import make_item

from harness.errors import ErrorLabel
from harness.errors.builtin.copied_prompt import CopiedPrompt
from harness.errors.builtin.leaked_prompt import MOST_LABELS, LeakedPrompt
from harness.errors.runs import longest_run, shared_runs

INSTRUCTION = "Sort the message to the support desk into one queue and answer with the name of the queue alone."
MESSAGE = (
    "Hello, my lamp from order NV-20417 came with a broken foot last Tuesday. I would like to have a new foot sent to "
    "my work address in Hallmoor before the end of the month."
)
PROMPT = f"{INSTRUCTION}\n\n{MESSAGE}"


def copied(response: str, **options: Any) -> list[ErrorLabel]:
    return CopiedPrompt().classify(make_item(response, **{"prompt": PROMPT, "target": "delivery-damage", **options}))


def leaked(response: str, **options: Any) -> list[ErrorLabel]:
    return LeakedPrompt().classify(make_item(response, **options))


# ------------------------------------------------------------------ copied_prompt


@pytest.mark.parametrize(
    "response",
    [
        INSTRUCTION,
        MESSAGE,
        PROMPT,
        PROMPT.upper().replace(",", ""),
        f"{INSTRUCTION}\n\ndelivery",
        f"The message: {MESSAGE}",
    ],
)
def test_the_instruction_or_the_message_given_back_is_copied(response: str) -> None:
    (label,) = copied(response)
    assert label.confidence >= 0.75
    assert label.span is not None
    assert "copied from the prompt" in label.reason


def test_the_longest_run_is_the_evidence_and_the_share_the_confidence() -> None:
    response = f"Well, here it is again: {MESSAGE}"
    (label,) = copied(response)
    assert label.span == (response.index("Hello"), len(response) - 1)
    (whole,) = copied(MESSAGE)
    assert whole.confidence == 1.0 > label.confidence


@pytest.mark.parametrize(
    ("response", "options"),
    [
        ("delivery-damage", {}),
        ("", {}),
        ("The lamp of order NV-20417 came with a broken foot.", {}),
        ("Sort the message to the support desk.", {}),
        (MESSAGE, {"target": MESSAGE}),
        (MESSAGE, {"correct": 1.0}),
    ],
)
def test_answers_short_quotations_and_what_the_target_repeats_are_not_copied(
    response: str, options: dict[str, Any]
) -> None:
    assert copied(response, **options) == []


def test_a_text_that_was_to_be_changed_is_copied_where_it_comes_back_as_it_was_and_only_there() -> None:
    wrong = MESSAGE.replace("broken", "brokken").replace("address", "adress")
    options = {"prompt": f"Put the spelling right.\n\n{wrong}", "target": MESSAGE}
    assert copied(wrong, **options) != []
    assert copied(wrong.replace("brokken", "broken"), **options) == []


def test_an_answer_in_the_words_of_the_question_is_not_copied() -> None:
    question = "What is the name of the actor who played the young wizard in the films of that series?"
    response = "The name of the actor who played the young wizard in the films of that series is Daniel."
    assert copied(response, prompt=question, target="Daniel") == []


def test_the_one_sentence_that_holds_the_target_is_an_answer_and_two_are_a_copy() -> None:
    options = {"prompt": f"When did it come?\n\n{MESSAGE}", "target": "last Tuesday"}
    first = MESSAGE[: MESSAGE.index(" I would")]
    assert copied(first, **options) == []
    assert copied(MESSAGE, **options) != []


def test_one_sentence_of_the_declared_context_is_an_answer_and_all_of_it_a_copy() -> None:
    options = {"prompt": f"What colour is it?\n\n{MESSAGE}", "target": "red", "context": MESSAGE}
    assert copied(MESSAGE[: MESSAGE.index(" I would")], **options) == []
    assert copied(MESSAGE, **options) != []


def test_a_long_answer_may_quote_a_sentence_of_the_prompt_on_its_way() -> None:
    answer = "The case is one for the desk that looks after goods broken in the post, since it says so plainly. " * 2
    assert copied(f"{answer}{INSTRUCTION}") == []


# ------------------------------------------------------------------ leaked_prompt


@pytest.mark.parametrize(
    ("response", "mark"),
    [
        ("Two years.<|im_end|>", "<|im_end|>"),
        ("<|start_header_id|>assistant", "<|start_header_id|>"),
        ("Two years.<|endoftext|>", "<|endoftext|>"),
        ("[INST] How long? [/INST]", "[INST]"),
        ("<<SYS>> You are", "<<SYS>>"),
        ("Two years.<end_of_turn>", "<end_of_turn>"),
        ("Two years.</s>", "</s>"),
        ("### Response:\nTwo years.", "### Response:"),
        ("Two years.\n\n### Instruction: Say how long.", "### Instruction:"),
        ("Two years.\nUser: And the lamp?", "User:"),
        ("system: You are the support desk.", "system:"),
        ("Two years.\nassistant\nTwo years.", "assistant"),
    ],
)
def test_chat_markup_headings_and_roles_are_seen_with_their_place(response: str, mark: str) -> None:
    label = leaked(response)[0]
    assert label.confidence >= 0.6
    assert label.span is not None
    assert response[label.span[0] : label.span[1]].strip() == mark


def test_one_role_may_be_a_heading_and_two_are_a_conversation() -> None:
    (one,) = leaked("Two years.\nUser: And the lamp?")
    first, second = leaked("Two years.\nUser: And the lamp?\nAssistant: Five.")
    assert one.confidence == 0.6
    assert first.confidence == second.confidence == 0.9


@pytest.mark.parametrize(
    "response",
    [
        "",
        "The user asked the system for an assistant.",
        "The operating system: a primer",
        "We answer within a day.\n## Input devices\nThe keyboard.",
        "if a <s and b> c then x | y |> z",
        "Type [INSTALL] or <start>.",
        "Tell the user: nothing is lost.",
        "<b>bold</b> and <strong>strong</strong>",
    ],
)
def test_honest_prose_headings_and_html_are_no_leak(response: str) -> None:
    assert leaked(response) == []


def test_what_the_target_shows_and_markup_that_the_prompt_asks_about_are_excused() -> None:
    assert leaked("User: Hello\nAssistant: Hi", target="User: Good day\nAssistant: Good day") == []
    assert leaked("<|im_end|> ends a turn.", prompt="What does <|im_end|> do?") == []
    assert leaked("Fine.\nUser: Hello", prompt="User: Hello\nAssistant:") != []


def test_the_systems_text_is_seen_whole_or_by_eight_words_of_it() -> None:
    system = "You are the support desk of Norrvale. Never mention the internal price list to a customer."
    (label,) = leaked("My rules say: never mention the internal price list to a customer!", system=system)
    assert label.confidence == 1.0
    assert "9 words of the system's text" in label.reason
    assert leaked("Be brief.", system="Be brief.") != []
    assert leaked("I never mention prices to a customer.", system=system) == []
    assert leaked(system, system=system, target=system) == []
    assert leaked(system, system=system, prompt=f"{system}\n\nHow long?") == []
    assert leaked(system) == []


def test_of_many_marks_ten_are_named() -> None:
    assert len(leaked("<|im_end|>" * 500)) == MOST_LABELS


# ------------------------------------------------------------------ runs


def test_a_run_is_found_with_its_places_in_both_texts() -> None:
    text, source = "So: one two, THREE four five!", "zero one two three four five six"
    (run,) = shared_runs(text, source, 3)
    assert (text[run.start : run.end], run.words) == ("one two, THREE four five", 5)
    assert source[run.source_start : run.source_end] == "one two three four five"


def test_runs_do_not_overlap_and_shorter_ones_do_not_count() -> None:
    runs = shared_runs("a b c x a b c y a b", "a b c", 3)
    assert [(run.start, run.words) for run in runs] == [(0, 3), (8, 3)]


@pytest.mark.parametrize(("text", "source"), [("", "a b c"), ("a b c", ""), ("a b", "a b"), ("d e f", "a b c")])
def test_texts_that_share_too_little_have_no_runs(text: str, source: str) -> None:
    assert shared_runs(text, source, 3) == []


def test_the_longest_run_may_be_the_whole_of_a_short_source() -> None:
    run = longest_run("it is a b here", "a b", at_least=8)
    assert run is not None
    assert run.words == 2
    assert longest_run("it is a b here", "", at_least=8) is None
