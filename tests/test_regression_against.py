"""Items that must pass, the comparison with a baseline, guards, and known failures."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from gate_answers import IDENTITY, TODAY, answer, answers, item_id, ones, result_of, scored

from harness.exceptions import InputError
from harness.regression.declare import Declared, KnownFailure, gate_of
from harness.regression.judge import judge
from harness.regression.results import exit_code

GATE: dict[str, Any] = {"no_regression": {"against": "baseline", "alpha": 0.05, "margin": 0.02}}
BEFORE = scored(ones(150, 50), "before")


def changed(broken: int, fixed: int = 0) -> Any:
    """`BEFORE` with the first right ones broken and the last wrong ones fixed."""
    return scored([0.0] * broken + [1.0] * (150 - broken) + [0.0] * (50 - fixed) + [1.0] * fixed)


def test_a_model_that_gives_the_same_answers_passes_with_few_items_too() -> None:
    found = result_of(GATE, scored(ones(3, 2)), scored(ones(3, 2), "before"))
    assert (found.state, found.value, found.n) == ("pass", 0.0, 5)
    assert found.message == "all 5 answers to items are the baseline's"


def test_the_same_scores_by_other_answers_are_no_proof_with_few_items() -> None:
    now = scored(ones(30, 20), response="in other words")
    found = result_of(GATE, now, scored(ones(30, 20), "before"))
    assert (found.state, found.passed) == ("uncertain", True)
    assert "a drop of up to 5.1 points cannot be excluded" in found.message
    assert result_of({**GATE, "on_uncertain": "fail"}, now, scored(ones(30, 20), "before")).passed is False


def test_a_confirmed_drop_above_the_margin_fails_and_shows_what_broke() -> None:
    found = result_of(GATE, changed(broken=12, fixed=2), BEFORE)
    assert (found.state, found.passed, found.value) == ("fail", False, -0.05)
    assert found.message.startswith("-5.0 points on 200 items (2 fixed, 12 broken): worse by more than 2 points, mid-p")
    assert [each.item for each in found.broken] == [item_id(number) for number in range(5)]
    assert (found.broken[0].before, found.broken[0].after) == ("a", "b")
    assert (found.threshold, found.unit, found.n) == (-0.02, "difference", 200)


def test_a_drop_that_may_be_chance_is_too_close_to_call() -> None:
    found = result_of(GATE, changed(broken=12, fixed=8), BEFORE)
    assert (found.state, found.passed) == ("uncertain", True)
    assert found.broken


def test_a_confirmed_drop_within_the_margin_does_not_fail() -> None:
    found = result_of({"no_regression": {"margin": 0.08}}, changed(broken=6), BEFORE)
    assert found.state == "pass"
    assert "a drop above 8 points is excluded with 95% confidence" in found.message


def test_a_gain_passes() -> None:
    assert result_of(GATE, changed(broken=0, fixed=10), BEFORE).state == "pass"


def test_a_broken_passage_is_one_observation() -> None:
    def of(correct: list[float], source: str) -> Any:
        return answers([answer(n, value, cluster=str(n // 12)) for n, value in enumerate(correct)], source)

    before, now = of([1.0] * 120, "before"), of([0.0] * 12 + [1.0] * 108, "now")
    assert result_of(GATE, now, before).state == "uncertain"
    assert result_of(GATE, scored([0.0] * 12 + [1.0] * 108), scored([1.0] * 120, "before")).state == "fail"


def test_clusters_are_those_of_the_present_answers() -> None:
    before = answers([answer(n, 1.0, cluster="other") for n in range(50)], "before")
    assert result_of(GATE, scored([0.0] * 20 + [1.0] * 30), before).state == "fail"


def test_a_skill_is_compared_by_itself() -> None:
    now = [answer(n, 0.0 if n < 10 else 1.0, skill="routing" if n < 20 else "other") for n in range(200)]
    before = [replace(each, correct=1.0, response="a") for each in now]
    found = result_of({**GATE, "skill": "routing"}, answers(now), answers(before, "before"))
    assert (found.state, found.n, found.name) == ("fail", 20, "no_regression routing")
    found = result_of(GATE, answers(now), answers(before, "before"))
    assert found.notes == ("most was lost in routing (10 items)",)


def test_without_a_baseline_the_gate_is_unknown_and_names_the_flags() -> None:
    found = result_of({**GATE, "on_uncertain": "pass"}, BEFORE)
    assert (found.state, found.passed) == ("unknown", False)
    assert "--harness-update-baseline" in found.message
    assert "harness gate --update-baseline" in found.message
    assert result_of(GATE, BEFORE, why_not="it is corrupt").message == "it is corrupt"


def test_a_baseline_of_other_items_is_named_and_other_gates_are_judged() -> None:
    declared = Declared((gate_of(GATE), gate_of({"metric": "acc >= 50%"})))
    found = judge(declared, BEFORE, scored(ones(100, 50), "old.json"), TODAY)
    assert [result.state for result in found] == ["unknown", "pass"]
    assert "old.json: no baseline for before: of 200, 50 items are new" in found[0].message
    assert exit_code(found) == 1


def test_library_versions_that_changed_are_a_note() -> None:
    after = replace(BEFORE, identity=replace(IDENTITY, environment={"torch": "2.7"}))
    assert result_of(GATE, after, BEFORE).notes == ("since the baseline: torch was 2.6 and is 2.7",)


def test_a_guard_is_the_same_on_the_guards_answers() -> None:
    gate = {"guard": "within 3 points"}
    domain = [answer(n) for n in range(10)]
    before = [answer(100 + n, role="guard") for n in range(200)]
    now = [answer(100 + n, 0.0 if n < 20 else 1.0, role="guard") for n in range(200)]
    found = result_of(gate, answers([*domain, *now]), answers([*domain, *before], "before"))
    assert (found.state, found.n, found.value) == ("fail", 200, -0.1)
    assert result_of(gate, answers(domain), answers([*domain, *before])).state == "unknown"
    lacking = result_of(gate, answers([*domain, *now]), answers(domain, "before"))
    assert (lacking.state, lacking.passed) == ("unknown", False)
    assert "--harness-update-baseline" in lacking.message


def test_every_listed_item_must_be_right() -> None:
    now = scored([1.0, 0.0, 0.5])
    found = result_of({"must_pass": [item_id(0), item_id(1), item_id(2)]}, now)
    assert (found.state, found.value, found.threshold, found.unit) == ("fail", 1.0, 3.0, "items")
    assert {each.item for each in found.broken} == {item_id(1), item_id(2)}
    assert result_of({"must_pass": [item_id(0)]}, now).state == "pass"


def test_an_item_that_was_not_asked_never_passes() -> None:
    found = result_of({"must_pass": [item_id(0), item_id(99)], "on_uncertain": "pass"}, scored([1.0]))
    assert (found.state, found.passed) == ("unknown", False)
    assert item_id(99) in found.message


def known(*numbers: int, until: date = TODAY) -> list[KnownFailure]:
    return [KnownFailure(item_id(n), "the gold is wrong", until, "harness.yaml:9") for n in numbers]


def test_known_failures_are_left_out_of_must_pass_until_their_day_is_over() -> None:
    now = scored([1.0, 0.0])
    gate = {"must_pass": [item_id(0), item_id(1)]}
    found = result_of(gate, now, known=known(1))
    assert found.state == "pass"
    assert found.notes == (f"left out as known failures: 1 item ({item_id(1)})",)
    late = result_of(gate, now, known=known(1, until=date(2027, 2, 28)))
    assert late.state == "fail"
    assert "has expired on 2027-02-28: it counts again" in late.notes[0]


def test_only_known_failures_are_no_pass() -> None:
    assert result_of({"must_pass": [item_id(1)]}, scored([1.0, 0.0]), known=known(1)).state == "unknown"


def test_known_failures_are_left_out_of_the_comparison() -> None:
    found = result_of(GATE, changed(broken=12), BEFORE, known=known(*range(12)))
    assert (found.state, found.n) == ("pass", 188)


def test_a_known_failure_that_is_right_or_gone_is_reported_once() -> None:
    gates = (gate_of({"metric": "acc >= 10%"}), gate_of(GATE), gate_of({"must_pass": [item_id(0)]}))
    found = judge(Declared(gates, tuple(known(1, 999))), scored([1.0, 1.0]), scored([1.0, 1.0], "before"), TODAY)
    assert [len(result.notes) for result in found] == [0, 3, 0]
    assert f"known failure {item_id(1)} (the gold is wrong) is right now; take it off" in found[1].notes[1]
    assert "is not among the 2 items of now: nothing uses it in harness.yaml:9" in found[1].notes[2]


def test_with_a_limit_nobody_knows_whether_a_known_failure_is_used() -> None:
    limited = replace(scored([1.0]), identity=replace(IDENTITY, settings={"limit": 1}))
    assert result_of({"metric": "acc >= 1"}, limited, known=known(999)).notes == ()


def test_empty_answers_may_be_the_baselines_too() -> None:
    some = [answer(0), answer(1, 0.0, response="")]
    assert result_of(GATE, answers(some), answers(some, "before")).state == "pass"
    counted = [answer(0, response=""), answer(1, 0.0, response="")]
    assert result_of(GATE, answers(counted), answers(counted, "before")).state == "pass"
    unknown = [replace(each, new_tokens=None) for each in counted]
    assert result_of(GATE, answers(unknown), answers(unknown, "before")).state == "uncertain"


def test_results_come_in_the_order_of_the_gates_and_survive_json() -> None:
    import json

    from harness.regression.results import GateResult

    gates = (gate_of(GATE), gate_of({"metric": "acc >= 99%"}), gate_of({"latency": "<= 1"}))
    found = judge(Declared(gates), changed(broken=12), BEFORE, TODAY)
    assert [result.name for result in found] == [gate.name for gate in gates]
    again = [GateResult.from_dict(json.loads(json.dumps(result.as_dict(), allow_nan=False))) for result in found]
    assert again == found


def test_a_gate_names_its_line_when_it_cannot_be_judged() -> None:
    gate = gate_of({"no_regression": None, "skill": "rooting"}, "harness.yaml:4")
    with pytest.raises(InputError, match=r"^harness.yaml:4: 'no_regression rooting': before has no answer of skill"):
        judge(Declared((gate,)), BEFORE, BEFORE, TODAY)
