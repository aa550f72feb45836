"""Kept answers on disk where processes write at once or are killed, and where disks and files refuse: no run fails."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kept_answers import LIMITED, Notices, key, put

from harness.evaluation.cache import ResponseCache


@pytest.fixture
def notices() -> Notices:
    return Notices()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "responses.sqlite"


# Two processes, kills

WRITER = """
import sys, pathlib
from harness.evaluation.cache import ResponseCache
notices = []
cache = ResponseCache(pathlib.Path(sys.argv[1]), on_notice=notices.append)
first, batches, size = map(int, sys.argv[2:5])
print("ready", flush=True)
for start in range(first, first + batches * size, size):
    keys = range(start, start + size)
    cache.put({n.to_bytes(32, "big"): str(n).encode() * 50 for n in keys}, "a" * 64, "tiny")
    assert len(cache.get([n.to_bytes(32, "big") for n in keys])) == size
sys.exit(len(notices))
"""


def writer(path: Path, first: int, batches: int, size: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", WRITER, str(path), str(first), str(batches), str(size)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def test_processes_that_write_at_once_lose_nothing(path: Path) -> None:
    """They make the file together, too."""
    writers = [writer(path, first, batches=30, size=40) for first in (0, 10_000, 20_000)]
    assert [process.communicate() and process.returncode for process in writers] == [0, 0, 0]
    wanted = [first + number for first in (0, 10_000, 20_000) for number in range(1_200)]
    found = ResponseCache(path).get([key(number) for number in wanted])
    assert found == {key(number): str(number).encode() * 50 for number in wanted}


@LIMITED
def test_a_writer_killed_at_any_moment_leaves_a_usable_file(path: Path) -> None:
    for attempt in range(4):
        process = writer(path, attempt * 1_000_000, batches=10_000, size=25)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        while not path.exists():
            time.sleep(0.001)
        time.sleep(0.05 * attempt)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    cache = ResponseCache(path, on_notice=pytest.fail)
    put(cache, {key(7): b"after"})
    assert cache.get([key(7)]) == {key(7): b"after"}
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    (kept,) = database.execute("SELECT COUNT(*) FROM answers").fetchone()
    database.close()
    assert kept > 1
    assert (kept - 1) % 25 == 0  # batches are kept whole or not at all


# What must not make a run fail


def test_a_folder_that_cannot_be_made_turns_the_cache_off_with_one_notice(tmp_path: Path, notices: Notices) -> None:
    (tmp_path / "file").write_text("in the way")
    path = tmp_path / "file" / "below" / "responses.sqlite"
    cache = ResponseCache(path, on_notice=notices)
    for _ in range(3):
        put(cache, {key(1): b"one"})
        assert cache.get([key(1)]) == {}
    assert notices == [f"answers are not kept from now on: {path}: Not a directory"]


def test_a_folder_in_its_place_turns_the_cache_off(path: Path, notices: Notices) -> None:
    path.mkdir(parents=True)
    cache = ResponseCache(path, on_notice=notices)
    put(cache, {key(1): b"one"})
    assert cache.get([key(1)]) == {}
    assert notices == [f"answers are not kept from now on: {path}: unable to open database file"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_read_only_folder_turns_the_cache_off_with_one_notice(path: Path, notices: Notices) -> None:
    path.parent.mkdir(mode=0o500)
    cache = ResponseCache(path, on_notice=notices)
    for _ in range(3):
        put(cache, {key(1): b"one"})
        assert cache.get([key(1)]) == {}
    assert len(notices) == 1


def test_a_file_that_may_only_be_read_still_answers(
    path: Path, notices: Notices, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(ResponseCache(path), {key(1): b"one"})
    real = sqlite3.connect

    def connect(place: Path, **options: object) -> sqlite3.Connection:
        return real(f"file:{place}?mode=ro", uri=True, **options)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(sqlite3, "connect", connect)
    cache = ResponseCache(path, on_notice=notices)
    assert cache.get([key(1)]) == {key(1): b"one"}
    put(cache, {key(2): b"two"})
    assert notices == [f"answers are not kept from now on: {path}: attempt to write a readonly database"]


FULL = """
import pathlib, resource, sys
from harness.evaluation.cache import ResponseCache
notices = []
cache = ResponseCache(pathlib.Path(sys.argv[1]), on_notice=notices.append)
cache.put({b"k" * 32: b"kept"}, "a" * 64, "tiny")
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
for number in range(3):
    cache.put({bytes([number]) * 32: b"x" * 1_000_000}, "a" * 64, "tiny")
print(*notices, sep="\\n")
"""


@LIMITED
def test_a_full_disk_turns_the_cache_off_with_one_notice_and_spoils_nothing(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"answers are not kept from now on: {path}: ")
    assert done.stdout.count("\n") == 1
    assert ResponseCache(path, on_notice=pytest.fail).get([b"k" * 32]) == {b"k" * 32: b"kept"}


def test_a_file_that_another_process_holds_for_too_long_turns_the_cache_off(
    path: Path, notices: Notices, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(ResponseCache(path), {key(1): b"one"})
    monkeypatch.setattr("harness.evaluation.cache._PATIENCE", 0.05)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    cache = ResponseCache(path, on_notice=notices)
    assert cache.get([key(1)]) == {key(1): b"one"}  # reading waits for nobody
    put(cache, {key(2): b"two"})
    holder.close()
    assert notices == [f"answers are not kept from now on: {path}: database is locked"]
