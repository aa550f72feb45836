"""How often the default no_regression gate and `harness compare` are wrong, and what they see: docs/ci.md, compare.md.

    python benchmarks/no_regression.py                                   # 200 pairs a figure, about a minute
    python benchmarks/no_regression.py --pairs 2000 --run runs/helpdesk  # surer, and on a run's real answers too

What is simulated, as in benchmarks/calibration.py. Item i is answered rightly with probability p_i from Beta(1.2, .8)
(mean .6). A model's answers are ``u_i < p_i``; the model after it keeps u_i but for a share drawn afresh, which makes
15% of items flip between equally good models. One that is worse by d answers with probability ``p_i (1 - d / .6)``, so
that the mean falls by exactly d. Each item stands alone. The gate is judged by `harness.regression.judge`; of the
comparison it is counted how often any row (the total, the task, ten skills) is a confirmed regression.

Real answers (``--run``): two rounds' answers to dev with the sides of each cluster swapped by chance, which makes the
two equally good by construction and leaves clusters, skills and flips as they are.
"""

from __future__ import annotations

import argparse
import datetime
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import common
import numpy as np
from calibration import AFRESH, BASE

from harness.regression.answers import Answer, AnswerSet, from_evaluation
from harness.regression.compare import compare
from harness.regression.declare import Declared, gate_of
from harness.regression.judge import judge
from harness.regression.results import State

DROPS = (0.0, 0.03, 0.05, 0.10)
ITEMS = (200, 500, 1_000)
GATE = Declared((gate_of({"no_regression": None}),))
SKILLS = 10
SHOWN = ("fail", "uncertain", "pass", "compared_worse")
TODAY = datetime.date(2000, 1, 1)
Pair = tuple[AnswerSet, AnswerSet]


def simulated(n: int, drop: float, pairs: int, seed: int) -> Iterator[Pair]:
    """A baseline and a model that is truly worse by ``drop`` (0 to .6), ``pairs`` times."""
    rng = np.random.default_rng((seed, n, round(1000 * drop)))
    pool = [[_answer(item, right) for right in (False, True)] for item in range(n)]
    for _ in range(pairs):
        easy, u = rng.beta(1.2, 0.8, n), rng.random(n)
        v = np.where(rng.random(n) < AFRESH, rng.random(n), u)
        sides = (u < easy, v < easy * (1 - drop / BASE))
        before, after = (tuple(pool[item][right] for item, right in enumerate(side.tolist())) for side in sides)
        yield AnswerSet("baseline", before), AnswerSet("now", after)


def _answer(item: int, right: bool) -> Answer:
    name = f"{item:016x}"
    skill = f"skill {item % SKILLS}"
    return Answer(name, "simulated", skill, name, float(right), response="right" if right else "wrong")


def swapped(rounds: Sequence[Sequence[Answer]], pairs: int, seed: int) -> Iterator[Pair]:
    """Two rounds by chance, the sides of each cluster swapped by chance."""
    rng = np.random.default_rng(seed)
    for _ in range(pairs):
        one, other = (rounds[place] for place in rng.choice(len(rounds), 2, replace=False))
        by_item = {answer.item: answer for answer in other}
        names = sorted({answer.cluster for answer in one})
        turned = dict(zip(names, (rng.random(len(names)) < 0.5).tolist(), strict=True))
        both = [(answer, by_item[answer.item])[:: -1 if turned[answer.cluster] else 1] for answer in one]
        yield AnswerSet("baseline", tuple(a for a, _ in both)), AnswerSet("now", tuple(b for _, b in both))


def rounds_of(run: Path) -> list[list[Answer]]:
    """The dev answers of each round of a run that asked all of dev."""
    from harness.evaluated import load_evaluation

    folders = sorted(folder for folder in (run / "rounds").glob("*/dev") if folder.is_dir())
    return [list(from_evaluation(load_evaluation(folder))) for folder in folders]


def judged(pairs: Iterator[Pair]) -> dict[str, Any]:
    """How often the gate said what and the comparison found a regression, with standard errors; the items flipped."""
    states: Counter[State] = Counter()
    flips, n, found_worse = 0.0, 0, 0
    for before, after in pairs:
        (found,) = judge(GATE, after, before, TODAY)
        states[found.state] += 1
        flips += sum(a.correct != after.by_item[a.item].correct for a in before.answers) / len(before.answers)
        n = found.n
        found_worse += bool(compare(before, after).regressions)
    count = states.total()
    shares = {state: states[state] / count for state in ("fail", "uncertain", "pass", "unknown")}
    shares["compared_worse"] = found_worse / count
    errors = {f"{what}_error": math.sqrt(share * (1 - share) / count) for what, share in shares.items()}
    return {"items": n, "pairs": count, "flipped": flips / count, **shares, **errors}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=common.positive, default=200, help="pairs of models a figure (default 200)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", type=Path, help="a run whose rounds' answers are compared too")
    parser.add_argument("--results", type=Path, help="folder of the JSON [default: benchmarks/results]")
    args = parser.parse_args()
    found = []
    for drop in DROPS:
        for items in ITEMS:
            row = {"drop": drop, "answers": "simulated", **judged(simulated(items, drop, args.pairs, args.seed))}
            found.append(row)
            common.say(f"drop {drop:.2f}, {items} items: fails in {row['fail']:.3f}")
    if args.run:
        rounds = rounds_of(args.run)
        found.append(
            {"drop": 0.0, "answers": f"{len(rounds)} rounds", **judged(swapped(rounds, args.pairs, args.seed))}
        )
    headers = ("answers", "items", "true change", "flipped", "fails", "too close to call", "passes", "compare: worse")
    lines = [
        (
            row["answers"],
            row["items"],
            f"{-100 * row['drop']:+.0f}" if row["drop"] else "none",
            f"{row['flipped']:.3f}",
            *(
                f"{row[state]:.3f} ({row[f'{state}_error']:.3f})"
                for state in ("fail", "uncertain", "pass", "compared_worse")
            ),
        )
        for row in found
    ]
    text = f"{args.pairs} pairs a figure, standard errors in brackets\n\n{common.table(headers, lines)}"
    common.report("no_regression", text, {"seed": args.seed, "figures": found}, args.results)


if __name__ == "__main__":
    main()
