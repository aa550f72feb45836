"""Every file of a run against the hash that was recorded of it: by the ledger, by a phase's manifest, by a report."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from harness.ledger import Entry
from harness.loop.iterate import CERTIFIED, CHAMPION
from harness.loop.lock import LOCK, PID, held_by
from harness.loop.phases import signed
from harness.reporting.load import REPORT_FILES
from harness.reporting.mlflow_run import STORE
from harness.storage import canonical_json, sha256_file, sha256_text
from harness.training.contract import CANDIDATE, LEARNER
from harness.verify.findings import Findings
from harness.verify.records import LEDGER as LEDGER
from harness.verify.records import check_phase, hashes

MANIFEST, CONFIG = "manifest.json", "config.yaml"
RESCORED = "rescored/rescore.json"
_PHASE = re.compile(r"(baseline|baseline/prompts/[^/]+|rounds/\d+|final/\d+)/[^/]+\.done\.json")
_DERIVED = re.compile(r"report/|rescored/|summary\.(json|md)$")
_MLFLOW = f"report/{STORE}/"
"""A local store of MLflow, which MLflow's own programs write to as well; nothing reads it back."""
_ROUND = re.compile(r"(rounds|final)/")
_LINKS = frozenset(link for name in (CHAMPION, CERTIFIED) for link in (name, f".{name}.tmp"))
"""Links that a run has; the latter while one is replaced."""


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
    names: Sequence[str]
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


def regular_files(root: Path, findings: Findings) -> list[str]:
    """Paths of all files of a run, relative to it; whatever is no file, no folder and no link of a run's is a mismatch.

    Nobody should open such things: a link leads anywhere, a named pipe never ends.
    """

    def unreadable(error: OSError) -> None:
        where = os.path.relpath(error.filename, root)
        findings.mismatch(Path(where).as_posix(), "kind of file", "a folder that can be read", error.strerror)

    found = []
    for folder, folders, names in os.walk(root, onerror=unreadable):  # does not follow links
        for path in (Path(folder, name) for name in (*folders, *names)):
            name = path.relative_to(root).as_posix()
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:  # of a run that goes on
                continue
            if stat.S_ISREG(mode):
                found.append(name)
            elif stat.S_ISLNK(mode) and name not in _LINKS:
                findings.mismatch(name, "kind of file", "a file or folder", f"a link to {os.readlink(path)}")
            elif not stat.S_ISDIR(mode) and not stat.S_ISLNK(mode):
                findings.mismatch(name, "kind of file", "a file or folder", "a pipe, socket or device")
    return sorted(found)


def check_files(root: Path, names: Sequence[str], entries: Sequence[Entry], findings: Findings) -> RunFiles:
    """Compare every file with what was recorded of it; say which files nothing was recorded of.

    Args:
        names: as from `regular_files`.
    """
    files = RunFiles(root, names)
    vouched: dict[str, str] = {}
    for entry in entries:
        vouched = {**entry.data.get("files", {}), **vouched}  # the first word on a file stands
        files.sealed = files.sealed or (entry.kind == "open" and "files" in entry.data)
    known, told, going = set(vouched), frozenset(vouched), _in_progress(entries)
    for name in names:
        if not _PHASE.fullmatch(name):
            continue
        record = _signed_record(root, name, findings, known, required=files.sealed)
        with findings.attempt(name, "record"):
            if record is not None:
                check_phase(record)
                files.phases[name] = record
                folder = PurePosixPath(name).parent
                vouched = {**{f"{folder}/{each}": digest for each, digest in record["files"].items()}, **vouched}
        if files.sealed and name not in told and _ROUND.match(name) and not any(map(name.startswith, going)):
            findings.mismatch(name, "record", "one that the ledger speaks of", "one of which it knows nothing")
    for name in (name for name in (REPORT_FILES, RESCORED) if name in names):
        record = _signed_record(root, name, findings, known)
        with findings.attempt(name, "record"):
            if record is not None:
                vouched = {**_derived(name, record, files), **vouched}
    known |= set(vouched)
    present = set(names)
    for name in sorted(vouched):
        with findings.attempt(name, "file"):
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
    _check_rest(files, going, findings, sorted(present - known))
    return files


def _derived(name: str, record: Mapping[str, Any], files: RunFiles) -> dict[str, str]:
    """Hashes that the record ``name`` has of files that are written anew at any time; it has no say in others.

    Raises:
        KeyError: a part is missing.
        TypeError, ValueError: a part is of another kind, or of the run itself.
    """
    if name == RESCORED:
        return {f"rescored/{each}": digest for each, digest in hashes(record["files"]).items()}
    found = hashes({each: row["sha256"] for each, row in dict(record["files"]).items()})
    own = [each for each in found if not _DERIVED.match(each)]
    if own:
        raise ValueError(f"{own[0]} is no file of a report")
    files.reports = record["files"]
    return found


def _what(name: str) -> str:
    if _DERIVED.match(name):
        return "hash of a derived file ('harness report' writes the report's anew)"
    return "hash of the file"


def _signed_record(
    root: Path, name: str, findings: Findings, known: set[str], *, required: bool = True
) -> dict[str, Any] | None:
    """A record with a hash of its own; ``known`` gains it where that is there.

    Args:
        required: whether a record without one is a mismatch.
    """
    record: dict[str, Any] | None = None
    with findings.attempt(name, "record"):
        raw = (root / name).read_bytes()
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
    whole = len(parts) > 3 and parts[0] == "rounds" and parts[2] in (LEARNER, CANDIDATE)
    return whole and not root.joinpath(*parts[:3]).exists()


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


def _check_rest(files: RunFiles, going: Sequence[str], findings: Findings, rest: Sequence[str]) -> None:
    """Files of which nothing was recorded: locks, what killed processes left, rounds in progress, and strangers.

    Args:
        going: folders in which a phase may be under way.
    """
    process = ""
    with findings.attempt(LOCK, "file"):
        process = held_by(files.root)
    if process:
        findings.note(f"in use by process {process}: what it is writing now is not covered")
    uncovered, unfinished = [], []
    if any(name.startswith(_MLFLOW) for name in rest):
        findings.note(f"{_MLFLOW}: written by MLflow too; covered by no hash, used by nothing")
    for name in rest:
        parts, content = PurePosixPath(name).parts, b""
        if name in (LOCK, PID):
            with findings.attempt(name, "file"):
                content = (files.root / name).read_bytes()
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
        elif name.startswith(_MLFLOW):
            continue
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
