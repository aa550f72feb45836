"""Killed anywhere, the same command again gives the bytes of a run that nothing disturbed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import loop_driver
import pytest
from fake_workbench import (
    BETTER,
    CRASH,
    LEAP,
    RUIN,
    SAME,
    SURER,
    TOY_SETTINGS,
    WORSE,
    Call,
    Effect,
    FakeWorkbench,
    open_toy,
    toy_record,
    tree,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.exceptions import EnvironmentFault
from harness.ledger import Ledger
from harness.loop import iterate as iterating
from harness.loop.iterate import iterate
from harness.loop.run import Run
from harness.reporting.load import write_reports

Script = tuple[Effect, ...]
FORGETS = Effect(gain=0.6, loss={"even": -1.0})
OUTCOMES = {"better": BETTER, "worse": WORSE, "same": SAME, "surer": SURER, "crash": CRASH, "leap": LEAP, "ruin": RUIN}
# With these two after a leap: promoted and certified, promoted without a look, promoted and rolled back.
OUTCOMES |= {"fading": Effect(loss={"add": -0.25, "reverse": -0.3}, confidence=1.0), "forgets": FORGETS}


class Killed(BaseException):
    """Nothing in the harness may catch this."""


@contextmanager
def fsync_as(hook: Callable[[int], None]) -> Iterator[None]:
    """Call ``hook`` with the number of each fsync instead of waiting for the disk: every durable write passes here."""
    real, count = os.fsync, 0

    def fsync(_: int) -> None:
        nonlocal count
        count += 1
        hook(count)

    os.fsync = fsync
    try:
        yield
    finally:
        os.fsync = real


def session(
    run_dir: Path,
    script: Sequence[Effect],
    fault: Callable[[Call], None] = lambda _: None,
    futility: bool = False,
) -> FakeWorkbench:
    """One session of the loop, to its end if nothing stops it; the domain's record lies beside the run."""
    workbench = FakeWorkbench(script, fault)
    record = toy_record(run_dir.parent / "state")
    run = open_toy(run_dir, workbench, settings=replace(TOY_SETTINGS, futility=futility), record=record)
    iterate(run, len(script), None, lambda: None)
    return workbench


def everything(run_dir: Path) -> dict[str, bytes]:
    """Every file of a run, its links, and the record of its domain."""
    links = {path.name: str(path.readlink()).encode() for path in run_dir.iterdir() if path.is_symlink()}
    return tree(run_dir) | links | {"record": toy_record(run_dir.parent / "state").path.read_bytes()}


@cache
def undisturbed(script: Script, futility: bool = False) -> tuple[dict[str, bytes], int]:
    """Everything that the run leaves, and how many fsyncs it took."""
    counts: list[int] = []
    with tempfile.TemporaryDirectory() as folder, fsync_as(counts.append):
        session(Path(folder) / "run", script, futility=futility)
        return everything(Path(folder) / "run"), counts[-1]


@given(
    names=st.lists(st.sampled_from(sorted(OUTCOMES)), min_size=1, max_size=3),
    kills=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=3),
    futility=st.booleans(),
)
@example(names=["leap", "ruin", "better"], kills=[0.5, 0.55, 0.6, 0.65], futility=True)
@example(names=["leap", "fading", "forgets"], kills=[0.3, 0.35, 0.4, 0.45, 0.7], futility=False)
@settings(max_examples=15)
def test_killed_at_any_write_any_number_of_times_the_run_ends_the_same(
    names: list[str], kills: list[float], futility: bool
) -> None:
    script = tuple(OUTCOMES[name] for name in names)
    expected, writes = undisturbed(script, futility)
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        for kill in kills:
            fatal = 1 + int(kill * writes)

            def die(number: int, fatal: int = fatal) -> None:
                if number == fatal:
                    raise Killed

            try:
                with fsync_as(die):
                    session(run_dir, script, futility=futility)
            except Killed:
                continue
        with fsync_as(lambda _: None):
            session(run_dir, script, futility=futility)
        assert everything(run_dir) == expected


def nth(kind: str, count: int, error: Callable[[], BaseException]) -> Callable[[Call], None]:
    """A fault at the ``count``-th call of a kind."""
    seen = 0

    def fault(call: Call) -> None:
        nonlocal seen
        if call.kind == kind:
            seen += 1
            if seen == count:
                raise error()

    return fault


