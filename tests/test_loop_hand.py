"""`harness promote` and `harness rollback`: the user's choice of a champion, recorded as such, and what follows."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from fake_workbench import (
    BETTER,
    CRASH,
    SAME,
    SURER,
    TOY_RECIPE,
    TOY_SETTINGS,
    TOY_TIME,
    WORSE,
    FakeWorkbench,
    open_toy,
    tree,
)

from harness.cli.main import main
from harness.exceptions import InputError
from harness.ledger import Ledger
from harness.loop.hand import champions, promote, roll_back
from harness.loop.iterate import iterate
from harness.loop.lock import run_lock
from harness.loop.run import Run
from harness.reporting.load import load_report_data, write_reports
from harness.storage import read_json
from harness.verify.verify import verify_run

SCRIPT = (BETTER, SURER, SAME, CRASH, SAME, SAME)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rounds 1 and 2 promoted, 3 rejected, 4 crashed; finished."""
    run_dir = tmp_path_factory.mktemp("made") / "run"
    iterate(open_toy(run_dir, FakeWorkbench(SCRIPT)), 4, None, lambda: None)
    write_reports(run_dir)
    return run_dir


@pytest.fixture
def run_dir(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run", symlinks=True))


def session(run_dir: Path, workbench: FakeWorkbench | None = None) -> Run:
    return open_toy(run_dir, workbench or FakeWorkbench(SCRIPT))


def refused(run_dir: Path, *args: object) -> str:
    """The message with which a promotion is refused; the run is as before."""
    before = tree(run_dir)
    with pytest.raises(InputError) as caught:
        promote(run_dir, *args)  # type: ignore[arg-type]
    assert tree(run_dir) == before
    return str(caught.value).removeprefix(f"{run_dir}: ")


# --- what it records


def test_a_promotion_by_hand_is_recorded_as_one_with_its_reason(run_dir: Path) -> None:
    entry = promote(run_dir, 3, "reads better", now=lambda: TOY_TIME)
    assert entry == Ledger(run_dir / "ledger.jsonl").entries[-1]
    assert entry.kind == "promoted_by_hand"
    assert entry.data == {"champion": 3, "instead_of": 2, "round": 4, "reason": "reads better"}
    assert session(run_dir).state.champion == 3
    assert os.readlink(run_dir / "champion") == "rounds/003"
    assert verify_run(run_dir).mismatches == []


def test_a_rollback_goes_to_the_champion_before_and_then_to_the_base(run_dir: Path) -> None:
    first, second = roll_back(run_dir), roll_back(run_dir, reason="no good")
    assert first.kind == second.kind == "rolled_back_by_hand"
    assert (first.data["champion"], second.data["champion"]) == (1, 0)
    assert not (run_dir / "champion").is_symlink()
    with pytest.raises(InputError, match="the champion is the untouched model; there is nothing to roll back to"):
        roll_back(run_dir)
    write_reports(run_dir)
    assert verify_run(run_dir).mismatches == []


def test_a_rollback_may_name_an_earlier_champion_and_no_other_round(run_dir: Path) -> None:
    with pytest.raises(InputError, match=r"round 3 was no champion before round 2 \(earlier ones: 0, 1\); 'harness pr"):
        roll_back(run_dir, 3)
    assert roll_back(run_dir, 0).data["champion"] == 0


def test_what_was_rolled_back_from_is_no_earlier_champion(run_dir: Path) -> None:
    roll_back(run_dir)
    ledger = Ledger(run_dir / "ledger.jsonl")
    assert champions(ledger.entries, TOY_RECIPE) == [0, 1]
    promote(run_dir, 3)
    assert champions(Ledger(run_dir / "ledger.jsonl").entries, TOY_RECIPE) == [0, 1, 3]


# --- what it refuses


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (2, "round 2 is the champion already"),
        (4, "round 4 is no candidate (crash: non-finite loss at step 1 of 2; lower the recipe's learning_rate)"),
        (9, "there is no round 9 (rounds 1 to 4 are done)"),
        (-1, "there is no round -1 (rounds 1 to 4 are done)"),
    ],
)
def test_a_round_that_cannot_be_the_champion_is_refused(run_dir: Path, number: int, message: str) -> None:
    assert refused(run_dir, number).startswith(message)


def test_a_round_whose_adapter_is_gone_or_changed_is_refused(run_dir: Path) -> None:
    weights = run_dir / "rounds" / "001" / "adapter" / "adapter_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole + b" ")
    assert "changed since it was trained" in refused(run_dir, 1)
    weights.unlink()
    assert "is not there any more" in refused(run_dir, 1)


def test_a_round_that_was_not_asked_all_of_dev_is_refused(tmp_path: Path) -> None:
    settings = replace(TOY_SETTINGS, futility=True)
    iterate(open_toy(tmp_path / "run", FakeWorkbench([BETTER, WORSE]), settings=settings), 2, None, lambda: None)
    assert refused(tmp_path / "run", 2).startswith("round 2 was not asked all of dev")


def test_a_run_in_use_is_refused(run_dir: Path) -> None:
    with run_lock(run_dir):
        message = refused(run_dir, 3)
    assert message.startswith(f"in use by another process (pid {os.getpid()})")


