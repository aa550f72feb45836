"""The trajectory: dev by round, what each round aimed at, and the guard beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from markupsafe import Markup

from harness.reporting.charts import GuardPoint, Outcome, ScorePoint, guard_chart, score_chart
from harness.reporting.data import ReportData, RoundView
from harness.reporting.escape import shorten, visible
from harness.reporting.formatting import percent, score_interval
from harness.reporting.standing import DECIDED

WIDE, NARROW = 760, 320
"""Widths of each chart in CSS pixels: one for a desk and print, one for a phone."""
NOTE = 400
"""Characters of what is said where a pointer rests on a mark: the decision, and the cells that the round aimed at."""


def score_charts(data: ReportData) -> tuple[Markup, ...]:
    """Dev by round, wide and narrow."""
    baseline = data.summary["baseline"]["dev"]
    low, high = score_interval(baseline)
    champion, anchor = float(baseline["value"]), float(baseline["value"])
    drawn = [ScorePoint(0, "baseline", champion, low, high, champion)]
    spoken = [f"untouched model {percent(champion)}"]
    by_hand = {row["after_round"]: row["champion"] for row in data.summary.get("by_hand", ())}
    scored = {0: champion, **{view.number: view.entry["dev"]["value"] for view in data.rounds if view.entry.get("dev")}}
    for view in data.rounds:
        outcome = cast(Outcome, view.outcome)
        note = visible(shorten(f"round {view.number}, {DECIDED[outcome]}: {_cells(view)}", NOTE))
        dev = view.entry.get("dev")
        if outcome == "rollback":
            champion = anchor
        elif outcome in ("promote", "certified") and dev is not None:
            champion = float(dev["value"])
            anchor = champion if outcome == "certified" else anchor
        champion = float(scored[by_hand.get(view.number, 0)]) if view.number in by_hand else champion
        if dev is None:
            drawn.append(ScorePoint(view.number, outcome, None, 0.0, 0.0, champion, note))
            spoken.append(f"round {view.number} {DECIDED[outcome]}")
        else:
            low, high = score_interval(dev)
            drawn.append(ScorePoint(view.number, outcome, float(dev["value"]), low, high, champion, note))
            spoken.append(f"round {view.number} {percent(dev['value'])} {DECIDED[outcome]}")
    fewshot = data.summary["baseline"].get("dev_fewshot")
    line = None if fewshot is None else float(fewshot["value"])
    label = "Dev score by round: " + ", ".join(spoken) + ("" if line is None else f"; few-shot {percent(line)}")
    best = data.summary["champion"]["round"]
    return tuple(score_chart(drawn, best, line, width, label) for width in (WIDE, NARROW))


def _cells(view: RoundView) -> str:
    return ", ".join(str(cell).replace("_", " ") for cell in view.entry["targets"]) or "no target"


def guard_charts(data: ReportData) -> tuple[Markup, ...]:
    """The guard of the untouched model and of each round that was asked it, wide and narrow; none without a round."""
    asked: list[tuple[int, Mapping[str, Any]]] = [(view.number, view.guard) for view in data.rounds if view.guard]
    guard = data.summary.get("guard") or {}
    before: Mapping[str, Any] | None = guard.get("before") or (
        data.guard_before.score.as_dict() if data.guard_before else None
    )
    if data.final_round and guard.get("after") and data.final_round not in dict(asked):
        asked.append((data.final_round, guard["after"]))
    if before is None or not asked:
        return ()
    points = [
        GuardPoint(number, float(score["value"]), *score_interval(score)) for number, score in [(0, before), *asked]
    ]
    points.sort(key=lambda point: point.round)
    said = ", ".join(f"round {point.round} {percent(point.value)}" for point in points)
    return tuple(
        guard_chart(points, len(data.rounds) + 1, width, f"Guard by round: {said}") for width in (WIDE, NARROW)
    )


def targeted(data: ReportData) -> tuple[tuple[str, str], ...]:
    """Rounds, and the cells that they aimed at; rounds in a row with the same cells are one line."""
    lines: list[tuple[list[int], tuple[str, ...]]] = []
    for view in data.rounds:
        cells = tuple(str(cell).replace("_", " ") for cell in view.entry["targets"])
        if lines and set(lines[-1][1]) == set(cells):
            lines[-1][0].append(view.number)
        else:
            lines.append(([view.number], cells))
    return tuple(
        (f"{rounds[0]} to {rounds[-1]}" if len(rounds) > 1 else str(rounds[0]), ", ".join(cells) or "none")
        for rounds, cells in lines
    )
