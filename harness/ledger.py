"""The ledger: what was decided and why, one JSON object a line, each carrying the hash of the one before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.exceptions import InputError, at
from harness.storage import append_line, canonical_json, sha256_text, write_bytes

GENESIS = "0" * 64
BY_HAND = ("promoted_by_hand", "rolled_back_by_hand")
"""Kinds of the entries by which a user, and no verdict, made a round the champion."""
CLOSED = "closed"
"""Kind of the entry with which a run is closed: its gate items are shown, and no further round may follow."""


@dataclass(frozen=True)
class Entry:
    """One ledger line.

    Attributes:
        seq: position from 0.
        time: ISO 8601, UTC.
        kind: ``open``, ``baseline``, ``round``, ``asked``, ``look``, ``test_opened``, ``final``, ``stop``,
            `CLOSED`, or of `BY_HAND`.
        data: what was decided; plain JSON.
        prev, hash: hex SHA-256 of the entry before and of this one.
    """

    seq: int
    time: str
    kind: str
    data: Mapping[str, Any]
    prev: str
    hash: str


def entry_hash(seq: int, time: str, kind: str, data: Mapping[str, Any], prev: str) -> str:
    """Hash of an entry's content and of its predecessor's hash."""
    return sha256_text(canonical_json({"seq": seq, "time": time, "kind": kind, "data": dict(data), "prev": prev}))


class Ledger:
    """An append-only file of entries; reading checks the chain.

    A last line that was torn by a crash is dropped on opening for writing: its fact was not yet decided.
    """

    def __init__(self, path: Path, writable: bool = True) -> None:
        self.path = path
        self.entries: list[Entry] = []
        self._load(writable)

    def _load(self, writable: bool) -> None:
        if not self.path.exists():
            return
        if not self.path.is_file():  # a pipe, say, would be waited on for ever
            raise InputError(f"{self.path}: is no regular file; move it away")
        raw = self.path.read_bytes()
        lines = raw.split(b"\n")
        torn = lines.pop()  # empty when the last line ended well
        prev = GENESIS
        for number, line in enumerate(lines, start=1):
            try:
                value = json.loads(line)
                entry = Entry(**value)
            except (ValueError, TypeError) as error:
                raise InputError(
                    f"{at(self.path, number)}: damaged ledger line; restore the file from a copy"
                ) from error
            expected = entry_hash(entry.seq, entry.time, entry.kind, entry.data, entry.prev)
            if entry.prev != prev or entry.hash != expected or entry.seq != number - 1:
                raise InputError(
                    f"{at(self.path, number)}: ledger chain broken (the entry was changed or moved); "
                    "restore the file from a copy"
                )
            self.entries.append(entry)
            prev = entry.hash
        if torn and writable:
            write_bytes(self.path, raw[: len(raw) - len(torn)])

    @property
    def head(self) -> str:
        """Hash of the last entry."""
        return self.entries[-1].hash if self.entries else GENESIS

    def append(self, kind: str, data: Mapping[str, Any], time: str) -> Entry:
        """Add an entry and fsync it."""
        plain = json.loads(canonical_json(dict(data)))
        seq, prev = len(self.entries), self.head
        entry = Entry(seq, time, kind, plain, prev, entry_hash(seq, time, kind, plain, prev))
        append_line(self.path, canonical_json(entry.__dict__))
        self.entries.append(entry)
        return entry

    def of_kind(self, *kinds: str) -> list[Entry]:
        """Entries of one kind or of several, in order."""
        return [entry for entry in self.entries if entry.kind in kinds]

    @property
    def ending(self) -> Entry | None:
        """The ``stop`` entry of a run that has stopped; choosing a champion by hand does not start it again."""
        own = [entry for entry in self.entries if entry.kind not in (*BY_HAND, CLOSED)]
        return own[-1] if own and own[-1].kind == "stop" else None

    @property
    def champion(self) -> int:
        """The champion's round as last decided, by verdict or by hand; 0 is the base."""
        decided = self.of_kind("round", *BY_HAND)
        return int(decided[-1].data["champion"]) if decided else 0

    @property
    def anchor(self) -> int:
        """The last certified model's round; 0 where there is none."""
        decided = [entry.data for entry in self.of_kind("round", *BY_HAND) if "anchor" in entry.data]
        return int(decided[-1]["anchor"]) if decided else 0
