"""What a decision is made from and what it says. Pure data: no files, clock, model or torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
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
        sign_flip, sign_flip_worse: the same by the sign-flip test on cluster sums; ``None`` where mid-p is the right
            test, each item being a cluster of its own and right or wrong.
        clusters: clusters of the items; ``None`` in a verdict written before it was recorded, as for those below.
        stderr: clustered standard error of ``delta``; ``None`` too where all items share one cluster.
        mde: smallest true gain that shows with 80% power at a one-sided level of 5%, 0 to 1.
    """

    n: int
    fixed: int
    broken: int
    delta: float
    ci95: tuple[float, float]
    midp: float
    midp_worse: float
    sign_flip: float | None = None
    sign_flip_worse: float | None = None
    clusters: int | None = None
    stderr: float | None = None
    mde: float | None = None

    @property
    def p(self) -> float:
        """One-sided p of "after is better" by the test that fits the items."""
        return self.midp if self.sign_flip is None else self.sign_flip

    @property
    def p_worse(self) -> float:
        """The same of "after is worse"."""
        return self.midp_worse if self.sign_flip_worse is None else self.sign_flip_worse

    @property
    def test(self) -> Literal["mid-p", "sign-flip p"]:
        """What `p` is."""
        return "mid-p" if self.sign_flip is None else "sign-flip p"


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
            ``environment``, ``crash``, ``must-pass``, ``degenerate``, ``lost-skill``; ``harm`` for a rollback.
        reason: one sentence for the report, numbers included.
        dev: candidate against champion on all of dev; ``None`` for a round that did not get that far.
        loglikelihood_p: sign-flip p of the golds' log-likelihood, where that rule was asked.
        certified: the one bit of a look at the gate items; ``None`` where none was made.
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

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Verdict:
        """Read the object of ``verdict.json``, that of an earlier version too; unknown keys are passed over."""
        known = _known(cls, raw)
        if raw.get("dev") is not None:
            dev = _known(Paired, raw["dev"])
            known["dev"] = Paired(**{**dev, "ci95": (dev["ci95"][0], dev["ci95"][1])})
        if raw.get("futility") is not None:
            known["futility"] = FutilityStop(**_known(FutilityStop, raw["futility"]))
        return cls(**known)


def _known(kind: Any, raw: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: raw[field.name] for field in fields(kind) if field.name in raw}


def against(p: float, level: float) -> str:
    """``.021 < .35`` or ``.893, not below .35``, with as many digits as it takes to show the side truly."""
    below = p < level
    digits = 3
    while digits < 17 and (round(p, digits) < level) != below:
        digits += 1
    shown = f"{p:.{digits}f}" if p >= 0.001 or p == 0 else f"{p:.1e}"
    limit = f"{level:g}".removeprefix("0")
    return f"{shown.removeprefix('0')} < {limit}" if below else f"{shown.removeprefix('0')}, not below {limit}"
