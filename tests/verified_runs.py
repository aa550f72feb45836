"""Finished toy runs to verify, and ways to tamper with them: plainly, or with every hash made good again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fake_workbench import (
    BETTER,
    CRASH,
    LEAP,
    RUIN,
    SAME,
    SURER,
    TOY_SETTINGS,
    TOY_TIME,
    WORSE,
    Effect,
    FakeWorkbench,
    Halving,
    open_toy,
    toy_record,
)

from harness.ledger import GENESIS, entry_hash
from harness.loop.certify import OUTPUTS
from harness.loop.hand import promote
from harness.loop.iterate import iterate
from harness.loop.perplexity import score_golds
from harness.loop.phases import signed
from harness.loop.run import baseline
from harness.reporting.load import write_reports
from harness.storage import canonical_json, read_json, sha256_file, write_json
from harness.verify.findings import Findings

SETTINGS = replace(TOY_SETTINGS, futility=True)
SCRIPT = (BETTER, SURER, WORSE, CRASH, SAME, RUIN, WORSE, WORSE, SAME, LEAP)


def make_short_run(run_dir: Path) -> Path:
    """Two rounds and the end, with a report; a look that certified nothing."""
    record = toy_record(run_dir.parent / "state")
    run = open_toy(run_dir, FakeWorkbench([BETTER, WORSE]), settings=SETTINGS, record=record)
    baseline(run)
    score_golds(run)
    iterate(run, 2, None, lambda: None)
    write_reports(run_dir)
    return run_dir


def make_long_run(run_dir: Path) -> Path:
    """Ten rounds with every kind of outcome, a champion chosen by hand in the middle, two final evaluations."""
    workbench = FakeWorkbench(SCRIPT)
    record = toy_record(run_dir.parent / "state")
    iterate(open_toy(run_dir, workbench, settings=SETTINGS, record=record), 7, None, lambda: None)
    promote(run_dir, 1, "the first one writes better", now=lambda: TOY_TIME)
    iterate(open_toy(run_dir, workbench, settings=SETTINGS, record=record), 10, None, lambda: None)
    write_reports(run_dir)
    return run_dir


def make_tiered_run(run_dir: Path) -> Path:
    """Certified; promoted; promoted after a smaller batch, so that all is asked again; rolled back; judged twice."""
    record = toy_record(run_dir.parent / "state")
    fading = Effect(loss={"add": -0.25, "reverse": -0.3}, confidence=1.0)
    workbench = FakeWorkbench([Effect(gain=0.4), SURER, Effect(gain=0.15, confidence=1.0), fading, SAME])
    for rounds in (2, 5):
        run = open_toy(run_dir, workbench, settings=SETTINGS, record=record, listener=Halving(workbench, 3))
        iterate(run, rounds, None, lambda: None)
    write_reports(run_dir)
    return run_dir


def lines(findings: Findings) -> list[str]:
    return [str(mismatch) for mismatch in findings.mismatches]


def change(path: Path, edit: Callable[[Any], Any]) -> None:
    """Rewrite a JSON file as ``edit`` leaves it."""
    value = read_json(path)
    edit(value)
    write_json(path, value)


def change_rows(path: Path, edit: Callable[[Any], Any]) -> None:
    """Rewrite a parquet file as ``edit`` leaves its table."""
    import pandas as pd

    frame = pd.read_parquet(path)
    edit(frame)
    frame.to_parquet(path, index=False)


def change_entry(run_dir: Path, kind: str, edit: Callable[[Any], Any], place: int = 0) -> None:
    """Change the data of the ``place``-th entry of a kind, without mending the chain."""
    path = run_dir / "ledger.jsonl"
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    edit([entry for entry in entries if entry["kind"] == kind][place]["data"])
    path.write_text("".join(canonical_json(entry) + "\n" for entry in entries))


def make_good(run_dir: Path) -> None:
    """Recompute every recorded hash, as someone would who covers a change up: manifests, ledger, report."""
    for path in run_dir.rglob("*.done.json"):
        record = read_json(path)
        if isinstance(record, dict):
            if isinstance(record.get("files"), dict):
                record["files"] = _hashed(path.parent, record["files"])
            write_json(path, signed(record))
    path, prev = run_dir / "ledger.jsonl", GENESIS
    written = []
    for raw in path.read_text().splitlines():
        entry = json.loads(raw)
        data = entry["data"]
        if isinstance(data, dict) and isinstance(data.get("files"), dict):
            data["files"] = _hashed(run_dir, data["files"])
        digest = entry_hash(entry["seq"], entry["time"], entry["kind"], data, prev)
        written.append(canonical_json({**entry, "prev": prev, "hash": digest}))
        prev = digest
    path.write_text("".join(f"{line}\n" for line in written))
    report = run_dir / "report" / "files.json"
    record = read_json(report)
    if isinstance(record, dict) and isinstance(record.get("files"), dict):
        for name in filter(None, record["files"]):
            if (run_dir / name).is_file() and isinstance(record["files"][name], dict):
                record["files"][name] |= {"sha256": sha256_file(run_dir / name), "ledger_head": prev}
        write_json(report, signed(record))


def _hashed(folder: Path, files: dict[str, Any]) -> dict[str, Any]:
    return {name: sha256_file(folder / name) if (folder / name).is_file() else files[name] for name in files}


def make_old(run_dir: Path) -> None:
    """Take away what older versions did not record."""
    for folder in run_dir.glob("rounds/*"):
        for name in ("certify.done.json", *OUTPUTS):
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for path in run_dir.rglob("*.done.json"):
        change(path, lambda record: record.pop("sha256"))
    path, prev = run_dir / "ledger.jsonl", GENESIS
    written: list[str] = []
    added = ("files", "rules", "tier", "anchor", "test_certified")
    for raw in path.read_text().splitlines():
        entry = json.loads(raw)
        if entry["kind"] == "look":
            continue
        data = {key: value for key, value in entry["data"].items() if key not in added}
        data |= {"certified": None} if entry["kind"] == "round" else {}
        if entry["kind"] == "final":
            data["test"]["p"], data["guard"]["p_worse"] = 0.25, 0.75  # reckoned otherwise then
            del data["guard"]["finding"]
        entry["seq"] = len(written)
        digest = entry_hash(entry["seq"], entry["time"], entry["kind"], data, prev)
        written.append(canonical_json({**entry, "data": data, "prev": prev, "hash": digest}))
        prev = digest
    path.write_text("".join(f"{line}\n" for line in written))
    (run_dir / "report" / "files.json").unlink()
    for name in ("by_hand", "looks", "test_certified", "test_openings"):
        change(run_dir / "summary.json", lambda summary, name=name: summary.pop(name))
    change(run_dir / "summary.json", lambda summary: summary["test"].update(p=0.25))
    change(run_dir / "summary.json", lambda summary: [each.update(certified=None) for each in summary["rounds"]])
