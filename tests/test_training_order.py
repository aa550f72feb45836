"""The order in which rows are trained on, and the learning rate over a round."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.training.sft import _rate_factor, arrange

LENGTHS = st.lists(st.integers(1, 400), min_size=1, max_size=60)


@given(LENGTHS, st.integers(1, 8), st.integers(0, 99))
def test_one_epoch_has_every_row_once(lengths: list[int], micro: int, seed: int) -> None:
    assert sorted(arrange(lengths, micro, 1.0, seed)) == list(range(len(lengths)))


@given(LENGTHS, st.integers(1, 8))
def test_two_epochs_have_every_row_twice(lengths: list[int], micro: int) -> None:
    assert set(Counter(arrange(lengths, micro, 2.0, 0)).values()) == {2}


def test_a_partial_epoch_has_that_share_of_the_rows() -> None:
    assert len(arrange([10] * 40, 4, 0.5, 0)) == 20


def test_micro_batches_waste_little_padding_and_stand_in_mixed_order() -> None:
    lengths = [80, 240] * 32
    order = arrange(lengths, 4, 1.0, seed=3)
    batches = [[lengths[i] for i in order[place : place + 4]] for place in range(0, len(order), 4)]
    assert all(len(set(batch)) == 1 for batch in batches)
    assert len({batch[0] for batch in batches[:6]}) == 2


def test_the_order_hangs_on_the_seed_alone() -> None:
    lengths = [7 * (i % 11) for i in range(50)]
    assert arrange(lengths, 4, 1.0, 1) == arrange(lengths, 4, 1.0, 1)
    assert arrange(lengths, 4, 1.0, 1) != arrange(lengths, 4, 1.0, 2)


@pytest.mark.parametrize(("schedule", "last"), [("constant", 1.0), ("linear", 0.1), ("cosine", 0.0245)])
def test_the_rate_rises_over_the_warm_up_and_decays_as_the_schedule_says(schedule: str, last: float) -> None:
    factors = [_rate_factor(step, 12, 2, schedule) for step in range(12)]
    assert factors[:3] == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert factors[-1] == pytest.approx(last, abs=1e-3)
