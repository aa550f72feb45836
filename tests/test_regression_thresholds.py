"""Metric, category, latency and length: judged with their intervals."""

from __future__ import annotations

from typing import Any

import pytest
from gate_answers import IDENTITY, answer, answers, item_id, ones, result_of, scored

from harness.exceptions import InputError
from harness.regression.answers import Identity
from harness.regression.declare import KnownFailure

AT_LEAST = {"metric": "exact_match >= 80%"}


@pytest.mark.parametrize(
    ("right", "state", "passed"),
    [(96, "pass", True), (85, "uncertain", False), (75, "uncertain", False), (60, "fail", False)],
)
def test_a_threshold_is_judged_with_its_interval(right: int, state: str, passed: bool) -> None:
    found = result_of(AT_LEAST, scored(ones(right, 100 - right)))
    assert (found.state, found.passed) == (state, passed)
    assert found.low is not None
    assert found.high is not None
    assert found.low < right / 100 == found.value < found.high
    assert (found.threshold, found.unit, found.n) == (0.8, "share", 100)


def test_an_uncertain_gate_does_what_on_uncertain_says_and_says_so() -> None:
    now = scored(ones(85, 15))
    found = result_of({**AT_LEAST, "on_uncertain": "pass"}, now)
    assert (found.state, found.passed) == ("uncertain", True)
    assert found.message.endswith("too close to call, counts as passed (on_uncertain: pass)")
    assert "counts as failed (on_uncertain: fail)" in result_of(AT_LEAST, now).message


def test_a_stricter_alpha_asks_for_more() -> None:
    now = scored(ones(88, 12))
    assert result_of(AT_LEAST, now).state == "pass"
    assert result_of({**AT_LEAST, "alpha": 0.001}, now).state == "uncertain"


def test_an_upper_bound_turns_pass_and_fail_round() -> None:
    assert result_of({"metric": "exact_match <= 80%"}, scored(ones(60, 40))).state == "pass"
    assert result_of({"metric": "exact_match <= 80%"}, scored(ones(96, 4))).state == "fail"


