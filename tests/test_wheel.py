"""What is built is what users get: one top-level name, every module, every data file, the command."""

from __future__ import annotations

import configparser
import email
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import harness

DATA = ("tasks", "trainers", "reports")


@pytest.fixture(scope="module")
def source(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean copy of what a build reads: neither leftovers of earlier builds nor writes into the tree."""
    copy = tmp_path_factory.mktemp("source")
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
    for folder in ("harness", *DATA):
        shutil.copytree(project_root / folder, copy / folder, ignore=ignored)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(project_root / file, copy / file)
    return copy


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from the source distribution, so that a file missing from either is missed here."""
    out = tmp_path_factory.mktemp("dist")
    # -m build would find a folder build/ in the current directory first: run from the empty one
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source)]
    done = subprocess.run(command, cwd=out, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("*.whl")
    return zipfile.ZipFile(built)


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _shipped(wheel: zipfile.ZipFile, prefix: str) -> set[str]:
    return {name.removeprefix(prefix) for name in wheel.namelist() if name.startswith(prefix)}


def _metadata(wheel: zipfile.ZipFile, name: str) -> str:
    (member,) = (entry for entry in wheel.namelist() if entry.endswith(f".dist-info/{name}"))
    return wheel.read(member).decode()


def test_the_only_top_level_name_is_harness(wheel: zipfile.ZipFile) -> None:
    top = {name.split("/")[0] for name in wheel.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == {"harness"}


def test_every_module_ships(wheel: zipfile.ZipFile, source: Path) -> None:
    shipped = {name for name in _shipped(wheel, "harness/") if not name.startswith("data/")}
    assert shipped == _files(source / "harness")
    assert "py.typed" in shipped


@pytest.mark.parametrize("folder", DATA)
def test_every_data_file_ships(folder: str, wheel: zipfile.ZipFile, source: Path) -> None:
    present = _files(source / folder)
    assert present, f"{folder}/ is empty"
    assert _shipped(wheel, f"harness/data/{folder}/") == present


def test_the_command_is_declared(wheel: zipfile.ZipFile) -> None:
    declared = configparser.ConfigParser()
    declared.read_string(_metadata(wheel, "entry_points.txt"))
    assert dict(declared["console_scripts"]) == {"harness": "harness.cli.main:main"}


def test_name_version_and_licence(wheel: zipfile.ZipFile) -> None:
    metadata = email.message_from_string(_metadata(wheel, "METADATA"))
    assert metadata["Name"] == "lm-eval-ratchet"
    assert metadata["Version"] == harness.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "Apache License" in _metadata(wheel, "licenses/LICENSE")


@pytest.mark.skipif("TOX_ENV_NAME" not in os.environ, reason="only tox promises to test the installed wheel")
def test_under_tox_the_installed_wheel_is_tested_not_the_tree(project_root: Path) -> None:
    imported = Path(harness.__file__).resolve()
    assert not imported.is_relative_to(project_root / "harness")
    assert imported.is_relative_to(Path(sys.prefix).resolve())
