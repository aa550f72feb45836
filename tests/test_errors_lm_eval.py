"""Error categories as the numbers that a task's ``process_results`` hands to lm-eval."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import classify_response_metrics
from harness.errors.registry import BUILTIN, ON_REQUEST

KEYS = {f"err_{name}" for name in BUILTIN if name not in ON_REQUEST} - {
    f"err_{name}" for name in ("truncated", "inconsistent", "position_bias", "near_miss", "picked_distractor")
}


def metrics(response: str, correct: float = 0.0, expects: Any = None, target: str = "two years") -> dict[str, float]:
    doc = {} if expects is None else {"expects": expects}
    return classify_response_metrics("helpdesk_test", doc, "How long?", target, response, correct)


@pytest.mark.parametrize(
    ("response", "expects", "seen"),
    [
        ("three years", None, {"err_wrong_answer"}),
        ("", None, {"err_wrong_answer", "err_empty"}),
        ("no " * 60, None, {"err_wrong_answer", "err_repetitive", "err_too_long"}),
        ("queue: bills", {"format": "label", "labels": ["two years"]}, {"err_wrong_answer", "err_invalid_format"}),
        ("Paris", {"refusal": True}, {"err_wrong_answer", "err_missed_refusal"}),
        ("I can't help with that.", {"refusal": False}, {"err_wrong_answer", "err_needless_refusal"}),
        ("three years", "malformed", {"err_wrong_answer"}),
    ],
)
def test_each_category_that_is_seen_counts_one_and_all_keys_are_always_there(
    response: str, expects: Any, seen: set[str]
) -> None:
    found = metrics(response, expects=expects)
    assert set(found) == KEYS
    assert {key for key, value in found.items() if value == 1.0} == seen
    assert {value for key, value in found.items() if key not in seen} <= {0.0}


def test_a_right_response_counts_nothing() -> None:
    assert set(metrics("two years", correct=1.0).values()) == {0.0}


def test_documents_that_come_out_of_a_table_carry_none_for_what_is_not_said() -> None:
    row = {"format": None, "keys": None, "labels": None, "refusal": None, "refusal_sentence": None, "max_words": None}
    assert metrics("three years", expects=row)["err_wrong_answer"] == 1.0
