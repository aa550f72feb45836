"""Our metrics in lm-eval: as numbers for a task's ``process_results``, and registered by name where they are new.

In a task's ``utils.py``::

    from harness.metrics.lm_eval import macro_f1, response_metrics  # for `aggregation: !function utils.macro_f1`

    def process_results(doc, results):
        return {"exact_match": float(results[0].strip() == doc["target"]),
                **response_metrics(doc, doc["target"], results[0], ["f1", "bleu"])}

Each key needs its entry in the task's ``metric_list`` (lm-eval would take the mean of one that has none):
``aggregation: mean``, but ``bleu`` and ``chrf`` for the metrics of these names (lm-eval has both), and the functions
below for the macro ones. lm-eval bootstraps standard errors of its own aggregations alone, so it shows none for the
macro ones; the harness's own report has them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from harness.exceptions import InputError, did_you_mean
from harness.metrics import structure, text
from harness.metrics.labels import macro_figures, named_label

Pairs = Sequence[tuple[str, str]]
"""(gold label, answered label) of each item."""


def response_metrics(
    doc: Mapping[str, Any], target: str, response: str, names: Collection[str] | None = None
) -> dict[str, Any]:
    """What `harness.metrics.suite.evaluation_metrics` has of an item, for lm-eval to aggregate.

    Args:
        doc: the document; ``expects`` says which metrics apply, ``accepted`` lists other right answers.
        target: the gold answer.
        response: the model's text.
        names: which of them; all that apply where left out.

    Returns:
        Numbers, and pairs where the figure is the corpus's: ``bleu`` and ``chrf`` (one reference: lm-eval takes as many
        for each item as the item with the fewest has), ``macro_precision``, ``macro_recall`` and ``macro_f1``.

    Raises:
        InputError: one of ``names`` does not apply to such a document.
    """
    found = _applicable(doc, target, response)
    for name in names or ():
        if name not in found:
            raise InputError(f"metric '{name}' does not apply to this document.{did_you_mean(name, found)}")
    return {name: value for name, value in found.items() if names is None or name in names}


def _applicable(doc: Mapping[str, Any], target: str, response: str) -> dict[str, Any]:
    expects = doc.get("expects")
    expects = expects if isinstance(expects, Mapping) else {}
    references = [target, *map(str, doc.get("accepted") or [])]
    if expects.get("tools"):
        return {
            "valid_json": structure.valid_json(response),
            "tool_name_accuracy": structure.tool_name_accuracy(response, target),
            "tool_call_accuracy": structure.tool_call_accuracy(response, target),
        }
    if expects.get("labels"):
        pair = (named_label(target, expects["labels"]) or target, named_label(response, expects["labels"]))
        return dict.fromkeys(("macro_precision", "macro_recall", "macro_f1"), pair)
    shared = {"f1": text.f1(response, references)}
    if expects.get("format") == "json":
        keys = expects.get("keys")
        schema = {"valid_schema": structure.valid_schema(response, keys)} if keys else {}
        return {**shared, "valid_json": structure.valid_json(response), **schema}
    return {
        **shared,
        "rougeL": text.rouge_l(response, references),
        "bleu": (target, response),
        "chrf": (target, response),
    }


def macro_precision(items: Pairs) -> float:
    """Aggregation: macro precision of pairs of gold and answered label."""
    return macro_figures(items)[0]


def macro_recall(items: Pairs) -> float:
    """Aggregation: macro recall of pairs of gold and answered label."""
    return macro_figures(items)[1]


def macro_f1(items: Pairs) -> float:
    """Aggregation: macro F1 of pairs of gold and answered label."""
    return macro_figures(items)[2]


def register() -> None:
    """Make the metrics that lm-eval lacks known by name in this process; safe to call twice.

    ``token_f1`` (lm-eval's own ``f1`` is of two classes), ``rougeL``, ``valid_json``, ``valid_schema`` (the keys of the
    reference), ``tool_name_accuracy``, ``tool_call_accuracy``; aggregations ``macro_precision``, ``macro_recall``,
    ``macro_f1``. A task file can then say ``metric: rougeL`` and need no ``process_results``.
    """
    import lm_eval.api.metrics  # noqa: F401  # its aggregations must be there before they are named
    from lm_eval.api.registry import aggregation_registry, metric_registry, register_metric

    for aggregate in (macro_precision, macro_recall, macro_f1):
        if aggregate.__name__ not in aggregation_registry:
            aggregation_registry.register(aggregate.__name__)(aggregate)
    for name, of in _BY_REFERENCE.items():
        if name not in metric_registry:
            register_metric(metric=name, higher_is_better=True, output_type="generate_until", aggregation="mean")(of)


def _token_f1(references: Sequence[str], predictions: Sequence[str], **_: Any) -> float:
    return text.f1(predictions[0], references)


def _rouge_l(references: Sequence[str], predictions: Sequence[str], **_: Any) -> float:
    return text.rouge_l(predictions[0], references)


def _valid_json(references: Sequence[str], predictions: Sequence[str], **_: Any) -> float:
    return structure.valid_json(predictions[0])


def _valid_schema(references: Sequence[str], predictions: Sequence[str], **_: Any) -> float:
    return max(structure.same_schema(predictions[0], reference) for reference in references)


def _tool_name(references: Sequence[str], predictions: Sequence[str], **_: Any) -> float:
    return max(structure.tool_name_accuracy(predictions[0], reference) for reference in references)


def _tool_call(references: Sequence[str], predictions: Sequence[str], **_: Any) -> float:
    return max(structure.tool_call_accuracy(predictions[0], reference) for reference in references)


_BY_REFERENCE = {
    "token_f1": _token_f1,
    "rougeL": _rouge_l,
    "valid_json": _valid_json,
    "valid_schema": _valid_schema,
    "tool_name_accuracy": _tool_name,
    "tool_call_accuracy": _tool_call,
}
