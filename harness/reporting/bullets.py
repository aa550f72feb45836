"""What a run does not show, in a line each; the whole of it stands in `harness.reporting.unknowns`."""

from __future__ import annotations

from dataclasses import dataclass

from harness.gate.guards import guard_finding
from harness.gate.power import minimum_detectable_effect
from harness.reporting.data import ReportData
from harness.reporting.formatting import integer, interval, percent, plural, points
from harness.reporting.standing import worn, worn_label
from harness.reporting.unknowns import MINIMUM_EFFECT, PLANNED_DISCORDANT, differs, watched
from harness.reporting.words import compare, detectable


@dataclass(frozen=True)
class Bullet:
    """One thing that is not known.

    Attributes:
        label: what it is about, a word or two.
        text: what there is to know, at most some twenty words.
        loud: whether it keeps the verdict from being taken at its word.
    """

    label: str
    text: str
    loud: bool = False


def bullets(data: ReportData) -> tuple[Bullet, ...]:
    """What is not known, what bears on the verdict first."""
    rules = (_mismatch, _certified, _power, _watch, _optimism, _forgetting, _control, _not_assessed)
    return tuple(bullet for bullet in (rule(data) for rule in rules) if bullet is not None)


def _mismatch(data: ReportData) -> Bullet | None:
    if data.verified is None or not data.verified.mismatches:
        return None
    count = plural(len(data.verified.mismatches), "value")
    return Bullet("Not as recorded", f"recomputed, {count} of this run did not match; see Provenance.", True)


def _certified(data: ReportData) -> Bullet | None:
    summary = data.summary
    certified, champion = summary.get("certified_round"), summary["champion"]["round"]
    if certified == champion or not champion:
        return None
    if certified is None:
        return Bullet(
            "Not certified", f"round {champion} was chosen on dev alone; no error budget stands behind it.", True
        )
    return Bullet("Provisional", f"round {champion} leads on dev; the sealed items certify round {certified}.")


def _power(data: ReportData) -> Bullet:
    """Loud only where nothing is proven and so many items could not have shown what matters."""
    opened = data.summary.get("test") is not None
    where = "test" if opened else "dev"
    before, after = (data.test_before, data.test_after) if opened else (data.baseline_dev, data.champion_dev)
    compared = compare(before, after) if data.summary["champion"]["round"] else None
    if compared is None:
        n = data.summary["champion"]["dev"]["n"]
        smallest = minimum_detectable_effect(n, PLANNED_DISCORDANT)
    else:
        n, smallest = compared.n, detectable(compared)
    size, items = points(smallest, signed=False), f"{integer(n)} {where} items"
    proven = compared is not None and differs(compared)
    if smallest > MINIMUM_EFFECT and not proven:
        return Bullet("UNDERPOWERED", f"{items} miss a true gain below {size} points too often; add items.", True)
    return Bullet("Smallest detectable effect", f"{size} points on {items}, in four cases of five.")


def _watch(data: ReportData) -> Bullet | None:
    tier = next((view.tier for view in data.rounds if view.number == data.summary["champion"]["round"]), None)
    cells = watched(tier)
    if not cells:
        return None
    more = f" and {len(cells) - 3} more" if len(cells) > 3 else ""
    return Bullet("WATCH", f"{', '.join(cells[:3])}{more}: worse on dev than certified (p < .10), not confirmed.", True)


def _optimism(data: ReportData) -> Bullet:
    summary = data.summary
    if worn(summary):
        return Bullet(
            "Test is worn", f"{worn_label(summary)}: its result has been chosen by; only new items are honest.", True
        )
    gap = summary.get("optimism_gap")
    if gap is not None:
        return Bullet("Optimism gap", f"{points(gap)} points: the gain on dev less that on test. Quote test.")
    if summary.get("test") is None:
        return Bullet("Test not opened", "dev chose the model and flatters it.", True)
    return Bullet("Dev is optimistic", "it chose the targets and the champion. Quote test.")


def _forgetting(data: ReportData) -> Bullet:
    paired = compare(data.guard_before, data.guard_after) if data.summary.get("guard") else None
    if not data.summary["champion"]["round"]:
        return Bullet("Forgetting", "none, the model is untouched.")
    if paired is None or not data.final_round:
        running = data.summary["status"] == "running" or data.final_round == 0
        champion = data.summary["champion"]["round"]
        asked = next((view.guard for view in data.rounds if view.number == champion), None)
        if running and asked and data.guard_before:
            before = percent(data.guard_before.score.value)
            return Bullet("Forgetting", f"guard {before} to {percent(asked['value'])} so far; compared at the end.")
        return Bullet(
            "Forgetting", "compared at the end." if running else "not measured: no guard result.", not running
        )
    found = guard_finding(paired)
    change = f"guard {points(paired.delta)} points ({interval(paired.ci95)}, {integer(paired.n)} items)"
    if found.kind == "non-inferiority":
        shown = "not shown to be harmless" if found.blocks else "shown to be harmless"
    else:
        shown = "harm is shown" if found.blocks else "no harm shown, none ruled out"
    return Bullet("Forgetting", f"{change}: {shown}.", found.blocks)


def _control(data: ReportData) -> Bullet | None:
    if not data.summary["champion"]["round"]:
        return None
    few = "" if data.summary["baseline"].get("dev_fewshot") else "; few-shot prompting was not tried"
    return Bullet("No control", f"one seed, no run on random rows: the gain is training's, not the targeting's{few}.")


def _not_assessed(data: ReportData) -> Bullet | None:
    unjudged, n = data.champion_dev.not_assessed(), len(data.champion_dev.results)
    if not unjudged:
        return None
    never = sum(count == n for count in unjudged.values())
    names = f"{integer(len(unjudged))} error {'category' if len(unjudged) == 1 else 'categories'}"
    where = "any dev item" if never == len(unjudged) else "every dev item"
    return Bullet("Not assessed", f"{names} could not be judged on {where}; counts are lower bounds.")
