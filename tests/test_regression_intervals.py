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


def score_bound(fixed: int, broken: int, n: int, alpha: float) -> float:
    """The lower score bound of a paired difference by numerical search alone, without Tango's closed form."""
    from scipy import optimize, stats

    def statistic(delta: float) -> float:
        def loss(share: float) -> float:  # share of items that only the model before has right
            parts = ((fixed, share + delta), (broken, share), (n - fixed - broken, 1 - 2 * share - delta))
            return -sum(count * math.log(max(chance, 1e-300)) for count, chance in parts if count)

        found = optimize.minimize_scalar(
            loss, bounds=(max(0.0, -delta), (1 - delta) / 2), method="bounded", options={"xatol": 1e-12}
        )
        variance = n * (2 * found.x + delta - delta * delta)
        return (fixed - broken - n * delta) / math.sqrt(variance) - float(stats.norm.ppf(1 - alpha))

    return float(optimize.brentq(statistic, -1 + 1e-9, (fixed - broken) / n - 1e-9))


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
@pytest.mark.parametrize(("fixed", "broken", "n"), [(3, 9, 40), (0, 6, 200), (5, 0, 60), (30, 41, 300), (1, 7, 21)])
def test_a_drop_is_bounded_by_the_score_test(fixed: int, broken: int, n: int, alpha: float) -> None:
    differences = [1.0] * fixed + [-1.0] * broken + [0.0] * (n - fixed - broken)
    found = difference_interval(differences, range(n), alpha)
    assert found.low == pytest.approx(score_bound(fixed, broken, n, alpha), abs=1e-5)
    assert found.high == pytest.approx(-score_bound(broken, fixed, n, alpha), abs=1e-5)


def test_the_score_interval_of_a_published_table() -> None:
    # Fagerland, Lydersen and Laake 2014, "Recommended tests and confidence intervals for paired binomial
    # proportions", Statist Med 33:2850: 21 children, 1 and 7 discordant.
    found = difference_interval([1.0] + [-1.0] * 7 + [0.0] * 13, range(21), 0.025)
    assert (found.low, found.high) == (pytest.approx(-0.517, abs=0.0006), pytest.approx(-0.026, abs=0.0006))


@given(st.integers(1, 300), ALPHAS)
def test_no_change_leaves_the_drop_that_wilson_would_leave(n: int, alpha: float) -> None:
    found = difference_interval([0.0] * n, range(n), alpha)
    assert found.low == pytest.approx(-share_interval([False] * n, range(n), alpha).high, abs=1e-9)


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
    assert 17 < effective_size(hits, clusters, 0.05) < 20


@pytest.mark.parametrize("hits", [[True] * 20, [False] * 20])
def test_where_all_are_alike_each_cluster_counts_once(hits: list[bool]) -> None:
    assert effective_size(hits, [number // 4 for number in range(20)], 0.05) == pytest.approx(5)


def test_one_cluster_says_next_to_nothing() -> None:
    found = share_interval([True] * 50 + [False] * 50, ["passage"] * 100, 0.05)
    assert found.low < 0.2
    assert found.high > 0.8
    assert mean_interval([1.0, 2.0], ["passage"] * 2, 0.05).high == math.inf
    assert difference_interval([0.0] * 50, ["passage"] * 50, 0.05).low < -0.7


def test_no_change_on_few_items_leaves_a_drop_possible() -> None:
    assert -0.05 < difference_interval([0.0] * 60, range(60), 0.05).low < -0.04
    assert difference_interval([0.0] * 200, range(200), 0.05).low > -0.02


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
@pytest.mark.parametrize("drop", [0.01, 0.02, 0.05])
@pytest.mark.parametrize("fixed", [0.0, 0.075])
def test_a_drop_is_wrongly_excluded_as_seldom_as_alpha_says(size: int, drop: float, fixed: float) -> None:
    rng = np.random.default_rng(11)
    clusters = np.repeat(np.arange(200 // size), size).tolist()
    missed = 0
    for _ in range(400):
        u = np.repeat(rng.random(200 // size), size)  # a cluster flips as a whole
        differences = np.where(u < fixed + drop, -1.0, np.where(u > 1 - fixed, 1.0, 0.0))
        missed += difference_interval(differences.tolist(), clusters, 0.05).low > -drop
    assert missed / 400 < 0.085
