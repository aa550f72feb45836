"""Kept answers on disk: nothing is lost or mixed up by processes, kills, damage and full disks, and no run fails."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.evaluation.cache import ResponseCache, default_path
from harness.exceptions import EnvironmentFault

WEIGHTS, NAME = "a" * 64, "tiny"
LIMITED = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits and signals")


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


class Notices(list[str]):
    """Collects what the user is told."""

    def __call__(self, text: str) -> None:
        self.append(text)


class Time:
    """Seconds since the epoch, set by hand."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def notices() -> Notices:
    return Notices()


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "responses.sqlite"


@pytest.fixture
def cache(path: Path, notices: Notices, clock: Time) -> ResponseCache:
    return ResponseCache(path, on_notice=notices, now=clock)


def put(cache: ResponseCache, payloads: dict[bytes, bytes], weights: str = WEIGHTS, name: str = NAME) -> None:
    cache.put(payloads, weights, name)


def test_what_was_put_is_there_for_the_next_process(cache: ResponseCache, path: Path, notices: Notices) -> None:
    put(cache, {key(1): b"one", key(2): b""})
    assert ResponseCache(path).get([key(2), key(3), key(1)]) == {key(1): b"one", key(2): b""}
    assert notices == []


def test_the_newest_payload_of_a_key_counts(cache: ResponseCache) -> None:
    put(cache, {key(1): b"one"})
    put(cache, {key(1): b"uno"})
    assert cache.get([key(1)]) == {key(1): b"uno"}
    assert cache.use().answers == 1


def test_many_at_once(cache: ResponseCache) -> None:
    payloads = {key(number): str(number).encode() for number in range(5_000)}
    put(cache, payloads)
    assert cache.get(list(payloads)) == payloads


def test_asking_for_nothing_and_keeping_nothing_makes_no_file(cache: ResponseCache, path: Path) -> None:
    assert cache.get([]) == {}
    put(cache, {})
    assert cache.use().answers == cache.clear() == 0
    assert not path.parent.exists()


@given(st.dictionaries(st.binary(min_size=32, max_size=32), st.binary(max_size=200), max_size=20))
def test_any_bytes_come_back(tmp_path_factory: pytest.TempPathFactory, payloads: dict[bytes, bytes]) -> None:
    cache = ResponseCache(tmp_path_factory.mktemp("any") / "responses.sqlite")
    put(cache, payloads)
    assert cache.get(list(payloads)) == payloads


def test_a_payload_of_five_megabytes(cache: ResponseCache) -> None:
    body = bytes(range(250)) * 20_000
    put(cache, {key(1): body})
    assert cache.get([key(1)]) == {key(1): body}


def test_the_cache_lies_in_the_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    assert default_path() == tmp_path / "responses.sqlite"


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


# The bound


def megabyte(number: int) -> dict[bytes, bytes]:
    return {key(100 * number + part): bytes([number]) * 10_000 for part in range(100)}


def held(cache: ResponseCache, numbers: range) -> list[int]:
    """Which of the megabytes are there whole; parts of one are counted as not there."""
    return [number for number in numbers if len(cache.get(list(megabyte(number)))) == 100]


def test_the_least_recently_used_leave_first(path: Path, clock: Time) -> None:
    cache = ResponseCache(path, 5_000_000, now=clock)
    for number in range(4):
        put(cache, megabyte(number))
        clock.seconds += 10_000
    assert held(cache, range(1)) == [0]  # used again, later than 1, 2 and 3 were written
    for number in range(4, 7):
        clock.seconds += 10_000
        put(cache, megabyte(number))
    left = held(cache, range(7))
    assert 0 in left
    assert 6 in left
    assert 1 not in left


def test_the_file_stays_within_its_bound(path: Path, clock: Time) -> None:
    cache = ResponseCache(path, 3_000_000, now=clock)
    for number in range(40):
        put(cache, megabyte(number))
        assert cache.use().bytes <= 3_000_000
    # Room that was freed is used again; while the bound is passed one batch lies on top of it.
    assert path.stat().st_size < 5_500_000
    assert cache.use().answers > 150


def test_small_answers_stay_within_the_bound_too(path: Path, clock: Time) -> None:
    cache = ResponseCache(path, 300_000, now=clock)
    for start in range(0, 20_000, 1_000):
        put(cache, {key(start + number): b"x" * 80 for number in range(1_000)})
        clock.seconds += 1
    assert cache.use().bytes <= 300_000
    assert len(cache.get([key(number) for number in range(19_900, 20_000)])) == 100


def test_what_is_larger_than_the_bound_is_not_kept(path: Path, notices: Notices) -> None:
    cache = ResponseCache(path, 100_000, notices)
    put(cache, {key(1): b"x" * 1_000_000})
    assert cache.get([key(1)]) == {}
    assert cache.use().bytes <= 100_000
    put(cache, {key(2): b"small"})
    assert cache.get([key(2)]) == {key(2): b"small"}
    assert notices == []


