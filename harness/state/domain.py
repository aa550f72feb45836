"""The record of a domain: one append-only, hash-chained file, fsynced at each entry and safe for several processes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from harness.curation.overlap import alike, prompt_key
from harness.evaluation.items import Item, Role
from harness.evaluation.roles import SALT, Dealt, deal, roles_of_splits
from harness.exceptions import EnvironmentFault, InputError
from harness.ledger import Ledger
from harness.locate import STATE_VARIABLE as STATE_VARIABLE
from harness.locate import state_folder as state_folder
from harness.state.kept import GateGroup, GateLook, Kept, Opening, fold, items_hash, prompt_mark
from harness.storage import canonical_json, read_jsonl, sha256_file, sha256_text, write_bytes, write_jsonl

SCHEMA = 1
WAIT = 60.0
"""Seconds to wait for another process that writes the record."""
_MOVE = f"set {STATE_VARIABLE}, or state: in harness.yaml, to a folder that can be written"


class DomainState:
    """What is kept of one domain's items.

    Every method reads the file anew, so that two processes always agree; what writes holds the file's lock.

    Args:
        folder: of the records.
        domain: its name.
        now: ISO time for the entries.

    Raises:
        InputError: (each method, too) the file is damaged or another domain's; names file and line.
    """

    def __init__(self, folder: Path, domain: str, now: Callable[[], str]) -> None:
        name = re.sub(r"[^\w.-]", "_", domain)[:80]
        if name != domain:
            name = f"{name}-{sha256_text(domain)[:8]}"
        self.domain = domain
        self.path = folder / f"{name}.jsonl"
        self.now = now
        self._check(Ledger(self.path, writable=False))

    @classmethod
    def open(cls, folder: Path, domain: str, now: Callable[[], str]) -> DomainState:
        """The record of ``domain`` in ``folder``; nothing is written before there is something to record."""
        return cls(folder, domain, now)

    @property
    def kept(self) -> Kept:
        """The record as it is on disk."""
        return self._folded(Ledger(self.path, writable=False))

    @property
    def head(self) -> str:
        """Hash of the last entry, for the ledger of a run: a record that was cut short no longer holds it."""
        return Ledger(self.path, writable=False).head

    def deal(self, splits: Mapping[str, Sequence[Item]], salt: str = SALT, record: bool = True) -> Dealt:
        """Give items their roles and keep those of new ones.

        An item that was edited is known by its prompt: it takes the role of the one that asked the same, or, where
        its split does not give that role, none. Others as in `harness.evaluation.roles.deal`.

        Args:
            splits: items by split.
            record: whether the roles of new items are kept; without, nothing is written.
        """
        if not record:
            return self._deal(self.kept, splits, salt)[0]
        with self._writing() as (ledger, kept):
            dealt, kin = self._deal(kept, splits, salt)
            roles: dict[str, list[str]] = {}
            for item in (item for items in dealt.items.values() for item in items if item.item_id in dealt.new):
                roles.setdefault(item.role, []).append(f"{item.item_id} {prompt_mark(prompt_key(item.prompt))}")
            if roles:
                gate = kept.group_of_new((line.split()[0] for line in roles.get("gate", ())), kin)
                groups = {str(number): ids for number, ids in gate.items()}
                self._append(ledger, "roles", {"salt": salt, "roles": roles, "groups": groups})
        return dealt

    def _deal(self, kept: Kept, splits: Mapping[str, Sequence[Item]], salt: str) -> tuple[Dealt, dict[str, str]]:
        given = roles_of_splits({split for split, items in splits.items() if items})
        known: dict[str, Role] = {}
        kin: dict[str, str] = {}
        left_out: dict[tuple[str, Role], int] = {}
        dealt_from: dict[str, list[Item]] = {split: [] for split in given}
        for split, roles in given.items():
            for item in splits[split]:
                if item.item_id in kept.roles:
                    known[item.item_id] = kept.roles[item.item_id]
                elif kept.prompts and (same := kept.prompts.get(prompt_mark(prompt_key(item.prompt)))):
                    role = kept.roles[same]
                    if role not in roles:
                        left_out[split, role] = left_out.get((split, role), 0) + 1
                        continue
                    known[item.item_id] = role
                    kin[item.item_id] = same
                dealt_from[split].append(item)
        dealt = deal(dealt_from, known, alike, salt, given)
        notices = [
            f"{count} {split} items ask what was {role.replace('_', ' ')} in an earlier run and are left out"
            for (split, role), count in left_out.items()
        ]
        edited = {item_id: known[item_id] for item_id in kin}
        return (
            replace(dealt, new={**dealt.new, **edited}, notices=(*dealt.notices, *notices)),
            {**dealt.kin, **kin},
        )

    def groups(self, gate: Collection[str]) -> list[GateGroup]:
        """The gate groups of the items ``gate`` (ids), with all looks at them over all runs."""
        return self.kept.gate_groups(gate)

    def group(self, gate: Collection[str]) -> GateGroup | None:
        """The group to look at next: of those with looks left the largest, the oldest of equals; else ``None``."""
        left = [group for group in self.groups(gate) if group.alpha is not None]
        return max(left, key=lambda group: (len(group.items), -group.number), default=None)

    def holds(self, head: str) -> bool:
        """Whether an entry with this hash is in the record: where not, it was cut short or is another one."""
        return any(entry.hash == head for entry in Ledger(self.path, writable=False).entries)

    def debit(self, gate: Collection[str], run: str, round: int, compared: str = "") -> GateLook | None:
        """Spend a look at the items ``gate`` (ids): on disk before this returns, so before gate is read.

        Args:
            run: names the run; no other but a copy of it has this name.
            compared: names what is compared; `look_of` finds the look again by it.

        Returns:
            The look with its level; ``None``, and nothing is written, where all looks at these items are spent.

        Raises:
            InputError: ``gate`` is empty, or not of one gate group.
        """
        with self._writing() as (ledger, kept):
            groups = kept.gate_groups(gate)
            if len(groups) != 1 or len(groups[0].items) != len(set(gate)):
                raise InputError(
                    f"{self.path}: a look takes gate items of one group, got {len(set(gate))} items of "
                    f"{len(groups)} groups; deal roles first and look at one group"
                )
            alpha = groups[0].alpha
            if alpha is None:
                return None
            self._append(ledger, "look", {
                "group": groups[0].number, "alpha": alpha, "run": run, "round": round, "compared": compared,
                "items": len(groups[0].items), "items_sha256": items_hash(gate),
            })  # fmt: skip
            return fold(ledger.entries).looks[-1]

    def settle(self, look: int, certified: bool) -> None:
        """Record the verdict of look number ``look``; the same verdict again changes nothing.

        Raises:
            InputError: there is no such look, or it has the other verdict.
        """
        with self._writing() as (ledger, kept):
            if not 1 <= look <= len(kept.looks):
                raise InputError(f"{self.path}: there is no look {look}")
            before = kept.looks[look - 1].certified
            if before is None:
                self._append(ledger, "verdict", {"look": look, "certified": certified})
            elif before != certified:
                raise InputError(f"{self.path}: look {look} already has the other verdict; a verdict is final")

    def look_of(self, run: str, round: int, compared: str = "") -> GateLook | None:
        """The last look of ``run`` in ``round`` at what ``compared`` names; without a verdict it was cut short."""
        wanted = (run, round, compared)
        return next((k for k in reversed(self.kept.looks) if (k.run, k.round, k.compared) == wanted), None)

    def open_test(self, items: Collection[str], run: str, round: int, models: str = "") -> int:
        """Record that test items (ids) are about to be asked, unless this run did so of these models already.

        Args:
            round: how many rounds are done.
            models: names the models that are asked.

        Returns:
            The opening that it is for these items, from 1, over all runs: what at least half of them have seen. From
            `harness.state.kept.WORN` on the result is worn.
        """
        with self._writing() as (ledger, kept):
            ids = frozenset(items)
            if Opening(run, round, ids, models) not in kept.openings:
                data = {"run": run, "round": round, "models": models, "items": sorted(ids)}
                self._append(ledger, "test_opened", data)
            return fold(ledger.entries).opened(ids)

    def open_gate(self, groups: Collection[int], run: str) -> None:
        """Record that the gate items of ``groups`` are shown from now on, so that no run looks at them again.

        Raises:
            InputError: there is no such group.
        """
        with self._writing() as (ledger, kept):
            unknown = sorted(set(groups) - set(kept.groups.values()))
            if unknown:
                raise InputError(f"{self.path}: there is no gate group {unknown[0]}")
            new = sorted(set(groups) - kept.shown)
            if new:
                self._append(ledger, "gate_opened", {"run": run, "groups": new})

    def openings(self, items: Collection[str]) -> int:
        """How often test items (ids) were opened so far, over all runs."""
        return self.kept.opened(items)

    def extend(self, documents: Sequence[Mapping[str, Any]], source: str) -> None:
        """Keep new documents, ``{"task": name, "doc": document}`` each, beside the record.

        Args:
            source: where they came from, for the record.
        """
        with self._writing() as (ledger, _):
            name = sha256_text(canonical_json(list(documents)))[:16]
            path = self.path.with_suffix("") / f"{name}.jsonl"
            write_jsonl(path, documents)
            file = path.relative_to(self.path.parent).as_posix()
            data = {"file": file, "sha256": sha256_file(path), "items": len(documents), "source": source}
            self._append(ledger, "extension", data)

    def documents(self) -> list[dict[str, Any]]:
        """All documents that were added, in order.

        Raises:
            InputError: a file of them is missing or was changed.
        """
        found: list[dict[str, Any]] = []
        for extension in self.kept.extensions:
            path = self.path.parent / extension["file"]
            if not path.is_file() or sha256_file(path) != extension["sha256"]:
                raise InputError(f"{path}: missing or changed since its items were added; restore the file from a copy")
            found += read_jsonl(path)
        return found

    def _check(self, ledger: Ledger) -> None:
        if not ledger.entries:
            return
        data = ledger.entries[0].data
        if (ledger.entries[0].kind, data.get("schema"), data.get("domain")) != ("open", SCHEMA, self.domain):
            raise InputError(
                f"{self.path}: is not the record of domain '{self.domain}' (schema {SCHEMA}); "
                "move it away or choose another folder for the state"
            )

    def _folded(self, ledger: Ledger) -> Kept:
        try:
            return fold(ledger.entries)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise InputError(
                f"{self.path}: holds an entry that this version cannot read ({type(error).__name__}: {error}); "
                "restore it from a copy, or use the version that wrote it"
            ) from error

    def _append(self, ledger: Ledger, kind: str, data: Mapping[str, Any]) -> None:
        if not self.path.exists():
            write_bytes(self.path, b"")  # its folder's entry is on disk, too
        if not ledger.entries:
            ledger.append("open", {"schema": SCHEMA, "domain": self.domain}, self.now())
        ledger.append(kind, data, self.now())

    @contextmanager
    def _writing(self) -> Iterator[tuple[Ledger, Kept]]:
        folder = self.path.parent
        lock = FileLock(folder / f".{self.path.name}.lock")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=WAIT)
        except Timeout:  # an OSError too
            raise InputError(f"{self.path}: another process has held it for {WAIT:.0f} s; wait for it") from None
        except OSError as error:
            raise EnvironmentFault(f"{folder}: cannot be written ({error.strerror or error}); {_MOVE}") from error
        try:
            ledger = Ledger(self.path)
            self._check(ledger)
            yield ledger, self._folded(ledger)
        finally:
            lock.release()
