"""A history as tables: plain cells first, then text for a terminal's log, Markdown or JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.regression.history import SCHEMA, History, Record, RunLine
from harness.regression.render import figure
from harness.regression.results import GateResult
from harness.reporting.escape import markdown
from harness.reporting.formatting import interval, percent, plural, points

BARS = "▁▂▃▄▅▆▇█"
NONE = "·"
BREAK = "|"
"""Between two records of other documents, whose figures do not compare."""
VERDICTS: Mapping[tuple[str, bool], str] = {
    ("pass", True): ".",
    ("uncertain", True): "~",
    ("fail", False): "F",
    ("uncertain", False): "f",
    ("unknown", False): "?",
}
LEGEND = ". pass, ~ too close to call (passes), f too close to call (fails), F fail, ? unknown, | other documents"


@dataclass(frozen=True)
class Sheet:
    """A table: its title, what its columns are called, and cells of plain, hostile text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def sparkline(values: Sequence[float | None], breaks: Sequence[int] = ()) -> str:
    """A character a value, from the lowest of the values and 0 to the highest of them; ``·`` for ``None``.

    Args:
        values: any unit.
        breaks: positions before which a bar is drawn.
    """
    known = [value for value in values if value is not None]
    low, high = min([0.0, *known]), max([0.0, *known])
    span = high - low or 1.0
    shown = (NONE if value is None else BARS[round((value - low) / span * (len(BARS) - 1))] for value in values)
    return _broken(shown, breaks)


def verdicts(gates: Sequence[GateResult | None], breaks: Sequence[int] = ()) -> str:
    """A character a verdict, see `LEGEND`; ``·`` where the gate was not asked."""
    shown = (NONE if gate is None else VERDICTS.get((gate.state, gate.passed), "?") for gate in gates)
    return _broken(shown, breaks)


def _broken(shown: Any, breaks: Sequence[int]) -> str:
    return "".join((BREAK if index in breaks else "") + text for index, text in enumerate(shown))


def sheets(history: History, last: int) -> tuple[Sheet, ...]:
    """The tables of a history: runs, gates over time, and single records.

    Args:
        last: how many records at most, the latest ones.
    """
    found = []
    if history.runs:
        found.append(_runs(history.runs))
    domains = list(dict.fromkeys(record.domain for record in history.records))
    for domain in domains:
        records = [record for record in history.records if record.domain == domain][-last:]
        found += [_gates(domain, records), _list(domain, records)]
    return tuple(found)


def _runs(runs: Sequence[RunLine]) -> Sheet:
    columns = ("run", "began", "model", "rounds", "dev", "by round", "test", "guard", "certified")
    rows = []
    for run in runs:
        name = run.folder or run.name  # of a copied run the name is that of the first
        name = name if run.status == "finished" else f"{name} ({run.status})"
        rows.append(
            (
                name,
                _minute(run.began),
                run.model,
                str(run.rounds),
                f"{percent(run.before['value'])} to {percent(run.now['value'])} of {run.now['n']}",
                sparkline(run.curve),
                _change(run.test),
                _change(run.guard),
                "-" if run.certified is None else f"round {run.certified}",
            )
        )
    return Sheet("runs", columns, tuple(rows))


def _change(difference: Mapping[str, Any] | None) -> str:
    return "-" if difference is None else f"{points(difference['delta'])} ({interval(difference['ci95'])})"


def _minute(time: str) -> str:
    return time[:16].replace("T", " ") or "-"


def _breaks(records: Sequence[Record]) -> tuple[int, ...]:
    return tuple(i for i in range(1, len(records)) if records[i].items != records[i - 1].items)


def _gates(domain: str, records: Sequence[Record]) -> Sheet:
    breaks = _breaks(records)
    asked = [{gate.name: gate for gate in record.gates} for record in records]
    names = dict.fromkeys(gate.name for record in reversed(records) for gate in record.gates)
    scores = [None if record.score is None else record.score.value for record in records]
    rows = [("right answers", sparkline(scores, breaks), "", figure(scores[-1], "share"))]
    for name in names:
        own = [gates.get(name) for gates in asked]
        values = [None if gate is None else gate.value for gate in own]
        latest = own[-1]
        now = "-" if latest is None else figure(latest.value, latest.unit)
        rows.append((name, sparkline(values, breaks), verdicts(own, breaks), now))
    return Sheet(f"gates of {domain}, oldest first", ("gate", "figure", "verdict", "now"), tuple(rows))


def _list(domain: str, records: Sequence[Record]) -> Sheet:
    rows = []
    for record in records:
        failed = [gate.name for gate in record.gates if not gate.passed]
        right = "-" if record.score is None else f"{percent(record.score.value)} of {record.score.n}"
        said = f"{plural(len(record.gates), 'gate')} passed" if not failed else f"FAIL: {', '.join(failed)}"
        rows.append((_minute(record.time), record.commit[:10] or "-", record.model or record.source, right, said))
    return Sheet(f"evaluations of {domain}", ("time", "commit", "model", "right", "gates"), tuple(rows))


def as_markdown(history: History, last: int) -> str:
    """The tables in Markdown, for a job summary or a wiki."""
    parts = []
    for sheet in sheets(history, last):
        lines = [f"## {_cell(sheet.title[0].upper() + sheet.title[1:])}", ""]
        lines += [f"| {' | '.join(sheet.columns)} |", "|" + "---|" * len(sheet.columns)]
        lines += [f"| {' | '.join(map(_cell, row))} |" for row in sheet.rows]
        parts.append("\n".join(lines) + "\n")
    if history.records:
        parts.append(f"{markdown(LEGEND)}\n")
    parts += [f"Not shown: {_cell(note)}\n" for note in history.notes]
    return "\n".join(parts)


def _cell(text: str) -> str:
    return markdown(text, 400).replace("@", "@<!-- -->")


def as_json(history: History, last: int) -> dict[str, Any]:
    """A plain object for JSON: ``runs``, ``records`` (the latest ``last`` of each domain) and ``notes``."""
    kept: list[Record] = []
    for domain in dict.fromkeys(record.domain for record in history.records):
        kept += [record for record in history.records if record.domain == domain][-last:]
    return {
        "schema": SCHEMA,
        "runs": [asdict(run) for run in history.runs],
        "records": [record.as_dict() for record in kept],
        "notes": list(history.notes),
    }
