"""One process a run directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from harness.exceptions import InputError
from harness.storage import writing


@contextmanager
def run_lock(run_dir: Path) -> Iterator[None]:
    """Hold ``run_dir`` for this process; the operating system frees it when the process dies, however it dies.

    Raises:
        InputError: another process holds it; names its process id.
        EnvironmentFault: the folder cannot be written.
    """
    with writing(run_dir):
        run_dir.mkdir(parents=True, exist_ok=True)
    path = run_dir / ".lock"
    lock = FileLock(path)
    with writing(path):
        try:
            lock.acquire(timeout=0)
        except Timeout:  # an OSError too: it must not reach `writing`
            holder = _read(run_dir / ".lock.pid")
            raise InputError(
                f"{run_dir}: in use by another process{f' (pid {holder})' if holder else ''}; "
                "wait for it or choose another folder with --out"
            ) from None
    try:
        with writing(run_dir):
            (run_dir / ".lock.pid").write_text(str(os.getpid()))
        yield
    finally:
        (run_dir / ".lock.pid").unlink(missing_ok=True)
        lock.release()


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
