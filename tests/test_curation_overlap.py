"""Normalised prompts and the overlap check that blocks a round."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.curation.overlap import (
    CANARY,
    Overlap,
    Protected,
    alike,
    excerpt,
    find_overlaps,
    normalise,
    prompt_key,
    protected_keys,
)
from harness.curation.rows import TrainRow
from harness.evaluation.items import Item, Role


def row(row_id: str, prompt: str) -> TrainRow:
    return TrainRow(row_id, "qa", prompt, "gold", "failing", "qa/wrong_answer")


def item(item_id: str, role: Role, prompt: str) -> Item:
    return Item(item_id, "task", "qa", item_id, role, {}, prompt, "gold")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Where is my order?", "where  is my\norder"),
        ("“Café”", '"Cafe\u0301"'),
        ("ﬁle № ①", "FILE no 1"),
        ("STRASSE", "straße"),
        ("pay\u200bment", "payment"),
        ("e-mail me!", "e mail me"),
        ("7 - 2", "7-2"),
    ],
)
def test_what_asks_the_same_has_the_same_key(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)
    assert prompt_key(one) == prompt_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 7 - 2?", "What is 7 / 2?"),
        ("costs 3.5", "costs 35"),
        ("a < b", "a > b"),
        ("order 17", "order 18"),
        ("???", "!"),
        ("naïve", "naive"),
    ],
)
def test_what_asks_something_else_has_another_key(one: str, other: str) -> None:
    assert prompt_key(one) != prompt_key(other)


@settings(deadline=None)
@given(st.text(alphabet="aB1 2.,-\n?(é", max_size=30))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@settings(deadline=None)
@given(st.text(max_size=50))
def test_any_text_has_a_key(text: str) -> None:
    assert len(prompt_key(text)) == 64


def test_lone_surrogates_have_a_key() -> None:
    assert prompt_key("bad \udc80 text") != prompt_key("bad text")


def test_overlaps_name_row_place_and_text() -> None:
    protected = protected_keys([item("0a", "test", "Where is my order?"), item("0b", "dev", "Cancel it")])
    rows = [row("r1", "where is\nmy order"), row("r2", "Something new"), row("r3", "CANCEL IT!")]
    assert find_overlaps(rows, protected) == [
        Overlap("r1", "test 0a", "where is my order"),
        Overlap("r3", "dev 0b", "CANCEL IT!"),
    ]


def test_no_overlap_gives_an_empty_list() -> None:
    assert find_overlaps([row("r1", "new")], protected_keys([item("0a", "gate", "old")])) == []


def test_long_prompts_are_quoted_in_part() -> None:
    prompt = "word " * 100
    (found,) = find_overlaps([row("r1", prompt)], {prompt_key(prompt): "guard 1"})
    assert len(found.excerpt) <= 80
    assert found.excerpt.endswith("word…")


def test_a_prompt_protected_twice_is_named_once_whatever_the_order() -> None:
    items = [item("2", "test", "same"), item("1", "dev", "Same!")]
    assert protected_keys(items) == protected_keys(items[::-1]) == {prompt_key("same"): "dev 1"}


INSTRUCTION = (
    "Sort the message to the desk into one of these queues and answer with the name of the queue alone please.\n\n"
)
STORY = "the blue kettle that my aunt sent from Porto last week boils over whenever the lid is closed too tightly"


def domain_items(role: Role, texts: list[str]) -> list[Item]:
    return [item(f"{role}{number}", role, INSTRUCTION + text) for number, text in enumerate(texts)]


def sentences(count: int, seed: str) -> list[str]:
    return [f"{seed} {number} asks for thing {number * 7} in {seed}{number} street" for number in range(count)]


def test_the_instruction_that_all_items_share_is_no_overlap() -> None:
    protected = Protected(domain_items("test", sentences(10, "alpha")))
    rows = [row(f"r{n}", INSTRUCTION + text) for n, text in enumerate(sentences(10, "beta"))]
    assert find_overlaps(rows, protected) == []


def test_a_nearly_protected_text_is_found_under_whatever_instruction() -> None:
    protected = Protected(domain_items("gate", [*sentences(10, "alpha"), STORY]))
    edited = STORY.replace("blue", "red").replace("tightly", "firmly")
    (found,) = find_overlaps([row("r1", INSTRUCTION + edited), row("r2", "Quite another question")], protected)
    assert (found.row_id, found.where, found.rule) == ("r1", "a gate item", "13-gram")
    (found,) = find_overlaps([row("r3", "Other instruction: " + edited)], protected)
    assert found.where == "a gate item"


def test_the_same_text_is_named_as_such_and_a_row_asked_again_is_answered_alike() -> None:
    protected = Protected([item("0a", "test", STORY)])
    first = find_overlaps([row("r1", STORY.upper())], protected)
    assert first == [Overlap("r1", "test 0a", excerpt(STORY.upper()))]
    assert [found.row_id for found in find_overlaps([row("r2", STORY.upper())], protected)] == ["r2"]


@pytest.mark.parametrize("place", ["prompt", "completion"])
@pytest.mark.parametrize("canary", [CANARY, "a-canary-of-our-own-8d1f"])
def test_a_planted_canary_in_training_text_is_found(place: str, canary: str) -> None:
    planted = replace(item("0a", "gate", "old"), doc={"canary": "a-canary-of-our-own-8d1f"})
    leaked = replace(row("r1", "new"), **{place: f"x {canary.upper()} y"})
    (found,) = find_overlaps([leaked, row("r2", "newer")], Protected([planted]))
    assert (found.row_id, found.where, found.rule) == ("r1", "canary", "canary")


def test_a_canary_too_short_to_be_one_is_not_looked_for() -> None:
    planted = replace(item("0a", "gate", "old"), doc={"canary": "the"})
    assert find_overlaps([row("r1", "what is the time")], Protected([planted])) == []


def test_items_that_repeat_one_another_are_paired() -> None:
    texts = ["one of a kind", STORY, STORY.upper(), "another of its own kind", STORY.replace("blue", "red")]
    pairs = alike([item(str(n), "dev", text) for n, text in enumerate(texts)])
    assert {frozenset(pair) for pair in pairs} == {frozenset({1, 2}), frozenset({1, 4})}


def test_descriptions_of_tools_make_no_two_questions_alike() -> None:
    def asked(tool: str, question: str) -> Item:
        name = {"type": "string", "description": "Required. The name of it."}
        parameters = {"type": "object", "properties": {"name": name}, "required": ["name"]}
        listed = "\n".join(json.dumps({"name": f"{tool}_{n}", "parameters": parameters}) for n in range(3))
        return item(f"{tool} {question}", "dev", f"Tools:\n{listed}\n\n{question}")

    train, word = "Which trains leave Porto tonight?", "Translate the word lantern into Danish."
    assert alike([asked("find", train), asked("translate", word)]) == []
    assert (0, 1) in alike([asked("find", train), asked("search", train)])


def test_a_long_line_of_braces_that_describes_no_tool_is_read_once() -> None:
    line = '{"parameters"' * 20_000  # by a search for the last brace from each of the first: minutes
    (found,) = find_overlaps([row("r1", line)], Protected([item("d1", "dev", line)]))
    assert found.rule == "same text"
