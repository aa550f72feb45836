"""The gate against candidates whose truth is known: 2,000 simulated streams a figure, decided by the real functions."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

RUNS = 2_000
NULL_SEED = 1
SIZES = (400, 600, 800, 1600)


@pytest.fixture(scope="module")
def calibration(project_root: Path) -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("calibration", project_root / "benchmarks" / "calibration.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["calibration"] = module  # where dataclasses look for the types they are annotated with
    spec.loader.exec_module(module)
    yield module
    del sys.modules["calibration"]


def agrees(found: float, error: float, wanted: float, unit: float) -> bool:
    """Whether two figures of `RUNS` streams each differ by no more than three standard errors and the rounding.

    Args:
        error: standard error of ``found``; that of ``wanted``, made from as many streams, is alike.
        unit: of the last digit of ``wanted``.
    """
    return abs(found - wanted) <= 3 * math.sqrt(2) * error + unit / 2


def binomial_error(share: float) -> float:
    return math.sqrt(share * (1 - share) / RUNS)


@pytest.mark.parametrize("items", SIZES)
def test_gains_are_those_that_the_gate_was_designed_with(calibration: Any, items: int) -> None:
    certified, head, _ = calibration.GATE_TABLE[items]
    found = calibration.gated(RUNS, items)
    assert agrees(*calibration.mean_and_error(found.certified), certified, 0.1)
    assert agrees(*calibration.mean_and_error(found.head), head, 0.1)
    assert found.looks.max() <= 8


def false_certificates(calibration: Any, items: int) -> float:
    return float(calibration.gated(RUNS, items, NULL_SEED, null=True).any_certificate.mean())


@pytest.mark.parametrize("items", SIZES)
def test_false_certificates_are_as_rare_as_designed_and_below_the_bound(calibration: Any, items: int) -> None:
    wanted = calibration.GATE_TABLE[items][2]
    found = false_certificates(calibration, items)
    assert agrees(found, binomial_error(wanted), wanted, 0.001)
    assert found + 3 * binomial_error(found) < 0.05


def test_a_gate_that_does_not_divide_alpha_is_caught_by_the_same_check(calibration: Any) -> None:
    wanted = calibration.GATE_TABLE[400][2]
    assert agrees(false_certificates(calibration, 400), binomial_error(wanted), wanted, 0.001)
    with calibration.undivided():
        found = false_certificates(calibration, 400)
    assert not agrees(found, binomial_error(wanted), wanted, 0.001)
    assert found > 0.05


@pytest.mark.parametrize("items", [500, 1000, 2000])
def test_dividing_alpha_by_the_rounds_on_one_set_gains_less(calibration: Any, items: int) -> None:
    gains, _ = calibration.one_set("Bonferroni", RUNS, items)
    assert agrees(*calibration.mean_and_error(gains), calibration.BONFERRONI_TABLE[items], 0.1)


def test_naive_rules_accept_what_is_no_better(calibration: Any) -> None:
    """Of 25 candidates that are no better: "the score went up" above .99, "p < .05 each round" .53."""
    _, went_up = calibration.one_set("the score went up", RUNS, 1_000, NULL_SEED, null=True)
    assert went_up.mean() > 0.99
    _, each_round = calibration.one_set("p < .05 each round", RUNS, 1_000, NULL_SEED, null=True)
    assert agrees(float(each_round.mean()), binomial_error(0.53), 0.53, 0.01)


def test_a_trainer_that_learns_dev_by_heart_is_exposed(calibration: Any) -> None:
    """It gains on dev, is promoted for it, and gets no certificate; one set for all would have let it pass."""
    found = calibration.gated(RUNS, 800, memorise=True, null=True)
    assert found.claimed.mean() > 5
    assert found.certificates.mean() < 0.05
    assert abs(found.certified.mean()) < 0.01
    assert abs(found.head.mean()) < 0.01
    _, fooled = calibration.one_set("Bonferroni", RUNS, 800, null=True, memorise=True)
    assert fooled.mean() > 0.9


@pytest.mark.parametrize("right_before", [0.0, 0.05, 0.6])
def test_a_trainer_that_only_empties_answers_is_rejected_with_that_reason(
    calibration: Any, right_before: float
) -> None:
    verdict = calibration.emptied(right_before)
    assert (verdict.decision, verdict.rule) == ("reject", "degenerate")
    assert verdict.reason.startswith("answers nothing in summary: 100% of 200 answers")


@pytest.mark.parametrize("together", [0.25, 1.0])
def test_items_of_one_passage_fool_mcnemars_test_and_not_the_gates(calibration: Any, together: float) -> None:
    by_item, by_cluster = calibration.type_one(together, 400)
    margin = 3 * math.sqrt(0.05 * 0.95 / 400)
    assert by_cluster < 0.05 + margin
    assert by_item > 0.05 + margin
