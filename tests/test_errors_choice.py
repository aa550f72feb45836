"""Errors of multiple choice, told apart: a habit of place, a near miss, a distractor; and the figures they read."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from toy import toy_guard

from harness.errors import classify_all, load_classifiers
from harness.errors.builtin.choice import NEAR, NearMiss, PickedDistractor, PositionBias, _tail
from harness.errors.contract import ErrorRecord
from harness.evaluation.choices import GOLD, GOLDS, OPTIONS, PICKED, SHORT, choice_figures, gold_places, picked
from harness.evaluation.engine import Scoring
from harness.evaluation.items import ItemResult
from harness.evaluation.respond import respond

TEXTS = ["red", "green", "blue", "white"]


def answer(number: int, gold: int, pick: int, short: float | None = 2.0, task: str = "colours") -> ItemResult:
    """An answered item of four endings."""
    figures = {OPTIONS: 4.0, PICKED: float(pick), GOLD: float(gold), GOLDS: 1.0}
    if short is not None:
        figures[SHORT] = 0.0 if gold == pick else short
    right = float(gold == pick)
    return ItemResult(
        f"{number:016x}", task, task, str(number), {}, "Which?", TEXTS[gold], TEXTS[pick], "stop", right,
        {"acc": right, **figures},
    )  # fmt: skip


def primaries(items: Sequence[ItemResult]) -> list[str | None]:
    return [record.primary for record in records(items)]


def records(items: Sequence[ItemResult]) -> list[ErrorRecord]:
    return classify_all(items, load_classifiers())


# --- the figures


def figures_of(logprobs: Sequence[float], target: Any, metric: str = "acc", choices: Sequence[str] = TEXTS) -> Any:
    task = SimpleNamespace(doc_to_target=lambda doc: target)
    return choice_figures(task, {}, logprobs, choices, metric)


def test_a_miss_says_what_was_picked_and_by_how_much_the_right_ending_falls_short() -> None:
    assert figures_of([-1.0, -3.5, -2.0, -9.0], 1) == {OPTIONS: 4, PICKED: 0, GOLD: 1, GOLDS: 1, SHORT: 2.5}


def test_a_hit_falls_short_by_nothing() -> None:
    assert figures_of([-1.0, -3.5, -2.0, -9.0], 0) == {OPTIONS: 4, PICKED: 0, GOLD: 0, GOLDS: 1, SHORT: 0}


def test_of_several_right_endings_the_likeliest_counts() -> None:
    found = figures_of([-1.0, -3.5, -2.0, -9.0], [1, 2])
    assert (found[GOLD], found[GOLDS], found[SHORT]) == (2, 2, 1.0)


@pytest.mark.parametrize("metric", ["acc_norm", "acc_bytes"])
def test_where_length_counts_the_pick_is_that_of_the_metric(metric: str) -> None:
    logprobs, choices = [-4.0, -5.0], ["ab", "abcde"]  # -2 and -1 a character
    assert picked(logprobs, choices, "acc") == 0
    assert picked(logprobs, choices, metric) == 1
    found = figures_of(logprobs, 0, metric, choices)
    assert found[SHORT] == pytest.approx(2.0)  # at -2 the shorter one would have tied


def test_bytes_are_not_characters() -> None:
    assert picked([-4.0, -5.9], ["abcd", "éé€"], "acc_norm") == 0
    assert picked([-4.0, -5.9], ["abcd", "éé€"], "acc_bytes") == 1


@pytest.mark.parametrize(
    ("target", "places"), [(2, [2]), ("blue", [2]), ("pink", []), (7, []), (-100, []), ([0, 3], [0, 3]), (True, [1])]
)
def test_targets_are_read_as_lm_eval_reads_them(target: Any, places: list[int]) -> None:
    assert gold_places(SimpleNamespace(doc_to_target=lambda doc: target), {}, TEXTS) == places


def test_a_target_that_is_no_ending_and_an_infinite_score_leave_the_figures_out() -> None:
    assert GOLD not in figures_of([-1.0, -2.0, -3.0, -4.0], "pink")
    assert SHORT not in figures_of([-1.0, float("-inf"), -3.0, -4.0], 1)


class Sayer:
    """An engine that gives each ending the log-probability that is written down for it."""

    context_length = 1000

    def __init__(self, scores: dict[str, float]) -> None:
        self.scores = scores

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def generate(self, requests: Any, progress: Any) -> Any:
        raise AssertionError("nothing is generated")

    def loglikelihood(self, requests: Any, progress: Any) -> list[Scoring]:
        return [Scoring(self.scores[r.continuation.strip()], False, 3, 1) for r in requests]


def test_an_answer_carries_the_figures_beside_the_tasks_metrics() -> None:
    domain = toy_guard()
    items = domain.items("test", "guard")[:2]
    even, odd = respond(domain, items, Sayer({"no": -1.0, "yes": -1.25}), None)
    assert (even.target, even.response, even.metrics["acc"]) == ("yes", "no", 0.0)
    assert even.metrics[SHORT] == pytest.approx(0.25)
    assert (odd.response, odd.metrics[PICKED], odd.metrics[SHORT]) == ("no", 0, 0)
    assert primaries([even, odd]) == ["near_miss", None]


# --- near miss and distractor


@pytest.mark.parametrize(
    ("short", "category"), [(0.0, "near_miss"), (NEAR, "near_miss"), (NEAR + 0.01, "picked_distractor")]
)
def test_a_margin_tells_near_misses_from_distractors(short: float, category: str) -> None:
    assert primaries([answer(1, 0, 2, short)]) == [category]


def test_the_reason_says_what_was_picked() -> None:
    (label,) = PickedDistractor().classify(answer(1, 0, 2, 3.0))
    assert label.reason == "ending 3 of 4 is preferred to the right one, ending 1 by 3.00 nats"
    assert label.span == (0, 4)
    (label,) = NearMiss().classify(answer(1, 0, 2, 0.25))
    assert (label.confidence, label.reason) == (0.75, "'red' falls short of it by 0.25 nats")


def test_without_a_finite_score_a_near_miss_is_not_assessed_and_a_distractor_is() -> None:
    (record,) = records([answer(1, 0, 2, None)])
    assert record.primary == "picked_distractor"
    assert {"near_miss", "position_bias"} <= set(record.not_assessed)


def test_right_answers_and_generated_ones_have_no_error_of_choice() -> None:
    generated = ItemResult("0" * 16, "t", "t", "c", {}, "Q", "red", "green", "stop", 0.0, {"exact_match": 0.0}, 3, 3)
    for classifier in (NearMiss(), PickedDistractor(), PositionBias()):
        assert classifier.classify(generated) == []
        assert [label for label in classifier.classify(answer(1, 2, 2)) if label.assessed] == []
    assert primaries([generated]) == ["wrong_answer"]


# --- a habit of place


def biased(n: int = 40, place: int = 1) -> list[ItemResult]:
    """Right answers stand everywhere alike; one place is always picked."""
    return [answer(number, number % 4, place) for number in range(n)]


def test_a_place_that_is_always_picked_is_a_habit() -> None:
    items = biased()
    labels = PositionBias().classify_group(items)
    assert [bool(found) for found in labels] == [item.correct == 0 for item in items]
    (label,) = labels[0]
    assert label.reason == "place 2 is picked in 100% of 40 items, expected 25%"
    assert label.confidence == pytest.approx(0.75)
    assert {p for p in primaries(items) if p} == {"position_bias"}


def test_picks_where_the_right_answers_stand_are_no_habit() -> None:
    items = [answer(number, 1 if number % 10 else 0, 1) for number in range(40)]  # 36 of 40 stand there
    assert PositionBias().classify_group(items) == [[] for _ in items]


def test_blind_guessing_is_no_habit_though_no_answer_stands_where_it_falls() -> None:
    items = [answer(number, 0, number % 4) for number in range(40)]
    assert PositionBias().classify_group(items) == [[] for _ in items]


def test_few_items_and_single_ones_show_no_habit() -> None:
    for items in (biased(19), biased(1)):
        found = [label for labels in PositionBias().classify_group(items) for label in labels]
        assert len(found) == len(items)
        assert not any(label.assessed for label in found)
    assert not PositionBias().classify(biased()[0])[0].assessed


def test_each_task_has_its_own_habits() -> None:
    others = [answer(100 + n, n % 4, (n + n // 4) % 4, task="shapes") for n in range(40)]
    labels = PositionBias().classify_group([*biased(), *others])
    assert any(labels[:40])
    assert not any(labels[40:])


def test_the_order_of_the_items_decides_nothing() -> None:
    items = biased(44)
    forward = PositionBias().classify_group(items)
    assert PositionBias().classify_group(items[::-1])[::-1] == forward


@pytest.mark.parametrize(("count", "n", "p"), [(0, 5, 0.3), (3, 5, 0.3), (30, 40, 0.25), (300, 2000, 0.1), (5, 5, 0.0)])
def test_the_tail_is_the_binomials(count: int, n: int, p: float) -> None:
    from scipy import stats

    assert _tail(count, n, p) == pytest.approx(float(stats.binom.sf(count - 1, n, p)), rel=1e-9, abs=1e-300)
