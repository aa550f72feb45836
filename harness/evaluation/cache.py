"""Answers that were given once, kept on disk: one SQLite file that several processes may use at once.

A cache must never make a run fail. A damaged file is put aside and begun anew; whatever else goes wrong (a full or
read-only disk, a file system without locks) turns the cache off for this process, with one notice.
"""

from __future__ import annotations

import os
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from harness.exceptions import EnvironmentFault
from harness.models.cache import cache_root

_Result = TypeVar("_Result")
MAX_BYTES = 1_000_000_000
"""Default bound of the file, bytes."""
_SCHEMA = 1
_TABLES = """
CREATE TABLE models (id INTEGER PRIMARY KEY, weights TEXT NOT NULL UNIQUE, name TEXT NOT NULL);
CREATE TABLE answers (
    key BLOB PRIMARY KEY, model INTEGER NOT NULL, used INTEGER NOT NULL, size INTEGER NOT NULL, payload BLOB NOT NULL
);
CREATE INDEX answers_by_use ON answers (used, size, model);
"""
_PATIENCE = 10.0  # seconds to wait for another process; transactions take a fraction of one
_ROWS = 2_000  # rows written in one transaction, so that nobody waits long
_TOUCH = 3_600  # seconds for which a use is not noted again: reading should not mean writing
_ROOM = 0.9  # share of the bound that is left after making room, so that it is not made at every write
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}  # the last: the tables are not ours


@dataclass(frozen=True)
class ModelUse:
    """What the cache holds of one base model: its ``weights`` hash, the ``name`` it was last asked by, ``answers``."""

    weights: str
    name: str
    answers: int


@dataclass(frozen=True)
class CacheUse:
    """What the cache holds: ``bytes`` on disk, ``answers`` in all, and by model, the largest first."""

    path: Path
    bytes: int
    answers: int
    models: tuple[ModelUse, ...]


def default_path() -> Path:
    """``responses.sqlite`` in the cache folder."""
    return cache_root() / "responses.sqlite"


