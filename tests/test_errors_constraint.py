"""ignored_constraint: each kind of constraint kept, broken, malformed; and how sentences are counted."""

from __future__ import annotations

from typing import Any

import pytest
from errors_items import make_item

from harness.errors import ErrorLabel
from harness.errors.builtin.ignored_constraint import IgnoredConstraint
from harness.errors.text import sentence_spans


def labels(response: str, constraints: Any, target: str = "") -> list[ErrorLabel]:
    return IgnoredConstraint().classify(make_item(response, target=target, constraints=constraints))


@pytest.mark.parametrize(
    ("constraints", "kept", "broken", "evidence"),
    [
        ({"max_words": 3}, "one two three", "one two three four", " four"),
        ({"min_words": 3}, "one two three", "one two", "one two"),
        ({"max_sentences": 1}, "It is 10.5 cm, e.g. here.", "It is. Or not.", "Or not."),
        ({"min_sentences": 2}, "It is. Or not.", "It is, or not.", "It is, or not."),
        ({"max_chars": 5}, " 12345\n", "123456", "6"),
        ({"must_contain": ["thank you"]}, "THANK\n you!", "thanks", "thanks"),
        ({"must_not_contain": ["sorry", "ass"]}, "A sorrycase, class.", "We are Sorry.", "Sorry"),
        ({"casing": "lower"}, "all small, 12!", "not aLl", "L"),
        ({"casing": "upper"}, "ALL BIG, 12!", "NoT", "o"),
        ({"casing": "sentence"}, "It is so. Is it? 12 are.", "It is so. is it?", "i"),
        ({"casing": "sentence"}, "We send NV-20417 to Ann Lee in Hallmoor soon.", "We Send The New Lamp Today.", None),
        ({"casing": "sentence"}, "OK. It is done.", "WE SEND THE NEW LAMP.", None),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_constraint_kept_is_silent_and_one_broken_is_a_fact_with_its_place(
    constraints: dict[str, Any], kept: str, broken: str, evidence: str | None
) -> None:
    assert labels(kept, constraints) == []
    (label,) = labels(broken, constraints)
    assert label.confidence == 1.0
    assert label.span is not None
    assert next(iter(constraints)) in label.reason
    assert broken[label.span[0] : label.span[1]] == (broken if evidence is None else evidence)


def test_each_broken_constraint_and_each_missing_text_has_a_label() -> None:
    found = labels("four words are here", {"max_words": 2, "must_contain": ["lamp", "foot"], "casing": "upper"})
    assert sorted(label.reason.partition(":")[0] for label in found) == [
        "casing", "max_words", "must_contain", "must_contain",
    ]  # fmt: skip


def test_an_empty_response_breaks_the_least_length_without_a_place() -> None:
    (label,) = labels("", {"min_words": 1, "max_words": 5, "casing": "lower"})
    assert label.span is None


@pytest.mark.parametrize("constraints", [None, {}, {"max_words": None, "casing": None}, [], "short", 5])
def test_without_constraints_it_is_not_assessed(constraints: Any) -> None:
    (label,) = labels("anything", constraints)
    assert not label.assessed
    assert "constraints" in label.reason


@pytest.mark.parametrize(
    "constraints",
    [
        {"max_words": "three"}, {"max_words": True}, {"max_words": 2.5}, {"must_contain": "thanks"},
        {"must_contain": [1]}, {"casing": "camel"}, {"max_word": 3},
    ],
)  # fmt: skip
def test_a_malformed_constraint_is_not_assessed_and_named(constraints: dict[str, Any]) -> None:
    (label,) = labels("anything at all, and more", constraints)
    assert not label.assessed
    assert next(iter(constraints)) in label.reason


def test_a_malformed_constraint_hides_no_other_that_is_broken() -> None:
    (label,) = labels("three words here", {"casing": "camel", "max_words": 2})
    assert label.assessed


def test_a_whole_number_that_came_back_as_a_float_is_a_number() -> None:
    assert labels("one two three", {"max_words": 2.0}) != []


def test_a_constraint_that_the_target_breaks_itself_is_not_assessed() -> None:
    (label,) = labels("one two three", {"max_words": 2}, target="a b c d")
    assert not label.assessed
    assert label.reason == "the target itself breaks max_words"
    assert labels("one two three", {"max_words": 2}, target="a b") != []


# ------------------------------------------------------------------ sentences


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0), ("...", 0), ("---\n***", 0), ("One", 1), ("One.", 1), ("One. Two!", 2), ("One? Two", 2),
        ("Mr. Lee and Dr. Ann came at 10.5, e.g. by bus.", 1), ("J. Lee came.", 1), ("He said: 'No.' Then he went.", 2),
        ("One\nTwo\n\nThree", 3), ("1. One lamp.\n2. Two lamps.", 2), ("- One\n- Two", 2), ("Wait... what?", 2),
        ("See example.org/x.y for it.", 1), ("\u4f60\u597d\u3002\u518d\u89c1\u3002", 2), ("It costs 5 EUR etc.", 1),
    ],
)  # fmt: skip
def test_sentences_are_counted(text: str, count: int) -> None:
    assert len(sentence_spans(text)) == count


def test_the_ranges_of_sentences_hold_their_text_and_nothing_round_it() -> None:
    text = "  One is here.  Two \n"
    assert [text[start:end] for start, end in sentence_spans(text)] == ["One is here.", "Two"]
