"""From labels to one record: precedence, doubt, classifiers that fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from errors_items import SENTENCE, make_item

from harness.errors import PRECEDENCE, ErrorLabel, classify, classify_all, load_classifiers
from harness.errors.contract import not_assessed
from harness.errors.registry import BUILTIN
from harness.evaluation.items import ItemResult


@dataclass(frozen=True)
class Fixed:
    """A classifier that always answers the same, or raises."""

    answer: Any
    categories: tuple[str, ...] = ("shouting",)
    name: str = "fixed"
    version: str = "1"

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]


def test_the_precedence_names_every_builtin_once_and_ends_with_wrong_answer() -> None:
    assert tuple(BUILTIN) == tuple(category for category in PRECEDENCE if category in BUILTIN)
    assert len(set(PRECEDENCE)) == len(PRECEDENCE)
    assert PRECEDENCE[-1] == "wrong_answer"


@pytest.mark.parametrize("higher", range(len(PRECEDENCE) - 1))
def test_of_two_neighbours_the_one_of_higher_precedence_is_primary(higher: int) -> None:
    pair = PRECEDENCE[higher : higher + 2]
    record = classify(make_item("x"), [Fixed([ErrorLabel(each, 1.0) for each in reversed(pair)], categories=pair)])
    assert record.primary == pair[0]
    assert [label.category for label in record.labels][:2] == list(pair)


@pytest.mark.parametrize(
    ("response", "options", "primary", "also"),
    [
        ("", {"format": "json", "target": "{}"}, "empty", {"invalid_format", "wrong_answer"}),
        ("no " * 80, {"max_words": 9, "finish_reason": "length"}, "repetitive", {"too_long", "truncated"}),
        (SENTENCE, {"format": "json", "target": "{}", "refusal": False}, "needless_refusal", {"invalid_format"}),
        ("Paris, which has many " + " ".join(map(str, range(60))), {"refusal": True}, "missed_refusal", {"too_long"}),
        (
            "Ada wants " + " ".join(map(str, range(60))),
            {"format": "json", "target": "{}"},
            "invalid_format",
            {"too_long"},
        ),
        (" ".join(map(str, range(60))), {"finish_reason": "length", "max_words": 9}, "too_long", {"truncated"}),
        ('{"a": "b', {"format": "json", "target": "{}", "finish_reason": "length"}, "truncated", {"invalid_format"}),
        ("the silver answer", {}, "wrong_answer", set()),
    ],
)
def test_causes_come_before_symptoms(response: str, options: dict[str, Any], primary: str, also: set[str]) -> None:
    record = classify(make_item(response, refusal_sentence=SENTENCE, **options), load_classifiers())
    assert record.primary == primary
    assert also <= {label.category for label in record.labels}


def test_a_right_response_has_no_primary_though_other_categories_are_seen() -> None:
    record = classify(make_item("red green blue", correct=1.0, target="a", max_words=1), load_classifiers())
    assert record.primary is None
    assert [label.category for label in record.labels] == ["too_long"]


def test_a_doubtful_label_is_recorded_but_never_primary() -> None:
    record = classify(make_item("x"), [Fixed([ErrorLabel("shouting", 0.49)])])
    assert record.primary == "wrong_answer"
    assert [label.category for label in record.labels] == ["shouting", "wrong_answer"]
    assert classify(make_item("x"), [Fixed([ErrorLabel("shouting", 0.5)])]).primary == "shouting"


def test_a_category_of_ones_own_stands_just_before_wrong_answer() -> None:
    fixed = Fixed([ErrorLabel("shouting", 1.0), ErrorLabel("truncated", 1.0)], categories=("shouting", "truncated"))
    assert [label.category for label in classify(make_item("x"), [fixed]).labels] == [
        "truncated",
        "shouting",
        "wrong_answer",
    ]


@pytest.mark.parametrize("classifiers", [[], [Fixed([])], [Fixed(ZeroDivisionError())]])
def test_every_wrong_response_ends_with_a_primary(classifiers: list[Fixed]) -> None:
    record = classify(make_item("x", correct=0.5), classifiers)
    assert record.primary == "wrong_answer"
    assert [label.category for label in record.labels] == ["wrong_answer"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (ZeroDivisionError("boom at 0x7f"), "ZeroDivisionError"),
        (RecursionError(), "RecursionError"),
        (None, "TypeError"),
        (["shouting"], "TypeError"),
        ([ErrorLabel("whispering", 1.0)], "ValueError"),
        ([ErrorLabel("shouting", 1.5)], "ValueError"),
        ([ErrorLabel("shouting", float("nan"))], "ValueError"),
        ([ErrorLabel("shouting", 1.0, (0, 2))], "ValueError"),
        ([ErrorLabel("shouting", 1.0, (1, 0))], "ValueError"),
    ],
)
def test_a_classifier_that_raises_or_breaks_its_contract_is_reported_as_not_assessed(answer: Any, error: str) -> None:
    record = classify(make_item("x"), [Fixed(answer), *load_classifiers(["wrong_answer"])])
    assert record.not_assessed == ("shouting",)
    assert record.reasons == (f"classifier 'fixed' raised {error}",)
    assert record.primary == "wrong_answer"


def test_a_malformed_expectation_stops_nothing() -> None:
    item = make_item("x", labels=7, format="label")
    record = classify(item, load_classifiers())
    assert record.primary == "wrong_answer"
    assert "invalid_format" in record.not_assessed
    assert "classifier 'invalid_format' raised TypeError" in record.reasons


def test_a_category_that_another_classifier_could_judge_is_assessed() -> None:
    blind = Fixed([not_assessed("shouting", "no ears")], name="blind")
    assert classify(make_item("x"), [blind]).not_assessed == ("shouting",)
    assert classify(make_item("x"), [blind, Fixed([])]).not_assessed == ()


def test_what_is_missing_is_listed_in_order_of_precedence_with_its_reasons() -> None:
    record = classify(make_item("x", finish_reason="unknown"), load_classifiers())
    places = [PRECEDENCE.index(category) for category in record.not_assessed]
    assert places == sorted(places)
    assert {"needless_refusal", "missed_refusal", "invalid_format", "truncated"} <= set(record.not_assessed)
    assert record.reasons[record.not_assessed.index("truncated")] == "the finish reason is unknown"
    assert len(record.reasons) == len(record.not_assessed)


def test_classify_all_keeps_the_order_and_takes_every_installed_classifier() -> None:
    items = [make_item("", item_id="a"), make_item("x", item_id="b", correct=1.0), make_item("y", item_id="c")]
    records = classify_all(items)
    assert [(record.item_id, record.primary) for record in records] == [
        ("a", "empty"),
        ("b", None),
        ("c", "wrong_answer"),
    ]
    assert classify_all([]) == []