def test_items_of_few_clusters_say_less() -> None:
    alone = [answer(number, float(number >= 10)) for number in range(100)]
    together = [answer(number, float(number >= 10), cluster=str(number // 25)) for number in range(100)]
    assert result_of(AT_LEAST, answers(alone)).state == "pass"
    assert result_of(AT_LEAST, answers(together)).state == "uncertain"


def test_all_of_them_is_asked_of_these_items_alone() -> None:
    found = result_of({"metric": "acc >= 100%"}, scored(ones(10, 0)))
    assert (found.state, found.passed) == ("pass", True)
    assert "asked of these items alone" in found.message
    assert result_of({"metric": "acc >= 1"}, scored(ones(9, 1))).state == "fail"


def test_acc_is_the_tasks_own_main_metric_where_it_has_none_of_that_name() -> None:
    assert result_of({"metric": "acc >= 10%"}, scored(ones(9, 1))).value == 0.9
    named = answers([answer(number, 0.0, metrics={"acc": 1.0, "acc_norm": 0.0}) for number in range(9)])
    assert result_of({"metric": "acc >= 10%"}, named).value == 1.0


def test_a_metric_beyond_right_and_wrong_is_a_mean() -> None:
    graded = answers([answer(number, metrics={"bleu": 20.0 + number % 3}) for number in range(60)])
    found = result_of({"metric": "bleu >= 20.5"}, graded)
    assert (found.state, found.unit, found.value) == ("pass", "", 21.0)
    assert result_of({"metric": "bleu >= 21.1"}, graded).state == "uncertain"


def test_a_mean_of_shares_stays_within_them() -> None:
    graded = answers([answer(number, metrics={"f1": 0.5 if number == 0 else 1.0}) for number in range(20)])
    found = result_of({"metric": "f1 >= 0.9"}, graded)
    assert (found.unit, found.high) == ("share", 1.0)


def test_answers_without_the_metric_are_left_out_and_said() -> None:
    mixed = [answer(number) for number in range(8)] + [
        answer(8, metrics={}),
        answer(9, metrics={"exact_match": float("nan")}),
    ]
    found = result_of({"metric": "exact_match >= 10%"}, answers(mixed))
    assert found.n == 8
    assert found.notes == ("left out: 2 items that have no exact_match",)


def test_an_unknown_metric_is_refused_with_the_nearest() -> None:
    now = answers([answer(0, metrics={"exact_match": 1.0, "err_empty": 0.0, "choice_picked": 1.0})])
    with pytest.raises(
        InputError, match=r"gate 'metric exactmatch >= .8': now has no metric 'exactmatch'. Did you mean 'exact_match'"
    ):
        result_of({"metric": "exactmatch >= .8"}, now)
    with pytest.raises(InputError) as error:
        result_of({"metric": "zzz >= .8"}, now)
    assert str(error.value).endswith("Known: acc, exact_match.")


def test_a_threshold_that_no_share_can_reach_is_refused() -> None:
    with pytest.raises(InputError, match=r"exact_match lies from 0 to 1; write 80% or 0.8"):
        result_of({"metric": "exact_match >= 80"}, scored(ones(1, 1)))


def test_a_gate_looks_at_its_skill_and_task_alone() -> None:
    now = answers(
        [answer(number, 0.0, skill="first") for number in range(30)]
        + [answer(number, 1.0, skill="second", task="numbers") for number in range(30, 60)]
    )
    assert result_of({"metric": "acc >= 80%", "skill": "second"}, now).state == "pass"
    assert result_of({"metric": "acc >= 80%", "task": "letters"}, now).state == "fail"
    with pytest.raises(InputError, match=r"now has no answer of skill 'secnd'. Did you mean 'second'"):
        result_of({"metric": "acc >= 80%", "skill": "secnd"}, now)


def test_guards_are_no_items_of_the_domain() -> None:
    guards = [answer(number, 0.0, role="guard") for number in range(30)]
    assert result_of({"metric": "acc >= 80%"}, answers([*guards, *(answer(n) for n in range(40, 80))])).state == "pass"
    assert result_of({"metric": "acc >= 80%"}, answers(guards)).state == "unknown"


def test_a_failing_gate_shows_what_the_baseline_had_right_first() -> None:
    baseline = scored([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0], "before")
    found = result_of(AT_LEAST, scored([0.0] * 8), baseline)
    assert [each.item for each in found.broken] == [item_id(number) for number in (6, 7, 0, 1, 2)]
    assert (found.broken[0].before, found.broken[0].after) == ("a", "b")
    assert result_of(AT_LEAST, scored(ones(99, 1))).broken == ()


def categorised(shown: int, n: int, **fields: Any) -> list[Any]:
    return [
        answer(number, 0.0, primary="missed_refusal", categories=("missed_refusal",), **fields)
        if number < shown
        else answer(number, **fields)
        for number in range(n)
    ]


def test_a_category_is_a_share_of_answers() -> None:
    assert result_of({"category": {"missed refusal": "<= 2%"}}, answers(categorised(0, 200))).state == "pass"
    found = result_of({"category": {"missed refusal": "<= 2%"}}, answers(categorised(2, 100)))
    assert (found.state, found.value) == ("uncertain", 0.02)
    found = result_of({"category": {"missed refusal": "<= 2%"}}, answers(categorised(20, 100)))
    assert (found.state, len(found.broken), found.broken[0].category) == ("fail", 5, "missed_refusal")


def test_none_at_all_is_asked_of_these_items_alone() -> None:
    assert result_of({"category": {"missed_refusal": "<= 0%"}}, answers(categorised(0, 9))).state == "pass"
    assert result_of({"category": {"missed_refusal": "<= 0%"}}, answers(categorised(1, 9))).state == "fail"


def test_a_category_that_a_right_answer_shows_counts() -> None:
    now = answers([answer(number, categories=("too_long",)) for number in range(9)])
    assert result_of({"category": {"too_long": "<= 10%"}}, now).state == "fail"


def test_only_items_that_could_be_judged_count() -> None:
    elsewhere = [answer(100 + n, skill="other", not_assessed=("missed_refusal",)) for n in range(50)]
    here = [*categorised(5, 20), *(answer(200 + n, not_assessed=("missed_refusal",)) for n in range(3))]
    found = result_of({"category": {"missed refusal": "<= 50%"}}, answers([*elsewhere, *here]))
    assert (found.n, found.value) == (20, 0.25)
    assert found.notes == ("left out: 3 items that of these skills could not be judged for missed_refusal",)


def test_a_category_of_multiple_choice_counts_choices_alone() -> None:
    now = answers(
        [answer(number, 0.0, categories=("near_miss",), metrics={"choice_picked": 1.0}) for number in range(5)]
        + [answer(number) for number in range(5, 50)],
        identity=Identity(classifiers={"near_miss": "1"}),
    )
    assert result_of({"category": {"near_miss": "<= 50%"}}, now).value == 1.0


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (answers([answer(0, not_assessed=("missed_refusal",))]), "missed_refusal could not be judged in any of 1"),
        (answers([answer(0)], classified=False), "are not classified"),
        (answers([answer(0)], identity=Identity(classifiers={"empty": "1"})), "'missed_refusal' has not looked"),
        (answers([answer(0, role="guard")]), "no answers to the domain's own items"),
    ],
)
def test_a_category_that_nobody_could_judge_never_passes(now: Any, says: str) -> None:
    found = result_of({"category": {"missed_refusal": "<= 50%"}, "on_uncertain": "pass"}, now)
    assert (found.state, found.passed) == ("unknown", False)
    assert says in found.message


def test_an_unknown_category_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"unknown category 'mised_refusal'. Did you mean 'missed_refusal'"):
        result_of({"category": {"mised refusal": "<= 2%"}}, answers([answer(0)]))