SCRIPT: Script = (BETTER, SURER, WORSE)
PHASES = {
    "baseline, zero-shot": ("generate", 1),
    "baseline, few-shot": ("generate", 2),
    "guard": ("loglikelihood", 1),
    "mine": ("generate", 3),
    "train": ("train", 2),
    "candidate written, learner not": ("wrote adapter", 2),
    "learner written, phase not closed": ("wrote learner", 2),
    "guard before a look": ("loglikelihood", 2),
    "gate, the candidate": ("generate", 5),
    "gate, the base": ("generate", 6),
    "evaluate": ("generate", 8),
    "log-likelihood of the champion": ("loglikelihood", 4),
    "gate, second look": ("generate", 9),
    "test": ("generate", 14),
    "final guard": ("loglikelihood", 6),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[Call]:
    """What an undisturbed run asks of the model."""
    return session(tmp_path_factory.mktemp("whole") / "run", SCRIPT).history


@pytest.mark.parametrize("phase", PHASES)
def test_a_phase_that_was_broken_off_is_done_again_and_finished_ones_are_not(
    tmp_path: Path, whole: list[Call], phase: str
) -> None:
    expected, _ = undisturbed(SCRIPT)
    kind, count = PHASES[phase]
    with fsync_as(lambda _: None):
        with pytest.raises(KeyboardInterrupt):
            session(tmp_path / "run", SCRIPT, nth(kind, count, KeyboardInterrupt))
        second = session(tmp_path / "run", SCRIPT)
    assert everything(tmp_path / "run") == expected
    again = [call for call in second.history if call.kind in ("generate", "train")]
    places = [place for place, call in enumerate(whole) if call.kind == kind]
    left = [call for call in whole[places[count - 1] :] if call.kind in ("generate", "train")]
    # What was done before is not asked again; but of a phase of several calls, all of it is.
    assert [call.texts for call in again][-len(left) :] == [call.texts for call in left]
    assert len(again) <= len(left) + 1


STOPPED: Script = (LEAP, RUIN, BETTER)


def test_killed_at_each_write_of_a_broken_off_evaluation_the_run_ends_the_same(tmp_path: Path) -> None:
    expected, _ = undisturbed(STOPPED, True)
    assert "rounds/002/dev_partial/scores.json" in expected
    assert "rounds/002/dev/scores.json" not in expected
    run_dir, places, seen = tmp_path / "run", list[int](), list[int]()

    def fault(call: Call) -> None:
        if call.weights == "002/adapter":
            places.append(len(seen))

    with fsync_as(seen.append):
        session(tmp_path / "count" / "run", STOPPED, fault, True)
    # From where round 2's candidate is first asked to some writes past its ledger entry.
    for fatal in range(places[0] + 1, places[0] + 16):

        def die(number: int, fatal: int = fatal) -> None:
            if number == fatal:
                raise Killed

        with pytest.raises(Killed), fsync_as(die):
            session(run_dir, STOPPED, futility=True)
        with fsync_as(lambda _: None):
            session(run_dir, STOPPED, futility=True)
        assert everything(run_dir) == expected
        shutil.rmtree(run_dir)
        shutil.rmtree(tmp_path / "state")


CERTIFIED: Script = (LEAP, SURER)


def test_killed_at_each_write_of_a_look_it_is_the_same_look_and_the_run_ends_the_same(tmp_path: Path) -> None:
    expected, _ = undisturbed(CERTIFIED)
    assert expected["record"].count(b'"kind":"look"') == expected["record"].count(b'"kind":"verdict"') == 1
    places, seen = list[int](), list[int]()

    def fault(call: Call) -> None:
        if call.kind == "loglikelihood" and call.weights == "001/adapter":  # the guard, before the look
            places.append(len(seen))

    with fsync_as(seen.append):
        session(tmp_path / "count" / "run", CERTIFIED, fault)
    looks = []
    # From the guard before the look to some writes past the round's ledger entry.
    for fatal in range(places[0] + 1, places[0] + 24):
        run_dir = tmp_path / str(fatal) / "run"

        def die(number: int, fatal: int = fatal) -> None:
            if number == fatal:
                raise Killed

        with pytest.raises(Killed), fsync_as(die):
            session(run_dir, CERTIFIED)
        looks.append([look.certified for look in toy_record(run_dir.parent / "state").kept.looks])
        with fsync_as(lambda _: None):
            session(run_dir, CERTIFIED)
        assert everything(run_dir) == expected
    assert looks == sorted(looks, key=[[], [None], [True]].index)
    assert {tuple(each) for each in looks} == {(), (None,), (True,)}


def test_killed_between_two_blocks_the_evaluation_is_made_again(tmp_path: Path) -> None:
    script = (LEAP, BETTER)
    expected, _ = undisturbed(script, True)
    asked: list[Call] = []

    def second_block(call: Call) -> None:
        if call.kind == "generate" and call.weights == "002/adapter":
            asked.append(call)
            if len(asked) == 2:
                raise KeyboardInterrupt

    with fsync_as(lambda _: None):
        with pytest.raises(KeyboardInterrupt):
            session(tmp_path / "run", script, second_block, True)
        assert not (tmp_path / "run" / "rounds" / "002" / "dev_partial").exists()
        again = session(tmp_path / "run", script, futility=True)
    assert everything(tmp_path / "run") == expected
    blocks = [call.texts for call in again.asked() if call.weights == "002/adapter"]
    assert blocks[:2] == [call.texts for call in asked]


def test_a_fault_of_the_environment_ends_the_session_and_not_the_run(tmp_path: Path) -> None:
    expected, _ = undisturbed(SCRIPT)
    with fsync_as(lambda _: None):
        with pytest.raises(EnvironmentFault, match="out of memory"):
            session(tmp_path / "run", SCRIPT, nth("train", 2, lambda: EnvironmentFault("out of memory")))
        session(tmp_path / "run", SCRIPT)
    assert everything(tmp_path / "run") == expected


def kill(run_dir: Path, event: str, count: int) -> int:
    """The exit status of a driver that dies at an event."""
    command = [sys.executable, loop_driver.__file__, str(run_dir), event, str(count)]
    return subprocess.run(command, check=False, capture_output=True, timeout=120).returncode


@pytest.mark.parametrize(
    ("event", "count"),
    [("fsync", 5), ("generate", 3), ("wrote adapter", 2), ("fsync", 101), ("generate", 6)],
    ids=["opening", "mining", "half a candidate", "midway", "evaluating"],
)
def test_after_a_real_sigkill_the_same_command_ends_the_same(tmp_path: Path, event: str, count: int) -> None:
    expected, _ = undisturbed(loop_driver.SCRIPT)
    assert kill(tmp_path / "run", event, count) == -signal.SIGKILL
    assert everything(tmp_path / "run") != expected
    session(tmp_path / "run", loop_driver.SCRIPT)
    assert everything(tmp_path / "run") == expected
    assert not list((tmp_path / "run").rglob("*.tmp"))


def test_a_kill_between_recording_and_pruning_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (BETTER, WORSE, SAME)
    expected, _ = undisturbed(script)
    real = iterating.prune

    def prune(run: Run) -> None:
        if run.state.done == len(script):
            raise Killed
        real(run)

    monkeypatch.setattr(iterating, "prune", prune)
    with pytest.raises(Killed):
        session(tmp_path / "run", script)
    assert (tmp_path / "run" / "rounds" / "002" / "learner").exists()
    monkeypatch.undo()
    session(tmp_path / "run", script)
    assert everything(tmp_path / "run") == expected


def test_a_torn_last_ledger_line_is_decided_again_alike(tmp_path: Path) -> None:
    expected, _ = undisturbed(SCRIPT)
    run_dir = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        session(run_dir, SCRIPT, nth("train", 2, KeyboardInterrupt))
    ledger = run_dir / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes()[:-20])
    session(run_dir, SCRIPT)
    assert everything(run_dir) == expected


