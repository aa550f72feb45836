"""Tasks from outside run only when they were allowed: asked once, remembered by hash, asked again when changed."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from toy import write_toy_tasks

import harness.cli.consent
from harness.cli.main import main
from harness.evaluation.domain import load_domain
from harness.evaluation.trust import RECORD, Consent, Outside, allow, allowed, consenting, outside
from harness.exceptions import InputError
from harness.locate import data_folder
from harness.state.sealed import gate_items

Harness = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a user's machine: nothing is allowed yet."""
    monkeypatch.delenv("HARNESS_ALLOW_TASK_CODE")


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    """The toy, whose code leaves a mark when it runs."""
    folder = write_toy_tasks(tmp_path / "own" / "toy")
    mark = tmp_path / "ran"
    code = f"from pathlib import Path\nPath({str(mark)!r}).touch()\n"
    (folder / "utils.py").write_text(code + (folder / "utils.py").read_text())
    return folder


@pytest.fixture
def run(tasks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Harness:
    """``harness check-data`` on the toy, with these arguments."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "harness.yaml").write_text("domain: toy\nguard: ''\ninclude_path: [own]\n")

    def call(*args: str) -> tuple[int, str, str]:
        code = main(["check-data", *args])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def ran(tmp_path: Path) -> bool:
    """Whether the toy's code has run since the last look."""
    found = (tmp_path / "ran").exists()
    (tmp_path / "ran").unlink(missing_ok=True)
    return found


def test_without_leave_nothing_of_the_folder_runs(run: Harness, tasks: Path, tmp_path: Path) -> None:
    code, out, err = run()
    assert code == 2
    assert out == ""
    assert err == (
        f"error: {tasks}: tasks from outside, which run code with your rights, and were not allowed here or have "
        "changed since; read them, then add --allow-task-code once (or set HARNESS_ALLOW_TASK_CODE=1)\n"
    )
    assert not ran(tmp_path)


def test_leave_once_given_is_remembered_until_code_or_yaml_changes(
    run: Harness, tasks: Path, tmp_path: Path, state_folder: Path
) -> None:
    assert run("--allow-task-code")[0] == 0
    assert ran(tmp_path)
    (entry,) = map(json.loads, (state_folder / RECORD).read_text().splitlines())
    assert entry["folder"] == str(tasks)
    assert entry["why"] == "--allow-task-code"
    assert gate_items(state_folder) == set()  # the records of domains lie beside it, and it is none of them
    assert run()[0] == 0
    lines = (tasks / "add_train.jsonl").read_text().splitlines(keepends=True)
    (tasks / "add_train.jsonl").write_text("".join(lines[:-1]))
    assert run()[0] == 0, "data is no code"
    for name in ("utils.py", "toy_add.yaml"):
        before = (tasks / name).read_text()
        (tasks / name).write_text(before + "# changed\n")
        assert run()[0] == 2
        (tasks / name).write_text(before)
        assert run()[0] == 0


def test_the_variable_allows_and_remembers_nothing(
    run: Harness, state_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_ALLOW_TASK_CODE", "1")
    assert run()[0] == 0
    assert not (state_folder / RECORD).exists()
    monkeypatch.setenv("HARNESS_ALLOW_TASK_CODE", "0")
    assert run()[0] == 2


def test_a_project_cannot_bring_its_own_permission(run: Harness, tasks: Path, tmp_path: Path) -> None:
    allow(tasks, tmp_path / "brought")
    (tmp_path / "harness.yaml").write_text("domain: toy\nguard: ''\ninclude_path: [own]\nstate: brought\n")
    assert run()[0] == 2
    assert not ran(tmp_path)


def test_a_folder_that_was_made_here_is_allowed_by_the_same_record(run: Harness, tmp_path: Path) -> None:
    allow(tmp_path / "own", why="harness init")
    assert run()[0] == 0


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("YES\n", 0), ("n\n", 2), ("\n", 2), ("", 2)])
def test_somebody_at_a_terminal_is_asked_once(
    run: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal(answer))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    found, out, err = run()
    assert found == code
    assert f"{tmp_path / 'own' / 'toy'}: tasks from outside, with Python in utils.py\n" in err
    assert "until they change? [y/N]" in err
    assert "tasks from outside" not in out
    if code == 0:
        assert "tasks from outside" not in run()[2]


def test_the_question_names_files_without_control_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    code = tmp_path / "bad\x1b[2Jname.py"
    assert not harness.cli.consent._ask([Outside(tmp_path, (code,), "0")])
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert "bad\\x1b[2Jname.py" in err


