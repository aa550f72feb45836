"""A phase is wholly done or done again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.exceptions import InputError
from harness.loop.phases import marker, run_phase
from harness.storage import read_json


class Body:
    """Writes a file and a folder, and counts how often it ran."""

    def __init__(self, folder: Path, fail: BaseException | None = None) -> None:
        self.folder, self.fail, self.runs = folder, fail, 0

    def __call__(self) -> dict[str, Any]:
        self.runs += 1
        (self.folder / "rows.jsonl").write_text("row\n")
        (self.folder / "out").mkdir()
        (self.folder / "out" / "weights").write_text(f"run {self.runs}")
        if self.fail is not None:
            raise self.fail
        return {"n": 7}


def run(folder: Path, body: Callable[[], dict[str, Any]], inputs: str = "abc", tick: float = 0.0) -> dict[str, Any]:
    """Run the phase ``make`` with a clock that moves by ``tick``."""
    times = iter([0.0, tick])
    return run_phase(folder, "make", inputs, ["rows.jsonl", "out"], body, lambda: next(times))


def test_a_finished_phase_is_not_run_again_and_keeps_its_seconds(tmp_path: Path) -> None:
    body = Body(tmp_path)
    assert run(tmp_path, body, tick=2.5) == {"n": 7, "seconds": 2.5}
    assert run(tmp_path, body, tick=99.0) == {"n": 7, "seconds": 2.5}
    assert body.runs == 1


def test_the_manifest_names_every_file_with_its_hash(tmp_path: Path) -> None:
    run(tmp_path, Body(tmp_path))
    record = read_json(marker(tmp_path, "make"))
    assert record["phase"] == "make"
    assert sorted(record["files"]) == ["out/weights", "rows.jsonl"]
    assert all(len(digest) == 64 for digest in record["files"].values())


@pytest.mark.parametrize("fault", [RuntimeError("x"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_an_unfinished_phase_leaves_no_manifest_and_runs_again_from_nothing(
    tmp_path: Path, fault: BaseException
) -> None:
    with pytest.raises(type(fault)):
        run(tmp_path, Body(tmp_path, fault))
    assert not marker(tmp_path, "make").exists()
    (tmp_path / "out" / "leftover").write_text("of the first attempt")
    run(tmp_path, Body(tmp_path))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["weights"]


def test_what_a_kill_left_half_written_is_cleared(tmp_path: Path) -> None:
    (tmp_path / ".out.x1y2.tmp").mkdir()
    (tmp_path / ".out.x1y2.tmp" / "weights").write_text("half")
    (tmp_path / ".rows.jsonl.z3.tmp").write_text("half")
    (tmp_path / ".other.tmp").write_text("of another phase")
    run(tmp_path, Body(tmp_path))
    assert sorted(path.name for path in tmp_path.glob(".*")) == [".other.tmp"]


def test_a_file_changed_since_is_refused(tmp_path: Path) -> None:
    body = Body(tmp_path)
    run(tmp_path, body)
    (tmp_path / "out" / "weights").write_text("changed")
    with pytest.raises(InputError) as caught:
        run(tmp_path, body)
    assert str(caught.value) == (
        f"{tmp_path / 'out' / 'weights'}: changed since it was written; restore it or start a new run"
    )
    assert body.runs == 1


def test_a_pruned_file_is_no_damage(tmp_path: Path) -> None:
    run(tmp_path, Body(tmp_path))
    (tmp_path / "out" / "weights").unlink()
    assert run(tmp_path, Body(tmp_path))["n"] == 7


def test_other_inputs_are_refused(tmp_path: Path) -> None:
    run(tmp_path, Body(tmp_path))
    with pytest.raises(InputError) as caught:
        run(tmp_path, Body(tmp_path), inputs="other")
    assert str(caught.value) == (
        f"{marker(tmp_path, 'make')}: was made from other inputs; the run directory was changed by hand, "
        "start a new run"
    )


def test_a_damaged_manifest_is_named_with_its_line(tmp_path: Path) -> None:
    run(tmp_path, Body(tmp_path))
    marker(tmp_path, "make").write_text('{\n "phase": make}')
    with pytest.raises(InputError, match=r"make\.done\.json:2: not valid JSON"):
        run(tmp_path, Body(tmp_path))


def test_a_phase_that_writes_nothing_is_done_all_the_same(tmp_path: Path) -> None:
    ran: list[int] = []

    def body() -> dict[str, Any]:
        ran.append(1)
        return {}

    run(tmp_path, body)
    run(tmp_path, body)
    assert ran == [1]
    assert read_json(marker(tmp_path, "make"))["files"] == {}
