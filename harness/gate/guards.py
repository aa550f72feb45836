"""Forgetting: a model against round 0 on general tasks.

Always against round 0. Against the model before, small losses that nobody can see add up (12 points over 25 rounds in
simulation).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.gate.quantiles import t_quantile
from harness.gate.verdict import Paired, against

MARGIN = 0.03
"""Loss that is still called none, difference of mean scores."""
NON_INFERIOR_FROM = 2_000
"""Guard items from which a model must show that it lost less than `MARGIN`.

With 15% of items flipping, 2,000 items show that of a model that lost nothing in 97 of 100 cases, 500 in half of them:
fewer items would block harmless models for want of items.
"""
HARM_P = 0.05


@dataclass(frozen=True)
class GuardFinding:
    """What a guard says.

    Attributes:
        name: of the guard.
        paired: round 0 against the model.
        kind: ``harm`` (blocks where harm is shown) or ``non-inferiority`` (blocks where its absence is not).
        blocks: whether the model may not be certified.
        bound: lower end of the one-sided 95% interval of the difference, for ``non-inferiority``.
        reason: one line for the report, with the smallest loss that would have been seen.
    """

    name: str
    paired: Paired
    kind: Literal["harm", "non-inferiority"]
    blocks: bool
    bound: float | None
    reason: str


def guard_finding(paired: Paired, name: str = "guard") -> GuardFinding:
    """Judge one guard: a harm test below `NON_INFERIOR_FROM` items, non-inferiority by `MARGIN` from there on.

    Where all items share one cluster no interval exists, and the harm test is used whatever their number.

    Args:
        paired: round 0 against the model, as `harness.gate.pairing.compare` gives it.
    """
    lost = f"{100 * paired.delta:+.1f} points on {paired.n} {name} items against round 0"
    seen = "" if paired.mde is None else f"; a loss below {100 * paired.mde:.1f} points would most likely not be seen"
    if paired.n >= NON_INFERIOR_FROM and paired.stderr is not None and paired.clusters is not None:
        reach = t_quantile(0.95, paired.clusters - 1) * paired.stderr
        bound = paired.delta - reach
        blocks = not bound > -MARGIN
        shown = f"not shown to be less than {100 * MARGIN:g}" if blocks else f"less than {100 * MARGIN:g} are lost"
        reason = f"{lost}, one-sided 95% bound {100 * bound:+.1f}: {shown}{seen}"
        return GuardFinding(name, paired, "non-inferiority", blocks, bound, reason)
    blocks = paired.p_worse < HARM_P
    shown = "harm" if blocks else "no harm shown, none ruled out"
    reason = f"{lost}, {paired.test} of harm {against(paired.p_worse, HARM_P)}: {shown}{seen}"
    return GuardFinding(name, paired, "harm", blocks, None, reason)


def with_lost(found: GuardFinding, lost: Sequence[str]) -> GuardFinding:
    """``found``, of all guards together, blocking where single ones are ``lost`` (`harness.gate.cells.lost_skills`).

    One that loses what another gains would not show in the sum.
    """
    if not lost:
        return found
    reason = f"{found.reason}; worse in {', '.join(lost)} (Holm over all guards at .05)"
    return replace(found, blocks=True, reason=reason)
