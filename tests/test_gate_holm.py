"""Holm's procedure against statsmodels."""

from __future__ import annotations

from holm_reference import rejected
from hypothesis import given
from hypothesis import strategies as st

from harness.gate.holm import holm


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.2))
def test_holm_agrees_with_statsmodels(ps: list[float], alpha: float) -> None:
    assert holm(ps, alpha) == rejected(ps, alpha)


def test_no_hypothesis_is_none_refuted() -> None:
    assert holm([], 0.05) == []
