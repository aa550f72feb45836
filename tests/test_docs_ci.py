"""The workflows of docs/ci.md, their steps run as shell as the service would run them, on a tiny model."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from init_files import PYTEST, harness, mails, write_rows
from tiny import make_tiny_model

HARNESS = "import sys; sys.argv[0] = 'harness'; from harness.cli.main import main; sys.exit(main())"
INSTALLED = {"torch", "lm-eval-ratchet", "pytest"}
PASSING = "\ngates:\n  - no_regression: {margin: 0.02}\n  - latency: <= 100 s\n"
FAILING = "\ngates:\n  - no_regression: {margin: 0.02}\n  - length: <= 1 tokens\n"


@dataclass(frozen=True)
class Step:
    """A step of a workflow: what is run, and whether it runs after a failure, too."""

    script: str
    always: bool


@dataclass(frozen=True)
class Done:
    """What came of all steps."""

    codes: tuple[int, ...]
    output: str


def blocks(page: Path) -> dict[str, Any]:
    """The YAML blocks of a page by the file that the line before them names."""
    text = page.read_text(encoding="utf-8")
    return {name: yaml.safe_load(body) for name, body in re.findall(r"`([\w./-]+)`:\n\n```yaml\n(.*?)```", text, re.S)}


def github_steps(job: dict[str, Any]) -> list[Step]:
    return [Step(step["run"], "if" in step) for step in job["steps"] if "run" in step]


def gitlab_steps(job: dict[str, Any]) -> list[Step]:
    return [Step("\n".join(job["script"]), False), Step("\n".join(job["after_script"]), True)]


def tools(folder: Path) -> Path:
    """``harness`` and ``pytest`` of these tests, and a ``pip`` that only writes down what it should install."""
    scripts = {
        "harness": f'exec "{sys.executable}" -c "{HARNESS}" "$@"',
        "pytest": f'exec "{sys.executable}" {" ".join(PYTEST)} "$@"',
        "pip": 'echo "$@" >> "$PIP_LOG"',
    }
    folder.mkdir()
    for name, line in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    return folder


def run(steps: list[Step], project: Path, variables: dict[str, Any], **others: str) -> Done:
    """Run the steps in order; after a failure only those that always run."""
    place = str(project)
    own = {
        name: re.sub(r"\$\{\{ github\.workspace \}\}|\$CI_PROJECT_DIR", place, str(value))
        for name, value in variables.items()
    }
    assert "${{" not in "".join(own.values())
    environment = {
        **os.environ,
        **own,
        **others,
        "PATH": f"{project.parent / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": str(project.parent / "summary.md"),
        "PIP_LOG": str(project.parent / "pip.log"),
        "HARNESS_STATE": str(project.parent / "state"),
    }
    codes, output = [], ""
    for step in steps:
        if any(codes) and not step.always:
            continue
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step.script],
            cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        codes.append(done.returncode)
        output += done.stdout
    return Done(tuple(codes), output)


@pytest.fixture(scope="module")
def page(project_root: Path) -> Path:
    return project_root / "docs" / "ci.md"


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A domain of its own with passing gates and a baseline, as the page begins."""
    folder = tmp_path_factory.mktemp("ci")
    model = make_tiny_model(folder / "model")
    source = write_rows(folder / "mails.jsonl", mails())
    project = folder / "shop"
    assert harness("init", project, "--from", source, "--model", model) == 0
    shutil.rmtree(project / "tests")  # checks of the data, not of the model
    with (project / "harness.yaml").open("a") as stream:
        stream.write(PASSING)
    tools(folder / "bin")
    update = Step("harness gate --update-baseline", False)
    done = run([update], project, {"HARNESS_CACHE": str(project / ".cache/harness"), "HARNESS_ALLOW_TASK_CODE": "1"})
    assert done.codes == (0,), done.output
    return project


@pytest.fixture
def project(begun: Path, tmp_path: Path) -> Path:
    """A fresh checkout, on a machine that has nothing but the cache of an earlier job."""
    shutil.copytree(begun.parent / "bin", tmp_path / "bin")
    return Path(shutil.copytree(begun, tmp_path / "shop", ignore=shutil.ignore_patterns("runs")))


