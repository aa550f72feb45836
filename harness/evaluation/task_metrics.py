"""Which of a task's metrics are of one item, and which of the whole set only (corpus BLEU, F1 over all answers).

Paired tests need a score of each item. A figure of the set is computed by lm-eval's own aggregation, reported, and in
no test; a task that has nothing else is scored by a stand-in, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.evaluation.domain import Domain
    from harness.evaluation.items import ItemResult

Aggregation = Callable[[list[Any]], float]
_OF_ITEMS = frozenset({"mean", "nanmean", "median"})
"""lm-eval's aggregations of a number of each item."""
STAND_INS = {"generate": "token_f1", "choice": "acc", "continuation": "acc"}
"""What an item is scored by where its task has figures of the set alone, by the kind of the task: SQuAD's token F1
with the gold answer, 0 to 1; whether the picked ending is a gold one, or greedy decoding gives the continuation."""


@dataclass(frozen=True)
class TaskMetrics:
    """A task's metrics, told apart.

    Attributes:
        main: the metric of an item that counts.
        stand_in: whether ``main`` is none of the task's own.
        corpus: figures of the set: name to lm-eval's aggregation of the values that ``process_results`` returns.
        lower: those of ``corpus`` of which a lower value is better.
    """

    main: str
    stand_in: bool = False
    corpus: Mapping[str, Aggregation] = field(default_factory=dict)
    lower: frozenset[str] = frozenset()


def task_metrics(task: Any, kind: str) -> TaskMetrics:
    """Tell the metrics of a loaded lm-eval task apart; the first one of items counts.

    A metric is of items if lm-eval averages it, or if the task aggregates it by a function of its own and its value on
    a gold answer is a number from 0 to 1.

    Args:
        kind: ``generate``, ``choice`` or ``continuation``.
    """
    aggregations: Mapping[str, Any] = task.aggregation()
    configured = [_name(entry["metric"]) for entry in task.config.metric_list or []]
    names = list(dict.fromkeys([*configured, *aggregations]))
    if not names:
        return TaskMetrics("exact_match")
    higher = task.higher_is_better()
    on_gold: Mapping[str, Any] | None = None
    of_items, corpus = [], {}
    for name in names:
        function = aggregations.get(name)
        called = getattr(function, "__name__", "")
        if function is None or called in _OF_ITEMS or name == "bypass":
            of_items.append(name)
            continue
        if not getattr(function, "__module__", "").startswith("lm_eval."):
            on_gold = _on_gold(task, kind) if on_gold is None else on_gold
            if _is_share(on_gold.get(name)):
                of_items.append(name)
                continue
        corpus[name] = function
    lower = frozenset(name for name in corpus if higher.get(name) is False)
    if of_items:
        return TaskMetrics(of_items[0], False, corpus, lower)
    return TaskMetrics(STAND_INS[kind], True, corpus, lower)


def _name(metric: Any) -> str:
    return str(metric if isinstance(metric, str) else getattr(metric, "__name__", metric))


def _is_share(value: Any) -> bool:
    return isinstance(value, (bool, int, float)) and 0.0 <= float(value) <= 1.0


def _on_gold(task: Any, kind: str) -> Mapping[str, Any]:
    """What ``process_results`` returns for the first item's gold answer; empty where it cannot."""
    try:
        doc = next(iter(task.eval_docs))
        return dict(task.process_results(doc, gold_answer(task, kind, doc)))
    except Exception:  # a task's own code may raise anything; what it cannot score is no metric of items
        return {}


def gold_answer(task: Any, kind: str, doc: Mapping[str, Any]) -> list[Any]:
    """What ``process_results`` would be handed if the model had answered ``doc`` with the gold answer."""
    from harness.evaluation.choices import gold_places

    if kind == "continuation":
        return [(0.0, True)]
    if kind == "choice":
        choices = task.doc_to_choice(doc)
        golds = gold_places(task, doc, choices)
        # Far enough apart that no division by lengths changes the order.
        return [(0.0, True) if place in golds[:1] else (-1e9, False) for place in range(len(choices))]
    return [gold_text(task, doc)]


def gold_text(task: Any, doc: Mapping[str, Any]) -> str:
    """The right answer of a task without endings: the first of several; the choice, where the target is its place."""
    target = task.doc_to_target(doc)
    if isinstance(target, int) and getattr(task.config, "doc_to_choice", None) is not None:
        return str(task.doc_to_choice(doc)[target])
    return str(target[0] if isinstance(target, list) and target else target)


def references(task: Any, doc: Mapping[str, Any]) -> list[str]:
    """All right answers of a task that generates."""
    target = task.doc_to_target(doc)
    return list(map(str, target)) if isinstance(target, list) else [gold_text(task, doc)]


def corpus_figures(domain: Domain, results: Sequence[ItemResult]) -> list[dict[str, Any]]:
    """The figures of the set for each task that has them, as they stand in ``scores.json`` under ``details.corpus``.

    Args:
        results: fresh from `harness.evaluation.respond.respond`; what the figures are made from is not kept on disk.

    Returns:
        ``task``, ``metric``, ``value`` (``None`` where the aggregation fails, e.g. for want of a package), ``n`` items
        and ``better`` (``higher`` or ``lower``) each.
    """
    found = []
    for name, handle in domain.tasks.items():
        for metric, aggregate in handle.metrics.corpus.items():
            values = [r.carried[metric] for r in results if r.task == name and metric in r.carried]
            if values:
                better = "lower" if metric in handle.metrics.lower else "higher"
                value = _aggregated(aggregate, values)
                found.append({"task": name, "metric": metric, "value": value, "n": len(values), "better": better})
    return found


def _aggregated(aggregate: Aggregation, values: list[Any]) -> float | None:
    try:
        value = float(aggregate(values))
    except Exception:  # a task's own code, or a library that is not installed, may raise anything
        return None
    return value if math.isfinite(value) else None


def metric_notices(domain: Domain) -> list[str]:
    """One line for each task with figures of the set: that they are in no paired test, and what is instead."""
    lines = []
    for name, handle in domain.tasks.items():
        if handle.metrics.corpus:
            many = len(handle.metrics.corpus) > 1
            what = f"{', '.join(handle.metrics.corpus)} {'are figures' if many else 'is a figure'} of the whole set"
            instead = f"items are scored by {handle.metric}" + (" in its place" if handle.metrics.stand_in else "")
            lines.append(f"task {name}: {what}, reported and in no paired test; {instead}")
    return lines
