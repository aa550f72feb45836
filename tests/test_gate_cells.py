"""Cells: what counts in one, screened on dev, confirmed by Holm on gate."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

import pytest
from holm_reference import rejected
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.diagnosis import Cell
from harness.gate.cells import ANY, REPORT_ONLY_BELOW, CellTest, cell_tests, confirmed, flagged, lost_skills
from harness.gate.mcnemar import midp
from harness.gate.verdict import Paired


def by_category(
    before: Mapping[str, str | None], after: Mapping[str, str | None], skill: str = "s"
) -> dict[str, CellTest]:
    """Category to test, of items given with their category (``None``: right)."""
    was, now = (
        {item: Cell(skill, category) for item, category in states.items() if category is not None}
        for states in (before, after)
    )
    found = cell_tests(was, now, dict.fromkeys(before, skill), {item: item for item in before})
    return {test.cell.category: test for test in found}


def of(cell: Cell, p_worse: float, n: int = 100) -> CellTest:
    return CellTest(cell, 0, 0, Paired(n, 0, 0, 0.0, (0.0, 0.0), 1 - p_worse, p_worse))


def test_by_hand() -> None:
    before = {"a": "long", "b": "long", "c": None, "d": None, "e": "form", "f": None}
    after = {"a": None, "b": "form", "c": "form", "d": None, "e": "form", "f": "long"}
    found = by_category(before, after)
    assert list(found) == [ANY, "form", "long"]
    # long: a is cured, b is not (it only fails otherwise now), f is new
    long = found["long"]
    assert (long.before, long.after, long.paired.fixed, long.paired.broken, long.paired.n) == (2, 2, 1, 1, 6)
    # form: c is new; b is counted where it was
    form = found["form"]
    assert (form.before, form.after, form.paired.fixed, form.paired.broken) == (1, 2, 0, 1)
    assert form.paired.p_worse == midp(1, 0)
    assert (found[ANY].before, found[ANY].after) == (3, 4)


def test_an_item_that_fails_in_another_way_neither_improves_a_cell_nor_harms_one() -> None:
    items = [f"i{k}" for k in range(60)]
    found = by_category(
        dict.fromkeys(items, "no_form"), {item: "wrong" if k < 50 else None for k, item in enumerate(items)}
    )
    assert (found["no_form"].before, found["no_form"].after) == (60, 50)
    assert "wrong" not in found
    assert not flagged(found.values())


def test_cells_of_small_skills_are_reported_only() -> None:
    for n, some in ((REPORT_ONLY_BELOW - 1, False), (REPORT_ONLY_BELOW, True)):
        items = [f"i{k}" for k in range(n)]
        found = list(by_category(dict.fromkeys(items), dict.fromkeys(items, "wrong")).values())
        assert all(test.report_only != some for test in found)
        assert bool(flagged(found)) == bool(lost_skills(found)) == some
        assert bool(confirmed([Cell("s", "wrong")], found)) == some


def test_items_of_one_cluster_count_together() -> None:
    items = [f"i{k}" for k in range(40)]
    after = {item: Cell("s", "wrong") for item in items[:10]}
    skills = dict.fromkeys(items, "s")
    alone = cell_tests({}, after, skills, {item: item for item in items})[1]
    together = cell_tests({}, after, skills, {item: str(int(item[1:]) // 10) for item in items})[1]
    assert alone.paired.p_worse < 0.001
    assert together.paired.p_worse == 0.25
    assert [test.cell.category for test in flagged([alone, together])] == ["wrong"]


def test_a_skill_that_is_lost_in_many_ways_is_seen_as_a_whole() -> None:
    items = [f"i{k}" for k in range(60)]
    ways = ["wrong", "form", "long", "empty", "label", "echo"]
    found = by_category(dict.fromkeys(items), {items[10 * k]: way for k, way in enumerate(ways)}, "routing")
    assert found["form"].paired.p_worse == 0.25
    assert found[ANY].paired.p_worse == 0.5**7
    assert [str(test.cell) for test in flagged(found.values())] == ["routing/any"]
    assert lost_skills(found.values()) == ["routing"]


def test_flagged_cells_come_with_the_surest_first() -> None:
    tests = [
        of(Cell("s", "a"), 0.09),
        of(Cell("s", "b"), 0.001),
        of(Cell("s", "c"), 0.1),
        of(Cell("s", "d"), 0.001, 19),
    ]
    assert [test.cell.category for test in flagged(tests)] == ["b", "a"]


@pytest.mark.parametrize(
    ("p", "harmed"),
    [
        ({"a": 0.02, "b": 0.02, "c": 0.9}, ""),  # .02 > .05/3
        ({"a": 0.01, "b": 0.024, "c": 0.05}, "abc"),
        ({"a": 0.01, "b": 0.026, "c": 0.03}, "a"),  # .026 > .05/2 ends it, c is not looked at
        ({"a": 0.02, "b": 0.9}, "a"),
        ({"a": 0.02}, ""),  # b, flagged too, has no failing item on gate: it counts among the two all the same
    ],
)
def test_holm_by_hand(p: Mapping[str, float], harmed: str) -> None:
    suspects = [Cell("s", name) for name in (p if len(p) > 1 else "abc")]
    found = confirmed(suspects, [of(Cell("s", name), value) for name, value in p.items()])
    assert "".join(cell.category for cell in found) == harmed


@settings(max_examples=30)
@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=12))
def test_holm_agrees_with_statsmodels(p: list[float]) -> None:
    cells = [Cell("s", f"{k:02}") for k in range(len(p))]
    found = confirmed(cells, [of(cell, value) for cell, value in zip(cells, p, strict=True)])
    assert sorted(found) == [cell for cell, reject in zip(cells, rejected(p, 0.05), strict=True) if reject]


def test_what_was_not_flagged_on_dev_is_not_looked_at_on_gate() -> None:
    assert confirmed([], [of(Cell("s", "a"), 0.0)]) == []


def test_equally_good_models_lose_a_skill_in_one_comparison_of_twenty_at_most() -> None:
    rng = random.Random(6)
    wrong = 0
    for _ in range(300):
        skills = {f"{skill}{k}": skill for skill in "abcdef" for k in range(40)}
        draws = {item: rng.random() for item in skills}
        before = {item: Cell(skills[item], "wrong") for item, draw in draws.items() if draw < 0.4}
        after = {item: Cell(skills[item], "wrong") for item, draw in draws.items() if 0.08 < draw < 0.48}
        wrong += bool(lost_skills(cell_tests(before, after, skills, {item: item for item in skills})))
    assert wrong <= 300 * (0.05 + 3 * math.sqrt(0.05 * 0.95 / 300))


def test_a_skill_of_few_clusters_that_loses_most_of_what_was_right_is_lost() -> None:
    """Six templates cannot be significant among ten skills by clusters: 1/2^6 is above .05/10."""
    others = [of(Cell(f"skill {k}", ANY), 0.9) for k in range(9)]
    items = [f"i{k}" for k in range(30)]
    clusters, skills = {item: str(int(item[1:]) % 6) for item in items}, dict.fromkeys(items, "desk")

    def lost(right: int, broken: int) -> list[str]:
        before = {item: Cell("desk", "wrong") for item in items[right:]}
        after = before | {item: Cell("desk", "wrong") for item in items[:broken]}
        return lost_skills([*others, cell_tests(before, after, skills, clusters)[0]])

    assert lost(24, 24) == lost(24, 12) == ["desk"]
    assert lost(24, 11) == []  # significant by items, and less than half of what was right
    assert lost(8, 6) == []  # not even by items
