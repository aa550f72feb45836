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


def test_guards_with_rows_are_read_with_their_paths_below_the_file(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, "guard: {general: , arc_easy: rows/arc.jsonl, mmlu: /data/mmlu}\n"), {})
    assert settings.guard == {"general": None, "arc_easy": str(tmp_path / "rows/arc.jsonl"), "mmlu": "/data/mmlu"}
    settings = load_settings(write(tmp_path, "guard: general,arc_easy=arc.jsonl\n"), {})
    assert settings.guard == {"general": None, "arc_easy": str(tmp_path / "arc.jsonl")}
    settings = load_settings(None, {"guard": "hellaswag, arc_easy = arc.jsonl"})
    assert settings.guard == {"hellaswag": None, "arc_easy": str(Path("arc.jsonl").absolute())}


def test_prompts_are_one_name_or_one_a_task(tmp_path: Path) -> None:
    assert Settings().prompt == "default"
    assert load_settings(write(tmp_path, "prompt: terse\n"), {}).prompt == "terse"
    assert load_settings(write(tmp_path, "prompt: {a: terse, b: steps}\n"), {}).prompt == {"a": "terse", "b": "steps"}
    assert load_settings(None, {"prompt": "a=terse,b=steps"}).prompt == {"a": "terse", "b": "steps"}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"guard": "a,a"}, "guard is 'a,a'; give names once each, as NAME or NAME=VALUE, separated by commas"),
        ({"guard": "a=,b"}, "guard is 'a=,b'; give names once each"),
        ({"guard": ",a"}, "guard is ',a'; give names once each"),
        ({"prompt": "a=terse,b"}, "prompt is 'a=terse,b'; give one name, or TASK=NAME,TASK=NAME"),
        ({"guard_limit": 0}, "guard_limit is 0; it must be at least 1"),
    ],
)
def test_lists_of_names_that_are_malformed_are_refused(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_settings(None, overrides)
    assert str(caught.value).startswith(message)


def test_the_folder_of_the_state_is_taken_from_the_files_own_folder(tmp_path: Path) -> None:
    assert load_settings(write(tmp_path, "state: kept\n"), {}).state == str(tmp_path / "kept")
    assert load_settings(write(tmp_path, "state: /elsewhere\n"), {}).state == "/elsewhere"
    assert load_settings(write(tmp_path, "seed: 1\n"), {}).state == ""


def test_where_things_lie_and_what_changes_time_alone_is_no_identity() -> None:
    settings = Settings(guard={"arc_easy": "/a/arc.jsonl"}, prompt={"t": "terse"})
    identity = settings.identity()
    assert identity["guard"] == ["arc_easy"]
    assert identity["prompt"] == {"t": "terse"}
    assert not {"include_path", "stop_after", "device", "recipe", "cache", "state"} & set(identity)
    assert Settings().identity()["guard"] == "general"


def test_settings_written_to_a_file_are_read_back(tmp_path: Path) -> None:
    import yaml

    settings = Settings(
        seed=7, limit=5, include_path=["/a"], guard={"general": None, "mmlu": "/m"}, prompt={"t": "terse"}
    )
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
        ("domain: [a, 1]\n", ":1: field 'domain' is ['a', 1]; expected str"),
        ("include_path: tasks\n", ":1: field 'include_path' is 'tasks'; expected list of str"),
        ("include_path: [1]\n", ":1: field 'include_path' is 1; expected str"),
        ("# c\nbatch_size: 0\n", ":2: field 'batch_size' is 0; it must lie from 1 to 4096"),
        ("seed: 1\nguard: {a: [1]}\n", ":2: field 'guard' is {'a': [1]}; expected str or {name: str or null}"),
        ("prompt: {a: null}\n", ":1: field 'prompt' is {'a': None}; expected str or {name: str}"),
        ("domain: 'open\n", ":2: not valid YAML: found unexpected end of stream; correct the file"),
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