def test_a_category_of_ones_own_is_known_where_it_was_looked_for() -> None:
    gate = {"category": {"shouting": "<= 50%"}}
    looked = answers([answer(n) for n in range(9)], identity=Identity(classifiers={"shouting": "1"}))
    assert result_of(gate, looked, categories={"shouting": "shouting"}).state == "pass"
    not_looked = answers([answer(n) for n in range(9)], identity=IDENTITY)
    assert result_of(gate, not_looked, categories={"shouting": "shouting"}).state == "unknown"


def test_latency_is_wall_seconds_a_response() -> None:
    now = answers([answer(number) for number in range(10)], seconds=15.0)
    found = result_of({"latency": "<= 2 s"}, now)
    assert (found.state, found.value, found.unit, found.n) == ("pass", 1.5, "s", 10)
    assert result_of({"latency": "<= 1400 ms"}, now).state == "fail"


def test_latency_of_kept_answers_is_unknown() -> None:
    found = result_of({"latency": "<= 2 s"}, scored(ones(3, 0)))
    assert (found.state, found.passed) == ("unknown", False)


def lengths(values: list[int | None], **fields: Any) -> Any:
    return answers([answer(number, new_tokens=value, **fields) for number, value in enumerate(values)])


def test_length_is_the_mean_of_new_tokens() -> None:
    found = result_of({"length": "<= 60 tokens"}, lengths([50, 54] * 20))
    assert (found.state, found.value, found.unit) == ("pass", 52.0, "tokens")
    assert result_of({"length": "<= 52 tokens"}, lengths([50, 54] * 20)).state == "uncertain"
    found = result_of({"length": "<= 40 tokens"}, lengths([50, 54] * 20))
    assert (found.state, found.broken[0].item) == ("fail", item_id(1))


def test_answers_that_were_chosen_or_not_counted_have_no_length() -> None:
    found = result_of({"length": "<= 60"}, lengths([50, 51, 52, 0, None]))
    assert (found.n, found.notes) == (3, ("left out: 2 items that have no length",))
    assert result_of({"length": "<= 60"}, lengths([0, None])).state == "unknown"


def test_a_percentile_holds_where_few_answers_are_longer() -> None:
    gate = {"length": "p95 <= 100 tokens"}
    found = result_of(gate, lengths([10] * 199 + [400]))
    assert (found.state, found.value) == ("pass", 10.0)
    found = result_of(gate, lengths([10] * 95 + [400] * 5))
    assert (found.state, found.value, found.high) == ("uncertain", 10.0, 400.0)
    assert result_of(gate, lengths([10] * 80 + [400] * 20)).state == "fail"


def test_a_percentile_of_few_answers_has_no_upper_bound() -> None:
    found = result_of({"length": "p95 <= 100 tokens"}, lengths([10] * 20))
    assert (found.state, found.high) == ("uncertain", None)


def test_known_failures_do_not_soften_a_threshold() -> None:
    from datetime import date

    known = [KnownFailure(item_id(number), "known", date(2030, 1, 1)) for number in range(60, 100)]
    assert result_of(AT_LEAST, scored(ones(60, 40)), known=known).state == "fail"
