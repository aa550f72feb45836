"""constraints.txt: exact, portable pins that the ranges of pyproject.toml admit."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from harness.doctor import known_versions


@pytest.fixture(scope="module")
def pins(project_root: Path) -> dict[str, Version]:
    """Each pinned distribution (canonical name) and its version."""
    found: dict[str, Version] = {}
    for line in (project_root / "constraints.txt").read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if not text:
            continue
        requirement = Requirement(text)
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", f"not an exact pin: {text}"
        name = canonicalize_name(requirement.name)
        assert name not in found, f"pinned twice: {name}"
        found[name] = Version(specifier.version)
    return found


@pytest.fixture(scope="module")
def required(project_root: Path) -> list[Requirement]:
    """Every requirement that pyproject.toml declares: the build's, the package's and the extras'."""
    declared = tomllib.loads((project_root / "pyproject.toml").read_text(encoding="utf-8"))
    project = declared["project"]
    texts = [*declared["build-system"]["requires"], *project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        texts += extra
    return [requirement for requirement in map(Requirement, texts) if requirement.name != project["name"]]


def test_every_requirement_is_pinned_inside_its_range(pins: dict[str, Version], required: list[Requirement]) -> None:
    for requirement in required:
        pinned = pins.get(canonicalize_name(requirement.name))
        assert pinned is not None, f"{requirement.name} is not pinned"
        assert pinned in requirement.specifier, f"{requirement} does not admit the pin {pinned}"


def test_no_pin_names_a_build_that_only_one_index_has(pins: dict[str, Version]) -> None:
    assert {name: version for name, version in pins.items() if version.local} == {}


def test_the_pin_of_torch_admits_a_cpu_build(pins: dict[str, Version]) -> None:
    assert Version(f"{pins['torch']}+cpu") in Requirement(f"torch=={pins['torch']}").specifier


def test_what_the_doctor_knows_is_what_is_required_and_pinned(project_root: Path, pins: dict[str, Version]) -> None:
    project = tomllib.loads((project_root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    expected = {
        requirement.name: {
            "range": str(requirement.specifier),
            "tested": str(pins[canonicalize_name(requirement.name)]),
        }
        for requirement in map(Requirement, project["dependencies"])
    }
    assert known_versions() == expected, "write harness/tested.json anew"
