"""The folders that users read and copy are found in a wheel, in a source tree, and missed with a clear line."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from harness import locate
from harness.exceptions import EnvironmentFault
from harness.locate import Folder, data_folder


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that ``harness.locate`` takes for the package."""
    package = tmp_path / "harness"
    package.mkdir()
    monkeypatch.setattr(locate, "__file__", str(package / "locate.py"))
    return package


@pytest.mark.parametrize("name", get_args(Folder))
def test_every_folder_is_found_where_the_package_runs_now(name: Folder) -> None:
    assert data_folder(name).is_dir()


def test_the_packaged_copy_comes_first(package: Path) -> None:
    packaged = package / "data" / "tasks"
    packaged.mkdir(parents=True)
    (package.parent / "tasks").mkdir()
    (package.parent / "pyproject.toml").touch()
    assert data_folder("tasks") == packaged


def test_an_editable_install_finds_the_folder_beside_pyproject(package: Path) -> None:
    (package.parent / "tasks").mkdir()
    (package.parent / "pyproject.toml").touch()
    assert data_folder("tasks") == package.parent / "tasks"


def test_a_folder_that_only_happens_to_lie_beside_the_package_is_not_ours(package: Path) -> None:
    (package.parent / "tasks").mkdir()  # no pyproject.toml: this could be anybody's site-packages/tasks
    with pytest.raises(EnvironmentFault):
        data_folder("tasks")


def test_a_missing_folder_names_both_places_and_the_remedy(package: Path) -> None:
    with pytest.raises(EnvironmentFault) as caught:
        data_folder("reports")
    message = str(caught.value)
    assert str(package / "data" / "reports") in message
    assert str(package.parent / "reports") in message
    assert "reinstall" in message
    assert "\n" not in message
