"""`harness verify`: what a run claims is recomputed, and whatever does not match is named."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fake_workbench import BETTER, LEAP, SAME, TOY_RECIPE, WORSE, Effect, FakeWorkbench, open_toy, tree
from verified_runs import SETTINGS, change, change_entry, lines, make_long_run

from harness.cli.main import main
from harness.ledger import Ledger
from harness.loop.iterate import iterate
from harness.storage import read_json
from harness.verify.rescore import rescore
from harness.verify.verify import verify_run


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_long_run(tmp_path_factory.mktemp("long") / "run")


NO_RECORD = "not compared: looks at gate with the domain's record, which is not at hand"


# --- a run that nobody touched


def test_a_run_with_every_kind_of_outcome_matches(long_run: Path) -> None:
    findings = verify_run(long_run)
    assert lines(findings) == []
    rounds = [entry.data for entry in Ledger(long_run / "ledger.jsonl").of_kind("round")]
    assert {(data["decision"], data["rule"]) for data in rounds} >= {
        ("promote", "midp"), ("promote", "loglikelihood"), ("reject", "loglikelihood"), ("reject", "futility"),
        ("crash", "crash"),
    }  # fmt: skip
    assert findings.checked["verdicts"] == 3 * len(rounds)
    assert findings.checked["sets of training rows"] == len(rounds)
    assert findings.checked["futility stops"] > 0
    assert findings.checked["test results"] == 2
    assert findings.checked["choices by hand"] == 1
    assert findings.checked["summaries"] == 1
    assert findings.checked["looks"] > 0
    assert findings.notes == [NO_RECORD]


RECIPES = {
    "uniform": replace(TOY_RECIPE, data=replace(TOY_RECIPE.data, select="uniform")),
    "start champion": replace(TOY_RECIPE, start="champion"),
    "start base": replace(TOY_RECIPE, start="base"),
    "patience 1": replace(TOY_RECIPE, patience=1),
}


@pytest.mark.parametrize("name", RECIPES)
def test_runs_of_other_recipes_match(tmp_path: Path, name: str) -> None:
    workbench = FakeWorkbench([BETTER, WORSE, SAME, LEAP])
    iterate(open_toy(tmp_path / "run", workbench, recipe=RECIPES[name]), 4, None, lambda: None)
    findings = verify_run(tmp_path / "run")
    assert lines(findings) == []
    assert findings.checked["verdicts"] == 12


def test_a_run_in_which_the_learner_was_asked_what_it_broke_matches(tmp_path: Path) -> None:
    workbench = FakeWorkbench([Effect(gain=0.6), Effect(loss={"add": -0.8}), SAME])
    iterate(open_toy(tmp_path / "run", workbench), 3, None, lambda: None)
    assert read_json(tmp_path / "run" / "rounds" / "003" / "mine.done.json")["result"]["by_learner"] > 0
    assert lines(verify_run(tmp_path / "run")) == []


def test_a_run_whose_environment_changed_midway_matches(tmp_path: Path) -> None:
    workbench = FakeWorkbench([BETTER, SAME, BETTER])
    iterate(open_toy(tmp_path / "run", workbench, settings=SETTINGS), 2, None, lambda: None)
    workbench.batch_size = 8
    iterate(open_toy(tmp_path / "run", workbench, settings=SETTINGS), 3, None, lambda: None)
    assert list((tmp_path / "run").glob("rounds/003/dev_champion_*"))
    assert list((tmp_path / "run").glob("final/003/*_before"))
    findings = verify_run(tmp_path / "run")
    assert lines(findings) == []
    assert findings.checked["test results"] == 2


def test_a_run_without_guard_and_examples_matches(tmp_path: Path) -> None:
    settings = replace(SETTINGS, guard="", fewshot=0)
    iterate(open_toy(tmp_path / "run", FakeWorkbench([BETTER]), settings=settings), 1, None, lambda: None)
    assert lines(verify_run(tmp_path / "run")) == []


def test_it_neither_needs_nor_loads_a_model_nor_what_asks_one(short_run: Path) -> None:
    heavy = ("torch", "transformers", "lm_eval", "datasets", "peft", "trl")
    code = (
        "import sys\nfrom harness.cli.main import main\n"
        f"code = main(['verify', {str(short_run)!r}])\n"
        f"print(code, [name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_it_writes_nothing(run: Path) -> None:
    (run / ".lock").touch()
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    files = tree(run)
    verify_run(run)
    assert tree(run) == files
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_a_run_may_be_moved_and_read_by_somebody_who_may_not_write(run: Path) -> None:
    moved = run.rename(run.with_name("elsewhere"))
    assert lines(verify_run(moved)) == []


# --- one byte


def every_file(run: Path) -> list[str]:
    return sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())


def test_a_byte_flipped_in_any_file_of_the_second_tier_is_named(tiered: Path) -> None:
    names = [name for name in every_file(tiered) if re.match(r"rounds/\d+/(certify|gate|guard|anchor_|base_)", name)]
    folders = {name.split("/")[2] for name in names}
    assert folders == {"certify.done.json", "guard", "gate", "anchor_dev", "anchor_guard", "anchor_gate", "base_guard"}
    names += [name for name in every_file(tiered) if name.startswith("final/002/test_certified")]
    rng = random.Random(0)
    for name in names:
        path = tiered / name
        whole = path.read_bytes()
        place, bit = rng.randrange(len(whole)), 1 << rng.randrange(8)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
        findings = verify_run(tiered)
        path.write_bytes(whole)
        assert findings.mismatches, f"{name}, bit {bit} of byte {place}"
        assert findings.mismatches[0].where.partition(":")[0] == name
    assert lines(verify_run(tiered)) == []


def test_a_byte_flipped_in_any_file_is_named(run: Path) -> None:
    rescore(run)
    (run / ".lock").touch()
    (run / ".lock.pid").write_text("4711")
    (run / "rounds" / "001" / ".verdict.json.ab12.tmp").write_text("{")
    names = every_file(run)
    for name in (
        "config.yaml", "manifest.json", "ledger.jsonl", "summary.json", "summary.md", "report/index.html",
        "report/files.json", "rescored/rescore.json", "baseline/perplexity.json", "rounds/001/verdict.json",
        "rounds/001/gate/responses.parquet", "rounds/001/anchor_gate/scores.json", "rounds/001/certify.done.json",
        "rounds/001/adapter/adapter_model.safetensors", "rounds/002/learner/state.json", "final/002/test.done.json",
    ):  # fmt: skip
        assert name in names
    assert lines(verify_run(run)) == []
    rng = random.Random(0)
    for name in names:
        path = run / name
        whole = path.read_bytes()
        if not whole:
            continue
        place, bit = rng.randrange(len(whole)), 1 << rng.randrange(8)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
        findings = verify_run(run)
        path.write_bytes(whole)
        if name.endswith((".tmp", ".lock.pid")):  # of no account, and named whatever they hold
            assert any(text.startswith(name) for text in [*lines(findings), *findings.notes]), name
        else:
            assert findings.mismatches, f"{name}, bit {bit} of byte {place}"
            assert findings.mismatches[0].where.partition(":")[0] == name
    assert lines(verify_run(run)) == []


@pytest.mark.parametrize("name", ["report/files.json", "rounds/001/mine.done.json", "manifest.json", "ledger.jsonl"])
@pytest.mark.parametrize("place", [0, 1, -2, -1])
def test_white_space_and_brackets_of_records_count_too(run: Path, name: str, place: int) -> None:
    path = run / name
    whole = bytearray(path.read_bytes())
    whole[place] ^= 0x2A  # among others a space becomes a line feed, and JSON stays JSON
    path.write_bytes(bytes(whole))
    assert verify_run(run).mismatches[0].where.partition(":")[0] == name


def test_a_lock_file_holds_nothing(run: Path) -> None:
    (run / ".lock").write_text("x")
    assert lines(verify_run(run)) == [".lock: content: expected an empty file, found b'x'"]


def test_a_missing_file_is_named(run: Path) -> None:
    (run / "rounds" / "001" / "dev" / "errors.parquet").unlink()
    assert lines(verify_run(run))[0].startswith("rounds/001/dev/errors.parquet: file: expected one with hash ")


def test_a_file_that_the_run_did_not_write_is_named(run: Path) -> None:
    shutil.copytree(run / "rounds" / "001" / "dev", run / "rounds" / "002" / "dev_champion_001")
    first = lines(verify_run(run))[0]
    assert first.startswith("rounds/002/dev_champion_001/errors.parquet: file: expected one that the run recorded")


def test_a_torn_ledger_line_is_named(run: Path) -> None:
    path = run / "ledger.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    findings = verify_run(run)
    assert lines(findings)[0] == "ledger.jsonl:9: last line: expected a whole line, found one cut off or changed"


def test_entries_behind_a_break_are_not_believed(run: Path) -> None:
    change_entry(run, "round", lambda data: data.update(decision="reject"))
    assert lines(verify_run(run))[0].startswith("ledger.jsonl:5: hash of the entry: expected ")


# --- the command


def test_the_command_says_what_was_checked_and_passes(short_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(short_run)]) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == f"{short_run}: everything that was checked matches"
    assert last.startswith("checked in ")
    for part in (" ledger entries", "14 evaluations", "2 sets of training rows", "1 test results"):
        assert part in last


def test_the_command_names_the_first_and_counts_the_rest(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("summary.json", "baseline/dev/scores.json"):
        change(run / name, lambda value: value.update(extra=1))
    assert main(["verify", str(run)]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("does not match: baseline/dev/scores.json: hash of the file: expected ")
    assert out[1] == "and 3 more; -v lists them"
    assert main(["verify", str(run), "-v"]) == 1
    assert sum(line.startswith("does not match: ") for line in capsys.readouterr().out.splitlines()) == 4


def test_the_command_as_json(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "summary.md").unlink()
    assert main(["verify", str(run), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["matches"] is False
    assert [each["where"] for each in found["mismatches"]] == ["summary.md"]
    assert found["checked"]["ledger entries"] == 9


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path)]) == 2
    assert "not a run directory (no manifest.json, no ledger.jsonl)" in capsys.readouterr().err


def test_a_run_without_its_manifest_or_ledger_does_not_match(run: Path) -> None:
    (run / "ledger.jsonl").unlink()
    assert lines(verify_run(run))[0] == "ledger.jsonl: file: expected the run's ledger, found nothing"
    (run / "ledger.jsonl").write_text("")
    (run / "manifest.json").unlink()
    assert any(line.startswith("manifest.json: manifest: ") for line in lines(verify_run(run)))
