"""``harness verify``: everything that a run claims, recomputed from its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from harness.evaluated import RESPONSES
from harness.exceptions import InputError
from harness.loop.ledger import Entry, Ledger
from harness.reporting.load import RunReader
from harness.storage import read_json
from harness.verify.classifiers import run_classifiers
from harness.verify.evaluations import Evaluations
from harness.verify.files import LEDGER, MANIFEST, RunFiles, check_files, read_ledger
from harness.verify.findings import Findings, common
from harness.verify.labels import Job, LabelCheck
from harness.verify.replay import Replay, check_config, check_perplexity, check_prompts

SUMMARY = "summary.json"
_ORDER = ("baseline", "rounds", "final")


def verify_run(root: Path) -> Findings:
    """Check the run in ``root``: hashes, scores, error labels, decisions, state, results, summary. Writes nothing.

    Raises:
        InputError: ``root`` is no run directory.
    """
    if not (root / MANIFEST).is_file() and not (root / LEDGER).is_file():
        raise InputError(f"{root}: not a run directory (no {MANIFEST}, no {LEDGER})")
    findings = Findings()
    entries = read_ledger(root, findings)
    files = check_files(root, entries, findings)
    manifest: Mapping[str, Any] = {}
    with findings.attempt(MANIFEST, "manifest"):
        manifest = read_json(root / MANIFEST)
        check_config(root, manifest, findings)
        for difference in run_classifiers(root, manifest).differences:
            findings.note(f"not recomputed: {difference}")
        evaluations, later = Evaluations(root, findings, files.sealed), Findings()
        found = _saved(files)
        jobs = [Job(folder, size, result.get("by_learner") or 0) for folder, size, result, _ in found]
        with LabelCheck(root, manifest, jobs, evaluations.load) as labels:
            for folder, _, result, own in found:
                evaluations.check(root / folder, result if own else {})
            Replay(root, manifest, files, evaluations, later).run(entries)
            check_perplexity(root, files, evaluations, later)
            check_prompts(root, files, evaluations, later)
            _check_summary(root, entries, files, evaluations, later)
            for own_findings in (*labels.result(), later):  # decisions rest on labels, so these come first
                findings.extend(own_findings)
    return findings


def _saved(files: RunFiles) -> list[tuple[str, int, Mapping[str, Any], bool]]:
    """Evaluations of finished phases: folder, responses, the phase's result, whether that speaks of this evaluation."""
    found = []
    for name in sorted(files.phases, key=lambda name: (_ORDER.index(name.partition("/")[0]), name)):
        record, folder = files.phases[name], PurePosixPath(name).parent
        result = record["result"]
        size = (result.get("score") or {}).get("n") or result.get("mined") or 0
        for relative in sorted(record["files"]):
            path = PurePosixPath(relative)
            if path.name == RESPONSES:
                own = path.parent.name in (record["phase"], "dev")  # the champion's again has no result of its own
                found.append(((folder / path.parent).as_posix(), int(size), result, own))
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
        data = RunReader(root, evaluations.load, evaluations.load).read(ledger, rows=False, worn=worn)
        expected = json.loads(json.dumps(data.summary))
        findings.equal("summaries", SUMMARY, "summary", expected if head else common(expected, found), found)
