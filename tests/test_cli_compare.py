"""`harness compare`: its formats, its exit code, its words for what it cannot compare."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from test_regression_compare import EVIL, answers, joined

from harness.cli.main import main
from harness.regression.answers import AnswerSet
from harness.regression.baseline_file import write_baseline
from harness.regression.compare_render import view
from harness.reporting.formatting import MINUS


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """A baseline file of answers, and one in which a third of them broke."""
    return (
        saved(tmp_path / "a.json", answers(*[1] * 30, *[0] * 6)),
        saved(tmp_path / "b.json", answers(*[0] * 10, *[1] * 20, *[0] * 6)),
    )


def saved(path: Path, of: AnswerSet) -> str:
    write_baseline(path, of)
    return str(path)


def test_the_table_says_what_broke(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *files]) == 0
    out = capsys.readouterr().out
    assert f"Worse. 36 documents: worse, {MINUS}27.8 points (95% interval" in out
    assert "0 fixed and 10 broken" in out
    assert out.count("broken: 000000000000000") == 5
    assert "and 5 more changed answers" in out
    assert "\x1b" not in out


@pytest.mark.parametrize("columns", [80, 118])
def test_names_and_figures_are_whole_in_a_table_of_ordinary_width(
    tmp_path: Path, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.cli import compare_tables
    from harness.regression.compare import compare

    monkeypatch.setattr(compare_tables, "LINE", 118)
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = io.StringIO()
    console = Console(file=shown, width=columns)
    a = joined(answers(*[1] * 40), answers(*[0, 1] * 20, start=40, skill="a longer name"))
    b = joined(answers(*[0, 1] * 20), answers(*[1] * 40, start=40, skill="a longer name"))
    compare_tables._print(console, view(compare(a, b), 0))
    table = shown.getvalue()
    for text in ("a longer name", "100.0", "50.0", "regression", "improvement"):
        assert text in table
    assert "\u2026" not in table


def test_json_is_one_object_and_nothing_else(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *files, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "worse"
    assert set(found["tasks"]["sums"]) >= {"n", "before", "after", "delta", "ci95", "fixed", "broken", "p", "p_worse"}
    assert len(found["flips"]) == 10


@pytest.mark.parametrize(
    ("name", "begins"), [("c.md", "# Worse: "), ("c.html", "<!doctype html>"), ("c.json", "{"), ("c.txt", "A  ")]
)
def test_a_file_is_written_in_the_format_of_its_name(
    files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, begins: str
) -> None:
    path = tmp_path / "new" / name
    assert main(["compare", *files, "--out", str(path)]) == 0
    assert path.read_text().lstrip().startswith(begins)
    assert capsys.readouterr().out == ""


def test_a_format_that_is_named_counts_before_the_name_of_the_file(files: tuple[str, str], tmp_path: Path) -> None:
    assert main(["compare", *files, "--format", "markdown", "--out", str(tmp_path / "c.txt")]) == 0
    assert (tmp_path / "c.txt").read_text().startswith("# Worse")


def test_two_formats_are_refused(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *files, "--json", "--format", "html"]) == 2
    assert "give one of them" in capsys.readouterr().err


@pytest.mark.parametrize(("turned", "code"), [(False, 1), (True, 0)])
def test_only_a_regression_fails_and_only_where_that_is_asked(files: tuple[str, str], turned: bool, code: int) -> None:
    pair = files[::-1] if turned else files
    assert main(["compare", *pair, "--fail-on-regression"]) == code
    assert main(["compare", *pair]) == 0


def test_a_loss_that_chance_explains_does_not_fail(tmp_path: Path) -> None:
    a, b = saved(tmp_path / "a.json", answers(*[1] * 30)), saved(tmp_path / "b.json", answers(0, 0, *[1] * 28))
    assert main(["compare", a, b, "--fail-on-regression"]) == 0
    assert main(["compare", a, b, "--fail-on-regression", "--alpha", "0.3"]) == 1


def test_documents_that_are_missing_fail_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = saved(tmp_path / "a.json", answers(1, 1, 1)), saved(tmp_path / "b.json", answers(1, 1))
    assert main(["compare", a, b, "--fail-on-regression"]) == 1
    assert "1 of A's documents are missing in B" in capsys.readouterr().err


def test_what_cannot_be_compared_ends_with_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = saved(tmp_path / "a.json", answers(1))
    assert main(["compare", a, saved(tmp_path / "b.json", answers(1, start=4))]) == 2
    assert main(["compare", a, str(tmp_path / "absent")]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("error: no document is in both")
    assert "no such file or folder" in second


def test_names_from_a_file_do_not_act_on_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = {"task": EVIL, "skill": f"{EVIL}s", "response": EVIL}
    a = saved(tmp_path / "a.json", joined(answers(1, 1, **evil), answers(1, start=9)))
    b = saved(tmp_path / "b.json", joined(answers(0, 1, **evil), answers(1, start=9)))
    assert main(["compare", a, b]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "<script>" in out  # plain text: shown as it is
