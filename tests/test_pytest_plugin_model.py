"""Gates as tests on a real, tiny model: evaluated once, whoever asks, and not again while nothing changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from gated import PLUGIN
from tiny import make_tiny_model
from toy import write_toy_tasks

pytest_plugins = ["pytester"]

HARNESS_YAML = """\
model: one
domain: toy
include_path: [tasks]
guard: toy_guard
fewshot: 0
device: cpu
limit: 8
cache: {cache}
gates:
  - metric: acc >= 0
  - length: <= 16 tokens
  - latency: <= 60 s
  - guard: within 50 points
  - no_regression: {{margin: .9}}
"""
# Each evaluation leaves a line, in whatever process it is made.
CONFTEST = """\
import os

import harness.regression.evaluate as module

real = module._ask


def ask(*arguments):
    with open("asked.txt", "a") as stream:
        stream.write(f"{os.getpid()}\\n")
    return real(*arguments)


module._ask = ask
"""
BY_HAND = """\
def test_hand(harness):
    toy = harness.evaluate("toy")
    assert len(toy.answers.of("domain")) == 8
    toy.assert_metric("acc", ">= 0")
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(pytester.path / "cache"))
    write_toy_tasks(pytester.path / "tasks")
    make_tiny_model(pytester.path / "one", seed=1)
    (pytester.path / "harness.yaml").write_text(HARNESS_YAML.format(cache="true"))
    pytester.makeconftest(CONFTEST)
    return pytester.path


def asked(project: Path) -> int:
    path = project / "asked.txt"
    return len(path.read_text().splitlines()) if path.exists() else 0


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess(*PLUGIN, "-p", "no:cacheprovider", "-W", "error", *arguments)


def test_one_evaluation_serves_all_gates_and_the_next_run(pytester: pytest.Pytester, project: Path) -> None:
    run(pytester, "--harness", "--harness-update-baseline").assert_outcomes(passed=5)
    assert asked(project) == 1
    again = run(pytester, "--harness")
    again.assert_outcomes(passed=5)
    assert asked(project) == 1
    (project / "one" / "config.json").write_text((project / "one" / "config.json").read_text() + "\n")
    run(pytester, "--harness").assert_outcomes(passed=5)
    assert asked(project) == 2


def test_workers_of_xdist_share_one_evaluation_even_without_a_cache(pytester: pytest.Pytester, project: Path) -> None:
    (project / "harness.yaml").write_text(HARNESS_YAML.format(cache="false"))
    pytester.makepyfile(BY_HAND)
    result = run(pytester, "--harness", "-n", "2", "-k", "metric or length or latency or hand")
    result.assert_outcomes(passed=4)
    assert asked(project) == 1


def test_a_model_that_cannot_be_asked_is_an_error(pytester: pytest.Pytester, project: Path) -> None:
    (project / "one" / "model.safetensors").write_bytes(b"damaged")
    result = run(pytester, "--harness", "-k", "metric")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*model.safetensors: not a safetensors file*"])
