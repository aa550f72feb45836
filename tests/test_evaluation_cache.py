"""Kept answers on disk: nothing is lost or mixed up, the bound holds, and damage makes no run fail."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept_answers import WEIGHTS, Notices, key, put

from harness.evaluation.cache import ResponseCache, default_path
from harness.exceptions import EnvironmentFault


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