class ResponseCache:
    """Payloads by key, the least recently used leaving first when the bound is reached.

    Args:
        path: the file; made, with its folder, at the first write.
        max_bytes: bound of the file's used pages; a batch that is being written may exceed it for a moment.
        on_notice: told in one line when the cache was begun anew or turned off.
        now: seconds since the epoch.

    Example::

        cache = ResponseCache(default_path())
        cache.put({key: b"payload"}, weights="9f3c...", name="smollm2-135m-instruct")
        cache.get([key])  # {key: b"payload"}
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int = MAX_BYTES,
        on_notice: Callable[[str], None] = lambda _: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self._on_notice = on_notice
        self._now = now
        self._off = False

    def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Payloads of those ``keys`` (32 bytes each) that are there, whole and unchanged."""
        found: dict[bytes, bytes] = {}
        old: list[bytes] = []
        before = int(self._now()) - _TOUCH

        def read(database: sqlite3.Connection) -> None:
            for some in _slices(keys, 500):  # well below the most variables that a statement may have
                marks = ",".join("?" * len(some))
                query = f"SELECT key, used, payload FROM answers WHERE key IN ({marks})"
                for key, used, stored in database.execute(query, some):
                    payload = _unsealed(key, stored)
                    if payload is not None:
                        found[key] = payload
                        old.extend([key] if used < before else [])

        def touch(database: sqlite3.Connection) -> None:
            for some in _slices(old, _ROWS):
                with _transaction(database):
                    rows = [(int(self._now()), key) for key in some]
                    database.executemany("UPDATE answers SET used = ? WHERE key = ?", rows)

        if keys:
            self._forgiving(read)
        if old:
            self._forgiving(touch)
        return found

    def put(self, payloads: Mapping[bytes, bytes], weights: str, name: str) -> None:
        """Keep ``payloads`` by key (32 bytes each).

        Args:
            weights: hash of the base model's weights that answered, for `use`.
            name: what its user calls it.
        """

        def write(database: sqlite3.Connection) -> None:
            for some in _slices(list(payloads.items()), _ROWS):
                with _transaction(database):
                    database.execute(
                        "INSERT INTO models (weights, name) VALUES (?, ?)"
                        " ON CONFLICT (weights) DO UPDATE SET name = excluded.name",
                        (weights, name.encode("utf-8", "backslashreplace").decode()),
                    )
                    (model,) = database.execute("SELECT id FROM models WHERE weights = ?", (weights,)).fetchone()
                    rows = [(key, model, int(self._now()), len(body), _sealed(key, body)) for key, body in some]
                    database.executemany(
                        "INSERT OR REPLACE INTO answers (key, model, used, size, payload) VALUES (?, ?, ?, ?, ?)", rows
                    )
                self._make_room(database)

        if payloads:
            self._forgiving(write)

    def use(self) -> CacheUse:
        """What is held.

        Raises:
            EnvironmentFault: the file cannot be read.
        """
        if not self.path.exists():
            return CacheUse(self.path, 0, 0, ())

        def count(database: sqlite3.Connection) -> CacheUse:
            query = (
                "SELECT weights, name, n FROM (SELECT model, COUNT(*) AS n FROM answers GROUP BY model)"
                " JOIN models ON models.id = model ORDER BY n DESC, weights"
            )
            models = tuple(ModelUse(*row) for row in database.execute(query))
            return CacheUse(self.path, _used_bytes(database), sum(model.answers for model in models), models)

        return self._strict(count)

    def clear(self, older_than: float | None = None) -> int:
        """Forget all answers, or those not used for ``older_than`` seconds; returns how many.

        Raises:
            EnvironmentFault: the file cannot be written.
        """
        if older_than is None:
            with _faults(self.path):
                _aside(self.path).unlink(missing_ok=True)
        if not self.path.exists():
            return 0
        limit = None if older_than is None else self._now() - older_than

        def remove(database: sqlite3.Connection) -> int:
            with _transaction(database):
                if limit is None:
                    gone = database.execute("DELETE FROM answers").rowcount
                else:
                    gone = database.execute("DELETE FROM answers WHERE used < ?", (limit,)).rowcount
                database.execute("DELETE FROM models WHERE id NOT IN (SELECT model FROM answers)")
            database.execute("VACUUM")  # gives the space back, and leaves nothing readable of what was deleted
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return gone

        return self._strict(remove)

    def _make_room(self, database: sqlite3.Connection) -> None:
        """Delete the least recently used answers, some at a time, once the bound is passed."""
        if _used_bytes(database) <= self.max_bytes:
            return
        while (excess := _used_bytes(database) - int(_ROOM * self.max_bytes)) > 0:
            chosen: list[tuple[int]] = []
            for row, size in database.execute("SELECT rowid, size FROM answers ORDER BY used, rowid"):
                chosen.append((row,))
                excess -= size
                if excess <= 0 or len(chosen) == _ROWS:
                    break
            if not chosen:
                return
            with _transaction(database):
                database.executemany("DELETE FROM answers WHERE rowid = ?", chosen)

    def _forgiving(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Do ``work``, or turn the cache off for the rest of this process."""
        if self._off:
            return
        try:
            self._on_database(work)
        except Exception as error:  # a row that others wrote may hold anything, and no cache is worth a run
            self._off = True
            self._on_notice(f"answers are not kept from now on: {self.path}: {_reason(error)}")

    def _strict(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        with _faults(self.path):
            return self._on_database(work)

    def _on_database(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Do ``work`` on a connection of its own; on a damaged file, once more on a new one.

        A connection lives as long as one piece of work: opening one takes less than a millisecond, and none is left
        open in a forked child, in another thread or when the process is killed.
        """
        for last in (False, True):
            with _connection(self.path) as database:
                opened = _inode(self.path)
                try:
                    _prepare(database, self.path)
                    return work(database)
                except sqlite3.DatabaseError as error:
                    if last or getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGE:
                        raise
                    reason = str(error)
            with _locked(self.path):
                if _inode(self.path) == opened:  # else another process has put it aside already
                    for suffix in ("-wal", "-shm"):
                        Path(f"{self.path}{suffix}").unlink(missing_ok=True)
                    os.replace(self.path, _aside(self.path))
                    self._on_notice(f"{self.path}: damaged ({reason}); put aside and begun anew")
        raise AssertionError("the second attempt returns or raises")


def _sealed(key: bytes, payload: bytes) -> bytes:
    """``payload`` behind a checksum that binds it to its key: SQLite itself does not notice a flipped bit."""
    return zlib.crc32(payload, zlib.crc32(key)).to_bytes(4, "big") + payload


def _unsealed(key: bytes, stored: object) -> bytes | None:
    if not isinstance(stored, bytes) or _sealed(key, stored[4:]) != stored:
        return None
    return stored[4:]


@contextmanager
def _connection(path: Path) -> Iterator[sqlite3.Connection]:
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)  # transactions are begun explicitly
    try:
        yield database
    finally:
        database.close()


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    """Make the tables where they are missing; a file of another version of them is emptied first."""
    # With the write-ahead log a power cut may then take the last answers, never the file.
    database.execute("PRAGMA synchronous = NORMAL")
    if _version(database) == _SCHEMA:
        return
    with _locked(path):  # changing the journal's mode does not wait for others by itself
        if _version(database) == _SCHEMA:
            return
        database.execute("PRAGMA journal_mode = WAL")
        with _transaction(database):
            for table in ("answers", "models"):
                database.execute(f"DROP TABLE IF EXISTS {table}")
            for statement in _TABLES.split(";"):
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {_SCHEMA}")


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # SQLite itself has rolled back where the disk is full
            database.execute("ROLLBACK")
        raise


def _used_bytes(database: sqlite3.Connection) -> int:
    count, free, size = (
        int(database.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count", "page_size")
    )
    return (count - free) * size


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        with FileLock(f"{path}.lock", timeout=_PATIENCE):
            yield
    except Timeout as error:
        raise OSError("another process holds its lock") from error
    except NotImplementedError as error:
        raise OSError("its file system has no locks") from error


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise EnvironmentFault(
            f"{path}: {_reason(error)}; the file can be deleted, or HARNESS_CACHE set to another folder"
        ) from error


def _reason(error: BaseException) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _aside(path: Path) -> Path:
    return Path(f"{path}.damaged")


def _inode(path: Path) -> int:
    return path.stat().st_ino


def _slices(values: Sequence[_Result], size: int) -> Iterable[Sequence[_Result]]:
    return (values[start : start + size] for start in range(0, len(values), size))
