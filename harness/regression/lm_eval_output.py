"""Answers that plain lm-eval logged, by whatever backend: read as if a run had given them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.evaluated import Evaluation
from harness.evaluation.choices import picked
from harness.evaluation.items import ItemResult, item_id
from harness.exceptions import InputError, at
from harness.regression.answers import AnswerSet, Identity, from_evaluation, prompt_hash
from harness.regression.identity import weights_id
from harness.regression.lm_eval_files import TaskOutput, find_results, read_results, read_tasks
from harness.storage import canonical_json, sha256_text

if TYPE_CHECKING:
    from harness.errors.setup import Taxonomy

_ASKED_BY = (
    "output_type",
    "description",
    "doc_to_text",
    "doc_to_target",
    "doc_to_choice",
    "gen_prefix",
    "target_delimiter",
    "fewshot_delimiter",
    "process_docs",
    "process_results",
    "metric_list",
    "filter_list",
    "generation_kwargs",
    "repeats",
)
"""Fields of a task's configuration that prompts and scores hang on; the others name places and people."""


def read_lm_eval(
    source: Path, classifiers: Callable[[], Taxonomy] | None = None, guards: Collection[str] = ()
) -> AnswerSet:
    """The answers of one run of lm-eval with ``--log_samples``.

    An answer's ``correct`` is the task's first metric that is a number from 0 to 1 of each document, larger being
    better, by the task's first filter; ``metrics`` has those of the other filters as ``metric,filter``. A task without
    such a metric is left out and named in ``identity.settings["left_out"]``. Times are not known: what lm-eval notes
    includes loading the model.

    Args:
        source: the folder given as ``--output_path``, the model's folder in it, or one results file.
        classifiers: loads the error classifiers to judge the answers by; without it ``classified`` is false.
        guards: names of tasks, groups and tags whose answers are those to guards; all others are the domain's.

    Raises:
        InputError: no results, several, samples that are missing, damaged or of two runs, no task with a number of
            each document. Names the file.
    """
    path = find_results(source)
    results = read_results(path)
    items: list[ItemResult] = []
    own_turn: set[str] = set()
    guard_tasks: set[str] = set()
    metrics: dict[str, str] = {}
    left_out: dict[str, str] = {}
    tasks = read_tasks(path, results)
    for task in tasks:
        metric = _main_metric(task)
        if metric is None:
            left_out[task.name] = "no metric is a number from 0 to 1 of each document"
            continue
        first = next(iter(task.rows))
        metrics[task.name] = metric if len(task.rows) == 1 else f"{metric},{first}"
        guard = _guard_of(task, results, guards)
        if guard is not None:
            guard_tasks.add(task.name)
        read = list(_results(task, metric, guard or task.name))
        items.extend(read)
        if _plain_prompts(task, results):
            own_turn.update(each.item_id for each in read)
    if not items:
        raise InputError(f"{path}: no task in it has a metric that is a number from 0 to 1 of each document")
    taxonomy = classifiers() if classifiers is not None else None
    errors = tuple(taxonomy.classify_all(items)) if taxonomy is not None else ()
    answers = tuple(
        replace(
            answer,
            role="guard" if answer.task in guard_tasks else "domain",
            prompt_sha256=prompt_hash(answer.prompt) if answer.item in own_turn else "",
            new_tokens=None,
        )
        for answer in from_evaluation(Evaluation("lm-eval", tuple(items), errors))
    )
    identity = _identity(results, tasks, {"metrics": metrics, **({"left_out": left_out} if left_out else {})}, taxonomy)
    return AnswerSet(str(source), answers, identity, None, classified=taxonomy is not None)


