"""``harness verify``: everything that a run claims, recomputed from its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from harness.evaluated import RESPONSES
from harness.exceptions import InputError
from harness.ledger import Entry, Ledger
from harness.reporting.load import RunReader
from harness.storage import read_json
from harness.verify.classifiers import run_classifiers
from harness.verify.evaluations import Evaluations
from harness.verify.files import MANIFEST, RunFiles, check_files, regular_files
from harness.verify.findings import Findings, common
from harness.verify.items import check_items
from harness.verify.labels import Job, LabelCheck
from harness.verify.records import LEDGER, read_ledger
from harness.verify.replay import Replay, check_config, check_perplexity, check_prompts

SUMMARY = "summary.json"
_ORDER = ("baseline", "rounds", "final")


def verify_run(root: Path, trust_code: bool = False) -> Findings:
    """Check the run in ``root``: hashes, scores, error labels, decisions, state, results, summary. Writes nothing.

    Args:
        trust_code: whether classifiers that the run's settings or tasks bring as code are run.

    Raises:
        InputError: ``root`` is no run directory.
    """
    if not (root / MANIFEST).is_file() and not (root / LEDGER).is_file():
        raise InputError(f"{root}: not a run directory (no {MANIFEST}, no {LEDGER})")
    findings = Findings()
    names = regular_files(root, findings)
    if findings.mismatches:
        findings.note("nothing else was checked: what is neither a file nor a folder may lead anywhere when opened")
        return findings
    entries = read_ledger(root, findings)
    files = check_files(root, names, entries, findings)
    with findings.attempt(MANIFEST, "manifest"):
        manifest: Mapping[str, Any] = read_json(root / MANIFEST)
        check_config(root, manifest, findings)
        for difference in run_classifiers(root, manifest, trust_code).differences:
            findings.note(f"not recomputed: {difference}")
        evaluations, later = Evaluations(root, findings, files.sealed), Findings()
        found = _saved(files, findings)
        jobs = [Job(folder, size, by_learner) for folder, size, by_learner, *_ in found]
        with LabelCheck(root, manifest, jobs, evaluations.load, trust_code) as labels:
            for folder, _, _, result in found:
                evaluations.check(root / folder, result)
            kept = None
            with later.attempt(LEDGER, "entries"):
                replay = Replay(root, manifest, files, evaluations, later)
                kept = replay.kept
                replay.run(entries)
            folders = [job.folder for job in jobs]
            check_items(root, manifest["identity"]["data"], folders, files, evaluations, kept, findings)
            check_perplexity(root, files, evaluations, later)
            check_prompts(root, files, evaluations, later)
            _check_summary(root, entries, files, evaluations, later)
            for own_findings in (*labels.result(), later):  # decisions rest on labels, so these come first
                findings.extend(own_findings)
    return findings


def _saved(files: RunFiles, findings: Findings) -> list[tuple[str, int, int, Mapping[str, Any]]]:
    """Evaluations of finished phases: folder, responses, those by the learner, and what the phase says of it."""
    found = []
    for name in sorted(files.phases, key=lambda name: (_ORDER.index(name.partition("/")[0]), name)):
        record, folder = files.phases[name], PurePosixPath(name).parent
        result = record["result"]
        with findings.attempt(name, "result"):
            size = int((result.get("score") or {}).get("n") or result.get("mined") or 0)
            by_learner = int(result.get("by_learner") or 0)
            for relative in sorted(record["files"]):
                path = PurePosixPath(relative)
                if path.name == RESPONSES:
                    own = path.parent.name in (record["phase"], "dev")  # the champion's again has no result of its own
                    found.append(((folder / path.parent).as_posix(), size, by_learner, result if own else {}))
    return found


def _check_summary(
    root: Path, entries: Sequence[Entry], files: RunFiles, evaluations: Evaluations, findings: Findings
) -> None:
    """``summary.json`` against ledger and evaluations, as of the entry that it was written after."""
    if SUMMARY not in files.names or not any(entry.kind == "baseline" for entry in entries):
        return
    with findings.attempt(SUMMARY, "summary"):
        head = files.reports.get(SUMMARY, {}).get("ledger_head")
        shown = next((entry.seq + 1 for entry in entries if entry.hash == head), None)
        if head is not None and shown is None:
            findings.mismatch(SUMMARY, "ledger entry that it shows", "one of this ledger", head)
            return
        ledger = Ledger(root / LEDGER, writable=False)
        ledger.entries = list(entries[:shown])
        if shown not in (None, len(entries)):
            findings.note(f"{SUMMARY} shows the run after entry {shown} of {len(entries)}")
        found = read_json(root / SUMMARY)
        worn = found.get("test") is not None  # a worn result stands there where it was asked for
        data = RunReader(root, evaluations.load, evaluations.load).read(ledger, rows=False, worn=worn, details=False)
        expected = json.loads(json.dumps(data.summary))
        findings.equal("summaries", SUMMARY, "summary", expected if head else common(expected, found), found)
