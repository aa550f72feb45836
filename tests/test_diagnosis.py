"""Which cells become targets, with what share, and why."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from harness.diagnosis import (
    MIN_SHARE,
    UNCLASSIFIED,
    Cell,
    CellCount,
    CellTrial,
    broken_cells,
    cell_counts,
    cell_trials,
    diagnose,
    failing_cells,
    wilson_lower,
)
from harness.errors.contract import ErrorRecord
from harness.evaluation.items import ItemResult
from harness.exceptions import InputError

A, B, C = Cell("slots", "wrong_answer"), Cell("slots", "invalid_format"), Cell("routing", "wrong_answer")


def result(item_id: str, skill: str, correct: float) -> ItemResult:
    return ItemResult(item_id, "task", skill, item_id, {}, f"prompt {item_id}", "gold", "answer", correct=correct)


def trial(round: int, cell: Cell, before: int, after: int) -> CellTrial:
    return CellTrial(round, cell, before, after, 75)


def counts(**failing: int) -> list[CellCount]:
    return [CellCount({"a": A, "b": B, "c": C}[name], number, 75) for name, number in failing.items()]


def chosen(rows: list[CellCount], trials: list[CellTrial] = [], **more: int) -> list[Cell]:  # noqa: B006
    return [target.cell for target in diagnose(rows, trials, **more)]


def test_counts_failing_items_by_primary_category_over_all_items_of_the_skill() -> None:
    items = [
        result("1", "slots", 0.0), result("2", "slots", 0.5), result("3", "slots", 1.0),
        result("4", "routing", 0.0), result("5", "routing", 1.0),
    ]  # fmt: skip
    records = [
        ErrorRecord("1", "wrong_answer", ()),
        ErrorRecord("2", "invalid_format", ()),
        ErrorRecord("3", None, ()),
        ErrorRecord("4", "wrong_answer", ()),
        ErrorRecord("5", None, ()),
    ]
    assert cell_counts(items, records) == [CellCount(C, 1, 2), CellCount(B, 1, 3), CellCount(A, 1, 3)]


def test_cells_to_keep_are_listed_at_zero() -> None:
    items, records = [result("1", "slots", 1.0)], [ErrorRecord("1", None, ())]
    assert cell_counts(items, records) == []
    assert cell_counts(items, records, keep=[A]) == [CellCount(A, 0, 1)]


def test_a_wrong_item_that_no_classifier_named_still_counts() -> None:
    assert failing_cells([result("1", "slots", 0.0)], [ErrorRecord("1", None, ())]) == {
        "1": Cell("slots", UNCLASSIFIED)
    }


def test_a_wrong_item_without_record_is_refused() -> None:
    with pytest.raises(InputError, match=r"2 wrong items have no error record, e\.g\. 1;"):
        cell_counts([result("2", "slots", 0.0), result("1", "slots", 0.0), result("3", "slots", 1.0)], [])


def test_targets_come_by_cost_and_name_it() -> None:
    targets = diagnose(counts(a=20, b=5, c=43), [], dev_items=300)
    assert [target.cell for target in targets] == [C, A, B]
    assert targets[0].cost == pytest.approx(14.333, abs=1e-3)
    assert targets[0].reason == "costs 14.3 points of dev (43 of 75 items)"


def test_dev_items_default_to_those_of_the_skills_listed() -> None:
    assert diagnose(counts(a=15, b=5, c=30), [])[0].cost == pytest.approx(100 * 30 / 150)


def test_a_rate_seen_on_few_items_counts_for_less_than_its_cost() -> None:
    sure, unsure = Cell("big", "x"), Cell("small", "x")
    shares = {t.cell: t.share for t in diagnose([CellCount(sure, 30, 100), CellCount(unsure, 9, 30)], [])}
    assert shares[sure] / shares[unsure] > 1.1 * 30 / 9
    assert shares[unsure] > MIN_SHARE


@pytest.mark.parametrize(("failing", "n"), [(0, 10), (1, 75), (43, 75), (10, 10), (500, 2_000)])
def test_wilson_bound_agrees_with_statsmodels(failing: int, n: int) -> None:
    expected = proportion_confint(failing, n, alpha=0.10, method="wilson")[0]
    assert wilson_lower(failing, n) == pytest.approx(max(expected, 0.0), abs=1e-12)


def test_no_more_than_max_targets_and_nothing_where_nothing_fails() -> None:
    assert chosen(counts(a=20, b=5, c=43), max_targets=2) == [C, A]
    assert chosen(counts(a=0, b=0)) == []
    assert chosen([]) == []


def test_max_targets_below_one_is_refused() -> None:
    with pytest.raises(InputError, match="max_targets must be at least 1, got 0"):
        diagnose(counts(a=1), [], max_targets=0)


def test_two_rounds_in_vain_make_a_cell_step_back() -> None:
    in_vain = [trial(1, C, 40, 40), trial(2, C, 40, 41)]
    targets = diagnose(counts(a=20, b=5, c=43), in_vain, dev_items=300)
    assert targets[0].cell == A
    assert next(t for t in targets if t.cell == C).reason.endswith("2 rounds on it lost 1 item; steps back for now")
    assert chosen(counts(a=20, c=43), in_vain[:1])[0] == C


def test_a_round_that_helped_keeps_a_cell_in_front() -> None:
    trials = [trial(1, C, 50, 50), trial(2, C, 50, 44), trial(3, C, 44, 44)]
    targets = diagnose(counts(a=20, c=43), trials, dev_items=300)
    assert targets[0].cell == C
    assert targets[0].reason == "costs 14.3 points of dev (43 of 75 items); 3 rounds on it brought 6 items"


def test_a_cell_comes_back_after_others_were_tried_and_leaves_again_at_the_next_failure() -> None:
    failing = counts(a=20, c=43)
    trials = [trial(1, C, 43, 43), trial(2, C, 43, 43)]
    assert chosen(failing, trials)[0] == A
    trials.append(trial(3, A, 20, 19))
    assert chosen(failing, trials)[0] == A
    trials.append(trial(4, A, 19, 18))
    assert chosen(failing, trials)[0] == C
    trials.append(trial(5, C, 43, 43))
    assert chosen(failing, trials)[0] == A


def test_a_cell_that_improves_while_stepped_back_counts_in_full_again() -> None:
    trials = [trial(1, C, 43, 43), trial(2, C, 43, 43), trial(3, C, 43, 38)]
    assert chosen(counts(a=20, c=43), trials)[0] == C


def test_when_all_have_stepped_back_the_costliest_goes_on() -> None:
    trials = [trial(round, cell, 20, 20) for round in (1, 2) for cell in (A, C)]
    targets = diagnose(counts(a=40, c=43), trials)
    assert [target.cell for target in targets] == [C, A]
    assert targets[0].share > 0.75
    assert not targets[0].reason.endswith("for now")


def test_trials_may_come_in_any_order() -> None:
    trials = [trial(1, C, 43, 44), trial(2, C, 44, 43), trial(3, A, 20, 20), trial(4, A, 20, 20)]
    answers = {tuple(chosen(counts(a=40, b=7, c=43), list(order))) for order in itertools.permutations(trials)}
    assert len(answers) == 1


def test_failing_in_another_way_is_no_improvement() -> None:
    before = {"1": A, "2": A, "3": B}
    after = {"1": B, "3": B, "4": A}  # 1 fails otherwise, 2 is cured, 4 is newly broken
    assert cell_trials(7, [A, B], before, after, {"slots": 75}) == [trial(7, B, 1, 1), trial(7, A, 2, 2)]


def test_broken_cells_are_those_of_items_the_champion_gets_right() -> None:
    before = {"1": A}
    after = {"1": B, "2": C, "3": A, "4": A}
    assert broken_cells(before, after) == [A, C]


COUNTS = st.lists(
    st.tuples(st.sampled_from("pqrs"), st.sampled_from("xyz"), st.integers(0, 60)),
    max_size=12,
    unique_by=lambda c: c[:2],
).map(lambda rows: [CellCount(Cell(skill, category), failing, 60) for skill, category, failing in rows])
TRIALS = st.lists(
    st.builds(
        CellTrial,
        round=st.integers(1, 9),
        cell=st.builds(Cell, st.sampled_from("pqrs"), st.sampled_from("xyz")),
        before=st.integers(0, 60),
        after=st.integers(0, 60),
        n=st.just(60),
    ),
    max_size=12,
    unique_by=lambda t: (t.round, t.cell),
)


@settings(deadline=None)
@given(COUNTS, TRIALS, st.integers(1, 12))
def test_shares_are_whole_floored_and_never_all_dropped(
    rows: list[CellCount], trials: list[CellTrial], max_targets: int
) -> None:
    targets = diagnose(rows, trials, max_targets)
    assert len(targets) == min(max_targets, sum(row.failing > 0 for row in rows))
    assert targets == diagnose(rows[::-1], trials[::-1], max_targets)
    if targets:
        assert sum(t.share for t in targets) == pytest.approx(1.0)
        assert min(t.share for t in targets) >= min(MIN_SHARE, 1 / len(targets)) - 1e-12
        assert all(one.share >= other.share - 1e-12 for one, other in itertools.pairwise(targets))
