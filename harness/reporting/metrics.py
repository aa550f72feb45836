"""The metrics of a run as rows: each skill's figures before and after, with few-shot examples, on each set of items."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.evaluated import Evaluation
from harness.metrics import ALL, MetricValue, evaluation_metrics, skill_confusion

Cell = tuple[float, float | None]
"""A value and its standard error."""
Figures = Mapping[str, Sequence[MetricValue]]
Confusions = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class MetricRow:
    """One metric of one skill on one set of items.

    Attributes:
        items: the set: ``dev``, ``test``, ``guard``, ``guard_means`` or ``text``.
        skill: ``all`` for all of them together; for text, its file's name.
        metric, unit, better: see `harness.metrics.MetricValue`; so are ``n``, ``clusters`` and ``method``, of the first
            of the three figures that there is.
        before, before_fewshot, after: the untouched model, the same with solved examples, and the champion; ``None``
            where it was not taken.
    """

    items: str
    skill: str
    metric: str
    unit: str
    better: str
    n: int
    clusters: int
    method: str
    before: Cell | None = None
    before_fewshot: Cell | None = None
    after: Cell | None = None

    def as_dict(self) -> dict[str, Any]:
        """A row of ``summary.json``."""
        row = asdict(self)
        for arm in ARMS:
            cell = row[arm]
            row[arm] = None if cell is None else {"value": cell[0], "stderr": cell[1]}
        return row


ARMS = ("before", "before_fewshot", "after")


class Measured:
    """Metrics of evaluations, of each computed once: they do not change once they lie on disk."""

    def __init__(self) -> None:
        self._kept: dict[Path, tuple[Figures, Confusions]] = {}
        self._used: dict[Path, tuple[Figures, Confusions]] = {}

    def of(self, folder: Path, evaluation: Evaluation) -> tuple[Figures, Confusions]:
        """Figures and confusion matrices by skill of the evaluation that lies in ``folder``."""
        found = self._used.get(folder) or self._kept.get(folder)
        if found is None:
            skills: dict[str, list[Any]] = {}
            for result in evaluation.results:
                skills.setdefault(result.skill, []).append(result)
            matrices = {skill: skill_confusion(skills[skill]) for skill in sorted(skills)}
            confusions = {skill: matrix.as_dict() for skill, matrix in matrices.items() if matrix is not None}
            found = evaluation_metrics(evaluation), confusions
        self._used[folder] = found
        return found

    def forget_unused(self) -> None:
        """Drop what was not asked for since the last time."""
        self._kept, self._used = self._used, {}


def rows_of(
    items: str, before: Figures, fewshot: Figures | None = None, after: Figures | None = None
) -> list[MetricRow]:
    """Rows of one set of items, skills in order and ``all`` last, metrics in the order in which they were computed."""
    arms = {"before": before, "before_fewshot": fewshot or {}, "after": after or {}}
    found: dict[tuple[str, str], dict[str, MetricValue]] = {}
    for arm, figures in arms.items():
        for skill, values in figures.items():
            for value in values:
                found.setdefault((skill, value.name), {})[arm] = value
    order = sorted({skill for skill, _ in found}, key=lambda skill: (skill == ALL, skill))
    rows = []
    for (skill, name), own in sorted(found.items(), key=lambda pair: order.index(pair[0][0])):
        first = next(iter(own.values()))
        cells = {arm: (value.value, value.stderr) for arm, value in own.items()}
        rows.append(
            MetricRow(items, skill, name, first.unit, first.better, first.n, first.clusters, first.method, **cells)
        )
    return rows


def merged(first: Figures, second: Figures) -> Figures:
    """Both by skill, those of the second behind."""
    return {skill: [*first.get(skill, ()), *second.get(skill, ())] for skill in [*first, *(set(second) - set(first))]}


def from_json(figures: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figures:
    """`MetricValue` objects from what a phase saved."""
    return {skill: [MetricValue(**value) for value in values] for skill, values in figures.items()}


@dataclass(frozen=True)
class Confused:
    """A gold label of a classification skill, for a reader.

    Attributes:
        answers: ``(answered label, items)`` of the wrong answers, most frequent first; an empty label is none of them.
    """

    items: str
    skill: str
    label: str
    n: int
    right: int
    answers: tuple[tuple[str, int], ...]


def confused(items: str, confusions: Confusions) -> list[Confused]:
    """The rows of confusion matrices, the labels with most wrong answers first."""
    found = []
    for skill, matrix in confusions.items():
        rows = []
        for label, answers in matrix["counts"].items():
            wrong = sorted(((a, n) for a, n in answers.items() if a != label), key=lambda pair: (-pair[1], pair[0]))
            rows.append(Confused(items, skill, label, sum(answers.values()), answers.get(label, 0), tuple(wrong)))
        found += sorted(rows, key=lambda row: (row.right - row.n, row.label))
    return found


def gather(
    measure: Callable[[Path, Evaluation], tuple[Figures, Confusions]],
    sets: Sequence[tuple[str, Sequence[tuple[Path, Evaluation] | None]]],
    golds: Figures,
    texts: Figures,
) -> tuple[list[MetricRow], list[dict[str, Any]]]:
    """All rows of a run, and its confusion matrices.

    Args:
        measure: `Measured.of`.
        sets: name, then the three arms (before, before with examples, after) with the folders they lie in.
        golds, texts: perplexities of the untouched model.

    Returns:
        Rows; and ``{"items", "skill", "before", "before_fewshot", "after"}`` of each classification skill, the last
        three a `harness.metrics.labels.Confusion` as JSON or ``None``.
    """
    rows: list[MetricRow] = []
    matrices: list[dict[str, Any]] = []
    for name, arms in sets:
        taken = [measure(*arm) if arm else None for arm in arms]
        figures = [found[0] if found else None for found in taken]
        if figures[0] is None:
            continue
        before = merged(figures[0], golds) if name == "dev" else figures[0]
        rows += rows_of(name, before, figures[1], figures[2])
        confusions = [found[1] if found else {} for found in taken]
        for skill in confusions[0]:
            by_arm = dict(zip(ARMS, (each.get(skill) for each in confusions), strict=True))
            matrices.append({"items": name, "skill": skill, **by_arm})
    return [*rows, *rows_of("text", texts)], matrices


# --- for a reader


@dataclass(frozen=True)
class ShownRow:
    """A `MetricRow` as text: ``cells`` as the columns of its table, empty where nothing was taken."""

    skill: str
    name: str
    cells: tuple[str, ...]
    unit: str
    better: str
    n: int
    bootstrapped: bool


@dataclass(frozen=True)
class MetricTable:
    """The metrics on one set of items."""

    title: str
    arms: tuple[str, ...]
    rows: tuple[ShownRow, ...]


_TITLES = {
    "dev": "Dev",
    "test": "Test",
    "guard": "Guards",
    "guard_means": "Guards without right and wrong (means, in no test)",
    "text": "Plain text",
}
_COLUMNS = {"before": "before", "before_fewshot": "few-shot", "after": "after"}


def metric_tables(rows: Sequence[MetricRow], worn: str = "") -> tuple[MetricTable, ...]:
    """Tables by set of items, each with the columns that hold anything.

    Args:
        worn: what marks the test items as chosen by.
    """
    tables = []
    for items in dict.fromkeys(row.items for row in rows):
        own = [row for row in rows if row.items == items]
        arms = [arm for arm in ARMS if any(getattr(row, arm) is not None for row in own)]
        shown = tuple(
            ShownRow(
                skill=row.skill,
                name=row.metric,
                cells=tuple(shown_cell(getattr(row, arm), row.unit) for arm in arms),
                unit={"share": "%", "points": "", "perplexity": ""}.get(row.unit, row.unit),
                better="" if row.better == "neither" else row.better,
                n=row.n,
                bootstrapped=row.method == "bootstrap",
            )
            for row in own
        )
        title = _TITLES.get(items, items) + (f", {worn}" if worn and items == "test" else "")
        tables.append(MetricTable(title, tuple(_COLUMNS[arm] for arm in arms), shown))
    return tuple(tables)


def shown_cell(cell: Cell | None, unit: str) -> str:
    """``51.0 ± 2.0`` for a share of .51 with a standard error of .02; the value alone where the error is not known."""
    if cell is None:
        return ""
    scale = 100.0 if unit == "share" else 1.0
    digits = 3 if unit == "bits" or (unit == "seconds" and cell[0] < 10) else 1
    if scale * cell[0] >= 1e6:
        return f"{scale * cell[0]:.1e}"
    error = "" if cell[1] is None else f" ± {scale * cell[1]:.{digits}f}"
    return f"{scale * cell[0]:.{digits}f}{error}"
