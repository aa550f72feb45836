"""Files are there whole or not at all, and the system's refusals are one clear line."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import storage
from harness.exceptions import EnvironmentFault, InputError, at, did_you_mean

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.lists(st.dictionaries(st.text(), JSON, max_size=4), max_size=5)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _fail(code: int) -> Any:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return refuse


# -- canonical text and hashes


@given(st.dictionaries(st.text(), JSON, min_size=2, max_size=6))
def test_canonical_json_does_not_depend_on_the_order_of_keys(value: dict[str, Any]) -> None:
    backwards = dict(reversed(value.items()))
    assert storage.canonical_json(value) == storage.canonical_json(backwards)
    assert json.loads(storage.canonical_json(value)) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [float("-inf")]}])
def test_canonical_json_refuses_what_json_cannot_carry(value: Any) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        storage.canonical_json(value)


def test_sha256_of_text_is_that_of_its_utf8_bytes() -> None:
    assert storage.sha256_text("Köln") == hashlib.sha256("Köln".encode()).hexdigest()


def test_sha256_tells_lone_surrogates_apart() -> None:
    assert len({storage.sha256_text(text) for text in ("\udc80", "\udc81", "?", "\\udc80")}) == 4


def test_sha256_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\x00\xff" * 100_000)
    assert storage.sha256_file(tmp_path / "a") == hashlib.sha256(b"\x00\xff" * 100_000).hexdigest()


# -- atomic files


def test_a_written_file_is_there_whole_in_a_folder_made_for_it(tmp_path: Path) -> None:
    storage.write_bytes(tmp_path / "rounds" / "001" / "a.bin", b"new")
    assert (tmp_path / "rounds" / "001" / "a.bin").read_bytes() == b"new"
    assert _names(tmp_path / "rounds" / "001") == ["a.bin"]


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_a_written_file_can_be_read_by_others(tmp_path: Path) -> None:
    storage.write_text(tmp_path / "index.html", "")
    assert stat.S_IMODE((tmp_path / "index.html").stat().st_mode) == 0o644


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "scores.json"
    target.write_text("old")
    monkeypatch.setattr(os, step, _fail(errno.EIO))
    with pytest.raises(EnvironmentFault, match=r"scores\.json"):
        storage.write_text(target, "new")
    assert target.read_text() == "old"
    assert _names(tmp_path) == ["scores.json"]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    target = tmp_path / "scores.json"
    target.write_text("old")
    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        storage.write_text(target, "new")
    assert target.read_text() == "old"
    assert _names(tmp_path) == ["scores.json"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "disk full while writing"),
        (errno.EDQUOT, "disk full while writing"),
        (errno.EACCES, "make the folder writable or choose another one"),
        (errno.EROFS, "make the folder writable or choose another one"),
        (errno.EIO, "cannot write"),
    ],
    ids=errno.errorcode.get,
)
def test_the_systems_refusals_are_one_line_that_names_the_file(
    code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", _fail(code))
    with pytest.raises(EnvironmentFault) as caught:
        storage.write_text(tmp_path / "a.txt", "text")
    assert words in str(caught.value)
    assert str(tmp_path / "a.txt") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(EnvironmentFault, match="cannot write"):
        storage.write_text(tmp_path / "runs" / "a.txt", "text")


# -- JSON and JSON lines


@settings(max_examples=40)  # each one is fsynced
@given(value=JSON)
def test_json_comes_back_as_it_was_written(value: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    storage.write_json(path, value)
    assert storage.read_json(path) == value


@settings(max_examples=40)
@given(rows=OBJECTS)
def test_json_lines_come_back_as_they_were_written(
    rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("jsonl") / "a.jsonl"
    storage.write_jsonl(path, rows)
    assert storage.read_jsonl(path) == rows


def test_a_lone_surrogate_in_a_response_survives(tmp_path: Path) -> None:
    storage.write_jsonl(tmp_path / "a.jsonl", [{"response": "cut \udc80 here \\ and \u2028 there"}])
    assert storage.read_jsonl(tmp_path / "a.jsonl") == [{"response": "cut \udc80 here \\ and \u2028 there"}]


def test_json_refuses_nan_and_keeps_the_old_file(tmp_path: Path) -> None:
    storage.write_json(tmp_path / "a.json", 1)
    with pytest.raises(ValueError, match="not JSON compliant"):
        storage.write_json(tmp_path / "a.json", float("nan"))
    assert storage.read_json(tmp_path / "a.json") == 1


def test_malformed_json_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{\n "a": 1,\n "b" 2\n}')
    with pytest.raises(InputError, match=r"a\.json:3: not valid JSON"):
        storage.read_json(tmp_path / "a.json")


def test_malformed_json_lines_name_file_and_line_counting_blank_ones(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n\n{"a": \n')
    with pytest.raises(InputError, match=r"a\.jsonl:3: not valid JSON"):
        storage.read_jsonl(tmp_path / "a.jsonl")


@pytest.mark.parametrize(("line", "kind"), [("[1]", "list"), ("1", "int"), ("null", "NoneType"), ('"a"', "str")])
def test_a_line_that_is_no_object_is_refused_by_kind(line: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n' + line)
    with pytest.raises(InputError, match=rf"a\.jsonl:2: expected a JSON object, found {kind}"):
        storage.read_jsonl(tmp_path / "a.jsonl")


def test_json_lines_from_windows_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n{"a": 2}\r\n')
    assert storage.read_jsonl(tmp_path / "a.jsonl") == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("read", [storage.read_json, storage.read_jsonl])
def test_what_cannot_be_read_is_bad_input_that_names_the_file(read: Any, tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b'{"a": "\xe9"}')
    for name in ("missing", "latin"):
        with pytest.raises(InputError, match=f"{name}: cannot be read"):
            read(tmp_path / name)


# -- appending


def test_lines_are_appended(tmp_path: Path) -> None:
    for line in ("one", "Köln"):
        storage.append_line(tmp_path / "ledger.jsonl", line)
    assert (tmp_path / "ledger.jsonl").read_bytes() == "one\nKöln\n".encode()


def test_appending_to_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", _fail(errno.ENOSPC))
    with pytest.raises(EnvironmentFault, match="disk full while writing"):
        storage.append_line(tmp_path / "ledger.jsonl", "one")


# -- atomic folders


def test_a_folder_appears_when_its_block_ends_well(tmp_path: Path) -> None:
    with storage.atomic_directory(tmp_path / "adapter") as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "a").write_text("a")
        assert not (tmp_path / "adapter").exists()
    assert (tmp_path / "adapter" / "deep" / "a").read_text() == "a"
    assert _names(tmp_path) == ["adapter"]


def test_a_folder_replaces_the_one_before(tmp_path: Path) -> None:
    for name in ("old", "new"):
        with storage.atomic_directory(tmp_path / "adapter") as folder:
            (folder / name).write_text("")
    assert _names(tmp_path / "adapter") == ["new"]
    assert _names(tmp_path) == ["adapter"]


@pytest.mark.parametrize("error", [ValueError("in the block"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_a_block_that_fails_leaves_the_old_folder_and_nothing_else(error: BaseException, tmp_path: Path) -> None:
    with storage.atomic_directory(tmp_path / "adapter") as folder:
        (folder / "old").write_text("")

    def fail_half_way() -> None:
        with storage.atomic_directory(tmp_path / "adapter") as folder:
            (folder / "new").write_text("")
            raise error

    with pytest.raises(type(error)):
        fail_half_way()
    assert _names(tmp_path / "adapter") == ["old"]
    assert _names(tmp_path) == ["adapter"]


# -- small things every message is made of


def test_a_place_is_path_and_line() -> None:
    assert at("a.yaml", 3) == "a.yaml:3"
    assert at(Path("a.yaml")) == "a.yaml"


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("lroa", ["lora", "qlora"], " Did you mean 'lora'?"),
        ("zzz", ["sft", "lora"], " Known: lora, sft."),
        ("zzz", [], ""),
    ],
)
def test_an_unknown_name_gets_the_nearest_else_the_list(name: str, known: list[str], expected: str) -> None:
    assert did_you_mean(name, known) == expected
