"""Settings from ``harness.yaml`` and the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.config import CONFIG_NAME, Settings, load_settings, parse_duration
from harness.exceptions import InputError


def write(folder: Path, text: str) -> Path:
    path = folder / CONFIG_NAME
    path.write_text(text)
    return path


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty current folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)


def test_without_a_file_the_defaults_hold() -> None:
    assert load_settings(None, {}) == Settings()
    assert Settings().domain == "helpdesk"
    assert Settings().model == "smollm2-135m-instruct"


def test_the_file_in_the_current_folder_is_read() -> None:
    write(Path(), "domain: mine\nseed: 3\n")
    assert load_settings(None, {}) == Settings(domain="mine", seed=3)


def test_a_named_file_wins_over_the_one_in_the_current_folder(tmp_path: Path) -> None:
    write(Path(), "seed: 3\n")
    assert load_settings(write(tmp_path, "seed: 4\n"), {}).seed == 4


def test_the_command_line_wins_over_the_file_where_it_says_something(tmp_path: Path) -> None:
    path = write(tmp_path, "seed: 3\ndomain: mine\nguard: mine_too\n")
    settings = load_settings(path, {"seed": 5, "domain": None, "guard": "", "fewshot": 0})
    assert (settings.seed, settings.domain, settings.guard, settings.fewshot) == (5, "mine", "", 0)


def test_task_folders_are_taken_from_the_files_own_folder(tmp_path: Path) -> None:
    path = write(tmp_path, "include_path: [tasks, /elsewhere]\n")
    assert load_settings(path, {}).include_path == [str(tmp_path / "tasks"), "/elsewhere"]


def test_settings_written_to_a_file_are_read_back(tmp_path: Path) -> None:
    import yaml

    settings = Settings(seed=7, limit=5, include_path=["/a"])
    path = write(tmp_path, yaml.safe_dump(settings.as_dict(), sort_keys=False))
    assert load_settings(path, {}) == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\nfewshots: 2\n", ":2: unknown field 'fewshots'. Did you mean 'fewshot'?"),
        ("domain: a\n\nseed: many\n", ":3: field 'seed' is 'many'; expected int"),
        ("futility: maybe\n", ":1: field 'futility' is 'maybe'; expected bool"),
        ("seed: true\n", ":1: field 'seed' is True; expected int"),
        ("seed: 1.5\n", ":1: field 'seed' is 1.5; expected int"),
        ("domain: [a, b]\n", ":1: field 'domain' is ['a', 'b']; expected str"),
        ("include_path: tasks\n", ":1: field 'include_path' is 'tasks'; expected list"),
        ("include_path: [1]\n", ":1: field 'include_path' is 1; expected str"),
        ("# c\nbatch_size: 0\n", ":2: field 'batch_size' is 0; it must lie from 1 to 4096"),
        ("domain: 'open\n", ":2: not valid YAML: found unexpected end of stream"),
        ("- a\n", ":1: expected 'field: value' lines, found list"),
    ],
)
def test_a_bad_file_is_refused_with_file_line_and_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_settings(path, {})
    assert str(caught.value) == f"{path}{message}"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.yaml: cannot be read"):
        load_settings(tmp_path / "absent.yaml", {})


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0; it must lie from 1 to 4096"),
        ({"fewshot": -1}, "fewshot is -1; it must lie from 0 to 64"),
        ({"seed": -1}, "seed is -1; it must lie from 0 to 2.14748e+09"),
        ({"stop_after": 0}, "stop_after is 0; it must lie from 1 to 1e+06"),
        ({"limit": 0}, "limit is 0; it must be at least 1"),
    ],
)
def test_an_option_out_of_range_is_refused(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_settings(None, overrides)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90), ("90s", 90), ("30m", 1800), ("1.5h", 5400), ("1h30m", 5400), ("1h30m5s", 5405), ("2h15s", 7215),
        ("30d", 2_592_000), ("1d12h", 129_600), (" 10M ", 600), ("0", 0), ("0.5", 0.5),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5m", "30m1h", "1h30", "5 m", "1e3", "h", "1w", "12h1d", "s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_duration(text)
    assert str(caught.value) == f"'{text}' is no duration; write for example 90s, 30m, 1h30m or 30d"
