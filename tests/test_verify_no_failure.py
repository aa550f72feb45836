"""What `harness verify` cannot recompute, or finds in use, it says; and it is no failure."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fake_workbench import BETTER, FakeWorkbench, open_toy
from verified_runs import SETTINGS, change_entry, change_rows, lines, make_good, make_old

import harness.verify.rounds
from harness.errors.builtin.too_long import TooLong
from harness.loop.iterate import iterate
from harness.loop.lock import run_lock
from harness.verify.verify import verify_run


def test_another_version_of_a_classifier_is_said_and_is_no_failure(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = TooLong.version
    monkeypatch.setattr(TooLong, "version", "99")
    findings = verify_run(run)
    assert lines(findings) == []
    assert findings.notes == [f"not recomputed: classifier too_long is version 99 here, {own} in the run"]
    assert findings.checked["records of errors"] > 0
    change_rows(run / "baseline/dev/errors.parquet", lambda f: f.__setitem__("labels", "[]"))
    make_good(run)
    found = lines(verify_run(run))  # what the other classifiers say is compared all the same
    assert any("labels of item" in line for line in found)


def test_decisions_by_other_rules_are_not_called_wrong(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness.verify.rounds, "RULES", 3)
    monkeypatch.setattr(harness.verify.rounds, "decide_round", None)  # would fail if it were asked
    findings = verify_run(run)
    assert lines(findings) == []
    assert findings.notes == [
        "not recomputed: decisions, certificates, targets and training rows of rounds made by rules 2 (here: rules 3)"
    ]


def test_an_older_run_is_verified_as_far_as_it_goes(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_old(run)
    monkeypatch.setenv("HARNESS_STATE", str(run.parent / "no record"))
    findings = verify_run(run)
    assert lines(findings) == []
    assert "not recomputed: p of final results made before there was a second tier" in findings.notes
    (uncovered,) = [note for note in findings.notes if "covered by no hash" in note]
    assert "since the run was made before they were recorded: baseline/dev.done.json, " in uncovered
    assert any(note.startswith("not recomputed: decisions, targets") for note in findings.notes)
    change_entry(run, "final", lambda data: data["test"].update(delta=0.5))
    assert lines(verify_run(run))[0].startswith("ledger.jsonl:7: hash of the entry")


def test_unfinished_work_is_not_covered_and_said(tmp_path: Path) -> None:
    def die(call: Any) -> None:
        if call.kind == "train" and call.weights.startswith("001"):
            raise KeyboardInterrupt

    session = open_toy(tmp_path / "run", FakeWorkbench([BETTER, BETTER], die), settings=SETTINGS)
    with pytest.raises(KeyboardInterrupt):
        iterate(session, 2, None, lambda: None)
    (tmp_path / "run" / "rounds" / "002" / "adapter").mkdir()
    (tmp_path / "run" / "rounds" / "002" / "adapter" / "half.bin").write_text("half")
    findings = verify_run(tmp_path / "run")
    assert lines(findings) == []
    assert findings.notes == ["1 file of unfinished work, covered by no hash yet: rounds/002/adapter/half.bin"]


def test_a_run_in_use_is_said(run: Path) -> None:
    with run_lock(run):
        findings = verify_run(run)
    assert lines(findings) == []
    assert findings.notes == [f"in use by process {os.getpid()}: what it is writing now is not covered"]
