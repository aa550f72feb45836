"""Where a run stands, folded from its ledger."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.diagnosis import Cell, CellTrial
from harness.ledger import Entry
from harness.loop.state import MAX_REPLAY, MIN_RATE, LoopState, fold, step, trial_data
from harness.training.recipe import Recipe

RECIPE = Recipe(patience=3, cooling=0.5)
DECISIONS = ("promote", "certify", "reject", "rollback", "invalid", "crash")
STARTS = ("latest", "champion", "base")


def entry(kind: str, data: dict[str, Any]) -> Entry:
    """A ledger entry; the chain does not matter here."""
    return Entry(0, "", kind, data, "", "")


def round_entry(number: int, decision: str, **data: Any) -> Entry:
    """A recorded round."""
    base = {"round": number, "decision": decision, "seconds": {"mine": 1.0, "train": 2.0}, "trials": [], "broken": []}
    return entry("round", base | data)


def after(*decisions: str, recipe: Recipe = RECIPE) -> LoopState:
    """The state after rounds that ended so."""
    return fold([round_entry(number, decision) for number, decision in enumerate(decisions, start=1)], recipe)


def test_a_run_begins_with_the_base() -> None:
    assert fold([], RECIPE) == LoopState(champion=0, learner=0, done=0, rate=1.0)


def test_a_promotion_makes_the_candidate_champion_and_the_learner_goes_on_from_it() -> None:
    state = after("reject", "promote")
    assert (state.champion, state.learner, state.done) == (2, 2, 2)
    assert (state.rejections, state.since_return) == (0, 0)


def test_a_rejection_keeps_the_champion_and_the_learner_goes_on() -> None:
    state = after("promote", "reject", "reject")
    assert (state.champion, state.learner, state.rejections, state.rate) == (1, 3, 2, 1.0)


@pytest.mark.parametrize("start", ["champion", "base"])
def test_without_start_latest_a_rejection_leaves_no_learner_behind(start: Any) -> None:
    assert after("promote", "reject", recipe=Recipe(patience=9, start=start)).learner == 1


def test_after_patience_rejections_the_learner_returns_to_the_champion_cooler_and_with_more_replay() -> None:
    state = after("promote", "reject", "reject", "reject")
    assert (state.champion, state.learner) == (1, 1)
    assert (state.rate, state.extra_replay) == (0.5, 0.1)
    assert (state.rejections, state.since_return) == (3, 0)


def test_patience_counts_again_from_each_return() -> None:
    state = after("promote", *["reject"] * 5)
    assert (state.learner, state.rate, state.rejections, state.since_return) == (6, 0.5, 5, 2)
    assert after("promote", *["reject"] * 6).rate == 0.25


def test_a_promotion_keeps_the_cooler_rate() -> None:
    assert after("reject", "reject", "reject", "promote").rate == 0.5


def test_a_crash_returns_to_the_champion_at_once() -> None:
    state = after("promote", "reject", "crash")
    assert (state.champion, state.learner, state.rate, state.rejections) == (1, 1, 0.5, 2)


def test_a_round_without_a_comparison_leaves_the_learner_where_it_was() -> None:
    state = after("promote", "reject", "invalid")
    assert (state.champion, state.learner, state.rejections) == (1, 2, 2)


def test_a_certificate_moves_the_anchor_and_a_promotion_without_one_does_not() -> None:
    rounds = [round_entry(1, "promote", anchor=1), round_entry(2, "promote", anchor=1), round_entry(3, "reject")]
    state = fold(rounds, RECIPE)
    assert (state.champion, state.anchor) == (2, 1)


def test_a_rollback_makes_the_anchor_champion_and_learner_cooler_and_with_more_replay() -> None:
    rounds = [round_entry(1, "promote", anchor=1), round_entry(2, "promote", anchor=1)]
    state = fold([*rounds, round_entry(3, "rollback", anchor=1, broken=[["add", "empty"]])], RECIPE)
    assert (state.champion, state.anchor, state.learner) == (1, 1, 1)
    assert (state.rate, state.extra_replay, state.rejections, state.broken) == (0.5, 0.1, 1, ())


def test_without_a_certified_model_a_rollback_returns_to_the_base() -> None:
    state = after("promote", "promote", "rollback")
    assert (state.champion, state.anchor, state.learner) == (0, 0, 0)


def test_going_back_by_hand_behind_the_anchor_moves_it_and_choosing_one_does_not() -> None:
    rounds = [round_entry(1, "promote"), round_entry(2, "promote", anchor=2)]
    back = entry("rolled_back_by_hand", {"champion": 1, "anchor": 0})
    assert fold([*rounds, back], RECIPE).anchor == 0
    assert fold([*rounds, entry("promoted_by_hand", {"champion": 1})], RECIPE).anchor == 2


def test_what_a_candidate_broke_is_kept_for_the_next_round_alone() -> None:
    broken = round_entry(1, "reject", broken=[["routing", "too_long"]])
    assert fold([broken], RECIPE).broken == (Cell("routing", "too_long"),)
    assert fold([broken, round_entry(2, "reject")], RECIPE).broken == ()


def test_what_was_broken_goes_with_the_learners_state() -> None:
    broken = [["routing", "too_long"]]
    rounds = [round_entry(number, "reject", broken=broken) for number in (1, 2, 3)]
    assert fold(rounds[:2], RECIPE).broken == (Cell("routing", "too_long"),)
    assert fold(rounds, RECIPE).broken == ()


def test_trials_of_all_rounds_are_kept() -> None:
    trials = [CellTrial(number, Cell("routing", "empty"), 5, 3, 20) for number in (1, 2)]
    entries = [round_entry(trial.round, "reject", trials=[trial_data(trial)]) for trial in trials]
    assert fold(entries, RECIPE).trials == tuple(trials)


def test_seconds_of_baseline_rounds_and_final_add_up() -> None:
    entries = [
        entry("baseline", {"seconds": 10.0}),
        round_entry(1, "promote"),
        entry("final", {"seconds": 5.0, "round": 1}),
    ]
    state = fold(entries, RECIPE)
    assert state.seconds == 18.0
    assert state.finals == (1,)


def test_openings_of_test_are_counted() -> None:
    assert fold([entry("test_opened", {"round": 1}), entry("test_opened", {"round": 2})], RECIPE).opened_test == 2


@pytest.mark.parametrize("kind", ["open", "asked", "stop", "of a later version"])
def test_other_entries_change_nothing(kind: str) -> None:
    state = after("promote", "reject")
    assert step(state, entry(kind, {"anything": 1}), RECIPE) == state


@given(
    decisions=st.lists(st.sampled_from(DECISIONS), max_size=60),
    patience=st.integers(1, 8),
    cooling=st.floats(0.01, 1.0),
    start=st.sampled_from(STARTS),
)
def test_the_invariants_hold_after_any_decisions(
    decisions: list[str], patience: int, cooling: float, start: Any
) -> None:
    recipe = Recipe(patience=patience, cooling=cooling, start=start)
    state = LoopState()
    champion = anchor = promoted = 0
    for number, decision in enumerate(decisions, start=1):
        if decision in ("promote", "certify"):
            champion = promoted = number
        anchor = number if decision == "certify" else anchor
        champion = anchor if decision == "rollback" else champion
        recorded = round_entry(number, "promote" if decision == "certify" else decision, anchor=anchor)
        before, state = state, step(state, recorded, recipe)
        assert (state.done, state.champion, state.anchor) == (number, champion, anchor)
        assert state.rejections == number - promoted
        assert state.learner in range(state.champion, number + 1)
        assert decisions[state.learner - 1] in ("promote", "certify", "reject") or state.learner == 0
        assert state.since_return < patience
        assert MIN_RATE <= state.rate <= before.rate <= 1.0
        assert before.extra_replay <= state.extra_replay <= MAX_REPLAY
        if start != "latest":
            assert state.learner == state.champion


@given(decisions=st.lists(st.sampled_from(DECISIONS), max_size=20), cut=st.integers(0, 20))
def test_folding_in_two_parts_is_folding_at_once(decisions: list[str], cut: int) -> None:
    entries = [
        round_entry(number, "promote", anchor=number) if decision == "certify" else round_entry(number, decision)
        for number, decision in enumerate(decisions, start=1)
    ]
    state = fold(entries[:cut], RECIPE)
    for later in entries[cut:]:
        state = step(state, later, RECIPE)
    assert state == fold(entries, RECIPE)
