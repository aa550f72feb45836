"""Responses before and after, side by side: what was fixed, what was broken, what still fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors.contract import ErrorRecord
from harness.evaluated import Evaluation
from harness.evaluation.choices import unsaid
from harness.evaluation.items import ItemResult
from harness.reporting.data import ReportData
from harness.reporting.escape import Excerpt, head, tail

RIGHT = 1.0
"""Score from which a response counts as right, as in the gate's paired comparison."""

UNSAID = "[another continuation was likelier]"
"""Stands for the response where a continuation was scored and greedy decoding would not have given it."""


@dataclass(frozen=True)
class Answer:
    """One response as shown.

    Attributes:
        text: its beginning, evidence marked.
        right: whether it counts as right.
        length: its characters in all.
        labels: ``(category, confidence 0-1, reason)``; the primary category first.
    """

    text: Excerpt
    right: bool
    length: int
    labels: tuple[tuple[str, float, str], ...]


@dataclass(frozen=True)
class Case:
    """One item with its answers; ``before`` is ``None`` where there is only one model to show."""

    item_id: str
    skill: str
    prompt: Excerpt
    gold: Excerpt
    before: Answer | None
    after: Answer


@dataclass(frozen=True)
class CaseGroup:
    """Cases of one kind.

    Attributes:
        name: ``fixed``, ``broken``, ``still failing`` or ``failing``.
        total: how many there are; `cases` holds the ones shown.
        by_skill: ``(skill, count)`` of all of them.
    """

    name: str
    total: int
    by_skill: tuple[tuple[str, int], ...]
    cases: tuple[Case, ...]


def _answer(result: ItemResult, record: ErrorRecord | None) -> Answer:
    labels = record.labels if record else ()
    response = UNSAID if unsaid(result.metrics) else result.response
    primary = record.primary if record else None
    ordered = sorted(labels, key=lambda label: label.category != primary)  # stable: precedence is kept otherwise
    return Answer(
        text=head(response, (label.span for label in labels)),
        right=result.correct >= RIGHT,
        length=len(response),
        labels=tuple((label.category, label.confidence, label.reason) for label in ordered),
    )


def _spread(items: Sequence[ItemResult], limit: int) -> list[ItemResult]:
    """The first ``limit`` items taking skills in turn, so that none crowds the others out; the same in every run."""
    skills: dict[str, list[ItemResult]] = {}
    for item in sorted(items, key=lambda item: item.item_id):
        skills.setdefault(item.skill, []).append(item)
    queues = [skills[skill] for skill in sorted(skills)]
    depth = max((len(queue) for queue in queues), default=0)
    return [queue[row] for row in range(depth) for queue in queues if row < len(queue)][:limit]


def _group(
    name: str,
    items: Sequence[ItemResult],
    before: Evaluation | None,
    after: Evaluation,
    limit: int,
) -> CaseGroup:
    old = {result.item_id: result for result in before.results} if before else {}
    old_errors = {record.item_id: record for record in before.errors} if before else {}
    errors = {record.item_id: record for record in after.errors}
    counts: dict[str, int] = {}
    for item in items:
        counts[item.skill] = counts.get(item.skill, 0) + 1
    return CaseGroup(
        name=name,
        total=len(items),
        by_skill=tuple(sorted(counts.items())),
        cases=tuple(
            Case(
                item_id=item.item_id,
                skill=item.skill,
                prompt=tail(item.prompt),
                gold=head(item.target),
                before=_answer(old[item.item_id], old_errors.get(item.item_id)) if before else None,
                after=_answer(item, errors.get(item.item_id)),
            )
            for item in _spread(items, limit)
        ),
    )


def case_groups(data: ReportData, limit: int = 30) -> tuple[str, tuple[CaseGroup, ...]]:
    """Which set the responses are of (``test`` once opened, else ``dev``) and the groups of them.

    While the champion is the untouched model there is nothing to set side by side: one group, ``failing``.

    Args:
        data: the run.
        limit: cases shown of each group, taken from the skills in turn.
    """
    opened = data.test_before is not None and data.test_after is not None
    where = "test" if opened else "dev"
    before, after = (data.test_before, data.test_after) if opened else (data.baseline_dev, data.champion_dev)
    if before is None or after is None:  # not reached: dev is always there
        return where, ()
    model = data.summary["test"]["round"] if opened and data.summary.get("test") else data.summary["champion"]["round"]
    if model == 0:
        failing = [item for item in after.results if item.correct < RIGHT]
        return where, (_group("failing", failing, None, after, limit),)
    old = before.correctness()
    both = [item for item in after.results if item.item_id in old]
    fixed = [item for item in both if old[item.item_id] < RIGHT <= item.correct]
    broken = [item for item in both if item.correct < RIGHT <= old[item.item_id]]
    failing = [item for item in both if item.correct < RIGHT and old[item.item_id] < RIGHT]
    return where, (
        _group("fixed", fixed, before, after, limit),
        _group("broken", broken, before, after, limit),
        _group("still failing", failing, before, after, limit),
    )
