"""The promotion tier: does the candidate become the champion, provisionally?

A pure function of what a round found. Certification on sealed items is a separate tier and leaves its mark in
``Verdict.certified``, which stays ``None`` here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from harness.exceptions import InputError
from harness.gate.degenerate import Degenerate
from harness.gate.futility import MINIMUM_GAIN, STOP_AT
from harness.gate.pairing import RIGHT, first
from harness.gate.verdict import FutilityStop, Paired, Verdict, against

PROMOTE_MIDP = 0.35
"""Promotion below this mid-p on dev: lenient, since a champion is provisional and every later one must beat it.

Chosen on simulated streams of 25 candidates, half of them no better than the champion: with certification behind it,
a lenient tier gains more than a strict one, which throws small true gains away.
"""
FEW_CHANGED = 10
"""Below this many fixed and broken dev items exact match is blind, and the golds' log-likelihood is asked."""
LOGLIKELIHOOD_ALPHA = 0.05
"""Promotion below this sign-flip p of the golds' log-likelihood on dev, where that rule is asked.

Stricter than `PROMOTE_MIDP`: log-likelihood is a graded score with far more power, and not the task's own metric.
"""
MOST_NAMED = 20
"""Must-pass items that a reason names."""


@dataclass(frozen=True)
class PromotionEvidence:
    """All that the promotion tier looks at.

    Attributes:
        overlaps: training rows that are also protected items (dev, gate, test, guard), >= 0.
        finite_weights: whether every trained weight is finite.
        same_environment: whether candidate and champion were evaluated alike (versions, device, dtype, batch size).
        dev: candidate against champion on dev; ``None`` where the round did not get that far.
        loglikelihood_p: one-sided sign-flip p of the golds' log-likelihood on dev, where `needs_loglikelihood` asked
            for it; on the items of ``rest`` alone where there is that.
        crashed: one line on what failed; ``None`` where nothing did.
        futility: where the evaluation on dev was broken off; ``dev`` is ``None`` then.
        broken_pins: must-pass items that the candidate breaks (`broken_pins`).
        degenerate: skills whose answers are no answers (`harness.gate.degenerate.degenerate`).
        rest: where there are such, candidate against champion on the dev items of the other skills; ``None`` where
            there are no others.
        lost_skills: skills that the candidate is surely worse in (`harness.gate.cells.lost_skills`).
    """

    overlaps: int
    finite_weights: bool
    same_environment: bool
    dev: Paired | None = None
    loglikelihood_p: float | None = None
    crashed: str | None = None
    futility: FutilityStop | None = None
    broken_pins: tuple[str, ...] = ()
    degenerate: tuple[Degenerate, ...] = ()
    rest: Paired | None = None
    lost_skills: tuple[str, ...] = ()


def broken_pins(before: Mapping[str, float], after: Mapping[str, float], pinned: Collection[str]) -> tuple[str, ...]:
    """The must-pass items that were right and no longer are, in alphabetical order.

    Args:
        before: the champion's scores by item, 0 to 1 (1 is right).
        after: the candidate's.
        pinned: ids of the must-pass items.

    Raises:
        InputError: a must-pass item was not asked on both sides.
    """
    unasked = [item for item in pinned if item not in before or item not in after]
    if unasked:
        raise InputError(
            f"must-pass items: {len(unasked)} of {len(pinned)} are not among the dev items ({first(unasked)}); "
            "pin items of dev"
        )
    return tuple(sorted(item for item in set(pinned) if after[item] < RIGHT <= before[item]))


def needs_loglikelihood(dev: Paired, rest: Paired | None = None) -> bool:
    """Whether the golds' log-likelihood must be computed before `decide` can: too few items changed to tell.

    Args:
        dev, rest: as in `PromotionEvidence`.
    """
    return any(
        found is not None and not found.midp < PROMOTE_MIDP and found.fixed + found.broken < FEW_CHANGED
        for found in (dev, rest)
    )


