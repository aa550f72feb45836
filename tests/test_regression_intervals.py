"""Bounds of shares, means and drops, against other implementations and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.regression.intervals import difference_interval, effective_size, mean_interval, share_interval

ALPHAS = st.sampled_from([0.005, 0.05, 0.1, 0.3])


@given(st.integers(0, 80), st.integers(0, 80), ALPHAS)
def test_a_share_of_items_that_stand_alone_has_wilsons_interval(right: int, wrong: int, alpha: float) -> None:
    from statsmodels.stats.proportion import proportion_confint

    n = right + wrong
    if n == 0:
        return
    found = share_interval([True] * right + [False] * wrong, range(n), alpha)
    low, high = proportion_confint(right, n, alpha=2 * alpha, method="wilson")
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-12), pytest.approx(high, abs=1e-12))
    assert (found.value, found.n) == (right / n, n)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=50), ALPHAS)
def test_a_mean_of_items_that_stand_alone_has_students_interval(values: list[float], alpha: float) -> None:
    from scipy import stats

    found = mean_interval(values, range(len(values)), alpha)
    reach = stats.t.ppf(1 - alpha, len(values) - 1) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    assert found.high - found.value == pytest.approx(reach, rel=1e-6, abs=1e-9)
    assert found.value - found.low == pytest.approx(reach, rel=1e-6, abs=1e-9)


@given(
    st.lists(st.tuples(st.floats(0, 100), st.integers(0, 5)), min_size=8, max_size=60).filter(
        lambda pairs: len({cluster for _, cluster in pairs}) > 1
    ),
    ALPHAS,
)
def test_a_mean_of_clusters_has_the_cluster_robust_interval(pairs: list[tuple[float, int]], alpha: float) -> None:
    import statsmodels.api as sm

    values, groups = np.array([value for value, _ in pairs]), np.array([cluster for _, cluster in pairs])
    fit = sm.OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    low, high = fit.conf_int(2 * alpha)[0]
    found = mean_interval(values.tolist(), groups.tolist(), alpha)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 100), ALPHAS)
def test_a_drop_of_items_that_stand_alone_is_bounded_as_agresti_and_min_have_it(
    fixed: int, broken: int, same: int, alpha: float
) -> None:
    from scipy import stats

    n = fixed + broken + same
    if n < 2:
        return
    found = difference_interval([1.0] * fixed + [-1.0] * broken + [0.0] * same, range(n), alpha)
    b, c, whole = fixed + 0.5, broken + 0.5, n + 2
    stderr = math.sqrt(b + c - (b - c) ** 2 / whole) / whole
    reach = stats.t.ppf(1 - alpha, n - 1) * stderr
    middle = (b - c) / whole
    assert found.low == pytest.approx(max(-1.0, min(found.value, middle - reach)), abs=1e-9)
    assert found.high == pytest.approx(min(1.0, max(found.value, middle + reach)), abs=1e-9)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=1, max_size=60), ALPHAS)
def test_a_share_lies_between_its_bounds_and_clusters_only_widen_them(
    pairs: list[tuple[bool, int]], alpha: float
) -> None:
    hits, clusters = [hit for hit, _ in pairs], [cluster for _, cluster in pairs]
    found = share_interval(hits, clusters, alpha)
    alone = share_interval(hits, range(len(hits)), alpha)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low <= alone.low + 1e-12
    assert found.high >= alone.high - 1e-12
    assert 0 < effective_size(hits, clusters, alpha) <= len(hits)


def test_items_that_always_err_together_count_as_one_each() -> None:
    hits = [True] * 5 * 12 + [False] * 5 * 8
    clusters = [number // 5 for number in range(100)]
    assert effective_size(hits, clusters, 0.05) == pytest.approx(20, rel=0.1)


@pytest.mark.parametrize("hits", [[True] * 20, [False] * 20])
def test_where_all_are_alike_each_cluster_counts_once(hits: list[bool]) -> None:
    assert effective_size(hits, [number // 4 for number in range(20)], 0.05) == pytest.approx(5)


def test_one_cluster_says_next_to_nothing() -> None:
    found = share_interval([True] * 50 + [False] * 50, ["passage"] * 100, 0.05)
    assert found.low < 0.2
    assert found.high > 0.8
    assert mean_interval([1.0, 2.0], ["passage"] * 2, 0.05).high == math.inf
    assert difference_interval([0.0] * 50, ["passage"] * 50, 0.05).low == -1.0


def test_no_change_on_few_items_leaves_a_drop_possible() -> None:
    assert -0.05 < difference_interval([0.0] * 60, range(60), 0.05).low < -0.02
    assert difference_interval([0.0] * 200, range(200), 0.05).low > -0.01


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("truth", [0.03, 0.5, 0.9])
def test_the_truth_lies_above_a_shares_upper_bound_as_seldom_as_alpha_says(size: int, truth: float) -> None:
    # Beta-binomial clusters, intracluster correlation 1/4.
    rng = np.random.default_rng(7)
    clusters = np.repeat(np.arange(200 // size), size).tolist()
    above = below = 0
    for _ in range(400):
        chance = rng.beta(3 * truth, 3 * (1 - truth), 200 // size) if size > 1 else np.full(200, truth)
        hits = (rng.random(200) < np.repeat(chance, size)).tolist()
        found = share_interval(hits, clusters, 0.05)
        above, below = above + (truth > found.high), below + (truth < found.low)
    # Wilson's bounds are a little off for small shares (Brown, Cai and DasGupta 2001).
    assert above / 400 < 0.09
    assert below / 400 < 0.09


@pytest.mark.parametrize("size", [1, 5])
@pytest.mark.parametrize("drop", [0.0, 0.02, 0.05])
def test_a_drop_is_wrongly_excluded_as_seldom_as_alpha_says(size: int, drop: float) -> None:
    rng = np.random.default_rng(11)
    clusters = np.repeat(np.arange(200 // size), size).tolist()
    missed = 0
    for _ in range(400):
        u = np.repeat(rng.random(200 // size), size)  # a cluster flips as a whole
        differences = np.where(u < 0.075 + drop, -1.0, np.where(u > 0.925, 1.0, 0.0))
        missed += difference_interval(differences.tolist(), clusters, 0.05).low > -drop
    assert missed / 400 < 0.085
