"""Whether a task that did not ship with this package or with lm-eval may be loaded: asked once, remembered by hash.

A task is code: ``!function`` runs Python, a template renders in an unsandboxed Jinja environment, a metric can be
fetched by name. So every folder of tasks from outside is asked about before anything in it runs, and again when its
code or its YAML has changed. Finding a task by its name runs nothing (lm-eval's index leaves functions unresolved).
"""

from __future__ import annotations

import datetime
import importlib.util
import json
import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.exceptions import EnvironmentFault, InputError
from harness.locate import state_folder, tasks_folder
from harness.storage import append_line, sha256_file, sha256_text, writing

logger = logging.getLogger(__name__)

RECORD = "consent/allowed.jsonl"
VARIABLE = "HARNESS_ALLOW_TASK_CODE"
"""Set to 1, every task may be loaded, and nothing is remembered: for machines that are thrown away (CI)."""
_SUFFIXES = (".py", ".yaml", ".yml")


@dataclass(frozen=True)
class Outside:
    """A folder of tasks from outside.

    Attributes:
        folder: in which the task's YAML lies.
        files: its Python and YAML files, in the folders below it too, and what its YAML names elsewhere.
        sha256: of their names and contents.
    """

    folder: Path
    files: tuple[Path, ...]
    sha256: str

    @property
    def code(self) -> tuple[Path, ...]:
        """Files whose Python may run."""
        return tuple(path for path in self.files if path.suffix == ".py")


@dataclass(frozen=True)
class Consent:
    """Who says that code from outside may run.

    Attributes:
        root: folder of the record. Never the ``state:`` of a ``harness.yaml``: a project that was fetched from
            somewhere could bring its own permission.
        everything: whether all may run and nothing is remembered.
        given: whether what is asked for now may run, and is remembered.
        ask: asks a person; ``None`` where there is none.
    """

    root: Path = field(default_factory=state_folder)
    everything: bool = False
    given: bool = False
    ask: Callable[[Sequence[Outside]], bool] | None = None

    @classmethod
    def of_environment(cls, given: bool = False, ask: Callable[[Sequence[Outside]], bool] | None = None) -> Consent:
        """What the environment says, beside what the command line does."""
        everything = os.environ.get(VARIABLE, "").strip().lower() in ("1", "on", "yes", "true")
        return cls(everything=everything, given=given, ask=ask)


_CONSENT: ContextVar[Consent | None] = ContextVar("harness_task_code", default=None)


@contextmanager
def consenting(consent: Consent) -> Iterator[None]:
    """``consent`` holds within the block; elsewhere the environment and the record alone do."""
    reset = _CONSENT.set(consent)
    try:
        yield
    finally:
        _CONSENT.reset(reset)


def outside(folder: Path) -> Outside:
    """What a folder of tasks could run, and the hash of it.

    Not in it is what its code imports from elsewhere, and its data.

    Raises:
        InputError: a file cannot be read.
    """
    folder = folder.resolve()
    found: dict[Path, None] = {}
    for place, inner, names in os.walk(folder):
        inner[:] = sorted(
            each for each in inner if not each.startswith((".", "__pycache__")) and each != "node_modules"
            and not Path(place, each, "pyvenv.cfg").exists()
        )  # fmt: skip
        found |= dict.fromkeys(Path(place, each) for each in sorted(names) if each.endswith(_SUFFIXES))
    queue = list(found)
    for path in queue:  # grows: what is included may include
        for other in _named(path) if path.suffix != ".py" else ():
            if other not in found and not _trusted(other):
                found[other] = None
                queue.append(other)
    called = {os.path.relpath(path, folder).replace(os.sep, "/"): path for path in found}
    try:
        lines = [f"{sha256_file(path)}  {name}" for name, path in sorted(called.items())]
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read: {error.strerror or error}") from error
    return Outside(folder, tuple(found), sha256_text("\n".join(lines)))


def _named(path: Path) -> Iterator[Path]:
    """Files that a YAML file includes, and Python files beside it that hold its functions."""
    import yaml

    try:
        root = yaml.compose(path.read_bytes(), Loader=yaml.SafeLoader)
    except (OSError, RecursionError, yaml.YAMLError):
        return  # lm-eval cannot load it either

    def walk(node: Any, seen: set[int]) -> Iterator[str]:
        if id(node) in seen:  # an alias to what it stands in
            return
        seen.add(id(node))
        if isinstance(node, yaml.ScalarNode) and node.tag == "!function":
            yield f"{node.value.rpartition('.')[0].replace('.', '/')}.py"
        elif isinstance(node, yaml.SequenceNode):
            for each in node.value:
                yield from walk(each, seen)
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == "include":
                    parts = value.value if isinstance(value, yaml.SequenceNode) else [value]
                    yield from (part.value for part in parts if isinstance(part, yaml.ScalarNode))
                yield from walk(value, seen)

    for name in walk(root, set()):
        try:
            other = (path.resolve().parent / name).resolve()  # lm-eval goes by where a link points, too
            if other.is_file():
                yield other
        except (OSError, ValueError):  # a name that is no path
            continue


