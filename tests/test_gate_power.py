"""Items needed, and the effect that given items can show."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.exceptions import InputError
from harness.gate.mcnemar import midp
from harness.gate.power import items_needed, minimum_detectable_effect


@pytest.mark.parametrize(("effect", "items"), [(0.02, 2_317), (0.05, 369), (0.10, 91)])
def test_items_needed_when_fifteen_percent_flip(effect: float, items: int) -> None:
    assert items_needed(effect, 0.15) == items
    assert minimum_detectable_effect(items, 0.15) == pytest.approx(effect, rel=0.01)


def test_the_promised_power_is_met_in_simulation() -> None:
    rng = random.Random(8)
    effect, discordant, n, runs = 0.1, 0.15, items_needed(0.1, 0.15), 600
    fixes = (discordant + effect) / 2
    seen = 0
    for _ in range(runs):
        draws = [rng.random() for _ in range(n)]
        seen += midp(sum(d < fixes for d in draws), sum(fixes <= d < discordant for d in draws)) < 0.05
    assert 0.74 < seen / runs < 0.90


@settings(deadline=None)
@given(st.integers(5, 100_000), st.floats(0.0, 1.0))
def test_the_effect_is_the_smallest_that_the_items_can_show(n: int, discordant: float) -> None:
    effect = minimum_detectable_effect(n, discordant)
    assert 0 < effect <= 1
    assert items_needed(effect, discordant) <= n + 1
    assert items_needed(effect * 0.99, discordant) >= n


@settings(deadline=None)
@given(st.integers(1, 10_000), st.floats(0.0, 1.0))
def test_more_items_never_show_less(n: int, discordant: float) -> None:
    assert minimum_detectable_effect(n + 1, discordant) <= minimum_detectable_effect(n, discordant) <= 1.0


def test_an_effect_larger_than_the_share_that_flips_raises_that_share() -> None:
    assert items_needed(0.2, 0.05) == items_needed(0.2, 0.2)


def test_too_few_items_for_anything() -> None:
    assert minimum_detectable_effect(1, 0.15) == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: items_needed(0.0, 0.1), "effect must lie"),
        (lambda: items_needed(0.1, 1.1), "share of items that flip"),
        (lambda: items_needed(0.1, 0.1, alpha=0.0), "need 0 < alpha"),
        (lambda: minimum_detectable_effect(0, 0.1), "at least 1, got 0"),
        (lambda: minimum_detectable_effect(10, 0.1, power=1.0), "need 0 < alpha"),
    ],
)
def test_arguments_out_of_range_are_refused(call: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()  # type: ignore[operator]
