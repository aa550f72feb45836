"""The promotion tier as a table of cases, and as a total function."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.exceptions import InputError
from harness.gate.degenerate import Degenerate
from harness.gate.mcnemar import midp
from harness.gate.promotion import (
    FEW_CHANGED,
    LOGLIKELIHOOD_ALPHA,
    PROMOTE_MIDP,
    PromotionEvidence,
    broken_pins,
    decide,
    needs_loglikelihood,
)
from harness.gate.verdict import FutilityStop, Paired, Verdict


def changed(fixed: int, broken: int, n: int = 300) -> Paired:
    return Paired(n, fixed, broken, (fixed - broken) / n, (-0.1, 0.1), midp(fixed, broken), midp(broken, fixed))


def evidence(**given: Any) -> PromotionEvidence:
    return PromotionEvidence(**({"overlaps": 0, "finite_weights": True, "same_environment": True} | given))


@pytest.mark.parametrize(
    ("found", "decision", "rule", "reason"),
    [
        (evidence(dev=changed(23, 11)), "promote", "midp", "fixed 23, broke 11 of 300: mid-p .020 < .35"),
        (evidence(dev=changed(18, 26, 160)), "reject", "midp", "fixed 18, broke 26 of 160: mid-p .884, not below .35"),
        (evidence(dev=changed(60, 2)), "promote", "midp", "fixed 60, broke 2 of 300: mid-p 2.2e-16 < .35"),
        (
            evidence(dev=changed(0, 0), loglikelihood_p=0.0001),
            "promote",
            "loglikelihood",
            "fixed 0, broke 0 of 300: mid-p .500, not below .35; fewer than 10 items changed, "
            "log-likelihood of the gold answers p 1.0e-04 < .05",
        ),
        (
            evidence(dev=changed(2, 3), loglikelihood_p=0.2),
            "reject",
            "loglikelihood",
            "fixed 2, broke 3 of 300: mid-p .656, not below .35; fewer than 10 items changed, "
            "log-likelihood of the gold answers p .200, not below .05",
        ),
        (evidence(dev=changed(2, 3)), "reject", "midp", "fixed 2, broke 3 of 300: mid-p .656, not below .35"),
        (evidence(overlaps=1), "invalid", "overlap", "1 training row overlaps dev, gate, test or guard items"),
        (evidence(overlaps=3), "invalid", "overlap", "3 training rows overlap dev, gate, test or guard items"),
        (evidence(crashed="loss became NaN at step 7"), "crash", "crash", "loss became NaN at step 7"),
        (
            evidence(futility=FutilityStop(100, 301, 34.21, -0.09)),
            "reject",
            "futility",
            "stopped after 100 of 301 dev items, 9.0 points worse on them: evidence 34.2 (stops at 20) "
            "against a gain of 3 points",
        ),
        (
            evidence(futility=FutilityStop(200, 301, 21345.0, 0.0)),
            "reject",
            "futility",
            "stopped after 200 of 301 dev items, no better on them: evidence 2.1e+04 (stops at 20) "
            "against a gain of 3 points",
        ),
        (evidence(), "crash", "crash", "the candidate was not evaluated on dev"),
    ],
)
def test_cases(found: PromotionEvidence, decision: str, rule: str, reason: str) -> None:
    verdict = decide(found)
    assert (verdict.decision, verdict.rule, verdict.reason) == (decision, rule, reason)


def test_a_clear_gain_does_not_outweigh_an_invalid_round() -> None:
    gain = changed(50, 0)
    assert decide(evidence(dev=gain, overlaps=1)).decision == "invalid"
    assert decide(evidence(dev=gain, finite_weights=False)).rule == "non-finite"
    assert decide(evidence(dev=gain, same_environment=False)).rule == "environment"
    assert decide(evidence(dev=gain, crashed="out of memory")).decision == "crash"


def test_an_evaluation_that_was_broken_off_is_judged_on_no_whole_comparison() -> None:
    stop = FutilityStop(100, 300, 25.0, -0.1)
    verdict = decide(evidence(futility=stop))
    assert (verdict.dev, verdict.futility) == (None, stop)
    assert verdict.as_dict()["futility"] == {"asked": 100, "of": 300, "e": 25.0, "delta": -0.1}
    assert decide(evidence(futility=stop, overlaps=1)).decision == "invalid"
    assert decide(evidence(futility=stop, same_environment=False)).rule == "environment"


def test_loglikelihood_is_not_heard_when_enough_items_changed() -> None:
    dev = changed(4, 6)
    assert dev.fixed + dev.broken == FEW_CHANGED
    assert not needs_loglikelihood(dev)
    assert decide(evidence(dev=dev, loglikelihood_p=0.0)).decision == "reject"
    assert decide(evidence(dev=changed(4, 5), loglikelihood_p=0.0)).decision == "promote"


def test_loglikelihood_is_not_needed_when_the_midp_promotes() -> None:
    assert not needs_loglikelihood(changed(3, 0))
    assert needs_loglikelihood(changed(1, 1))


def test_thresholds_are_strict() -> None:
    at_limit = Paired(100, 30, 25, 0.05, (0.0, 0.1), PROMOTE_MIDP, 1 - PROMOTE_MIDP)
    assert decide(evidence(dev=at_limit)).decision == "reject"
    assert decide(evidence(dev=changed(0, 0), loglikelihood_p=LOGLIKELIHOOD_ALPHA)).decision == "reject"


def test_reason_never_rounds_a_p_to_the_wrong_side() -> None:
    just_below = Paired(100, 30, 25, 0.05, (0.0, 0.1), 0.34999, 0.65001)
    assert decide(evidence(dev=just_below)).reason.endswith("mid-p .34999 < .35")


def one_label(blocks: bool) -> Degenerate:
    return Degenerate("routing", "constant", "safety", 60, 1.0, 0.2, 0.08, 3.0, blocks)


SAME = "always answers 'safety' in routing: 100% of 60 answers (before 20%, golds 8%)"


@pytest.mark.parametrize(
    ("found", "decision", "rule", "reason"),
    [
        (evidence(dev=changed(50, 2), broken_pins=("ab12",)), "reject", "must-pass", "broke 1 must-pass item: ab12"),
        (evidence(dev=changed(50, 2), broken_pins=("a", "b")), "reject", "must-pass", "broke 2 must-pass items: a, b"),
        (evidence(dev=changed(50, 2), degenerate=(one_label(True),)), "reject", "degenerate", SAME),
        (
            evidence(dev=changed(50, 2), degenerate=(one_label(False),), rest=changed(20, 2, 240)),
            "promote",
            "midp",
            f"fixed 50, broke 2 of 300: mid-p 1.6e-13 < .35; {SAME}; "
            "on the other skills fixed 20, broke 2 of 240: mid-p 3.3e-05 < .35",
        ),
        (
            evidence(dev=changed(50, 2), degenerate=(one_label(False),), rest=changed(12, 14, 240)),
            "reject",
            "degenerate",
            f"fixed 50, broke 2 of 300: mid-p 1.6e-13 < .35; {SAME}; "
            "on the other skills fixed 12, broke 14 of 240: mid-p .649, not below .35",
        ),
        (evidence(dev=changed(50, 2), degenerate=(one_label(False),)), "reject", "degenerate", SAME),
        (
            evidence(dev=changed(5, 20), degenerate=(one_label(False),), rest=changed(20, 2, 240)),
            "reject",
            "midp",
            "fixed 5, broke 20 of 300: mid-p .999, not below .35",
        ),
        (
            evidence(dev=changed(50, 2), lost_skills=("grounded", "tools")),
            "reject",
            "lost-skill",
            "worse in grounded, tools (dev, Holm over all skills at .05)",
        ),
    ],
)
def test_what_no_gain_outweighs(found: PromotionEvidence, decision: str, rule: str, reason: str) -> None:
    verdict = decide(found)
    assert (verdict.decision, verdict.rule, verdict.reason) == (decision, rule, reason)
    assert verdict.dev == found.dev


def test_of_many_broken_must_pass_items_twenty_are_named() -> None:
    reason = decide(evidence(dev=changed(50, 30), broken_pins=tuple(f"i{k:02}" for k in range(30)))).reason
    assert reason.startswith("broke 30 must-pass items: i00, i01, ")
    assert reason.endswith("i19, ...")


def test_a_must_pass_item_is_broken_by_losing_it_not_by_never_having_had_it() -> None:
    before = {"a": 1.0, "b": 0.0, "c": 1.0, "d": 1.0, "e": 0.9}
    after = {"a": 0.9, "b": 0.0, "c": 1.0, "d": 0.0, "e": 0.0}
    assert broken_pins(before, after, ["e", "c", "b", "a"]) == ("a",)
    assert broken_pins(before, after, before) == ("a", "d")
    assert broken_pins(before, after, []) == ()


def test_must_pass_items_that_were_not_asked_are_named() -> None:
    with pytest.raises(InputError, match=r"2 of 3 are not among the dev items \(x, y\); pin items of dev"):
        broken_pins({"a": 1.0, "x": 1.0}, {"a": 1.0, "y": 1.0}, ["a", "x", "y"])


def test_loglikelihood_is_asked_for_too_where_the_other_skills_alone_cannot_tell() -> None:
    assert needs_loglikelihood(changed(30, 2), changed(1, 1))
    assert not needs_loglikelihood(changed(30, 2), changed(20, 2))
    found = evidence(dev=changed(30, 2), degenerate=(one_label(False),), rest=changed(1, 1), loglikelihood_p=0.001)
    assert decide(found).decision == "promote"


def test_a_verdict_is_read_back_as_it_was_written() -> None:
    verdict = decide(evidence(dev=changed(23, 11)))
    assert Verdict.from_dict(json.loads(json.dumps(verdict.as_dict()))) == verdict
    stopped = decide(evidence(futility=FutilityStop(100, 300, 25.0, -0.1)))
    assert Verdict.from_dict(json.loads(json.dumps(stopped.as_dict()))) == stopped


def test_a_verdict_of_an_earlier_version_is_read() -> None:
    old = {
        "decision": "promote", "rule": "midp", "reason": "fixed 23, broke 11 of 300: mid-p .020 < .35",
        "dev": {"n": 300, "fixed": 23, "broken": 11, "delta": 0.04, "ci95": [0.0, 0.08],
                "midp": 0.02, "midp_worse": 0.98},
        "loglikelihood_p": None, "certified": None, "and": "a key of a later one",
    }  # fmt: skip
    verdict = Verdict.from_dict(old)
    assert verdict.dev == Paired(300, 23, 11, 0.04, (0.0, 0.08), 0.02, 0.98)
    assert (verdict.dev.p, verdict.dev.p_worse, verdict.dev.mde) == (0.02, 0.98, None)
    assert (verdict.decision, verdict.certified, verdict.futility) == ("promote", None, None)
    assert Verdict.from_dict({"decision": "crash", "rule": "crash", "reason": "out of memory"}).dev is None


PAIRED = st.builds(changed, st.integers(0, 60), st.integers(0, 60))
EVIDENCE = st.builds(
    PromotionEvidence,
    overlaps=st.integers(0, 3),
    finite_weights=st.booleans(),
    same_environment=st.booleans(),
    dev=st.none() | PAIRED,
    loglikelihood_p=st.none() | st.floats(0, 1),
    crashed=st.none() | st.text(max_size=20),
    broken_pins=st.sampled_from([(), ("a",)]),
    degenerate=st.sampled_from([(), (one_label(False),), (one_label(True),)]),
    rest=st.none() | PAIRED,
    lost_skills=st.sampled_from([(), ("routing",)]),
)


@settings(deadline=None)
@given(EVIDENCE)
def test_every_evidence_has_one_verdict_and_only_sound_rounds_promote(found: PromotionEvidence) -> None:
    verdict = decide(found)
    assert verdict == decide(found)
    assert verdict.decision in {"promote", "reject", "invalid", "crash"}
    assert verdict.certified is None
    assert verdict.reason
    if verdict.decision == "promote":
        assert found.overlaps == 0
        assert found.finite_weights
        assert found.same_environment
        assert found.crashed is None
        assert found.dev is not None
        assert not found.broken_pins
        assert not found.lost_skills
        assert not any(each.blocks for each in found.degenerate)


@settings(deadline=None)
@given(st.integers(0, 80), st.integers(0, 80))
def test_one_more_fixed_item_never_turns_promotion_into_rejection(fixed: int, broken: int) -> None:
    if decide(evidence(dev=changed(fixed, broken))).decision == "promote":
        assert decide(evidence(dev=changed(fixed + 1, broken))).decision == "promote"