def _trusted(path: Path) -> bool:
    """Whether ``path`` ships with this package or with lm-eval."""
    roots = [tasks_folder()]
    found = importlib.util.find_spec("lm_eval")
    roots += [Path(root, "tasks") for root in (found.submodule_search_locations or () if found else ())]
    return any(path.is_relative_to(root.resolve()) for root in roots)


def allow(folder: Path, state_root: Path | None = None, why: str = "by hand") -> None:
    """Remember that the tasks in ``folder``, as they are now, may be loaded on this machine.

    Args:
        folder: with YAML files in it, or in folders below it.
        state_root: folder of the record; by default ``$HARNESS_STATE`` or the user's data directory.
        why: who allowed it, for whoever reads the record.

    Raises:
        EnvironmentFault: the record cannot be written.
    """
    folders = dict.fromkeys(path.parent for path in sorted(folder.rglob("*.yaml")))
    _remember([outside(each) for each in folders], state_root or state_folder(), why)


def allowed(state_root: Path) -> frozenset[str]:
    """Hashes that the record in ``state_root`` allows; a line that is damaged allows nothing."""
    try:
        lines = (state_root / RECORD).read_bytes().splitlines()
    except OSError:
        return frozenset()
    found = set()
    for line in lines:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict) and isinstance(entry.get("sha256"), str):
            found.add(entry["sha256"])
    return frozenset(found)


def _remember(those: Iterable[Outside], root: Path, why: str) -> None:
    known = allowed(root)
    path = root / RECORD
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        torn = path.is_file() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
    for each in those:
        if each.sha256 in known:
            continue
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        entry = {"sha256": each.sha256, "folder": str(each.folder), "time": now, "why": why}
        append_line(path, ("\n" if torn else "") + json.dumps(entry))
        torn = False


def require_consent(folders: Collection[Path]) -> None:
    """Go on only where every one of ``folders`` that is from outside may run.

    Raises:
        InputError: one may not; says what it holds and what to do.
    """
    consent = _CONSENT.get() or Consent.of_environment()
    if consent.everything:
        return
    strange = [outside(folder) for folder in folders if not _trusted(folder.resolve())]
    known = allowed(consent.root)
    strange = [each for each in strange if each.sha256 not in known]
    if not strange:
        return
    if not consent.given and not (consent.ask is not None and consent.ask(strange)):
        named = ", ".join(str(each.folder) for each in strange[:3]) + (", ..." if len(strange) > 3 else "")
        raise InputError(
            f"{named}: tasks from outside, which run code with your rights, and were not allowed here or have changed "
            f"since; read them, then add --allow-task-code once (or set {VARIABLE}=1)"
        )
    try:
        _remember(strange, consent.root, "--allow-task-code" if consent.given else "asked on the terminal")
    except EnvironmentFault as fault:
        logger.warning("allowed this time, and not remembered: %s", fault)


def folders_of(index: Mapping[str, Any], name: str) -> list[Path]:
    """Folders of the YAML files that loading ``name`` can read, through groups and tags.

    Args:
        index: of lm-eval's ``TaskManager``: name to entry with ``kind``, ``yaml_path``, ``tags`` and ``cfg``.
    """
    found: dict[Path, None] = {}
    queue, seen = [name], {name}
    for each in queue:
        entry = index.get(each)
        if entry is None:
            continue
        if entry.yaml_path:
            found[Path(entry.yaml_path).parent] = None
        members = [*(entry.tags if entry.kind.name == "TAG" else ()), *_members(entry.cfg)]
        fresh = [member for member in members if member not in seen]
        queue += fresh
        seen.update(fresh)
    return list(found)


def _members(cfg: Any) -> Iterator[str]:
    """Every name that a group's configuration could mean by its members, nested groups included."""
    members = cfg.get("task") if isinstance(cfg, Mapping) else None
    for member in members if isinstance(members, list) else ():
        if isinstance(member, str):
            yield member
        elif isinstance(member, Mapping):
            yield from (str(member[key]) for key in ("task", "group") if isinstance(member.get(key), str))
            yield from _members(member)
