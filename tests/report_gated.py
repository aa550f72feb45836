"""A made-up run that went through the gate: looks, a certificate, a rollback, cells on watch, a worn test."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from report_fixture import CURVE, make_report_data
from report_items import make_evaluation

from harness.gate.verdict import Verdict
from harness.loop.final import test_result
from harness.reporting.data import ReportData, RoundView
from harness.reporting.html import HtmlReporter
from harness.reporting.markdown import MarkdownReporter
from harness.reporting.unknowns import unknowns

LOOKS: Mapping[int, tuple[int, float, bool]] = {1: (1, 0.00625, False), 2: (2, 0.00625, True), 6: (3, 0.0125, False)}
"""Round to place, level and bit of its look."""
CERTIFIED, ROLLED_BACK, CHAMPION = 2, 3, 6
WATCH = [["routing", "any"], ["scope", "wrong_answer"]]
HARM = "dev shows harm against the last certified model: -1.8 points, sign-flip p .031 < .05"
NO_LOOK = "no look: dev against the last certified model: sign-flip p .214, not below .1"


def make_gated(openings: int = 1, worn: bool = False, finished: bool = True, hostile: bool = False) -> ReportData:
    """Six rounds: looked, certified, rolled back, promoted without a look, crashed, looked and not certified.

    Args:
        openings: of the test items, over all runs.
        worn: whether a worn test result was asked for.
    """
    data = make_report_data(rounds=6, finished=finished, hostile=hostile)
    rounds = [_gated(view) for view in data.rounds]
    looks = [
        {"round": number, "number": place, "place": place, "alpha": alpha, "certified": bit}
        for number, (place, alpha, bit) in LOOKS.items()
    ]
    summary = {
        **data.summary, "rounds": [dict(view.entry) for view in rounds], "looks": looks, "certified_round": CERTIFIED,
    }  # fmt: skip
    if finished:
        assert data.test_before is not None
        n = len(data.test_before.results)
        again = make_evaluation("test", CURVE[CERTIFIED] - 0.02, n, CERTIFIED, hostile=hostile)
        result = test_result(data.test_before, again, data.test_before_fewshot, CERTIFIED, CERTIFIED)
        summary |= {"test_openings": openings, "test_certified": result}
    data = replace(data, rounds=rounds, summary=summary)
    if finished and openings >= 4 and not worn:
        summary = {**summary, "test": None, "test_certified": None, "optimism_gap": None}
        data = replace(data, summary=summary, test_before=None, test_before_fewshot=None, test_after=None)
    return data


def _gated(view: RoundView) -> RoundView:
    number = view.number
    if number == ROLLED_BACK:
        reason = f"{view.entry['reason']}; then {HARM}"
        verdict = {**view.verdict, "decision": "rollback", "rule": "harm", "reason": reason}
        entry = {**view.entry, "decision": "rollback", "reason": reason}
        return replace(view, entry=entry, verdict=verdict, tier=_tier(view, None, rollback=HARM))
    if view.entry["decision"] != "promote":
        return view
    look = LOOKS.get(number)
    bit = look[2] if look else None
    return replace(view, entry={**view.entry, "certified": bit}, tier=_tier(view, look))


def _tier(view: RoundView, look: tuple[int, float, bool] | None, rollback: str | None = None) -> dict[str, Any]:
    dev = Verdict.from_dict(view.verdict).dev
    assert dev is not None
    return {
        "anchor": CERTIFIED if view.number > CERTIFIED else 0,
        "dev": asdict(dev),
        "rule": "look" if look else "dev",
        "reason": f"look {look[0]} of 8 at alpha {look[1]:.5f}; {NO_LOOK[9:]}" if look else NO_LOOK,
        "guard": {"reason": "-0.4 points on 300 guard items", "kind": "harm", "blocks": False} if look else None,
        "look": {"number": look[0], "group": 1, "place": look[0], "alpha": look[1]} if look else None,
        "certified": look[2] if look else None,
        "rollback": rollback,
        "watch": WATCH if view.number == CHAMPION else [],
    }


def chosen_by_hand(data: ReportData, number: int) -> ReportData:
    """The same after the user made round ``number`` the champion."""
    champion = {**data.summary["champion"], "round": number}
    row = {"action": "promote", "after_round": 6, "champion": number, "instead_of": CHAMPION, "reason": "", "time": ""}
    return replace(data, summary={**data.summary, "champion": champion, "by_hand": [row]})


def pages(data: ReportData, folder: Path) -> tuple[str, str]:
    """The page without its style sheet and tags, and the Markdown summary."""
    source = HtmlReporter().render(data, folder).read_text(encoding="utf-8")
    body = source[source.index("</style>") :]
    plain = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))
    return plain, MarkdownReporter().render(data, folder).read_text(encoding="utf-8")


def said(data: ReportData, start: str) -> str:
    """The one sentence of what is not known that begins so."""
    (sentence,) = [sentence for sentence in unknowns(data) if sentence.startswith(start)]
    return sentence
