"""`harness verify`: what a run claims is recomputed, and whatever does not match is named."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_workbench import BETTER, LEAP, SAME, TOY_RECIPE, WORSE, Effect, FakeWorkbench, open_toy, tree
from verified_runs import (
    SETTINGS,
    change,
    change_entry,
    change_rows,
    make_good,
    make_long_run,
    make_old,
    make_short_run,
    make_tiered_run,
)

import harness.verify.labels
import harness.verify.rounds
from harness.cli.main import main
from harness.errors.builtin.too_long import TooLong
from harness.ledger import GENESIS, Ledger, entry_hash
from harness.loop.iterate import iterate
from harness.loop.lock import run_lock
from harness.storage import canonical_json, read_json, sha256_text
from harness.verify.findings import Findings
from harness.verify.rescore import rescore
from harness.verify.verify import verify_run


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_long_run(tmp_path_factory.mktemp("long") / "run")


@pytest.fixture(scope="module")
def short_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_short_run(tmp_path_factory.mktemp("short") / "run")


@pytest.fixture(scope="module")
def tiered_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiered_run(tmp_path_factory.mktemp("tiered") / "run")


NO_RECORD = "not compared: looks at gate with the domain's record, which is not at hand"


@pytest.fixture
def run(short_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the short run to tamper with, its domain's record at hand."""
    monkeypatch.setenv("HARNESS_STATE", str(short_run.parent / "state"))
    return Path(shutil.copytree(short_run, tmp_path / "run", symlinks=True))


