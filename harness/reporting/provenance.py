"""What a run took and how it is made again: time, tokens, operations, money, the commands. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.evaluation.work import Work
from harness.loop.profile import Cost
from harness.models.arithmetic import operations
from harness.models.shapes import KNOWN, Shape
from harness.reporting.data import GateShown, ReportData, Verified
from harness.reporting.escape import shorten
from harness.reporting.formatting import duration, integer, percent, plural
from harness.reporting.next_steps import recorded_command

KAPLAN = "Kaplan et al. 2020, arXiv:2001.08361, section 2.1"


RECOMPUTED = ("files", "ledger entries", "evaluations", "responses", "records of errors", "paired tests", "verdicts")
"""Counts of a verified run that are shown."""


@dataclass(frozen=True)
class Fact:
    """One line of where a run comes from.

    Attributes:
        text: plain words.
        commands: lines to copy.
        note: how it was reckoned, or why it is not there.
    """

    name: str
    text: str
    commands: tuple[str, ...] = ()
    note: str = ""


def facts(data: ReportData) -> tuple[Fact, ...]:
    """What it took and how to make and check it again, in the order in which people ask."""
    summary = data.summary
    again = f"harness iterate --config RUN/config.yaml --rounds {summary['rounds_asked'] or 1} --out NEW"
    given = shlex.join(recorded_command(data.manifest))
    made = (
        "RUN is this run's folder, NEW one that is not there; the model and the data must be the same (hashes below)."
    )
    facts = [
        Fact("Reproduce", "", (again,), made),
        Fact("Begun with", "", (given,)) if given else None,
        _verify(data.verified),
        _closed(data.gate),
        _time(data),
        _tokens(data),
        _operations(data),
        _energy(data),
        _price(data),
    ]
    return tuple(fact for fact in facts if fact is not None)


def _verify(found: Verified | None) -> Fact:
    command = ("harness verify RUN",)
    if found is None:
        return Fact("Verify", "not asked", command, "harness report --verify recomputes the run and tells it here.")
    counts = ", ".join(f"{integer(found.checked[kind])} {kind}" for kind in RECOMPUTED if found.checked.get(kind))
    note = f"Recomputed before this page was written, without a model: {counts}."
    if not found.mismatches:
        return Fact("Verify", "everything that was checked matches", command, note)
    more = f" and {len(found.mismatches) - 1} more" if len(found.mismatches) > 1 else ""
    return Fact("Verify", f"does not match: {shorten(found.mismatches[0], 400)}{more}", command, note)


def _closed(gate: GateShown | None) -> Fact | None:
    if gate is None:
        return None
    before, after = gate.before.score, gate.after.score
    text = (
        f"{plural(after.n, 'gate item')} shown among the responses: untouched model {percent(before.value)} right, "
        f"round {gate.round} {percent(after.value)}"
    )
    return Fact("Closed", text, note="No run can look at these items again; 'harness data extend FILE' adds new ones.")


def whole(costs: Mapping[str, Cost]) -> Work:
    """All work of a run."""
    return sum((cost.work for cost in costs.values()), Work())


def money(data: ReportData) -> float | None:
    """What the run cost, in the currency of its price; ``None`` where there is no price."""
    return None if data.price_per_hour is None else data.price_per_hour * float(data.summary["seconds"]) / 3600


def amount(value: float) -> str:
    """A sum of money without its currency, with two decimals, more below one hundredth."""
    return f"{value:,.2f}" if value >= 0.01 or value == 0 else f"{value:.2g}"


def short_count(value: float) -> str:
    """``194,370`` as ``194k``, ``2.1 million`` as ``2.1M``: for a figure that is read in passing."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size * 0.9995:
            return f"{value / size:.3g}{unit}"
    return integer(value)


def _time(data: ReportData) -> Fact:
    spent = {name: cost.seconds for name, cost in data.costs.items() if cost.seconds > 0}
    parts = ", ".join(f"{name} {duration(seconds)}" for name, seconds in spent.items())
    return Fact("Time", duration(data.summary["seconds"]), note=f"By phase: {parts}." if parts else "")


