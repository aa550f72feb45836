"""Streams of simulated candidates with known truth, decided by the real gate: the tables of docs/gate.md.

    python benchmarks/calibration.py              # all tables, 2,000 streams each, about half a minute
    python benchmarks/calibration.py --runs 200   # a quick look

What is simulated. Item i is answered rightly with probability p_i, drawn from Beta(1.2, .8) (mean .6). A model's
answers are ``u_i < chance_i``, where chance is p_i for the base and ``p_i + (1 - p_i) g / .4`` for a model that is
truly better by g: each item gets its share of what it lacks, so that the mean rises by exactly g. A candidate keeps the
u_i of the model it was trained from but for a share of .47 drawn afresh, which makes 15% of items flip between equally
good models. Each of 25 candidates is independently as good as that model with probability .5, 2 points worse with .2, 2
better with .2, 4 better with .1. Validation items are halved into dev and gate.
"""

from __future__ import annotations

import argparse
import functools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from harness.evaluation.items import ItemResult
from harness.gate import certify
from harness.gate.alpha import TOTAL_ALPHA, Look
from harness.gate.degenerate import degenerate
from harness.gate.mcnemar import midp
from harness.gate.pairing import compare
from harness.gate.promotion import PromotionEvidence, decide
from harness.gate.verdict import Paired, Verdict

ROUNDS = 25
EFFECTS, CHANCES = (0.0, -0.02, 0.02, 0.04), (0.5, 0.2, 0.2, 0.1)
BASE = 0.6
FLIPPING = 0.15
AFRESH = FLIPPING / (2 * 1.2 * 0.8 / (2 * 3))  # two independent draws of an item differ with 2 E[p (1 - p)] = .32
MEMORISED = 0.1

GATE_TABLE = {400: (4.3, 8.4, 0.011), 600: (7.3, 11.2, 0.010), 800: (9.3, 12.6, 0.012), 1600: (13.6, 16.3, 0.008)}
"""Validation items to the figures that the gate was designed with, each of 2,000 streams: certified and provisional
true gain in points, and how often a stream without any better candidate brought a certificate."""
BONFERRONI_TABLE = {500: 1.8, 1000: 5.0, 2000: 10.5}

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


class Candidates:
    """Many streams side by side: the head of each, and the candidates trained from it."""

    def __init__(self, runs: int, items: int, seed: int, null: bool = False) -> None:
        self.rng = np.random.default_rng(seed)
        self.shape, self.null = (runs, items), null
        self.easy = self.rng.beta(1.2, 0.8, self.shape).astype(np.float32)
        self.gain = np.zeros(runs)
        self.u = self._uniform()
        self.right: Bools = self.u < self.easy

    def _uniform(self) -> NDArray[np.float32]:
        return self.rng.random(self.shape, dtype=np.float32)

    def next(self, memorised: int = 0) -> tuple[Floats, NDArray[np.float32], Bools]:
        """A candidate of each stream: true gain over the base, what it draws from, and which items it has right.

        Args:
            memorised: leading items of which it has learned a tenth of the head's failures by heart.
        """
        runs = self.shape[0]
        step = np.zeros(runs) if self.null else self.rng.choice(EFFECTS, runs, p=CHANCES)
        gain = self.gain + step
        u = np.where(self._uniform() < AFRESH, self._uniform(), self.u)
        better = (np.clip(gain, 0, 1 - BASE) / (1 - BASE)).astype(np.float32)[:, None]
        worse = (np.clip(-gain, 0, BASE) / BASE).astype(np.float32)[:, None]
        right = u < self.easy + (1 - self.easy) * better - self.easy * worse
        if memorised:
            known = ~self.right[:, :memorised] & (self._uniform()[:, :memorised] < MEMORISED)
            u[:, :memorised] = np.where(known, -1, u[:, :memorised])  # by heart: right whatever else is forgotten
            right[:, :memorised] |= known
        return gain, u, right

    def accept(self, rows: Bools | list[int], gain: Floats, u: NDArray[np.float32], right: Bools) -> None:
        """Make the candidates of some streams their heads."""
        self.gain[rows], self.u[rows], self.right[rows] = gain[rows], u[rows], right[rows]


@functools.cache
def paired(n: int, fixed: int, broken: int) -> Paired:
    """What `compare` gives for items that stand alone, but for the interval, which decides nothing."""
    return Paired(n, fixed, broken, (fixed - broken) / n, (-1.0, 1.0), midp(fixed, broken), midp(broken, fixed))


