"""A domain: one or more lm-eval tasks, their items by split, their prompts and their scoring.

Everything that decides a prompt or a score is lm-eval's own (``fewshot_context``, ``construct_requests``,
``process_results``), so that the bare ``lm_eval run`` command and the loop measure the same thing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.evaluation.find import find_tasks
from harness.evaluation.items import Item, Role, item_id
from harness.evaluation.prompts import read_prompts
from harness.evaluation.split_names import check_splits, task_that_failed
from harness.evaluation.task_metrics import TaskMetrics, gold_text, task_metrics
from harness.exceptions import HarnessError, InputError, did_you_mean
from harness.locate import data_folder
from harness.storage import canonical_json, sha256_file, sha256_text

Split = Literal["train", "validation", "test", "extension", "train_file"]
"""``extension``: items that were added later (`harness.state`); ``train_file``: rows for training from a file."""
GRADED = frozenset({"truthfulqa_mc2"})
"""Tasks whose score of an item is a share of probability, never 0 or 1."""
Kind = Literal["generate", "choice", "continuation"]
_KINDS: Mapping[str, Kind] = {
    "generate_until": "generate", "multiple_choice": "choice", "loglikelihood": "continuation",
}  # fmt: skip
ChatTemplate = Callable[..., str]
"""``chat_template(messages, add_generation_prompt=True) -> str``, as lm-eval calls it."""


@dataclass(frozen=True)
class DomainTask:
    """One lm-eval task.

    Attributes:
        kind: ``generate`` (text is compared with the gold answer), ``choice`` (endings are scored) or ``continuation``
            (the gold answer alone is scored: whether greedy decoding would have given it).
        metric: the name of the metric that counts: the first of the task's ``metric_list`` that is of one item.
        until, max_new_tokens: where a generated answer ends.
        config_hash: hash of the task's configuration as lm-eval dumps it (prompt, metrics, generation arguments) and
            of the code and the prompt templates beside its YAML.
        skill: what its items count under where the document names no skill; empty for the task's name.
        graded: whether an item's score is a share with no right or wrong to it, so that paired tests do not apply.
        prompts: other prompts by name, as templates of ``doc_to_text`` (`harness.evaluation.prompts`).
        folder: where its YAML lies; ``None`` where lm-eval does not say.
        extension: documents that were added to it (`harness.state.extension`).
        metrics: which of its metrics are of one item, and which of the whole set.
        train_file: documents of a file that it is trained on (`harness.evaluation.train_from`).
        file_alone: whether it has no items but those of ``train_file``.
    """

    name: str
    kind: Kind
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
    metrics: TaskMetrics = field(default=TaskMetrics("exact_match"), repr=False, compare=False)
    train_file: Sequence[Mapping[str, Any]] = field(default=(), repr=False, compare=False)
    file_alone: bool = False


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
        handle = self.tasks[item.task]
        if handle.kind == "continuation":
            return item.target  # lm-eval puts nothing before it
        config = handle.task.config
        prefix = config.gen_prefix
        if chat_template is not None and (not prefix or prefix[-1:].isspace()):
            return item.target
        return f"{config.target_delimiter}{item.target}"


def _split_docs(handle: DomainTask, split: Split) -> Sequence[Any]:
    if split == "extension":
        return handle.extension
    if split == "train_file":
        return handle.train_file
    if handle.file_alone:
        return []
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
        first = target[0] if isinstance(target, list) and target else target  # of several right ones
        return str(first if isinstance(first, (str, list)) else choices[first])
    if handle.kind == "continuation" and (not isinstance(target, str) or not target):
        what = "an empty text" if target == "" else type(target).__name__
        raise InputError(f"task '{handle.name}': doc_to_target gives {what}; a loglikelihood task scores one text")
    return gold_text(handle.task, doc)


def load_domain(name: str, include_paths: Sequence[Path]) -> Domain:
    """Find and load a task, group or tag by its lm-eval name, or several of them.

    Tasks in ``include_paths`` come first, then those of other packages; lm-eval's own are looked up only for names
    that are not among them (indexing its 14,000 files takes seconds). What came neither with this package nor with
    lm-eval must be allowed (`harness.evaluation.trust`) before anything of it runs.

    Args:
        name: lm-eval name of a task, group or tag; several are separated by commas.
        include_paths: folders of task YAMLs.

    Raises:
        InputError: no such task (the nearest is named), malformed YAML, an unknown field, data that cannot be read; a
            task that two of the names hold; code that was not allowed.
    """
    tasks: dict[str, DomainTask] = {}
    for part in name.split(","):
        for task, handle in _load_one(part.strip(), include_paths).items():
            if task in tasks:
                raise InputError(f"domain '{name}': task '{task}' is in two of these; name it once")
            tasks[task] = handle
    return Domain(name, tasks)


def _load_one(name: str, include_paths: Sequence[Path]) -> dict[str, DomainTask]:
    manager = find_tasks(name, include_paths)
    try:
        loaded = manager.load(name)["tasks"]
    except HarnessError:
        raise
    except Exception as error:
        if isinstance(error, KeyError) and (failed := task_that_failed(error)) is not None:
            check_splits(failed.config.task, failed, _file(manager.task_index.get(failed.config.task)))
        raise InputError(f"domain '{name}': {_task_error(error)}") from error
    if not loaded:
        raise InputError(f"domain '{name}' holds no task")
    for task_name, task in loaded.items():
        check_splits(task_name, task, _file(manager.task_index.get(task_name)))
    return {
        task_name: task_handle(task_name, task, _folder(manager.task_index.get(task_name)))
        for task_name, task in loaded.items()
    }


def _file(entry: Any) -> Path | None:
    path = getattr(entry, "yaml_path", None)
    return Path(path) if path else None


def _folder(entry: Any) -> Path | None:
    path = getattr(entry, "yaml_path", None)
    # lm-eval takes the code from where a link points.
    return (Path(path).resolve() if Path(path).is_symlink() else Path(path)).parent if path else None


def template_files(folder: Path | None) -> list[Path]:
    """Prompt templates (``*.j2``) in a task's folder and below, in order."""
    return sorted(folder.rglob("*.j2")) if folder else []


def _code_hash(folder: Path | None) -> str:
    """Hash of the Python files beside a task's YAML and its prompt templates: their change is a change of the task."""
    code = sorted(folder.glob("*.py")) if folder else []
    files = [*code, *template_files(folder)]
    if any(b"load_template" in file.read_bytes() for file in code):  # perhaps one that ships with the package
        files += template_files(data_folder("tasks") / "_templates")
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
    if output not in _KINDS:
        raise InputError(
            f"task '{name}': output_type '{output}' scores whole texts and has no answer to learn from; "
            "'harness baseline --text FILE' measures perplexity, 'lm_eval run' alone runs the task"
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
    kind = _KINDS[output]
    metrics = task_metrics(task, kind)
    config = {key: value for key, value in task.dump_config().items() if key != "metadata"}
    return DomainTask(
        name=name,
        kind=kind,
        metric=metrics.main,
        until=(until,) if isinstance(until, str) else tuple(until),
        max_new_tokens=int(generation.get("max_gen_toks") or 256),
        config_hash=sha256_text(canonical_json(_plain(config)) + _code_hash(folder))[:16],
        task=task,
        graded=name in GRADED,
        prompts=read_prompts(name, task.config.metadata, folder),
        folder=folder,
        metrics=metrics,
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