def _tokens(data: ReportData) -> Fact:
    trained = sum(int(view.entry.get("train_tokens") or 0) for view in data.rounds)
    text = f"{integer(trained)} in training rows"
    if not data.costs:
        return Fact("Tokens", text, note="What was generated was not counted.")
    work = whole(data.costs)
    text += f"; {integer(work.new_tokens)} generated"
    note = (
        f"Run through the model: {integer(work.train_tokens)} forward and backward, "
        f"{integer(work.prefill_tokens + work.decode_tokens)} forward alone; "
        "the beginning that prompts share counts once, cached answers not at all."
    )
    return Fact("Tokens", text, note=note)


def shape_of(manifest: Mapping[str, Any]) -> tuple[str, Shape] | None:
    """Name and shape of the run's model, where its reference names one of `harness.models.shapes.KNOWN`."""
    model = manifest.get("identity", {}).get("model") or manifest.get("model") or {}
    reference = str(model.get("reference", "")) if isinstance(model, Mapping) else ""
    name = reference.rpartition("/")[2].casefold().removesuffix("-instruct")
    return next(((known, shape) for known, shape in KNOWN.items() if known.casefold() == name), None)


def flops(data: ReportData) -> float | None:
    """Floating-point operations of the matrix products; ``None`` where the model's weights or its work are unknown."""
    found = shape_of(data.manifest)
    if found is None or not data.costs:
        return None
    _, shape = found
    full, adapter = _trained(data, shape)
    forward, head, train, train_head = operations(shape.linear, shape.vocabulary * shape.hidden, adapter, full)
    work = whole(data.costs)
    return (
        forward * (work.prefill_tokens + work.decode_tokens)
        + head * work.logits
        + train * work.train_tokens
        + train_head * work.train_logits
    )


def _trained(data: ReportData, shape: Shape) -> tuple[bool, int]:
    """Whether all weights are trained, and the weights of the adapter."""
    identity = data.manifest.get("identity", {})
    method = identity.get("model", {}).get("method", "lora")
    rank = int((identity.get("recipe", {}).get("lora") or {}).get("rank", 0))
    return (True, 0) if method == "sft" else (False, shape.adapter(rank))


def _operations(data: ReportData) -> Fact:
    total, found = flops(data), shape_of(data.manifest)
    if total is None or found is None:
        why = "the run does not say how many weights its model has" if data.costs else "its work was not counted"
        return Fact("FLOPs", "not estimated", note=f"Since {why}.")
    name, shape = found
    full, adapter = _trained(data, shape)
    weights = f"N = {integer(shape.linear)} weights of the layers of {name}"
    training = "6N a token in training" if full else f"4N + 6A in training (the base is frozen; A = {integer(adapter)})"
    note = (
        f"An estimate: 2N a token forward, {training}; {weights}, the head by the positions it was asked for. "
        f"Attention's scores are left out. {KAPLAN}."
    )
    return Fact("FLOPs", f"{total:.2e}", note=note)


def _energy(data: ReportData) -> Fact:
    spent = sum(data.costs.values(), Cost())
    if not spent.joules:
        return Fact("Energy", "not known", note="No device told it: see docs/reports.md.")
    parts = ", ".join(f"{kind} {watt_hours(joules)}" for kind, joules in sorted(spent.joules.items()))
    note = (
        f"By the devices' own counters in {duration(spent.metered)} of {duration(spent.seconds)}: {parts}. "
        "Other work on them is in it, the rest of the machine is not."
    )
    return Fact("Energy", watt_hours(sum(spent.joules.values())), note=note)


def watt_hours(joules: float) -> str:
    """``7200`` joules as ``2.0 Wh``, from a thousand of these in kWh."""
    hours = joules / 3600
    return f"{hours:.1f} Wh" if hours < 999.95 else f"{hours / 1000:,.2f} kWh"


def _price(data: ReportData) -> Fact:
    cost = money(data)
    if cost is None or data.price_per_hour is None:
        return Fact("Price", "not known", note="Set price_per_hour in harness.yaml before the run begins.")
    return Fact(
        "Price",
        amount(cost),
        note=f"At price_per_hour: {data.price_per_hour:g}, for {duration(data.summary['seconds'])}.",
    )
