"""``harness classifiers``: the list, the figures, and what is written of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from toy import write_toy_tasks

from harness.cli.main import main
from harness.errors import load_classifiers
from harness.errors.registry import BUILTIN, ON_REQUEST
from harness.exceptions import InputError

ITEM = {"prompt": "How long?", "target": "2"}
ROWS: list[dict[str, Any]] = [
    {"item": {**ITEM, "response": "", "correct": 0}, "labels": ["empty"], "primary": "empty"},
    {"item": {**ITEM, "response": "3", "correct": 0}, "labels": [], "primary": "wrong_answer"},
    {"item": {**ITEM, "response": "2", "correct": 1}, "labels": [], "primary": None},
]


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    path = tmp_path / "labelled.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def run(capsys: pytest.CaptureFixture[str], *args: str | Path) -> tuple[int, str, str]:
    code = main(["classifiers", *map(str, args)])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def figures(body: dict[str, Any], category: str) -> dict[str, Any]:
    return next(each for each in body["categories"] if each["category"] == category)


def test_every_classifier_is_listed_with_what_it_needs_and_whether_it_may_trigger(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = run(capsys)
    assert code == 0
    for name in BUILTIN:
        assert name in out
    code, out, _ = run(capsys, "--json")
    listed = json.loads(out)["classifiers"]
    assert [each["name"] for each in listed] == list(BUILTIN)
    assert {each["name"] for each in listed if each["on_request"]} == ON_REQUEST
    assert all(each["needs"] for each in listed)
    verdicts = {name: verdict for each in listed for name, verdict in each["triggers"].items()}
    assert verdicts["wrong_answer"] == {"may_trigger": True, "why": "the task's own metric"}


def test_the_user_can_let_an_unproven_category_trigger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "harness.yaml"
    config.write_text("classifiers: {trigger: [misspelled]}\n")
    code, out, _ = run(capsys, "--config", config, "--json")
    listed = {each["name"]: each for each in json.loads(out)["classifiers"]}
    assert code == 0
    assert listed["misspelled"]["triggers"]["misspelled"] == {"may_trigger": True, "why": "set in harness.yaml"}
    config.write_text("classifiers: {trigger: [mispelled]}\n")
    code, _, err = run(capsys, "--config", config)
    assert code == InputError.exit_code
    assert "no classifier has the category 'mispelled'. Did you mean 'misspelled'?" in err


def test_labelled_responses_give_figures_and_nothing_is_written_unasked(
    labelled: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(labelled.parent.iterdir())
    code, out, _ = run(capsys, "--evaluate", "--labelled", labelled, "--json")
    body = json.loads(out)
    assert code == 0
    assert body["source"]["responses"] == 3
    assert (figures(body, "empty")["due"], figures(body, "empty")["recall"]) == (1, 1.0)
    assert figures(body, "wrong_answer")["precision"] == 1.0
    assert body["confusion"] == [["empty", "empty", 1], ["none", "none", 1], ["wrong_answer", "wrong_answer", 1]]
    monkeypatch.setenv("COLUMNS", "160")
    code, out, _ = run(capsys, "--evaluate", "--labelled", labelled)
    assert "too few (10 needed)" in out
    assert "1 of 1 right responses" in out
    assert sorted(labelled.parent.iterdir()) == before


def test_figures_are_written_where_they_are_wanted(labelled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from harness.errors.proven import load_proven, triggering

    target = labelled.parent / "mine.json"
    code, _, err = run(capsys, "--evaluate", "--labelled", labelled, "--write", target)
    assert code == 0
    assert err == f"written: {target}\n"
    known = load_proven(target)
    assert known.measured_on is not None
    assert known.measured_on["responses"] == 3
    assert known.categories["empty"].due == 1
    assert triggering(load_classifiers(), known) == {"wrong_answer"}


def test_write_without_a_file_means_the_packaged_one(
    labelled: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import harness.errors.proven as proven

    monkeypatch.setattr(proven, "PACKAGED", labelled.parent / "packaged.json")
    code, _, err = run(capsys, "--evaluate", "--labelled", labelled, "--write")
    assert code == 0
    assert err == f"written: {labelled.parent / 'packaged.json'}\n"


def test_a_labelled_line_that_cannot_be_right_ends_with_2(labelled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labelled.write_text(labelled.read_text() + "{}\n")
    code, out, err = run(capsys, "--evaluate", "--labelled", labelled)
    assert (code, out) == (InputError.exit_code, "")
    assert f"{labelled}:4: 'item' must be an object" in err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--labelled", "x"], "go with --evaluate"),
        (["--limit", "3"], "go with --evaluate"),
        (["--write"], "go with --evaluate"),
        (["--evaluate", "--write"], "--write goes with --labelled"),
        (["--evaluate", "--labelled", "x", "--limit", "3"], "do not go with --labelled"),
        (["--evaluate", "--limit", "0"], "Invalid value for '--limit'"),
        (["--evaluate", "--domain", "helpdsk"], "unknown task or domain 'helpdsk'"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    args: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, *args)
    assert code == 2
    assert message in err


def test_faults_are_injected_into_a_domain_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = write_toy_tasks(tmp_path / "tasks")
    config = tmp_path / "harness.yaml"
    config.write_text(f"include_path: [{tasks}]\ndomain: toy\nguard: ''\n")
    code, out, _ = run(capsys, "--evaluate", "--limit", "12", "--config", config, "--json")
    body = json.loads(out)
    assert code == 0
    assert body["source"] == {"kind": "injected", "domain": "toy", "items": 12, "seed": 0}
    assert figures(body, "empty")["found"] == 36
    missing = set(body["no_classifier"])
    assert missing.isdisjoint(BUILTIN)


def test_neither_the_list_nor_the_figures_import_torch(labelled: Path) -> None:
    for args in ([], ["--evaluate", "--labelled", str(labelled)], ["--evaluate", "--limit", "4"]):
        code = (
            "import sys\nfrom harness.cli.main import main\n"
            f"code = main({['classifiers', *args]!r})\n"
            "print('torch' in sys.modules, file=sys.stderr)\nsys.exit(code)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stderr.splitlines()[-1] == "False"