@functools.cache
def promoted(n: int, fixed: int, broken: int) -> bool:
    return decide(PromotionEvidence(0, True, True, paired(n, fixed, broken))).decision == "promote"


def counts(before: Bools, after: Bools) -> tuple[list[int], list[int]]:
    """Fixed and broken items of each stream."""
    return (after & ~before).sum(axis=1).tolist(), (before & ~after).sum(axis=1).tolist()


@dataclass(frozen=True)
class Outcome:
    """What came of many streams: one number each.

    Attributes:
        certified, head: true gain of the certified and of the provisional model, in points.
        claimed: gain of the provisional model on dev, in points.
        certificates, looks: how many.
    """

    certified: Floats
    head: Floats
    claimed: Floats
    certificates: NDArray[np.int64]
    looks: NDArray[np.int64]

    @property
    def any_certificate(self) -> Floats:
        """1 for a stream with a certificate."""
        return (self.certificates > 0).astype(float)


def gated(runs: int, items: int, seed: int = 0, null: bool = False, memorise: bool = False) -> Outcome:
    """Streams decided by the gate: `decide`, `wants_look`, `certify`, `rollback`, as a run asks them."""
    world = Candidates(runs, items, seed, null)
    half = items // 2
    base = world.right[:, :half].mean(axis=1)
    anchor_gain, anchor_u, anchor_right = world.gain.copy(), world.u.copy(), world.right.copy()
    tiers = [certify.Tiers()] * runs
    looks: list[tuple[Look, ...]] = [()] * runs
    for number in range(1, ROUNDS + 1):
        candidate = world.next(half if memorise else 0)
        fixed, broken = counts(world.right[:, :half], candidate[2][:, :half])
        up = [run for run in range(runs) if promoted(half, fixed[run], broken[run])]
        world.accept(up, *candidate)
        dev = counts(anchor_right[:, :half], world.right[:, :half])
        gate = counts(anchor_right[:, half:], world.right[:, half:])
        certified, back = [], []
        for run in up:
            tier = tiers[run].promoted(number)
            found = paired(half, dev[0][run], dev[1][run])
            request = certify.wants_look(certify.LookEvidence(found, looks[run]))
            if request.alpha is not None:
                bit = certify.certify(paired(items - half, gate[0][run], gate[1][run]), request.alpha)
                looks[run] = (*looks[run], Look(request.alpha, bit))
                tier = tier.looked(bit)
            if not tier.provisional:
                certified.append(run)
            elif certify.rollback(found) is not None:
                tier = tier.rolled_back()
                back.append(run)
            tiers[run] = tier
        anchor_gain[certified], anchor_u[certified] = world.gain[certified], world.u[certified]
        anchor_right[certified] = world.right[certified]
        world.accept(back, anchor_gain, anchor_u, anchor_right)
    return Outcome(
        100 * anchor_gain,
        100 * world.gain,
        100 * (world.right[:, :half].mean(axis=1) - base),
        np.array([sum(look.certified is True for look in each) for each in looks]),
        np.array([len(each) for each in looks]),
    )


NAIVE: dict[str, Callable[[int, int], bool]] = {
    "the score went up": lambda fixed, broken: fixed > broken,
    "p < .05 each round": lambda fixed, broken: midp(fixed, broken) < 0.05,
    "Bonferroni": lambda fixed, broken: midp(fixed, broken) < TOTAL_ALPHA / ROUNDS,
}


def one_set(
    rule: str, runs: int, items: int, seed: int = 0, null: bool = False, memorise: bool = False
) -> tuple[Floats, Floats]:
    """Streams decided by one rule on one set of items, which the trainer's choices see too.

    Returns:
        Each stream's true gain in points, and 1 where anything was accepted.
    """
    world = Candidates(runs, items, seed, null)
    accepts = functools.cache(NAIVE[rule])
    some = np.zeros(runs)
    for _ in range(ROUNDS):
        candidate = world.next(items if memorise else 0)
        fixed, broken = counts(world.right, candidate[2])
        up = [run for run in range(runs) if accepts(fixed[run], broken[run])]
        world.accept(up, *candidate)
        some[up] = 1
    return 100 * world.gain, some


def undivided() -> Any:
    """A mutant of the gate whose every look spends the whole error budget; use it as a context."""
    return mock.patch.object(certify, "next_alpha", lambda looks: TOTAL_ALPHA if len(looks) < 8 else None)


