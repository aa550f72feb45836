"""What is wrong with task files, line by line, before lm-eval loads them."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields
from typing import Any

from harness.evaluation.task_files import FunctionName, TaskFile, merged
from harness.evaluation.task_functions import check_functions
from harness.exceptions import InputError, did_you_mean

_HARNESS_GENERATION = frozenset({"until", "max_gen_toks"})
"""What lm-eval itself takes from ``generation_kwargs``; the rest goes to the model's ``generate``."""
_OWN = frozenset({"include", "task", "tag", "class", "task_list"})
_ENTRY = frozenset({"metric", "aggregation", "higher_is_better", "hf_evaluate"})
_KINDS = ("generate_until", "multiple_choice", "loglikelihood", "loglikelihood_rolling")


def check_task_file(file: TaskFile) -> list[str]:
    """Everything that lm-eval does not know or would pass over in silence, one line each with ``file:line``.

    Fields are compared with lm-eval's ``TaskConfig``, ``GroupConfig`` and ``FewshotConfig``; metrics, aggregations and
    filters with its registries; generation arguments with transformers' ``GenerationConfig``.
    """
    found = [f"{_at(file, key, line)}: '{key}' is given twice; drop one" for key, line in file.twice.items()]
    for key in ("group", "task"):
        value = file.values.get(key)
        if value is not None and not isinstance(value, (str, list, Mapping)):
            found.append(f"{file.place(key)}: {key} is read as {value!r}, no text; write the name in quotes")
    if file.group is not None:
        return [*found, *_unknown(file, "", file.values, {*_fields("group"), *_OWN}), *_aggregates(file)]
    found += _unknown(file, "", file.values, {*_fields("task"), *_OWN})
    try:
        whole = merged(file)
    except InputError as error:
        return [*found, str(error)]
    kind = file.values.get("output_type")
    if isinstance(kind, str) and kind not in _KINDS:
        found.append(f"{file.place('output_type')}: output_type is '{kind}'.{did_you_mean(kind, _KINDS)}")
    found += _unknown_in(file, "fewshot_config", _fields("fewshot"))
    found += _unknown_in(file, "generation_kwargs", _generation())
    found += _metrics(file, whole)
    found += _filters(file)
    found += check_functions(file)
    return found


def _at(file: TaskFile, key: str, line: int) -> str:
    return f"{file.path}:{line}"


@functools.cache
def _fields(of: str) -> frozenset[str]:
    from lm_eval.config.group import AggMetricConfig, GroupConfig
    from lm_eval.config.task import FewshotConfig, TaskConfig

    known = {"task": TaskConfig, "group": GroupConfig, "fewshot": FewshotConfig, "aggregate": AggMetricConfig}
    return frozenset(each.name for each in fields(known[of]))


@functools.cache
def _generation() -> frozenset[str]:
    from transformers import GenerationConfig

    config: Any = GenerationConfig
    return _HARNESS_GENERATION | frozenset(config().to_dict())


@functools.cache
def _registered(what: str) -> frozenset[str]:
    import lm_eval.api.metrics
    import lm_eval.filters  # noqa: F401  # both register what they define
    from lm_eval.api.registry import aggregation_registry, filter_registry, metric_registry

    from harness.metrics.lm_eval import register

    register()
    known = {"metric": metric_registry, "aggregation": aggregation_registry, "filter": filter_registry}
    return frozenset(map(str, known[what]))


def _unknown(file: TaskFile, prefix: str, values: Any, known: Collection[str]) -> Iterator[str]:
    if isinstance(values, Mapping):
        for key in values:
            if key not in known:
                dotted = f"{prefix}.{key}" if prefix else str(key)
                yield f"{file.place(dotted)}: unknown field '{dotted}'.{did_you_mean(str(key), known)}"


def _unknown_in(file: TaskFile, key: str, known: Collection[str]) -> Iterator[str]:
    value = file.values.get(key)
    if value is not None and not isinstance(value, (Mapping, FunctionName)):
        yield f"{file.place(key)}: '{key}' is {type(value).__name__}; expected 'field: value' lines below it"
    yield from _unknown(file, key, value, known)


def _entries(file: TaskFile, key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    value = file.values.get(key)
    for place, entry in enumerate(value if isinstance(value, list) else []):
        if isinstance(entry, Mapping):
            yield f"{key}.{place}", entry


def _aggregates(file: TaskFile) -> Iterator[str]:
    for place, entry in _entries(file, "aggregate_metric_list"):
        yield from _unknown(file, place, entry, _fields("aggregate"))


def _metrics(file: TaskFile, whole: Mapping[str, Any]) -> Iterator[str]:
    listed = file.values.get("metric_list")
    if listed is not None and not isinstance(listed, list):
        yield f"{file.place('metric_list')}: metric_list is no list; begin each metric with '- metric: NAME'"
    for place, entry in _entries(file, "metric_list"):
        name, aggregation = entry.get("metric"), entry.get("aggregation")
        if name is None:
            yield f"{file.place(place)}: an entry of metric_list without 'metric'; name it"
            continue
        own = isinstance(name, FunctionName) or entry.get("hf_evaluate") is True or "process_results" in whole
        if not own and name not in _registered("metric"):
            yield f"{file.place(f'{place}.metric')}: unknown metric '{name}'.{_near(str(name), _registered('metric'))}"
        named = aggregation is not None and not isinstance(aggregation, FunctionName)
        if named and aggregation not in _registered("aggregation"):
            hint = did_you_mean(str(aggregation), _registered("aggregation"))
            yield f"{file.place(f'{place}.aggregation')}: unknown aggregation '{aggregation}'.{hint}"
        if aggregation is None and "process_results" in whole:
            yield f"{file.place(place)}: metric '{name}' has no aggregation; add 'aggregation: mean'"
        if "process_results" in whole:  # what lm-eval hands to a metric of its own is the metric's business
            yield from _unknown(file, place, entry, _ENTRY)


def _near(name: str, known: Collection[str]) -> str:
    hint = did_you_mean(name, known)
    return hint if hint.startswith(" Did") else f"{hint} One of your own: a process_results that returns it."


def _filters(file: TaskFile) -> Iterator[str]:
    for place, entry in _entries(file, "filter_list"):
        yield from _unknown(file, place, entry, ("name", "filter"))
        steps = entry.get("filter")
        for number, step in enumerate(steps if isinstance(steps, list) else []):
            name = step.get("function") if isinstance(step, Mapping) else None
            if isinstance(name, str) and not isinstance(name, FunctionName) and name not in _registered("filter"):
                hint = did_you_mean(name, _registered("filter"))
                yield f"{file.place(f'{place}.filter.{number}.function')}: unknown filter '{name}'.{hint}"
