"""Every file of a run against the hash that was recorded of it: by the ledger, by a phase's manifest, by a report."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from harness.loop.ledger import GENESIS, Entry, entry_hash
from harness.loop.lock import LOCK, PID, held_by
from harness.loop.phases import signed
from harness.reporting.load import REPORT_FILES
from harness.storage import canonical_json, sha256_file, sha256_text
from harness.training.contract import CANDIDATE, LEARNER
from harness.verify.findings import Findings

LEDGER, MANIFEST, CONFIG = "ledger.jsonl", "manifest.json", "config.yaml"
RESCORED = "rescored/rescore.json"
_PHASE = re.compile(r"(baseline|baseline/prompts/[^/]+|rounds/\d+|final/\d+)/[^/]+\.done\.json")
_DERIVED = re.compile(r"report/|rescored/|summary\.(json|md)$")


@dataclass
class RunFiles:
    """What lies in a run directory.

    Attributes:
        names: paths of all files, relative to it; links apart.
        phases: manifest of each finished phase by its path (``rounds/001/mine.done.json``).
        sealed: whether this run's ledger vouches for files at all; older ones did not.
        reports: what the last report recorded of its files, by path.
    """

    root: Path
    names: list[str]
    phases: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    sealed: bool = False
    reports: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def phase(self, folder: str, name: str) -> Mapping[str, Any]:
        """The manifest of a finished phase.

        Raises:
            KeyError: there is none; names it.
        """
        return self.phases[f"{folder}/{name}.done.json"]

    def has(self, folder: str, name: str) -> bool:
        """Whether a phase is finished."""
        return f"{folder}/{name}.done.json" in self.phases


def read_ledger(root: Path, findings: Findings) -> list[Entry]:
    """The ledger's entries up to the first that does not continue the chain; that one is a mismatch."""
    path = root / LEDGER
    if not path.is_file():
        findings.mismatch(LEDGER, "file", "the run's ledger", "nothing")
        return []
    entries: list[Entry] = []
    lines = path.read_bytes().split(b"\n")
    if lines.pop() != b"":
        findings.mismatch(f"{LEDGER}:{len(lines) + 1}", "last line", "a whole line", "one cut off or changed")
    prev = GENESIS
    for number, line in enumerate(lines, start=1):
        where = f"{LEDGER}:{number}"
        try:
            entry = Entry(**json.loads(line))
            expected = entry_hash(entry.seq, entry.time, entry.kind, entry.data, entry.prev)
            text = canonical_json(entry.__dict__).encode()
        except (ValueError, TypeError) as error:
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


def check_files(root: Path, entries: Sequence[Entry], findings: Findings) -> RunFiles:
    """Compare every file with what was recorded of it; say which files nothing was recorded of."""
    files = RunFiles(root, _walk(root))
    vouched: dict[str, str] = {}
    for entry in entries:
        vouched = {**entry.data.get("files", {}), **vouched}  # the first word on a file stands
        files.sealed = files.sealed or (entry.kind == "open" and "files" in entry.data)
    known = set(vouched)
    for name in files.names:
        if _PHASE.fullmatch(name):
            record = _signed_record(root, name, findings, known, required=files.sealed)
            if isinstance(record, dict) and isinstance(record.get("files"), dict):
                files.phases[name] = record
                folder = PurePosixPath(name).parent
                vouched |= {f"{folder}/{relative}": digest for relative, digest in record["files"].items()}
    if REPORT_FILES in files.names:
        record = _signed_record(root, REPORT_FILES, findings, known)
        files.reports = dict((record or {}).get("files", {}))
        vouched |= {name: str(row["sha256"]) for name, row in files.reports.items()}
    if RESCORED in files.names:
        record = _signed_record(root, RESCORED, findings, known)
        vouched |= {f"rescored/{name}": digest for name, digest in (record or {}).get("files", {}).items()}
    known |= set(vouched)
    present = set(files.names)
    for name in sorted(vouched):
        if name in present:
            findings.checked["files"] += 1
            found = sha256_file(root / name)
            if found != vouched[name]:
                findings.mismatch(name, _what(name), vouched[name], found)
        elif not _may_be_pruned(root, name):
            findings.mismatch(name, "file", f"one with hash {vouched[name][:12]}", "nothing")
        else:
            findings.checked["files deleted as no longer needed"] += 1
    _check_own(root, files, entries, findings, known)
    _check_rest(files, entries, findings, sorted(present - known))
    return files


def _what(name: str) -> str:
    if _DERIVED.match(name):
        return "hash of a derived file ('harness report' writes the report's anew)"
    return "hash of the file"


def _walk(root: Path) -> list[str]:
    found = []
    for folder, _, names in os.walk(root):  # does not follow links
        relative = Path(folder).relative_to(root)
        found += [(relative / name).as_posix() for name in names if not (Path(folder) / name).is_symlink()]
    return sorted(found)


