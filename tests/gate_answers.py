"""Answers to judge gates on, made up item by item."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.regression.answers import Answer, AnswerSet, Identity
from harness.regression.declare import Declared, KnownFailure, gate_of
from harness.regression.judge import judge
from harness.regression.results import GateResult

TODAY = datetime.date(2027, 3, 1)
IDENTITY = Identity(
    model="tiny",
    weights="aa",
    tasks={"letters": "0123456789abcdef"},
    classifiers={"missed_refusal": "1", "too_long": "2"},
    settings={"fewshot": 0, "engine": "harness", "limit": None},
    environment={"torch": "2.6"},
)


def item_id(number: int) -> str:
    """The id of the number-th item."""
    return f"{number:016x}"


def answer(number: int, correct: float = 1.0, **fields: Any) -> Answer:
    """Item ``number``, by itself in its cluster."""
    own = {
        "task": "letters",
        "skill": "first",
        "cluster": item_id(number),
        "metrics": {"exact_match": correct},
        "prompt_sha256": f"{number:016x}",
        "prompt": f"letter {number}?",
        "target": "a",
        "response": "a" if correct else "b",
        "new_tokens": 2,
    }
    return Answer(item=item_id(number), correct=correct, **{**own, **fields})


def answers(answered: Iterable[Answer], source: str = "now", **fields: Any) -> AnswerSet:
    """A set of them."""
    return AnswerSet(source, tuple(answered), **{"identity": IDENTITY, **fields})


def scored(correct: Sequence[float], source: str = "now", **fields: Any) -> AnswerSet:
    """One answer a score, items numbered from 0."""
    return answers([answer(number, value, **fields) for number, value in enumerate(correct)], source)


def result_of(
    entry: Mapping[str, Any],
    now: AnswerSet,
    baseline: AnswerSet | None = None,
    known: Sequence[KnownFailure] = (),
    why_not: str = "",
    categories: Mapping[str, str] | None = None,
) -> GateResult:
    """The verdict of one gate, as ``gates:`` declares it."""
    declared = Declared((gate_of(entry),), tuple(known), categories or {})
    (found,) = judge(declared, now, baseline, TODAY, why_not)
    return found


def ones(right: int, wrong: int) -> list[float]:
    """So many right ones, then so many wrong ones."""
    return [1.0] * right + [0.0] * wrong
