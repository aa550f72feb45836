"""Recall, precision and confusion of classifiers, against tables worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from errors_items import make_item
from statsmodels.stats.proportion import proportion_confint

from harness.errors import ErrorLabel, ErrorRecord, classify_all
from harness.errors.proof.case import Case
from harness.errors.proof.measure import NOTHING, Figures, measure, records_of, reported, wilson
from harness.evaluation.items import ItemResult
from harness.exceptions import InputError

NAMES = ("loop", "form", "wrong_answer")


def case(
    number: int,
    due: str = "",
    *,
    allowed: str = "",
    primary: str | None = None,
    kind: str = "kind",
    correct: float = 0.0,
) -> Case:
    item = make_item("a response", item_id=f"item {number}", correct=correct)
    wanted = frozenset(due.split())
    first = primary or (sorted(wanted)[0] if wanted else None)
    left_over = {"wrong_answer"} - wanted if correct < 1 else set()
    return Case(item, kind, wanted, frozenset(allowed.split()) | left_over, first)


def record(
    number: int, primary: str | None, labels: str = "", not_assessed: str = "", doubtful: str = ""
) -> ErrorRecord:
    made = [ErrorLabel(name, 1.0) for name in labels.split()] + [ErrorLabel(name, 0.4) for name in doubtful.split()]
    return ErrorRecord(f"item {number}", primary, tuple(made), tuple(not_assessed.split()))


# Eleven wrong responses and two right ones:
CASES = [
    case(1, "loop"), case(2, "loop"), case(3, "loop"), case(4, "loop", allowed="form"),
    case(5, "form"), case(6, "form"),
    case(7, "wrong_answer"), case(8, "wrong_answer"),
    case(9), case(10),
    case(11, correct=1.0), case(12, correct=1.0), case(13, "loop"),
]  # fmt: skip
RECORDS = [
    record(1, "loop", "loop wrong_answer"),  # found
    record(2, "form", "form wrong_answer", doubtful="loop"),  # missed, and a false alarm of form
    record(3, "wrong_answer", "wrong_answer", "loop"),  # missed for want of something
    record(4, "loop", "loop form wrong_answer"),  # found, with a consequence that is allowed
    record(5, "form", "form wrong_answer"),  # found
    record(6, "loop", "loop form wrong_answer"),  # found, and a false alarm of loop
    record(7, "wrong_answer", "wrong_answer"),  # found
    record(8, "form", "form wrong_answer"),  # missed, and a false alarm of form
    record(9, "wrong_answer", "wrong_answer"),  # a harmless change that the task counts as wrong
    record(10, "form", "form wrong_answer"),  # a false alarm of form
    record(11, None),
    record(12, None, "loop"),  # a false alarm of loop on a right response
    record(13, "wrong_answer", "wrong_answer"),  # missed, left over to wrong_answer
]


def figures(name: str, **more: Any) -> Figures:
    measured = measure(CASES, RECORDS, more.get("names", NAMES))
    return next(each for each in measured.figures if each.category == name)


@pytest.mark.parametrize(
    ("name", "due", "found", "not_assessed", "false_alarms", "recall", "precision"),
    [
        ("loop", 5, 2, 1, 2, 2 / 5, 2 / 4),
        ("form", 2, 2, 0, 3, 2 / 2, 2 / 5),
        ("wrong_answer", 2, 1, 0, 1, 1 / 2, 1 / 2),
    ],
)
def test_the_figures_of_thirteen_responses(
    name: str, due: int, found: int, not_assessed: int, false_alarms: int, recall: float, precision: float
) -> None:
    each = figures(name)
    assert (each.due, each.found, each.not_assessed, each.false_alarms) == (due, found, not_assessed, false_alarms)
    assert each.recall == pytest.approx(recall)
    assert each.precision == pytest.approx(precision)


def test_the_confusion_of_primary_categories_holds_each_wrong_response_once_and_all_harmless_ones() -> None:
    assert measure(CASES, RECORDS, NAMES).confusion == {
        ("loop", "loop"): 2, ("loop", "form"): 1, ("loop", "wrong_answer"): 2,
        ("form", "form"): 1, ("form", "loop"): 1,
        ("wrong_answer", "wrong_answer"): 1, ("wrong_answer", "form"): 1,
        (NOTHING, NOTHING): 2, (NOTHING, "form"): 1, (NOTHING, "loop"): 1,
    }  # fmt: skip


def test_harmless_responses_that_raised_an_alarm_are_counted_and_a_wrong_score_is_no_alarm() -> None:
    measured = measure(CASES, RECORDS, NAMES)
    assert (measured.cases, measured.harmless, measured.alarmed) == (13, 4, 2)


def test_a_fault_that_nothing_looks_for_is_no_fault_of_wrong_answer_to_which_it_falls() -> None:
    assert figures("wrong_answer", names=("form", "wrong_answer")).false_alarms == 0


def test_what_is_missed_and_mistaken_is_named_by_kind_the_most_frequent_first() -> None:
    kinds = ["b", "a", "a", "c"]
    cases = [case(number, "loop", kind=kind) for number, kind in enumerate(kinds)]
    (each,) = measure(cases, [record(number, "form", "form") for number in range(4)], ["loop"]).figures
    assert each.missed_kinds == (("a", 2), ("b", 1), ("c", 1))
    (each,) = measure(cases, [record(number, "form", "form") for number in range(4)], ["form"]).figures
    assert each.false_kinds == (("a", 2), ("b", 1), ("c", 1))


def test_a_label_below_the_confidence_that_makes_it_primary_is_not_reported() -> None:
    assert reported(record(1, "form", "form wrong_answer", doubtful="loop")) == {"form"}


def test_wrong_answer_is_reported_only_where_nothing_more_precise_is() -> None:
    assert reported(record(1, "wrong_answer", "wrong_answer")) == {"wrong_answer"}


def test_rates_without_a_case_are_not_zero_but_absent() -> None:
    nothing = Figures("loop", 0, 0, 0, 0)
    assert (nothing.recall, nothing.precision) == (None, None)
    assert nothing.recall95 == (0.0, 1.0)
    assert Figures("loop", 0, 0, 0, 3).precision == 0.0


@pytest.mark.parametrize(("successes", "n"), [(0, 7), (7, 7), (3, 10), (95, 100), (1, 1)])
def test_the_interval_is_wilsons(successes: int, n: int) -> None:
    assert wilson(successes, n) == pytest.approx(proportion_confint(successes, n, 0.05, "wilson"), abs=1e-12)


def test_records_of_other_cases_are_refused() -> None:
    with pytest.raises(InputError, match="classify the cases again"):
        measure(CASES[:2], RECORDS[1:3], NAMES)


class Group:
    """Sees how many items it was shown in one go, through what the companions say."""

    name, version, categories = "loop", "1", ("loop",)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        return [ErrorLabel("loop", 1.0)] if "loop" in item.response else []


@pytest.mark.parametrize("stepwise", [False, True])
def test_companions_are_classified_along_and_not_counted(stepwise: bool) -> None:
    companion = make_item("loop", item_id="companion")
    cases = [Case(make_item("fine", item_id="own"), "kind", frozenset(), frozenset(), None, (companion,))]
    told: list[tuple[int, int]] = []
    progress = (lambda done, total: told.append((done, total))) if stepwise else None
    records = records_of(cases, lambda items: classify_all(items, [Group()]), progress)
    assert [each.item_id for each in records] == ["own"]
    assert told == ([(1, 1)] if stepwise else [])
    assert measure(cases, records, ["loop"]).alarmed == 0
