"""Classifiers of several items, `inconsistent` as the built-in one; `unsupported_answer` beside `missed_refusal`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from errors_items import SENTENCE, make_item
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ErrorLabel, GroupClassifier, classify, classify_all, load_classifiers
from harness.errors.contract import not_assessed
from harness.evaluation.items import ItemResult


@dataclass(frozen=True)
class Together:
    """Answers for several items with whatever it is given, or raises."""

    answer: Any
    name: str = "together"
    version: str = "1"
    categories: tuple[str, ...] = ("together",)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        return [not_assessed("together", "needs the other items")]

    def classify_group(self, items: Sequence[ItemResult]) -> list[list[ErrorLabel]]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer(items) if callable(self.answer) else self.answer  # type: ignore[no-any-return]


def items_of(*responses: str, group: str | None = "g", **options: Any) -> list[ItemResult]:
    return [make_item(each, item_id=str(n), group=group, **options) for n, each in enumerate(responses)]


def inconsistent(*responses: str, **options: Any) -> list[list[ErrorLabel]]:
    (classifier,) = load_classifiers(["inconsistent"])
    assert isinstance(classifier, GroupClassifier)
    return classifier.classify_group(items_of(*responses, **options))


def test_where_many_items_are_classified_a_group_classifier_sees_them_all_at_once() -> None:
    def numbered(items: Sequence[ItemResult]) -> list[list[ErrorLabel]]:
        return [[ErrorLabel("together", 1.0, None, f"{n} of {len(items)}")] for n, _ in enumerate(items)]

    records = classify_all(items_of("a", "b", "c"), [Together(numbered)])
    assert [record.primary for record in records] == ["together"] * 3
    assert [record.labels[0].reason for record in records] == ["0 of 3", "1 of 3", "2 of 3"]


def test_a_single_item_is_asked_of_classify() -> None:
    assert classify(make_item("a"), [Together([])]).reasons == ("needs the other items",)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (ZeroDivisionError(), "ZeroDivisionError"), (None, "TypeError"), ([], "ValueError"), ([[]], "ValueError"),
        ([[], [], []], "ValueError"), ("xy", "TypeError"),
    ],
)  # fmt: skip
def test_what_breaks_the_contract_for_all_is_not_assessed_for_all(answer: Any, error: str) -> None:
    for record in classify_all(items_of("a", "b"), [Together(answer)]):
        assert record.not_assessed == ("together",)
        assert record.reasons == (f"classifier 'together' raised {error}",)
        assert record.primary == "wrong_answer"


@pytest.mark.parametrize(
    "bad",
    [None, ["x"], [ErrorLabel("other", 1.0)], [ErrorLabel("together", 2.0)], [ErrorLabel("together", 1.0, (0, 9))]],
)
def test_what_breaks_it_for_one_item_is_not_assessed_for_that_one(bad: Any) -> None:
    first, second = classify_all(items_of("a", "b"), [Together([[ErrorLabel("together", 1.0)], bad])])
    assert (first.primary, first.not_assessed) == ("together", ())
    assert (second.primary, second.not_assessed) == ("wrong_answer", ("together",))


def test_no_items_are_no_records() -> None:
    assert classify_all([], [Together([])]) == []


# ---------------------------------------------------------------- inconsistent


def test_the_answers_beside_the_majority_are_inconsistent() -> None:
    two, years, three = inconsistent("two years", "2 Years.", "three years")
    assert two == years == []
    (label,) = three
    assert label.category == "inconsistent"
    assert label.confidence == 1.0
    assert label.span == (0, 11)
    assert label.reason == "2 different answers to 3 paraphrases, 1 of them 'three years'"


@pytest.mark.parametrize(
    ("responses", "confidences"),
    [
        (["a", "b"], [1.0, 1.0]),
        (["a", "a", "b", "b"], [2 / 3] * 4),
        (["a", "a", "a", "b", "b"], [0, 0, 0, 0.75, 0.75]),
        (["x", "y", "z"], [1.0] * 3),
        (["", "yes"], [1.0, 1.0]),
    ],
)
def test_without_a_majority_all_are_inconsistent(responses: list[str], confidences: list[float]) -> None:
    given = [labels[0].confidence if labels else 0 for labels in inconsistent(*responses)]
    assert given == pytest.approx(confidences)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Two years", "the 2 years!"), ("1,000 euros", "1000 Euros"), ("Caf\u00e9", "cafe"), ("", " \n"),
        ('{"a": 1, "b": "X"}', '{ "b": "x", "a": 1.0 }'),
    ],
)  # fmt: skip
def test_dress_makes_no_difference(first: str, second: str) -> None:
    assert inconsistent(first, second) == [[], []]


@pytest.mark.parametrize(("first", "second"), [('{"a": 1}', '{"a": 2}'), ("yes", "no"), ('{"a": 1}', 'So: {"a": 1}')])
def test_content_makes_one(first: str, second: str) -> None:
    assert all(inconsistent(first, second))


def test_without_a_group_or_without_others_it_is_not_assessed() -> None:
    (alone,) = inconsistent("a")
    assert [label.assessed for label in alone] == [False]
    assert all(not labels[0].assessed for labels in inconsistent("a", "b", group=None))
    (classifier,) = load_classifiers(["inconsistent"])
    assert not classifier.classify(make_item("a", group="g"))[0].assessed


def test_groups_of_two_tasks_never_meet() -> None:
    from dataclasses import replace

    first, second = items_of("a", "b")
    (classifier,) = load_classifiers(["inconsistent"])
    assert isinstance(classifier, GroupClassifier)
    labels = classifier.classify_group([first, replace(second, task="another")])
    assert all(not each[0].assessed for each in labels)


@given(st.lists(st.sampled_from(["a", "b", "c", ""]), min_size=2, max_size=8))
def test_every_label_is_sure_enough_to_count_and_the_order_of_items_does_not_matter(responses: list[str]) -> None:
    labels = inconsistent(*responses)
    assert all(label.confidence >= 0.5 for each in labels for label in each)
    assert [bool(each) for each in inconsistent(*reversed(responses))] == [bool(each) for each in reversed(labels)]
    assert sum(not each for each in labels) in {0, max(responses.count(each) for each in responses)}


# ---------------------------------------------------------- unsupported_answer


def unsupported(response: str, **options: Any) -> list[ErrorLabel]:
    (classifier,) = load_classifiers(["unsupported_answer"])
    return classifier.classify(make_item(response, **options))


def test_an_answer_to_what_the_context_does_not_say_is_unsupported() -> None:
    (label,) = unsupported("  44 days.", answerable=False)
    assert (label.category, label.confidence, label.span) == ("unsupported_answer", 0.9, (2, 10))


@pytest.mark.parametrize(
    ("response", "options"),
    [
        ("The policy does not say.", {"answerable": False, "target": "The policy does not say."}),
        ("I don't know.", {"answerable": False}),
        (SENTENCE, {"answerable": False, "refusal_sentence": SENTENCE}),
        ("44 days", {"answerable": True}),
        ("44 days", {"answerable": False, "correct": 1.0}),
        (" ", {"answerable": False}),
    ],
)
def test_declining_answerable_right_and_empty_ones_are_not(response: str, options: dict[str, Any]) -> None:
    assert unsupported(response, **options) == []


def test_it_is_not_assessed_where_the_item_does_not_say() -> None:
    assert not unsupported("44 days")[0].assessed


def test_a_missed_refusal_gives_way_to_it() -> None:
    loaded = load_classifiers()
    assert classify(make_item("44 days", refusal=True, answerable=False), loaded).primary == "unsupported_answer"
    assert classify(make_item("44 days", refusal=True), loaded).primary == "missed_refusal"
    both = classify(make_item("44 days", refusal=True, answerable=False), loaded)
    assert "missed_refusal" not in {label.category for label in both.labels} | set(both.not_assessed)
