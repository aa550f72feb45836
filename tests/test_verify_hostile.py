"""`harness verify` and `harness rescore` of a run that somebody made to mislead, to be run, or to break the reader."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_workbench import BETTER, FakeWorkbench, open_toy
from verified_runs import SETTINGS, change, change_entry, change_rows, lines, make_good, make_long_run

from harness.cli.main import main
from harness.config import ClassifierSettings, CustomCategory
from harness.errors.setup import load_taxonomy
from harness.evaluated import load_evaluation
from harness.exceptions import InputError
from harness.loop.iterate import iterate
from harness.loop.phases import signed
from harness.state.kept import Kept
from harness.storage import read_json, sha256_file, write_json
from harness.verify.evaluations import Evaluations
from harness.verify.files import RunFiles
from harness.verify.findings import Findings
from harness.verify.items import check_items
from harness.verify.rescore import rescore
from harness.verify.verify import verify_run

# --- code of the run's own


EVIL = """\
from pathlib import Path

Path(__file__).with_name("was_run").touch()


def long(item):
    return len(item.response) > 30


CLASSIFIERS = [long]
"""


def test_code_that_a_run_brings_is_not_run_unless_it_is_trusted(tmp_path: Path) -> None:
    code, marker = tmp_path / "evil.py", tmp_path / "was_run"
    code.write_text(EVIL)
    custom = {"mine": CustomCategory(function=f"{code}:long"), "digits": CustomCategory(regex=r"\d{3}")}
    settings = replace(SETTINGS, classifiers=ClassifierSettings(custom=custom, precedence=["mine"], also=["mine"]))
    run = tmp_path / "run"
    session = open_toy(run, FakeWorkbench([BETTER]), settings=settings)
    iterate(session, 1, None, lambda: None)
    marker.unlink()
    note = (
        f"not recomputed: classifier mine is a function of the run's own ({code}:long), "
        "its code is not run without --trust-code"
    )
    findings = verify_run(run)
    assert lines(findings) == []
    assert note in findings.notes
    now = rescore(run, tmp_path / "rescored")["classifiers"]
    assert now["now"] == {**now["run"], "mine": "not run"}
    assert not marker.exists()
    change_rows(run / "baseline/dev/errors.parquet", lambda f: f.__setitem__("labels", "[]"))
    make_good_without_report(run)
    assert any("baseline/dev/errors.parquet: labels of item" in line for line in lines(verify_run(run)))
    assert main(["verify", str(run), "--trust-code"]) == 1
    assert marker.exists()
    marker.unlink()
    assert main(["rescore", str(run), "--trust-code"]) == 0
    assert marker.exists()


def make_good_without_report(run: Path) -> None:
    (run / "report").mkdir(exist_ok=True)
    write_json(run / "report/files.json", signed({"files": {}}))
    make_good(run)


def test_code_beside_a_run_s_tasks_is_not_run_unless_it_is_trusted(run: Path, tmp_path: Path) -> None:
    tasks = tmp_path / "tasks"
    tasks.mkdir()
    (tasks / "utils.py").write_text(EVIL)
    (tasks / "add.yaml").write_text("task: toy_add\n")
    config = yaml.safe_load((run / "config.yaml").read_text())
    config |= {"include_path": [str(tasks)], "classifiers": {"also": ["long"], "precedence": ["long"]}}
    (run / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    change(run / "manifest.json", lambda m: m["identity"]["classifiers"].update(long="1"))
    make_good(run)
    expected = "classifier long is not here, or of the domain's own, its code is not run without --trust-code"
    assert f"not recomputed: {expected}" in verify_run(run).notes
    assert not (tasks / "was_run").exists()
    verify_run(run, trust_code=True)
    assert (tasks / "was_run").exists()


def test_a_model_that_a_run_names_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "hallucination.json").write_text("{}")
    settings = ClassifierSettings(hallucination_model=str(tmp_path), only=["hallucinated_learned", "theirs"])
    found = load_taxonomy(settings, not_run=["theirs"]).classifiers
    assert {(each.name, each.version, each.categories) for each in found} == {
        ("hallucinated_learned", "not run", ("hallucinated",)),
        ("theirs", "not run", ("theirs",)),
    }


# --- links, pipes, files that no entry speaks of


@pytest.mark.parametrize("name", ["rounds/001/dev", "config.yaml", "notes.txt", "report/more"])
def test_a_link_is_named_and_not_followed(run: Path, tmp_path: Path, name: str) -> None:
    path, elsewhere = run / name, tmp_path / "elsewhere"
    if path.exists():
        path.rename(elsewhere)
    path.symlink_to(elsewhere)
    findings = verify_run(run)
    (line,) = lines(findings)
    assert line.startswith(f"{name}: kind of file: expected a file or folder, found a link to /")
    with pytest.raises(InputError, match="a link to "):
        rescore(run)


@pytest.mark.parametrize("name", ["rounds/001/train.jsonl", "manifest.json", "ledger.jsonl", ".lock", "final/pipe"])
def test_a_pipe_is_named_and_never_opened(run: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)
    (line,) = lines(verify_run(run))  # would wait for ever if it opened it
    assert line == f"{name}: kind of file: expected a file or folder, found a pipe, socket or device"


def test_a_report_vouches_for_its_own_files_alone(run: Path) -> None:
    (run / "rounds/001/more.txt").write_text("more")
    record = read_json(run / "report/files.json")
    record["files"]["rounds/001/more.txt"] = {"sha256": sha256_file(run / "rounds/001/more.txt")}
    write_json(run / "report/files.json", signed(record))
    found = lines(verify_run(run))
    assert "rounds/001/more.txt is no file of a report" in found[0]
    assert any(line.startswith("rounds/001/more.txt: file: expected one that the run recorded") for line in found)


def test_a_phase_of_a_round_that_its_entry_does_not_speak_of_is_named(run: Path) -> None:
    (run / "rounds/001/more.txt").write_text("more")
    digest = sha256_file(run / "rounds/001/more.txt")
    record = {"phase": "more", "inputs": "", "files": {"more.txt": digest}, "seconds": 0.0, "result": {}}
    write_json(run / "rounds/001/more.done.json", signed(record))
    first = lines(verify_run(run))[0]
    assert first.startswith("rounds/001/more.done.json: record: expected one that the ledger speaks of")


def test_rescore_writes_into_no_other_folder(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "baseline/dev", tmp_path / "elsewhere")
    path, before = run / "baseline/dev.done.json", sha256_file(tmp_path / "elsewhere/errors.parquet")
    change(path, lambda r: r["files"].update({"../../elsewhere/responses.parquet": "0" * 64}))
    with pytest.raises(InputError, match="not a path of a file inside the run"):
        rescore(run, tmp_path / "out" / "deep")
    assert sha256_file(tmp_path / "elsewhere/errors.parquet") == before
    assert any("not a path of a file inside the run" in line for line in lines(verify_run(run)))


# --- forgeries with good hashes


FORGERIES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a certificate of rules that gave none": (
        lambda run: change_entry(run, "round", lambda d: d.update(rules=1, tier=None)),
        "ledger.jsonl:5: second tier before rules 2.certified: expected None, found False",
    ),
    "a second tier of rules that had none": (
        lambda run: change_entry(run, "round", lambda d: d.update(rules=1, certified=None)),
        "ledger.jsonl:5: second tier before rules 2.phase: expected False, found True",
    ),
    "an anchor of no numbered rules": (
        lambda run: change_entry(run, "round", lambda d: [d.pop("rules"), d.update(anchor=1, tier=None)]),
        "ledger.jsonl:5: second tier before rules 2.anchor: expected 0, found 1",
    ),
    "rules without a number": (
        lambda run: change_entry(run, "round", lambda d: d.update(rules="2")),
        "ledger.jsonl:5: rules: expected a whole number from 1 on, found 2",
    ),
    "a test item less": (
        lambda run: [drop(run / "baseline/test"), drop(run / "final/002/test")],
        "baseline/test: test items.n: expected 40, found 39",
    ),
    "a guard item twice": (
        lambda run: change_rows(run / "final/002/guard/responses.parquet", twice),
        "final/002/guard: guard items.sha256: expected ",
    ),
    "a dev item less": (lambda run: drop(run / "rounds/001/dev"), "rounds/001/dev: dev items.n: expected 40, found 39"),
    "skills": (
        lambda run: change_rows(run / "baseline/dev/responses.parquet", lambda f: f.__setitem__("skill", "add")),
        "baseline/dev/responses.parquet: skill of item ",
    ),
    "clusters": (
        lambda run: change_rows(run / "rounds/001/dev/responses.parquet", lambda f: f.__setitem__("cluster", "one")),
        "rounds/001/dev/responses.parquet: cluster of item ",
    ),
    "a status": (
        lambda run: change_entry(run, "stop", lambda d: d.update(status="certified")),
        "ledger.jsonl:9: status: expected one of finished, converged, stopped, failed, found certified",
    ),
    "an end before all rounds": (
        lambda run: change_entry(run, "asked", lambda d: d.update(rounds=3)),
        "ledger.jsonl:9: reason[0]: expected all 3 rounds done, found all 2 rounds done",
    ),
    "an end for want of promotions": (
        lambda run: change_entry(
            run, "stop", lambda d: d.update(status="converged", reason="9 rounds in a row brought no promotion (")
        ),
        "ledger.jsonl:9: reason: expected 1 rounds in a row brought no promotion (stop_after ...",
    ),
}


def drop(folder: Path) -> None:
    import pandas as pd

    for path in (folder / "responses.parquet", folder / "errors.parquet"):
        pd.read_parquet(path).iloc[1:].to_parquet(path, index=False)


def twice(frame: Any) -> None:
    frame.loc[1] = frame.loc[0]


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forgery_with_good_hashes_is_named(run: Path, what: str) -> None:
    forge, expected = FORGERIES[what]
    forge(run)
    make_good(run)
    found = lines(verify_run(run))
    assert any(line.startswith(expected) for line in found), found


def test_an_answer_to_another_item_in_an_evaluation_that_was_broken_off_is_named(tmp_path: Path) -> None:
    run = make_long_run(tmp_path / "run")
    (part, *_) = sorted(run.glob("rounds/*/dev_partial"))
    other = load_evaluation(run / "baseline/test").results[0].item_id
    for name in ("responses.parquet", "errors.parquet"):
        change_rows(part / name, lambda frame: frame.__setitem__("item_id", [other, *frame["item_id"][1:]]))
    make_good(run)
    expected = f"{part.relative_to(run)}: items that are none of dev length: expected 0, found 1"
    assert expected in lines(verify_run(run))


@pytest.mark.parametrize("odd", ["none", "a stranger", "one less", "twice"])
def test_a_look_at_a_group_asks_the_items_of_that_group(run: Path, odd: str) -> None:
    ids = [result.item_id for result in load_evaluation(run / "rounds/001/gate").results]
    groups = {**dict.fromkeys(ids, 1), "other": 2}
    if odd == "a stranger":
        groups[ids[0]] = 2
    elif odd == "one less":
        groups["another"] = 1
    elif odd == "twice":
        change_rows(run / "rounds/001/gate/responses.parquet", twice)
    data = {"items": {"gate": len(groups)}, "items_sha256": {"gate": ""}}
    files = RunFiles(run, [], {"rounds/001/certify.done.json": {"result": {"look": {"group": 1}}}})
    findings = Findings()
    check_items(run, data, ["rounds/001/gate"], files, Evaluations(run, findings), Kept(groups=groups), findings)
    assert bool(lines(findings)) is (odd != "none")
    check_items(run, data, ["rounds/001/gate"], files, Evaluations(run, findings), None, findings)
    assert findings.notes[-1].startswith("not compared: items of looks at a part of gate")


# --- what is sealed


def sealed_forgery(run: Path, what: str) -> None:
    folder = run / "rounds/001/gate"
    responses = folder / "responses.parquet"
    if what == "scores":
        change_rows(responses, lambda f: f.__setitem__("correct", 1.0))
    elif what == "documents":
        change_rows(responses, lambda f: f.__setitem__("doc", "{}"))
    elif what == "responses":
        change_rows(responses, lambda f: f.__setitem__("response", "no no no no no no no no no no"))
    elif what == "labels":
        change_rows(folder / "errors.parquet", lambda f: f.__setitem__("labels", "[]"))
    elif what == "a sum":
        change(folder / "scores.json", lambda s: s["score"].update(correct=99))
    elif what == "an item less":
        drop(folder)
    elif what == "a word in place of a number":
        change_rows(responses, lambda f: f.__setitem__("new_tokens", f["response"].map(repr)))
    elif what == "a training row":
        prompt = load_evaluation(folder).results[0].prompt
        path = run / "rounds/001/train.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps({**row, "prompt": prompt}) + "\n" for row in rows))


@pytest.mark.parametrize(
    "what",
    ["scores", "documents", "responses", "labels", "a sum", "an item less", "a word in place of a number",
     "a training row"],
)  # fmt: skip
def test_of_gate_items_only_that_they_do_not_match_is_told(run: Path, what: str) -> None:
    answers = load_evaluation(run / "rounds/001/gate")
    sealed_forgery(run, what)
    make_good(run)
    found = lines(verify_run(run))
    if what == "a training row":
        assert any(line.startswith("rounds/001/train.jsonl: rows that are protected items: ") for line in found)
        assert not any("e.g." in line for line in found)
        return
    own = [line for line in found if line.startswith("rounds/001/gate")]
    told = "content: expected what the run recorded, found something else, which is not shown"
    assert own
    assert all(line.partition(": ")[2] == told for line in own)
    text = "\n".join(found)
    assert not [result.item_id for result in answers.results if result.item_id in text]
    assert not [result.response for result in answers.results if repr(result.response) in text]
