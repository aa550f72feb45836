"""From items to scored responses, whatever the engine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.evaluation.choices import GREEDY, choice_figures, gold_places, picked
from harness.evaluation.domain import ChatTemplate, Domain, DomainTask
from harness.evaluation.engine import Engine, GenerationRequest, Progress, Scoring, ScoringRequest
from harness.evaluation.items import FinishReason, Item, ItemResult
from harness.evaluation.task_metrics import gold_answer, references
from harness.evaluation.work import asked
from harness.exceptions import HarnessError, InputError, did_you_mean


@dataclass(frozen=True)
class TooLong:
    """An item whose prompt and answer do not fit the model's context."""

    item_id: str
    task: str
    tokens: int
    limit: int


def too_long(
    domain: Domain, items: Sequence[Item], engine: Engine, chat_template: ChatTemplate | None, fewshot: int = 0
) -> list[TooLong]:
    """Items that would have to be cut; callers leave them out and say so."""
    limit = engine.context_length
    found = []
    for item in items:
        handle = domain.tasks[item.task]
        room = handle.max_new_tokens
        if handle.kind == "choice":
            room = max(engine.count_tokens(str(text)) for text in handle.task.doc_to_choice(dict(item.doc)))
        elif handle.kind == "continuation":
            room = engine.count_tokens(item.target)
        tokens = engine.count_tokens(domain.context(item, chat_template, fewshot)) + room
        if tokens > limit:
            found.append(TooLong(item.item_id, item.task, tokens, limit))
    return found


def respond(
    domain: Domain,
    items: Sequence[Item],
    engine: Engine,
    chat_template: ChatTemplate | None,
    fewshot: int = 0,
    progress: Progress | None = None,
    drafts: Mapping[str, str] | None = None,
) -> list[ItemResult]:
    """Ask each item, score each answer with its task's ``process_results``; results in the order of ``items``.

    Args:
        fewshot: solved examples before each item, chosen by the task's own sampler.
        progress: told of finished requests over all items.
        drafts: by item id, what its answer may be; it changes speed, never answers.

    Raises:
        InputError: a task's own code fails on a response; names task and item.
        EnvironmentFault: out of memory even one item at a time.
    """
    generate = [item for item in items if domain.tasks[item.task].kind == "generate"]
    ranked = [item for item in items if domain.tasks[item.task].kind != "generate"]
    endings = {item.item_id: _endings(domain, item, chat_template, fewshot) for item in ranked}
    total = len(generate) + sum(len(requests) for requests in endings.values())

    def step(offset: int) -> Progress | None:
        return None if progress is None else lambda done, _: progress(offset + done, total)

    results: dict[str, ItemResult] = {}
    requests = [
        GenerationRequest(
            prompt=domain.context(item, chat_template, fewshot),
            until=domain.tasks[item.task].until,
            max_new_tokens=domain.tasks[item.task].max_new_tokens,
            group=item.task,
            draft=(drafts or {}).get(item.item_id, ""),
        )
        for item in generate
    ]
    answers = engine.generate(requests, step(0)) if requests else []
    asked(sum(answer.prompt_tokens for answer in answers), sum(answer.new_tokens for answer in answers))
    for item, answer in zip(generate, answers, strict=True):
        handle = domain.tasks[item.task]
        results[item.item_id] = _result(
            item,
            handle,
            [_filtered(handle, item, answer.text)],
            response=answer.text,
            finish_reason=answer.finish_reason,
            prompt_tokens=answer.prompt_tokens,
            new_tokens=answer.new_tokens,
        )
    flat = [request for item in ranked for request in endings[item.item_id]]
    scored = engine.loglikelihood(flat, step(len(generate))) if flat else []
    asked(sum(score.context_tokens + score.tokens for score in scored))
    scores = iter(scored)
    for item in ranked:
        handle = domain.tasks[item.task]
        own = [next(scores) for _ in endings[item.item_id]]
        response, figures = _ranking(handle, item, own)
        results[item.item_id] = _result(
            item,
            handle,
            [(score.logprob, score.is_greedy) for score in own],
            response=response,
            finish_reason="stop",
            prompt_tokens=own[0].context_tokens,
            new_tokens=0,
            figures=figures,
        )
    return [results[item.item_id] for item in items]


def _ranking(handle: DomainTask, item: Item, scores: Sequence[Scoring]) -> tuple[str, dict[str, float]]:
    """What stands for the response of an item whose endings were scored, and the figures beside its metrics."""
    if handle.kind == "continuation":
        (score,) = scores
        return item.target if score.is_greedy else "", {GREEDY: float(score.is_greedy)}
    texts = [str(text) for text in handle.task.doc_to_choice(dict(item.doc))]
    logprobs = [score.logprob for score in scores]
    figures = choice_figures(handle.task, dict(item.doc), logprobs, texts, handle.metric)
    return texts[picked(logprobs, texts, handle.metric)], figures


def scored(domain: Domain, item: Item, response: str, finish_reason: FinishReason = "unknown") -> ItemResult:
    """The result of ``item`` as if a model had answered ``response``: filtered and scored by its task, no engine asked.

    Raises:
        InputError: the task's own code fails on the response; names task and item.
    """
    handle = domain.tasks[item.task]
    return _result(
        item,
        handle,
        [_filtered(handle, item, response)],
        response=response,
        finish_reason=finish_reason,
        prompt_tokens=0,
        new_tokens=0,
    )