def test_a_run_whose_test_is_open_without_a_result_is_refused(tmp_path: Path) -> None:
    def die(call: object) -> None:
        if call.kind == "activate" and (tmp_path / "run" / "baseline" / "test.done.json").exists():  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        iterate(open_toy(tmp_path / "run", FakeWorkbench([BETTER, SURER], die)), 2, None, lambda: None)
    assert refused(tmp_path / "run", 1).startswith("test is open for round 2 and has no result yet")


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    assert "not a run directory" in refused(tmp_path, 1)


# --- what follows


def test_the_next_round_goes_on_from_the_choice(run_dir: Path) -> None:
    promote(run_dir, 3)
    workbench = FakeWorkbench(SCRIPT)
    run = session(run_dir, workbench)
    iterate(run, 5, None, lambda: None)
    (trained,) = workbench.asked("train")
    assert trained.start is not None
    assert trained.start.weights == run_dir / "rounds" / "003" / "adapter"  # its learner's state was deleted
    assert trained.start.state is None
    entry = run.ledger.of_kind("round")[-1].data
    assert entry["learner"]["from_round"] == 3
    assert verify_run(run_dir).mismatches == []


def test_the_base_chosen_by_hand_is_trained_afresh(run_dir: Path) -> None:
    roll_back(run_dir, 0)
    workbench = FakeWorkbench(SCRIPT)
    iterate(session(run_dir, workbench), 5, None, lambda: None)
    (trained,) = workbench.asked("train")
    assert trained.start is not None
    assert (trained.start.weights, trained.start.state) == (None, None)


def test_work_that_belonged_to_the_champion_of_before_is_done_again(tmp_path: Path) -> None:
    def die(call: object) -> None:
        if call.kind == "train" and (tmp_path / "run" / "rounds" / "003").exists():  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    run_dir = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        iterate(session(run_dir, FakeWorkbench(SCRIPT, die)), 3, None, lambda: None)
    assert (run_dir / "rounds" / "003" / "mine.done.json").exists()
    promote(run_dir, 1)
    iterate(session(run_dir), 3, None, lambda: None)
    assert session(run_dir).state.done == 3
    assert verify_run(run_dir).mismatches == []


def test_a_finished_run_stays_finished_and_is_not_tested_again(run_dir: Path) -> None:
    before = Ledger(run_dir / "ledger.jsonl").of_kind("final")
    promote(run_dir, 1)
    write_reports(run_dir)
    summary = read_json(run_dir / "summary.json")
    assert (summary["status"], summary["champion"]["round"], summary["test"]["round"]) == ("finished", 1, 2)
    length = len(Ledger(run_dir / "ledger.jsonl").entries)
    workbench = FakeWorkbench(SCRIPT)
    iterate(session(run_dir, workbench), 4, None, lambda: None)
    assert workbench.asked() == []
    assert Ledger(run_dir / "ledger.jsonl").of_kind("final") == before
    assert len(Ledger(run_dir / "ledger.jsonl").entries) == length


def test_a_run_that_had_given_up_goes_on(tmp_path: Path) -> None:
    settings = replace(TOY_SETTINGS, stop_after=2)
    script = [BETTER, SAME, SAME, BETTER]
    first = iterate(open_toy(tmp_path / "run", FakeWorkbench(script), settings=settings), 9, None, lambda: None)
    assert first.status == "converged"
    roll_back(tmp_path / "run")
    run = open_toy(tmp_path / "run", FakeWorkbench(script), settings=settings)
    assert run.state.rejections == 0
    iterate(run, 4, None, lambda: None)
    assert run.state.champion == 4


# --- what the reports show


def test_reports_show_the_choice_and_its_reason(run_dir: Path) -> None:
    promote(run_dir, 1, "<b>shorter</b>", now=lambda: TOY_TIME)
    page = write_reports(run_dir).read_text()
    assert "round 1 made the champion: &lt;b&gt;shorter&lt;/b&gt;" in page
    assert "<b>shorter</b>" not in page
    text = (run_dir / "summary.md").read_text()
    assert "By hand, after round 4: round 1 made the champion" in text
    assert "| 1 | provisional champion |" in text
    summary = load_report_data(run_dir).summary
    assert summary["by_hand"] == [
        {
            "action": "promote", "after_round": 4, "champion": 1, "instead_of": 2, "reason": "<b>shorter</b>",
            "time": TOY_TIME,
        }
    ]  # fmt: skip
    roll_back(run_dir, 0)
    assert "rolled back to the untouched model" in write_reports(run_dir).read_text()


def test_the_commands(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["promote", str(run_dir), "1", "--reason", "shorter"]) == 0
    out = capsys.readouterr().out
    assert "champion by hand: round 1 instead of round 2" in out
    assert f"report: {run_dir / 'report' / 'index.html'}" in out
    assert read_json(run_dir / "summary.json")["by_hand"][0]["reason"] == "shorter"
    assert main(["rollback", str(run_dir)]) == 0
    assert "champion by hand: the untouched model instead of round 1" in capsys.readouterr().out
    assert main(["verify", str(run_dir)]) == 0
    assert main(["promote", str(run_dir), "4"]) == 2
    assert "round 4 is no candidate" in capsys.readouterr().err
