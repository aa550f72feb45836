"""What every test stands on: no hub, reproducible property tests, where the data and the tree are."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

# Before anything imports transformers or datasets, which read these once. Children inherit them.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# The tests' own tasks are from outside; tests of the question unset it.
os.environ["HARNESS_ALLOW_TASK_CODE"] = "1"
# Fixtures of a whole module come before `state_folder`: never the record of whoever runs the tests.
os.environ["HARNESS_STATE"] = tempfile.mkdtemp(prefix="harness-test-state-")

import pytest
from hypothesis import settings

atexit.register(shutil.rmtree, os.environ["HARNESS_STATE"], ignore_errors=True)
# The same examples on every run and no verdict by the clock, so that a busy machine cannot fail a build.
settings.register_profile("harness", derandomize=True, deadline=None)
settings.load_profile("harness")


@pytest.fixture(autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Records of domains of its own for each test: what one does must not be remembered in another."""
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("HARNESS_STATE", str(folder))
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets, from the environment variable ``HARNESS_SHARED_DATA`` alone."""
    named = os.environ.get("HARNESS_SHARED_DATA")
    if not named:
        pytest.skip("HARNESS_SHARED_DATA is not set: it names the folder of real data sets")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"HARNESS_SHARED_DATA names {folder}, which is not a folder")
    return folder


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The source tree that these tests lie in, which is not where ``harness`` is imported from under tox."""
    root = Path(__file__).resolve().parent.parent
    if not (root / "pyproject.toml").is_file():
        pytest.skip(f"no pyproject.toml in {root}: the tests were copied out of their source tree")
    return root


@pytest.fixture(scope="session")
def short_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished toy run to look at, not to change."""
    from verified_runs import make_short_run

    return make_short_run(tmp_path_factory.mktemp("short") / "run")


@pytest.fixture(scope="session")
def tiered_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished toy run with every outcome of the second tier, not to be changed."""
    from verified_runs import make_tiered_run

    return make_tiered_run(tmp_path_factory.mktemp("tiered") / "run")


@pytest.fixture
def run(short_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the short run to tamper with, its domain's record at hand."""
    monkeypatch.setenv("HARNESS_STATE", str(short_run.parent / "state"))
    return Path(shutil.copytree(short_run, tmp_path / "run", symlinks=True))


@pytest.fixture
def tiered(tiered_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the tiered run to tamper with, and of its domain's record."""
    monkeypatch.setenv("HARNESS_STATE", str(shutil.copytree(tiered_run.parent / "state", tmp_path / "state")))
    return Path(shutil.copytree(tiered_run, tmp_path / "run", symlinks=True))