@pytest.fixture
def tiered(tiered_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the tiered run with its domain's record at hand."""
    monkeypatch.setenv("HARNESS_STATE", str(shutil.copytree(tiered_run.parent / "state", tmp_path / "state")))
    return Path(shutil.copytree(tiered_run, tmp_path / "run", symlinks=True))


def lines(findings: Findings) -> list[str]:
    return [str(mismatch) for mismatch in findings.mismatches]


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


# --- tampering with every hash made good: what is claimed must still follow from the responses


def flip_score(frame: Any) -> None:
    frame.loc[frame["correct"] == 0, ("correct", "metrics")] = (1.0, '{"exact_match": 1.0}')


def swap_categories(frame: Any) -> None:
    frame["primary"] = frame["primary"].replace({"empty": "wrong_answer"})


def other_rows(path: Path) -> None:
    rows = path.read_text().splitlines()
    path.write_text("\n".join([rows[1], rows[0], *rows[2:]]) + "\n")


def forge_verdict(run: Path) -> None:
    path = run / "rounds/001/verdict.json"
    change(path, lambda verdict: verdict["dev"].update(midp=0.001))
    digest = sha256_text(json.dumps(read_json(path), sort_keys=True))
    change_entry(run, "round", lambda data: data.update(verdict_sha256=digest))


FORGERIES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "an item's score": (
        lambda run: change_rows(run / "baseline/dev/responses.parquet", flip_score),
        "baseline/dev/scores.json: content.score.",
    ),
    "an item's score on its own": (
        lambda run: change_rows(run / "rounds/001/dev/responses.parquet", lambda f: f.__setitem__("correct", 1.0)),
        "rounds/001/dev/responses.parquet: scores of task toy_add: expected one of its metrics",
    ),
    "a score that its answer does not bear out": (
        lambda run: change_rows(
            run / "final/002/guard/responses.parquet", lambda f: f.__setitem__("target", "neither")
        ),
        "final/002/guard/responses.parquet: score of item ",
    ),
    "a document": (
        lambda run: change_rows(run / "baseline/dev/responses.parquet", lambda f: f.__setitem__("doc", "{}")),
        "baseline/dev/responses.parquet: item id: expected ",
    ),
    "a primary category": (
        lambda run: change_rows(run / "rounds/001/mine/errors.parquet", swap_categories),
        "rounds/001/mine/scores.json: content.categories",
    ),
    "a response": (
        lambda run: change_rows(
            run / "rounds/001/dev/responses.parquet",
            lambda f: f.__setitem__("response", "no no no no no no no no no no"),
        ),
        "rounds/001/dev/errors.parquet: labels of item ",
    ),
    "counts": (
        lambda run: change(run / "baseline/dev/scores.json", lambda s: s["categories"].update(empty=1)),
        "baseline/dev/scores.json: content.categories.empty: expected ",
    ),
    "a paired test": (
        lambda run: change(run / "rounds/001/verdict.json", lambda v: v["dev"].update(midp=0.001)),
        "rounds/001/verdict.json: hash in the ledger: ",
    ),
    "a paired test and its hash in the ledger": (
        lambda run: forge_verdict(run),
        "rounds/001/verdict.json: dev.midp: expected ",
    ),
    "a decision": (
        lambda run: change_entry(run, "round", lambda d: d.update(decision="promote", champion=2), 1),
        "ledger.jsonl:6: round.champion: expected 1, found 2",
    ),
    "a target": (
        lambda run: change(run / "rounds/002/curate.done.json", lambda r: r["result"]["targets"][0].update(share=0.9)),
        "rounds/002/curate.done.json: targets[0].share: expected ",
    ),
    "the training rows": (
        lambda run: other_rows(run / "rounds/001/train.jsonl"),
        "rounds/001/train.jsonl: rows[0]",
    ),
    "the learner's rate": (
        lambda run: change(run / "rounds/002/train.done.json", lambda r: r["result"]["learner"].update(rate=1e-5)),
        "ledger.jsonl:6: round.learner.rate: expected 1e-05, found 0.0004",
    ),
    "the bit of a look": (
        lambda run: change(run / "rounds/001/certify.done.json", lambda r: r["result"].update(certified=True)),
        "rounds/001/certify.done.json: result.certified: expected False, found True",
    ),
    "the bit of a look in the ledger": (
        lambda run: change_entry(run, "round", lambda d: d.update(certified=True)),
        "ledger.jsonl:5: verdict.certified: expected False, found True",
    ),
    "the level of a look": (
        lambda run: change(run / "rounds/001/certify.done.json", lambda r: r["result"]["look"].update(alpha=0.05)),
        "rounds/001/certify.done.json: level of the look: expected 0.00625, found 0.05",
    ),
    "the looks before": (
        lambda run: change(run / "rounds/001/certify.done.json", lambda r: r["result"].update(looks=[[0.00625, True]])),
        "rounds/001/certify.done.json: result.reason: expected ",
    ),
    "the entry of a look": (
        lambda run: change_entry(run, "look", lambda d: d.update(alpha=0.05)),
        "ledger.jsonl:4: look.alpha: expected 0.00625, found 0.05",
    ),
    "the comparison with the anchor": (
        lambda run: change(run / "rounds/001/certify.done.json", lambda r: r["result"]["dev"].update(fixed=99)),
        "rounds/001/certify.done.json: result.dev.fixed: expected ",
    ),
    "where the anchor's answers are": (
        lambda run: change(
            run / "rounds/001/certify.done.json", lambda r: r["result"]["against"].update(anchor_dev="baseline/gate")
        ),
        "rounds/001/certify.done.json: result.against.anchor_dev: expected baseline/dev, found baseline/gate",
    ),
    "what the guard says": (
        lambda run: change(run / "rounds/001/certify.done.json", lambda r: r["result"]["guard"].update(blocks=True)),
        "rounds/001/certify.done.json: result.guard.blocks: expected False, found True",
    ),
    "a rollback": (
        lambda run: change(run / "rounds/001/certify.done.json", lambda r: r["result"].update(rollback="harm")),
        "rounds/001/certify.done.json: result.rollback: expected None, found harm",
    ),
    "cells to watch": (
        lambda run: change(run / "rounds/001/certify.done.json", lambda r: r["result"].update(watch=[["add", "x"]])),
        "rounds/001/certify.done.json: result.watch length: expected 0, found 1",
    ),
    "the anchor": (
        lambda run: change_entry(run, "round", lambda d: d.update(anchor=1)),
        "ledger.jsonl:5: round.anchor: expected 0, found 1",
    ),
    "another phase's inputs": (
        lambda run: change(run / "rounds/002/mine.done.json", lambda r: r.update(inputs="0" * 64)),
        "rounds/002/mine.done.json: hash of the inputs: expected ",
    ),
    "the baseline": (
        lambda run: change_entry(run, "baseline", lambda d: d["dev"].update(correct=1)),
        "ledger.jsonl:2: baseline.dev.correct: expected 15, found 1",
    ),
    "the test result": (
        lambda run: change_entry(run, "final", lambda d: d["test"]["ci95"].__setitem__(0, 0.1)),
        "ledger.jsonl:8: final result.test.ci95[0]: expected ",
    ),
    "the number of openings": (
        lambda run: change_entry(run, "final", lambda d: d.update(openings=0)),
        "ledger.jsonl:8: final result.openings: expected 1, found 0",
    ),
    "the summary": (
        lambda run: change(run / "summary.json", lambda s: s["champion"]["dev"].update(value=0.99)),
        "summary.json: summary.champion.dev.value: expected ",
    ),
    "a metric of the summary": (
        lambda run: change(run / "summary.json", lambda s: s["metrics"][0]["before"].update(value=0.5)),
        "summary.json: summary.metrics[0].before.value: expected ",
    ),
    "a perplexity": (
        lambda run: change(
            run / "baseline/perplexity.done.json",
            lambda r: r["result"]["figures"]["add"][0].update(value=1.5),
        ),
        "baseline/perplexity.done.json: figures.add[0].value: expected ",
    ),
    "the settings": (
        lambda run: (run / "config.yaml").write_text((run / "config.yaml").read_text().replace("seed: 0", "seed: 1")),
        "config.yaml: settings.seed: expected 0, found 1",
    ),
    "the identity": (
        lambda run: change(run / "manifest.json", lambda m: m["identity"]["settings"].update(seed=1)),
        "manifest.json: hash of the identity: expected ",
    ),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forgery_with_good_hashes_is_named(run: Path, what: str) -> None:
    forge, first = FORGERIES[what]
    forge(run)
    make_good(run)
    assert lines(verify_run(run))[0].startswith(first)


def test_covering_up_alone_changes_nothing(run: Path) -> None:
    make_good(run)
    assert lines(verify_run(run)) == []


def test_both_tiers_are_recomputed_with_the_domains_record(tiered: Path) -> None:
    findings = verify_run(tiered)
    assert lines(findings) == []
    assert findings.notes == []
    rounds = [entry.data for entry in Ledger(tiered / "ledger.jsonl").of_kind("round")]
    assert [(data["decision"], data["certified"]) for data in rounds[:4]] == [
        ("promote", True), ("promote", None), ("promote", rounds[2]["certified"]), ("rollback", None)
    ]  # fmt: skip
    assert rounds[2]["tier"]["look"]["number"] == 2
    finals = [entry.data for entry in Ledger(tiered / "ledger.jsonl").of_kind("final")]
    assert finals[0]["test_certified"]["round"] == 1
    assert findings.checked["second tiers"] == 16
    assert findings.checked["test results"] == 2


def test_a_run_is_not_believed_what_its_domains_record_does_not_say(tiered: Path, tmp_path: Path) -> None:
    path = tmp_path / "state" / "toy.jsonl"
    lines_of = [json.loads(line) for line in path.read_text().splitlines()]

    def rewrite(edit: Callable[[list[Any]], None]) -> list[str]:
        entries = json.loads(json.dumps(lines_of))
        edit(entries)
        prev, written = GENESIS, []
        for seq, entry in enumerate(entries):
            prev = entry_hash(seq, entry["time"], entry["kind"], entry["data"], before := prev)
            written.append(canonical_json({**entry, "seq": seq, "prev": before, "hash": prev}))
        path.write_text("".join(f"{line}\n" for line in written))
        return lines(verify_run(tiered))

    assert rewrite(lambda entries: None) == []
    verdict = next(place for place, entry in enumerate(lines_of) if entry["kind"] == "verdict")
    look = next(place for place, entry in enumerate(lines_of) if entry["kind"] == "look")
    place = "rounds/001/certify.done.json: look, by the domain's record"
    assert rewrite(lambda entries: entries[verdict]["data"].update(certified=False))[0].startswith(f"{place}[2]: ")
    assert rewrite(lambda entries: entries[look]["data"].update(round=2))[0].startswith(f"{place}[0]: ")
    again = {**lines_of[look]["data"], "round": 1}
    hidden = rewrite(lambda entries: entries.append({**lines_of[look], "data": again}))
    assert hidden[0].startswith("ledger.jsonl: looks at gate: expected look ")
    opened = next(place for place, entry in enumerate(lines_of) if entry["kind"] == "test_opened")
    twice = rewrite(lambda entries: entries.insert(opened, {**lines_of[opened], "data": {
        **lines_of[opened]["data"], "run": "another"}}))  # fmt: skip
    assert twice[0].partition(": ")[2].startswith("final result.openings: expected 2, found 1")


def test_a_link_to_another_round_is_named(run: Path) -> None:
    (run / "champion").unlink()
    (run / "champion").symlink_to("rounds/002")
    (run / "certified").symlink_to("rounds/001")
    assert lines(verify_run(run)) == [
        "champion: target of the link: expected rounds/001, found rounds/002",
        "certified: target of the link: expected no link, found rounds/001",
    ]


@pytest.mark.parametrize("processes", [1, 2])
def test_processes_beside_find_the_same_in_the_same_order(
    short_run: Path, run: Path, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    monkeypatch.setattr(harness.verify.labels, "PROCESSES", processes)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    for name in ("baseline/dev", "rounds/001/mine", "final/002/test"):
        change_rows(run / name / "errors.parquet", lambda frame: frame.__setitem__("labels", "[]"))
    make_good(run)
    expected = verify_run(run)
    assert len(expected.mismatches) > 3
    monkeypatch.setattr(harness.verify.labels, "BESIDE", 0)
    found = verify_run(run)
    assert lines(found) == lines(expected)
    assert found.checked == expected.checked
    assert lines(verify_run(short_run)) == []


# --- what is no failure


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


def test_the_prompts_that_were_compared_are_compared_again(tmp_path: Path) -> None:
    from test_prompts import TOY_PROMPTS, Careful
    from toy import toy_guard, write_toy_tasks

    from harness.evaluation.domain import load_domain
    from harness.loop.prepare import prepare
    from harness.loop.prompts import score_prompts
    from harness.loop.run import baseline

    tasks = write_toy_tasks(tmp_path / "tasks")
    (tasks / "prompts.yaml").write_text(TOY_PROMPTS)
    workbench = Careful()
    prepared = prepare(load_domain("toy", [tasks]), toy_guard(), workbench, None, SETTINGS.fewshot, None)
    session = open_toy(tmp_path / "run", workbench, settings=SETTINGS, prepared=prepared)
    baseline(session)
    score_prompts(session, ["careful"])
    findings = verify_run(tmp_path / "run")
    assert lines(findings) == []
    assert findings.checked["comparisons of prompts"] == 1
    path = tmp_path / "run" / "baseline" / "prompts.json"
    assert read_json(path)["any"]["honest"]["delta"] > 0
    change(path, lambda found: found["any"]["honest"].update(delta=0.9))
    assert lines(verify_run(tmp_path / "run"))[0].startswith("baseline/prompts.json: content.any.honest.delta: ")
