"""Which cells repaid their training: what each round did to the cells that it targeted, counted item by item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.gate.migration import RIGHT
from harness.reporting.data import ReportData, RoundView
from harness.reporting.outcomes import Outcomes, outcomes_of


@dataclass(frozen=True)
class Trial:
    """What one round did to one cell that it targeted, against the champion that its candidate met.

    Attributes:
        cell: ``skill/category``.
        rows: training rows of the cell.
        failing: dev items that failed in it under that champion, of those that the candidate was asked.
        cured: of these, items that became right.
        moved: of these, items that fail in another way.
        broken: items that were right and fail in it.
    """

    round: int
    cell: str
    rows: int
    failing: int
    cured: int
    moved: int
    broken: int

    @property
    def net(self) -> int:
        """Items won: cured less broken; an item that moved is no cure."""
        return self.cured - self.broken


@dataclass(frozen=True)
class Repaid:
    """A cell over all rounds that targeted it.

    Attributes:
        rounds: that targeted it and were scored.
        unscored: rounds that targeted it and were not, so that nothing is known of them.
        rows, cured, moved, broken: sums over ``rounds``.
        before, now: failing dev items of the untouched model and of the champion.
    """

    cell: str
    rounds: tuple[int, ...]
    unscored: tuple[int, ...]
    rows: int
    cured: int
    moved: int
    broken: int
    before: int
    now: int

    @property
    def net(self) -> int:
        """Items won over all its rounds."""
        return self.cured - self.broken

    @property
    def per_hundred(self) -> float | None:
        """Items won for each 100 training rows of the cell; ``None`` where it had no rows."""
        return 100 * self.net / self.rows if self.rows else None


def trials(data: ReportData) -> list[Trial]:
    """One for each cell that a scored round targeted, rounds in order; rounds without answers are left out."""
    base = outcomes_of(data.baseline_dev)
    known: dict[int, Outcomes] = {0: base, **{view.number: view.answers for view in data.rounds if view.answers}}
    skills = data.baseline_dev.skills()
    found = []
    for view in data.rounds:
        if view.answers is not None and view.met in known:
            found += _trials(view, known[view.met], view.answers, skills)
    return found


def _trials(view: RoundView, before: Outcomes, after: Outcomes, skills: Mapping[str, str]) -> list[Trial]:
    moves = Counter(
        (skills.get(item, ""), before.states[item], state)
        for item, state in after.states.items()
        if item in before.states
    )
    rows = cell_rows(view)
    made = []
    for cell in view.entry["targets"]:
        skill, _, category = cell.rpartition("/")
        own = {(was, now): n for (of, was, now), n in moves.items() if of == skill}
        failing = sum(n for (was, _), n in own.items() if was == category)
        cured, stayed = own.get((category, RIGHT), 0), own.get((category, category), 0)
        broken = own.get((RIGHT, category), 0)
        made.append(Trial(view.number, cell, rows.get(cell, 0), failing, cured, failing - cured - stayed, broken))
    return made


def cell_rows(view: RoundView) -> Mapping[str, int]:
    """Training rows by cell, from the round's curation, else from its rows."""
    delivered = view.curation.get("delivered_cells")
    if delivered is not None:
        return {str(cell): int(count) for cell, count in delivered.items()}
    return Counter(str(row["cell"]) for row in view.rows if row.get("cell"))


def repaid(data: ReportData) -> tuple[Repaid, ...]:
    """Every cell that a round targeted, what repaid best first, then what did not, by rows spent in vain."""
    own: dict[str, list[Trial]] = {}
    for trial in trials(data):
        own.setdefault(trial.cell, []).append(trial)
    targeted: dict[str, list[int]] = {}
    for view in data.rounds:
        for cell in view.entry["targets"]:
            targeted.setdefault(str(cell), []).append(view.number)
    champion = outcomes_of(data.champion_dev) if data.summary["champion"]["round"] else outcomes_of(data.baseline_dev)
    skills = data.baseline_dev.skills()
    before, now = _failing(outcomes_of(data.baseline_dev), skills), _failing(champion, skills)
    rows = [
        _repaid(cell, rounds, own.get(cell, ()), before.get(cell, 0), now.get(cell, 0))
        for cell, rounds in targeted.items()
    ]
    return tuple(sorted(rows, key=lambda row: (not row.rounds, -(row.per_hundred or 0.0), row.rows, row.cell)))


def _repaid(cell: str, rounds: Sequence[int], own: Sequence[Trial], before: int, now: int) -> Repaid:
    scored = tuple(trial.round for trial in own)
    return Repaid(
        cell=cell,
        rounds=scored,
        unscored=tuple(number for number in rounds if number not in scored),
        rows=sum(trial.rows for trial in own),
        cured=sum(trial.cured for trial in own),
        moved=sum(trial.moved for trial in own),
        broken=sum(trial.broken for trial in own),
        before=before,
        now=now,
    )


def _failing(answers: Outcomes, skills: Mapping[str, str]) -> Counter[str]:
    return Counter(f"{skills.get(item, '')}/{state}" for item, state in answers.states.items() if state != RIGHT)
