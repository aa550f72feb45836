"""What ``harness classifiers`` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.main import one_line
from harness.errors.proof.measure import NOTHING, Figures, Measured
from harness.errors.proven import Floors

_WEAK = 3  # kinds of misses or false alarms named for each category


def print_list(rows: Sequence[Mapping[str, Any]]) -> None:
    """One row a category: its classifier, what it needs, whether it may trigger training."""
    table = Table("category", "classifier", "version", "needs", "may trigger", title_justify="left")
    for row in rows:
        for category, verdict in row["triggers"].items():
            word = "yes" if verdict["may_trigger"] else "no"
            name = row["name"] + (" (on request)" if row["on_request"] else "")
            cells = (category, name, row["version"], row["needs"], f"{word}: {verdict['why']}")
            table.add_row(*(Text(one_line(str(cell))) for cell in cells))
    Console(highlight=False).print(table)


def _rate(value: float | None, interval: tuple[float, float]) -> str:
    return "-" if value is None else f"{value:.3f} ({interval[0]:.2f} to {interval[1]:.2f})"


def _kinds(kinds: Sequence[tuple[str, int]]) -> str:
    shown = ", ".join(f"{kind} {number}" for kind, number in kinds[:_WEAK])
    return shown if len(kinds) <= _WEAK else f"{shown}, {len(kinds) - _WEAK} more"


def print_measured(measured: Measured, source: Mapping[str, Any], skipped: Mapping[str, int]) -> None:
    """Recall and precision by category, what is missed and mistaken, the confusion of primary categories."""
    console = Console(highlight=False)
    by_hand = source["kind"] == "labelled"
    where = source["file"] if by_hand else f"faults injected into {source['items']} items of {source['domain']}"
    table = Table(title=one_line(f"{where}: {measured.cases} responses, 95% intervals"), title_justify="left")
    table.add_column("category")
    for name in ("due", "found", "not assessed", "recall", "false alarms", "precision"):
        table.add_column(name, justify="right")
    if by_hand:
        table.add_column("floors")
    for each in measured.figures:
        row = [each.category, str(each.due), str(each.found), str(each.not_assessed or ""),
               _rate(each.recall, each.recall95), str(each.false_alarms or ""),
               _rate(each.precision, each.precision95)]  # fmt: skip
        table.add_row(*row, *([_floors(each)] if by_hand else []))
    console.print(table)
    _print_weak(console, measured)
    _print_confusion(console, measured)
    clean = measured.harmless - measured.alarmed
    noun = "right responses or ones without a category" if by_hand else "harmless changes and untouched answers"
    console.print(Text(f"{clean} of {measured.harmless} {noun} raised no alarm"), soft_wrap=True)
    if skipped:
        listed = ", ".join(f"{category} ({number})" for category, number in sorted(skipped.items()))
        console.print(Text(f"no classifier for {len(skipped)} categories, not measured: {listed}"), soft_wrap=True)


def _floors(each: Figures) -> str:
    floors = Floors()
    if each.category == "wrong_answer":
        return "none asked"
    if each.due < floors.cases:
        return f"too few ({floors.cases} needed)"
    reached = (each.recall or 0.0) >= floors.recall and (each.precision or 0.0) >= floors.precision
    return "reached" if reached else "below"


def _print_weak(console: Console, measured: Measured) -> None:
    weak = [each for each in measured.figures if each.missed_kinds or each.false_kinds]
    if not weak:
        return
    table = Table("category", "missed", "false alarms", title="where they err", title_justify="left")
    for each in weak:
        table.add_row(each.category, Text(_kinds(each.missed_kinds)), Text(_kinds(each.false_kinds)))
    console.print(table)


def _print_confusion(console: Console, measured: Measured) -> None:
    """Rows: the true primary category; columns, by the rows' numbers: the reported one."""
    present = {name for pair in measured.confusion for name in pair}
    names = [name for each in measured.figures if (name := each.category) in present]
    names += sorted(present - set(names) - {NOTHING}) + ([NOTHING] if NOTHING in present else [])
    columns = [name for name in names if any(pair[1] == name for pair in measured.confusion)]
    table = Table(title="primary category: true (rows), reported (columns)", title_justify="left")
    table.add_column("", justify="right")
    table.add_column("true")
    for name in columns:
        table.add_column(str(names.index(name) + 1), justify="right")
    for number, name in enumerate(names, start=1):
        counts = [measured.confusion.get((name, column), 0) for column in columns]
        if any(counts):
            table.add_row(str(number), name, *(str(count or "") for count in counts))
        elif name in columns:
            table.add_row(str(number), name, *("" for _ in columns))
    console.print(table)
