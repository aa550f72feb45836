"""One process a run directory, whatever happens to the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.exceptions import EnvironmentFault, InputError
from harness.loop.lock import run_lock

HOLD = """
import sys
from pathlib import Path
from harness.loop.lock import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(run_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock until its standard input is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_refused_and_told_the_first_ones_pid(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    with another_process(run_dir) as holder, pytest.raises(InputError) as caught, run_lock(run_dir):
        pass
    assert str(caught.value) == (
        f"{run_dir}: in use by another process (pid {holder.pid}); wait for it or choose another folder with --out"
    )


def test_a_refused_process_leaves_the_holders_lock_alone(tmp_path: Path) -> None:
    with another_process(tmp_path) as holder:
        for _ in range(2):
            with pytest.raises(InputError, match=f"pid {holder.pid}"), run_lock(tmp_path):
                pass


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    with another_process(tmp_path) as holder:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        with run_lock(tmp_path):
            assert (tmp_path / ".lock.pid").read_text() == str(os.getpid())


def test_the_lock_makes_the_folder_and_can_be_taken_again(tmp_path: Path) -> None:
    run_dir = tmp_path / "runs" / "new"
    for _ in range(2):
        with run_lock(run_dir):
            assert run_dir.is_dir()
    assert not (run_dir / ".lock.pid").exists()


def test_the_lock_is_freed_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), run_lock(tmp_path):
        raise RuntimeError
    with run_lock(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_an_environment_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(EnvironmentFault, match=r"cannot write .*file/run: Not a directory"),
        run_lock(tmp_path / "file" / "run"),
    ):
        pass
