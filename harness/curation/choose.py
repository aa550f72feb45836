"""From the champion's answers on a train-pool sample to the rows of a round."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from harness.curation.apportion import Key, apportion
from harness.curation.overlap import prompt_key
from harness.curation.rows import Origin, TrainRow
from harness.diagnosis import Cell, Target, failing_cells
from harness.errors.contract import ErrorRecord
from harness.evaluation.items import ItemResult
from harness.exceptions import InputError
from harness.storage import sha256_text

BROKEN_SHARE = 0.5
"""Share of a round's failing rows that cells the last candidate broke may take before the targets get theirs."""
SKILL_FACTOR = 2.0
"""How far a skill's share of the failing rows may lie from its natural share, as a factor either way.

Failing rows alone tilt the distribution of answers, and a skill that is over- or under-fed swings from round to round.
"""


class Question(Protocol):
    """What a row is made from: an `Item` or an `ItemResult`."""

    @property
    def item_id(self) -> str: ...
    @property
    def skill(self) -> str: ...
    @property
    def prompt(self) -> str: ...
    @property
    def target(self) -> str: ...


Q = TypeVar("Q", bound=Question)


@dataclass(frozen=True)
class Curation:
    """A round's training rows and how far they answer what was asked for.

    Attributes:
        rows: the rows in a seeded random order, no prompt twice.
        asked: origin to rows asked for by the recipe; broken rows are part of ``failing``.
        delivered: origin to rows delivered.
        asked_cells: ``skill/category`` to failing rows asked for by targets and broken cells.
        delivered_cells: ``skill/category`` to failing and broken rows delivered.
        duplicates: candidates left out because their prompt repeats another's.
        shortages: one line for each thing that was asked for and not delivered in full.
    """

    rows: tuple[TrainRow, ...]
    asked: Mapping[str, int]
    delivered: Mapping[str, int]
    asked_cells: Mapping[str, int]
    delivered_cells: Mapping[str, int]
    duplicates: int
    shortages: tuple[str, ...]

    def summary(self) -> dict[str, Any]:
        """All but the rows, as plain data for the ledger and the report."""
        return {
            "rows": len(self.rows),
            "asked": dict(self.asked),
            "delivered": dict(self.delivered),
            "asked_cells": dict(self.asked_cells),
            "delivered_cells": dict(self.delivered_cells),
            "duplicates": self.duplicates,
            "shortages": list(self.shortages),
        }


def curate(
    mined: Sequence[ItemResult],
    records: Sequence[ErrorRecord],
    targets: Sequence[Target],
    *,
    rows: int,
    replay: float,
    general: float,
    general_rows: Sequence[TrainRow] = (),
    broken_cells: Sequence[Cell] = (),
    skill_balance: bool = True,
    seed: int = 0,
    may_trigger: Collection[str] | None = None,
) -> Curation:
    """Choose the rows of a targeted round; the same for any order of the inputs.

    General rows and replay (items the champion gets right, in the pool's mix of skills) are drawn first, and what
    they lack goes to failing rows. Failing rows go to the cells by weight: up to `BROKEN_SHARE` of them to broken
    cells, the rest to targets by share; a cell with too few spills over to the other cells, then to untargeted
    failing rows. Where even those run out (or the skill balance stops them), ``uniform`` rows fill up: what is left
    of the sample, drawn without regard to correctness.

    Args:
        mined: the champion's answers on a fresh sample of the train pool.
        records: their error records; a wrong item must have one.
        targets: cells to train on with their shares.
        rows: rows to deliver in all, >= 1.
        replay: share of rows that the champion gets right, 0 to 1.
        general: share of general rows, 0 to 1; with ``replay`` at most 1.
        general_rows: rows to draw the general ones from.
        broken_cells: cells that the last candidate broke; rows that fail in them have origin ``broken``.
        skill_balance: keep each skill's failing rows within `SKILL_FACTOR` of its share of the sample, where it has
            enough failing rows.
        seed: of every draw.
        may_trigger: see `harness.diagnosis.failing_cells`; the one that the targets were chosen with.

    Raises:
        InputError: ``rows`` or a share is out of range; a wrong item has no error record.
    """
    quotas = _quotas(rows, replay, general)
    pool, duplicates = _distinct(mined, seed)
    general_pool, general_duplicates = _distinct_general(general_rows, pool, seed)
    failing_in = failing_cells(pool, records, may_trigger)
    right = [item for item in pool if item.item_id not in failing_in]
    failing = [item for item in pool if item.item_id in failing_in]
    natural = Counter(item.skill for item in pool)

    chosen = general_pool[: quotas["general"]]
    replayed = _take(right, [i.skill for i in right], apportion(quotas["replay"], natural, _sizes(right)))
    chosen += [_row(item, "replay") for item in replayed]

    supply = Counter(failing_in.values())
    weights = _cell_weights(targets, broken_cells)
    wanted = rows - len(chosen)
    plan = _plan_failing(wanted, weights, supply, natural, skill_balance)
    trained = _take(failing, [failing_in[i.item_id] for i in failing], plan)
    for item in trained:
        cell = failing_in[item.item_id]
        chosen.append(_row(item, "broken" if cell in broken_cells else "failing", cell))

    used = {row.row_id for row in chosen if row.origin != "general"}
    rest = [item for item in pool if item.item_id not in used]
    chosen += [_row(item, "uniform") for item in rest[: rows - len(chosen)]]

    asked_cells = apportion(quotas["failing"], weights, dict.fromkeys(weights, quotas["failing"]))
    shortages = _origin_shortages(quotas, chosen, len(pool), len(right), len(general_pool))
    shortages += _cell_shortages(asked_cells, plan, supply)
    return _curation(chosen, quotas, asked_cells, duplicates + general_duplicates, shortages, seed)


