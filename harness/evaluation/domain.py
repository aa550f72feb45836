"""A domain: one or more lm-eval tasks, their items by split, their prompts and their scoring.

Everything that decides a prompt or a score is lm-eval's own (``fewshot_context``, ``construct_requests``,
``process_results``), so that the bare ``lm_eval run`` command and the loop measure the same thing.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from harness.evaluation.folders import plugin_folders
from harness.evaluation.items import Item, Role, item_id
from harness.evaluation.prompts import read_prompts
from harness.evaluation.trust import folders_of, require_consent
from harness.exceptions import HarnessError, InputError, at, did_you_mean
from harness.storage import canonical_json, sha256_file, sha256_text

Split = Literal["train", "validation", "test", "extension"]
"""``extension``: items that were added later (`harness.state`)."""
GRADED = frozenset({"truthfulqa_mc2"})
"""Tasks whose score of an item is a share of probability, never 0 or 1."""
ChatTemplate = Callable[..., str]
"""``chat_template(messages, add_generation_prompt=True) -> str``, as lm-eval calls it."""


@dataclass(frozen=True)
class DomainTask:
    """One lm-eval task.

    Attributes:
        kind: ``generate`` (text is compared with the gold answer) or ``choice`` (endings are scored).
        metric: the name of the metric that counts: the first of the task's ``metric_list``.
        until, max_new_tokens: where a generated answer ends.
        config_hash: hash of the task's configuration as lm-eval dumps it (prompt, metrics, generation arguments) and
            of the code beside its YAML.
        skill: what its items count under where the document names no skill; empty for the task's name.
        graded: whether an item's score is a share with no right or wrong to it, so that paired tests do not apply.
        prompts: other prompts by name, as templates of ``doc_to_text`` (`harness.evaluation.prompts`).
        folder: where its YAML lies; ``None`` where lm-eval does not say.
        extension: documents that were added to it (`harness.state.extension`).
    """

    name: str
    kind: Literal["generate", "choice"]
    metric: str
    until: tuple[str, ...]
    max_new_tokens: int
    config_hash: str
    task: Any = field(repr=False, compare=False)
    skill: str = ""
    graded: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict, repr=False)
    folder: Path | None = None
    extension: Sequence[Mapping[str, Any]] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True)
class Domain:
    """A named set of tasks."""

    name: str
    tasks: Mapping[str, DomainTask]

    @property
    def folders(self) -> list[Path]:
        """Folders of its tasks, each once; a ``utils.py`` in one may bring classifiers."""
        return list(dict.fromkeys(task.folder for task in self.tasks.values() if task.folder is not None))

    def item_ids(self, split: Split) -> dict[str, list[str]]:
        """Ids of all items of ``split`` by task, in order, without rendering them; tasks without it have none."""
        return {
            name: [item_id(name, dict(doc)) for doc in _split_docs(handle, split)]
            for name, handle in self.tasks.items()
        }

    def items(self, split: Split, role: Role, only: Collection[str] | None = None) -> list[Item]:
        """All items of ``split`` over the tasks, in order; tasks without that split add none.

        Args:
            only: ids of the items to take, where not all are wanted: rendering thousands takes seconds.

        Raises:
            InputError: a document cannot be read or rendered; names task and position.
        """
        items: list[Item] = []
        for handle in self.tasks.values():
            docs = _split_docs(handle, split)
            for position, doc in enumerate(docs):
                try:
                    plain = dict(doc)
                    identity = item_id(handle.name, plain)
                    if only is not None and identity not in only:
                        continue
                    items.append(
                        Item(
                            item_id=identity,
                            task=handle.name,
                            skill=str(plain.get("skill") or handle.skill or handle.name),
                            cluster=str(plain.get("cluster") or identity),
                            role=role,
                            doc=plain,
                            prompt=_text_prompt(handle.task, doc),
                            target=_text_target(handle, doc),
                        )
                    )
                except HarnessError:
                    raise
                except Exception as error:  # a task's own code may raise anything
                    raise InputError(
                        f"task '{handle.name}', {split} item {position}: cannot be rendered: "
                        f"{type(error).__name__}: {error}; run with -v for the traceback"
                    ) from error
        return items

    def context(self, item: Item, chat_template: ChatTemplate | None, fewshot: int = 0) -> str:
        """The whole prompt of ``item`` as the model gets it, rendered by lm-eval.

        Raises:
            InputError: the task cannot render it, e.g. has fewer than ``fewshot`` examples.
        """
        task = self.tasks[item.task].task
        if fewshot:
            # lm-eval draws examples from an unseeded generator unless its own evaluator seeds it.
            task.set_fewshot_seed(int(item.item_id[:8], 16))
        try:
            return str(
                task.fewshot_context(
                    dict(item.doc),
                    num_fewshot=fewshot,
                    apply_chat_template=chat_template is not None,
                    fewshot_as_multiturn=chat_template is not None,
                    chat_template=chat_template,
                    gen_prefix=task.doc_to_prefix(dict(item.doc)),
                )
            )
        except HarnessError:
            raise
        except Exception as error:  # a task's own code may raise anything
            raise InputError(
                f"task '{item.task}', item {item.item_id}: cannot be rendered with {fewshot} few-shot examples: "
                f"{type(error).__name__}: {error}; correct the task or ask for fewer examples"
            ) from error

    def keep_examples_from(self, hidden: Collection[str]) -> None:
        """Never draw few-shot examples from the items ``hidden`` (ids), as a task might by its ``fewshot_split``."""
        for name, handle in self.tasks.items():
            sampler = getattr(handle.task, "sampler", None)
            if sampler is not None:
                kept = [doc for doc in sampler.df if item_id(name, dict(doc)) not in hidden]
                if len(kept) < len(sampler.df):
                    sampler.replace_df(kept)

    def answer(self, item: Item, chat_template: ChatTemplate | None) -> str:
        """The gold answer as it continues `context`: after the task's delimiter where lm-eval puts one."""
        config = self.tasks[item.task].task.config
        prefix = config.gen_prefix
        if chat_template is not None and (not prefix or prefix[-1:].isspace()):
            return item.target
        return f"{config.target_delimiter}{item.target}"


