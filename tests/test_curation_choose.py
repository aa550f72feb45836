"""The rows of a round: what was asked for, what is delivered, and that order and repetition do not matter."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.curation.apportion import apportion
from harness.curation.choose import Curation, curate, uniform
from harness.curation.overlap import prompt_key
from harness.curation.rows import TrainRow
from harness.diagnosis import Cell, Target
from harness.errors.contract import ErrorRecord
from harness.evaluation.items import ItemResult
from harness.exceptions import InputError

WRONG, FORMAT, ROUTE = Cell("slots", "wrong_answer"), Cell("slots", "invalid_format"), Cell("routing", "wrong_answer")


def result(item_id: str, skill: str, correct: float, prompt: str | None = None) -> ItemResult:
    prompt = f"{skill} question {item_id}" if prompt is None else prompt
    return ItemResult(item_id, "task", skill, item_id, {}, prompt, f"gold {item_id}", "answer", correct=correct)


def sample(*groups: tuple[str, str | None, int]) -> tuple[list[ItemResult], list[ErrorRecord]]:
    """``(skill, category or None for right, number)`` groups of distinct items."""
    items, records = [], []
    for skill, category, number in groups:
        for k in range(number):
            item_id = f"{skill}-{category}-{k:03}"
            items.append(result(item_id, skill, float(category is None)))
            records.append(ErrorRecord(item_id, category, ()))
    return items, records


def targets(**shares: float) -> list[Target]:
    named = {"wrong": WRONG, "format": FORMAT, "route": ROUTE}
    return [Target(named[name], share, 0.0, "") for name, share in shares.items()]


def general_rows(n: int) -> list[TrainRow]:
    return [TrainRow(f"g{k:03}", "general", f"general question {k}", "gold", "general") for k in range(n)]


def run(groups: tuple[list[ItemResult], list[ErrorRecord]], chosen: list[Target], **more: Any) -> Curation:
    return curate(*groups, chosen, **({"rows": 40, "replay": 0.0, "general": 0.0, "skill_balance": False} | more))


AMPLE = sample(
    ("slots", "wrong_answer", 60), ("slots", "invalid_format", 60), ("slots", None, 60),
    ("routing", "wrong_answer", 60), ("routing", None, 60),
)  # fmt: skip


def test_shares_of_failing_replay_and_general_rows() -> None:
    got = run(AMPLE, targets(wrong=1.0), rows=64, replay=0.25, general=0.125, general_rows=general_rows(20))
    assert got.asked == {"failing": 40, "replay": 16, "general": 8}
    assert got.delivered == {"failing": 40, "replay": 16, "general": 8}
    assert got.shortages == ()


def test_rows_carry_the_gold_answer_and_their_cell() -> None:
    got = run(AMPLE, targets(wrong=1.0), rows=2, replay=0.5)
    by_origin = {row.origin: row for row in got.rows}
    failing, replay = by_origin["failing"], by_origin["replay"]
    assert failing.completion == f"gold {failing.row_id}"
    assert failing.prompt == f"slots question {failing.row_id}"
    assert (failing.skill, failing.cell) == ("slots", "slots/wrong_answer")
    assert replay.cell is None
    assert "None" in replay.row_id  # answered right


def test_targets_get_their_shares() -> None:
    got = run(AMPLE, targets(wrong=0.5, route=0.3, format=0.2))
    assert got.delivered_cells == {"slots/wrong_answer": 20, "routing/wrong_answer": 12, "slots/invalid_format": 8}
    assert got.asked_cells == got.delivered_cells


def test_a_cell_with_too_few_rows_spills_over_to_the_other_targets_first() -> None:
    groups = sample(("slots", "wrong_answer", 5), ("slots", "invalid_format", 50), ("routing", "wrong_answer", 50))
    got = run(groups, targets(wrong=0.5, route=0.5))
    assert got.delivered_cells == {"slots/wrong_answer": 5, "routing/wrong_answer": 35}
    assert got.shortages == ("slots/wrong_answer: 5 of 20 rows; the sample has no more",)


def test_then_to_untargeted_failing_rows_then_to_uniform_ones() -> None:
    groups = sample(("slots", "wrong_answer", 5), ("slots", "invalid_format", 10), ("routing", None, 50))
    got = run(groups, targets(wrong=1.0), rows=20)
    assert got.delivered == {"failing": 15, "uniform": 5}
    assert got.shortages == (
        "failing: 15 of 20 rows; 15 of 65 sampled items failed",
        "slots/wrong_answer: 5 of 20 rows; the sample has no more",
    )


def test_replay_keeps_the_natural_mix_of_skills() -> None:
    groups = sample(("slots", None, 5), ("slots", "wrong_answer", 65), ("routing", None, 25), ("qa", None, 5))
    got = run(groups, [], rows=20, replay=1.0)
    assert Counter(row.skill for row in got.rows) == {"slots": 5, "routing": 12, "qa": 3}
    assert got.delivered == {"replay": 20}


def test_replay_spills_over_to_failing_rows_when_nothing_is_right() -> None:
    got = run(sample(("slots", "wrong_answer", 60)), targets(wrong=1.0), replay=0.25)
    assert got.delivered == {"failing": 40}
    assert got.shortages == ("replay: 0 of 10 rows; 0 of 60 sampled items were answered right",)


def test_missing_general_rows_are_made_up_and_said() -> None:
    got = run(AMPLE, targets(wrong=1.0), general=0.25, general_rows=general_rows(4))
    assert got.delivered == {"failing": 36, "general": 4}
    assert got.shortages == ("general: 4 of 10 rows; there are 4 general rows in all",)


def test_a_sample_smaller_than_the_round_is_said() -> None:
    got = run(sample(("slots", "wrong_answer", 3), ("slots", None, 4)), targets(wrong=1.0), rows=10, replay=0.2)
    assert len(got.rows) == 7
    assert got.shortages[-2] == "7 of 10 rows in all; mine a larger sample or ask for fewer rows"


def test_broken_cells_come_first_but_leave_half_to_the_targets() -> None:
    got = run(AMPLE, targets(wrong=1.0), broken_cells=[ROUTE])
    assert got.delivered == {"broken": 20, "failing": 20}
    assert {row.cell for row in got.rows if row.origin == "broken"} == {"routing/wrong_answer"}


def test_broken_cells_without_targets_get_all() -> None:
    assert run(AMPLE, [], broken_cells=[ROUTE, FORMAT]).delivered == {"broken": 40}


def test_a_broken_cell_that_the_champion_never_fails_in_leaves_its_rows_to_the_targets() -> None:
    got = run(AMPLE, targets(wrong=1.0), broken_cells=[Cell("slots", "empty")])
    assert got.delivered == {"failing": 40}
    assert got.shortages == ("slots/empty: 0 of 20 rows; the sample has no more",)


def test_without_targets_failing_rows_come_as_they_fail() -> None:
    groups = sample(("slots", "wrong_answer", 60), ("routing", "wrong_answer", 20))
    assert run(groups, []).delivered_cells == {"slots/wrong_answer": 30, "routing/wrong_answer": 10}


def test_skill_balance_keeps_failing_rows_within_twice_and_half_of_the_natural_mix() -> None:
    got = run(AMPLE, targets(route=1.0), skill_balance=True)  # slots 180 of 300, routing 120: fair 24 and 16 of 40
    assert Counter(row.skill for row in got.rows) == {"slots": 12, "routing": 28}
    got = run(sample(("slots", "x", 90), ("routing", "wrong_answer", 10)), targets(route=1.0), skill_balance=True)
    assert Counter(row.skill for row in got.rows) == {"slots": 32, "routing": 8}
    assert got.shortages == ("routing/wrong_answer: 8 of 40 rows; the rest was held back to keep the mix of skills",)


def test_skill_balance_prefers_uniform_rows_to_a_tilted_mix() -> None:
    groups = sample(("slots", "wrong_answer", 50), ("routing", None, 50), ("qa", None, 50), ("subject", None, 50))
    got = run(groups, targets(wrong=1.0), skill_balance=True)
    assert got.delivered == {"failing": 20, "uniform": 20}
    assert "failing: 20 of 40 rows; 50 of 200 sampled items failed, some held back to keep the mix of skills" in (
        got.shortages
    )


def test_skill_balance_leaves_shares_within_the_factor_alone() -> None:
    shares = targets(wrong=0.4, format=0.2, route=0.4)
    balanced, free = (run(AMPLE, shares, skill_balance=balance) for balance in (True, False))
    assert balanced.delivered_cells == free.delivered_cells


def test_the_same_prompt_is_taken_once() -> None:
    items = [
        result("b", "slots", 0.0, "Where is it?"),
        result("a", "slots", 0.0, "where is it"),
        result("c", "slots", 0.0),
    ]
    records = [ErrorRecord(item.item_id, "wrong_answer", ()) for item in items]
    general = [TrainRow("g", "general", "WHERE is it", "x", "general"), *general_rows(1)]
    got = run((items, records), targets(wrong=1.0), rows=10, general=0.5, general_rows=general)
    assert sorted(row.row_id for row in got.rows) == ["a", "c", "g000"]
    assert got.duplicates == 2


def test_another_seed_draws_other_rows() -> None:
    one, other = (run(AMPLE, targets(wrong=1.0), seed=seed) for seed in (1, 2))
    assert {row.row_id for row in one.rows} != {row.row_id for row in other.rows}


def test_another_seed_orders_the_same_rows_differently() -> None:
    few = sample(("slots", "wrong_answer", 10))
    one, other = (run(few, targets(wrong=1.0), rows=10, seed=seed).rows for seed in (1, 2))
    assert one != other
    assert set(one) == set(other)


def test_rows_of_all_origins_are_mixed() -> None:
    got = run(AMPLE, targets(wrong=1.0), replay=0.5)
    assert {row.origin for row in got.rows[:10]} == {"failing", "replay"}


def test_a_wrong_item_without_record_is_refused() -> None:
    with pytest.raises(InputError, match="no error record, e"):
        run((AMPLE[0], AMPLE[1][1:]), [])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rows": 0}, "rows must be at least 1, got 0"),
        ({"replay": -0.1}, r"replay is a share .* got -0\.1"),
        ({"general": 1.2}, r"general is a share .* got 1\.2"),
        ({"replay": 0.7, "general": 0.4}, "add up to more than 1"),
    ],
)
def test_recipe_values_out_of_range_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(AMPLE, [], **given)


def test_summary_is_plain_data_without_the_rows() -> None:
    got = run(AMPLE, targets(wrong=1.0), replay=0.25)
    assert json.loads(json.dumps(got.summary()))["delivered"] == {"failing": 30, "replay": 10}


def test_uniform_draws_without_regard_to_correctness() -> None:
    got = uniform(AMPLE[0], rows=150, general=0.2, general_rows=general_rows(40), seed=3)
    assert got.delivered == {"general": 30, "uniform": 120}
    right = sum("None" in row.row_id for row in got.rows)
    assert 120 * 0.4 - 16 < right < 120 * 0.4 + 16  # 120 of 300 are right; three standard errors
    assert all(row.cell is None for row in got.rows)
    assert got.rows == uniform(AMPLE[0][::-1], rows=150, general=0.2, general_rows=general_rows(40), seed=3).rows


def test_uniform_says_when_items_run_out() -> None:
    got = uniform(AMPLE[0][:5], rows=8)
    assert got.shortages == (
        "uniform: 5 of 8 rows; the sample has 5 items",
        "5 of 8 rows in all; mine a larger sample or ask for fewer rows",
    )


def test_apportion_respects_bounds_and_spills_in_proportion() -> None:
    weights = {"a": 0.5, "b": 0.3, "c": 0.2, "d": 0.0}
    ample = dict.fromkeys(weights, 100)
    assert apportion(10, weights, ample) == {"a": 5, "b": 3, "c": 2, "d": 0}
    assert apportion(10, weights, ample | {"a": 0}) == {"a": 0, "b": 6, "c": 4, "d": 0}
    assert apportion(10, weights, ample, {"d": 4}) == {"a": 3, "b": 2, "c": 1, "d": 4}
    assert apportion(10, weights, dict.fromkeys(weights, 2)) == {"a": 2, "b": 2, "c": 2, "d": 0}
    assert apportion(1, {"b": 1.0, "a": 1.0}, ample) == {"a": 1, "b": 0}


CELLS = [Cell(skill, category) for skill in ("slots", "routing", "qa") for category in ("wrong_answer", "empty")]
GROUPS = st.lists(
    st.tuples(
        st.sampled_from(["slots", "routing", "qa"]),
        st.sampled_from([None, "wrong_answer", "empty"]),
        st.integers(1, 12),
    ),
    max_size=7,
    unique_by=lambda group: group[:2],
).map(lambda groups: sample(*groups))
TARGETS = st.lists(
    st.builds(Target, st.sampled_from(CELLS), st.floats(0.05, 1.0), st.just(0.0), st.just("")),
    max_size=4,
    unique_by=lambda target: target.cell,
)


@settings(deadline=None)
@given(
    groups=GROUPS,
    chosen=TARGETS,
    broken=st.lists(st.sampled_from(CELLS), max_size=3, unique=True),
    rows=st.integers(1, 40),
    replay=st.floats(0, 0.5),
    general=st.floats(0, 0.5),
    n_general=st.integers(0, 10),
    repeats=st.integers(0, 5),
    balance=st.booleans(),
    seed=st.integers(0, 5),
)
def test_never_repeats_never_exceeds_and_never_minds_the_order(
    groups: tuple[list[ItemResult], list[ErrorRecord]], chosen: list[Target], broken: list[Cell], rows: int,
    replay: float, general: float, n_general: int, repeats: int, balance: bool, seed: int,
) -> None:  # fmt: skip
    items, records = list(groups[0]), list(groups[1])
    for item in groups[0][:repeats]:  # the same question once more under another id
        twin = result(item.item_id + "x", item.skill, item.correct, item.prompt.upper() + "!")
        items.append(twin)
        records.append(ErrorRecord(twin.item_id, "empty" if item.correct < 1 else None, ()))
    extra = general_rows(n_general)

    def once(rng: random.Random | None) -> Curation:
        def order(values: list[Any]) -> list[Any]:
            return rng.sample(values, len(values)) if rng else values

        return curate(
            order(items), order(records), order(chosen), rows=rows, replay=replay, general=general,
            general_rows=order(extra), broken_cells=order(broken), skill_balance=balance, seed=seed,
        )  # fmt: skip

    got = once(None)
    assert got == once(random.Random(seed))
    keys = [prompt_key(row.prompt) for row in got.rows]
    assert len(keys) == len(set(keys))
    assert len(got.rows) <= rows
    distinct = len({prompt_key(item.prompt) for item in items})
    delivered_general = got.delivered.get("general", 0)
    assert len(got.rows) - delivered_general == min(rows - delivered_general, distinct)
    assert delivered_general == min(got.asked["general"], n_general)
    assert sum(got.delivered.values()) == len(got.rows)
    wrong = {item.item_id for item in items if item.correct < 1}
    assert all(row.row_id in wrong for row in got.rows if row.origin in {"failing", "broken"})
    assert all(row.row_id not in wrong for row in got.rows if row.origin == "replay")


@settings(deadline=None)
@given(st.lists(st.floats(0.1, 1.0), min_size=1, max_size=3), st.integers(1, 60), st.integers(0, 3))
def test_shares_hold_to_within_a_row_where_the_sample_suffices(raw: list[float], rows: int, seed: int) -> None:
    shares = [share / sum(raw) for share in raw]
    wanted = [Target(cell, share, 0.0, "") for cell, share in zip((WRONG, FORMAT, ROUTE), shares, strict=False)]
    got = run(AMPLE, wanted, rows=rows, seed=seed)
    if all(share * rows <= 60 for share in shares):
        for target in wanted:
            assert abs(got.delivered_cells[str(target.cell)] - target.share * rows) <= 1
        assert got.shortages == ()


@settings(deadline=None)
@given(TARGETS, st.integers(1, 40))
def test_skill_balance_holds_for_any_targets(chosen: list[Target], rows: int) -> None:
    sizes = {"slots": 120, "routing": 60, "qa": 60}
    groups = sample(*((skill, "wrong_answer", n) for skill, n in sizes.items()))
    got = run(groups, chosen, rows=rows, skill_balance=True)
    for skill, n in sizes.items():
        fair = rows * n / 240
        assert int(fair / 2) <= sum(row.skill == skill for row in got.rows) <= fair * 2 + 1
