"""The table under the verdict: which model answered how many items of each set right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.reporting.data import ReportData
from harness.reporting.standing import worn_label


@dataclass(frozen=True)
class ScoreLine:
    """One model's ``Score`` on each set; ``None`` where it was not measured.

    Attributes:
        hidden: whether it was measured on test, which is worn and not shown.
    """

    name: str
    dev: Mapping[str, Any] | None
    test: Mapping[str, Any] | None
    guard: Mapping[str, Any] | None
    hidden: bool = False


def score_lines(data: ReportData) -> tuple[ScoreLine, ...]:
    """The untouched model, the same with few-shot examples, and the champion, the certified and the tested model."""
    summary = data.summary
    test, guard = summary.get("test") or {}, summary.get("guard") or {}
    champion, certified = summary["champion"], summary.get("certified_round")
    again = summary.get("test_certified") or {}
    guard_before = guard.get("before") or (data.guard_before.score.as_dict() if data.guard_before else None)
    hidden = bool(worn_label(summary)) and not test
    rows = [ScoreLine("untouched model", summary["baseline"]["dev"], test.get("before"), guard_before, hidden)]
    fewshot = summary["baseline"].get("dev_fewshot")
    if fewshot is not None or test.get("before_fewshot") is not None:
        rows.append(ScoreLine("untouched model, few-shot", fewshot, test.get("before_fewshot"), None, hidden))
    dev = {view.number: view.entry.get("dev") for view in data.rounds} | {champion["round"]: champion["dev"]}
    tested = data.final_round if data.final_round is not None else test.get("round")
    guards = {view.number: view.guard for view in data.rounds} | ({tested: guard.get("after")} if tested else {})
    answers: dict[int, Mapping[str, Any] | None] = {}
    if again:
        answers[again["round"]] = again["after"]
    if test:
        answers[test["round"]] = test["after"]
    for number in sorted({champion["round"], certified or 0, tested or 0} - {0}):
        names = [
            *(["certified"] if number == certified else []),
            *(["provisional"] if number == champion["round"] != certified else []),
            *(["champion"] if number == champion["round"] else []),
        ]
        name = " ".join(names) or "earlier champion"
        asked = hidden and number in (tested, certified)
        rows.append(
            ScoreLine(f"{name}, round {number}", dev.get(number), answers.get(number), guards.get(number), asked)
        )
    return tuple(rows)


def columns(lines: Sequence[ScoreLine]) -> tuple[tuple[str, int | None], ...]:
    """Heading and number of items of each set; the number is ``None`` where nothing was measured or is shown."""
    sets = {"Dev": [line.dev for line in lines], "Test": [line.test for line in lines]}
    sets["Guard"] = [line.guard for line in lines]
    return tuple((name, next((score["n"] for score in own if score), None)) for name, own in sets.items())
