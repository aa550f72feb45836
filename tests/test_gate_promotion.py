"""The promotion tier as a table of cases, and as a total function."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.gate.mcnemar import midp
from harness.gate.promotion import (
    FEW_CHANGED,
    LOGLIKELIHOOD_ALPHA,
    PROMOTE_MIDP,
    PromotionEvidence,
    decide,
    needs_loglikelihood,
)
from harness.gate.verdict import FutilityStop, Paired


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


PAIRED = st.builds(changed, st.integers(0, 60), st.integers(0, 60))
EVIDENCE = st.builds(
    PromotionEvidence,
    overlaps=st.integers(0, 3),
    finite_weights=st.booleans(),
    same_environment=st.booleans(),
    dev=st.none() | PAIRED,
    loglikelihood_p=st.none() | st.floats(0, 1),
    crashed=st.none() | st.text(max_size=20),
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


@settings(deadline=None)
@given(st.integers(0, 80), st.integers(0, 80))
def test_one_more_fixed_item_never_turns_promotion_into_rejection(fixed: int, broken: int) -> None:
    if decide(evidence(dev=changed(fixed, broken))).decision == "promote":
        assert decide(evidence(dev=changed(fixed + 1, broken))).decision == "promote"
