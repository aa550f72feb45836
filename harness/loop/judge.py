"""What follows for a promoted model from evaluations that lie there: look, bit, way back. No file, no model, no clock.

The loop asks it of evaluations that it has just made, `harness verify` of the same ones read back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from harness.diagnosis import failing_cells
from harness.evaluated import Evaluation
from harness.gate.alpha import Look
from harness.gate.cells import CellTest, cell_tests, confirmed, flagged, lost_skills
from harness.gate.certify import LookEvidence, LookRequest, Tiers, certify, rollback, rolled_back, wants_look
from harness.gate.guards import GuardFinding, guard_finding, with_lost
from harness.gate.paired import pair
from harness.gate.verdict import Paired, Verdict
from harness.loop.run import alike

NO_RECORD = LookRequest(None, "no-record", "no look: no record of this domain's items is kept, so none can be debited")
NO_ITEMS = LookRequest(None, "no-items", "no look: the domain has no gate items, so champions stay provisional")
UNLIKE = LookRequest(
    None, "environment", "no look: memory or a library changed while the anchor was asked again; the next round may"
)
LOST = LookRequest(
    None,
    "lost-record",
    "no look: the domain's record lacks looks that this run made; restore it from a copy (state: or HARNESS_STATE)",
)
TRIAL = LookRequest(None, "trial", "no look: a trial run (limit) spends none, so champions stay provisional")
OPENED = LookRequest(
    None,
    "opened",
    "no look: these gate items were shown when a run was closed; 'harness data extend FILE' adds sealed ones",
)
NEVER: Mapping[str, LookRequest] = {
    request.rule: request for request in (NO_RECORD, NO_ITEMS, LOST, TRIAL, UNLIKE, OPENED)
}
"""Why a run never looks, by rule."""


@dataclass(frozen=True)
class Shown:
    """The evaluations that the second tier goes by, of several models on the same items each.

    Attributes:
        dev: anchor and head.
        guard: round 0, anchor and head; ``None`` where it was not asked.
        gate: anchor and head; ``None`` where no look was made.
    """

    dev: tuple[Evaluation, Evaluation]
    guard: tuple[Evaluation, Evaluation, Evaluation] | None = None
    gate: tuple[Evaluation, Evaluation] | None = None


def asked_for(dev: Paired, looks: Sequence[Look] | None, rule: str, guard: GuardFinding | None = None) -> LookRequest:
    """Whether to look.

    Args:
        looks: those before at the same gate items; ``None`` where there can be none, by ``rule`` of `NEVER`.
        guard: of the head, where it was asked.
    """
    if looks is None:
        return NEVER[rule]
    return wants_look(LookEvidence(dev, looks, (guard,) if guard else ()))


def judge(
    shown: Shown, looks: Sequence[Look] | None, rule: str, alpha: float | None, may_trigger: frozenset[str] | None
) -> dict[str, Any]:
    """What follows from the evaluations: the part of the phase's result that can be recomputed from them.

    Args:
        looks, rule: as `asked_for` takes them.
        alpha: level of the look, where one was made.
        may_trigger: categories that may decide anything.
    """
    dev = paired(*shown.dev)
    watched = [test.cell for test in flagged(_cells(*shown.dev, may_trigger))]
    guard, lost = guarded(shown.guard[0], shown.guard[2], may_trigger) if shown.guard else (None, [])
    against = {"guard": paired(*shown.guard[1:])} if shown.guard else {}
    request = asked_for(dev, looks, rule, guard)
    bit = None
    if shown.gate is not None and alpha is not None:
        bit = certify(paired(*shown.gate), alpha, confirmed(watched, _cells(*shown.gate, may_trigger)))
    return {
        "dev": asdict(dev),
        "rule": request.rule,
        "reason": request.reason,
        "guard": {"reason": guard.reason, "kind": guard.kind, "blocks": guard.blocks, "lost": lost} if guard else None,
        "certified": bit,
        "rollback": rollback(dev, against) if alike(*shown.dev) else None,
        "watch": [[cell.skill, cell.category] for cell in watched],
    }


def after_look(verdict: Verdict, tiers: Tiers, number: int, found: Mapping[str, Any]) -> tuple[Verdict, Tiers]:
    """Verdict and standing of round ``number``, just promoted, after the phase that came to ``found``."""
    tiers = tiers.promoted(number).looked(found["certified"])
    verdict = replace(verdict, certified=found["certified"])
    if tiers.provisional and found["rollback"] is not None:
        return rolled_back(verdict, found["rollback"]), tiers.rolled_back()
    return verdict, tiers


def guarded(base: Evaluation, head: Evaluation, may_trigger: frozenset[str] | None) -> tuple[GuardFinding, list[str]]:
    """What all guards say of ``head`` together, and those that are worse each by itself."""
    lost = lost_skills(_cells(base, head, may_trigger))
    return with_lost(guard_finding(paired(base, head)), lost), lost


def paired(before: Evaluation, after: Evaluation) -> Paired:
    """The paired comparison of two evaluations of the same items."""
    return pair(before.correctness(), after.correctness(), after.clusters())


def _cells(before: Evaluation, after: Evaluation, may_trigger: frozenset[str] | None) -> list[CellTest]:
    """Every cell before and after."""
    was, now = (failing_cells(each.results, each.errors, may_trigger) for each in (before, after))
    return cell_tests(was, now, after.skills(), after.clusters())
