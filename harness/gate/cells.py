"""Cells (skill x error category): is one of them worse than before? Screened on dev, confirmed on gate.

"No regression" means no confirmed harm. That each of dozens of cells is as good as before cannot be shown with the
items that there are: strict non-inferiority blocks 98% of harmless candidates (simulated).

A wrong item counts in one cell. One that was wrong before and still is counts in the cell it failed in before, in
whatever way it fails now: a cell improves only by items that become right, and is harmed only by items that were right.
Otherwise every model that learns the form of its answers first would "harm" the cells of all errors that show once the
form is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.diagnosis import Cell
from harness.gate.holm import holm
from harness.gate.pairing import compare_named
from harness.gate.verdict import Paired

ANY = "any"
"""Category of the cell that holds all errors of a skill: a skill that is lost fails in many ways."""
REPORT_ONLY_BELOW = 20
"""Items of a skill below which its cells are shown and decide nothing."""
SCREEN_P = 0.10
LOST_SHARE = 0.5
CONFIRM_P = 0.05


@dataclass(frozen=True)
class CellTest:
    """One cell, before and after.

    Attributes:
        before, after: items that count in it.
        paired: of the indicator "does not count in the cell" over all items of the skill, so ``paired.p`` says
            better, ``paired.p_worse`` worse, and ``paired.n`` is the skill's size.
    """

    cell: Cell
    before: int
    after: int
    paired: Paired

    @property
    def report_only(self) -> bool:
        """Whether there are too few items to decide anything by."""
        return self.paired.n < REPORT_ONLY_BELOW


def cell_tests(
    before: Mapping[str, Cell], after: Mapping[str, Cell], skills: Mapping[str, str], clusters: Mapping[str, str]
) -> list[CellTest]:
    """Test every cell that something fails in, before or after, and each skill as a whole (`ANY`).

    Args:
        before: item to the cell that it fails in, wrong items only (`harness.diagnosis.failing_cells`).
        after: the same under the other model.
        skills: every item that both answered, to its skill.
        clusters: item to cluster.

    Returns:
        By skill, `ANY` first, then the categories in alphabetical order.
    """
    members: dict[str, list[str]] = {}
    for item, skill in skills.items():
        members.setdefault(skill, []).append(item)
    tests: list[CellTest] = []
    for skill, items in sorted(members.items()):
        was = {item: before[item].category for item in items if item in before}
        now = {item: was.get(item, after[item].category) for item in items if item in after}
        found = [clusters[item] for item in items]
        for category in [ANY, *sorted({*was.values(), *now.values()} - {ANY})]:
            old, new = ([_clear(category, state.get(item)) for item in items] for state in (was, now))
            tests.append(
                CellTest(Cell(skill, category), old.count(0.0), new.count(0.0), compare_named(old, new, found, items))
            )
    return tests


def _clear(category: str, state: str | None) -> float:
    """1 where an item does not count in the category."""
    return 1.0 if state is None or category not in (ANY, state) else 0.0


def flagged(tests: Iterable[CellTest]) -> list[CellTest]:
    """The cells that look harmed on dev, the surest first: mined first in the next round, whatever gate says."""
    suspect = [test for test in tests if not test.report_only and test.paired.p_worse < SCREEN_P]
    return sorted(suspect, key=lambda test: (test.paired.p_worse, test.cell))


def confirmed(suspects: Sequence[Cell], gate: Iterable[CellTest]) -> list[Cell]:
    """Those of the cells flagged on dev that are harmed on gate, by Holm's procedure at `CONFIRM_P` over all of them.

    A flagged cell that is not among them is on WATCH and blocks nothing. What this returns is of the gate items: like
    them it stays hidden.

    Args:
        suspects: flagged on dev.
        gate: the same comparison on gate; a cell in which nothing fails there, or of a skill with too few items
            there, is not confirmed and still counts as one of those tested.
    """
    return _harmed(suspects, {test.cell: test.paired.p_worse for test in gate if not test.report_only})


def _harmed(suspects: Sequence[Cell], p: Mapping[Cell, float]) -> list[Cell]:
    """The cells whose p is small enough for all of ``suspects`` together; one without a p counts and is not harmed."""
    ordered = sorted(suspects, key=lambda cell: (p.get(cell, 1.0), cell))
    refuted = holm([p.get(cell, 1.0) for cell in ordered], CONFIRM_P)
    return [cell for cell, harmed in zip(ordered, refuted, strict=True) if harmed]


def lost_skills(tests: Iterable[CellTest]) -> list[str]:
    """Skills that a candidate is worse in, whatever it gains elsewhere: `ANY` cells by Holm at .05 over all skills.

    By clusters; and, where it lost at least `LOST_SHARE` of what was right, net, by items too: with the six templates
    that a skill may have on dev no loss at all is significant by clusters, and a lost skill must not hide in that.

    For the comparison with the champion on dev, where names may be told, and with round 0 on the guards.
    """
    whole = [test for test in tests if test.cell.category == ANY and not test.report_only]
    cells = [test.cell for test in whole]
    by_clusters = confirmed(cells, whole)
    by_items = _harmed(cells, {test.cell: test.paired.midp_worse for test in whole})
    return [test.cell.skill for test in whole if test.cell in by_clusters or (test.cell in by_items and _most(test))]


def _most(test: CellTest) -> bool:
    """Whether `LOST_SHARE` of the items that were right before are lost, net."""
    return test.after - test.before >= LOST_SHARE * (test.paired.n - test.before)
