"""What a run does and does not show, in sentences: certificates, looks, power, dev's optimism, forgetting, controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.gate.alpha import LOOKS, TOTAL_ALPHA
from harness.gate.cells import ANY
from harness.gate.guards import MARGIN, NON_INFERIOR_FROM, guard_finding
from harness.gate.power import minimum_detectable_effect
from harness.gate.verdict import Paired
from harness.reporting.data import ReportData, RoundView
from harness.reporting.formatting import integer, interval, percent, plural, points, probability
from harness.reporting.standing import gate_words, look_level, place, worn, worn_sentence
from harness.reporting.words import compare, detectable

PLANNED_DISCORDANT = 0.15
"""Share of items that flip between equally good models; assumed where nothing was compared yet (GATE: the test)."""
MINIMUM_EFFECT = 0.03
"""Gain that a comparison should be able to see; one that cannot is called UNDERPOWERED."""


def unknowns(data: ReportData) -> list[str]:
    """What the run shows and what it does not, one sentence each; what is certified comes first."""
    summary = data.summary
    sentences = [*certificates(data), *filter(None, [worn_sentence(summary)])]
    sentences += [_smallest_effect(data), _optimism(data), _guard(data)]
    if summary["baseline"].get("dev_fewshot") is None:
        sentences.append("The untouched model was not scored with few-shot examples: prompting alone may do as well.")
    control = "One run, one seed: how much changes when nothing changes was not measured"
    if summary["champion"]["round"] > 0:
        control += (
            ", nor what random training rows would have brought; "
            "the gain is of training as a whole, not of its targeting"
        )
    sentences.append(control + ".")
    unjudged = data.champion_dev.not_assessed()
    if unjudged:
        n = len(data.champion_dev.results)
        names = ", ".join(f"{name.replace('_', ' ')} on {integer(count)}" for name, count in unjudged.items())
        sentences.append(
            f"Not assessed on every response (of {integer(n)} dev items): {names}; a count of these is a lower bound."
        )
    return sentences


def certificates(data: ReportData) -> list[str]:
    """What is certified and what that means, which model is provisional, the looks that are left, cells on watch."""
    summary = data.summary
    certified, champion = summary.get("certified_round"), summary["champion"]["round"]
    looks = summary.get("looks", ())
    if certified is None:
        gave = f"{plural(len(looks), 'look')} at the sealed gate items gave no certificate"
        gave += " that still counts" if any(look["certified"] for look in looks) else ""  # rolled back by hand
        none = gave if looks else "the sealed gate items were not looked at"
        sentences = [f"Not certified: {none}, so nothing here carries an error budget over the rounds."]
        if champion:
            sentences.append(f"The champion, round {champion}, is provisional: {_chosen(summary)}, not certified.")
    else:
        sentences = [_certificate(data, certified), *filter(None, [_below_fewshot(summary)])]
        if champion and champion != certified:
            sentences.append(
                f"The champion, round {champion}, is provisional: {_chosen(summary)}, not certified; "
                f"the certified model is that of round {certified}."
            )
    sentences += [sentence for sentence in (_looks(data), _watch(data)) if sentence]
    return sentences


def _certificate(data: ReportData, certified: int) -> str:
    look = next((look for look in data.summary.get("looks", ()) if look["round"] == certified), None)
    which = f" ({look_level(look)})" if look else ""
    tier = next((view.tier for view in data.rounds if view.number == certified), None)
    before = f"round {tier['anchor']}, certified before it," if tier and tier["anchor"] else "the untouched model"
    return (
        f"Round {certified} is certified{which}: better than {before} on sealed items that nothing was chosen by. "
        "A look asks items that training never saw and tells only yes or no. The chance that the looks at these items "
        f"ever certify a model that is no better is at most {100 * TOTAL_ALPHA:g}% until the first certificate; after "
        "it, only if the training does not exploit which look passed."
    )


def _chosen(summary: Mapping[str, Any]) -> str:
    """How a provisional champion came to be the champion."""
    by_hand = summary.get("by_hand") or ()
    if by_hand and by_hand[-1]["champion"] == summary["champion"]["round"]:
        return f"chosen by hand after round {by_hand[-1]['after_round']}"
    return "promoted on dev"


def _below_fewshot(summary: Mapping[str, Any]) -> str:
    """That the certified model does worse on test than prompting the untouched one; empty where it does not."""
    tests = [summary.get("test_certified"), summary.get("test")]
    test = next((test for test in tests if test and test["round"] == summary["certified_round"]), None)
    fewshot = test.get("before_fewshot") if test else None
    if test is None or fewshot is None or test["after"]["value"] >= fewshot["value"]:
        return ""
    below = points(fewshot["value"] - test["after"]["value"], signed=False)
    return (
        f"On test the certified model answers {percent(test['after']['value'])} right, {below} points fewer than the "
        f"untouched model with few-shot examples, {percent(fewshot['value'])}."
    )


def _looks(data: ReportData) -> str:
    """The looks left, and where more come from; why the last round that could have looked did not."""
    asked = [view for view in data.rounds if view.tier is not None]
    if not asked:
        return ""
    more = (
        "so later champions stay provisional; 'harness data extend FILE' adds items, and with them looks, "
        "for a new run in a new folder (--out)"
    )
    last, tier = asked[-1], asked[-1].tier or {}
    if data.closed:
        return (
            "The run is closed: the gate items that it looked at are shown, so no run can be certified on them any "
            "more; 'harness data extend FILE' adds items, and with them looks."
        )
    if tier["look"] is None and tier["rule"] == "opened":
        return f"Round {last.number}, no look: the gate items were shown when another run was closed, {more}."
    if tier["look"] is None and tier["rule"] == "spent":
        return f"Round {last.number}, no look: all {LOOKS} at these gate items are spent, over all runs, {more}."
    looked = [view.tier["look"] for view in asked if view.tier and view.tier["look"]]
    if looked:
        left = LOOKS - place(looked[-1])
        spent = f"{place(looked[-1])} of {LOOKS} looks at these gate items are spent, over all runs"
        said = f"{spent}: {left} left." if left else f"{spent}, {more}."
    else:
        said = ""
    if tier["look"] is None:
        said = f"{said} Round {last.number}, {gate_words(tier, None)}.".strip()
    return said


def _watch(data: ReportData) -> str:
    """Cells of the champion that look harmed on dev; nobody tells whether the sealed items say so too."""
    champion: RoundView | None = next((v for v in data.rounds if v.number == data.summary["champion"]["round"]), None)
    cells = watched(champion.tier if champion else None)
    if not cells:
        return ""
    return (
        f"WATCH: {', '.join(cells)} of the champion look worse on dev than those of the last certified model "
        "(p < .10). Flagged, not confirmed (the sealed items do not say): they are mined first."
    )


def watched(tier: Mapping[str, Any] | None) -> list[str]:
    """The cells flagged on dev, in words."""
    cells = tier["watch"] if tier else ()
    return [f"{skill} (any error)" if category == ANY else f"{skill}/{category}" for skill, category in cells]


def _smallest_effect(data: ReportData) -> str:
    opened = data.summary.get("test") is not None
    where = "test" if opened else "dev"
    before, after = (data.test_before, data.test_after) if opened else (data.baseline_dev, data.champion_dev)
    comparison = compare(before, after)
    if comparison is not None and data.summary["champion"]["round"] > 0:
        changed = percent((comparison.fixed + comparison.broken) / comparison.n)
        smallest = detectable(comparison)
        start = f"with {integer(comparison.n)} {where} items, {changed} of which changed"
    else:
        n = data.summary["champion"]["dev"]["n"]
        smallest = minimum_detectable_effect(n, PLANNED_DISCORDANT)
        start = f"with {integer(n)} dev items, if {100 * PLANNED_DISCORDANT:g}% of them change"
    sentence = (
        f"Minimum detectable effect: {start}, a true gain below {points(smallest, signed=False)} points is missed "
        "more often than one time in five."
    )
    proven = comparison is not None and differs(comparison)
    if smallest > MINIMUM_EFFECT and not proven:
        sentence += f" UNDERPOWERED: a true gain of {100 * MINIMUM_EFFECT:g} points is one of these; add items."
    if comparison is not None and comparison.ci95[0] > smallest:
        sentence += f" The gain found, {points(comparison.delta)} points, is well above what would be missed."
    return sentence


def differs(comparison: Paired) -> bool:
    """Whether the whole interval lies on one side of zero, so that what so many items can see is no open question."""
    return comparison.ci95[0] > 0 or comparison.ci95[1] < 0


def _optimism(data: ReportData) -> str:
    summary = data.summary
    start = "Dev is optimistic: its items chose the targets and the champion"
    if worn(summary):
        return start + "; the test items, worn, have been chosen by as well, and new ones alone give an honest figure."
    if summary.get("test") is None:
        return start + "; only the test items, opened once at the end, give an honest figure."
    gap = summary["optimism_gap"]
    if gap is None:
        return start + "; the test figure is the one to quote."
    gain = summary["champion"]["dev"]["value"] - summary["baseline"]["dev"]["value"]
    return (
        f"{start}. Its gain on the untouched model, both zero-shot, is {points(gain)} points on dev and "
        f"{points(summary['test']['delta'])} on test: an optimism gap of {points(gap)}."
    )


def _guard(data: ReportData) -> str:
    guard = data.summary.get("guard")
    if guard is None:
        if data.summary["status"] == "running":
            return "Forgetting is not known yet: the guard is compared at the end."
        return "Forgetting was not measured: there is no guard result in this run."
    paired = compare(data.guard_before, data.guard_after)
    if data.summary["champion"]["round"] == 0 or paired is None:
        return "Forgetting: none, since the champion is the untouched model."
    if data.final_round == 0:  # the run went on after it
        return "Forgetting is not known yet: the guard is compared at the end."
    found = guard_finding(paired)
    of = f" of the champion of round {data.final_round}" if data.final_round else ""
    start = (
        f"Forgetting: on {integer(paired.n)} guard items {points(paired.delta)} points{of} against the untouched model "
        f"(95% interval {interval(paired.ci95)})"
    )
    if found.kind == "non-inferiority":
        margin = f"{100 * MARGIN:g} points"
        shown = f"not shown that less than {margin} are lost" if found.blocks else f"less than {margin} are lost"
        test = f"non-inferiority test, one-sided 95% bound {points(found.bound or 0.0)}: {shown}"
    else:
        shown = "harm is shown" if found.blocks else "no harm is shown, none is ruled out"
        why = f", with fewer than {integer(NON_INFERIOR_FROM)} items" if paired.n < NON_INFERIOR_FROM else ""
        test = f"harm test{why}, {paired.test} of harm {probability(paired.p_worse)}: {shown}"
    seen = points(detectable(paired), signed=False)
    return f"{start}; {test}; a loss below {seen} points would most likely not be seen."
