"""`harness close`: gate items are shown once nobody can look at them any more, and never before."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from fake_workbench import BETTER, LEAP, SURER, TOY_TIME, Effect, FakeWorkbench, toy_record, tree
from tiered_toy import gate_calls, opened, play, rounds

from harness.cli.main import main
from harness.exceptions import InputError
from harness.ledger import CLOSED, Ledger
from harness.loop.close import close
from harness.loop.hand import promote, roll_back
from harness.loop.iterate import check_open, iterate
from harness.loop.rounds import run_round
from harness.loop.run import Run
from harness.reporting.answers import responses
from harness.reporting.load import load_report_data, write_formats, write_reports
from harness.reporting.next_steps import next_steps
from harness.reporting.unknowns import unknowns
from harness.storage import read_json
from harness.verify.verify import verify_run

SCRIPT = (BETTER, Effect(gain=0.4), SURER)
"""A look that does not certify, one that does, a promotion without a look."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; the record of its domain lies beside it."""
    folder = tmp_path_factory.mktemp("made")
    run, _ = opened(folder / "run", SCRIPT)
    iterate(run, 3, None, lambda: None)
    write_reports(folder / "run")
    return folder


@pytest.fixture
def run_dir(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = Path(shutil.copytree(made, tmp_path / "made", symlinks=True))
    monkeypatch.setenv("HARNESS_STATE", str(folder / "state"))
    return folder / "run"


def again(run_dir: Path, script: tuple[Effect, ...] = SCRIPT, **options: Any) -> tuple[Run, FakeWorkbench]:
    return opened(run_dir, script, record=toy_record(run_dir.parent / "state"), **options)


def gate_ids(run_dir: Path) -> set[str]:
    return set(toy_record(run_dir.parent / "state").kept.groups)


def written(run_dir: Path) -> str:
    """All that the report formats hold."""
    names = ("html", "md", "json", "csv", "junit")
    return "\n".join(path.read_text(encoding="utf-8") for path in write_formats(run_dir, names))


# --- what is shown


def test_until_a_run_is_closed_no_gate_item_is_anywhere_and_then_each_is(run_dir: Path) -> None:
    ids = gate_ids(run_dir)
    assert len(ids) == 40
    assert not any(item in written(run_dir) for item in ids)
    assert not ids & {case.item_id for case in responses(load_report_data(run_dir)).cases}
    close(run_dir)
    cases = [case for case in responses(load_report_data(run_dir)).cases if case.of == "gate"]
    assert {case.item_id for case in cases} == ids
    page = written(run_dir)
    assert "The run is closed, so the gate items that it looked at are here" in page
    assert "40 gate items shown among the responses: untouched model" in page
    with (run_dir / "report" / "items.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["item_id"] for row in rows if row["role"] == "gate"} == ids


def test_before_is_the_untouched_model_and_after_the_certified_one(run_dir: Path) -> None:
    close(run_dir)
    data = load_report_data(run_dir)
    assert data.gate is not None
    assert (data.gate.round, sorted(data.gate.others)) == (2, [1])
    assert data.gate.before.correctness() != data.gate.after.correctness()
    cases = [case for case in responses(data).cases if case.of == "gate"]
    assert {len(case.history.marks) for case in cases} == {3}  # untouched, round 1, round 2
    assert {case.verdict for case in cases} >= {"fixed", "right"}
    for case in cases:
        assert case.before is not None
        assert (case.before.right, case.after.right) == (case.history.marks[0] == "✓", case.history.marks[2] == "✓")


def test_where_nothing_was_certified_the_last_model_that_was_looked_at_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_STATE", str(tmp_path / "state"))
    run, _ = opened(tmp_path / "run", [BETTER, SURER])
    iterate(run, 2, None, lambda: None)
    assert [data["certified"] for data in rounds(run)] == [False, False]
    close(tmp_path / "run")
    data = load_report_data(tmp_path / "run")
    assert data.gate is not None
    assert data.gate.round == 2


def test_the_report_says_that_no_look_is_left_and_no_round_follows(run_dir: Path) -> None:
    close(run_dir)
    data = load_report_data(run_dir)
    assert any(sentence.startswith("The run is closed: the gate items") for sentence in unknowns(data))
    first, *rest = next_steps(data)
    assert (first.kind, first.title) == ("stop", "This run is closed: add gate items for the next one")
    assert first.command.startswith("harness data extend NEW_ITEMS")
    assert "go on" not in {step.kind for step in rest}


# --- what it costs


def test_no_run_looks_at_the_items_again(run_dir: Path) -> None:
    close(run_dir)
    record = toy_record(run_dir.parent / "state")
    assert [group.alpha for group in record.groups(gate_ids(run_dir))] == [None]
    assert record.debit(gate_ids(run_dir), "another", 1) is None
    run, workbench = play(run_dir.parent / "other", [LEAP], record=record)
    (data,) = rounds(run)
    assert (data["decision"], data["certified"], data["tier"]["rule"]) == ("promote", None, "opened")
    assert gate_calls(run, workbench) == []
    iterate(run, 1, None, lambda: None)
    page = write_reports(run.run_dir).read_text(encoding="utf-8")
    assert "no look: these gate items were shown when a run was closed" in page
    assert "no look: the gate items were shown when another run was closed" in page
    assert next_steps(load_report_data(run.run_dir))[0].title == "Stop: add gate items before more rounds"
    assert verify_run(run.run_dir).mismatches == []


def test_a_look_that_was_debited_before_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its model was fixed before anything was shown."""
    monkeypatch.setenv("HARNESS_STATE", str(tmp_path / "state"))
    run, _ = opened(tmp_path / "run", [BETTER])
    iterate(run, 1, None, lambda: None)
    other, workbench = opened(tmp_path / "other", [LEAP])
    gate = {item.prompt for item in other.prepared.gate}

    def fault(call: Any) -> None:
        if call.kind == "generate" and gate & set(call.texts):
            raise KeyboardInterrupt

    workbench.fault = fault
    with pytest.raises(KeyboardInterrupt):
        iterate(other, 1, None, lambda: None)
    close(tmp_path / "run")
    workbench.fault = lambda call: None
    other, _ = opened(tmp_path / "other", [LEAP], workbench=workbench)
    iterate(other, 1, None, lambda: None)
    (data,) = rounds(other)
    assert (data["certified"], data["tier"]["look"]["number"]) == (True, 2)


def test_a_closed_run_goes_no_further(run_dir: Path) -> None:
    close(run_dir)
    run, _ = again(run_dir)
    before = tree(run_dir)
    with pytest.raises(InputError, match=r"the run is closed: its gate items were shown; begin another one in a new"):
        iterate(run, 4, None, lambda: None)
    with pytest.raises(InputError, match="the run is closed"):
        check_open(run, 4, None)
    for choose in (lambda: promote(run_dir, 1), lambda: roll_back(run_dir)):
        with pytest.raises(InputError, match="the run is closed"):
            choose()
    assert tree(run_dir) == before
    assert iterate(run, 3, None, lambda: None).status == "finished"  # the same command reports it again
    assert Ledger(run_dir / "ledger.jsonl").entries[-1].kind == CLOSED


# --- how it is recorded


def test_it_is_recorded_once_and_stands_up_to_verify(run_dir: Path) -> None:
    entry = close(run_dir, "the release is out", now=lambda: TOY_TIME)
    record = toy_record(run_dir.parent / "state")
    assert entry.kind == CLOSED
    assert entry.data == {"round": 3, "groups": [1], "record": record.head, "reason": "the release is out"}
    assert close(run_dir, "again") == entry
    assert record.head == entry.data["record"]
    write_reports(run_dir)
    assert read_json(run_dir / "summary.json")["status"] == "finished"
    assert verify_run(run_dir).mismatches == []


def test_a_process_that_dies_between_the_two_records_has_shown_nothing_and_goes_on(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "append", _dies_at(CLOSED))
        with pytest.raises(KeyboardInterrupt):
            close(run_dir)
    assert load_report_data(run_dir).gate is None
    assert toy_record(run_dir.parent / "state").kept.shown == {1}
    close(run_dir)
    assert load_report_data(run_dir).gate is not None
    kinds = [entry.kind for entry in Ledger(run_dir.parent / "state" / "toy.jsonl", writable=False).entries]
    assert kinds.count("gate_opened") == 1


def _dies_at(kind: str) -> Any:
    whole = Ledger.append

    def append(self: Ledger, what: str, data: Any, time: str) -> Any:
        if what == kind:
            raise KeyboardInterrupt
        return whole(self, what, data, time)

    return append


def test_verify_sees_a_round_after_the_closing_and_items_that_are_still_sealed(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(run_dir.parent / "state", run_dir.parent / "before")
    close(run_dir)
    write_reports(run_dir)
    monkeypatch.setenv("HARNESS_STATE", str(run_dir.parent / "before"))
    assert any("gate groups opened in the domain's record" in str(each) for each in verify_run(run_dir).mismatches)
    monkeypatch.setenv("HARNESS_STATE", str(run_dir.parent / "state"))
    run, _ = again(run_dir, (*SCRIPT, SURER))
    run_round(run)
    found = [str(each) for each in verify_run(run_dir).mismatches]
    assert any("expected nothing that follows the closing of the run, found round" in each for each in found)


# --- what it refuses


def refused(run_dir: Path) -> str:
    before = tree(run_dir.parent)
    with pytest.raises(InputError) as caught:
        close(run_dir)
    assert tree(run_dir.parent) == before
    return str(caught.value)


def test_a_run_that_is_not_at_its_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_STATE", str(tmp_path / "state"))
    play(tmp_path / "run", [LEAP])
    assert "test was not opened after round 1; bring the run to its end with 'harness iterate' first" in refused(
        tmp_path / "run"
    )


def test_a_run_without_a_look_is_refused(tmp_path: Path) -> None:
    run, _ = opened(tmp_path / "run", [LEAP], record=None)
    iterate(run, 1, None, lambda: None)
    assert "no look at gate items was made in this run, so there is nothing to open" in refused(tmp_path / "run")


def test_without_the_domains_record_nothing_is_shown(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_STATE", str(run_dir.parent / "elsewhere"))
    assert "so nothing could keep others from these gate items; set HARNESS_STATE" in refused(run_dir)


# --- the command


def test_the_command_asks_first(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["close", str(run_dir)]) == 2
    assert "closing a run spends its gate items for good; say so with --yes" in capsys.readouterr().err
    assert not Ledger(run_dir / "ledger.jsonl").of_kind(CLOSED)
    assert main(["close", str(run_dir), "--yes", "--reason", "done"]) == 0
    assert "closed after round 3: gate items of group 1 are shown, none can look again" in capsys.readouterr().out
    assert main(["close", str(run_dir)]) == 0  # closed already
    assert main(["verify", str(run_dir)]) == 0


def test_the_command_on_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["close", str(tmp_path / "none"), "--yes"]) == 2
    assert "not a run directory" in capsys.readouterr().err
    assert main(["close", str(tmp_path / "none")]) == 2  # is not asked what could not be done
    assert "not a run directory" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_no_is_the_answer_to_anything_but_yes(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(run_dir.parent)
    for said, code in (("\n", 2), ("", 2), ("no\n", 2), ("Y\n", 0)):
        assert tree(run_dir.parent) == before
        monkeypatch.setattr("sys.stdin", Terminal(said))
        monkeypatch.setattr("sys.stderr", Terminal())
        assert main(["close", str(run_dir)]) == code
    assert Ledger(run_dir / "ledger.jsonl").of_kind(CLOSED)


class Terminal(io.StringIO):
    """Text that comes from, or goes to, somebody."""

    def isatty(self) -> bool:
        return True
