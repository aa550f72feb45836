"""Named prompts of a task: other wordings of its instruction, to be tried before anything is trained.

lm-eval renders the user's turn of a task from ``doc_to_text``; a named prompt is another template for it. They stand
under ``metadata.prompts`` of the task's YAML, where lm-eval permits anything and reads nothing, or in a file
``prompts.yaml`` beside it, which it passes over::

    my_task:
      terse: "{{input}}\\nJSON only."
      steps: "Work it out step by step, then answer.\\n\\n{{input}}"

So the bare ``lm_eval run`` asks with the task's own prompt, which is called ``default`` here.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.exceptions import InputError, at, did_you_mean
from harness.storage import sha256_text
from harness.yamlfile import read_yaml

if TYPE_CHECKING:
    from harness.evaluation.domain import Domain, DomainTask

DEFAULT = "default"
FILE = "prompts.yaml"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


def read_prompts(task: str, metadata: Any, folder: Path | None) -> dict[str, str]:
    """The named prompts of ``task``, in the order in which they stand; those of its YAML before those of the file.

    Raises:
        InputError: a name or a template is malformed, or a name is given twice; names file and line.
    """
    found: dict[str, str] = {}
    places: list[tuple[Any, str]] = []
    own = metadata.get("prompts") if isinstance(metadata, Mapping) else None
    if own is not None:
        places.append((own, f"task '{task}', metadata.prompts"))
    if folder is not None and (file := folder / FILE).is_file():
        read = read_yaml(file)
        if task in read.values:
            places.append((read.values[task], at(file, read.line(task))))
    for prompts, place in places:
        if not isinstance(prompts, Mapping):
            raise InputError(f"{place}: expected 'name: template' lines, found {type(prompts).__name__}")
        for name, template in prompts.items():
            if not isinstance(name, str) or not _NAME.fullmatch(name) or name == DEFAULT:
                raise InputError(
                    f"{place}: prompt name {name!r}: take lower-case letters, digits, '-' and '_', and not '{DEFAULT}'"
                )
            if not isinstance(template, str) or not template.strip():
                raise InputError(f"{place}: prompt '{name}' is no text; write a template such as \"...{{{{input}}}}\"")
            if name in found:
                raise InputError(f"{place}: prompt '{name}' is given twice for task '{task}'; drop one")
            found[name] = template
    return found


def prompt_names(domain: Domain) -> list[str]:
    """Names of the prompts that at least one task of ``domain`` has, in order, ``default`` apart."""
    return list(dict.fromkeys(name for handle in domain.tasks.values() for name in handle.prompts))


def with_prompt(domain: Domain, prompt: str | Mapping[str, str]) -> Domain:
    """``domain`` asking with another prompt.

    Args:
        prompt: a name, for every task that has a prompt of this name (the others keep their own); or task name to
            prompt name. ``default`` is the task's own.

    Raises:
        InputError: no task has such a prompt, or there is no such task; the nearest is named.
    """
    if isinstance(prompt, str):
        known = prompt_names(domain)
        if prompt != DEFAULT and prompt not in known:
            raise InputError(
                f"domain '{domain.name}' has no prompt '{prompt}'.{did_you_mean(prompt, [DEFAULT, *known])}"
            )
        chosen = {name: prompt for name, handle in domain.tasks.items() if prompt in handle.prompts}
    else:
        chosen = dict(prompt)
        for task, name in chosen.items():
            if task not in domain.tasks:
                raise InputError(
                    f"prompt: domain '{domain.name}' has no task '{task}'.{did_you_mean(task, domain.tasks)}"
                )
            names = [DEFAULT, *domain.tasks[task].prompts]
            if name not in names:
                raise InputError(f"prompt: task '{task}' has no prompt '{name}'.{did_you_mean(name, names)}")
    tasks = {
        name: _reworded(handle, chosen[name]) if chosen.get(name, DEFAULT) != DEFAULT else handle
        for name, handle in domain.tasks.items()
    }
    return replace(domain, tasks=tasks)


def _reworded(handle: DomainTask, name: str) -> DomainTask:
    """The task with another template, in few-shot examples too; the task that was handed in stays as it is."""
    template = handle.prompts[name]
    task = copy.copy(handle.task)
    task._config = copy.copy(task.config)
    task._config.doc_to_text = template
    task.fewshot_cfg = copy.copy(task.fewshot_cfg)
    task.fewshot_cfg.doc_to_text = template
    task._config.fewshot_config = task.fewshot_cfg
    digest = sha256_text(f"{handle.config_hash}\0prompt\0{template}")[:16]
    return replace(handle, task=task, config_hash=digest)
