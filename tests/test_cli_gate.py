"""``harness gate``: what it judges, how it says so, and with which exit code."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from gated import keep_baseline, save_answers, write_project
from tiny import make_tiny_model
from toy import write_toy_tasks

from harness.cli.main import main
from harness.regression.history import read_history

VOICE = """

class Voice:
    name, version, categories = "voice", "1", ("whispering", "shouting")

    def classify(self, item):
        return []


CLASSIFIERS = [Voice()]
"""
"""A domain's own classifier of categories that no answer shows."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_project(tmp_path)


def test_gates_that_pass_end_with_0(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep_baseline(project)
    assert main(["gate", "good"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("pass: no_regression\n")
    assert out.endswith("1 gate: 1 passed\n")


def test_a_regression_ends_with_1(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep_baseline(project)
    assert main(["gate", "bad"]) == 1
    assert "item 0000000000000002" in capsys.readouterr().out


def test_without_a_baseline_the_gate_fails_and_says_how_to_make_one(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gate", "good"]) == 1
    assert "harness gate --update-baseline" in capsys.readouterr().out


def test_update_baseline_writes_it_and_judges_against_it(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gate", "good", "--update-baseline"]) == 0
    assert "baselines/toy.json" in capsys.readouterr().err
    assert main(["gate", "bad"]) == 1


def test_another_baseline_may_be_named(project: Path) -> None:
    (project / "kept").mkdir()
    keep_baseline(project, "bad").rename(project / "kept" / "bad.json")
    assert main(["gate", "bad", "--baseline", "kept/bad.json"]) == 0


def test_a_baseline_file_is_a_target_too(project: Path) -> None:
    assert main(["gate", str(keep_baseline(project))]) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere/at/all"], "nowhere/at/all: no run, no folder of answers and no model there"),
        (["good", "--limit", "5"], "--limit is for models"),
        (["good", "--config", "gone.yaml"], "gone.yaml"),
        ([str(Path(__file__).parent)], "there are no answers in it"),
    ],
)
def test_bad_usage_ends_with_2(
    project: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gate", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_file_without_gates_is_bad_input(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "harness.yaml").write_text("domain: toy\n")
    assert main(["gate", "good"]) == 2
    assert "harness.yaml: declares no gates" in capsys.readouterr().err
    (project / "harness.yaml").unlink()
    assert main(["gate", "good"]) == 2
    assert "harness.yaml: not in this folder" in capsys.readouterr().err


def test_json_has_every_figure(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep_baseline(project)
    assert main(["gate", "bad", "--json"]) == 1
    whole = json.loads(capsys.readouterr().out)
    assert whole["passed"] is False
    assert whole["items"] == 200
    assert whole["gates"][0]["state"] == "fail"
    assert whole["baseline"].endswith("toy.json")


def test_a_report_may_go_to_a_file(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep_baseline(project)
    assert main(["gate", "bad", "--format", "junit", "--out", "gates.xml"]) == 1
    assert capsys.readouterr().out == ""
    assert ElementTree.parse(project / "gates.xml").getroot().get("failures") == "1"
    assert main(["gate", "bad", "--format", "markdown", "--out", "gates.md"]) == 1
    assert "| gate | verdict |" in (project / "gates.md").read_text()


def test_annotations_name_the_settings_file(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep_baseline(project)
    assert main(["gate", "bad", "--format", "github"]) == 1
    assert capsys.readouterr().out.startswith("::error file=harness.yaml,title=")


def test_what_gates_said_is_kept_for_the_history(project: Path) -> None:
    keep_baseline(project)
    for name in ("good", "bad"):
        main(["gate", name])
    assert [record.gates[0].passed for record in read_history(project / "runs").records] == [True, False]


def test_hostile_answers_reach_no_terminal(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep_baseline(project)
    save_answers(project / "hostile", lambda number: number % 2 == 0, said="\x1b[2J::error::\x07")
    assert main(["gate", "hostile"]) == 1
    assert "\x1b" not in capsys.readouterr().out


def test_answers_of_another_domain_are_neither_judged_nor_kept(
    project: Path, short_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "harness.yaml").write_text("domain: shop\ngates:\n  - metric: acc >= 0\n")
    for target in (short_run, short_run / "baseline"):
        assert main(["gate", str(target), "--update-baseline"]) == 2
        assert "is of a run of domain 'toy', not of 'shop'" in capsys.readouterr().err
    assert not (project / "baselines").exists()


def test_a_model_is_asked_and_its_own_baseline_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    write_toy_tasks(tmp_path / "tasks")
    with (tmp_path / "tasks" / "utils.py").open("a") as utils:
        utils.write(VOICE)
    make_tiny_model(tmp_path / "one", seed=1)
    (tmp_path / "harness.yaml").write_text(
        "model: one\ndomain: toy\ninclude_path: [tasks]\nguard: toy_guard\nfewshot: 0\ndevice: cpu\nlimit: 6\n"
        "gates:\n  - no_regression: {margin: .5}\n    on_uncertain: fail\n  - guard: within 50 points\n"
        "  - length: <= 16 tokens\n  - latency: <= 60 s\n  - category: {whispering: '<= 50%'}\n"
    )
    main(["gate", "--update-baseline"])
    capsys.readouterr()
    main(["gate", "one", "--json"])
    whole = json.loads(capsys.readouterr().out)
    states = {gate["kind"]: gate["state"] for gate in whole["gates"]}
    assert states["length"] == states["latency"] == states["category"] == "pass"
    assert {states["no_regression"], states["guard"]} <= {"pass", "uncertain"}  # no answer changed; so few items
    assert whole["items"] == 12
    assert whole["baseline"] == str(tmp_path / "baselines" / "toy.json")
