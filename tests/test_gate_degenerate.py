"""Answers that are no answers: empty, one redirection, one label. And what must not be taken for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from harness.evaluation.items import ItemResult
from harness.gate.degenerate import FEWEST, Degenerate, degenerate
from harness.gate.pairing import compare
from harness.gate.promotion import PromotionEvidence, decide

SENTENCE = "I can only help with kettles."
LABELS = [f"queue-{k}" for k in range(12)]


def results(skill: str, targets: Sequence[str], responses: Sequence[str], **expects: Any) -> list[ItemResult]:
    return [
        ItemResult(f"{skill}{k}", "t", skill, f"c{k}", {"expects": expects}, "?", target, response,
                   correct=float(response == target))
        for k, (target, response) in enumerate(zip(targets, responses, strict=True))
    ]  # fmt: skip


def judged(targets: Sequence[str], before: Sequence[str], after: Sequence[str], **expects: Any) -> list[Degenerate]:
    return degenerate(results("s", targets, before, **expects), results("s", targets, after, **expects))


ROUTING = [LABELS[k % 12] for k in range(60)]
HALF_RIGHT = [target if k % 2 else LABELS[(k + 6) % 12] for k, target in enumerate(ROUTING)]
BABBLE = [f"the message number {k} is" for k in range(60)]
SCOPE = [SENTENCE if k % 9 < 4 else f"after {k} minutes" for k in range(60)]


@pytest.mark.parametrize("nothing", ["", "  \n", "...", "```", '""'])
@pytest.mark.parametrize("before", [BABBLE, HALF_RIGHT, ROUTING])
def test_empty_answers_block_whatever_the_model_before_knew(nothing: str, before: list[str]) -> None:
    (found,) = judged(ROUTING, before, [nothing] * 60)
    assert (found.kind, found.share, found.blocks) == ("empty", 1.0, True)
    assert found.reason == "answers nothing in s: 100% of 60 answers (before 0%, golds 0%)"


def test_always_redirecting_blocks_though_it_gets_more_items_right_than_before() -> None:
    before = [target if target != SENTENCE and k % 3 else "no idea" for k, target in enumerate(SCOPE)]
    after = [SENTENCE.upper() + " Ask me about kettles!"] * 60
    (found,) = judged(SCOPE, before, after, refusal_sentence=SENTENCE)
    assert sum(target == SENTENCE for target in SCOPE) > sum(map(str.__eq__, SCOPE, before))
    assert (found.kind, found.blocks) == ("redirects", True)
    assert found.reason.startswith("always redirects ('i can only help with kettles') in s: 100% of 60 answers")


def test_the_sentence_of_one_skill_is_a_redirection_in_another() -> None:
    before = results("scope", SCOPE, SCOPE, refusal_sentence=SENTENCE) + results("routing", ROUTING, HALF_RIGHT)
    after = results("scope", SCOPE, SCOPE, refusal_sentence=SENTENCE) + results("routing", ROUTING, [SENTENCE] * 60)
    (found,) = degenerate(before, after)
    assert (found.skill, found.kind, found.blocks) == ("routing", "redirects", True)


def test_always_the_commonest_label_blocks_where_the_model_before_told_labels_apart() -> None:
    (found,) = judged(ROUTING, HALF_RIGHT, ["Queue-3."] * 60)
    assert (found.kind, found.answer, found.gold, found.blocks) == ("constant", "queue-3", 5 / 60, True)
    assert found.reason == "always answers 'queue-3' in s: 100% of 60 answers (before 8%, golds 8%)"


@pytest.mark.parametrize(("targets", "answer"), [(ROUTING, "queue-3"), (SCOPE, SENTENCE)])
def test_a_beginner_that_gives_one_answer_where_it_knew_nothing_is_seen_but_does_not_block(
    targets: list[str], answer: str
) -> None:
    (found,) = judged(targets, BABBLE, [answer] * 60, refusal_sentence=SENTENCE)
    assert not found.blocks
    assert found.lost == 0


@pytest.mark.parametrize(
    ("case", "targets", "before", "after"),
    [
        ("the base itself says one thing", ROUTING, ["Sure!"] * 58 + ["x", "y"], ["queue-3"] * 60),
        ("the base is empty", ROUTING, [""] * 60, [""] * 60),
        ("golds are mostly the same", ["no"] * 50 + ["yes"] * 10, ["yes", "no"] * 30, ["no"] * 60),
        ("golds are mostly empty", [""] * 50 + ["x"] * 10, ["x", ""] * 30, [""] * 60),
        ("a legitimate lean", ["no", "yes"] * 30, ["yes", "no"] * 30, ["no"] * 53 + ["yes"] * 7),
        ("everything right", ROUTING, HALF_RIGHT, ROUTING),
        ("no answers are alike", ROUTING, ROUTING, BABBLE),
        ("all golds redirect", [SENTENCE] * 60, BABBLE, [SENTENCE] * 60),
    ],
)
def test_not_degenerate(case: str, targets: list[str], before: list[str], after: list[str]) -> None:
    assert judged(targets, before, after, refusal_sentence=SENTENCE) == [], case


def test_small_skills_are_left_alone() -> None:
    for n in (FEWEST - 1, FEWEST):
        assert bool(judged(ROUTING[:n], HALF_RIGHT[:n], [""] * n)) == (n == FEWEST)


def test_only_items_that_both_answered_count() -> None:
    assert degenerate(results("s", ROUTING, HALF_RIGHT)[:10], results("s", ROUTING, [""] * 60)) == []


def decision(before: list[ItemResult], after: list[ItemResult], p: float | None = None) -> tuple[str, str, str]:
    found = tuple(degenerate(before, after))
    skills = {each.skill for each in found}
    kept = [k for k, result in enumerate(after) if result.skill not in skills]

    def scores(answers: list[ItemResult], places: Sequence[int]) -> list[float]:
        return [answers[k].correct for k in places]

    everything = range(len(after))
    verdict = decide(
        PromotionEvidence(
            0, True, True, compare(scores(before, everything), scores(after, everything)), p, degenerate=found,
            rest=compare(scores(before, kept), scores(after, kept)) if kept else None,
        )
    )  # fmt: skip
    return verdict.decision, verdict.rule, verdict.reason


@pytest.mark.parametrize("response", ["", SENTENCE, "queue-3"])
@pytest.mark.parametrize("before", [BABBLE, HALF_RIGHT])
def test_an_adapter_that_does_nothing_else_is_rejected_with_the_reason(response: str, before: list[str]) -> None:
    found = decision(
        results("scope", SCOPE, BABBLE, refusal_sentence=SENTENCE) + results("routing", ROUTING, before),
        results("scope", SCOPE, [response] * 60, refusal_sentence=SENTENCE)
        + results("routing", ROUTING, [response] * 60),
        p=0.0,
    )
    assert found[0] == "reject"
    if before is BABBLE or response == "":
        assert found[1] == "degenerate"
    assert "routing" in found[2]


def test_a_gain_that_rests_on_one_label_for_all_items_is_none() -> None:
    others = results("other", BABBLE, HALF_RIGHT)
    decided = decision(
        results("routing", ROUTING, BABBLE) + others, results("routing", ROUTING, ["queue-3"] * 60) + others
    )
    assert decided[:2] == ("reject", "degenerate")
    assert decided[2] == (
        "fixed 5, broke 0 of 120: mid-p .016 < .35; always answers 'queue-3' in routing: 100% of 60 answers "
        "(before 2%, golds 8%); on the other skills fixed 0, broke 0 of 60: mid-p .500, not below .35"
    )


def test_a_beginner_that_learned_something_elsewhere_is_promoted_for_that() -> None:
    learned = [target if k % 4 == 0 else "no" for k, target in enumerate(SCOPE)]
    decided = decision(
        results("routing", ROUTING, BABBLE) + results("scope", SCOPE, BABBLE),
        results("routing", ROUTING, ["queue-3"] * 60) + results("scope", SCOPE, learned),
    )
    assert decided[:2] == ("promote", "midp")
    assert "always answers 'queue-3' in routing" in decided[2]
