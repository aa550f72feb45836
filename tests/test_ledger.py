"""The ledger: a chain that a crash may tear at its end and nothing may change unseen."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from harness.exceptions import InputError
from harness.ledger import GENESIS, Ledger, entry_hash

TIME = "2024-01-01T00:00:00+00:00"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger of three entries."""
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path)
    for number in range(3):
        ledger.append("round", {"round": number, "text": "Köln \u2028"}, TIME)
    return path


def test_a_new_ledger_is_empty_and_makes_no_file(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    assert ledger.entries == []
    assert ledger.head == GENESIS
    assert not (tmp_path / "ledger.jsonl").exists()


def test_entries_are_chained_by_hash(path: Path) -> None:
    entries = Ledger(path).entries
    assert [entry.seq for entry in entries] == [0, 1, 2]
    assert [entry.prev for entry in entries] == [GENESIS, entries[0].hash, entries[1].hash]
    for entry in entries:
        assert entry.hash == entry_hash(entry.seq, entry.time, entry.kind, entry.data, entry.prev)


def test_what_is_appended_is_what_a_reader_gets(path: Path) -> None:
    ledger = Ledger(path)
    written = ledger.append("final", {"pair": (1, 2), "nothing": None}, TIME)
    assert written.data == {"pair": [1, 2], "nothing": None}
    assert Ledger(path).entries[-1] == written
    assert Ledger(path).head == ledger.head == written.hash


def test_entries_of_a_kind_come_in_order(path: Path) -> None:
    ledger = Ledger(path)
    ledger.append("stop", {"status": "finished"}, TIME)
    assert [entry.data["round"] for entry in ledger.of_kind("round")] == [0, 1, 2]
    assert ledger.of_kind("none") == []


def test_the_chain_goes_on_after_opening_again(path: Path) -> None:
    Ledger(path).append("round", {"round": 3}, TIME)
    assert [entry.seq for entry in Ledger(path).entries] == [0, 1, 2, 3]


@pytest.mark.parametrize("kept", [1, 40, -1], ids=["one byte", "half a line", "all but the line break"])
def test_a_torn_last_line_is_dropped(path: Path, kept: int) -> None:
    whole = path.read_bytes()
    ledger = Ledger(path)
    ledger.append("stop", {"status": "finished"}, TIME)
    line = path.read_bytes()[len(whole) :]
    path.write_bytes(whole + line[:kept])
    again = Ledger(path)
    assert len(again.entries) == 3
    assert path.read_bytes() == whole
    again.append("stop", {"status": "stopped"}, TIME)
    assert Ledger(path).entries[-1].data == {"status": "stopped"}


def test_a_reader_leaves_a_torn_line_to_the_writer(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b'{"seq": 3')
    before = path.read_bytes()
    assert len(Ledger(path, writable=False).entries) == 3
    assert path.read_bytes() == before


@pytest.mark.parametrize("line", [1, 2, 3])
def test_a_changed_byte_is_found_with_its_line(path: Path, line: int) -> None:
    lines = path.read_bytes().split(b"\n")
    lines[line - 1] = lines[line - 1].replace(b'"round":%d' % (line - 1), b'"round":9')
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(InputError) as caught:
        Ledger(path)
    assert str(caught.value) == (
        f"{path}:{line}: ledger chain broken (the entry was changed or moved); restore the file from a copy"
    )


def test_a_removed_entry_is_found(path: Path) -> None:
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], *lines[2:]]))
    with pytest.raises(InputError, match=r"ledger\.jsonl:2: ledger chain broken"):
        Ledger(path)


def test_swapped_entries_are_found(path: Path) -> None:
    first, second, *rest = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([second, first, *rest]))
    with pytest.raises(InputError, match=r"ledger\.jsonl:1: ledger chain broken"):
        Ledger(path)


def test_an_entry_rewritten_with_a_fitting_hash_breaks_the_next(path: Path) -> None:
    lines = path.read_text().split("\n")
    entry = json.loads(lines[0])
    entry["data"]["round"] = 9
    entry["hash"] = entry_hash(0, entry["time"], entry["kind"], entry["data"], entry["prev"])
    path.write_text("\n".join([json.dumps(entry), *lines[1:]]))
    with pytest.raises(InputError, match=r"ledger\.jsonl:2: ledger chain broken"):
        Ledger(path)


@pytest.mark.parametrize("damage", [b"not json", b"[1]", b'{"seq": 1}', b"\xff\xfe", b""])
def test_a_line_that_is_no_entry_is_named(path: Path, damage: bytes) -> None:
    lines = path.read_bytes().split(b"\n")
    lines[1] = damage
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(InputError, match=r"ledger\.jsonl:2: damaged ledger line; restore the file from a copy"):
        Ledger(path)


def test_an_entry_is_on_the_disk_before_append_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        real(handle)
        synced.append(os.fstat(handle).st_size)

    monkeypatch.setattr(os, "fsync", fsync)
    Ledger(path).append("stop", {}, TIME)
    assert synced == [path.stat().st_size]


def test_nan_never_enters_the_ledger(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        Ledger(path).append("round", {"p": float("nan")}, TIME)
    assert path.read_bytes() == before


def test_a_pipe_in_its_place_is_refused_and_not_waited_on(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ledger.jsonl")
    with pytest.raises(InputError, match="is no regular file"):
        Ledger(tmp_path / "ledger.jsonl")
