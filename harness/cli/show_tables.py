"""A run on one screen of the terminal. Names and reasons are shown with everything that could act made visible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from harness.regression.trend import sparkline
from harness.reporting.escape import line as safe_line
from harness.reporting.formatting import duration, percent, plural, points, score_range
from harness.reporting.standing import DECIDED, champion_words, round_words, worn_sentence
from harness.reporting.words import headline, status_line

if TYPE_CHECKING:
    from harness.reporting.data import ReportData, RoundView

NARROW, WIDE = 72, 106
"""Columns below which tables leave out what can be missed, and from which they say what each round targeted."""
CELLS = 12
"""Error categories that are shown, those that fail most first."""
STYLES = {"promote": "green", "certified": "bold green", "reject": "yellow", "futility": "yellow"}
TONES = {"better": "bold green", "worse": "bold red", "open": "bold"}


@dataclass(frozen=True)
class Room:
    """How many rows of rounds and of categories there is room for."""

    rounds: int
    cells: int


def screen(data: ReportData, width: int, height: int | None = None, now: str = "") -> Group:
    """Verdict, rounds, categories, the last decision and the time, for ``width`` columns.

    Args:
        height: rows that there are; the latest rounds and the worst categories that fit are shown. ``None`` for all
            rounds.
        now: what goes on; empty for nothing.
    """
    summary = data.summary
    about = f"{summary['run']}: {summary['model']} on {summary['domain']}: {status_line(data)}"
    verdict = headline(data)
    top: list[Text] = [
        _text(about, "dim"),
        Text.assemble((f"{verdict.word}: ", TONES[verdict.tone]), verdict.sentence),
        *(_text(line) for line in [worn_sentence(summary)] if line),
    ]
    bottom = [*_last(data), _time(data), *([_text(now)] if now else [])]
    taken = sum(1 + int(len(text.plain) * 1.1) // width for text in (*top, *bottom))  # words wrap early
    room = _room(data, None if height is None else height - taken)
    parts: list[Text | Table] = [*top, Text(), _trend(data, width), _rounds(data, width, room.rounds)]
    if room.cells:
        moved = summary["champion"]["round"] > 0
        title = "Failing dev items" + (", untouched model and champion" if moved else "")
        parts += [Text(title, "bold"), _cells(data, width, room.cells)]
    return Group(*parts, *bottom)


def _text(text: str, style: str = "") -> Text:
    return Text(safe_line(text), style)


def _room(data: ReportData, height: int | None) -> Room:
    rounds, cells = len(data.rounds), min(CELLS, len(data.summary["categories"]))
    if height is None:
        return Room(rounds, cells)
    left = height - (9 if data.summary["baseline"].get("dev_fewshot") else 8)  # what is around the rounds
    few = min(4, cells)
    fit = left - few - 6  # what is around the categories
    if fit < 3:
        return Room(max(1, left), 0)
    return Room(fit, min(cells, few + max(0, fit - rounds)))


def _trend(data: ReportData, width: int) -> Text:
    scores = [data.summary["baseline"]["dev"], *(view.entry.get("dev") for view in data.rounds)]
    values = [None if score is None else float(score["value"]) for score in scores]
    return Text.assemble(("Dev by round ", "bold"), sparkline(values[-max(8, width - 14) :]))


def _rounds(data: ReportData, width: int, most: int) -> Table:
    narrow = width < NARROW
    base, best = data.summary["baseline"], data.summary["champion"]["round"]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("" if narrow else "round", justify="right", no_wrap=True)
    table.add_column("dev", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    if not narrow:
        table.add_column("95% interval", no_wrap=True)
        table.add_column("change", justify="right", no_wrap=True)
    table.add_column("outcome", overflow="fold")
    wide = width >= WIDE
    if wide:
        table.add_column("targets", overflow="ellipsis", no_wrap=True, max_width=width - WIDE + 16)
    size = 8 if narrow else 16 if wide else 10
    few = base.get("dev_fewshot")
    arms = [("0", base["dev"], "untouched model"), *([("0", few, "few-shot")] if few else [])]
    for name, score, words in arms:
        cells = [name, percent(score["value"]), bar(float(score["value"]), size)]
        table.add_row(*cells, *([] if narrow else [score_range(score), ""]), words)
    for view in data.rounds[len(data.rounds) - min(most, len(data.rounds)) :]:
        table.add_row(*_round(view, best, width, size))
    if most < len(data.rounds):
        table.caption = Text(f"{plural(len(data.rounds) - most, 'earlier round')} not shown")
        table.caption_justify = "left"
    return table


def _round(view: RoundView, best: int, width: int, size: int) -> list[str | Text]:
    dev, paired, narrow = view.entry.get("dev"), view.paired, width < NARROW
    words = DECIDED[view.outcome]
    if view.number == best:
        words = champion_words(view.outcome == "certified")
    if narrow:
        words = "champion" if view.number == best else words.rpartition(", ")[2]
    cells: list[str | Text] = [
        Text(str(view.number), "bold" if view.number == best else ""),
        percent(dev["value"]) if dev else "-",
        bar(float(dev["value"]), size) if dev else "",
    ]
    if not narrow:
        cells += [score_range(dev) if dev else "", points(paired.delta) if paired else ""]
    cells.append(Text(words, STYLES.get(view.outcome, "red")))
    return cells if width < WIDE else [*cells, _text(", ".join(view.entry["targets"]))]


def bar(share: float, size: int) -> str:
    """``share``, 0 to 1, as a bar of at most ``size`` columns, in eighths of one."""
    eighths = round(max(0.0, min(1.0, share)) * size * 8)
    part: str = ("", *"▏▎▍▌▋▊▉")[eighths % 8]
    return "█" * (eighths // 8) + part


def _cells(data: ReportData, width: int, most: int) -> Table:
    rows = sorted(data.summary["categories"], key=lambda row: (-max(row["before"], row["after"]), row["skill"]))
    moved = data.summary["champion"]["round"] > 0
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("skill / category", overflow="fold")
    narrow = width < NARROW
    for name in ("before", "now") if moved else ("items",):
        table.add_column(name, justify="right", no_wrap=True)
        if not narrow:
            table.add_column("", no_wrap=True)
    for row in rows[:most]:
        cells = []
        for count in (row["before"], row["after"]) if moved else (row["before"],):
            cells += [f"{count:,}", *([] if narrow else [bar(count / row["n"], 12)])]
        table.add_row(_text(f"{row['skill']} / {row['category'].replace('_', ' ')}"), *cells)
    if most < len(rows):
        table.caption = Text(f"and {len(rows) - most} more")
        table.caption_justify = "left"
    return table


def _last(data: ReportData) -> list[Text]:
    if not data.rounds:
        return []
    view = data.rounds[-1]
    entry = {**view.entry, "tier": view.tier, "futility": view.futility}
    words = f"{round_words(entry)}: {view.entry['reason']}"
    lines = [Text.assemble((f"Round {view.number} ", "bold"), safe_line(words))]
    if view.gate:
        lines.append(_text(f"Gate: {view.gate}"))
    if data.stopped:
        lines.append(_text(f"Ended: {data.stopped}"))
    return lines


def _time(data: ReportData) -> Text:
    phases: Sequence[str] = ("mine", "train", "evaluate", "other")
    seconds = [view.entry["seconds"] for view in data.rounds]
    parts = (
        [f"{phase} {duration(sum(each.get(phase, 0.0) for each in seconds))}" for phase in phases] if seconds else []
    )
    return Text.assemble(("Time ", "bold"), ", ".join([duration(data.summary["seconds"]), *parts]))
