"""Numbers as the reader sees them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from harness.reporting.formatting import (
    MINUS,
    duration,
    integer,
    interval,
    percent,
    plural,
    points,
    probability,
    score_interval,
)


def test_shares_differences_and_intervals() -> None:
    assert percent(0.58167) == "58.2%"
    assert points(0.41) == "+41.0"
    assert points(-0.0052) == MINUS + "0.5"
    assert points(-0.0004) == "0.0"
    assert points(-0.41, signed=False) == "41.0"
    assert interval([-0.028, 0.018]) == f"{MINUS}2.8 to +1.8"


def test_a_small_probability_is_not_printed_as_zero() -> None:
    assert probability(0.0004) == "< .001"
    assert probability(0.0014) == ".001"
    assert probability(0.2144) == ".214"
    assert probability(1.0) == "1.000"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(7, "7.0 s"), (59.96, "1 min 00 s"), (192, "3 min 12 s"), (3599.6, "1 h 00 min"), (3900, "1 h 05 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_counts() -> None:
    assert integer(31_200) == "31,200"
    assert plural(1, "round") == "1 round"
    assert plural(1_200, "round") == "1,200 rounds"


@given(st.integers(1, 2_000), st.data())
def test_with_independent_items_the_interval_is_wilsons(n: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, n))
    value = right / n
    stderr = (value * (1 - value) / n) ** 0.5
    low, high = score_interval({"value": value, "stderr": stderr, "n": n, "correct": right})
    expected = proportion_confint(right, n, method="wilson")
    assert (low, high) == pytest.approx(expected, abs=1e-9)


def test_none_right_still_has_an_interval() -> None:
    low, high = score_interval({"value": 0.0, "stderr": 0.0, "n": 600, "correct": 0})
    assert low == pytest.approx(0.0, abs=1e-12)
    assert 0.005 < high < 0.008


def test_clustered_errors_widen_the_interval() -> None:
    alone = score_interval({"value": 0.5, "stderr": 0.02, "n": 600, "correct": 300})
    clustered = score_interval({"value": 0.5, "stderr": 0.06, "n": 600, "correct": 300})
    assert clustered[0] < alone[0] < 0.5 < alone[1] < clustered[1]


def test_no_items_say_nothing() -> None:
    assert score_interval({"value": 0.0, "stderr": 0.0, "n": 0, "correct": 0}) == (0.0, 1.0)
