"""Each built-in classifier: what it must see, and the harmless neighbours that it must not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from errors_items import SENTENCE, labels_of, make_item, only, unassessed

# ---------------------------------------------------------------- wrong_answer


@pytest.mark.parametrize("correct", [0.0, 0.5, 0.999, float("nan")])
def test_every_score_below_one_is_a_wrong_answer(correct: float) -> None:
    assert only("wrong_answer", make_item("x", correct=correct)).confidence == 1.0


def test_a_right_response_is_no_wrong_answer() -> None:
    assert labels_of("wrong_answer", make_item("x", correct=1.0)) == []


# ----------------------------------------------------------------------- empty


@pytest.mark.parametrize("response", ["", " \n\t ", "\0\0", "\u200b\ufeff", "\u202e\u2066", "\ud800", "\u3164"])
def test_nothing_visible_is_empty(response: str) -> None:
    assert only("empty", make_item(response)).span is None


@pytest.mark.parametrize("response", ["0", "-", "no", "\u200bx", "答", "👩‍🚀"])
def test_one_visible_character_is_not_empty(response: str) -> None:
    assert labels_of("empty", make_item(response)) == []


def test_an_empty_response_that_the_task_counts_right_is_not_empty() -> None:
    assert labels_of("empty", make_item("", target="", correct=1.0)) == []


# -------------------------------------------------------------------- too_long


def test_words_above_the_declared_limit_are_the_evidence() -> None:
    label = only("too_long", make_item("one two three four five", target="a b", max_words=3))
    assert label.span == (13, 23)
    assert label.confidence == 1.0


def test_as_many_words_as_declared_are_not_too_long() -> None:
    assert labels_of("too_long", make_item("one two three", target="a b", max_words=3)) == []


def test_a_response_no_longer_than_its_target_is_never_too_long() -> None:
    assert labels_of("too_long", make_item("a b c d", target="w x y z", max_words=2)) == []
    assert "the target's own 4 words" in only("too_long", make_item("a b c d e", target="w x y z", max_words=2)).reason


@pytest.mark.parametrize(
    ("target_words", "response_words", "fires"),
    [(1, 12, False), (1, 13, True), (5, 16, False), (5, 17, True), (10, 30, False), (10, 31, True)],
)
def test_without_a_limit_three_times_the_target_and_twelve_words_more(
    target_words: int, response_words: int, fires: bool
) -> None:
    item = make_item(" ".join(["word"] * response_words), target=" ".join(["gold"] * target_words))
    assert bool(labels_of("too_long", item)) is fires


def test_the_layout_of_json_adds_no_words() -> None:
    value = {f"key{number}": f"value{number}" for number in range(20)}
    item = make_item(json.dumps(value, indent=4), target=json.dumps(value, separators=(",", ":")))
    assert labels_of("too_long", item) == []


def test_runaway_text_without_spaces_is_too_long() -> None:
    assert only("too_long", make_item("x" * 1000, target="x")).span == (480, 1000)


def test_too_long_is_not_assessed_without_a_limit_or_a_target() -> None:
    assert unassessed("too_long", make_item("word " * 100, target=" "))


# ------------------------------------------------------------------- truncated


def test_a_response_at_the_token_limit_is_truncated_and_its_end_the_evidence() -> None:
    response = "The warranty lasts for two years from the"
    label = only("truncated", make_item(response, finish_reason="length"))
    assert label.confidence == 1.0
    assert label.span == (len(response) - 20, len(response))


def test_truncated_is_less_sure_where_the_end_looks_finished() -> None:
    assert only("truncated", make_item("Two years.", finish_reason="length")).confidence == 0.6
    assert only("truncated", make_item("two years", finish_reason="length", correct=1.0)).confidence == 0.6


def test_a_response_that_ended_by_itself_is_not_truncated() -> None:
    assert labels_of("truncated", make_item("Two years from the", finish_reason="stop")) == []


def test_truncated_is_not_assessed_where_the_finish_reason_is_unknown() -> None:
    assert unassessed("truncated", make_item("Two years from the", finish_reason="unknown"))


# ------------------------------------------------------------------ repetitive


@pytest.mark.parametrize(
    ("response", "looped"),
    [
        ("billing " * 12, "billing " * 12),
        ("Sure: " + "yes, no, " * 6, "yes, no, " * 6),
        ("It is due. " + "I am sorry to hear that. " * 3, "I am sorry to hear that. " * 3),
        ("ha" * 20, "ha" * 20),
        ("Order 1" + "0" * 60, "0" * 60),
        ("!" * 30, "!" * 30),
        (". " * 30, ". " * 30),
        ("\u3053\u3093\u306b\u3061\u306f" * 8, "\u3053\u3093\u306b\u3061\u306f" * 8),
        ('{"ids": ["A-1", ' + '"A-1", ' * 20, '"A-1", ' * 20),
        ('{"note": "' + "very " * 20 + '"}', "very " * 20),
    ],
)
def test_loops_of_words_and_characters_are_repetitive(response: str, looped: str) -> None:
    label = only("repetitive", make_item(response))
    assert label.span is not None
    start, end = label.span
    assert end - start >= 0.9 * len(looped.strip()) - 4
    assert 0.5 <= label.confidence <= 1.0


def test_sentences_restated_on_and_off_are_repetitive() -> None:
    restated = "1) Check the power cable\n2) Call us\n3) Check the power cable\n4) Check the power cable\n"
    assert "said 3 times" in only("repetitive", make_item(restated)).reason


@pytest.mark.parametrize(
    "response",
    [
        "No, no, no, no!",
        ", ".join(f"ORD-{number:05d}" for number in range(1000, 1060)),
        "\n".join(f"Order {number} was sent to you today." for number in range(40)),
        " ".join(f"{number}" for number in range(200)),
        json.dumps([{"id": f"A-{n}", "status": "open", "note": "waiting for a part"} for n in range(30)], indent=1),
        json.dumps({"grid": [[0] * 20] * 20}),
        json.dumps({f"key{n}": None for n in range(30)}),
        "Part | Price\n" + "-" * 40 + "\n" + "\n".join(f"lamp {n} | {n * 3}" for n in range(12)),
        "Opening hours\nMonday: 9 to 5\nTuesday: 9 to 5\nWednesday: 9 to 5\nThursday: 9 to 5\nFriday: 9 to 5",
        "Mac OS X 10.1, Mac OS X 10.2, Mac OS X 10.3, Mac OS X 10.4",
        "00000000-0000-0000-0000-000000000000",
        "0." + "3" * 28,
        "1.\n2.\n3.\n4.",
        " ".join(
            f"Please wait a moment. Step {n} means that part {n + 7} is moved to place {n * 3}." for n in range(3)
        ),
    ],
)
def test_lists_tables_and_json_are_not_repetitive(response: str) -> None:
    assert labels_of("repetitive", make_item(response)) == []


def test_json_that_breaks_off_is_judged_as_text_but_its_recurring_lines_are_not_a_loop() -> None:
    rows = [{"id": f"A-{n}", "status": "open and waiting", "place": "on the top shelf"} for n in range(12)]
    assert labels_of("repetitive", make_item(json.dumps(rows, indent=1)[:-3])) == []


def test_a_target_that_repeats_excuses_as_much_repetition_and_no_more() -> None:
    target = "left right " * 8
    assert labels_of("repetitive", make_item("left right " * 8, target=target)) == []
    assert only("repetitive", make_item("left right " * 60, target=target)).confidence > 0.9


def test_repetition_quoted_from_the_prompt_is_excused() -> None:
    cry = "help " * 12
    item = make_item(f"The message reads: {cry}", prompt=f"Copy this message: {cry}")
    assert labels_of("repetitive", item) == []


# -------------------------------------------------------------- invalid_format


def test_broken_json_is_reported_with_the_place_where_the_parser_stopped() -> None:
    response = '{"name": "Ada",\n "product": kettle}'
    label = only("invalid_format", make_item(response, target="{}", format="json"))
    assert label.span == (response.index("kettle"), response.index("kettle") + 1)
    assert "character 28 (line 2, column 13): Expecting value" in label.reason


def test_prose_in_place_of_json_is_reported_as_a_whole() -> None:
    response = " The customer is Ada. "
    label = only("invalid_format", make_item(response, target="{}", format="json"))
    assert label.span == (1, 21)
    assert label.reason == "no JSON object in the response"


@pytest.mark.parametrize(
    ("response", "evidence"),
    [
        ('Sure! {"a": 1}', ["Sure!"]),
        ('{"a": 1}\nHope this helps.', ["Hope this helps."]),
        ('```json\n{"a": 1}\n```', ["```json", "```"]),
        ('In {braces}: {"a": 1}', ["In {braces}:"]),
    ],
)
def test_text_around_json_is_the_evidence(response: str, evidence: list[str]) -> None:
    labels = labels_of("invalid_format", make_item(response, target='{"a": 2}', format="json", keys=["a"]))
    assert [response[label.span[0] : label.span[1]] for label in labels if label.span] == evidence


def test_missing_and_unexpected_and_repeated_keys_are_told_apart() -> None:
    response = '{"a": 1, "a": 2, "c": {"b": 3}}'
    labels = labels_of("invalid_format", make_item(response, target='{"a": 1, "b": 2}', format="json", keys=["a", "b"]))
    assert [label.reason for label in labels] == [
        "key given more than once: 'a'",
        "missing key: 'b'",
        "unexpected key: 'c'",
    ]
    assert [label.span for label in labels] == [(1, 4), (0, len(response)), (17, 20)]


@pytest.mark.parametrize(
    ("response", "part"),
    [
        ("[1, 2]", "found: array"),
        ('"text"', "found: string"),
        ("null", "found: null"),
        ("12", "found: number"),
        ("true", "found: boolean"),
        ('{"a": NaN}', "character 6 (line 1, column 7): NaN is not JSON"),
        ('{"a": "NaN", "b": -Infinity}', "character 18 "),
        ('{"a": 1,}', "JSON breaks at character"),
        ("{'a': 1}", "JSON breaks at character 1 "),
        ('[{"a": 1}, oops]', "JSON breaks at character 11 "),
        ('[{"a": 1}] as you asked', "no JSON object"),
        ('{"a": "line\nbreak"}', "Invalid control character"),
        ('{"a":' * 500, "nested deeper than 100 levels"),
        ("[" * 100_000 + "]" * 100_000, "nested deeper than 100 levels"),
    ],
)
def test_what_python_takes_and_json_does_not_is_reported(response: str, part: str) -> None:
    assert part in only("invalid_format", make_item(response, target='{"a": 1}', format="json")).reason


@pytest.mark.parametrize(
    "response",
    [
        '{"b": null, "a": 1}',
        '\n{\n  "a" : 1,\n  "b" : [1, {"c": "}"}]\n}\n',
        '{"a": ' + "9" * 5000 + ', "b": 1e999999}',
        '{"a": "\\ud800", "b": "```"}',
        '{"a": "[[[[[[' + "[" * 300 + '", "b": 0}',
    ],
)
def test_any_layout_and_order_of_the_right_keys_is_valid(response: str) -> None:
    assert (
        labels_of("invalid_format", make_item(response, target='{"a":1,"b":2}', format="json", keys=["a", "b"])) == []
    )


def test_json_cut_by_the_token_limit_is_only_doubtfully_a_fault_of_form() -> None:
    cut = '{"name": "Ada", "product": "ket'
    expects: dict[str, Any] = {"target": "{}", "format": "json"}
    assert only("invalid_format", make_item(cut, finish_reason="length", **expects)).confidence == 0.4
    assert only("invalid_format", make_item(cut, finish_reason="stop", **expects)).confidence == 1.0
    half_a_literal = '{"name": "Ada", "urgent": tru'
    assert only("invalid_format", make_item(half_a_literal, finish_reason="length", **expects)).confidence == 0.4
    broken_before = '{name: "Ada", "product": "ket'
    assert only("invalid_format", make_item(broken_before, finish_reason="length", **expects)).confidence == 1.0


LABELS = ["card lost", "card", "refund"]


@pytest.mark.parametrize(
    ("response", "part"),
    [
        ("parcel", "'parcel' is none of the 3 labels"),
        ("The queue is: card lost", "text around the label 'card lost'"),
        ("CARD LOST it is", "text around the label 'card lost'"),
        ("discard", "none of the 3 labels"),
        ("", "no label"),
    ],
)
def test_an_answer_outside_the_labels_is_invalid(response: str, part: str) -> None:
    label = only("invalid_format", make_item(response, target="refund", format="label", labels=LABELS))
    assert part in label.reason


@pytest.mark.parametrize("response", ["card", "refund", " card lost\n", "Card.", '"card"'])
def test_a_label_is_valid_even_when_it_is_the_wrong_one(response: str) -> None:
    assert labels_of("invalid_format", make_item(response, target="refund", format="label", labels=LABELS)) == []


def test_the_right_label_in_other_dress_is_at_fault_only_where_the_task_counts_it_wrong() -> None:
    expects: dict[str, Any] = {"target": "refund", "format": "label", "labels": LABELS}
    assert labels_of("invalid_format", make_item("Refund.", correct=1.0, **expects)) == []
    assert "written as 'Refund.'" in only("invalid_format", make_item("Refund.", correct=0.0, **expects)).reason


@pytest.mark.parametrize(
    "expects",
    [{}, {"format": "label"}, {"format": "yaml"}, {"format": "json", "target": SENTENCE, "refusal": True}],
    ids=["no format", "no labels", "unknown format", "the target is the refusal sentence"],
)
def test_invalid_format_is_not_assessed_without_a_form_to_check(expects: dict[str, Any]) -> None:
    assert unassessed("invalid_format", make_item("prose", **expects))


def test_any_text_is_valid_text() -> None:
    assert labels_of("invalid_format", make_item("{oops", format="text")) == []
