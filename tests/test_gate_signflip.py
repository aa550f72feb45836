"""The sign-flip test on cluster sums: exact, sampled and approximated."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test

from harness.exceptions import InputError
from harness.gate.mcnemar import midp
from harness.gate.signflip import EXACT_CLUSTERS, FLIPS, NORMAL_ABOVE, sign_flip

SUMS = st.lists(st.integers(-6, 6), min_size=1, max_size=EXACT_CLUSTERS)


def own_clusters(n: int) -> list[str]:
    return [f"c{i}" for i in range(n)]


def test_nothing_changed_gives_one() -> None:
    assert sign_flip([0.0, 0.0, 0.0], ["a", "b", "b"]) == 1.0
    assert sign_flip([], []) == 1.0


def test_small_case_by_hand() -> None:
    # totals of (+-3, +-1): 4, 2, -2, -4; the observed 2 is exceeded once and tied by itself
    assert sign_flip([3.0, -1.0], ["a", "b"]) == (1 + 0.5) / 4


def test_items_of_one_cluster_flip_together() -> None:
    assert sign_flip([1.0] * 12, own_clusters(12)) == 0.5 / 2**12
    assert sign_flip([1.0] * 12, ["a"] * 6 + ["b"] * 6) == 0.5 / 2**2


@pytest.mark.parametrize(("fixed", "broken"), [(1, 0), (5, 2), (2, 5), (8, 8), (11, 4)])
def test_is_mcnemar_where_each_cluster_is_one_item(fixed: int, broken: int) -> None:
    differences = [1.0] * fixed + [-1.0] * broken + [0.0] * 7
    assert sign_flip(differences, own_clusters(len(differences))) == midp(fixed, broken)


def test_sampled_flips_come_near_mcnemar() -> None:
    differences = [1.0] * 40 + [-1.0] * 28
    assert sign_flip(differences, own_clusters(68), seed=3) == pytest.approx(midp(40, 28), abs=0.012)


def test_sampled_flips_agree_with_scipy() -> None:
    rng = random.Random(5)
    differences = [rng.gauss(0.3, 1.0) for _ in range(60)]
    expected = permutation_test(
        (differences,), lambda x, axis: x.mean(axis=axis), permutation_type="samples", alternative="greater",
        n_resamples=9_999, vectorized=True, rng=7,
    ).pvalue  # fmt: skip
    assert sign_flip(differences, own_clusters(60), seed=1) == pytest.approx(expected, abs=0.012)


def test_sampled_p_is_never_zero() -> None:
    assert sign_flip([1.0] * 100, own_clusters(100)) == 1 / (1 + FLIPS)


def test_scores_of_a_third_tie_despite_rounding() -> None:
    # .1 + .2 - .3 is not zero in floats: the cluster must drop out all the same
    assert sign_flip([0.1, 0.2, -0.3, 1.0], ["a", "a", "a", "b"]) == sign_flip([1.0], ["b"])
    # totals 0.3 and 0.1 + 0.2 must count as a tie
    exact = [0.3, -0.1, -0.2]
    assert sign_flip(exact, own_clusters(3)) == sign_flip([3.0, -1.0, -2.0], own_clusters(3)) == 0.5


def test_normal_approximation_for_many_clusters() -> None:
    half = NORMAL_ABOVE // 2
    differences = [1.0] * (half + 200) + [-1.0] * (half - 100)
    p = sign_flip(differences, own_clusters(len(differences)))
    assert p == pytest.approx(midp(half + 200, half - 100), rel=1e-3)


def test_same_seed_same_p_in_any_order_of_the_items() -> None:
    rng = random.Random(11)
    rows = [(rng.gauss(0, 1), f"c{i % 25}") for i in range(100)]
    shuffled = rng.sample(rows, len(rows))
    results = {sign_flip([d for d, _ in order], [c for _, c in order], seed=4) for order in (rows, shuffled, rows)}
    assert len(results) == 1
    assert sign_flip([d for d, _ in rows], [c for _, c in rows], seed=5) not in results


def test_type_one_error_on_clustered_items_is_nominal() -> None:
    rng = random.Random(2)
    rejected = {"sign-flip": 0, "mcnemar": 0}
    for _ in range(300):
        signs = [rng.choice((-1.0, 1.0)) for _ in range(12)]  # a passage's five questions flip together
        differences = [sign for sign in signs for _ in range(5)]
        clusters = [f"c{i}" for i in range(12) for _ in range(5)]
        rejected["sign-flip"] += sign_flip(differences, clusters) < 0.05
        rejected["mcnemar"] += midp(differences.count(1.0), differences.count(-1.0)) < 0.05
    assert rejected["sign-flip"] <= 300 * (0.05 + 3 * math.sqrt(0.05 * 0.95 / 300))
    assert rejected["mcnemar"] > 300 * 0.11


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_non_finite_difference_is_refused_naming_its_cluster(bad: float) -> None:
    with pytest.raises(InputError, match="cluster 'p7'"):
        sign_flip([1.0, bad], ["p6", "p7"])


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="2 differences but 1 cluster ids"):
        sign_flip([1.0, 2.0], ["a"])


@settings(deadline=None)
@given(SUMS)
def test_exact_p_is_symmetric(sums: list[int]) -> None:
    p, mirrored = (sign_flip([sign * float(v) for v in sums], own_clusters(len(sums))) for sign in (1, -1))
    assert p + mirrored == (1.0 if any(sums) else 2.0)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from([-3, -2, -1, 1, 2, 3]), min_size=EXACT_CLUSTERS + 1, max_size=60), st.integers(0, 99))
def test_sampled_p_is_symmetric_but_for_the_observed_pattern_counted_in_both(sums: list[int], seed: int) -> None:
    p, mirrored = (sign_flip([sign * float(v) for v in sums], own_clusters(len(sums)), seed) for sign in (1, -1))
    assert p + mirrored == pytest.approx(1 + 1 / (1 + FLIPS))


@settings(deadline=None)
@given(st.lists(st.integers(-4, 4).filter(bool), min_size=1, max_size=8))
def test_exact_p_agrees_with_listing_every_pattern(sums: list[int]) -> None:
    observed = sum(sums)
    totals = [
        sum(s * v for s, v in zip(signs, sums, strict=True)) for signs in itertools.product((1, -1), repeat=len(sums))
    ]
    expected = (sum(t > observed for t in totals) + sum(t == observed for t in totals) / 2) / len(totals)
    assert sign_flip([float(v) for v in sums], own_clusters(len(sums))) == expected