def uniform(
    items: Sequence[Question],
    *,
    rows: int,
    general: float = 0.0,
    general_rows: Sequence[TrainRow] = (),
    seed: int = 0,
) -> Curation:
    """Choose rows at random, with no regard to how the champion answers: the control that targeting must beat.

    Args:
        items: train-pool items, or results on them.
        rows: rows to deliver in all, >= 1.
        general: share of general rows, 0 to 1.
        general_rows: rows to draw the general ones from.
        seed: of every draw.

    Raises:
        InputError: ``rows`` or ``general`` is out of range.
    """
    asked = _quotas(rows, 0.0, general)
    quotas = {"uniform": asked["failing"], "general": asked["general"]}
    pool, duplicates = _distinct(items, seed)
    general_pool, general_duplicates = _distinct_general(general_rows, pool, seed)
    chosen = general_pool[: quotas["general"]]
    chosen += [_row(item, "uniform") for item in pool[: rows - len(chosen)]]
    shortages = _origin_shortages(quotas, chosen, len(pool), 0, len(general_pool))
    return _curation(chosen, quotas, {}, duplicates + general_duplicates, shortages, seed)


def _quotas(rows: int, replay: float, general: float) -> dict[str, int]:
    if rows < 1:
        raise InputError(f"recipe: rows must be at least 1, got {rows}")
    for name, share in (("replay", replay), ("general", general)):
        if not 0 <= share <= 1:
            raise InputError(f"recipe: {name} is a share of the rows and must lie between 0 and 1, got {share}")
    if replay + general > 1 + 1e-9:
        raise InputError(f"recipe: replay {replay} and general {general} add up to more than 1; lower one of them")
    shares = {"failing": max(0.0, 1 - replay - general), "replay": replay, "general": general}
    return apportion(rows, shares, dict.fromkeys(shares, rows))


def _drawn(item_id: str, seed: int) -> str:
    """A random-looking place in the draw that hangs on the id and the seed alone, not on the order of the input."""
    return sha256_text(f"{seed}\0{item_id}")


def _distinct(items: Sequence[Q], seed: int) -> tuple[list[Q], int]:
    """The items in the order of the draw, the first of each prompt; and how many were left out."""
    kept: dict[str, Q] = {}
    for item in sorted(items, key=lambda item: (item.item_id, item.prompt)):
        kept.setdefault(prompt_key(item.prompt), item)
    return sorted(kept.values(), key=lambda item: _drawn(item.item_id, seed)), len(items) - len(kept)


def _distinct_general(
    general_rows: Sequence[TrainRow], pool: Iterable[Question], seed: int
) -> tuple[list[TrainRow], int]:
    taken = {prompt_key(item.prompt) for item in pool}
    kept: dict[str, TrainRow] = {}
    for row in sorted(general_rows, key=lambda row: (row.row_id, row.prompt)):
        if (key := prompt_key(row.prompt)) not in taken:
            kept.setdefault(key, replace(row, origin="general", cell=None))
    return sorted(kept.values(), key=lambda row: _drawn(row.row_id, seed)), len(general_rows) - len(kept)


def _sizes(items: Iterable[Question]) -> Counter[str]:
    return Counter(item.skill for item in items)


def _take(items: Sequence[Q], keys: Sequence[Key], plan: Mapping[Key, int]) -> list[Q]:
    """The first ``plan[key]`` items of each key, in the order of ``items``."""
    left = dict(plan)
    taken = []
    for item, key in zip(items, keys, strict=True):
        if left.get(key, 0) > 0:
            left[key] -= 1
            taken.append(item)
    return taken


def _row(item: Question, origin: Origin, cell: Cell | None = None) -> TrainRow:
    return TrainRow(item.item_id, item.skill, item.prompt, item.target, origin, str(cell) if cell else None)


