"""`harness verify` and `harness rescore` of a run that somebody made to mislead, to be run, or to break the reader."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_workbench import BETTER, FakeWorkbench, open_toy
from verified_runs import SETTINGS, change, change_entry, change_rows, make_good, make_long_run, make_short_run

from harness.cli.main import main
from harness.config import ClassifierSettings, CustomCategory
from harness.evaluated import load_evaluation
from harness.exceptions import InputError
from harness.loop.iterate import iterate
from harness.loop.phases import signed
from harness.state.kept import Kept
from harness.storage import canonical_json, read_json, sha256_file, write_json
from harness.verify.evaluations import Evaluations
from harness.verify.files import RunFiles
from harness.verify.findings import Findings
from harness.verify.items import check_items
from harness.verify.rescore import rescore
from harness.verify.verify import verify_run


@pytest.fixture(scope="module")
def short_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_short_run(tmp_path_factory.mktemp("short") / "run")


@pytest.fixture
def run(short_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_STATE", str(short_run.parent / "state"))
    return Path(shutil.copytree(short_run, tmp_path / "run", symlinks=True))


def lines(findings: Findings) -> list[str]:
    return [str(mismatch) for mismatch in findings.mismatches]


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
    "a dev item less": (lambda run: drop(run / "rounds/002/dev"), "rounds/002/dev: dev items.n: expected 40, found 39"),
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


# --- whatever stands where something else should


DEEP = "@deep@"
VALUES: list[Any] = [[1], 3, "x", None, DEEP]
nested: Any = []
for _ in range(400):
    nested = [nested]
VALUES.append(nested)

BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "an entry nested without end": (lambda run: deep(run / "ledger.jsonl"), "ledger.jsonl:2"),
    "a manifest nested without end": (lambda run: deep(run / "manifest.json"), "manifest.json"),
    "a report's hashes nested without end": (lambda run: deep(run / "report/files.json"), "report/files.json"),
    "a list of files": (lambda run: change_entry(run, "open", lambda d: d.update(files=[1])), "ledger.jsonl:1"),
    "a file without a folder": (
        lambda run: change_entry(run, "open", lambda d: d["files"].update({"rounds/x": "0"})), "rounds/x"),
    "a file without a name": (
        lambda run: change_entry(run, "open", lambda d: d["files"].update({"": "0"})), "ledger.jsonl:1"),
    "a round without a number": (lambda run: change_entry(run, "round", lambda d: d.pop("round")), "ledger.jsonl:5"),
    "a round that is text": (lambda run: change_entry(run, "round", lambda d: d.update(round="x")), "ledger.jsonl:5"),
    "a kind that is a list": (lambda run: change_line(run, 2, kind=["a"]), "ledger.jsonl:3"),
    "data that are text": (lambda run: change_line(run, 2, data="x"), "ledger.jsonl:3"),
    "a report's hash that is a number": (
        lambda run: write_json(run / "report/files.json", signed({"files": {"a": 3}})), "report/files.json"),
    "a phase's result that is a number": (
        lambda run: change(run / "rounds/001/mine.done.json", lambda r: r.update(result=3)),
        "rounds/001/mine.done.json"),
    "bytes that are no text": (
        lambda run: (run / "rounds/001/mine.done.json").write_bytes(b"\xff{}"), "rounds/001/mine.done.json"),
    "bytes that are no text in the ledger": (
        lambda run: (run / "ledger.jsonl").write_bytes(b"\xff\n"), "ledger.jsonl:1"),
}  # fmt: skip


def deep(path: Path) -> None:
    text = "[" * 10_000 + "]" * 10_000
    if path.name == "ledger.jsonl":
        rows = path.read_text().splitlines()
        rows[1] = rows[1].replace('"data":{', f'"data":{{"deep":{text},', 1)
        path.write_text("".join(f"{row}\n" for row in rows))
    else:
        path.write_text(f'{{"deep": {text}}}')


def change_line(run: Path, place: int, **values: Any) -> None:
    path = run / "ledger.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[place] |= values
    path.write_text("".join(canonical_json(row) + "\n" for row in rows))


def cover_up(run: Path) -> None:
    """As far as a forger gets with what cannot be read either."""
    with contextlib.suppress(Exception):
        make_good(run)


@pytest.mark.parametrize("covered", [False, True])
@pytest.mark.parametrize("what", BROKEN)
def test_what_cannot_be_read_is_named(run: Path, what: str, covered: bool, capsys: pytest.CaptureFixture[str]) -> None:
    broken, where = BROKEN[what]
    broken(run)
    if covered:
        cover_up(run)
    assert main(["verify", str(run), "-v"]) == 1
    out = capsys.readouterr()
    assert out.err == ""
    assert f"does not match: {where if covered or where != 'rounds/x' else 'ledger.jsonl:1'}: " in out.out
    with contextlib.suppress(InputError):
        rescore(run)


def paths(value: Any, prefix: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield prefix
    if len(prefix) < 6 and isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*prefix, key))
    elif len(prefix) < 6 and isinstance(value, list):
        for place, inner in enumerate(value[:2]):
            yield from paths(inner, (*prefix, place))


def with_value(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    whole = copy.deepcopy(value)
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return whole


def text_of(value: Any, **layout: Any) -> str:
    return json.dumps(value, **layout).replace(f'"{DEEP}"', "[" * 10_000 + "]" * 10_000)


def mutate(path: Path, rng: random.Random) -> tuple[Any, ...]:
    """Put a value of another kind somewhere into a file of JSON or YAML, of JSON lines, or of a table's JSON."""
    new = rng.choice(VALUES)
    if path.suffix == ".parquet":
        columns = ["doc", "metrics"] if path.name == "responses.parquet" else ["labels", "not_assessed", "reasons"]
        column = rng.choice(columns)

        def edit(frame: Any) -> None:
            place = rng.choice(list(paths(value := json.loads(frame[column][0]))))
            frame.loc[0, column] = text_of(with_value(value, place, new))

        change_rows(path, edit)
        return column, new
    if path.suffix == ".jsonl":
        rows = path.read_text().splitlines()
        number = rng.randrange(len(rows))
        value = json.loads(rows[number])
        place = rng.choice(list(paths(value)))
        rows[number] = text_of(with_value(value, place, new), sort_keys=True, separators=(",", ":"))
        path.write_text("".join(f"{row}\n" for row in rows))
        return number, place, new
    value = yaml.safe_load(path.read_text()) if path.suffix == ".yaml" else read_json(path)
    place = rng.choice(list(paths(value)))
    path.write_text(text_of(with_value(value, place, new), indent=2) + "\n")  # JSON is YAML
    return place, new


def test_no_value_of_another_kind_breaks_the_reader(run: Path) -> None:
    rescore(run)
    names = sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())
    kinds: dict[str, str] = {}
    for name in names:
        if name.endswith((".json", ".jsonl", ".yaml", ".parquet")) and not name.startswith("rescored/b"):
            kinds.setdefault(name if name.endswith(".done.json") else Path(name).name, name)
    assert len(kinds) > 20
    whole = {name: (run / name).read_bytes() for name in names}
    rng = random.Random(0)
    more = {"ledger.jsonl": 30, "certify.done.json": 6, "manifest.json": 8}
    for name in kinds.values():
        for turn in range(more.get(Path(name).name, 2)):
            told = mutate(run / name, rng)
            changed = (run / name).read_bytes() != whole[name]
            if covered := bool(turn % 2):
                cover_up(run)
            try:
                findings = verify_run(run)
            except Exception as error:
                raise AssertionError(f"{name}, {str(told)[:200]}, covered up: {covered}") from error
            assert findings.mismatches or covered or not changed, (name, str(told)[:200])
            for each, content in whole.items():
                if (run / each).read_bytes() != content:
                    (run / each).write_bytes(content)
    assert lines(verify_run(run)) == []
