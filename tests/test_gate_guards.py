"""Forgetting against round 0: harm below 2,000 items, non-inferiority from there on."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from harness.gate.guards import MARGIN, NON_INFERIOR_FROM, guard_finding
from harness.gate.pairing import compare
from harness.gate.verdict import Paired


def answers(n: int, fixed: int, broken: int, per_cluster: int = 1) -> Paired:
    before = np.zeros(n)
    before[n // 2 :] = 1
    after = before.copy()
    after[:fixed] = 1
    after[n - broken :] = 0
    return compare(before.tolist(), after.tolist(), (np.arange(n) // per_cluster).tolist())


def test_few_items_are_tested_for_harm_only() -> None:
    finding = guard_finding(answers(400, 30, 42))
    assert (finding.kind, finding.blocks, finding.bound) == ("harm", False, None)
    mde = finding.paired.mde
    assert mde is not None
    assert finding.reason == (
        "-3.0 points on 400 guard items against round 0, mid-p of harm .080, not below .05: no harm shown, none ruled "
        f"out; a loss below {100 * mde:.1f} points would most likely not be seen"
    )
    assert mde > MARGIN


def test_shown_harm_blocks_however_small_it_is() -> None:
    finding = guard_finding(answers(1_999, 2, 14), "facts")
    assert (finding.kind, finding.blocks) == ("harm", True)
    assert finding.reason.startswith("-0.6 points on 1999 facts items against round 0, mid-p of harm .001 < .05: harm")


@pytest.mark.parametrize(
    ("fixed", "broken", "blocks"),
    [
        (150, 150, False),
        (160, 130, False),
        (150, 165, False),  # 0.8 points lost: less than 3 with certainty enough
        (150, 190, True),  # 2 points lost, perhaps more than 3
        (100, 190, True),
    ],
)
def test_many_items_must_show_that_less_than_the_margin_is_lost(fixed: int, broken: int, blocks: bool) -> None:
    paired = answers(NON_INFERIOR_FROM, fixed, broken)
    finding = guard_finding(paired)
    assert paired.stderr is not None
    bound = paired.delta - student.ppf(0.95, NON_INFERIOR_FROM - 1) * paired.stderr
    assert finding.kind == "non-inferiority"
    assert finding.bound == pytest.approx(bound)
    assert finding.blocks == blocks == (bound <= -MARGIN)


def test_clusters_widen_the_bound() -> None:
    alone, together = (guard_finding(answers(2_000, 150, 165, size)) for size in (1, 50))
    assert alone.bound is not None
    assert together.bound is not None
    assert together.bound < alone.bound
    assert together.blocks


def test_an_unchanged_model_has_lost_nothing() -> None:
    for n in (1, 300, 5_000):
        assert not guard_finding(answers(n, 0, 0)).blocks


def test_one_cluster_allows_no_bound_and_is_tested_for_harm() -> None:
    assert guard_finding(answers(3_000, 0, 900, 3_000)).kind == "harm"


def test_two_thousand_items_rarely_block_a_model_that_lost_nothing_and_five_hundred_would() -> None:
    rng = np.random.default_rng(3)

    def blocked(n: int) -> float:
        flips = rng.multinomial(n, [0.075, 0.075, 0.85], size=200)
        bounds = []
        for fixed, broken, _ in flips.tolist():
            paired = answers(n, fixed, broken)
            assert paired.stderr is not None
            bounds.append(paired.delta - student.ppf(0.95, n - 1) * paired.stderr)
        return sum(bound <= -MARGIN for bound in bounds) / len(bounds)

    assert blocked(2_000) < 0.1
    assert blocked(500) > 0.3
