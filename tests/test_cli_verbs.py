"""The verbs on a scripted model: what they print, what they leave, how they end."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_workbench import BETTER, WORSE, Call, Effect, FakeWorkbench
from toy import write_toy_tasks

import harness.cli.session
from harness.cli.main import main
from harness.exceptions import EnvironmentFault
from harness.ledger import Ledger
from harness.loop.lock import run_lock
from harness.loop.profile import PHASES
from harness.storage import read_json

RECIPE = """\
method: lora
start: latest
patience: 3
data: {mine: 16, rows: 8, first_rows: 12, replay: 0.25, general: 0.1, select: failing, targets: 4}
"""
Harness = Callable[..., tuple[int, str, str]]


class Bench:
    """Stands for loading the model: hands out scripted workbenches."""

    def __init__(self) -> None:
        self.script: Sequence[Effect] = (BETTER, WORSE)
        self.fault: Callable[[Call], None] = lambda _: None
        self.last: FakeWorkbench | None = None

    def __call__(self, settings: Any, recipe: Any, listener: Any) -> tuple[FakeWorkbench, Any]:
        self.last = FakeWorkbench(self.script, self.fault)
        return self.last, recipe


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_tasks(tmp_path_factory.mktemp("tasks"))


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench()
    monkeypatch.setattr(harness.cli.session, "make_workbench", bench)
    return bench


def write_settings(folder: Path, tasks: Path) -> None:
    """Settings for the toy."""
    (folder / "harness.yaml").write_text(
        f"model: fake\ndomain: toy\nguard: toy_guard\nrecipe: toy.yaml\nfewshot: 2\ninclude_path: [{tasks}]\n"
    )
    (folder / "toy.yaml").write_text(RECIPE)


@pytest.fixture
def here(tmp_path: Path, tasks: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with settings for the toy."""
    monkeypatch.chdir(tmp_path)
    write_settings(tmp_path, tasks)
    return tmp_path