def _cell_weights(targets: Sequence[Target], broken: Sequence[Cell]) -> dict[Cell, float]:
    """Each cell's share of the failing rows, targets and broken cells together; they add up to 1 unless both lack."""
    weights: dict[Cell, float] = {}
    shares = sum(target.share for target in targets)
    broken_share = 0.0 if not broken else BROKEN_SHARE if shares > 0 else 1.0
    for cell in set(broken):
        weights[cell] = broken_share / len(set(broken))
    for target in targets:
        if shares > 0:
            weights[target.cell] = weights.get(target.cell, 0.0) + (1 - broken_share) * target.share / shares
    return weights


def _plan_failing(
    total: int, weights: Mapping[Cell, float], supply: Mapping[Cell, int], natural: Mapping[str, int], balance: bool
) -> dict[Cell, int]:
    """Failing rows to take of each cell: by weight, then by supply, each skill within its bounds."""
    weights = {cell: weights.get(cell, 0.0) for cell in supply}
    if not balance:
        return _fill(total, weights, supply, supply)
    of_skill: Counter[str] = Counter()
    wanted: dict[str, float] = {}
    for cell in sorted(supply):
        of_skill[cell.skill] += supply[cell]
        wanted[cell.skill] = wanted.get(cell.skill, 0.0) + weights[cell]
    fair = {skill: total * natural[skill] / sum(natural.values()) for skill in wanted}
    high = {skill: min(of_skill[skill], math.ceil(fair[skill] * SKILL_FACTOR)) for skill in wanted}
    low = {skill: math.floor(fair[skill] / SKILL_FACTOR) for skill in wanted}
    plan: dict[Cell, int] = {}
    for skill, rows in _fill(total, wanted, fair, high, low).items():
        cells = [cell for cell in supply if cell.skill == skill]
        own = {cell: supply[cell] for cell in cells}
        plan |= _fill(rows, {cell: weights[cell] for cell in cells}, own, own)
    return plan


def _fill(
    total: int,
    weights: Mapping[Key, float],
    otherwise: Mapping[Key, float],
    high: Mapping[Key, int],
    low: Mapping[Key, int] | None = None,
) -> dict[Key, int]:
    """`apportion` by ``weights``; what the keys with a weight cannot take goes by ``otherwise``."""
    return apportion(total, otherwise, high, apportion(total, weights, high, low))


def _origin_shortages(
    asked: Mapping[str, int], chosen: Sequence[TrainRow], sample: int, right: int, general: int
) -> list[str]:
    got: Counter[str] = Counter("failing" if row.origin == "broken" else row.origin for row in chosen)
    failed = sample - right
    why = {
        "general": f"there are {general} general rows in all",
        "replay": f"{right} of {sample} sampled items were answered right",
        "failing": f"{failed} of {sample} sampled items failed"
        + (", some held back to keep the mix of skills" if failed > got["failing"] else ""),
        "uniform": f"the sample has {sample} items",
    }
    lines = [f"{o}: {got[o]} of {n} rows; {why[o]}" for o, n in asked.items() if got[o] < n]
    if len(chosen) < sum(asked.values()):
        lines.append(f"{len(chosen)} of {sum(asked.values())} rows in all; mine a larger sample or ask for fewer rows")
    return lines


def _cell_shortages(asked: Mapping[Cell, int], plan: Mapping[Cell, int], supply: Mapping[Cell, int]) -> list[str]:
    lines = []
    for cell in sorted(asked):
        got = plan.get(cell, 0)
        if got < asked[cell] and got == supply.get(cell, 0):
            lines.append(f"{cell}: {got} of {asked[cell]} rows; the sample has no more")
        elif got < asked[cell] - 1:  # one row less is rounding
            lines.append(f"{cell}: {got} of {asked[cell]} rows; the rest was held back to keep the mix of skills")
    return lines


def _curation(
    chosen: Sequence[TrainRow],
    asked: Mapping[str, int],
    asked_cells: Mapping[Cell, int],
    duplicates: int,
    shortages: Sequence[str],
    seed: int,
) -> Curation:
    delivered = Counter(row.origin for row in chosen)
    in_cells = Counter(row.cell for row in chosen if row.cell is not None)
    named = {str(cell): rows for cell, rows in asked_cells.items()}
    return Curation(
        # another draw than the one that chose them, else each batch would tell how scarce its rows were
        rows=tuple(sorted(chosen, key=lambda row: sha256_text(f"order\0{seed}\0{row.origin}\0{row.row_id}"))),
        asked=dict(asked),
        delivered={origin: delivered[origin] for origin in sorted(delivered)},
        asked_cells=named,
        delivered_cells={cell: in_cells[cell] for cell in sorted({*named, *in_cells})},
        duplicates=duplicates,
        shortages=tuple(shortages),
    )
