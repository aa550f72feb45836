"""What a model's answers hang on, read from disk: neither the model nor lm-eval is loaded, and no task's code runs.

Evaluations with equal inputs give equal answers, so kept ones can stand for new ones (`harness.regression.memo`).
"""

from __future__ import annotations

import functools
import importlib.util
import os
import platform
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import harness
from harness.config import ClassifierSettings, Settings
from harness.evaluation.engine import ANSWERS_DEPEND_ON
from harness.evaluation.folders import plugin_folders
from harness.evaluation.guards import guard_names
from harness.evaluation.task_files import TaskFile, merged, read_task_file, yaml_files
from harness.evaluation.trust import folders_of, outside
from harness.exceptions import InputError
from harness.locate import data_folder, state_folder
from harness.loop.run import utc_now
from harness.models.cache import cached_sha256
from harness.models.fingerprint import library_versions
from harness.state.domain import DomainState
from harness.storage import canonical_json, sha256_text
from harness.training.recipe import Recipe

LIBRARIES = (
    *ANSWERS_DEPEND_ON, "datasets", "tokenizers", "jinja2", "numpy", "evaluate", "sacrebleu", "rouge_score", "nltk",
    "jsonschema", "regex", "py3langid", "symspellpy", "harper_py", "alt_profanity_check",
)  # fmt: skip
"""Libraries that make prompts, answers, scores or labels; those that are not installed are left out."""
_ASKED_BY = ("domain", "prompt", "fewshot", "limit", "engine", "batch_size", "device")
_IGNORED = frozenset({"__pycache__", "node_modules"})
_OF_A_PROJECT = frozenset({"runs", "baselines"})
"""Folders beside a ``harness.yaml`` that hold results: a task whose folder is the project's does not hang on them."""


def fixed_inputs(settings: Settings, recipe: Recipe, model: Path, adapter: Path | None) -> dict[str, Any]:
    """All inputs but the record of the domain's items (`state_input`), as plain data.

    Args:
        settings: ``guard`` is empty where no guard is asked.
        model: folder of the model's files.

    Raises:
        InputError: a path of the settings is not there or cannot be read.
    """
    names = [*settings.domain.split(","), *guard_names(settings.guard)]
    rows = settings.guard.values() if isinstance(settings.guard, Mapping) else ()
    named = [*(path for path in rows if path), *([settings.train_from] if settings.train_from else [])]
    given = settings.as_dict()
    return {
        "harness": [harness.__version__, _own_code()],
        "libraries": library_versions(LIBRARIES),
        "machine": _machine(),
        "settings": {key: given[key] for key in _ASKED_BY},
        "guard": [list(guard_names(settings.guard)), settings.guard_limit] if settings.guard else None,
        "recipe": recipe.as_dict(),
        "model": digests(file for file in model.iterdir() if file.is_file()),
        "adapter": digests(file for file in adapter.iterdir() if file.is_file()) if adapter else None,
        "tasks": task_digests(names, [*map(Path, settings.include_path), data_folder("tasks")]),
        "rows": [[Path(path).name, tree(Path(path))] for path in named],
        "classifiers": [given["classifiers"], _classifier_code(settings.classifiers)],
    }


def state_input(settings: Settings) -> str:
    """Hash of what the record of the domain's items says of their roles and of items that were added.

    Raises:
        InputError: the record is damaged.
    """
    kept = DomainState.open(state_folder(settings.state), settings.domain, utc_now).kept
    return sha256_text(canonical_json([kept.roles, kept.prompts, [dict(each) for each in kept.extensions]]))


def task_digests(names: Iterable[str], roots: Iterable[Path]) -> list[list[str]]:
    """Hash of each folder that tasks by these names are defined in, with all files in it, and of files named elsewhere.

    Each beside its path below its root, or its name: a checkout that lies elsewhere has the same.

    Names that no YAML file in ``roots`` (or in a package's folder of domains) defines are lm-eval's own; its version
    stands for them.

    Raises:
        InputError: a root is no folder, a file cannot be read.
    """
    roots = list(roots)
    for root in roots:
        if not root.is_dir():
            raise InputError(f"{root}: no such folder of tasks")
    index = _index(roots)
    wanted = [name.strip() for name in names if name.strip()]
    if any(name not in index for name in wanted):
        index = dict(ChainMap(index, _index(plugin_folders().values())))
    found: dict[Path, str] = {}
    for folder in dict.fromkeys(folder for name in wanted for folder in folders_of(index, name)):
        found[folder] = tree(folder)
        others = [*outside(folder).files, *_data_named(folder)]
        found |= {path: tree(path) for path in others if not path.is_relative_to(folder.resolve())}
    return sorted([_below(path, roots), digest] for path, digest in found.items())


def _below(path: Path, roots: Iterable[Path]) -> str:
    inside = (
        path.resolve().relative_to(root.resolve()) for root in roots if path.resolve().is_relative_to(root.resolve())
    )
    return next((below.as_posix() for below in inside), path.name)