def decide(evidence: PromotionEvidence) -> Verdict:
    """Decide on one candidate; total, and the same evidence always gives the same verdict.

    In this order: overlap, crash, non-finite weights and unlike environments end the round without a comparison;
    then an evaluation that was broken off for futility rejects, a broken must-pass item, degenerate answers and a lost
    skill do; then the mid-p on dev promotes; then, where fewer than `FEW_CHANGED` items changed, the log-likelihood
    does; else the candidate is rejected and the champion stands. A promotion must hold on ``rest`` too where answers
    are degenerate.
    """
    dev = evidence.dev
    if evidence.overlaps > 0:
        rows = "1 training row overlaps" if evidence.overlaps == 1 else f"{evidence.overlaps} training rows overlap"
        return Verdict("invalid", "overlap", f"{rows} dev, gate, test or guard items", dev)
    if evidence.crashed is not None:
        return Verdict("crash", "crash", evidence.crashed or "the round failed", dev)
    if not evidence.finite_weights:
        return Verdict(
            "invalid",
            "non-finite",
            "the trained weights hold a NaN or an infinity; lower the recipe's learning_rate",
            dev,
        )
    if not evidence.same_environment:
        return Verdict(
            "invalid",
            "environment",
            "candidate and champion were evaluated in unlike environments (versions, device, dtype or batch size)",
            dev,
        )
    if evidence.futility is not None:
        return Verdict("reject", "futility", _broken_off(evidence.futility), futility=evidence.futility)
    if dev is None:
        return Verdict("crash", "crash", "the candidate was not evaluated on dev")
    spoiled = _spoiled(evidence)
    if spoiled is not None:
        return Verdict("reject", *spoiled, dev, evidence.loglikelihood_p)
    verdict = _promotes(dev, evidence.loglikelihood_p)
    if not evidence.degenerate or verdict.decision != "promote":
        return verdict
    found = _reasons(evidence.degenerate)
    if evidence.rest is None:
        return replace(verdict, decision="reject", rule="degenerate", reason=found)
    rest = _promotes(evidence.rest, evidence.loglikelihood_p)
    reason = f"{verdict.reason}; {found}; on the other skills {rest.reason}"
    if rest.decision == "promote":
        return replace(verdict, reason=reason)
    return replace(verdict, decision="reject", rule="degenerate", reason=reason)


def _promotes(dev: Paired, p: float | None) -> Verdict:
    """Whether the candidate is better, by the comparison alone."""
    counts = f"fixed {dev.fixed}, broke {dev.broken} of {dev.n}: mid-p {against(dev.midp, PROMOTE_MIDP)}"
    if dev.midp < PROMOTE_MIDP:
        return Verdict("promote", "midp", counts, dev, p)
    if not needs_loglikelihood(dev) or p is None:
        return Verdict("reject", "midp", counts, dev, p)
    better = p < LOGLIKELIHOOD_ALPHA
    reason = (
        f"{counts}; fewer than {FEW_CHANGED} items changed, "
        f"log-likelihood of the gold answers p {against(p, LOGLIKELIHOOD_ALPHA)}"
    )
    return Verdict("promote" if better else "reject", "loglikelihood", reason, dev, p)


def _spoiled(evidence: PromotionEvidence) -> tuple[str, str] | None:
    """Rule and reason where the candidate is unfit whatever it gains."""
    pins = evidence.broken_pins
    if pins:
        what = "item" if len(pins) == 1 else "items"
        more = ", ..." if len(pins) > MOST_NAMED else ""
        return "must-pass", f"broke {len(pins)} must-pass {what}: {', '.join(pins[:MOST_NAMED])}{more}"
    blocking = [each for each in evidence.degenerate if each.blocks]
    if blocking:
        return "degenerate", _reasons(blocking)
    if evidence.lost_skills:
        return "lost-skill", f"worse in {', '.join(evidence.lost_skills)} (dev, Holm over all skills at .05)"
    return None


def _reasons(found: Collection[Degenerate]) -> str:
    return "; ".join(each.reason for each in found)


def _broken_off(stop: FutilityStop) -> str:
    points = f"{abs(100 * stop.delta):.1f} points"
    found = f"{points} worse" if stop.delta < 0 else f"{points} better" if stop.delta > 0 else "no better"
    e = f"{stop.e:.1f}" if stop.e < 1000 else f"{stop.e:.1e}"
    return (
        f"stopped after {stop.asked} of {stop.of} dev items, {found} on them: evidence {e} (stops at {STOP_AT:g}) "
        f"against a gain of {100 * MINIMUM_GAIN:g} points"
    )