def _split_docs(handle: DomainTask, split: Split) -> Sequence[Any]:
    if split == "extension":
        return handle.extension
    task = handle.task
    available, docs = {
        "train": (task.has_training_docs, task.training_docs),
        "validation": (task.has_validation_docs, task.validation_docs),
        "test": (task.has_test_docs, task.test_docs),
    }[split]
    return list(docs()) if available() else []


def _text_prompt(task: Any, doc: Any) -> str:
    return str(task.doc_to_text(doc))


def _text_target(handle: DomainTask, doc: Any) -> str:
    target = handle.task.doc_to_target(doc)
    if handle.kind == "choice":
        choices = handle.task.doc_to_choice(doc)
        return str(choices[target] if isinstance(target, int) else target)
    return str(target[0] if isinstance(target, list) else target)


def check_yaml(folder: Path) -> None:
    """Parse every task YAML under ``folder``; lm-eval itself passes over malformed ones in silence.

    Raises:
        InputError: names file and line.
    """
    for path in sorted(folder.rglob("*.yaml")):
        try:
            with path.open("rb") as stream:
                yaml.compose(stream, Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or str(error).splitlines()[0]
            raise InputError(
                f"{at(path, mark.line + 1 if mark else None)}: not valid YAML: {problem}; correct the file"
            ) from error


def load_domain(name: str, include_paths: Sequence[Path]) -> Domain:
    """Find and load a task, group or tag by its lm-eval name.

    Tasks in ``include_paths`` come first, then those of other packages; lm-eval's own are looked up only for names
    that are not among them (indexing its 14,000 files takes seconds). What came neither with this package nor with
    lm-eval must be allowed (`harness.evaluation.trust`) before anything of it runs.

    Args:
        name: lm-eval name of a task, group or tag.
        include_paths: folders of task YAMLs.

    Raises:
        InputError: no such task (the nearest is named), malformed YAML, an unknown field, data that cannot be read,
            code that was not allowed.
    """
    manager = find_tasks(name, include_paths)
    try:
        loaded = manager.load(name)["tasks"]
    except HarnessError:
        raise
    except Exception as error:
        raise InputError(f"domain '{name}': {_task_error(error)}") from error
    if not loaded:
        raise InputError(f"domain '{name}' holds no task")
    return Domain(
        name,
        {
            task_name: task_handle(task_name, task, _folder(manager.task_index.get(task_name)))
            for task_name, task in loaded.items()
        },
    )


def find_tasks(name: str, include_paths: Sequence[Path]) -> Any:
    """lm-eval's ``TaskManager`` that knows ``name``; arguments and errors as for `load_domain`."""
    for path in include_paths:
        if not path.is_dir():
            raise InputError(f"{path}: no such folder of tasks")
        check_yaml(path)
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    from lm_eval.tasks import TaskManager

    paths = [str(path) for path in include_paths]
    manager = TaskManager(include_path=paths, include_defaults=False)
    known = set(manager.all_tasks)
    if name not in known:
        manager = _of_a_plugin(name, paths, known) or _every_task(tuple(paths))
        if name not in manager.all_tasks:
            raise InputError(f"unknown task or domain '{name}'.{did_you_mean(name, known) or ''} See 'harness tasks'.")
    require_consent(folders_of(manager.task_index, name))
    return manager


def _of_a_plugin(name: str, paths: list[str], known: set[str]) -> Any:
    """A manager that knows ``name`` from another package's folder of domains, or ``None``; ``known`` gains names.

    Raises:
        InputError: two packages bring it.
    """
    from lm_eval.tasks import TaskManager

    found: dict[str, Path] = {}
    for plugin, folder in plugin_folders().items():
        try:
            check_yaml(folder)
        except InputError as error:
            logging.getLogger(__name__).warning("domains of '%s' are left out: %s", plugin, error)
            continue
        names = TaskManager(include_path=str(folder), include_defaults=False).all_tasks
        known.update(names)
        if name in names:
            found[plugin] = folder
    if len(found) > 1:
        first, second = list(found)[:2]
        raise InputError(
            f"domain '{name}': packages bring it twice, '{first}' in {found[first]} and '{second}' in {found[second]};"
            " uninstall one, or copy its folder and give it by include_path"
        )
    # What comes later comes first: one's own tasks before the plugin's.
    return TaskManager(include_path=[*map(str, found.values()), *paths], include_defaults=False) if found else None


@functools.cache  # seconds each; tasks of one's own, which may change, are looked for afresh before
def _every_task(include_paths: tuple[str, ...]) -> Any:
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=list(include_paths), include_defaults=True)