def _index(roots: Iterable[Path]) -> dict[str, Any]:
    """Entries in the form of lm-eval's index, as far as `folders_of` looks at them."""
    index: dict[str, Any] = {}
    tags: dict[str, set[str]] = {}
    for path in (path for root in roots for path in yaml_files(root)):
        try:
            file = read_task_file(path)
            values = merged(file)
        except InputError:
            continue  # said when the task is loaded
        name = file.group or file.task
        if name is None:
            continue
        kind = "GROUP" if file.group else "TASK"
        index.setdefault(name, SimpleNamespace(kind=SimpleNamespace(name=kind), yaml_path=path, tags=(), cfg=values))
        listed = values.get("tag") if file.task else None
        for tag in [listed] if isinstance(listed, str) else listed or ():
            tags.setdefault(str(tag), set()).add(name)
    for tag, members in tags.items():
        entry = SimpleNamespace(kind=SimpleNamespace(name="TAG"), yaml_path=None, tags=sorted(members), cfg={})
        index.setdefault(tag, entry)
    return index


def _data_named(folder: Path) -> Iterator[Path]:
    """Files and folders outside of ``folder`` that its YAML files name as data."""

    def walk(value: Any) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            for each in value.values():
                yield from walk(each)
        elif isinstance(value, list):
            for each in value:
                yield from walk(each)

    for path in yaml_files(folder):
        try:
            file: TaskFile = read_task_file(path)
            values = merged(file)
        except InputError:
            continue
        for name in walk([values.get("dataset_kwargs"), values.get("dataset_path")]):
            try:
                named = Path(name).expanduser()
                if named.exists():
                    yield named.resolve()
            except (OSError, RuntimeError, ValueError):  # no path
                continue


def tree(path: Path) -> str:
    """Hash of a file, or of all files below a folder with their names.

    Raises:
        InputError: it is not there or cannot be read.
    """
    try:
        if path.is_file():
            return cached_sha256(path)
        if not path.is_dir():
            raise InputError(f"{path}: no such file or folder")
        return sha256_text(canonical_json(digests(_files(path), path)))
    except OSError as error:
        raise InputError(f"{error.filename or path}: cannot be read: {error.strerror or error}") from error


def _files(folder: Path) -> Iterator[Path]:
    for place, inner, names in os.walk(folder):
        results = _OF_A_PROJECT if "harness.yaml" in names else frozenset()
        inner[:] = sorted(
            each for each in inner
            if not each.startswith(".") and each not in _IGNORED | results
            and not Path(place, each, "pyvenv.cfg").exists()
        )  # fmt: skip
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def digests(files: Iterable[Path], base: Path | None = None) -> dict[str, str]:
    """SHA-256 of files by name, or by path from ``base``; a link that leads nowhere has none.

    Raises:
        InputError: one cannot be read.
    """
    found = {}
    for path in files:
        name = path.relative_to(base).as_posix() if base else path.name
        try:
            found[name] = cached_sha256(path) if path.is_file() else ""
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    return found


@functools.cache
def _own_code() -> str:
    """Hash of this package's code and of the tasks that ship with it: an edit of a checkout changes no version."""
    package = Path(harness.__file__).parent
    code = digests((path for path in sorted(package.rglob("*.py")) if "data" not in path.parts), package)
    return sha256_text(canonical_json([code, tree(data_folder("tasks"))]))


def _classifier_code(settings: ClassifierSettings) -> list[Any]:
    """What the settings name as classifiers, and what other packages bring."""
    from importlib import metadata

    points = [
        (point.group, point.name, point.value, point.dist.version if point.dist else "")
        for group in ("harness.classifiers", "harness.domains")
        for point in metadata.entry_points(group=group)
    ]
    own: dict[str, str] = {}
    for category in settings.custom.values():
        if isinstance(category.json_schema, str):
            own[category.json_schema] = tree(Path(category.json_schema))
        module = (category.function or "").rpartition(":")[0]
        if module.endswith(".py"):
            own[module] = tree(Path(module))
        elif module:
            own[module] = _module(module.partition(".")[0])
    if settings.hallucination_model:
        own[settings.hallucination_model] = tree(Path(settings.hallucination_model))
    return [sorted(set(points)), own]


def _module(name: str) -> str:
    """Hash of an importable module or package, without importing it; empty where there is none."""
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None or not Path(found.origin).is_file():
        return ""
    origin = Path(found.origin)
    return tree(origin.parent) if origin.name == "__init__.py" else tree(origin)


def _machine() -> list[str]:
    """Unlike machines round differently and take another time."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    cards = [name for name in ("/dev/nvidiactl", "/dev/kfd") if Path(name).exists()]
    return [platform.machine(), processor, *cards, os.environ.get("CUDA_VISIBLE_DEVICES", "")]
