"""Conditions as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.exceptions import InputError
from harness.regression.limits import UNITS, parse_limit, parse_share


@pytest.mark.parametrize(
    ("kind", "text", "subject", "operator", "value"),
    [
        ("metric", "exact_match >= 0.8", "exact_match", ">=", 0.8),
        ("metric", "exact_match,strict-match>=80%", "exact_match,strict-match", ">=", 0.8),
        ("metric", "  word_perplexity < 1.2e1 ", "word_perplexity", "<", 12.0),
        ("metric", "loglikelihood > -3", "loglikelihood", ">", -3.0),
        ("category", "<= 2 percent", "", "<=", 0.02),
        ("latency", "<= 500 ms", "", "<=", 0.5),
        ("latency", "< 2 min", "", "<", 120.0),
        ("length", "p95 <= 100 Tokens", "p95", "<=", 100.0),
    ],
)
def test_a_condition_is_subject_operator_number_and_unit(
    kind: str, text: str, subject: str, operator: str, value: float
) -> None:
    before, limit = parse_limit(kind, text, "here")
    assert (before, limit.operator, limit.value) == (subject, operator, pytest.approx(value))


@pytest.mark.parametrize(
    ("value", "share"),
    [(0.02, 0.02), (0, 0.0), ("2%", 0.02), ("2 points", 0.02), ("within 1 point", 0.01), (".02", 0.02)],
)
def test_a_margin_is_a_share_or_points(value: object, share: float) -> None:
    assert parse_share("margin", value, "here") == pytest.approx(share)


@pytest.mark.parametrize("value", [True, None, [], "two", "2 bananas", -0.1, 1, "150%", float("nan"), "within"])
def test_anything_else_is_no_margin(value: object) -> None:
    with pytest.raises(InputError, match=r"^here: margin is "):
        parse_share("margin", value, "here")


@given(st.text(), st.sampled_from(sorted(UNITS)))
def test_any_text_is_read_or_refused_in_one_line(text: str, kind: str) -> None:
    said = "here: "
    try:
        _, limit = parse_limit(kind, text, "here")
        assert limit.holds(limit.value) == (limit.operator in (">=", "<="))
    except InputError as error:
        said = str(error)
    assert said.startswith("here: ")


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.sampled_from([">=", "<=", ">", "<"]))
def test_a_limit_means_what_its_operator_says(bound: float, figure: float, operator: str) -> None:
    _, limit = parse_limit("metric", f"x {operator} {bound!r}", "here")
    assert limit.holds(figure) == {
        ">=": figure >= bound, "<=": figure <= bound, ">": figure > bound, "<": figure < bound
    }[operator]  # fmt: skip
