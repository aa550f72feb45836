"""The door for other packages, proved with one: built, installed by pip, and run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny import make_tiny_model

from harness.cli.main import main
from harness.errors.registry import BUILTIN
from harness.evaluated import load_evaluation
from harness.ledger import Ledger
from harness.reporting.registry import BUILTIN as REPORTERS

SETTINGS = """
model: {model}
domain: tiny_sums
guard: ''
recipe: {recipe}
fewshot: 0
futility: false
cache: false
"""
RECIPE = "trainer: {trainer}\nmethod: lora\ndata: {{mine: 16, rows: 8, first_rows: 8, general: 0}}\nlora: {{rank: 2}}\n"
Harness = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed ``tests/plugin_package``, from a copy, without network."""
    folder = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(Path(__file__).parent / "plugin_package", folder / "source")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    done = subprocess.run(
        [*command, "--target", str(folder / "site"), str(source)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``site`` on the path, as site-packages is."""
    monkeypatch.syspath_prepend(str(site))
    for name in [name for name in sys.modules if name.partition(".")[0] == "tiny_plugin"]:
        monkeypatch.delitem(sys.modules, name)
    return site


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Harness:
    """Call the command line; returns exit code, standard output and standard error."""

    def call(*args: str) -> tuple[int, str, str]:
        code = main(args)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def here(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with settings for the plugin's domain and its trainer."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, model, "nudge")
    return tmp_path


def write(folder: Path, model: Path, trainer: str) -> None:
    (folder / "harness.yaml").write_text(SETTINGS.format(model=model, recipe="own.yaml"))
    (folder / "own.yaml").write_text(RECIPE.format(trainer=trainer))


def listed(run: Harness) -> dict[tuple[str, str], dict[str, Any]]:
    code, out, _ = run("plugins", "--json")
    assert code == 0
    return {(each["kind"], each["name"]): each for each in json.loads(out)["plugins"]}


def test_without_plugins_only_what_is_built_in_is_listed(run: Harness) -> None:
    found = listed(run)
    assert {("domain", "shipped"), ("trainer", "supervised"), ("reporter", "html"), ("classifier", "empty")} <= set(
        found
    )
    own = [each for each in found.values() if each["builtin"]]
    assert [each["error"] for each in own] == [""] * len(own)


def test_what_a_package_brings_is_listed_with_its_version(installed: Path, run: Harness) -> None:
    found = listed(run)
    for key in (("domain", "tiny"), ("classifier", "no_digit"), ("trainer", "nudge"), ("reporter", "counts")):
        each = found[key]
        assert (each["package"], each["version"], each["builtin"], each["error"]) == ("tiny-plugin", "1.2.3", False, "")


def test_the_list_of_domains_has_those_of_packages(installed: Path, here: Path, run: Harness) -> None:
    code, out, err = run("tasks")
    assert (code, "error" in err) == (0, False)
    lines = out.splitlines()
    assert "tiny_sums: generate_until (plugin tiny)" in lines
    assert any(line.startswith("helpdesk: ") and "plugin" not in line for line in lines)


@pytest.mark.parametrize(
    ("kind", "name", "why"),
    [
        ("domain", "nowhere", "is no folder"),
        ("classifier", "half_made", "AttributeError"),
        ("trainer", "unimportable", "ModuleNotFoundError"),
        ("reporter", "misnamed", "its name is 'counts', its entry point is called 'misnamed'"),
    ],
)
def test_what_is_broken_is_listed_with_the_reason(
    installed: Path, run: Harness, kind: str, name: str, why: str
) -> None:
    error = listed(run)[kind, name]["error"]
    assert why in error
    assert f"{kind} '{name}' from tiny_plugin" in error
    assert "(package tiny-plugin 1.2.3)" in error
    assert "\n" not in error


def test_the_table_names_kind_package_and_what_failed(
    installed: Path, run: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    code, out, _ = run("plugins")
    assert code == 0
    (line,) = [line for line in out.splitlines() if " nudge " in line]
    assert "trainer" in line
    assert "tiny-plugin 1.2.3" in line
    assert "loaded" in line
    assert "failed: trainer 'unimportable'" in out
    assert f"1 domain, {len(BUILTIN)} classifiers, 1 trainer, {len(REPORTERS)} reporters" in out.splitlines()[-1]


def test_domain_classifier_trainer_and_reporter_of_a_package_run(installed: Path, here: Path, run: Harness) -> None:
    code, _, err = run("iterate", "--rounds", "1", "-q")
    assert code == 0, err
    folder = here / "runs" / "tiny_sums"
    identity = json.loads((folder / "manifest.json").read_text())["identity"]
    assert identity["classifiers"]["no_digit"] == "1"
    assert identity["recipe"]["trainer"] == "nudge"
    assert identity["model"]["trainer"] == "trainer 'nudge' from tiny_plugin:Nudge (package tiny-plugin 1.2.3)"
    ledger = Ledger(folder / "ledger.jsonl", writable=False)
    (entry,) = ledger.of_kind("round")
    base = load_evaluation(folder / "baseline" / "dev")
    labels = [{label.category for label in record.labels} for record in base.errors]
    expected = [not any(char.isdigit() for char in result.response) for result in base.results]
    assert ["no_digit" in each for each in labels] == expected
    assert any(expected)
    assert entry.data["losses"] == [[1, 0.5]]
    assert entry.data["train_tokens"] > 0

    code, out, err = run("report", str(folder), "--format", "counts", "--format", "md")
    assert code == 0, err
    assert (folder / "report" / "counts.txt").read_text() == "1 rounds on tiny_sums\n"
    assert out.splitlines() == [str(folder / "report" / "counts.txt"), str(folder / "summary.md")]
    code, out, _ = run("verify", str(folder))
    assert code == 0, out
    (folder / "report" / "counts.txt").write_text("2 rounds\n")
    assert run("verify", str(folder))[0] == 1


def test_a_broken_trainer_that_a_recipe_names_is_said_before_the_model_is_loaded(
    installed: Path, here: Path, run: Harness
) -> None:
    write(here, here / "no such model", "unimportable")
    (here / "harness.yaml").write_text(SETTINGS.format(model=here, recipe="own.yaml"))
    code, _, err = run("baseline", "-q")
    assert code == 2
    assert err.startswith(
        "error: trainer 'unimportable' from tiny_plugin.not_there:Trainer (package tiny-plugin 1.2.3)"
    )
    assert "ModuleNotFoundError" in err
    assert len(err.splitlines()) == 1


def test_a_trainer_that_writes_no_candidate_is_named(installed: Path, here: Path, model: Path, run: Harness) -> None:
    write(here, model, "forgetful")
    code, _, err = run("iterate", "--rounds", "1", "-q")
    assert code == 2
    assert "trainer 'forgetful' from tiny_plugin:Forgetful (package tiny-plugin 1.2.3) wrote no candidate into" in err


def test_an_unknown_trainer_is_named_with_the_recipes_line(
    installed: Path, here: Path, model: Path, run: Harness
) -> None:
    write(here, model, "nugde")
    code, _, err = run("baseline")
    assert code == 2
    assert err == "error: own.yaml:1: unknown trainer 'nugde'. Did you mean 'nudge'?\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("count", "error: unknown reporter 'count'. Did you mean 'counts'?\n"),
        ("misnamed", "error: reporter 'misnamed' from tiny_plugin:Counts (package tiny-plugin 1.2.3) cannot be used: "),
    ],
)
def test_a_format_that_cannot_be_written_leaves_nothing(
    installed: Path, tmp_path: Path, run: Harness, name: str, message: str
) -> None:
    code, _, err = run("report", str(tmp_path), "--format", "md", "--format", name)
    assert code == 2
    assert err.startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_a_plugins_domain_is_from_outside_too(
    installed: Path, here: Path, run: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HARNESS_ALLOW_TASK_CODE")
    code, _, err = run("check-data", "--guard", "")
    assert code == 2
    assert f"error: {installed / 'tiny_plugin' / 'tasks'}: tasks from outside" in err
    assert run("check-data", "--guard", "", "--allow-task-code")[0] == 0
    assert run("check-data", "--guard", "")[0] == 0


def test_an_unknown_domain_suggests_a_plugins(installed: Path, here: Path, run: Harness) -> None:
    code, _, err = run("check-data", "--guard", "", "--domain", "tiny_sum")
    assert code == 2
    assert "Did you mean 'tiny_sums'?" in err