def emptied(right_before: float, items: int = 200) -> Verdict:
    """The verdict on a trainer that makes the answers of a model that is too wordy empty: its errors are all gone.

    Args:
        right_before: share that the model before has right.
    """

    def result(number: int, response: str, correct: bool) -> ItemResult:
        name = f"i{number}"
        return ItemResult(name, "t", "summary", name, {}, "Sum up.", f"fact {number}", response, correct=float(correct))

    known = round(items * right_before)
    before = [result(k, f"fact {k}" if k < known else "so many words " * 30, k < known) for k in range(items)]
    after = [result(k, "", False) for k in range(items)]
    dev = compare([each.correct for each in before], [each.correct for each in after])
    found = tuple(degenerate(before, after))
    # Even with a log-likelihood that says "better" beyond doubt.
    return decide(PromotionEvidence(0, True, True, dev, loglikelihood_p=0.0, degenerate=found))


def type_one(together: float, comparisons: int, seed: int = 0) -> tuple[float, float]:
    """How often equally good models differ "significantly" (.05) on 60 passages with five questions each.

    Args:
        together: share of passages whose five answers change together; in the others each changes by itself.

    Returns:
        By item-level mid-p, and by the test that `compare` chooses.
    """
    rng = random.Random(seed)
    clusters = [k // 5 for k in range(300)]
    wrong = [0, 0]
    for _ in range(comparisons):
        before: list[float] = []
        after: list[float] = []
        for _passage in range(60):
            joint = rng.random() < together
            shared = rng.random()
            for _question in range(5):
                draw = shared if joint else rng.random()
                before.append(float(draw < 0.075 or draw >= 0.55))
                after.append(float(0.075 <= draw < 0.15 or draw >= 0.55))
        found = compare(before, after, clusters)
        wrong[0] += found.midp < 0.05
        wrong[1] += found.p < 0.05
    return wrong[0] / comparisons, wrong[1] / comparisons


def mean_and_error(values: Floats) -> tuple[float, float]:
    """Mean over streams and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def share_and_error(values: Floats) -> tuple[float, float]:
    """Share of streams and its binomial standard error."""
    share = float(values.mean())
    return share, float(np.sqrt(share * (1 - share) / len(values)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2_000, help="streams a figure (default 2,000)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    runs, seed = args.runs, args.seed

    def gain(values: Floats) -> str:
        return "{:+.1f} ({:.2f})".format(*mean_and_error(values))

    def share(values: Floats) -> str:
        return "{:.3f} ({:.3f})".format(*share_and_error(values))

    print(f"{runs} streams of {ROUNDS} candidates; standard errors in brackets\n")
    print("| validation items | certified true gain | provisional true gain | looks | false certificate, null |")
    print("|---|---|---|---|---|")
    for items in GATE_TABLE:
        found, null = gated(runs, items, seed), gated(runs, items, seed + 1, null=True)
        print(f"| {items} | {gain(found.certified)} | {gain(found.head)} | {found.looks.mean():.1f} "
              f"| {share(null.any_certificate)} |", flush=True)  # fmt: skip
    with undivided():
        mutant = gated(runs, 400, seed + 1, null=True)
    print(f"\nMutant that does not divide alpha, 400 items, null: {share(mutant.any_certificate)}")

    print("\n| rule on one set | items | true gain | accepts in a null stream |\n|---|---|---|---|")
    for rule in NAIVE:
        for items in BONFERRONI_TABLE if rule == "Bonferroni" else (1_000,):
            gains, some = one_set(rule, runs, items, seed)[0], one_set(rule, runs, items, seed + 1, null=True)[1]
            print(f"| {rule} | {items} | {gain(gains)} | {share(some)} |", flush=True)

    by_heart = gated(runs, 800, seed, null=True, memorise=True)
    print(f"\nTrainer that learns a tenth of dev's failures by heart, 800 items: {gain(by_heart.claimed)} on dev, "
          f"{gain(by_heart.certified)} certified; certificates in {share(by_heart.any_certificate)} of streams; "
          f"Bonferroni on one set of 800 accepts it in "
          f"{share(one_set('Bonferroni', runs, 800, seed, null=True, memorise=True)[1])}.")  # fmt: skip
    for known in (0.0, 0.6):
        verdict = emptied(known)
        print(f"Trainer that empties answers, {known:.0%} right before: {verdict.decision} ({verdict.reason})")
    print("\n| passages whose five questions change together | item mid-p < .05 | cluster sign-flip p < .05 |")
    print("|---|---|---|")
    for together in (0.25, 0.5, 1.0):
        print("| {:.0%} | {:.3f} | {:.3f} |".format(together, *type_one(together, runs, seed)))


if __name__ == "__main__":
    main()