@pytest.fixture(scope="module")
def whole(tasks: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What two rounds decide when nothing disturbs them."""
    folder = tmp_path_factory.mktemp("whole")
    write_settings(folder, tasks)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(harness.cli.session, "make_workbench", Bench())
        assert main(["iterate", "--rounds", "2", "-q"]) == 0
    return decided(folder / "runs" / "toy")


@pytest.fixture
def run(here: Path, capsys: pytest.CaptureFixture[str]) -> Harness:
    """Call the command line; returns exit code, standard output and standard error."""

    def call(*args: str) -> tuple[int, str, str]:
        code = main(args)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def decided(run_dir: Path) -> list[Any]:
    """What the ledger says was decided, without times and the hashes of files that hold times."""
    entries = Ledger(run_dir / "ledger.jsonl").of_kind("round")
    return [
        {k: v for k, v in entry.data.items() if k not in ("seconds", "files", "peak_memory_bytes")} for entry in entries
    ]


def test_baseline_scores_both_arms_and_the_guard_and_shows_them(bench: Bench, here: Path, run: Harness) -> None:
    code, out, err = run("baseline")
    assert code == 0
    for word in ("fake on toy", "zero-shot", "few-shot", "add", "reverse", "guard", "wrong answer", "37.5"):
        assert word in out
    assert f"report: {here / 'runs' / 'toy' / 'report' / 'index.html'}" in out
    assert "baseline: dev, zero-shot" in err
    assert [entry.kind for entry in Ledger(here / "runs" / "toy" / "ledger.jsonl").entries] == ["open", "baseline"]


def test_iterate_goes_on_from_the_baseline(bench: Bench, here: Path, run: Harness) -> None:
    run("baseline")
    assert bench.last is not None
    asked = {text for call in bench.last.asked() for text in call.texts}
    code, out, err = run("iterate", "--rounds", "2")
    assert code == 0
    again = [call for call in bench.last.asked() if call.weights == "base" and asked & set(call.texts)]
    assert again == []  # the base's dev answers are there already
    assert "finished: all 2 rounds done" in out
    assert "test, provisional champion of round 1" in out
    for line in ("round   1 ", "promote", "round   2 ", "reject"):
        assert line in err


def test_json_is_the_summary_and_nothing_else(bench: Bench, here: Path, run: Harness) -> None:
    for command in (["baseline"], ["iterate", "--rounds", "2"]):
        code, out, err = run(*command, "--json")
        assert code == 0
        assert json.loads(out) == read_json(here / "runs" / "toy" / "summary.json")
        assert err == ""
    code, out, err = run("report", "runs/toy", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["rounds_done"] == 2


def test_the_same_command_again_asks_nothing(bench: Bench, here: Path, run: Harness) -> None:
    run("iterate", "--rounds", "2", "-q")
    ledger = (here / "runs" / "toy" / "ledger.jsonl").read_bytes()
    code, _, err = run("iterate", "--rounds", "2", "-q")
    assert code == 0
    assert err == ""
    assert bench.last is not None
    assert bench.last.history == []
    assert (here / "runs" / "toy" / "ledger.jsonl").read_bytes() == ledger


def at_call(kind: str, count: int, error: Callable[[], BaseException]) -> Callable[[Call], None]:
    seen = 0

    def fault(call: Call) -> None:
        nonlocal seen
        seen += call.kind == kind
        if seen == count and call.kind == kind:
            raise error()

    return fault


def test_ctrl_c_ends_with_130_says_where_things_are_and_the_same_command_goes_on(
    bench: Bench, here: Path, run: Harness, whole: list[Any]
) -> None:
    bench.fault = at_call("train", 2, KeyboardInterrupt)
    code, out, err = run("iterate", "--rounds", "2", "--out", "cut")
    assert code == 130
    assert out == ""
    assert f"stopped; everything done is in {here / 'cut'}, the same command goes on from here" in err.replace(
        "\n", " "
    )
    assert err.endswith("interrupted\n")
    summary = read_json(here / "cut" / "summary.json")
    assert (summary["status"], summary["rounds_done"]) == ("stopped", 1)
    bench.fault = lambda _: None
    assert run("iterate", "--rounds", "2", "--out", "cut")[0] == 0
    assert decided(here / "cut") == whole
    assert read_json(here / "cut" / "summary.json")["status"] == "finished"


def test_profile_shows_where_the_time_went_and_leaves_standard_output_alone(
    bench: Bench, here: Path, run: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    code, out, err = run("iterate", "--rounds", "2", "--profile", "--json")
    assert code == 0
    assert json.loads(out)["rounds_done"] == 2
    lines = [line.replace("│", " ").split() for line in err.splitlines()]
    shown = [line[0] for line in lines if line and line[0] in ("start", *PHASES, "all")]
    assert shown == [*PHASES, "all"]
    mine = next(line for line in lines if line and line[0] == "mine")
    assert mine[3].isdigit()  # prompt tokens; the scripted model computes none, so there is no floor
    assert mine[4] == mine[6] == mine[7] == "-"


def test_profile_is_shown_on_ctrl_c_too(
    bench: Bench, here: Path, run: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    bench.fault = at_call("train", 2, KeyboardInterrupt)
    code, out, err = run("iterate", "--rounds", "2", "--profile")
    assert (code, out) == (130, "")
    assert "where the time went" in err
    assert err.endswith("interrupted\n")


def test_a_profile_that_cannot_be_made_hides_nothing(bench: Bench, here: Path, run: Harness) -> None:
    def damage(call: Call) -> None:
        if call.kind == "train":
            (here / "cut" / "rounds" / "001" / "mine.done.json").write_text("{")
            raise EnvironmentFault("out of memory")

    bench.fault = damage
    code, _, err = run("iterate", "--rounds", "1", "--profile", "--out", "cut")
    assert code == 3
    assert "note: no profile: " in err
    assert err.splitlines()[-1] == "error: out of memory"


@pytest.mark.parametrize("full_at", ["train.jsonl", "ledger.jsonl", "responses.parquet"])
def test_a_full_disk_ends_with_3_and_nothing_is_lost(
    bench: Bench, here: Path, run: Harness, whole: list[Any], monkeypatch: pytest.MonkeyPatch, full_at: str
) -> None:
    real = os.fsync
    full = True

    def fsync(handle: int) -> None:
        name = os.readlink(f"/proc/self/fd/{handle}") if os.path.isdir("/proc/self/fd") else ""
        if full and full_at in name and (here / "cut" / "rounds" / "002").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc to tell which file is written")
    monkeypatch.setattr(os, "fsync", fsync)
    code, out, err = run("iterate", "--rounds", "2", "--out", "cut")
    assert (code, out) == (3, "")
    last = err.splitlines()[-1]
    assert last.startswith(f"error: disk full while writing {here / 'cut'}")
    assert last.endswith("; free some space and run the same command again (nothing is lost)")
    full = False
    assert run("iterate", "--rounds", "2", "--out", "cut")[0] == 0
    assert decided(here / "cut") == whole


def test_lack_of_memory_ends_with_3_and_the_run_says_that_it_failed(bench: Bench, here: Path, run: Harness) -> None:
    bench.fault = at_call("train", 2, lambda: EnvironmentFault("out of memory while training one row at a time"))
    code, _, err = run("iterate", "--rounds", "2")
    assert code == 3
    assert err.splitlines()[-1] == "error: out of memory while training one row at a time"
    assert Ledger(here / "runs" / "toy" / "ledger.jsonl").entries[-1].data["status"] == "failed"
    assert read_json(here / "runs" / "toy" / "summary.json")["status"] == "failed"


def test_a_run_with_other_settings_is_refused(bench: Bench, here: Path, run: Harness) -> None:
    run("baseline", "-q")
    code, _, err = run("iterate", "--seed", "5")
    assert code == 2
    assert err.splitlines()[-1] == (
        f"error: {here / 'runs' / 'toy'}: holds a run with other inputs (settings.seed: 0 there, 5 now); "
        "choose another folder with --out, or the settings it was made with"
    )


def test_a_run_in_use_is_refused(bench: Bench, here: Path, run: Harness) -> None:
    with run_lock(here / "runs" / "toy"):
        code, _, err = run("iterate")
    assert code == 2
    assert err == (
        f"error: {here / 'runs' / 'toy'}: in use by another process (pid {os.getpid()}); "
        "wait for it or choose another folder with --out\n"
    )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["iterate", "--recipe", "lorra"], "unknown recipe 'lorra'. Did you mean 'lora'?"),
        (["iterate", "--recipe", "absent.yaml"], "absent.yaml: no such recipe file"),
        (["iterate", "--budget", "soon"], "'soon' is no duration; write for example 90s, 30m, 1h30m or 30d"),
        (["baseline", "--fewshot", "99"], "fewshot is 99; it must lie from 0 to 64"),
        (["baseline", "--config", "absent.yaml"], "absent.yaml: cannot be read"),
        (["report", "absent"], "absent: not a run directory (no manifest.json)"),
        (["baseline", "--domain", "toy_ad"], "unknown task or domain 'toy_ad'. Did you mean 'toy_add'?"),
        (["iterate", "--rounds", "0"], "Invalid value for '--rounds': 0 is not in the range 1<=x<=1000."),
        (["iterate", "--rouns", "3"], "No such option '--rouns'."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_usage_ends_with_2_and_one_line(bench: Bench, run: Harness, args: list[str], message: str) -> None:
    code, out, err = run(*args)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1


def test_an_unknown_model_suggests_the_nearest(run: Harness) -> None:
    code, _, err = run("baseline", "--model", "smollm2-135m-instrct")
    assert code == 2
    assert err.splitlines()[-1] == (
        "error: model 'smollm2-135m-instrct': unknown; neither a folder nor a Hugging Face id (owner/name). "
        "Did you mean 'smollm2-135m-instruct'?"
    )


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("harness.yaml", "domain: toy\nfewshots: 2\n", ":2: unknown field 'fewshots'. Did you mean 'fewshot'?"),
        ("harness.yaml", "domain: 'toy\n", ":2: not valid YAML: "),
        ("toy.yaml", "method: lora\ndata:\n  rowz: 3\n", ":3: unknown field 'data.rowz'. Did you mean 'rows'?"),
    ],
)
def test_a_malformed_file_is_named_with_its_line(
    bench: Bench, here: Path, run: Harness, name: str, text: str, message: str
) -> None:
    (here / name).write_text(text)
    code, _, err = run("baseline")
    assert code == 2
    assert err.startswith(f"error: {name}{message}")
    assert err.count("\n") == 1
    assert not (here / "runs").exists()


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("add_test.jsonl", '"cluster"', "cluster", "add_test.jsonl:1: not valid JSON: "),
        ("toy_add.yaml", "doc_to_text:", "doc_to_txt:", "domain 'toy': unknown field 'doc_to_txt' in the task YAML. "),
        ("toy_add.yaml", "output_type: ", "output_type: [", "toy_add.yaml:"),
    ],
    ids=["data", "field", "yaml"],
)
def test_a_malformed_task_is_named_before_any_model_is_loaded(
    bench: Bench, here: Path, run: Harness, name: str, old: str, new: str, message: str
) -> None:
    folder = write_toy_tasks(here / "own")
    (folder / name).write_text((folder / name).read_text().replace(old, new, 1))
    (here / "harness.yaml").write_text("model: fake\ndomain: toy\nguard: ''\ninclude_path: [own]\n")
    code, _, err = run("baseline")
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert bench.last is None


def test_a_missing_split_is_cut_from_another_and_said(bench: Bench, here: Path, run: Harness) -> None:
    folder = write_toy_tasks(here / "own")
    for path in folder.glob("toy_*.yaml"):
        path.write_text(path.read_text().replace("validation_split: validation\n", ""))
    (here / "harness.yaml").write_text("model: fake\ndomain: toy\nguard: ''\ninclude_path: [own]\n")
    code, out, err = run("baseline")
    assert code == 0
    assert "there is no validation split: the train items are cut into train pool 62%, dev 19%, gate 19%" in out + err


def test_a_folder_that_cannot_be_written_is_an_environment_fault(bench: Bench, here: Path, run: Harness) -> None:
    code, _, err = run("baseline", "--out", "toy.yaml/run")
    assert code == 3
    assert err == f"error: cannot write {here / 'toy.yaml' / 'run'}: Not a directory\n"


def test_a_foreign_folder_is_refused(bench: Bench, here: Path, run: Harness) -> None:
    (here / "thesis").mkdir()
    (here / "thesis" / "chapter.tex").write_text("precious")
    code, _, err = run("iterate", "--out", "thesis")
    assert code == 2
    assert "is not empty and not a run directory (it holds 'chapter.tex')" in err
    assert (here / "thesis" / "chapter.tex").read_text() == "precious"


def test_report_writes_anew_what_was_lost_and_says_where(bench: Bench, here: Path, run: Harness) -> None:
    run("iterate", "--rounds", "1", "-q")
    names = ["report/index.html", "summary.md", "summary.json"]
    before = {name: (here / "runs" / "toy" / name).read_bytes() for name in names}
    for name in names:
        (here / "runs" / "toy" / name).unlink()
    code, out, _ = run("report", "runs/toy")
    assert code == 0
    assert out == "".join(f"runs/toy/{name}\n" for name in names)
    assert {name: (here / "runs" / "toy" / name).read_bytes() for name in names} == before


def test_report_needs_no_model_library(bench: Bench, here: Path, run: Harness) -> None:
    run("iterate", "--rounds", "1", "-q")
    code = (
        "import sys\nfrom harness.cli.main import main\ncode = main(['report', 'runs/toy'])\n"
        "print(sorted({'torch', 'transformers', 'lm_eval', 'datasets'} & set(sys.modules)))\nsys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
