"""The promotion tier: does the candidate become the champion, provisionally?

A pure function of what a round found. Certification on sealed items is a separate tier and leaves its mark in
``Verdict.certified``, which stays ``None`` here.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.gate.futility import MINIMUM_GAIN, STOP_AT
from harness.gate.verdict import FutilityStop, Paired, Verdict

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


@dataclass(frozen=True)
class PromotionEvidence:
    """All that the promotion tier looks at.

    Attributes:
        overlaps: training rows that are also protected items (dev, gate, test, guard), >= 0.
        finite_weights: whether every trained weight is finite.
        same_environment: whether candidate and champion were evaluated alike (versions, device, dtype, batch size).
        dev: candidate against champion on dev; ``None`` where the round did not get that far.
        loglikelihood_p: one-sided sign-flip p of the golds' log-likelihood on dev, where `needs_loglikelihood` asked
            for it.
        crashed: one line on what failed; ``None`` where nothing did.
        futility: where the evaluation on dev was broken off; ``dev`` is ``None`` then.
    """

    overlaps: int
    finite_weights: bool
    same_environment: bool
    dev: Paired | None = None
    loglikelihood_p: float | None = None
    crashed: str | None = None
    futility: FutilityStop | None = None


def needs_loglikelihood(dev: Paired) -> bool:
    """Whether the golds' log-likelihood must be computed before `decide` can: too few items changed to tell."""
    return not dev.midp < PROMOTE_MIDP and dev.fixed + dev.broken < FEW_CHANGED


def decide(evidence: PromotionEvidence) -> Verdict:
    """Decide on one candidate; total, and the same evidence always gives the same verdict.

    In this order: overlap, crash, non-finite weights and unlike environments end the round without a comparison;
    then an evaluation that was broken off for futility rejects; then the mid-p on dev promotes; then, where fewer than
    `FEW_CHANGED` items changed, the log-likelihood does; else the candidate is rejected and the champion stands.
    """
    dev = evidence.dev
    if evidence.overlaps > 0:
        rows = "1 training row overlaps" if evidence.overlaps == 1 else f"{evidence.overlaps} training rows overlap"
        return Verdict("invalid", "overlap", f"{rows} dev, gate, test or guard items", dev)
    if evidence.crashed is not None:
        return Verdict("crash", "crash", evidence.crashed or "the round failed", dev)
    if not evidence.finite_weights:
        return Verdict("invalid", "non-finite", "the trained weights hold a NaN or an infinity", dev)
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
    counts = f"fixed {dev.fixed}, broke {dev.broken} of {dev.n}: mid-p {_compare(dev.midp, PROMOTE_MIDP)}"
    if dev.midp < PROMOTE_MIDP:
        return Verdict("promote", "midp", counts, dev, evidence.loglikelihood_p)
    p = evidence.loglikelihood_p
    if not needs_loglikelihood(dev) or p is None:
        return Verdict("reject", "midp", counts, dev, p)
    better = p < LOGLIKELIHOOD_ALPHA
    reason = (
        f"{counts}; fewer than {FEW_CHANGED} items changed, "
        f"log-likelihood of the gold answers p {_compare(p, LOGLIKELIHOOD_ALPHA)}"
    )
    return Verdict("promote" if better else "reject", "loglikelihood", reason, dev, p)


def _broken_off(stop: FutilityStop) -> str:
    points = f"{abs(100 * stop.delta):.1f} points"
    found = f"{points} worse" if stop.delta < 0 else f"{points} better" if stop.delta > 0 else "no better"
    e = f"{stop.e:.1f}" if stop.e < 1000 else f"{stop.e:.1e}"
    return (
        f"stopped after {stop.asked} of {stop.of} dev items, {found} on them: evidence {e} (stops at {STOP_AT:g}) "
        f"against a gain of {100 * MINIMUM_GAIN:g} points"
    )


def _compare(p: float, level: float) -> str:
    """``.021 < .35`` or ``.893, not below .35``, with as many digits as it takes to show the side truly."""
    below = p < level
    digits = 3
    while digits < 17 and (round(p, digits) < level) != below:
        digits += 1
    shown = f"{p:.{digits}f}" if p >= 0.001 or p == 0 else f"{p:.1e}"
    limit = f"{level:g}".removeprefix("0")
    return f"{shown.removeprefix('0')} < {limit}" if below else f"{shown.removeprefix('0')}, not below {limit}"