def test_a_report_of_a_run_killed_midway_can_be_written_and_harms_nothing(tmp_path: Path) -> None:
    expected, _ = undisturbed(SCRIPT)
    run_dir = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        session(run_dir, SCRIPT, nth("train", 2, KeyboardInterrupt))
    assert "round 1" in write_reports(run_dir).read_text()
    session(run_dir, SCRIPT)
    reports = {"summary.json", "summary.md", "report/index.html", "report/files.json"}
    assert {name: data for name, data in everything(run_dir).items() if name not in reports} == expected


def test_a_rerun_keeps_the_time_of_what_was_done_before(tmp_path: Path) -> None:
    def go(fault: Callable[[Call], None], start: float) -> None:
        clock = iter(range(int(start), 1_000_000))
        run = open_toy(tmp_path / "run", FakeWorkbench([BETTER], fault), clock=lambda: float(next(clock)))
        iterate(run, 1, None, lambda: None)

    with pytest.raises(KeyboardInterrupt):
        go(nth("train", 1, KeyboardInterrupt), 0)
    go(lambda _: None, 500_000)
    entries = Ledger(tmp_path / "run" / "ledger.jsonl").of_kind("round")
    assert all(0 < entries[0].data["seconds"][phase] < 1000 for phase in ("mine", "train", "evaluate", "other"))
