"""Error categories as tables: how many fail in each by round, and where the items of each went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from harness.evaluated import Evaluation
from harness.gate.migration import RIGHT, Migration, migrations
from harness.reporting.charts import sparkline
from harness.reporting.data import ReportData
from harness.reporting.escape import shorten, visible
from harness.reporting.outcomes import outcomes_of


@dataclass(frozen=True)
class CategoryRow:
    """One cell (skill x error category) over the rounds.

    Attributes:
        n: items of the skill.
        counts: ``(failing items, heat 0-6)`` of each column; ``None`` for a round without an evaluation.
        change: failing items of the champion minus the baseline's.
        spark: the counts by round as a small drawing; empty before the first scored round.
    """

    skill: str
    category: str
    n: int
    counts: tuple[tuple[int, int] | None, ...]
    change: int
    spark: Markup


@dataclass(frozen=True)
class CategoryTable:
    """Categories by round: column names (rounds, the champion last), rows, and totals of each column."""

    columns: tuple[str, ...]
    rows: tuple[CategoryRow, ...]
    totals: tuple[int | None, ...]


def category_table(data: ReportData) -> CategoryTable:
    """Failing dev items by cell and round."""
    best = data.summary["champion"]["round"]
    columns: list[tuple[str, Mapping[str, int] | None]] = [("0", data.baseline_categories)]
    for view in data.rounds:
        scored = view.entry.get("dev") is not None
        columns.append((str(view.number), view.categories if scored else None))
    if best:
        chosen = next((view.categories for view in data.rounds if view.number == best), data.baseline_categories)
        columns.append(("champion", chosen))
    names = sorted({name for _, counts in columns if counts for name, count in counts.items() if count})
    sizes = {skill: score.n for skill, score in data.baseline_dev.by_skill().items()}
    rows = []
    for name in names:
        skill, _, category = name.partition("/")
        n = sizes.get(skill, 0)
        counts = tuple(None if c is None else (c.get(name, 0), _heat(c.get(name, 0), n)) for _, c in columns)
        first, last = data.baseline_categories.get(name, 0), (columns[-1][1] or {}).get(name, 0)
        by_round = [count[0] if count else None for count in counts[: len(data.rounds) + 1]]
        spoken = f"{name} by round: " + ", ".join("not scored" if count is None else str(count) for count in by_round)
        spark = sparkline(by_round, visible(shorten(spoken)))
        rows.append(CategoryRow(skill, category, n, counts, last - first if best else 0, spark))
    totals = tuple(None if c is None else sum(c.values()) for _, c in columns)
    return CategoryTable(tuple(name for name, _ in columns), tuple(rows), totals)


def _heat(count: int, n: int) -> int:
    """0 for none, then 1 to 6 by the share of the skill's items: up to 2, 5, 10, 20, 40 per cent and above."""
    if count == 0 or n == 0:
        return 0
    return 1 + sum(count / n > bound for bound in (0.02, 0.05, 0.1, 0.2, 0.4))


@dataclass(frozen=True)
class Moves:
    """What became of the items of a category, or of all that fail in a skill.

    Attributes:
        name: the category, or the skill.
        before, after: items that fail in it.
        cured: of those before, items that became right.
        moved: of those before, items that now fail in another way.
        same: of those before, items that fail in it still.
        broken: items that were right and fail in it now.
    """

    name: str
    before: int
    cured: int
    moved: int
    same: int
    broken: int
    after: int


@dataclass(frozen=True)
class MigrationTable:
    """The items of a skill by what they were under the untouched model and are under the champion.

    Attributes:
        n: items of the skill.
        states: right first, then the categories; both axes of ``counts``.
        counts: rows are before, columns after.
        whole: of all that fails in the skill.
        rows: of each category.
    """

    skill: str
    n: int
    states: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    whole: Moves
    rows: tuple[Moves, ...]


def migration_tables(before: Evaluation, after: Evaluation) -> tuple[MigrationTable, ...]:
    """One table for each skill in which anything fails, before or after; items that both have alone count."""
    shared = before.correctness().keys() & after.correctness().keys()
    was, now = (outcomes_of(each.only(shared)).states for each in (before, after))
    found = migrations(was, now, before.only(shared).skills())
    return tuple(_migration_table(each) for each in found if len(each.states) > 1)


def _migration_table(found: Migration) -> MigrationTable:
    categories = [state for state in found.states if state != RIGHT]
    rows = []
    for name in categories:
        place = found.states.index(name)
        after = sum(row[place] for row in found.counts)
        same, cured, moved = found.items(name, name), found.cured(name), found.moved(name)
        rows.append(Moves(name, sum(found.counts[place]), cured, moved, same, found.broken(name), after))
    names = ("before", "cured", "moved", "same", "broken", "after")
    whole = Moves(found.skill, *(sum(getattr(row, name) for row in rows) for name in names))
    n = sum(sum(row) for row in found.counts)
    return MigrationTable(found.skill, n, found.states, found.counts, whole, tuple(rows))
