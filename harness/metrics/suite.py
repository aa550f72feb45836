"""Which metrics an evaluation has, by skill: chosen from what its documents declare, computed from saved answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.evaluated import Evaluation
from harness.evaluation.choices import GREEDY, PREFIX
from harness.evaluation.items import ItemResult
from harness.evaluation.units import units
from harness.metrics import structure, text
from harness.metrics.labels import Confusion, confusion, macro, named_label
from harness.metrics.overlap import bleu, chrf
from harness.metrics.values import Better, MetricValue, Unit, clustered_mean

ALL = "all"
"""Stands for the items of all skills together."""
MAX_CHARACTERS = 20_000
"""Of a response that are compared with the references: more than a token limit lets through."""


def evaluation_metrics(evaluation: Evaluation) -> dict[str, list[MetricValue]]:
    """The metrics of each skill, in alphabetical order, then of all items together. Pure: no model, no clock.

    A skill has what the task itself reports (``exact_match``, ``acc``, ``acc_norm``; error categories apart), then,
    where answers were generated, by what its documents declare under ``expects``:

    - ``labels``: macro precision, recall and F1;
    - ``format: json``: ``f1``, ``valid_json``, ``valid_schema`` (with ``keys``);
    - ``tools``: ``valid_json``, ``tool_name_accuracy``, ``tool_call_accuracy``;
    - anything else is free text: ``f1``, ``rougeL``, ``bleu``, ``chrf``;

    and the length of its answers. What a task reports of the whole set alone (``details.corpus``) stands beside them.
    All items together have what every skill reports, lengths and speed. A single skill is not repeated as "all" but
    for its speed.
    """
    skills: dict[str, list[ItemResult]] = {}
    for result in evaluation.results:
        skills.setdefault(result.skill, []).append(result)
    found = {skill: skill_metrics(skills[skill]) for skill in sorted(skills)}
    for figure in evaluation.details.get("corpus", ()):
        if figure["value"] is None:  # it could not be computed
            continue
        own = sorted({result.skill for result in evaluation.results if result.task == figure["task"]})
        # Of a task with several skills it belongs to none of them.
        found.setdefault(own[0] if len(own) == 1 else ALL, []).append(_carried(figure))
    if evaluation.results:
        whole = (
            [*reported(evaluation.results, everywhere=True), *lengths(evaluation.results)] if len(skills) > 1 else []
        )
        found[ALL] = [*found.pop(ALL, []), *whole, *speed(evaluation)]
    return {skill: values for skill, values in found.items() if values}


def skill_metrics(results: Sequence[ItemResult]) -> list[MetricValue]:
    """Metrics of one skill's ``results``, at least one; see `evaluation_metrics`."""
    values = reported(results)
    known = {value.name for value in values}
    results = written(results)
    if not results:
        return values
    declared = _declared(results)
    if declared == "tools":
        found = [
            _mean("valid_json", results, lambda result: structure.valid_json(result.response)),
            _mean("tool_name_accuracy", results, lambda r: structure.tool_name_accuracy(r.response, r.target)),
            _mean("tool_call_accuracy", results, lambda r: structure.tool_call_accuracy(r.response, r.target)),
        ]
    elif declared == "labels":
        gold, answered = _labels(results)
        found = macro(gold, answered, _clusters(results))
    elif declared == "json":
        found = [_mean("f1", results, _f1), _mean("valid_json", results, lambda r: structure.valid_json(r.response))]
        if all(_expects(result).get("keys") for result in results):
            found.append(
                _mean("valid_schema", results, lambda r: structure.valid_schema(r.response, _expects(r)["keys"]))
            )
    else:
        overlapping = ([_head(r) for r in results], [references(r) for r in results], _clusters(results))
        found = [
            _mean("f1", results, _f1),
            _mean("rougeL", results, lambda r: text.rouge_l(_head(r), references(r))),
            bleu(*overlapping),
            chrf(*overlapping),
        ]
    if "exact_match" not in known:
        values.append(_mean("exact_match", results, lambda r: text.exact_match(r.response, references(r))))
    return [*values, *(value for value in found if value.name not in known), *lengths(results)]


def _carried(figure: Mapping[str, Any]) -> MetricValue:
    """A task's own figure of the whole set (`harness.evaluation.task_metrics.corpus_figures`); it has no error."""
    value = float(figure["value"])
    unit: Unit = "share" if 0.0 <= value <= 1.0 else "points"
    better: Better = "lower" if figure["better"] == "lower" else "higher"
    name = f"{figure['task']}: {figure['metric']} of the set"
    return MetricValue(name, value, None, int(figure["n"]), int(figure["n"]), "none", unit, better)