def _folder(entry: Any) -> Path | None:
    path = getattr(entry, "yaml_path", None)
    return Path(path).parent if path else None


def _code_hash(folder: Path | None) -> str:
    """Hash of the Python files beside a task's YAML: a helper's change is a change of the task."""
    files = sorted(folder.glob("*.py")) if folder else []
    return sha256_text("".join(sha256_file(file) for file in files))


def _task_error(error: Exception) -> str:
    """lm-eval's complaint as one line, with the nearest field name for an unknown one."""
    text = " ".join(str(error).split()) or type(error).__name__
    unknown = re.search(r"unexpected keyword argument '(\w+)'", text)
    if unknown:
        from dataclasses import fields

        from lm_eval.config.task import TaskConfig

        names = [item.name for item in fields(TaskConfig)]
        return f"unknown field '{unknown[1]}' in the task YAML.{did_you_mean(unknown[1], names)}"
    return f"cannot be loaded: {type(error).__name__}: {text[:300]}"


def task_handle(name: str, task: Any, folder: Path | None) -> DomainTask:
    """What the harness needs of a loaded lm-eval task.

    Args:
        folder: where it is defined; the code and the prompts beside it belong to it.

    Raises:
        InputError: a kind of task that has no answer to learn from, or malformed prompts.
    """
    output = task.OUTPUT_TYPE
    if output not in ("generate_until", "multiple_choice"):
        raise InputError(
            f"task '{name}': output_type '{output}' has no per-item answer to learn from; "
            "use generate_until or multiple_choice"
        )
    generation = dict(task.config.generation_kwargs or {}) if output == "generate_until" else {}
    if getattr(task, "multiple_input", False) or "acc_mutual_info" in getattr(task, "_metric_fn_list", {}):
        raise InputError(
            f"task '{name}': several contexts an item or acc_mutual_info are not supported; "
            "use a task with one context and its endings"
        )
    if generation.get("do_sample"):
        raise InputError(f"task '{name}': do_sample: true; the loop compares greedy answers, set do_sample: false")
    until = generation.get("until") or []
    metrics = [entry["metric"] for entry in task.config.metric_list or []]
    config = {key: value for key, value in task.dump_config().items() if key != "metadata"}
    return DomainTask(
        name=name,
        kind="generate" if output == "generate_until" else "choice",
        metric=str(metrics[0]) if metrics else "exact_match",
        until=(until,) if isinstance(until, str) else tuple(until),
        max_new_tokens=int(generation.get("max_gen_toks") or 256),
        config_hash=sha256_text(canonical_json(_plain(config)) + _code_hash(folder))[:16],
        task=task,
        graded=name in GRADED,
        prompts=read_prompts(name, task.config.metadata, folder),
        folder=folder,
    )


def _plain(value: Any) -> Any:
    """``value`` with everything that JSON lacks turned into text without memory addresses."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return re.sub(r" at 0x[0-9a-fA-F]+", "", value)
    if value is None or isinstance(value, (int, float, bool)):
        return value
    return getattr(value, "__qualname__", type(value).__name__)