def test_what_ships_is_never_asked_about() -> None:
    def never(those: Sequence[Outside]) -> bool:
        raise AssertionError(those)

    with consenting(Consent(ask=never)):
        assert load_domain("helpdesk", [data_folder("tasks")]).tasks


def test_only_what_the_domain_needs_is_asked_about(tasks: Path, tmp_path: Path) -> None:
    other = write_toy_tasks(tmp_path / "own" / "other")
    for path in other.glob("*.yaml"):
        path.write_text(path.read_text().replace("toy", "other"))
    seen: list[Outside] = []

    def ask(those: Sequence[Outside]) -> bool:
        seen.extend(those)
        return False

    with consenting(Consent(ask=ask)), pytest.raises(InputError, match="tasks from outside"):
        load_domain("toy", [tmp_path / "own"])
    assert [each.folder for each in seen] == [tasks]


def test_a_groups_members_in_other_folders_are_asked_about_too(tasks: Path, tmp_path: Path) -> None:
    group = tmp_path / "own" / "group"
    group.mkdir()
    (group / "all.yaml").write_text("group: all_of_it\ntask: [{task: toy_add, num_fewshot: 0}, toy_reverse]\n")
    allow(group)
    with pytest.raises(InputError, match="own/toy: tasks from outside"):
        load_domain("all_of_it", [tmp_path / "own"])
    assert not ran(tmp_path)


def test_ones_own_member_of_a_task_group_of_lm_evals_is_asked_about(tasks: Path, tmp_path: Path) -> None:
    (tasks / "toy_add.yaml").write_text((tasks / "toy_add.yaml").read_text().replace("toy_add", "arc_easy", 1))
    with pytest.raises(InputError, match="tasks from outside"):
        load_domain("ai2_arc", [tmp_path / "own"])
    assert not ran(tmp_path)


def test_the_hash_covers_what_yaml_names_outside_of_its_folder(tasks: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "base.yaml").write_text("process_results: !function scoring.judge\n")
    (elsewhere / "scoring.py").write_text("def judge(doc, results): return {}\n")
    path = tasks / "toy_add.yaml"
    path.write_text(f"include: {elsewhere / 'base.yaml'}\n" + path.read_text())
    before = outside(tasks)
    assert {elsewhere / "base.yaml", elsewhere / "scoring.py"} <= set(before.files)
    (elsewhere / "scoring.py").write_text("def judge(doc, results): return {'acc': 1}\n")
    assert outside(tasks).sha256 != before.sha256


def test_the_hash_covers_what_a_linked_yaml_calls_where_it_really_lies(tmp_path: Path) -> None:
    real, linked = tmp_path / "real", tmp_path / "linked"
    real.mkdir()
    linked.mkdir()
    (real / "t.yaml").write_text("task: t\nprocess_results: !function utils.score\n")
    (real / "utils.py").write_text("score = 1\n")
    (linked / "t.yaml").symlink_to(real / "t.yaml")
    before = outside(linked).sha256
    (real / "utils.py").write_text("score = 2\n")
    assert outside(linked).sha256 != before


def test_the_hash_does_not_hang_on_where_the_folder_lies_nor_on_caches(tasks: Path, tmp_path: Path) -> None:
    before = outside(tasks).sha256
    (tasks / "__pycache__").mkdir()
    (tasks / "__pycache__" / "utils.py").write_text("")
    assert outside(tasks).sha256 == before
    assert outside(Path(shutil.copytree(tasks, tmp_path / "moved"))).sha256 == before
    (tasks / "more").mkdir()
    (tasks / "more" / "code.py").write_text("")
    assert outside(tasks).sha256 != before


def test_a_damaged_record_allows_nothing_and_is_written_on(tasks: Path, state_folder: Path) -> None:
    allow(tasks)
    whole = (state_folder / RECORD).read_text()
    (state_folder / RECORD).write_text('[1]\n"x"\n{"sha256": 3}\n' + whole[: len(whole) // 2])
    assert allowed(state_folder) == frozenset()
    allow(tasks)
    assert allowed(state_folder) == {outside(tasks).sha256}
    before = (state_folder / RECORD).read_bytes()
    allow(tasks)
    assert (state_folder / RECORD).read_bytes() == before


def test_where_nothing_can_be_remembered_leave_holds_this_once(
    run: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_STATE", str(tmp_path / "file"))
    assert run("--allow-task-code")[0] != 2
    assert "allowed this time, and not remembered" in caplog.text
