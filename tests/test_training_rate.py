"""The learning rate over a round."""

from __future__ import annotations

import pytest

from harness.training.sft import _rate_factor


@pytest.mark.parametrize(("schedule", "last"), [("constant", 1.0), ("linear", 0.1), ("cosine", 0.0245)])
def test_the_rate_rises_over_the_warm_up_and_decays_as_the_schedule_says(schedule: str, last: float) -> None:
    factors = [_rate_factor(step, 12, 2, schedule) for step in range(12)]
    assert factors[:3] == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert factors[-1] == pytest.approx(last, abs=1e-3)
