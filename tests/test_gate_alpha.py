"""The error budget of the looks at sealed items."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.exceptions import InputError
from harness.gate.alpha import LOOKS, TOTAL_ALPHA, Look, next_alpha


def looks_of(verdicts: list[bool | None], total: float = TOTAL_ALPHA, of: int = LOOKS) -> list[Look]:
    looks: list[Look] = []
    for verdict in verdicts:
        level = next_alpha(looks, total, of)
        assert level is not None
        looks.append(Look(level, verdict))
    return looks


def test_each_look_owns_an_eighth_and_a_certificate_hands_its_level_on() -> None:
    levels = [look.alpha for look in looks_of([True, True, False, True, None, True, False, False])]
    assert levels == pytest.approx([0.00625 * k for k in (1, 2, 3, 1, 2, 1, 2, 1)])


def test_eight_looks_and_no_more() -> None:
    assert next_alpha(looks_of([True] * 7)) == pytest.approx(0.05)
    assert next_alpha(looks_of([True] * 8)) is None
    assert next_alpha(looks_of([False] * 8)) is None


def test_a_look_without_a_verdict_is_spent_and_hands_nothing_on() -> None:
    assert next_alpha(looks_of([None])) == next_alpha(looks_of([False])) == pytest.approx(0.00625)
    assert next_alpha(looks_of([None] * 8)) is None


@given(st.lists(st.sampled_from([True, False, None]), max_size=LOOKS), st.floats(0.001, 0.5))
def test_until_the_first_false_certificate_the_levels_add_up_to_the_total_at_most(
    verdicts: list[bool | None], total: float
) -> None:
    """Of a run of looks of which none certified, the levels add up to at most ``total``, wherever the run begins."""
    levels = [(look.alpha, look.certified) for look in looks_of(verdicts, total)]
    spent = math.fsum(alpha for alpha, certified in levels if not certified)
    assert spent <= total * (1 + 1e-9)


@pytest.mark.parametrize(
    ("looks", "total", "of", "message"),
    [
        ([], 0.0, 8, "need 0 < total < 1"),
        ([], 0.05, 0, "at least 1 look, got total 0.05 and 0 looks"),
        ([Look(0.05, None)], 0.05, 8, r"look 1 was debited at 0\.05, the rule gives 0\.00625"),
        ([Look(0.00625, False), Look(0.0125, False)], 0.05, 8, "look 2 was debited at 0.0125, the rule gives 0.00625"),
    ],
)
def test_a_record_that_the_rule_does_not_give_is_refused(
    looks: list[Look], total: float, of: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        next_alpha(looks, total, of)