def test_reading_again_within_the_hour_writes_nothing(cache: ResponseCache, path: Path, clock: Time) -> None:
    put(cache, {key(1): b"one"})
    before = path.read_bytes()
    clock.seconds += 600
    cache.get([key(1)])
    assert path.read_bytes() == before
    clock.seconds += 6_000
    cache.get([key(1)])
    assert path.read_bytes() != before


# Damage


@pytest.mark.parametrize("damage", ["text", "cut", "pages", "tables", "empty"])
def test_a_damaged_file_is_put_aside_and_begun_anew(
    cache: ResponseCache, path: Path, notices: Notices, damage: str
) -> None:
    put(cache, megabyte(1))
    whole = path.read_bytes()
    if damage == "text":
        path.write_bytes(b"this is no database\n" * 1_000)
    elif damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "pages":
        path.write_bytes(whole[:8192] + b"\xa5" * (len(whole) - 8192))
    elif damage == "tables":
        database = sqlite3.connect(path)
        database.execute("ALTER TABLE answers RENAME COLUMN payload TO body")
        database.close()
    else:
        path.write_bytes(b"")  # as a new one: nothing to put aside
    spoilt = path.read_bytes()
    put(cache, {key(1): b"one"})
    assert cache.get([key(1)]) == {key(1): b"one"}
    assert cache.use().answers == 1
    if damage == "empty":
        assert notices == []
        return
    assert len(notices) == 1
    assert notices[0].startswith(f"{path}: damaged (")
    assert notices[0].endswith("); put aside and begun anew")
    assert Path(f"{path}.damaged").read_bytes() == spoilt
    cache.clear()
    assert not Path(f"{path}.damaged").exists()


def test_one_changed_byte_of_an_answer_is_a_miss(cache: ResponseCache, path: Path, notices: Notices) -> None:
    put(cache, {key(1): b"the answer is 42, beyond doubt", key(2): b"another"})
    path.write_bytes(path.read_bytes().replace(b"the answer is 42", b"the answer is 43"))
    assert cache.get([key(1), key(2)]) == {key(2): b"another"}
    assert notices == []


def test_an_answer_stored_under_anothers_key_is_a_miss(cache: ResponseCache, path: Path) -> None:
    put(cache, {key(1): b"one"})
    database = sqlite3.connect(path)
    database.execute("UPDATE answers SET key = ?", (key(2),))
    database.commit()
    database.close()
    assert cache.get([key(1), key(2)]) == {}


def test_a_file_of_another_version_is_emptied(cache: ResponseCache, path: Path, notices: Notices) -> None:
    put(cache, {key(1): b"one"})
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    assert cache.get([key(1)]) == {}
    put(cache, {key(2): b"two"})
    assert cache.get([key(2)]) == {key(2): b"two"}
    assert notices == []


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


# Looking and clearing


def test_use_is_counted_by_model(cache: ResponseCache) -> None:
    put(cache, {key(number): b"x" for number in range(3)})
    put(cache, {key(number): b"x" for number in range(3, 8)}, "b" * 64, "other")
    put(cache, {key(9): b"x"}, WEIGHTS, "tiny by another name")
    use = cache.use()
    assert use.answers == 9
    assert use.bytes > 0
    assert [(model.weights, model.name, model.answers) for model in use.models] == [
        ("b" * 64, "other", 5),
        (WEIGHTS, "tiny by another name", 4),
    ]


def test_clearing_forgets_everything_and_gives_the_room_back(cache: ResponseCache, path: Path) -> None:
    put(cache, megabyte(1))
    before = path.stat().st_size
    assert cache.clear() == 100
    assert path.stat().st_size < before / 10
    assert cache.use().models == ()
    assert bytes([1]) * 100 not in path.read_bytes()
    put(cache, {key(1): b"one"})
    assert cache.get([key(1)]) == {key(1): b"one"}


def test_clearing_by_age_goes_by_the_last_use(cache: ResponseCache, clock: Time) -> None:
    put(cache, {key(1): b"old", key(2): b"old, used again"}, "b" * 64)
    clock.seconds += 40 * 86_400
    cache.get([key(2)])
    put(cache, {key(3): b"new"})
    assert cache.clear(older_than=30 * 86_400) == 1
    assert set(cache.get([key(1), key(2), key(3)])) == {key(2), key(3)}
    assert cache.clear(older_than=0) == 0
    clock.seconds += 60
    assert cache.clear(older_than=30) == 2


def test_looking_and_clearing_say_what_is_wrong(path: Path) -> None:
    path.mkdir(parents=True)
    for work in (ResponseCache(path).use, ResponseCache(path).clear):
        with pytest.raises(EnvironmentFault) as caught:
            work()
        assert str(caught.value) == (
            f"{path}: unable to open database file; the file can be deleted, or HARNESS_CACHE set to another folder"
        )
