"""What a round costs beside the model does not grow with the rounds before it: work is counted, not timed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fake_workbench import CRASH, SURER, TOY_SETTINGS, Effect, FakeWorkbench, open_toy

import harness.evaluated
import harness.loop.run
import harness.reporting.interim
import harness.reporting.load
import harness.storage
from harness.loop.iterate import iterate
from harness.loop.lock import run_lock
from harness.loop.run import Run
from harness.reporting.interim import Reports
from harness.reporting.load import write_reports

ROUNDS = 24
CYCLE = (Effect(gain=0.04), Effect(gain=-0.03), SURER, CRASH)  # every kind of outcome, and never all right


class Work:
    """Counts calls, and the bytes that a round leaves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts: Counter[str] = Counter()
        self.rounds: list[Counter[str]] = []
        self._last: Counter[str] = Counter()
        self._watch(monkeypatch, harness.evaluated, "_columns", "tables read")  # two to an evaluation
        self._watch(monkeypatch, harness.loop.run, "step", "entries folded")
        self._watch(monkeypatch, harness.loop.run, "champion_folder", "searches for the champion")
        self._watch(monkeypatch, harness.reporting.load, "read_jsonl", "training sets read")
        self._watch(monkeypatch, harness.reporting.interim, "write_page", "pages")

    def _watch(self, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, what: str) -> None:
        real: Callable[..., Any] = getattr(module, name)

        def counted(*args: Any, **options: Any) -> Any:
            self.counts[what] += 1
            return real(*args, **options)

        monkeypatch.setattr(module, name, counted)

    def end_of_round(self, run: Run) -> None:
        """Close the books on what was done since the last time."""
        folder = run.round_dir(run.state.done)
        self.counts["entries"] = len(run.ledger.entries)
        self.counts["ledger bytes"] = (run.run_dir / "ledger.jsonl").stat().st_size
        done = self.counts - self._last
        done["round bytes"] = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        done["summary bytes"] = sum((run.run_dir / name).stat().st_size for name in ("summary.json", "summary.md"))
        self.rounds.append(done)
        self._last = self.counts.copy()

    def most(self, what: str, first: int, last: int) -> int:
        """The most of it in any of rounds ``first`` to ``last``."""
        return max(done[what] for done in self.rounds[first : last + 1])


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    """A run of all rounds, reports and all; place 0 is the baseline."""
    work = Work(monkeypatch)
    monkeypatch.setattr(harness.storage.os, "fsync", lambda _: None)
    run = open_toy(
        tmp_path / "run", FakeWorkbench(CYCLE * (ROUNDS // 4)), settings=replace(TOY_SETTINGS, stop_after=99)
    )
    reports = Reports(run)

    def recorded() -> None:
        reports.interim()
        if run.ledger.entries[-1].kind != "stop":
            work.end_of_round(run)

    iterate(run, ROUNDS, None, recorded)
    assert run.state.done == ROUNDS
    decisions = {entry.data["decision"] for entry in run.ledger.of_kind("round")}
    assert decisions == {"promote", "reject", "crash"}
    return work


def test_each_ledger_entry_is_folded_once(work: Work) -> None:
    assert all(done["entries folded"] == done["entries"] for done in work.rounds)


def test_a_round_reads_what_was_mined_the_candidate_and_if_promoted_the_anchor_and_nothing_else(work: Work) -> None:
    assert {done["tables read"] for done in work.rounds[1:]} <= {2, 4, 6}
    assert [done["tables read"] for done in work.rounds].count(6) <= ROUNDS / 2
    assert work.most("searches for the champion", 2, ROUNDS) <= 2


def test_a_late_round_writes_no_more_than_an_early_one(work: Work) -> None:
    for what in ("round bytes", "ledger bytes"):
        assert work.most(what, ROUNDS - 7, ROUNDS) < 1.25 * work.most(what, 2, 9), what


def test_the_page_and_the_rows_on_it_are_not_rendered_again_after_every_round(work: Work) -> None:
    pages = [place for place, done in enumerate(work.rounds) if done["pages"]]
    assert pages[:6] == [0, 1, 2, 3, 4, 5]
    assert pages[6:] == [7, 9, 12, 15, 19, 24]
    assert sum(done["training sets read"] for done in work.rounds) == sum(pages) <= 6 * ROUNDS


def test_a_summary_grows_by_its_own_round_only(work: Work) -> None:
    grown = [later["summary bytes"] - done["summary bytes"] for done, later in pairwise(work.rounds)]
    assert max(grown[8:]) < 2_000


def test_a_resumed_run_folds_its_ledger_once_and_reads_the_champion_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    iterate(open_toy(tmp_path / "run", FakeWorkbench(CYCLE)), 3, None, lambda: None)
    work = Work(monkeypatch)
    run = open_toy(tmp_path / "run", FakeWorkbench(CYCLE))
    iterate(run, 3, None, lambda: None)
    assert work.counts["entries folded"] == len(run.ledger.entries)
    assert work.counts["tables read"] == 0  # all rounds are done: nothing has to be known but the ledger


def test_the_state_follows_a_ledger_that_was_read_again(tmp_path: Path) -> None:
    run = open_toy(tmp_path / "run", FakeWorkbench(CYCLE))
    iterate(run, 2, None, lambda: None)
    before = run.state
    run.ledger = type(run.ledger)(run.ledger.path)
    assert run.state == before
    run.ledger.entries.pop()
    run.ledger = type(run.ledger)(run.ledger.path)
    assert run.state == before


def test_the_reports_of_the_loop_are_those_that_are_written_from_the_disk(tmp_path: Path) -> None:
    run = open_toy(tmp_path / "run", FakeWorkbench(CYCLE))
    reports = Reports(run)
    names = ("summary.json", "summary.md", "report/index.html")
    compared = 0

    def recorded() -> None:
        nonlocal compared
        if run.ledger.entries[-1].kind == "stop":
            reports.final()
        else:
            reports.interim()
        mine = {name: (run.run_dir / name).read_bytes() for name in names}
        write_reports(run.run_dir)
        assert {name: (run.run_dir / name).read_bytes() for name in names} == mine
        compared += 1

    with run_lock(run.run_dir):  # as a session does; without, what is read back is a run that was left
        iterate(run, 4, None, recorded)
    assert compared == 6