def _main_metric(task: TaskOutput) -> str | None:
    rows = next(iter(task.rows.values()))
    listed = task.config.get("metric_list")
    names = [each.get("metric") for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []
    logged = rows[0][1].get("metrics")
    names += logged if isinstance(logged, list) else []
    for name in names:
        if not isinstance(name, str) or task.higher_is_better.get(name) is False:
            continue
        values = [_number(row.get(name)) for _, row in rows]
        if all(value is not None and 0 <= value <= 1 for value in values):
            return name
    return None


def _guard_of(task: TaskOutput, results: Mapping[str, Any], guards: Collection[str]) -> str | None:
    """The guard among ``guards`` that the task is, or is in by a group or a tag."""
    groups = results.get("group_subtasks")
    tags = task.config.get("tag")
    names = {task.name, *([tags] if isinstance(tags, str) else tags if isinstance(tags, list) else ())}
    above = {task.name}
    while above:  # groups of groups
        members = groups.items() if isinstance(groups, Mapping) else ()
        above = {name for name, inner in members if isinstance(inner, list) and not above.isdisjoint(inner)} - names
        names |= above
    return next((name for name in guards if name in names), None)


def _results(task: TaskOutput, metric: str, default_skill: str) -> Iterator[ItemResult]:
    main, *others = task.rows
    by_document = {
        name: {str(row.get("doc_id", place)): row for place, (_, row) in enumerate(task.rows[name])} for name in others
    }
    times: dict[str, int] = {}
    for place, (line, row) in enumerate(task.rows[main]):
        doc = dict(row["doc"])
        try:
            identity = item_id(task.name, doc)
        except (TypeError, ValueError) as error:
            raise InputError(f"{at(task.path, line)}: the document cannot be named: {error}") from error
        skill, cluster = str(doc.get("skill") or default_skill), str(doc.get("cluster") or identity)
        times[identity] = times.get(identity, 0) + 1
        if times[identity] > 1:  # some data sets hold a document twice: another item, counted together with the first
            identity = sha256_text(f"{identity}\0{times[identity]}")[:16]
        figures = _figures(row)
        for name, rows in by_document.items():
            other = rows.get(str(row.get("doc_id", place)), {})
            figures |= {f"{each},{name}": value for each, value in _figures(other).items()}
        if others:
            figures |= {f"{each},{main}": value for each, value in _figures(row).items()}
        prompt, target, response = _texts(task, row, metric)
        yield ItemResult(
            item_id=identity,
            task=task.name,
            skill=skill,
            cluster=cluster,
            doc=doc,
            prompt=prompt,
            target=target,
            response=response,
            correct=figures[metric],
            metrics=figures,
        )


def _figures(row: Mapping[str, Any]) -> dict[str, float]:
    """The numbers that the task gave for this document, by metric."""
    names = row.get("metrics")
    found = {name: _number(row.get(name)) for name in names if isinstance(name, str)} if isinstance(names, list) else {}
    return {name: value for name, value in found.items() if value is not None}


def _number(value: object) -> float | None:
    if not isinstance(value, (bool, int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:  # JSON's integers have no end
        return None
    return number if math.isfinite(number) else None


def _texts(task: TaskOutput, row: Mapping[str, Any], metric: str) -> tuple[str, str, str]:
    """Prompt, target and response for people; empty where the row does not hold them."""
    target = str(row.get("target", ""))
    requests = _requests(row)
    if task.config.get("output_type") != "multiple_choice":
        prompt = requests[0][0] if requests else ""
        return prompt, target, _first_text(row.get("resps")) if len(requests) == 1 else ""
    logprobs = _logprobs(row.get("resps"))
    if not requests or len(logprobs) != len(requests):
        return requests[0][0] if requests else "", target, ""
    context = requests[0][0]
    if len({ending for _, ending in requests}) == 1 < len(requests):  # several contexts of one ending
        endings = [asked for asked, _ in requests]
        context = requests[0][1].strip()
    else:
        delimiter = task.config.get("target_delimiter")
        own = [ending for asked, ending in requests if asked == context]  # without those of acc_mutual_info
        endings = [ending.removeprefix(delimiter if isinstance(delimiter, str) else " ") for ending in own]
    if target.isdecimal() and len(target) < 5 and int(target) < len(endings):
        target = endings[int(target)]
    return context, target, endings[picked(logprobs[: len(endings)], endings, metric)]


def _requests(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """First and second argument of each request; the second is empty where it is no text."""
    arguments = row.get("arguments")
    values = list(arguments.values()) if isinstance(arguments, Mapping) else []
    found = []
    for value in values:
        first, second = (value.get(name) for name in ("arg_0", "arg_1")) if isinstance(value, Mapping) else ("", "")
        found.append((str(first or ""), second if isinstance(second, str) else ""))
    return found


def _first_text(resps: object) -> str:
    while isinstance(resps, list) and resps:
        resps = resps[0]
    return resps if isinstance(resps, str) else ""


def _logprobs(resps: object) -> list[float]:
    """Of each ending, in nats, as ``resps`` has them: ``[[["-6.25", "False"]], ...]``; empty where it has others."""
    try:
        found = [float(_first_text(each)) for each in resps] if isinstance(resps, Sequence) else []
    except ValueError:
        return []
    return found if not any(math.isnan(value) for value in found) else []


def _plain_prompts(task: TaskOutput, results: Mapping[str, Any]) -> bool:
    """Whether the logged prompt is the document's own text alone, so that its hash is that of `prompt_hash`."""
    around = (results.get("chat_template"), results.get("system_instruction"), task.config.get("description"))
    return task.fewshot == 0 and not any((*around, task.config.get("gen_prefix")))


def _identity(
    results: Mapping[str, Any], tasks: Sequence[TaskOutput], more: Mapping[str, Any], taxonomy: Taxonomy | None
) -> Identity:
    config = results.get("config")
    config = config if isinstance(config, Mapping) else {}
    shots = {task.name: task.fewshot for task in tasks}
    settings = {
        "fewshot": next(iter(shots.values())) if len(set(shots.values())) == 1 else shots,
        "engine": results.get("model_source") or config.get("model"),
        "batch_size": _whole(config.get("batch_size")),
        "limit": _whole(config.get("limit")),
        "gen_kwargs": config.get("gen_kwargs") or None,
        "chat_template": _short(results.get("chat_template_sha")),
        "system_instruction": _short(results.get("system_instruction_sha")),
    }
    versions = {"lm_eval": results.get("lm_eval_version"), "transformers": results.get("transformers_version")}
    base, *trained = (str(config.get(name) or "") for name in ("model_sha", "peft_sha", "delta_sha"))
    return Identity(
        model=str(results.get("model_name") or ""),
        weights=weights_id(base, "".join(trained)),
        tasks={task.name: _version(task) for task in tasks},
        classifiers=taxonomy.identity()["classifiers"] if taxonomy is not None else {},
        categories=taxonomy.categories if taxonomy is not None else {},
        settings=_finite({**{name: value for name, value in settings.items() if value is not None}, **more}),
        environment={name: str(value) for name, value in versions.items() if value},
    )


def _version(task: TaskOutput) -> str:
    """``version 3 (9f86d081)``: the version that its author gave, and a hash of what prompts and scores hang on."""
    parts = {name: task.config.get(name) for name in _ASKED_BY}
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", canonical_json({name: repr(value) for name, value in parts.items()}))
    return f"version {task.version or 'not given'} ({sha256_text(text)[:8]})"


def _finite(settings: Mapping[str, Any]) -> dict[str, Any]:
    """``settings`` with what JSON has no number for as text."""
    plain: dict[str, Any] = json.loads(json.dumps(settings), parse_constant=str)
    return plain


def _whole(value: object) -> object:
    """``8`` for ``"8"`` and ``6.0``; others as they are."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _short(sha: object) -> str | None:
    return sha[:16] if isinstance(sha, str) and sha else None
