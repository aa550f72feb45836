"""What a run recorded of itself, as it is read: whatever is not of the form that all else relies on is named here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from harness.ledger import BY_HAND, GENESIS, Entry, entry_hash
from harness.storage import canonical_json
from harness.verify.findings import UNREADABLE, Findings, short

LEDGER = "ledger.jsonl"
_NUMBERS: Mapping[str, tuple[str, ...]] = {
    "asked": ("rounds",),
    "round": ("round", "champion"),
    "look": ("round", "look"),
    "test_opened": ("round",),
    "final": ("round", "champion"),
    "stop": ("round",),
    **dict.fromkeys(BY_HAND, ("round", "champion")),
}
"""Whole numbers that an entry has, by its kind."""


def read_ledger(root: Path, findings: Findings) -> list[Entry]:
    """The ledger's entries up to the first that is malformed or does not continue the chain; that one is a mismatch."""
    path = root / LEDGER
    if not path.is_file():
        findings.mismatch(LEDGER, "file", "the run's ledger", "nothing")
        return []
    entries: list[Entry] = []
    raw = b""
    with findings.attempt(LEDGER, "file"):
        raw = path.read_bytes()
    lines = raw.split(b"\n")
    if lines.pop() != b"":
        findings.mismatch(f"{LEDGER}:{len(lines) + 1}", "last line", "a whole line", "one cut off or changed")
    prev = GENESIS
    for number, line in enumerate(lines, start=1):
        where = f"{LEDGER}:{number}"
        try:
            entry = Entry(**json.loads(line))
            expected = entry_hash(entry.seq, entry.time, entry.kind, entry.data, entry.prev)
            text = canonical_json(entry.__dict__).encode()
            check_entry(entry)
        except UNREADABLE as error:
            findings.mismatch(where, "entry", "a ledger entry", f"{type(error).__name__}: {error}")
            return entries
        findings.checked["ledger entries"] += 1
        if entry.prev != prev or entry.seq != number - 1:
            findings.mismatch(where, "hash of the entry before", prev, entry.prev)
            return entries
        if entry.hash != expected or text != line:
            findings.mismatch(where, "hash of the entry", entry.hash, expected)
            return entries
        entries.append(entry)
        prev = entry.hash
    return entries


def check_entry(entry: Entry) -> None:
    """Make sure that ``entry`` has what every reader of the ledger takes for granted.

    Raises:
        ValueError: it has not; says what is wrong.
    """
    if not is_number(entry.seq) or not all(isinstance(each, str) for each in (entry.kind, entry.prev, entry.hash)):
        raise ValueError("seq is a number; kind, prev and hash are text")
    if not isinstance(entry.data, Mapping):
        raise ValueError("data is a mapping")
    for name in _NUMBERS.get(entry.kind, ()):
        if not is_number(entry.data.get(name)):
            raise ValueError(f"{name} of an entry '{entry.kind}' is a whole number")
    if not is_number(entry.data.get("anchor", 0)):
        raise ValueError("anchor is a whole number")
    hashes(entry.data.get("files", {}))


def check_phase(record: Mapping[str, Any]) -> None:
    """Make sure that a finished phase's manifest has what its readers take for granted.

    Raises:
        KeyError: something is missing.
        ValueError: something is of another kind.
    """
    hashes(record["files"])
    if not isinstance(record["result"], Mapping):
        raise ValueError("result is a mapping")
    if not isinstance(record["phase"], str) or not isinstance(record["seconds"], int | float):
        raise ValueError("phase is text, seconds a number")


def hashes(value: Any) -> dict[str, str]:
    """``value`` as paths of files, all inside the folder that they are relative to, and their hashes.

    Raises:
        ValueError: it is something else; says what.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"files and their hashes are a mapping, not {short(value)}")
    for name, digest in value.items():
        path = PurePosixPath(name)
        if path.as_posix() != name or name == "." or path.is_absolute() or ".." in path.parts or "\0" in name:
            raise ValueError(f"not a path of a file inside the run: {name!r}")
        if not isinstance(digest, str):
            raise ValueError(f"the hash of {name} is text, not {short(digest)}")
    return dict(value)


def is_number(value: Any) -> bool:
    """Whether ``value`` is a whole number, and not true or false."""
    return isinstance(value, int) and not isinstance(value, bool)