def skill_confusion(results: Sequence[ItemResult]) -> Confusion | None:
    """The confusion matrix of a classification skill; ``None`` for one whose documents list no labels."""
    results = written(results)
    if not results or _declared(results) != "labels":
        return None
    gold, answered = _labels(results)
    return confusion(gold, answered, list(dict.fromkeys(label for r in results for label in _expects(r)["labels"])))


def reported(results: Sequence[ItemResult], everywhere: bool = False) -> list[MetricValue]:
    """What the tasks themselves report on ``results``, error categories and what was picked (``choice_...``) apart.

    Args:
        everywhere: only what is reported on every one of them; else each over those that have it.
    """
    own_marks = ("err_", PREFIX)
    names = dict.fromkeys(name for result in results for name in result.metrics if not name.startswith(own_marks))
    found = []
    for name in names:
        own = [result for result in results if name in result.metrics]
        if everywhere and len(own) < len(results):
            continue
        values = [result.metrics[name] for result in own]
        unit: Unit = "share" if all(0.0 <= value <= 1.0 for value in values) else "points"
        found.append(clustered_mean(name, values, _clusters(own), unit))
    return found


def lengths(results: Sequence[ItemResult]) -> list[MetricValue]:
    """Words and tokens of generated answers; the tokens include the end token."""
    results = written(results)
    if not results:
        return []
    clusters = _clusters(results)
    found = [clustered_mean("answer_words", [len(r.response.split()) for r in results], clusters, "words", "neither")]
    if all(result.new_tokens for result in results):  # not known of answers that were saved elsewhere
        found.append(clustered_mean("answer_tokens", [r.new_tokens for r in results], clusters, "tokens", "neither"))
    return found


def speed(evaluation: Evaluation) -> list[MetricValue]:
    """Seconds an item and generated tokens a second: one measurement of the whole batch, so without an error.

    None where answers came from the cache or time was not taken.
    """
    n, seconds = len(evaluation.results), evaluation.seconds
    if not n or seconds <= 0 or evaluation.details.get("cached"):
        return []
    groups = len(set(_clusters(evaluation.results)))
    tokens = sum(result.new_tokens for result in evaluation.results)
    found = [MetricValue("latency", seconds / n, None, n, groups, "none", "seconds", "lower")]
    if tokens:
        found.append(MetricValue("tokens_per_second", tokens / seconds, None, n, groups, "none", "tokens/s"))
    return found


def references(result: ItemResult) -> list[str]:
    """The gold answer and the document's other ``accepted`` ones."""
    accepted = result.doc.get("accepted") or []
    return list(dict.fromkeys([result.target, *(str(form) for form in accepted)]))


def written(results: Sequence[ItemResult]) -> list[ItemResult]:
    """Those whose answer the model wrote: of multiple choice, which reports ``acc``, none has a token."""
    return [result for result in results if result.new_tokens or not {"acc", GREEDY} & result.metrics.keys()]


def _declared(results: Sequence[ItemResult]) -> str:
    """``tools``, ``labels``, ``json`` or ``text``: what every one of ``results`` declares, ``text`` failing that."""
    for name, declares in _DECLARATIONS.items():
        if all(declares(_expects(result)) for result in results):
            return name
    return "text"


_DECLARATIONS: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "tools": lambda expects: bool(expects.get("tools")),
    "labels": lambda expects: bool(expects.get("labels")),
    "json": lambda expects: expects.get("format") == "json",
}


def _expects(result: ItemResult) -> Mapping[str, Any]:
    raw = result.doc.get("expects")
    return raw if isinstance(raw, Mapping) else {}


def _labels(results: Sequence[ItemResult]) -> tuple[list[str], list[str]]:
    gold = [named_label(result.target, _expects(result)["labels"]) or result.target for result in results]
    return gold, [named_label(result.response, _expects(result)["labels"]) for result in results]


def _mean(name: str, results: Sequence[ItemResult], of: Callable[[ItemResult], float]) -> MetricValue:
    return clustered_mean(name, [of(result) for result in results], _clusters(results))


def _clusters(results: Sequence[ItemResult]) -> list[str]:
    return [str(unit) for unit in units(results)]


def _head(result: ItemResult) -> str:
    return result.response[:MAX_CHARACTERS]


def _f1(result: ItemResult) -> float:
    return text.f1(_head(result), references(result))
