"""The second tier: which model is certified, when the sealed items are asked, and when to go back.

Pure functions, shaped so that the caller does the writing in between. One round, in order::

    verdict = decide(evidence)                            # harness.gate.promotion
    if verdict.decision == "promote":
        tiers = tiers.promoted(number)
        request = wants_look(LookEvidence(dev, looks))    # is it worth evaluating the guard?
        if request.alpha is not None:
            request = wants_look(LookEvidence(dev, looks, guards))
        if request.alpha is not None:
            ...                                           # debit Look(request.alpha, None) and fsync it, then read gate
            bit = certify(gate, request.alpha, harmed)
            ...                                           # record the look's bit
            verdict, tiers = replace(verdict, certified=bit), tiers.looked(bit)
        reason = rollback(dev, guards_against_anchor)
        if tiers.provisional and reason is not None:
            verdict, tiers = rolled_back(verdict, reason), tiers.rolled_back()

A look gives one bit. Nothing else of the gate items (scores, cells, p) goes anywhere until the run is closed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.diagnosis import Cell
from harness.gate.alpha import LOOKS, Look, next_alpha
from harness.gate.guards import GuardFinding
from harness.gate.verdict import Paired, Verdict, against

LOOK_MIDP = 0.10
"""A look is asked for only below this p on dev, head against anchor: looks are few."""
ROLLBACK_MIDP = 0.05
"""Below this p of harm against the anchor, on dev or on a guard, the head is given up."""


@dataclass(frozen=True)
class Tiers:
    """Which rounds' models stand where.

    Attributes:
        anchor: round of the last certified model; 0 is the base.
        head: round of the best provisional one (the champion); equal to ``anchor`` where that is certified itself.
    """

    anchor: int = 0
    head: int = 0

    @property
    def provisional(self) -> bool:
        """Whether the head is not the certified model."""
        return self.head != self.anchor

    def promoted(self, number: int) -> Tiers:
        """After the candidate of round ``number`` was promoted."""
        return replace(self, head=number)

    def looked(self, certified: bool | None) -> Tiers:
        """After a look at the gate items; one without a verdict changes nothing."""
        return replace(self, anchor=self.head) if certified else self

    def rolled_back(self) -> Tiers:
        """After the head was given up."""
        return replace(self, head=self.anchor)


@dataclass(frozen=True)
class LookEvidence:
    """What a look hangs on, just after a promotion.

    Attributes:
        dev: head against anchor on dev.
        looks: all looks at these gate items so far, those of earlier runs included.
        guards: head against round 0, evaluated now; empty where the domain has none.
        promoted: whether this round's candidate was promoted; without that nothing new could be certified.
    """

    dev: Paired
    looks: Sequence[Look]
    guards: Sequence[GuardFinding] = ()
    promoted: bool = True


@dataclass(frozen=True)
class LookRequest:
    """Whether to look at the gate items.

    Attributes:
        alpha: level to debit, before the items are read; ``None``: do not look.
        rule: ``look``, or what speaks against it: ``not-promoted``, ``dev``, ``spent``, ``guard``; of the loop
            ``no-items``, ``no-record``, ``lost-record``, ``trial``, ``environment``, ``opened``, where nothing may be
            looked at.
        reason: one line for the report.
    """

    alpha: float | None
    rule: Literal[
        "look",
        "not-promoted",
        "dev",
        "spent",
        "guard",
        "no-items",
        "no-record",
        "lost-record",
        "trial",
        "environment",
        "opened",
    ]
    reason: str


def wants_look(evidence: LookEvidence) -> LookRequest:
    """Whether the head should be shown to the gate items, and at which level.

    Raises:
        InputError: the looks were not debited by the rule (from `next_alpha`).
    """
    if not evidence.promoted:
        return LookRequest(None, "not-promoted", "no look: the candidate was not promoted")
    dev = evidence.dev
    counts = f"dev against the last certified model: {dev.test} {against(dev.p, LOOK_MIDP)}"
    if not dev.p < LOOK_MIDP:
        return LookRequest(None, "dev", f"no look: {counts}")
    alpha = next_alpha(evidence.looks)
    if alpha is None:
        return LookRequest(
            None,
            "spent",
            f"no look: all {LOOKS} at these gate items are spent, so later champions stay provisional; "
            "'harness data extend FILE' adds validation items, and with them looks",
        )
    blocking = [guard.reason for guard in evidence.guards if guard.blocks]
    if blocking:
        return LookRequest(None, "guard", f"no look: {'; '.join(blocking)}")
    return LookRequest(alpha, "look", f"look {len(evidence.looks) + 1} of {LOOKS} at alpha {alpha:.5f}; {counts}")


def certify(gate: Paired, alpha: float, harmed: Collection[Cell] = ()) -> bool:
    """The one bit of a look.

    Args:
        gate: head against anchor on the gate items.
        alpha: the level that was debited.
        harmed: cells confirmed as harmed on gate (`harness.gate.cells.confirmed`).
    """
    return gate.p < alpha and not harmed


def rollback(dev: Paired, guards: Mapping[str, Paired] | None = None) -> str | None:
    """Why the head must be given up for the anchor; ``None`` where it need not.

    Gate items have no say here: a rollback that they drove would show what they hold.

    Args:
        dev: head against anchor on dev.
        guards: head against anchor on each guard, by name, where they were evaluated.
    """
    for name, found in {"dev": dev, **(guards or {})}.items():
        if found.p_worse < ROLLBACK_MIDP:
            return (
                f"{name} shows harm against the last certified model: {100 * found.delta:+.1f} points, "
                f"{found.test} {against(found.p_worse, ROLLBACK_MIDP)}"
            )
    return None


def rolled_back(verdict: Verdict, reason: str) -> Verdict:
    """The verdict of a round whose promotion was taken back for ``reason``."""
    return replace(verdict, decision="rollback", rule="harm", reason=f"{verdict.reason}; then {reason}")
