"""Prompts of the domain beside one another, on dev: what asking otherwise brings before anything is trained."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from harness.evaluated import Evaluation, load_evaluation
from harness.evaluation.domain import Domain
from harness.evaluation.items import Item
from harness.evaluation.prompts import DEFAULT, prompt_names, with_prompt
from harness.evaluation.respond import too_long
from harness.exceptions import InputError, did_you_mean
from harness.gate.selection import Selection, select
from harness.loop.phases import run_phase
from harness.loop.run import Run
from harness.storage import write_json

FOLDER = "prompts"
FILE = "prompts.json"
ZERO, FEW = "dev", "dev_fewshot"
"""Names of the two arms, which are those of the baseline."""


def chosen_names(run: Run, asked: str) -> list[str]:
    """The prompts that ``asked`` (``all``, or names separated by commas) means, in the domain's order.

    Raises:
        InputError: the domain has no other prompts, or none of such a name; the run itself asks with another prompt
            than the default, which the others are compared with.
    """
    domain = run.prepared.domain
    if run.settings.prompt != DEFAULT:
        raise InputError(
            f"--prompts compares with the default prompt, and this run asks with {run.settings.prompt!r}; "
            "leave the setting out and choose another folder with --out"
        )
    known = prompt_names(domain)
    if not known:
        raise InputError(
            f"domain '{domain.name}' has no prompts but its own; write some under metadata.prompts of a task, or into "
            "a file prompts.yaml beside it"
        )
    if asked == "all":
        return known
    names = [name.strip() for name in asked.split(",")]
    for name in names:
        if name not in (*known, DEFAULT):
            raise InputError(f"--prompts: domain '{domain.name}' has no prompt '{name}'.{did_you_mean(name, known)}")
    return [name for name in known if name in names]


def score_prompts(run: Run, names: Sequence[str]) -> dict[str, Any]:
    """Score each prompt on dev, zero-shot and few-shot, choose, and write ``baseline/prompts.json``.

    The baseline's own dev evaluations are the default prompt's. Each evaluation is a phase: done ones are not done
    again, and are the same items in the same order.

    Args:
        names: as from `chosen_names`.

    Returns:
        What the file holds: ``fewshot``; ``skills`` by task; ``scores``, a `Score` with ``prompt``, ``shots`` and
        ``skill`` each; ``zero_shot`` and (with few-shot examples) ``any``: ``chosen`` by task, ``failing`` items under
        the default prompt, ``naive`` and ``honest`` (`harness.gate.verdict.Paired`), ``optimism``.
    """
    base = run.round_dir(0)
    arms = {ZERO: 0, **({FEW: run.settings.fewshot} if run.settings.fewshot else {})}
    scored: dict[str, dict[str, Evaluation]] = {
        arm: {DEFAULT: load_evaluation(base / arm)} for arm in arms
    }  # arm -> prompt -> evaluation
    for name in names:
        domain = with_prompt(run.prepared.domain, name)
        items = _reworded(run, domain, name)
        if not items or _cut(run, domain, items, max(arms.values()), name):
            continue
        asking = replace(run, prepared=replace(run.prepared, domain=domain))
        folder = base / FOLDER / name
        hashes = sorted({domain.tasks[item.task].config_hash for item in items})
        for arm, shots in arms.items():
            run.listener.phase(0, run.rounds_asked, f"prompt {name}: {'few-shot' if shots else 'zero-shot'}")
            body = functools.partial(asking.evaluate, arm, items, None, folder / arm, shots)
            run_phase(folder, arm, run.key("prompt", name, arm, shots, hashes), [arm], body, run.clock)
            scored[arm][name] = load_evaluation(folder / arm)
    found = compare_prompts(scored, run.settings.fewshot)
    write_json(base / FILE, found)
    return found


def _reworded(run: Run, domain: Domain, name: str) -> list[Item]:
    """The dev items of the tasks that have prompt ``name``, as it asks them."""
    tasks = {task for task, handle in run.prepared.domain.tasks.items() if name in handle.prompts}
    return [
        replace(item, prompt=str(domain.tasks[item.task].task.doc_to_text(dict(item.doc))))
        for item in run.prepared.dev
        if item.task in tasks
    ]


def _cut(run: Run, domain: Domain, items: Sequence[Item], shots: int, name: str) -> bool:
    """Whether some item would not fit the model with this prompt, which is then said and left out."""
    with run.workbench.asking() as engine:
        long = too_long(domain, items, engine, run.workbench.chat_template, shots)
    if long:
        run.listener.notice(
            f"prompt '{name}' is left out: with it {len(long)} dev items exceed the model's {long[0].limit} tokens"
        )
    return bool(long)


def compare_prompts(scored: Mapping[str, Mapping[str, Evaluation]], fewshot: int) -> dict[str, Any]:
    """Scores of each prompt by skill and arm, and what choosing among them brings: what ``prompts.json`` holds.

    Args:
        scored: arm, then prompt, the default one first, to its evaluation on dev.
        fewshot: examples of the few-shot arm; 0 where there is none.
    """
    default = scored[ZERO][DEFAULT]
    groups = {result.item_id: result.task for result in default.results}
    skills = {result.task: result.skill for result in default.results}
    zero = {name: evaluation.correctness() for name, evaluation in scored[ZERO].items()}
    every = {
        _candidate(name, arm): evaluation.correctness()
        for arm, evaluations in scored.items()
        for name, evaluation in evaluations.items()
    }
    failing = sum(result.correct < 1.0 for result in default.results)
    choices = {"zero_shot": select(zero, groups, default.clusters())}
    if fewshot:
        choices["any"] = select(every, groups, default.clusters())
    return {
        "fewshot": fewshot,
        "skills": skills,
        "scores": [
            {"prompt": name, "shots": fewshot if arm == FEW else 0, "skill": skill, **score.as_dict()}
            for name in zero
            for arm in scored
            for skill, score in scored[arm][name].by_skill().items()
        ],
        **{kind: _as_dict(choice, failing) for kind, choice in choices.items()},
    }


def _candidate(name: str, arm: str) -> str:
    return name if arm == ZERO else f"{name}, few-shot"


def _as_dict(choice: Selection, failing: int) -> dict[str, Any]:
    """A `Selection` as JSON; ``failing`` are the items wrong under the default prompt, zero-shot."""
    return {
        "chosen": dict(choice.chosen),
        "failing": failing,
        "naive": _paired(choice.naive),
        "honest": _paired(choice.honest),
        "optimism": choice.optimism,
    }


def _paired(paired: Any) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(paired).items()}


def prompts_file(run_dir: Path) -> Path:
    """Where the comparison of a run's prompts lies, if it was made."""
    return run_dir / "baseline" / FILE
