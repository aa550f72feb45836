"""From error records to targets: which cells (skill x category) to train on next."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.errors.contract import ErrorRecord
from harness.errors.proven import target_category
from harness.evaluation.items import ItemResult
from harness.exceptions import InputError

UNCLASSIFIED = "unclassified"
"""Category of a wrong response that no classifier put a name to; without it such failures would cost nothing."""
MIN_SHARE = 0.1
"""No target gets less of the failing rows than this (or an equal share, where that is less)."""
STEP_BACK_AFTER = 2
"""Trials in a row without improvement after which a cell steps back."""
STEP_BACK_ROUNDS = 2
"""Rounds in which other cells are tried before a cell that stepped back counts in full again."""
STEP_BACK_WEIGHT = 0.25
"""Factor on the weight of a cell that stepped back."""
_WILSON_Z = 1.6448536269514722  # one-sided 95%


@dataclass(frozen=True, order=True)
class Cell:
    """A skill and an error category: the unit that the loop targets."""

    skill: str
    category: str

    def __str__(self) -> str:
        return f"{self.skill}/{self.category}"


@dataclass(frozen=True)
class CellCount:
    """How often a cell occurs on dev.

    Attributes:
        failing: items of the skill whose primary category this is.
        n: items of the skill.
    """

    cell: Cell
    failing: int
    n: int


@dataclass(frozen=True)
class CellTrial:
    """What a past round that targeted ``cell`` did to it on dev.

    Attributes:
        before, after: failing items before and after that round's training (candidate against its champion).
        n: items of the skill.
    """

    round: int
    cell: Cell
    before: int
    after: int
    n: int


@dataclass(frozen=True)
class Target:
    """A cell chosen for a round.

    Attributes:
        share: share of the round's failing rows it gets; the shares of a round's targets add up to 1.
        cost: points of dev accuracy that the cell costs, 0 to 100.
        reason: one line for the report.
    """

    cell: Cell
    share: float
    cost: float
    reason: str


def failing_cells(
    items: Sequence[ItemResult], records: Sequence[ErrorRecord], may_trigger: Collection[str] | None = None
) -> dict[str, Cell]:
    """Item id to the cell that the item fails in; right items (``correct`` 1) are left out.

    Args:
        may_trigger: categories that may be targets. An item whose primary category is not among them fails in the
            cell of its next label that is, of ``wrong_answer`` in the end (`target_category`): unproven categories
            are shown, and cost nothing and win no rows. ``None`` takes every item by its primary category.

    Raises:
        InputError: a wrong item has no error record.
    """
    by_id = {record.item_id: record for record in records}
    cells: dict[str, Cell] = {}
    missing: list[str] = []
    for item in items:
        if item.correct >= 1.0:
            continue
        record = by_id.get(item.item_id)
        if record is None:
            missing.append(item.item_id)
        else:
            cells[item.item_id] = Cell(item.skill, target_category(record, may_trigger) or UNCLASSIFIED)
    if missing:
        raise InputError(
            f"diagnosis: {len(missing)} wrong items have no error record, e.g. {min(missing)}; classify them again"
        )
    return cells


def cell_counts(
    items: Sequence[ItemResult],
    records: Sequence[ErrorRecord],
    keep: Iterable[Cell] = (),
    may_trigger: Collection[str] | None = None,
) -> list[CellCount]:
    """Count the failing items of each cell, by primary category.

    Args:
        items: scored responses, each item once.
        records: their error records; those of other items are passed over.
        keep: cells to list even when nothing fails in them (any more).
        may_trigger: see `failing_cells`; give it for targets, leave it out for what is shown.

    Returns:
        The cells with a failing item and the cells to keep, in the order of skill and category.

    Raises:
        InputError: a wrong item has no error record.
    """
    sizes = Counter(item.skill for item in items)
    failing = Counter(failing_cells(items, records, may_trigger).values())
    return [CellCount(cell, failing[cell], sizes[cell.skill]) for cell in sorted({*failing, *keep})]


def cell_trials(
    round: int,
    cells: Iterable[Cell],
    before: Mapping[str, Cell],
    after: Mapping[str, Cell],
    sizes: Mapping[str, int],
) -> list[CellTrial]:
    """What one round's training did to the cells it targeted.

    An item that only fails in another way is no improvement: ``after`` counts the cell's items that are still wrong,
    in whatever category, and the items that were right and now fail in the cell.

    Args:
        round: the round that targeted ``cells``.
        before: the champion's `failing_cells` on dev.
        after: the candidate's, on the same items.
        sizes: skill to its number of dev items.
    """
    return [
        CellTrial(
            round=round,
            cell=cell,
            before=sum(was == cell for was in before.values()),
            after=sum(before.get(item, now) == cell for item, now in after.items()),
            n=sizes.get(cell.skill, 0),
        )
        for cell in sorted(set(cells))
    ]


def broken_cells(before: Mapping[str, Cell], after: Mapping[str, Cell]) -> list[Cell]:
    """The cells into which a candidate broke items that its champion gets right, the most broken first.

    Args:
        before: the champion's `failing_cells` on dev.
        after: the candidate's, on the same items.
    """
    counts = Counter(cell for item, cell in after.items() if item not in before)
    return sorted(counts, key=lambda cell: (-counts[cell], cell))


def wilson_lower(failing: int, n: int) -> float:
    """Lower end of the one-sided 95% Wilson interval of a rate (Wilson 1927), 0 to 1; 0 where ``n`` is 0."""
    if n == 0:
        return 0.0
    rate, square = failing / n, _WILSON_Z * _WILSON_Z
    spread = _WILSON_Z * math.sqrt(rate * (1 - rate) / n + square / (4 * n * n))
    return max(0.0, (rate + square / (2 * n) - spread) / (1 + square / n))


def diagnose(
    counts: Sequence[CellCount],
    trials: Sequence[CellTrial],
    max_targets: int = 4,
    dev_items: int | None = None,
) -> list[Target]:
    """Choose the cells to train on next.

    A cell's weight is the lower confidence bound of what it costs: its share of dev items, taken at the Wilson bound
    of its failing rate, so that what was seen on few items counts for less than it seems to cost.
    A cell whose last `STEP_BACK_AFTER` trials brought nothing steps back: its weight is cut until others were tried
    in `STEP_BACK_ROUNDS` rounds (one more trial in vain then sends it back again, one that helps clears it). When
    every cell has stepped back, the costliest goes on at its full weight.

    Args:
        counts: cells with their failing items on dev, see `cell_counts`; cells without any are no targets.
        trials: what past rounds did to the cells they targeted, in any order.
        max_targets: cells to choose at most, >= 1.
        dev_items: all dev items; left out, the items of the skills in ``counts`` (a skill without failures is not
            among them).

    Returns:
        The targets by falling weight, shares adding up to 1 and none below `MIN_SHARE`; empty when nothing fails.

    Raises:
        InputError: ``max_targets`` is below 1.
    """
    if max_targets < 1:
        raise InputError(f"diagnosis: max_targets must be at least 1, got {max_targets}")
    failing = [count for count in counts if count.failing > 0]
    if not failing:
        return []
    total = dev_items or sum({count.cell.skill: count.n for count in counts}.values())
    full = {count.cell: count.n / total * wilson_lower(count.failing, count.n) for count in failing}
    back = {cell for cell in full if _stepped_back(cell, trials)}
    if len(back) == len(full):
        back.discard(min(full, key=lambda cell: (-full[cell], cell)))
    weights = {cell: weight * (STEP_BACK_WEIGHT if cell in back else 1.0) for cell, weight in full.items()}
    chosen = sorted(failing, key=lambda count: (-weights[count.cell], -count.failing, count.cell))[:max_targets]
    shares = _shares([weights[count.cell] for count in chosen])
    return [
        Target(
            cell=count.cell,
            share=share,
            cost=100 * count.failing / total,
            reason=_reason(count, total, trials, count.cell in back),
        )
        for count, share in zip(chosen, shares, strict=True)
    ]


def _stepped_back(cell: Cell, trials: Sequence[CellTrial]) -> bool:
    since: int | None = None  # the round of the last trial in vain, while the cell has stepped back
    in_vain = 0
    for trial in sorted((t for t in trials if t.cell == cell), key=lambda t: t.round):
        if since is not None and _others_tried(cell, trials, since, trial.round) >= STEP_BACK_ROUNDS:
            since, in_vain = None, STEP_BACK_AFTER - 1
        if trial.after < trial.before:
            since, in_vain = None, 0
        elif since is None:
            in_vain += 1
            since = trial.round if in_vain >= STEP_BACK_AFTER else None
    return since is not None and _others_tried(cell, trials, since, None) < STEP_BACK_ROUNDS


def _others_tried(cell: Cell, trials: Sequence[CellTrial], after: int, before: int | None) -> int:
    rounds = {t.round for t in trials if t.cell != cell and t.round > after}
    return len(rounds if before is None else {number for number in rounds if number < before})


def _shares(weights: Sequence[float]) -> list[float]:
    """Shares in proportion to ``weights`` (falling), the smallest raised to the floor at the others' expense."""
    floor = min(MIN_SHARE, 1 / len(weights))
    raised = 0
    while True:
        rest = weights[: len(weights) - raised]
        left = 1 - floor * raised
        if len(rest) == 1 or rest[-1] / math.fsum(rest) * left >= floor:
            return [weight / math.fsum(rest) * left for weight in rest] + [floor] * raised
        raised += 1


def _reason(count: CellCount, total: int, trials: Sequence[CellTrial], back: bool) -> str:
    text = f"costs {100 * count.failing / total:.1f} points of dev ({count.failing} of {count.n} items)"
    own = [trial for trial in trials if trial.cell == count.cell]
    if own:
        gain = sum(trial.before - trial.after for trial in own)
        rounds = "1 round" if len(own) == 1 else f"{len(own)} rounds"
        items = "1 item" if abs(gain) == 1 else f"{abs(gain)} items"
        text += f"; {rounds} on it " + (
            f"brought {items}" if gain > 0 else f"lost {items}" if gain else "brought nothing"
        )
    return text + ("; steps back for now" if back else "")
