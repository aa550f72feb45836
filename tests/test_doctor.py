"""The doctor's checks, each on facts that are handed to it, and the command on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import make_tiny_model

import harness.doctor as doctor
from harness.cli.main import main
from harness.models.devices import DeviceFacts
from harness.models.reference import resolve
from harness.models.shapes import KNOWN
from harness.plugins import Plugin

GB = 10**9
SMALL = KNOWN["SmolLM2-135M"]
TORCH = {"torch": {"range": ">=2.6", "tested": "2.13.0"}}
Harness = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Harness:
    monkeypatch.chdir(tmp_path)

    def call(*args: str) -> tuple[int, str, str]:
        code = main(["doctor", *args])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.mark.parametrize(
    ("version", "state"), [((3, 10, 9), "fail"), ((3, 11, 2), "pass"), ((3, 12, 0), "warn"), ((4, 0, 0), "warn")]
)
def test_python(version: tuple[int, int, int], state: str) -> None:
    check = doctor.check_python(version)
    assert check.state == state
    assert bool(check.remedy) == (state != "pass")


@pytest.mark.parametrize(
    ("version", "states", "words"),
    [
        ("2.13.0", ["pass"], "1 of 1 are as tested"),
        ("2.13.0+cpu", ["pass"], "1 of 1 are as tested"),
        ("2.9.1", ["warn"], "torch 2.9.1 (tested 2.13.0)"),
        ("2.5.0", ["fail"], "2.5.0"),
        (None, ["fail"], "not installed"),
        ("nightly", ["fail"], "nightly"),
    ],
)
def test_libraries(version: str | None, states: list[str], words: str) -> None:
    checks = doctor.check_libraries(TORCH, lambda name: version)
    assert [check.state for check in checks] == states
    assert words in checks[0].found
    if states == ["fail"]:
        assert checks[0].remedy == "pip install 'torch>=2.6' (tested: torch==2.13.0)"


@pytest.mark.parametrize(
    ("free", "state", "words"),
    [
        (64 * GB, "pass", ""),
        (3 * GB, "warn", "--recipe qlora"),
        (1 * GB, "fail", "take a smaller model"),
    ],
)
def test_memory(free: int, state: str, words: str) -> None:
    check = doctor.check_memory(DeviceFacts("cpu", "a cpu", free, False, True), SMALL, half=False)
    assert check.state == state
    assert words in check.remedy


def test_quantisation_is_tried_on_the_device_and_a_library_that_fails_is_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert doctor.check_quantisation("cpu").state == "pass"
    import bitsandbytes.nn

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no kernel image\nis available")

    monkeypatch.setattr(bitsandbytes.nn, "Linear4bit", broken)
    check = doctor.check_quantisation("cpu")
    assert check.state == "warn"
    assert check.found == "bitsandbytes on cpu: RuntimeError: no kernel image"
    assert "--recipe lora" in check.remedy


def test_a_model_in_a_folder_is_looked_at_and_a_damaged_one_fails(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "model")
    check, found = doctor.check_model(resolve(str(folder)))
    assert (check.state, found) == ("pass", folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert doctor.check_model(resolve(str(folder)))[0].state == "fail"


def test_an_embedded_model_that_is_not_here_yet_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    check, folder = doctor.check_model(resolve("smollm2-135m-instruct"))
    assert (check.state, folder) == ("warn", None)
    assert "93 MB are fetched" in check.found
    assert doctor.check_network(cached=False).state == "warn"
    assert doctor.check_network(cached=True).state == "pass"


def test_a_hub_model_that_is_not_here_fails_where_the_hub_may_not_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    reference = resolve("nobody/nothing-at-all")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    check, _ = doctor.check_model(reference)
    assert (check.state, check.remedy) == ("fail", "hf download nobody/nothing-at-all")


def test_folders_that_are_not_there_yet_are_looked_at_where_they_would_be(tmp_path: Path) -> None:
    check = doctor.check_folder("runs", tmp_path / "a" / "b", "give --out")
    assert check.state in ("pass", "warn")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    assert doctor.check_folder("runs", tmp_path / "file" / "b", "give --out").state == "fail"


@pytest.mark.parametrize(("free", "state"), [(10**8, "fail"), (10**9, "warn"), (10**10, "pass")])
def test_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str) -> None:
    usage = type("Usage", (), {"free": free})()
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage)
    assert doctor.check_folder("runs", tmp_path, "give --out").state == state


def test_a_broken_plugin_is_a_warning_that_says_why() -> None:
    good = Plugin("classifier", "empty", "m:E", "", "", True)
    bad = Plugin("trainer", "x", "m:X", "p", "1", False, "trainer 'x' from m:X (package p 1) cannot be used: boom")
    assert doctor.check_plugins([good]).state == "pass"
    check = doctor.check_plugins([good, bad])
    assert check.state == "warn"
    assert "boom" in check.found


def test_the_table_says_what_fits() -> None:
    (row,) = doctor.fit_table({"small": SMALL}, DeviceFacts("cpu", "a cpu", 5 * GB, False, True), half=False)
    needs = row["needs"]
    assert needs["inference"]["fits"] == "yes"
    assert needs["full"]["fits"] == "no"
    assert needs["qlora"]["bytes"] < needs["lora"]["bytes"] < needs["full"]["bytes"]


def test_the_command_on_a_folder_as_json(run: Harness, tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "model")
    code, out, err = run("--json", "--fit", "--model", str(folder), "--device", "cpu")
    body = json.loads(out)
    states = {check["name"]: check["state"] for check in body["checks"]}
    assert {"python", "libraries", "lm-eval", "device", "memory", "quantisation", "runs", "cache", "record"} <= set(
        states
    )
    assert states[f"model {folder}"] == "pass"
    assert code == (3 if "fail" in states.values() else 0), err
    (row,) = body["fit"]["models"]
    assert row["model"] == str(folder)
    assert row["needs"]["lora"]["fits"] in ("yes", "tight", "no")


def test_the_command_in_words_ends_with_3_and_the_remedy_where_something_fails(
    run: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_tiny_model(tmp_path / "model")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_STATE", str(tmp_path / "file" / "state"))
    code, out, _ = run("--model", str(folder), "--device", "cpu", "--fit")
    assert code == 3
    lines = out.splitlines()
    (place,) = [number for number, line in enumerate(lines) if line.startswith("FAIL record: ")]
    assert lines[place + 1] == "     set HARNESS_STATE to a folder that can be written"
    assert any("1 failures" in line for line in lines)
    assert "memory at the peak" in out


@pytest.mark.parametrize("columns", [80, 60])
def test_a_narrow_terminal_cuts_no_name(run: Harness, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    _, out, _ = run("--fit", "--device", "cpu")
    rows = [line.split("\u2502") for line in out.splitlines() if line.startswith("\u2502")]
    assert [name for cells in rows if (name := cells[1].strip())] == list(KNOWN)
    assert "\u2026" not in out
    assert (len(rows) == len(KNOWN)) == (columns == 80)


def test_a_device_that_is_not_there_is_a_failure_of_the_check(run: Harness) -> None:
    code, out, _ = run("--device", "cuda:7")
    assert code == 3
    assert "FAIL device: " in out


def test_a_model_that_means_nothing_is_bad_usage(run: Harness) -> None:
    code, _, err = run("--model", "smollm2")
    assert code == 2
    assert err.startswith("error: model 'smollm2': unknown")
