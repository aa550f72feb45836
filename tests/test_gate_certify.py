"""The two tiers: who is anchor and head, when the gate items are asked, what a look and harm change."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.diagnosis import Cell
from harness.exceptions import InputError
from harness.gate.alpha import LOOKS, Look, next_alpha
from harness.gate.certify import (
    LookEvidence,
    LookRequest,
    Tiers,
    certify,
    rollback,
    rolled_back,
    wants_look,
)
from harness.gate.guards import GuardFinding, guard_finding
from harness.gate.mcnemar import midp
from harness.gate.verdict import Paired, Verdict


def changed(fixed: int, broken: int, n: int = 300, **given: Any) -> Paired:
    found = Paired(n, fixed, broken, (fixed - broken) / n, (-0.1, 0.1), midp(fixed, broken), midp(broken, fixed))
    return replace(found, **given)


def spent(*verdicts: bool | None) -> tuple[Look, ...]:
    looks: tuple[Look, ...] = ()
    for verdict in verdicts:
        alpha = next_alpha(looks)
        assert alpha is not None
        looks = (*looks, Look(alpha, verdict))
    return looks


HARMLESS, HARMFUL = guard_finding(changed(10, 12, 500)), guard_finding(changed(2, 30, 500), "general")


@pytest.mark.parametrize(
    ("evidence", "alpha", "rule", "reason"),
    [
        (
            LookEvidence(changed(20, 8), ()),
            0.00625,
            "look",
            "look 1 of 8 at alpha 0.00625; dev against the last certified model: mid-p .012 < .1",
        ),
        (LookEvidence(changed(20, 8), spent(False, None, True), [HARMLESS]), 0.0125, "look", "look 4 of 8 at"),
        (LookEvidence(changed(20, 8), (), promoted=False), None, "not-promoted", "no look: the candidate"),
        (
            LookEvidence(changed(12, 9), ()),
            None,
            "dev",
            "no look: dev against the last certified model: mid-p .262, not below .1",
        ),
        (
            LookEvidence(changed(20, 8), spent(*[None] * LOOKS)),
            None,
            "spent",
            "no look: all 8 at these gate items are spent, so later champions stay provisional; "
            "'harness data extend FILE' adds validation items, and with them looks",
        ),
        (LookEvidence(changed(20, 8), (), [HARMLESS, HARMFUL]), None, "guard", "no look: -5.6 points on 500 general"),
    ],
)  # fmt: skip
def test_a_look_is_asked_for_only_where_all_conditions_hold(
    evidence: LookEvidence, alpha: float | None, rule: str, reason: str
) -> None:
    request = wants_look(evidence)
    assert (request.alpha, request.rule) == (pytest.approx(alpha) if alpha else None, rule)
    assert request.reason.startswith(reason)


def test_where_items_are_clustered_the_cluster_test_decides_and_not_mcnemars() -> None:
    clustered = changed(30, 5, sign_flip=0.2, sign_flip_worse=0.8)
    assert clustered.midp < 1e-4
    assert wants_look(LookEvidence(clustered, ())).rule == "dev"
    assert "sign-flip p .200" in wants_look(LookEvidence(clustered, ())).reason
    assert not certify(clustered, 0.05)
    assert rollback(changed(5, 30, sign_flip=0.8, sign_flip_worse=0.2)) is None
    assert rollback(changed(9, 9, sign_flip=0.99, sign_flip_worse=0.01)) is not None


def test_looks_that_the_rule_does_not_give_are_refused() -> None:
    with pytest.raises(InputError, match=r"look 1 was debited at 0\.05"):
        wants_look(LookEvidence(changed(20, 8), (Look(0.05, False),)))


def test_a_certificate_needs_a_p_below_the_debited_level_and_no_confirmed_harm() -> None:
    gate = changed(20, 5)
    assert certify(gate, gate.midp * 1.01)
    assert not certify(gate, gate.midp)
    assert not certify(gate, 0.05, [Cell("routing", "any")])


def test_a_look_is_one_bit() -> None:
    assert certify(changed(20, 5), 0.05) is True
    assert certify(changed(5, 5), 0.05) is False
    assert {field.name for field in fields(Look)} == {"alpha", "certified"}


@pytest.mark.parametrize("fixed", [0, 10, 60])
def test_gate_never_drives_a_rollback(fixed: int) -> None:
    """`rollback` takes dev and guards alone; a look that fails leaves head and anchor where they were."""
    tiers = Tiers(anchor=2, head=5)
    bit = certify(changed(fixed, 60), 0.00625)
    assert tiers.looked(bit) == tiers


@pytest.mark.parametrize(
    ("dev", "guards", "reason"),
    [
        (changed(10, 12), None, None),
        (changed(10, 12), {"guard": changed(5, 9)}, None),
        (changed(10, 22), {}, "dev shows harm against the last certified model: -4.0 points, mid-p .018 < .05"),
        (
            changed(30, 2),
            {"means": changed(1, 9, 400)},
            "means shows harm against the last certified model: -2.0 points",
        ),
    ],
)
def test_harm_against_the_anchor_rolls_back(dev: Paired, guards: dict[str, Paired] | None, reason: str | None) -> None:
    found = rollback(dev, guards)
    assert (found or "").startswith(reason or "")
    assert (found is None) == (reason is None)


def test_a_rolled_back_round_says_what_it_had_gained_and_why_it_went() -> None:
    promoted = Verdict("promote", "midp", "fixed 9, broke 5 of 300", changed(9, 5))
    verdict = rolled_back(promoted, "guard shows harm")
    assert (verdict.decision, verdict.rule) == ("rollback", "harm")
    assert verdict.reason == "fixed 9, broke 5 of 300; then guard shows harm"
    assert verdict.dev == promoted.dev


def test_the_tiers_of_a_run() -> None:
    tiers = Tiers()
    assert not tiers.provisional
    tiers = tiers.promoted(1)
    assert (tiers, tiers.provisional) == (Tiers(0, 1), True)
    tiers = tiers.looked(None)  # the process died between debit and verdict
    assert tiers == Tiers(0, 1)
    tiers = tiers.promoted(3).looked(True)
    assert (tiers, tiers.provisional) == (Tiers(3, 3), False)
    assert tiers.promoted(4).rolled_back() == Tiers(3, 3)


EVENTS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.booleans()),
    max_size=25,
)


@given(EVENTS)
def test_whatever_comes_looks_are_limited_and_only_a_look_moves_the_anchor(
    events: list[tuple[int, int, int, int, bool]],
) -> None:
    tiers, looks = Tiers(), ()
    for number, (fixed, broken, gate_fixed, gate_broken, dies) in enumerate(events, start=1):
        before = tiers
        tiers = tiers.promoted(number)
        dev = changed(fixed, broken)
        request: LookRequest = wants_look(LookEvidence(dev, looks))
        bit = None
        if request.alpha is not None:
            assert dev.midp < 0.10
            bit = None if dies else certify(changed(gate_fixed, gate_broken), request.alpha)
            looks = (*looks, Look(request.alpha, bit))
            tiers = tiers.looked(bit)
        if tiers.provisional and rollback(dev) is not None:
            tiers = tiers.rolled_back()
        assert (tiers.anchor == number) == bool(bit)
        assert bit or tiers.anchor == before.anchor
        assert tiers.head in (number, tiers.anchor)
    assert len(looks) <= LOOKS


def test_guard_findings_of_harm_name_what_they_saw() -> None:
    assert isinstance(HARMFUL, GuardFinding)
    assert HARMFUL.blocks
    assert not HARMLESS.blocks
