"""One process a run directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from harness.exceptions import InputError
from harness.storage import writing

LOCK, PID = ".lock", ".lock.pid"
"""The file that is locked, always empty, and the process id of who holds it."""


@contextmanager
def run_lock(run_dir: Path) -> Iterator[None]:
    """Hold ``run_dir`` for this process; the operating system frees it when the process dies, however it dies.

    Raises:
        InputError: another process holds it; names its process id.
        EnvironmentFault: the folder cannot be written.
    """
    with writing(run_dir):
        run_dir.mkdir(parents=True, exist_ok=True)
    path = run_dir / LOCK
    lock = FileLock(path)
    with writing(path):
        try:
            lock.acquire(timeout=0)
        except Timeout:  # an OSError too: it must not reach `writing`
            holder = _read(run_dir / PID)
            raise InputError(
                f"{run_dir}: in use by another process{f' (pid {holder})' if holder else ''}; "
                "wait for it or choose another folder with --out"
            ) from None
    try:
        with writing(run_dir):
            (run_dir / PID).write_text(str(os.getpid()))
        yield
    finally:
        (run_dir / PID).unlink(missing_ok=True)
        lock.release()


def held_by(run_dir: Path) -> str:
    """Process id of who holds ``run_dir``; ``unknown`` where it does not say, empty where nobody does. Writes nothing.

    Where the system cannot tell without taking the lock (Windows), whoever left a process id counts.
    """
    path = run_dir / LOCK
    if not path.is_file():
        return ""
    try:
        import fcntl
    except ImportError:
        return _read(run_dir / PID)
    with path.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read(run_dir / PID) or "unknown"
        except OSError:  # a file system without locks
            return ""
    return ""


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
