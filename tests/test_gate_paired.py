"""Paired comparison by item id, its interval, and the t quantile beneath it."""

from __future__ import annotations

import math
import random

import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from harness.exceptions import InputError
from harness.gate.mcnemar import midp
from harness.gate.paired import pair
from harness.gate.quantiles import t_quantile


def own(ids: dict[str, float]) -> dict[str, str]:
    return {item: item for item in ids}


def test_counts_fixed_and_broken_by_id_not_by_position() -> None:
    before = {"a": 0.0, "b": 1.0, "c": 0.0, "d": 1.0, "e": 0.0}
    after = {"e": 1.0, "d": 1.0, "c": 0.0, "b": 0.0, "a": 1.0}
    result = pair(before, after, own(before))
    assert (result.n, result.fixed, result.broken) == (5, 2, 1)
    assert result.delta == pytest.approx(0.2)
    assert result.midp == midp(2, 1)
    assert result.midp_worse == midp(1, 2)


def test_equal_results_give_no_difference_and_no_evidence() -> None:
    scores = {"a": 1.0, "b": 0.0, "c": 0.5}
    result = pair(scores, scores, own(scores))
    assert (result.delta, result.ci95, result.midp, result.midp_worse) == (0.0, (0.0, 0.0), 0.5, 0.5)


def test_partial_credit_moves_the_mean_but_only_a_full_point_fixes() -> None:
    before = {"a": 0.2, "b": 0.9, "c": 1.0}
    after = {"a": 0.8, "b": 1.0, "c": 0.9}
    result = pair(before, after, own(before))
    assert (result.fixed, result.broken) == (1, 1)
    assert result.delta == pytest.approx((0.6 + 0.1 - 0.1) / 3)


def test_interval_by_hand_for_independent_items() -> None:
    before = dict.fromkeys("abcd", 0.0)
    after = {"a": 1.0, "b": 1.0, "c": 0.0, "d": 0.0}
    reach = student.ppf(0.975, 3) * math.sqrt(4 * 0.25) / 4
    low, high = pair(before, after, own(before)).ci95
    assert (low, high) == (pytest.approx(0.5 - reach), 1.0)  # cut off at 1


def test_clustered_interval_is_that_of_an_intercept_with_clustered_errors() -> None:
    rng = random.Random(3)
    clusters = {f"i{k:03}": f"c{k % 20}" for k in range(120)}
    effect = {f"c{k}": rng.gauss(0, 0.3) for k in range(20)}
    before = {item: float(rng.random() < 0.5) for item in clusters}
    after = {item: float(rng.random() < 0.6 + effect[c]) for item, c in clusters.items()}
    result = pair(before, after, clusters)
    differences = [after[i] - before[i] for i in clusters]
    groups = [int(c[1:]) for c in clusters.values()]
    fit = sm.OLS(differences, [1.0] * 120).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}, use_t=True
    )
    expected = fit.conf_int()[0]
    assert result.ci95 == (pytest.approx(expected[0]), pytest.approx(expected[1]))


def test_items_that_move_together_widen_the_interval() -> None:
    before = {f"i{k}": 0.0 for k in range(40)}
    after = {f"i{k}": float(k < 20) for k in range(40)}
    together = pair(before, after, {f"i{k}": f"c{k // 5}" for k in range(40)}).ci95
    alone = pair(before, after, own(before)).ci95
    assert together[1] - together[0] > 2 * (alone[1] - alone[0])


def test_one_cluster_tells_nothing_about_the_error() -> None:
    before, after = {"a": 0.0, "b": 0.0}, {"a": 1.0, "b": 0.0}
    assert pair(before, after, {"a": "x", "b": "x"}).ci95 == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("before", "after", "clusters", "message"),
    [
        ({"a": 1, "b": 1, "c": 0}, {"a": 1}, "abc", r"2 of 3 items are missing after \(b, c\);"),
        ({"a": 1}, {"a": 1, "z": 1, "y": 0}, "ayz", r"2 of 3 items are missing before \(y, z\);"),
        ({"a": 1, "b": 1}, {"a": 1, "b": 1}, "a", r"1 of 2 items have no cluster \(b\)"),
        ({}, {}, "", "no items to compare"),
        ({"a": 1.5}, {"a": 1}, "a", r"item a has score 1\.5, outside 0 to 1"),
        ({"a": 1}, {"a": math.nan}, "a", "item a has score nan"),
    ],
)
def test_what_cannot_be_paired_is_refused(
    before: dict[str, float], after: dict[str, float], clusters: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        pair(before, after, {c: c for c in clusters})


SCORES = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=40
)


@settings(deadline=None)
@given(SCORES)
def test_swapping_before_and_after_mirrors_everything(scores: list[tuple[float, float]]) -> None:
    before = {f"i{k}": b for k, (b, _) in enumerate(scores)}
    after = {f"i{k}": a for k, (_, a) in enumerate(scores)}
    clusters = {f"i{k}": f"c{k % 7}" for k in range(len(scores))}
    there, back = pair(before, after, clusters), pair(after, before, clusters)
    assert (there.fixed, there.broken, there.midp) == (back.broken, back.fixed, back.midp_worse)
    assert there.delta == -back.delta
    assert there.ci95 == pytest.approx((-back.ci95[1], -back.ci95[0]))
    assert -1 <= there.ci95[0] <= there.delta <= there.ci95[1] <= 1


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 39, 120, 199, 200, 201, 1_000, 100_000])
@pytest.mark.parametrize("probability", [0.5, 0.9, 0.975, 0.995])
def test_t_quantile_agrees_with_scipy(probability: float, degrees: int) -> None:
    assert t_quantile(probability, degrees) == pytest.approx(student.ppf(probability, degrees), rel=1e-8, abs=1e-9)


@pytest.mark.parametrize(("probability", "degrees"), [(0.4, 5), (1.0, 5), (0.975, 0)])
def test_t_quantile_refuses_what_it_cannot_answer(probability: float, degrees: int) -> None:
    with pytest.raises(InputError, match="t quantile"):
        t_quantile(probability, degrees)