def scored_gold(domain: Domain, item: Item) -> ItemResult:
    """The result of ``item`` as if a model had given its gold answer, of whatever kind its task is.

    Raises:
        InputError: the task's own code fails on it; names task and item.
    """
    handle = domain.tasks[item.task]
    if handle.kind == "generate":
        return scored(domain, item, item.target, "stop")
    return _result(
        item,
        handle,
        gold_answer(handle.task, handle.kind, dict(item.doc)),
        response=item.target,
        finish_reason="stop",
        prompt_tokens=0,
        new_tokens=0,
    )


def gold_logprobs(
    domain: Domain,
    items: Sequence[Item],
    engine: Engine,
    chat_template: ChatTemplate | None,
    progress: Progress | None = None,
) -> list[float]:
    """Log-probability of each item's gold answer in nats: one teacher-forced pass, zero-shot."""
    return [score.logprob for score in gold_scores(domain, items, engine, chat_template, progress)]


def gold_scores(
    domain: Domain,
    items: Sequence[Item],
    engine: Engine,
    chat_template: ChatTemplate | None,
    progress: Progress | None = None,
) -> list[Scoring]:
    """`gold_logprobs` with their token counts."""
    requests = [
        ScoringRequest(domain.context(item, chat_template), domain.answer(item, chat_template), group=item.task)
        for item in items
    ]
    scores = engine.loglikelihood(requests, progress)
    asked(sum(score.context_tokens + score.tokens for score in scores))
    return scores


def _endings(domain: Domain, item: Item, chat_template: ChatTemplate | None, fewshot: int) -> list[ScoringRequest]:
    task = domain.tasks[item.task].task
    context = domain.context(item, chat_template, fewshot)
    instances = task.construct_requests(
        doc=dict(item.doc),
        ctx=context,
        metadata=(item.task, 0, 1),
        apply_chat_template=chat_template is not None,
        chat_template=chat_template,
    )
    each = instances if isinstance(instances, list) else [instances]  # a single one of a continuation
    return [ScoringRequest(instance.args[0], instance.args[1], item.task) for instance in each]


def _filtered(handle: DomainTask, item: Item, text: str) -> Any:
    """``text`` after the task's first lm-eval filter pipeline (the one that its main metric uses)."""
    filters = getattr(handle.task, "_filters", None)
    if not filters:
        return text
    responses: Any = [[text]]
    for step in filters[0].filters:
        responses = list(step().apply(responses, [dict(item.doc)]))
    return responses[0] if isinstance(responses[0], str) else responses[0][0]


def _number(value: Any) -> float | None:
    """A finite number, numpy's scalars included; ``None`` for anything else (pairs, lists, text)."""
    if isinstance(value, str) or (hasattr(value, "ndim") and value.ndim > 0):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _result(
    item: Item,
    handle: DomainTask,
    answers: list[Any],
    *,
    response: str,
    finish_reason: FinishReason,
    prompt_tokens: int,
    new_tokens: int,
    figures: Mapping[str, float] | None = None,
) -> ItemResult:
    try:
        metrics: Mapping[str, Any] = handle.task.process_results(dict(item.doc), answers)
    except HarnessError:
        raise
    except Exception as error:  # a task's own code may raise anything
        raise InputError(
            f"task '{item.task}', item {item.item_id}: process_results failed: {type(error).__name__}: {error}"
        ) from error
    carried = {name: metrics[name] for name in handle.metrics.corpus if name in metrics}
    numbers = {
        str(name): number
        for name, value in metrics.items()
        if name not in carried and (number := _number(value)) is not None
    }
    if handle.metrics.stand_in:
        numbers[handle.metric] = _stand_in(handle, item, answers[0], response)
    numbers |= figures or {}
    if handle.metric not in metrics and handle.metric not in numbers:
        raise InputError(
            f"task '{item.task}': process_results does not return its first metric '{handle.metric}'."
            f"{did_you_mean(handle.metric, map(str, metrics))}"
        )
    if handle.metric not in numbers:
        raise InputError(
            f"task '{item.task}': process_results gives no number for its first metric '{handle.metric}' "
            f"(it gives: {', '.join(sorted(map(str, metrics)))}); put a per-item metric first in metric_list"
        )
    return ItemResult(
        item_id=item.item_id,
        task=item.task,
        skill=item.skill,
        cluster=item.cluster,
        doc=item.doc,
        prompt=item.prompt,
        target=item.target,
        response=response,
        finish_reason=finish_reason,
        correct=min(1.0, max(0.0, numbers[handle.metric])),
        metrics=numbers,
        prompt_tokens=prompt_tokens,
        new_tokens=new_tokens,
        carried=carried,
    )


def _stand_in(handle: DomainTask, item: Item, answer: Any, response: str) -> float:
    """The score of an item whose task has figures of the whole set alone (`task_metrics.STAND_INS`)."""
    from harness.metrics.text import f1

    doc = dict(item.doc)
    if handle.kind == "generate":
        return f1(str(answer), references(handle.task, doc))
    if handle.kind == "continuation":
        return float(answer[1])
    choices = [str(text) for text in handle.task.doc_to_choice(doc)]
    return float(response in [choices[place] for place in gold_places(handle.task, doc, choices)])
