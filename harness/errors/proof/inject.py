"""Fault injection: each fault and each harmless change on every item on which it makes sense."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from harness.errors.proof.case import WRONG, Case, Fault, Faulty, Pool, make_pool
from harness.errors.proof.consequences import consequences, expected, possible
from harness.errors.proof.faults_calls import CALL_FAULTS
from harness.errors.proof.faults_content import CONTENT_FAULTS
from harness.errors.proof.faults_language import LANGUAGE_FAULTS
from harness.errors.proof.faults_shape import SHAPE_FAULTS
from harness.errors.proof.harmless import HARMLESS
from harness.evaluation.items import FinishReason, Item, ItemResult
from harness.exceptions import InputError

FAULTS: tuple[Fault, ...] = (*SHAPE_FAULTS, *CONTENT_FAULTS, *CALL_FAULTS, *LANGUAGE_FAULTS, *HARMLESS)
"""All that can be injected, in the order of the table."""

Answer = Callable[[Item, str, FinishReason], ItemResult]
"""The scored result of an item to which a model is made to have given a text."""

# Faults of what is said: where the task counts the response as right after all, nothing was broken.
_OF_CONTENT = frozenset(
    {WRONG, "hallucinated", "missed_refusal", "needless_refusal", "unsupported_answer", "inconsistent", "wrong_tool",
     "wrong_argument", "malformed_call"}
)  # fmt: skip


def inject(
    items: Sequence[Item],
    answer: Answer,
    pool: Pool | None = None,
    faults: Sequence[Fault] = FAULTS,
    seed: int = 0,
) -> list[Case]:
    """Make a case of each of ``items`` and ``faults`` that fit together.

    A case is the same whatever other items and faults there are, apart from what it draws from the pool.

    Args:
        items: items with gold answers.
        answer: scores a response as the items' tasks do.
        pool: what faults may draw on; made of ``items`` where left out.
        faults: kinds of faults and harmless changes.
        seed: of every draw.

    Raises:
        InputError: two faults share a name.
    """
    names = [fault.name for fault in faults]
    if len(set(names)) < len(names):
        raise InputError(f"fault injection: two faults are called '{max(names, key=names.count)}'; rename one")
    around = make_pool(items) if pool is None else pool
    made = (_case(item, fault, answer, around, seed) for fault in faults for item in items)
    return [case for case in made if case is not None]


def _case(item: Item, fault: Fault, answer: Answer, pool: Pool, seed: int) -> Case | None:
    found = fault.make(item, Random(f"{seed}/{fault.name}/{item.item_id}"), pool)
    if found is None:
        return None
    faulty = Faulty(found) if isinstance(found, str) else found
    if fault.category is not None and faulty.response == item.target and faulty.finish_reason == "stop":
        return None
    result = answer(item, faulty.response, faulty.finish_reason)
    right = result.correct >= 1.0
    if right and fault.category in _OF_CONTENT:
        return None
    case_id = f"{item.item_id}/{fault.name}"
    group = case_id if faulty.companions else None
    due = frozenset() if fault.category is None else frozenset({fault.category})
    return Case(
        item=_in_group(replace(result, item_id=case_id), group),
        kind=fault.name,
        due=due,
        allowed=_allowed(result, fault) - due,
        primary=None if right else fault.category,
        companions=tuple(
            _in_group(replace(answer(other, text, "stop"), item_id=f"{other.item_id}/{case_id}"), group)
            for other, text in faulty.companions
        ),
    )


def _in_group(result: ItemResult, group: str | None) -> ItemResult:
    """``result`` with its paraphrase group renamed to the case's own, or taken out: cases must not mix."""
    declared = expected(result.doc)
    if declared.get("group") is None:
        return result
    return replace(result, doc={**result.doc, "expects": {**declared, "group": group}})


def _allowed(result: ItemResult, fault: Fault) -> frozenset[str]:
    """Consequences of the fault, and ``wrong_answer`` where the task says so."""
    due = () if fault.category is None else (fault.category,)
    score = frozenset() if result.correct >= 1.0 else frozenset({WRONG})
    return consequences(result, due) | possible(result, fault.also) | score
