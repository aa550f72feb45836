"""The run as JUnit XML, for the test view of a CI service: what it decided, and whether anything got worse.

A comparison that was not made is skipped, with the reason; a round that crashed is an error, a rejected one is none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.evaluated import Evaluation
from harness.gate.guards import guard_finding
from harness.gate.holm import holm
from harness.gate.verdict import Paired
from harness.reporting.data import ReportData, RoundView
from harness.reporting.formatting import integer, interval, percent, points, probability
from harness.reporting.junit_xml import JunitCase, Outcome, junit_xml
from harness.reporting.standing import gate_words, worn, worn_label
from harness.reporting.to_file import FileReporter
from harness.reporting.unknowns import certificates
from harness.reporting.words import compare, headline

FILE = "junit.xml"
SKILL_ALPHA = 0.05
"""Chance that any skill of a model that is no worse anywhere is called worse, at most (Holm over the skills)."""


class JunitReporter(FileReporter):
    """Renders ``junit.xml``."""

    name = "junit"
    file = FILE

    def text(self, data: ReportData) -> str:
        """See `cases`."""
        return junit_xml(f"harness {data.summary['run']}", cases(data))


def cases(data: ReportData) -> list[JunitCase]:
    """Test against the untouched model and against examples, the guard, each skill, the certificate, each round."""
    return [_test(data), _fewshot(data), _guard(data), *_skills(data), _certificate(data), *map(_round, data.rounds)]


def _skipped(name: str, group: str, why: str) -> JunitCase:
    return JunitCase(name, group, "skipped", why, kind="skipped")


def _judged(name: str, group: str, kind: str, numbers: str, paired: Paired | None) -> JunitCase:
    """A pass, or a failure of ``kind`` where that is not empty."""
    outcome: Outcome = "failure" if kind else "passed"
    return JunitCase(name, group, outcome, numbers, numbers, kind, _properties(paired) if paired else ())


def _properties(paired: Paired) -> tuple[tuple[str, str], ...]:
    low, high = paired.ci95
    figures = {
        "n": paired.n,
        "difference": paired.delta,
        "low": low,
        "high": high,
        "fixed": paired.fixed,
        "broken": paired.broken,
        "p_better": paired.p,
        "p_worse": paired.p_worse,
    }
    return _written(figures)


def _written(figures: Mapping[str, float]) -> tuple[tuple[str, str], ...]:
    return tuple((key, f"{value:.6g}") for key, value in figures.items())


def _numbers(paired: Paired, where: str) -> str:
    worse = paired.delta < 0
    p = f"{paired.test} of {'harm' if worse else 'better'} {probability(paired.p_worse if worse else paired.p)}"
    return (
        f"{points(paired.delta)} points on {integer(paired.n)} {where} items (95% interval {interval(paired.ci95)}), "
        f"{integer(paired.fixed)} fixed, {integer(paired.broken)} broken, one-sided {p}"
    )


def _no_test(data: ReportData) -> str:
    """Why nothing is said of test; empty where something is."""
    if worn(data.summary):
        return f"test is {worn_label(data.summary)}: its items have been chosen by"
    if data.summary.get("test") is None:
        return "the test items were not opened"
    return ""


def _test(data: ReportData) -> JunitCase:
    name, group = "better than the untouched model", "test"
    why = _no_test(data)
    if why:
        return _skipped(name, group, why)
    verdict, certified = headline(data), data.summary.get("test_certified")
    kind = {"better": "", "worse": "worse"}.get(verdict.tone, "not better")
    said = f"{verdict.word}: {verdict.sentence.removesuffix('.')}"
    if certified:  # the verdict is of it, so the figures are
        (low, high), n = certified["ci95"], certified["after"]["n"]
        figures = {"n": n, "difference": certified["delta"], "low": low, "high": high}
        return replace(_judged(name, group, kind, said, None), properties=_written(figures))
    paired = compare(data.test_before, data.test_after) if data.summary["test"]["round"] else None
    numbers = f"; {_numbers(paired, 'test')}" if paired else ""
    return _judged(name, group, kind, f"{said}{numbers}", paired)


def _fewshot(data: ReportData) -> JunitCase:
    name, group = "not worse than the untouched model with few-shot examples", "test"
    paired = compare(data.test_before_fewshot, data.test_after)
    why = _no_test(data) or ("" if paired else "there are no few-shot answers to compare with")
    if why or paired is None:
        return _skipped(name, group, why)
    return _judged(name, group, "worse" if paired.ci95[1] < 0 else "", _numbers(paired, "test"), paired)


def _guard(data: ReportData) -> JunitCase:
    name, group = "not harmed", "guard"
    paired = compare(data.guard_before, data.guard_after)
    if paired is None or data.summary.get("guard") is None:
        return _skipped(name, group, "the guard was not compared")
    if not data.final_round:
        return _skipped(name, group, "the model is the untouched one")
    found = guard_finding(paired)
    return _judged(name, group, "harm" if found.blocks else "", f"{found.reason}; {_numbers(paired, 'guard')}", paired)


def _skills(data: ReportData) -> list[JunitCase]:
    """Each skill against the untouched model: on test where it is open and means something, else on dev."""
    where, before, after = _shown(data)
    if before is None or after is None:
        return []
    compared = {skill: compare(before, after, skill) for skill in before.by_skill()}
    found = {skill: paired for skill, paired in compared.items() if paired is not None}
    worse = holm([paired.p_worse for paired in found.values()], SKILL_ALPHA)
    made = []
    for (skill, paired), harmed in zip(found.items(), worse, strict=True):
        old, new = before.by_skill()[skill].value, after.by_skill()[skill].value
        numbers = f"{percent(old)} before, {percent(new)} after: {_numbers(paired, where)}"
        made.append(_judged(f"{skill}: not worse", f"{where} by skill", "worse" if harmed else "", numbers, paired))
    return made


def _shown(data: ReportData) -> tuple[str, Evaluation | None, Evaluation | None]:
    if not _no_test(data) and data.summary["test"]["round"]:
        return "test", data.test_before, data.test_after
    if data.summary["champion"]["round"]:
        return "dev", data.baseline_dev, data.champion_dev
    return "dev", None, None


def _certificate(data: ReportData) -> JunitCase:
    name, group = "a model is certified", "gate"
    said = " ".join(certificates(data))
    if data.summary.get("certified_round") is None:
        return _skipped(name, group, said)
    return _judged(name, group, "", said, None)


def _round(view: RoundView) -> JunitCase:
    decided = view.entry["decision"]
    words = f"{decided}: {view.entry['reason']}"
    if view.tier and view.gate:
        words += f"; {gate_words(view.tier, view.entry.get('certified'))}"
    targets: Sequence[str] = view.entry["targets"]
    broken = decided in ("crash", "invalid")
    return JunitCase(
        name=f"round {view.number}",
        group="rounds",
        outcome="error" if broken else "passed",
        message=words,
        text=words,
        kind=decided if broken else "",
        properties=(("decision", decided), ("targets", ", ".join(targets))),
        seconds=math.fsum(view.entry["seconds"].values()),
    )
