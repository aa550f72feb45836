"""What a decision is made from and what it says. Pure data: no files, clock, model or torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Decision = Literal["promote", "reject", "rollback", "invalid", "crash"]


@dataclass(frozen=True)
class Paired:
    """A paired comparison on the same items.

    Attributes:
        n: items compared.
        fixed, broken: items wrong before and right after, and the reverse.
        delta: mean difference after minus before, -1 to 1.
        ci95: clustered 95% interval of ``delta``.
        midp: one-sided mid-p McNemar of "after is better", 0 to 1.
        midp_worse: the same of "after is worse".
    """

    n: int
    fixed: int
    broken: int
    delta: float
    ci95: tuple[float, float]
    midp: float
    midp_worse: float


@dataclass(frozen=True)
class FutilityStop:
    """An evaluation that was broken off since the candidate no longer could be worth it (`harness.gate.futility`).

    Attributes:
        asked, of: dev items that were asked, and that there are.
        e: value of the e-process at the stop.
        delta: mean difference after minus before on the items asked, -1 to 1.
    """

    asked: int
    of: int
    e: float
    delta: float


@dataclass(frozen=True)
class Verdict:
    """The decision on one candidate and its arithmetic.

    Attributes:
        rule: which rule decided: ``midp``, ``loglikelihood``, ``futility``, ``overlap``, ``non-finite``,
            ``environment``, ``crash``.
        reason: one sentence for the report, numbers included.
        dev: candidate against champion on all of dev; ``None`` for a round that did not get that far.
        loglikelihood_p: sign-flip p of the golds' log-likelihood, where that rule was asked.
        certified: always ``None`` until a gate look was made.
        futility: where the evaluation on dev was broken off, if it was.
    """

    decision: Decision
    rule: str
    reason: str
    dev: Paired | None = None
    loglikelihood_p: float | None = None
    certified: bool | None = None
    futility: FutilityStop | None = None

    def as_dict(self) -> dict[str, Any]:
        """The object of ``verdict.json``."""
        return asdict(self)
