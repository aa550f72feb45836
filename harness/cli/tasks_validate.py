"""``harness tasks validate``: files, then data, then items."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.exceptions import InputError

if TYPE_CHECKING:
    from harness.config import Settings
    from harness.evaluation.task_files import TaskFile


def validated(name: str | None, config: Path | None, as_json: bool) -> int:
    """Print what is wrong and return the exit code: 0, or 2 where something is.

    Raises:
        InputError: neither a task nor a file of that name.
    """
    from harness.cli.main import one_line
    from harness.cli.session import quiet_libraries
    from harness.config import load_settings

    quiet_libraries()
    settings = load_settings(config, {})
    names, files, settings = _what(name, settings)
    findings, notes, lines = _of_files(files), [], []
    if not findings:
        for each in names:
            try:
                found, notice, line = _of_domain(replace(settings, domain=each))
            except InputError as error:
                found, notice, line = [str(error)], [], ""
            findings += found
            notes += notice
            lines += [line] if line else []
    if as_json:
        click.echo(json.dumps({"names": names, "findings": findings, "notes": notes}, indent=2))
    else:
        for finding in findings:
            click.echo(one_line(finding))
        for text in [*(f"note: {note}" for note in notes), *lines]:
            click.echo(one_line(text), err=bool(findings))
        if not names and not findings:
            click.echo("no task is defined here, the files are well-formed")
    return InputError.exit_code if findings else 0


def _what(name: str | None, settings: Settings) -> tuple[list[str], list[TaskFile | str], Settings]:
    """Names to load, files to read (or what is wrong with one), and settings that find them."""
    from harness.evaluation.task_files import read_task_file, yaml_files

    path = Path(name) if name else None
    if path is not None and (path.is_dir() or path.suffix in (".yaml", ".yml")):
        paths = yaml_files(path) if path.is_dir() else [path]
        if not paths:
            raise InputError(f"{path}: holds no task files (*.yaml)")
        files: list[TaskFile | str] = []
        for each in paths:
            try:
                files.append(read_task_file(each))
            except InputError as error:
                files.append(str(error))
        read = [file for file in files if not isinstance(file, str)]
        held = {member for file in read for member in file.members}
        names = [known for file in read if (known := file.group or file.task) is not None and known not in held]
        folder = path if path.is_dir() else path.parent
        others = [other for other in settings.include_path if Path(other).resolve() != folder.resolve()]
        settings = replace(settings, include_path=[str(folder.resolve()), *others])
        return list(dict.fromkeys(names)), files, settings
    domain = name or settings.domain
    return [domain], _files_of(domain, settings), settings


def _files_of(domain: str, settings: Settings) -> list[TaskFile | str]:
    """The files in the include paths that define the tasks of ``domain``, and what they include there.

    What lies in lm-eval itself is lm-eval's.
    """
    from harness.evaluation.task_files import read_task_file, yaml_files
    from harness.locate import data_folder

    known: dict[str, TaskFile] = {}
    broken: list[TaskFile | str] = []
    for folder in [*map(Path, settings.include_path), data_folder("tasks")]:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder of tasks; correct include_path")
        for path in yaml_files(folder):
            try:
                file = read_task_file(path)
            except InputError as error:
                broken.append(str(error))
                continue
            if (name := file.group or file.task) is not None:
                known.setdefault(name, file)
    found: dict[Path, TaskFile] = {}
    waiting = [name.strip() for name in domain.split(",")]
    while waiting:
        defined = known.pop(waiting.pop(), None)
        if defined is not None:
            waiting += defined.members
            _with_includes(defined, found)
    return [*broken, *found.values()]


def _with_includes(file: TaskFile, found: dict[Path, TaskFile]) -> None:
    from harness.evaluation.task_files import read_task_file

    if file.path in found:
        return
    found[file.path] = file
    for path in file.includes():
        if path.is_file() and "lm_eval" not in path.resolve().parts:
            _with_includes(read_task_file(path), found)


def _of_files(files: Sequence[TaskFile | str]) -> list[str]:
    from harness.evaluation.task_check import check_task_file

    findings: list[str] = []
    defined: dict[str, TaskFile] = {}
    for file in files:
        if isinstance(file, str):
            findings.append(file)
            continue
        findings += check_task_file(file)
        name = file.group or file.task
        if name is not None and name in defined:
            key = "group" if file.group else "task"
            findings.append(f"{file.place(key)}: '{name}' is defined in {defined[name].path} too; lm-eval takes one")
        elif name is not None:
            defined[name] = file
    return findings


def _of_domain(settings: Settings) -> tuple[list[str], list[str], str]:
    """Findings, notes and, where all is well, what was looked at."""
    from harness.cli.session import configured_domain
    from harness.evaluation.domain_check import check_items
    from harness.evaluation.task_metrics import metric_notices
    from harness.loop.prepare import dealt_roles
    from harness.state.domain import state_folder
    from harness.state.sealed import gate_items

    domain, _, state = configured_domain(replace(settings, guard=""))
    splits = {split: sum(map(len, domain.item_ids(split).values())) for split in ("train", "validation", "test")}
    dealt = dealt_roles(domain, state, record=False)
    sealed = gate_items(state_folder(settings.state))
    items = [item for role in ("train_pool", "dev") for item in dealt.items[role] if item.item_id not in sealed]
    checked = check_items(domain, items)
    notes = [*checked.notes, *dealt.notices, *metric_notices(domain)]
    counts = ", ".join(f"{count:,} {split}" for split, count in splits.items() if count)
    line = (
        f"{domain.name}: {len(domain.tasks)} task{'s' if len(domain.tasks) != 1 else ''}, {counts} items; "
        f"{checked.scored:,} gold answers score as right"
    )
    return list(checked.findings), notes, "" if checked.findings else line
