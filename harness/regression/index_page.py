"""One page over all runs of a folder: a line a run, and how dev and test went from run to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from harness.exceptions import InputError
from harness.regression.history import History, RunLine, read_history
from harness.regression.read import is_run
from harness.regression.trend_chart import trend_chart
from harness.reporting.escape import html_value
from harness.reporting.formatting import percent
from harness.reporting.standing import worn_label
from harness.reporting.templates import check_folder, fill
from harness.storage import write_text

PAGE = "index.html"
REPORT = "report/index.html"
DRAWN = 40
"""Runs of a domain that its chart shows, the latest ones."""
WIDE, NARROW = 760, 320
"""Widths of each chart in CSS pixels: one for a desk and print, one for a phone."""


@dataclass(frozen=True)
class IndexRow:
    """One run.

    Attributes:
        number: from 1 among the runs of its domain, oldest first; the chart names it so.
        link: of its report, relative to the index; empty where that was not written.
        day, time: when it began, UTC; empty where its ledger does not say.
        certified: ``(round, dev score or None)`` of the last certified model, where there is one.
        worn: what marks its test result as chosen by; empty where it is not.
    """

    number: int
    run: RunLine
    link: str
    day: str
    time: str
    certified: tuple[int, float | None] | None
    worn: str

    @property
    def name(self) -> str:
        """Of its folder: in its files a copied run is still called as the first."""
        return self.run.folder or self.run.name

    @property
    def test(self) -> Mapping[str, Any] | None:
        """The test result; ``None`` where there is none, or its champion is the untouched model."""
        return self.run.test if self.run.champion else None

    @property
    def guard(self) -> Mapping[str, Any] | None:
        """The same of the guard."""
        return self.run.guard if self.run.champion else None


@dataclass(frozen=True)
class IndexDomain:
    """The runs of a domain, the latest first, and their chart, wide and narrow."""

    name: str
    rows: tuple[IndexRow, ...]
    charts: tuple[Markup, ...]

    @property
    def drawn(self) -> int:
        """Runs that the chart shows."""
        return min(DRAWN, len(self.rows))


@dataclass(frozen=True)
class IndexView:
    """What ``index.html.j2`` shows; ``notes`` are of runs that could not be read."""

    folder: str
    runs: int
    domains: tuple[IndexDomain, ...]
    notes: tuple[str, ...]


def holds_runs(folder: Path) -> bool:
    """Whether ``folder`` holds runs and is none itself."""
    return (
        folder.is_dir()
        and not is_run(folder)
        and any(is_run(ledger.parent) for ledger in folder.glob("*/ledger.jsonl"))
    )


def write_index(folder: Path, templates: Path | None = None) -> Path:
    """Write ``index.html`` into ``folder``, from the runs' ``summary.json`` alone, and return its path.

    The same runs give the same bytes: no clock, no randomness.

    Args:
        templates: as in `harness.reporting.load.write_formats`.

    Raises:
        InputError: there is no run in it.
        EnvironmentFault: the folder cannot be written.
    """
    view = index_view(read_history(folder), folder)
    own = check_folder(templates) if templates is not None else None
    path = folder / PAGE
    write_text(path, fill("index.html.j2", own, html_value, html=True, view=view))
    return path


def index_view(history: History, folder: Path) -> IndexView:
    """The runs by domain, that of the latest run first.

    Args:
        folder: where they lie, for links to the reports that are there.

    Raises:
        InputError: there is no run, readable or not.
    """
    if not history.runs and not history.notes:
        raise InputError(f"{folder}: holds no run; 'harness baseline' makes one")
    domains = list(dict.fromkeys(run.domain for run in reversed(history.runs)))
    return IndexView(
        folder=folder.resolve().name,
        runs=len(history.runs),
        domains=tuple(_domain(name, [r for r in history.runs if r.domain == name], folder) for name in domains),
        notes=history.notes,
    )


def _domain(name: str, runs: Sequence[RunLine], folder: Path) -> IndexDomain:
    rows = [_row(number, run, folder) for number, run in enumerate(runs, start=1)]
    drawn = rows[-DRAWN:]
    points = [(str(row.number), row.run.before, row.run.now, None if row.worn else row.test) for row in drawn]
    spoken = [f"run {row.number} dev {percent(row.run.before['value'])} to {_reached(row)}" for row in drawn]
    label = "Scores by run: " + ", ".join(spoken)
    return IndexDomain(
        name, tuple(reversed(rows)), tuple(trend_chart(points, width, label) for width in (WIDE, NARROW))
    )


def _reached(row: IndexRow) -> str:
    dev = percent(row.run.now["value"])
    return dev if row.test is None or row.worn else f"{dev}, test {percent(row.test['after']['value'])}"


def _row(number: int, run: RunLine, folder: Path) -> IndexRow:
    there = (folder / run.folder / REPORT).is_file()
    certified = run.certified or 0
    score = run.curve[certified] if 0 < certified < len(run.curve) else None
    return IndexRow(
        number=number,
        run=run,
        link=f"./{quote(run.folder, safe='', errors='surrogateescape')}/{REPORT}" if there else "",
        day=run.began[:10],
        time=run.began[11:16],
        certified=(certified, score) if certified else None,
        worn=worn_label({"test_openings": run.openings}),
    )
