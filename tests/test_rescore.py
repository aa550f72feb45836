"""`harness rescore`: the present classifiers on saved responses, beside the run and never into it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_workbench import tree
from verified_runs import make_short_run

from harness.cli.main import main
from harness.errors.builtin.empty import Empty
from harness.evaluated import ERRORS, load_evaluation
from harness.exceptions import InputError
from harness.storage import read_json
from harness.verify.rescore import rescore
from harness.verify.verify import verify_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_short_run(tmp_path / "run")


def without(run: Path, folder: str) -> dict[str, bytes]:
    return {name: data for name, data in tree(run).items() if not name.startswith(folder)}


def test_with_the_same_classifiers_nothing_moves(run: Path) -> None:
    before = tree(run)
    result = rescore(run)
    assert result["total"]["moves"] == []
    assert all(row["before"] == row["now"] for row in result["total"]["categories"])
    assert result["classifiers"]["run"] == result["classifiers"]["now"]
    assert without(run, "rescored") == before
    for name in result["evaluations"]:
        assert (run / "rescored" / name / ERRORS).read_bytes() == (run / name / ERRORS).read_bytes()


def test_what_another_classifier_sees_is_shown_by_category_and_by_move(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(run)
    dev = load_evaluation(run / "baseline" / "dev")
    empty = sum(record.primary == "empty" for record in dev.errors)
    assert empty > 0
    monkeypatch.setattr(Empty, "version", "2")
    monkeypatch.setattr(Empty, "classify", lambda self, item: [])
    result = rescore(run)
    own = result["evaluations"]["baseline/dev"]
    rows = {row["category"]: (row["before"], row["now"]) for row in own["categories"]}
    assert rows["empty"] == (empty, 0)
    assert sum(before for before, _ in rows.values()) == sum(now for _, now in rows.values())
    assert sum(move["items"] for move in own["moves"] if move["from"] == "empty") == empty
    assert all(move["to"] not in (None, "empty") for move in own["moves"])
    assert sum(each["n"] for each in result["evaluations"].values()) == result["total"]["n"]
    assert without(run, "rescored") == before  # verdicts and all else of the run's own
    assert verify_run(run).mismatches == []


def test_written_elsewhere_the_run_gains_nothing(run: Path, tmp_path: Path) -> None:
    before = tree(run)
    rescore(run, tmp_path / "elsewhere")
    assert tree(run) == before
    rescore(run, tmp_path / "elsewhere")  # an earlier result is replaced
    assert read_json(tmp_path / "elsewhere" / "rescore.json")["schema"] == 1


def test_it_is_told_how_far_it_is(run: Path) -> None:
    seen: list[tuple[int, int]] = []
    rescore(run, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, seen[-1][1]) for done in range(seen[-1][1] + 1)]


def test_a_folder_with_something_else_is_not_replaced(run: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match="holds something else; choose an empty folder with --out"):
        rescore(run, tmp_path / "thesis")
    for place in (run, run / "baseline", tmp_path):
        with pytest.raises(InputError, match="is part of the run or holds it"):
            rescore(run, place)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file; choose a folder"):
        rescore(run, tmp_path / "file")
    assert (tmp_path / "thesis" / "thesis.tex").read_text() == "precious"


def test_the_command_shows_what_moved(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rescore", str(run)]) == 0
    out = capsys.readouterr().out
    assert "classifiers: all in the version of the run" in out
    assert "no response has another primary category" in out
    own = Empty.version
    monkeypatch.setattr(Empty, "version", "99")
    monkeypatch.setattr(Empty, "classify", lambda self, item: [])
    assert main(["rescore", str(run)]) == 0
    out = capsys.readouterr().out
    assert f"empty: {own} -> 99" in out
    assert " from empty to wrong answer" in out
    assert f"written: {run / 'rescored' / 'rescore.json'}" in out
    assert main(["rescore", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) | {"sha256": ""} == read_json(run / "rescored" / "rescore.json") | {
        "sha256": ""
    }


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rescore", str(tmp_path)]) == 2
    assert "not a run directory" in capsys.readouterr().err
