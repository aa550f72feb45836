"""The four figures under the verdict: the gain, where, at what price, what next."""

from __future__ import annotations

from dataclasses import dataclass

from harness.evaluated import Evaluation
from harness.reporting.data import ReportData
from harness.reporting.formatting import duration, integer, interval, percent, points
from harness.reporting.next_steps import NextStep
from harness.reporting.provenance import amount, money, short_count, watt_hours, whole
from harness.reporting.standing import worn_label
from harness.reporting.words import compare, led


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        label: what it is.
        value: the figure, a few characters or words.
        notes: short lines below it.
        link: id on the page of the section that says more.
    """

    label: str
    value: str
    notes: tuple[str, ...]
    link: str


def figures(data: ReportData, steps: tuple[NextStep, ...]) -> tuple[Figure, ...]:
    """The four figures, in the order of the question: is it better, where, at what price, what next."""
    return (_gain(data), _where(data), _price(data), _next(steps))


def _gain(data: ReportData) -> Figure:
    summary = data.summary
    test = summary.get("test")
    if test and test["round"]:
        lead, _ = led(summary, test)
        name = "certified" if lead["model"] == "certified" else "provisional"
        where = f"points on {integer(lead['after']['n'])} test items"
        mark = worn_label(summary)
        notes = (
            where,
            f"95% {interval(lead['ci95'])}",
            f"{name}, round {lead['round']}" + (f"; {mark}" if mark else ""),
        )
        return Figure("Gain", points(lead["delta"]), notes, "before-after")
    compared = compare(data.baseline_dev, data.champion_dev) if summary["champion"]["round"] else None
    if compared is None:
        n = integer(summary["champion"]["dev"]["n"])
        return Figure(
            "Gain", "none", (f"untouched: {percent(summary['champion']['dev']['value'])} of {n} dev items",), "rounds"
        )
    notes = (f"points on {integer(compared.n)} dev items", f"95% {interval(compared.ci95)}", "of dev, so optimistic")
    return Figure("Gain so far", points(compared.delta), notes, "before-after")


def _where(data: ReportData) -> Figure:
    """The skills that gained most and least; of a single skill, the error category with most left."""
    tested = (data.summary.get("test") or {}).get("round")
    before, after = (data.test_before, data.test_after) if tested else (data.baseline_dev, data.champion_dev)
    if not data.summary["champion"]["round"] or before is None or after is None:
        return _largest(data, data.baseline_dev, "Where it fails")
    deltas = {}
    for skill in before.by_skill():
        compared = compare(before, after, skill)
        if compared is not None:
            deltas[skill] = compared.delta
    if len(deltas) < 2:
        return _largest(data, data.champion_dev, "Where")
    best = max(sorted(deltas), key=lambda skill: deltas[skill])
    worst = min(sorted(deltas), key=lambda skill: deltas[skill])
    notes = (f"worst: {worst} {points(deltas[worst])}", f"{len(deltas)} skills, {'test' if tested else 'dev'}")
    return Figure("Where", f"{best} {points(deltas[best])}", notes, "before-after")


def _largest(data: ReportData, evaluation: Evaluation, label: str) -> Figure:
    """The cell with most failing dev items, and the one that lost most of them."""
    before, now = data.baseline_categories, dict[str, int]()
    for result, record in zip(evaluation.results, evaluation.errors, strict=True):
        if record.primary is not None:
            cell = f"{result.skill}/{record.primary}"
            now[cell] = now.get(cell, 0) + 1
    if not now and not before:
        return Figure(label, "nowhere", ("no dev item fails",), "categories")
    cells = sorted(now.keys() | before.keys())
    gone = {cell: before.get(cell, 0) - now.get(cell, 0) for cell in cells}
    left, best = max(cells, key=lambda cell: now.get(cell, 0)), max(cells, key=lambda cell: gone[cell])
    still = f"{_category(left)} {integer(now.get(left, 0))}"
    if gone[best] <= 0:
        return Figure(label, still, (f"most of the failing dev items, of {integer(sum(now.values()))}",), "categories")
    notes = (f"{integer(before.get(best, 0))} failing, now {integer(now.get(best, 0))}", f"most left: {still}")
    return Figure(label, _category(best), notes, "categories")


def _category(cell: str) -> str:
    return cell.rpartition("/")[2].replace("_", " ")


def _price(data: ReportData) -> Figure:
    cost = money(data)
    trained = sum(int(view.entry.get("train_tokens") or 0) for view in data.rounds)
    notes = [f"{short_count(trained)} tokens trained"]
    if data.costs:
        notes.append(f"{short_count(whole(data.costs).new_tokens)} generated")
    taken = duration(data.summary["seconds"])
    joules = sum(sum(spent.joules.values()) for spent in data.costs.values())
    unknown = [*([] if joules else ["energy"]), *(["money"] if cost is None else [])]
    notes += [*([watt_hours(joules)] if joules else []), *([f"{', '.join(unknown)} not known"] if unknown else [])]
    value = taken if cost is None else f"{amount(cost)}"
    return Figure("Price", value, tuple(notes if cost is None else [taken, *notes]), "manifest")


def _next(steps: tuple[NextStep, ...]) -> Figure:
    if not steps:
        return Figure("Next", "nothing", ("no rule finds its evidence",), "next")
    more = f"and {len(steps) - 1} more" if len(steps) > 1 else ""
    return Figure("Next", steps[0].title, (more,) if more else (), "next")
