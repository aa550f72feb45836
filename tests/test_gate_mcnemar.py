"""McNemar's test, mid-p and exact, against hand-made tables, scipy and its own symmetries."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_test

from harness.exceptions import InputError
from harness.gate import mcnemar
from harness.gate.mcnemar import EXACT_UP_TO, exact, midp

COUNTS = st.integers(0, 400)


@pytest.mark.parametrize(
    ("fixed", "broken", "expected"),
    [
        (0, 0, 1 / 2),
        (1, 0, 1 / 4),
        (0, 1, 3 / 4),
        (2, 0, 1 / 8),
        (3, 1, (1 + 4 / 2) / 16),
        (5, 2, (1 + 7 + 21 / 2) / 128),
        (9, 2, 39.5 / 2048),  # this and the next: the worked example of docs/gate.md
        (14, 3, 494 / 131_072),
        (2, 5, 1 - (1 + 7 + 21 / 2) / 128),
    ],
)
def test_hand_computed_tables(fixed: int, broken: int, expected: float) -> None:
    assert midp(fixed, broken) == expected


@pytest.mark.parametrize("n", [1, 2, 9, 40, 333, 2_000])
def test_agrees_with_scipy_on_every_table(n: int) -> None:
    step = max(1, n // 50)
    for fixed in range(0, n + 1, step):
        expected = binom.sf(fixed, n, 0.5) + binom.pmf(fixed, n, 0.5) / 2
        assert midp(fixed, n - fixed) == pytest.approx(expected, rel=1e-10, abs=1e-300)


@pytest.mark.parametrize("n", [50, 1_001, 4_000, EXACT_UP_TO])
def test_float_sum_agrees_with_exact_integers(n: int) -> None:
    for broken in {0, 1, 2, 15, 16, 17, n // 3, n // 2 - n // 20, n // 2 - 5, (n - 1) // 2}:
        if broken >= n - broken:
            continue
        exact = mcnemar._exact_lower_tail(n, broken)
        if exact > 1e-290:
            assert mcnemar._float_lower_tail(n, broken) == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize(("fixed", "broken"), [(500_500, 499_500), (502_000, 498_000), (400_000, 600_000)])
def test_a_million_discordant_pairs_agree_with_scipy(fixed: int, broken: int) -> None:
    n = fixed + broken
    expected = binom.sf(fixed, n, 0.5) + binom.pmf(fixed, n, 0.5) / 2
    assert midp(fixed, broken) == pytest.approx(expected, rel=1e-8)


def test_extreme_tables_stay_probabilities() -> None:
    assert midp(1_000_000, 0) == 0.0
    assert midp(0, 1_000_000) == 1.0
    assert midp(9_999, 1) == 0.0
    assert midp(10_000_000, 1) == 0.0


def test_negative_counts_are_refused() -> None:
    with pytest.raises(InputError, match="fixed=3, broken=-1"):
        midp(3, -1)


@settings(deadline=None)
@given(COUNTS, COUNTS)
def test_better_and_worse_add_up_to_one(fixed: int, broken: int) -> None:
    assert midp(fixed, broken) + midp(broken, fixed) == 1.0


@settings(deadline=None)
@given(st.integers(5_001, 10**6), st.integers(5_001, 10**6))
def test_better_and_worse_add_up_to_one_above_the_exact_range(fixed: int, broken: int) -> None:
    assert midp(fixed, broken) + midp(broken, fixed) == 1.0


@settings(deadline=None)
@given(COUNTS, COUNTS)
def test_one_more_fixed_never_raises_p_and_one_more_broken_never_lowers_it(fixed: int, broken: int) -> None:
    p = midp(fixed, broken)
    assert 0.0 <= p <= 1.0
    assert midp(fixed + 1, broken) <= p <= midp(fixed, broken + 1)


def test_the_two_ways_of_adding_up_join_without_a_step() -> None:
    below, above = midp(5_040, EXACT_UP_TO - 5_040), midp(5_041, EXACT_UP_TO + 1 - 5_041)
    assert above < below
    assert math.isclose(above, below, rel_tol=0.05)


@pytest.mark.parametrize(
    ("fixed", "broken", "expected"), [(0, 0, 1.0), (1, 0, 1 / 2), (3, 1, 5 / 16), (5, 2, 29 / 128)]
)
def test_exact_p_of_hand_computed_tables(fixed: int, broken: int, expected: float) -> None:
    assert exact(fixed, broken) == expected


@pytest.mark.parametrize("n", [1, 8, 40, 333, 2_000])
def test_exact_p_agrees_with_scipy_and_statsmodels(n: int) -> None:
    for fixed in range(0, n + 1, max(1, n // 20)):
        broken = n - fixed
        expected = binomtest(fixed, n, alternative="greater").pvalue
        assert exact(fixed, broken) == pytest.approx(expected, rel=1e-9, abs=1e-300)
        both_sides = mcnemar_test([[7, broken], [fixed, 5]], exact=True).pvalue
        assert min(1.0, 2 * min(exact(fixed, broken), exact(broken, fixed))) == pytest.approx(both_sides, rel=1e-9)


@pytest.mark.parametrize(("fixed", "broken"), [(500_500, 499_500), (400_000, 600_000), (20_000, 0)])
def test_exact_p_of_large_tables_agrees_with_scipy(fixed: int, broken: int) -> None:
    assert exact(fixed, broken) == pytest.approx(binom.sf(fixed - 1, fixed + broken, 0.5), rel=1e-8)


@given(COUNTS, COUNTS)
def test_exact_p_is_never_below_midp(fixed: int, broken: int) -> None:
    assert midp(fixed, broken) <= exact(fixed, broken) <= 1.0
