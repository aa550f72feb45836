"""Answer sets kept on disk beside the response cache, by the hash of all that they hang on.

Like that cache it can only ever miss: a damaged file is passed over, a folder that cannot be written keeps nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock

from harness.exceptions import EnvironmentFault, InputError
from harness.models.cache import cache_root
from harness.regression.answers import Answer, AnswerSet, Identity
from harness.storage import sha256_text, write_text

SCHEMA = 1
KEPT = 64
"""Answer sets in a folder; the least recently made leave first."""


def default_folder() -> Path:
    """``answers`` in the cache folder."""
    return cache_root() / "answers"


def find(folder: Path, key: str) -> AnswerSet | None:
    """What `keep` kept under ``key``; ``None`` where there is nothing, or nothing that is whole."""
    try:
        head, _, body = (folder / f"{key}.json").read_bytes().decode("ascii").partition("\n")
        if head != f"{SCHEMA} {sha256_text(body)}":
            return None
        return _from_plain(json.loads(body))
    except (OSError, ValueError, TypeError, KeyError, InputError, RecursionError):
        return None


def keep(folder: Path, keys: Iterable[str], answers: AnswerSet) -> None:
    """Keep ``answers`` under each of ``keys``, atomically."""
    body = json.dumps(asdict(answers), allow_nan=False)  # in ASCII, so that lone surrogates of responses survive
    try:
        for key in dict.fromkeys(keys):
            write_text(folder / f"{key}.json", f"{SCHEMA} {sha256_text(body)}\n{body}")
        kept = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        for path in kept[:-KEPT]:
            path.unlink(missing_ok=True)
    except (EnvironmentFault, OSError):
        return


def clear(folder: Path, before: float | None = None) -> None:
    """Forget everything, or what was made before that time (seconds since the epoch)."""
    for path in folder.glob("*.json"):
        if before is None or path.stat().st_mtime < before:
            path.unlink(missing_ok=True)


@contextmanager
def alone(folder: Path | None, name: str) -> Iterator[None]:
    """Let one process at a time into the block by this ``name``; where nothing can be locked, all of them."""
    lock = None
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / f".{name}.lock")
            lock.acquire()
        except OSError:  # a read-only folder, a file system without locks
            lock = None
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _from_plain(raw: Mapping[str, Any]) -> AnswerSet:
    listed = ("categories", "not_assessed")
    answers = tuple(Answer(**{**each, **{name: tuple(each[name]) for name in listed}}) for each in raw["answers"])
    return AnswerSet(raw["source"], answers, Identity(**raw["identity"]), raw["seconds"], raw["classified"])