def test_the_steps_for_github_pass_and_leave_summary_report_and_history(page: Path, project: Path) -> None:
    job = blocks(page)[".github/workflows/gates.yml"]["jobs"]["gates"]
    shutil.rmtree(project / ".cache")
    done = run(github_steps(job), project, job["env"], GITHUB_SHA="c0ffee")
    assert done.codes == (0, 0, 0), done.output
    summary = (project.parent / "summary.md").read_text()
    assert "| <code>no\\_regression</code> | pass" in summary
    assert "## Gates of shop, oldest first" in summary
    assert "::error" not in done.output
    cases = ElementTree.parse(project / "gates.xml").getroot().findall(".//testcase")
    assert {case.get("name") for case in cases} == {"no_regression", "latency <= 100 s"}
    (record,) = [json.loads(line) for line in (project / "runs/gates.jsonl").read_text().splitlines()]
    assert record["commit"] == "c0ffee"
    kept = [step["with"]["path"].split() for step in job["steps"] if step.get("uses", "").startswith("actions/cache/")]
    assert all((project / path).exists() for path in kept[0])
    assert {
        word for line in (project.parent / "pip.log").read_text().splitlines() for word in line.split()
    } >= INSTALLED


def test_a_failed_gate_for_github_is_red_annotated_and_summed_up(page: Path, project: Path) -> None:
    job = blocks(page)[".github/workflows/gates.yml"]["jobs"]["gates"]
    settings = project / "harness.yaml"
    settings.write_text(settings.read_text().replace(PASSING, FAILING))
    done = run(github_steps(job), project, job["env"])
    assert done.codes == (0, 1, 0), done.output
    assert re.search(r"^::error file=harness\.yaml,title=FAIL%3A length <= 1 tokens::", done.output, re.M)
    assert "| **FAIL** |" in (project.parent / "summary.md").read_text()


def test_a_gate_that_is_misspelled_is_not_taken_for_a_failed_one(page: Path, project: Path) -> None:
    job = blocks(page)[".github/workflows/gates.yml"]["jobs"]["gates"]
    settings = project / "harness.yaml"
    settings.write_text(settings.read_text().replace("latency", "latencie"))
    done = run(github_steps(job), project, job["env"])
    assert done.codes[0] == 0
    assert 0 not in done.codes[1:]
    assert "Did you mean 'latency'?" in done.output


def test_a_job_with_nothing_changed_loads_no_model_and_no_lm_eval(page: Path, begun: Path, tmp_path: Path) -> None:
    job = blocks(page)[".github/workflows/gates.yml"]["jobs"]["gates"]
    shutil.rmtree(begun.parent / "state")  # a fresh machine; the checkout lies where it lay, as a service has it
    poison = tmp_path / "poison"
    for name in ("torch", "transformers", "lm_eval"):
        (poison / name).mkdir(parents=True)
        (poison / name / "__init__.py").write_text("raise ImportError('must not be imported')")
    path = os.pathsep.join(filter(None, [str(poison), os.environ.get("PYTHONPATH", "")]))
    done = run(github_steps(job), begun, job["env"], PYTHONPATH=path)
    assert done.codes == (0, 0, 0), done.output


def test_the_steps_for_gitlab_pass_and_leave_what_they_name(page: Path, project: Path) -> None:
    job = blocks(page)[".gitlab-ci.yml"]["gates"]
    done = run(gitlab_steps(job), project, job["variables"], CI_COMMIT_SHA="c0ffee")
    assert done.codes == (0, 0), done.output
    named = [*job["cache"]["paths"], *job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]]
    assert all((project / path).exists() for path in named)
    assert "| <code>no\\_regression</code> | pass" in (project / "gates.md").read_text()


def test_what_the_workflows_cache_is_where_the_harness_keeps_it(page: Path) -> None:
    found = blocks(page)
    github, gitlab = found[".github/workflows/gates.yml"]["jobs"]["gates"], found[".gitlab-ci.yml"]["gates"]
    cache, saved = (
        step["with"]["path"] for step in github["steps"] if step.get("uses", "").startswith("actions/cache/")
    )
    assert saved == cache
    assert github["env"]["HARNESS_CACHE"] == "${{ github.workspace }}/" + cache.split()[0]
    assert gitlab["variables"]["HARNESS_CACHE"] == "$CI_PROJECT_DIR/" + gitlab["cache"]["paths"][0]
