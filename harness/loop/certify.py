"""The second tier of a round: the guard, the look at the sealed items, the way back. What is decided: `harness.gate`.

A look is on disk in the domain's record before a gate item is asked, so a process that dies in between has spent it. It
goes on with the same look: the candidate is the same, and nothing has been told. Of what gate says only the bit leaves
this module; the answers lie in the round's folder and no report reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from harness.diagnosis import failing_cells
from harness.evaluated import Evaluation, load_evaluation
from harness.evaluation.items import Item
from harness.gate.cells import CellTest, cell_tests, confirmed, flagged
from harness.gate.certify import LookEvidence, LookRequest, Tiers, certify, rollback, rolled_back, wants_look
from harness.gate.guards import GuardFinding, guard_finding
from harness.gate.paired import pair
from harness.gate.verdict import Paired, Verdict
from harness.loop.phases import run_phase
from harness.loop.run import Run, alike, champion_folder
from harness.loop.state import LoopState
from harness.state.domain import DomainState
from harness.state.kept import GateGroup, GateLook

PHASE = "certify"
OUTPUTS = ("anchor_dev", "guard", "anchor_guard", "base_guard", "gate", "anchor_gate")


def second_tier(
    run: Run, state: LoopState, folder: Path, verdict: Verdict, candidate: Evaluation, identity: str
) -> tuple[Verdict, Tiers, dict[str, Any]]:
    """Whether the model that was just promoted is certified, stays provisional or is given up.

    Args:
        folder: of the round.
        candidate: its dev evaluation.
        identity: what the round's phases depend on.

    Returns:
        The verdict with the look's bit or the rollback, where anchor and head stand now, and the phase's result (see
        `docs/run-directory.md`).
    """
    number = state.done + 1
    run.listener.phase(number, run.rounds_asked, PHASE)
    found = run_phase(
        folder, PHASE, run.key(PHASE, number, identity), OUTPUTS, lambda: _ask(run, state, folder, candidate), run.clock
    )
    tiers = Tiers(state.anchor, state.champion).promoted(number).looked(found["certified"])
    verdict = replace(verdict, certified=found["certified"])
    if tiers.provisional and found["rollback"] is not None:
        verdict, tiers = rolled_back(verdict, found["rollback"]), tiers.rolled_back()
    return verdict, tiers, found


def _ask(run: Run, state: LoopState, folder: Path, candidate: Evaluation) -> dict[str, Any]:
    prepared, anchors = run.prepared, run.round_dir(state.anchor)

    def of_anchor(name: str, items: Sequence[Item], kept: Path, like: Evaluation) -> Evaluation:
        return _like(run, name, items, state.anchor, kept, folder / f"anchor_{name}", like)

    before = of_anchor("dev", prepared.dev, champion_folder(run.run_dir, state.anchor), candidate)
    dev = _paired(before, candidate)
    watched = [test.cell for test in flagged(_cells(run, before, candidate))]
    request, group, pending = _request(run, state, dev)
    guard: GuardFinding | None = None
    against_anchor: dict[str, Paired] = {}
    if request.alpha is not None and prepared.guard:
        head = _asked(run, "guard", prepared.guard, state.done + 1, folder)
        base = _like(run, "guard", prepared.guard, 0, run.round_dir(0) / "guard", folder / "base_guard", head)
        guard = guard_finding(_paired(base, head))
        against_anchor = {"guard": _paired(of_anchor("guard", prepared.guard, anchors / "guard", head), head)}
        if guard.blocks:
            request = LookRequest(None, "guard", f"no look: {guard.reason}")
    look = None
    place = 0
    if run.record is not None and group is not None and request.alpha is not None:
        look = _debited(run, run.record, state.done + 1, group, pending)
    if run.record is not None and group is not None and look is not None:
        items = [item for item in prepared.gate if item.item_id in set(group.items)]
        head = _asked(run, "gate", items, state.done + 1, folder)
        before = of_anchor("gate", items, anchors / "gate", head)
        harmed = confirmed(watched, _cells(run, before, head))
        bit = certify(_paired(before, head), look.alpha, harmed)
        run.record.settle(look.number, bit)
        look = replace(look, certified=bit)
        place = sum(each.number <= look.number for each in run.record.kept.of_group(look.group))
    return {
        "anchor": state.anchor,
        "dev": asdict(dev),
        "rule": request.rule,
        "reason": request.reason,
        "guard": {"reason": guard.reason, "kind": guard.kind, "blocks": guard.blocks} if guard else None,
        "look": {"number": look.number, "group": look.group, "place": place, "alpha": look.alpha} if look else None,
        "certified": look.certified if look else None,
        "rollback": rollback(dev, against_anchor),
        "watch": [[cell.skill, cell.category] for cell in watched],
    }


def _request(run: Run, state: LoopState, dev: Paired) -> tuple[LookRequest, GateGroup | None, GateLook | None]:
    """Whether to look, at which items, and this round's own look where an earlier process was cut short in it."""
    gate = [item.item_id for item in run.prepared.gate]
    groups = run.record.groups(gate) if run.record else []
    if run.record is None or not groups:
        return LookRequest(None, "spent", "no look: the domain has no gate items"), None, None
    pending = run.record.look_of(run.identity, state.done + 1)
    if pending is not None:
        group = next((each for each in groups if each.number == pending.group), None)
    else:
        group = run.record.group(gate)
    looks = (group or groups[0]).looks
    before = [look.spent() for look in looks if pending is None or look.number < pending.number]
    return wants_look(LookEvidence(dev, before)), group, pending


def _debited(run: Run, record: DomainState, number: int, group: GateGroup, pending: GateLook | None) -> GateLook | None:
    """The look, on disk in the domain's record and in the run's ledger before anything is asked.

    ``None`` where another run has spent the last one meanwhile.
    """
    look = pending or record.debit(group.items, run.identity, number)
    if look is not None and not any(entry.data["round"] == number for entry in run.ledger.of_kind("look")):
        data = {"round": number, "look": look.number, "group": look.group, "alpha": look.alpha}
        run.ledger.append("look", data, run.now())
    return look


def _asked(run: Run, name: str, items: Sequence[Item], number: int, folder: Path) -> Evaluation:
    run.evaluate(name, items, run.adapter(number), folder / name)
    return load_evaluation(folder / name)


def _like(
    run: Run, name: str, items: Sequence[Item], number: int, kept: Path, again: Path, like: Evaluation
) -> Evaluation:
    """The evaluation of round ``number``'s model that is ``kept``; made ``again`` where it is not the like of ``like``.

    That is where there is none yet, or where memory has halved the batch, or a library was replaced, since.
    """
    if (kept / "scores.json").is_file():
        found = load_evaluation(kept)
        if alike(found, like) and found.correctness().keys() == like.correctness().keys():
            return found
    run.evaluate(name, items, run.adapter(number), again)
    return load_evaluation(again)


def _paired(before: Evaluation, after: Evaluation) -> Paired:
    return pair(before.correctness(), after.correctness(), after.clusters())


def _cells(run: Run, before: Evaluation, after: Evaluation) -> list[CellTest]:
    """Every cell before and after, by categories that may decide anything."""
    was, now = (failing_cells(each.results, each.errors, run.taxonomy.may_trigger) for each in (before, after))
    return cell_tests(was, now, after.skills(), after.clusters())