def _signed_record(
    root: Path, name: str, findings: Findings, known: set[str], *, required: bool = True
) -> dict[str, Any] | None:
    """A record with a hash of its own; ``known`` gains it where that is there.

    Args:
        required: whether a record without one is a mismatch.
    """
    raw = (root / name).read_bytes()
    record: dict[str, Any] | None = None
    with findings.attempt(name, "record"):
        record = dict(json.loads(raw))
        if required or "sha256" in record:
            known.add(name)
            findings.checked["records"] += 1
            expected = signed(record)["sha256"]
            if record.get("sha256") != expected:
                findings.mismatch(name, "hash of the record", record.get("sha256", "nothing"), expected)
            elif raw != written(record):
                findings.mismatch(name, "bytes of the record", "as it was written", "other white space or escapes")
    return record


def written(value: Any) -> bytes:
    """The bytes that `harness.storage.write_json` makes of ``value``."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def _may_be_pruned(root: Path, name: str) -> bool:
    """Learners' states, and whole models, that no later round needs are deleted folder by folder."""
    parts = PurePosixPath(name).parts
    return parts[0] == "rounds" and parts[2] in (LEARNER, CANDIDATE) and not root.joinpath(*parts[:3]).exists()


def _check_own(root: Path, files: RunFiles, entries: Sequence[Entry], findings: Findings, known: set[str]) -> None:
    """The ledger, checked by its chain; the manifest and the verdicts, which older ledgers vouch for in part."""
    known.add(LEDGER)
    if MANIFEST in files.names:
        with findings.attempt(MANIFEST, "manifest"):
            raw = (root / MANIFEST).read_bytes()
            manifest = json.loads(raw)
            expected = sha256_text(canonical_json(manifest["identity"]))
            findings.equal("manifests", MANIFEST, "hash of the identity", manifest["identity_sha256"], expected)
            if MANIFEST not in known and raw != written(manifest):
                findings.mismatch(MANIFEST, "bytes", "as it was written", "other white space or escapes")
    for entry in entries:
        name = f"rounds/{entry.data['round']:03d}/verdict.json" if entry.kind == "round" else ""
        if name not in files.names:
            continue
        with findings.attempt(name, "verdict"):
            raw = (root / name).read_bytes()
            verdict = json.loads(raw)
            found = sha256_text(json.dumps(verdict, sort_keys=True))
            findings.equal("verdict files", name, "hash in the ledger", entry.data["verdict_sha256"], found)
            if name not in known and raw != written(verdict):
                findings.mismatch(name, "bytes", "as it was written", "other white space or escapes")
        known.add(name)


def _check_rest(files: RunFiles, entries: Sequence[Entry], findings: Findings, rest: Sequence[str]) -> None:
    """Files of which nothing was recorded: locks, what killed processes left, rounds in progress, and strangers."""
    process = held_by(files.root)
    if process:
        findings.note(f"in use by process {process}: what it is writing now is not covered")
    going = _in_progress(entries)
    uncovered, unfinished = [], []
    for name in rest:
        parts = PurePosixPath(name).parts
        content = (files.root / name).read_bytes() if name in (LOCK, PID) else b""
        if name == LOCK:
            if content:
                findings.mismatch(name, "content", "an empty file", content[:40])
        elif name == PID and re.fullmatch(rb"\d{1,10}", content):
            if not process:
                findings.note(f"{name}: left by process {content.decode()}, which is gone; covered by no hash")
        elif any(part.startswith(".") and part.endswith(".tmp") for part in parts):
            findings.note(f"{name}: left by a process that was killed; covered by no hash, used by nothing")
        elif name == "baseline/prompts.json":
            continue  # recomputed as a whole
        elif any(name.startswith(folder) for folder in going):
            unfinished.append(name)
        elif name == PID or (files.sealed and name not in (MANIFEST, CONFIG)):
            findings.mismatch(name, "file", "one that the run recorded", "one of which it knows nothing")
        else:
            uncovered.append(name)
    if unfinished:
        findings.note(f"{_count(unfinished)} of unfinished work, covered by no hash yet: {_some(unfinished)}")
    if uncovered:
        findings.note(
            f"{_count(uncovered)} covered by no hash, since the run was made before they were recorded: "
            f"{_some(uncovered)}"
        )


def _in_progress(entries: Sequence[Entry]) -> list[str]:
    """Folders in which a phase may be under way."""
    kinds = {entry.kind for entry in entries}
    if "baseline" not in kinds:
        return ["baseline/"]
    done = sum(entry.kind == "round" for entry in entries)
    opened = [entry.data["round"] for entry in entries if entry.kind == "test_opened"]
    finished = [entry.data["round"] for entry in entries if entry.kind == "final"]
    final = [f"final/{number:03d}/" for number in opened if number not in finished]
    return [f"rounds/{done + 1:03d}/", "baseline/prompts/", *final, *(["baseline/test"] if final else [])]


def _count(names: Sequence[str]) -> str:
    return "1 file" if len(names) == 1 else f"{len(names)} files"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
