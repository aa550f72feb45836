"""``harness cache``."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli.main import main
from harness.evaluation.cache import MAX_BYTES, ResponseCache

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def filled(folder: Path) -> Path:
    """Three answers, two of them forty days old."""
    path = folder / "responses.sqlite"
    old = ResponseCache(path, now=lambda: time.time() - 40 * 86_400)
    old.put({b"1" * 32: b"x", b"2" * 32: b"x"}, "9f3c0a55e1d2" + "0" * 52, "smollm2-135m-instruct")
    ResponseCache(path).put({b"3" * 32: b"x"}, "77" * 32, "mine\x1b[31m")
    return path


@pytest.fixture
def call(folder: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    def run(*args: str) -> tuple[int, str, str]:
        code = main(["cache", *args])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_it_shows_path_size_and_models(filled: Path, call: Call) -> None:
    code, out, err = call()
    assert (code, err) == (0, "")
    first, second, *table = out.splitlines()
    assert first == str(filled)
    assert second.startswith("3 answers, 0.0 MB of at most 1,000 MB")
    rows = [line for line in table if "9f3c0a55e1d2" in line or "777777777777" in line]
    assert ["smollm2-135m-instruct" in rows[0], "2" in rows[0].split("9f3c0a55e1d2")[1]] == [True, True]
    assert "\x1b" not in out
    assert "mine\\x1b[31m" in rows[1]


def test_an_empty_cache_is_shown_and_nothing_is_made(folder: Path, call: Call) -> None:
    assert call() == (0, f"{folder / 'responses.sqlite'}\n0 answers, 0.0 MB of at most 1,000 MB\n", "")
    assert call("clear") == (0, "0 answers forgotten\n", "")
    assert not folder.exists()


def test_json_for_programs(filled: Path, call: Call) -> None:
    code, out, err = call("--json")
    assert (code, err) == (0, "")
    shown = json.loads(out)
    assert shown["path"] == str(filled)
    assert (shown["answers"], shown["max_bytes"]) == (3, MAX_BYTES)
    assert 0 < shown["bytes"] < 100_000
    assert shown["models"] == [
        {"weights_sha256": "9f3c0a55e1d2" + "0" * 52, "name": "smollm2-135m-instruct", "answers": 2},
        {"weights_sha256": "77" * 32, "name": "mine\x1b[31m", "answers": 1},
    ]


def test_path_is_the_path_alone(folder: Path, call: Call) -> None:
    assert call("path") == (0, f"{folder / 'responses.sqlite'}\n", "")


def test_clear_forgets_all(filled: Path, call: Call) -> None:
    assert call("clear") == (0, "3 answers forgotten\n", "")
    assert json.loads(call("--json")[1])["answers"] == 0


def test_clear_by_age(filled: Path, call: Call) -> None:
    assert call("clear", "--older-than", "90d") == (0, "0 answers forgotten\n", "")
    assert call("clear", "--older-than", "30d") == (0, "2 answers forgotten\n", "")
    assert call("clear", "--older-than", "1h") == (0, "0 answers forgotten\n", "")
    assert json.loads(call("--json")[1])["answers"] == 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["clear", "--older-than", "soon"], "'soon' is no duration; write for example 90s, 30m, 1h30m or 30d"),
        (["cleer"], "No such command 'cleer'."),
        (["--json", "clear"], "--json goes with 'harness cache' alone."),
    ],
)
def test_bad_usage_ends_with_2_and_one_line(filled: Path, call: Call, args: list[str], message: str) -> None:
    code, out, err = call(*args)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
    assert ResponseCache(filled).use().answers == 3


def test_a_damaged_file_is_put_aside_with_a_notice(filled: Path, call: Call) -> None:
    filled.write_bytes(b"no database " * 1_000)
    code, out, err = call()
    assert code == 0
    assert "0 answers" in out
    assert err == f"note: {filled}: damaged (file is not a database); put aside and begun anew\n"


def test_a_file_that_cannot_be_opened_is_an_environment_fault(folder: Path, call: Call) -> None:
    (folder / "responses.sqlite").mkdir(parents=True)
    code, out, err = call("clear")
    assert (code, out) == (3, "")
    assert err == (
        f"error: {folder / 'responses.sqlite'}: unable to open database file; "
        "the file can be deleted, or HARNESS_CACHE set to another folder\n"
    )


def test_it_needs_no_model_library(filled: Path) -> None:
    code = (
        "import sys\nfrom harness.cli.main import main\ncode = main(['cache'])\n"
        "print(sorted({'torch', 'transformers', 'lm_eval', 'numpy', 'pandas'} & set(sys.modules)))\nsys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
