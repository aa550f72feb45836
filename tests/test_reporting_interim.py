"""A report is never a reason for a run to end, and what it replaces is there until it is whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fake_workbench import BETTER, SAME, WORSE, FakeWorkbench, open_toy, tree

import harness.reporting.interim
from harness.exceptions import EnvironmentFault
from harness.loop.iterate import iterate
from harness.loop.listener import Silent
from harness.reporting.interim import Reports
from harness.storage import read_json

SCRIPT = (BETTER, WORSE, SAME)


class Notices(Silent):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def notice(self, text: str) -> None:
        self.seen.append(text)


@pytest.mark.parametrize("error", [TypeError("a slip in a template"), EnvironmentFault("disk full")])
def test_a_report_that_fails_is_said_once_and_changes_no_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    iterate(open_toy(tmp_path / "whole" / "run", FakeWorkbench(SCRIPT)), 3, None, lambda: None)

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(harness.reporting.interim, "write_summaries", fail)
    listener = Notices()
    run = open_toy(tmp_path / "run", FakeWorkbench(SCRIPT), listener=listener)
    reports = Reports(run)
    iterate(run, 3, None, reports.interim)
    assert tree(tmp_path / "run") == tree(tmp_path / "whole" / "run")
    (notice,) = [said for said in listener.seen if "report" in said]
    assert notice == (
        f"no report after round 0 ({type(error).__name__}: {error}); the run goes on, "
        f"'harness report {run.run_dir}' tries again"
    )
    with pytest.raises(type(error)):  # what is asked for at the end is not passed over
        reports.final()


def test_a_key_pressed_during_a_report_is_not_taken_for_a_failed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(harness.reporting.interim, "write_page", pressed)
    run = open_toy(tmp_path / "run", FakeWorkbench(SCRIPT))
    with pytest.raises(KeyboardInterrupt):
        iterate(run, 3, None, Reports(run).interim)


def test_while_a_report_is_written_the_one_before_is_there_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_toy(tmp_path / "run", FakeWorkbench(SCRIPT))
    reports, seen = Reports(run), []
    real = os.fsync

    def fsync(handle: int) -> None:
        if (page := run.run_dir / "report" / "index.html").exists():
            seen.append(read_json(run.run_dir / "summary.json")["rounds_done"])
            assert page.read_text().rstrip().endswith("</html>")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    iterate(run, 3, None, reports.interim)
    assert sorted(set(seen)) == [0, 1, 2, 3]


def test_after_the_end_the_complete_report_is_there(tmp_path: Path) -> None:
    run = open_toy(tmp_path / "run", FakeWorkbench(SCRIPT))
    reports = Reports(run)
    iterate(run, 3, None, reports.interim)
    assert read_json(run.run_dir / "summary.json")["status"] == "running"  # the loop leaves the last one to `final`
    page, data = reports.final()
    assert read_json(run.run_dir / "summary.json") == data.summary
    assert (data.summary["status"], len(data.rounds[2].rows)) == ("finished", data.rounds[2].entry["train_rows"])
    assert page == run.run_dir / "report" / "index.html"
    assert "finished" in page.read_text()
