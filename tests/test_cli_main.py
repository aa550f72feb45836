"""The command line's frame: the table of verbs, exit codes, the exact text of errors, and what help imports."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import click
import pytest

from harness import __version__
from harness.cli.main import VERBS, Session, Verb, main, one_line
from harness.exceptions import EnvironmentFault, HarnessError, InputError

HEAVY = {"torch", "transformers", "pandas", "lm_eval", "datasets", "peft", "trl", "bitsandbytes", "numpy"}

Install = Callable[[click.Command], None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a command into the table of verbs as ``fake``."""

    def put(command: click.Command) -> None:
        module = ModuleType("fake_verb")
        module.command = command  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "fake_verb", module)
        monkeypatch.setitem(VERBS, "fake", Verb("fake_verb:command", "A verb for tests."))

    return put


@pytest.fixture
def failing(install: Install) -> Callable[[BaseException], None]:
    """Install a verb that raises."""

    def put(error: BaseException) -> None:
        @click.command()
        def command() -> None:
            raise error

        install(command)

    return put


def test_help_lists_every_verb_with_its_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, verb in VERBS.items():
        assert f"  {name} " in shown
        assert verb.summary.split()[0] in shown


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"harness {__version__}\n"


def test_no_verb_shows_the_help_and_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Usage: harness" in capsys.readouterr().err


def test_unknown_verb_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["itterate"]) == 2
    captured = capsys.readouterr()
    assert captured.err == "error: unknown verb 'itterate'. Did you mean 'iterate'? See 'harness --help'.\n"
    assert captured.out == ""


def test_unknown_verb_like_no_other_lists_the_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zzz"]) == 2
    assert f"Known: {', '.join(sorted(VERBS))}." in capsys.readouterr().err


def test_unknown_option_of_a_verb_is_one_line_and_names_its_help(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    @click.option("--rounds", type=int)
    def command(rounds: int) -> None: ...

    install(command)
    assert main(["fake", "--rouns", "3"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("error: No such option '--rouns'.")
    assert "--rounds" in error
    assert error.endswith("See 'harness fake --help'.\n")


@pytest.mark.parametrize(
    ("kind", "code"), [(HarnessError, 1), (InputError, 2), (EnvironmentFault, 3)], ids=lambda value: str(value)
)
def test_errors_of_ours_are_one_line_with_their_exit_code(
    kind: type[HarnessError], code: int, failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(kind("a.yaml:3: no such thing; add one"))
    assert main(["fake"]) == code
    captured = capsys.readouterr()
    assert captured.err == "error: a.yaml:3: no such thing; add one\n"
    assert captured.out == ""


@pytest.mark.parametrize("args", [["-v", "fake"], ["fake", "-v"]], ids=["before the verb", "behind the verb"])
def test_verbose_adds_the_traceback_and_keeps_the_line_last(
    args: list[str], failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(InputError("bad"))
    assert main(args) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "error: bad"


@pytest.mark.parametrize(
    ("args", "expected"),
    [(["fake"], 0), (["fake", "-v"], 1), (["-q", "fake"], -1), (["fake", "--quiet"], -1), (["-q", "fake", "-v"], 1)],
)
def test_a_verb_reads_the_verbosity_from_the_session(args: list[str], expected: int, install: Install) -> None:
    seen: list[int] = []

    @click.command()
    @click.pass_obj
    def command(session: Session) -> None:
        seen.append(session.verbosity)

    install(command)
    assert main(args) == 0
    assert seen == [expected]


def test_verbosity_reaches_a_verb_of_a_verb(install: Install) -> None:
    seen: list[int] = []

    @click.group()
    def command() -> None: ...

    @command.command()
    @click.pass_obj
    def show(session: Session) -> None:
        seen.append(session.verbosity)

    install(command)
    assert main(["fake", "show", "-v"]) == 0
    assert main(["fake", "-v", "show"]) == 0
    assert seen == [1, 1]


@pytest.mark.parametrize(("outcome", "code"), [(None, 0), (0, 0), (1, 1), ("text", 0)])
def test_what_a_verb_returns_is_the_exit_code(outcome: Any, code: int, install: Install) -> None:
    @click.command()
    def command() -> Any:
        return outcome

    install(command)
    assert main(["fake"]) == code


def test_ctrl_c_ends_with_130(failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]) -> None:
    failing(KeyboardInterrupt())
    assert main(["fake"]) == 130
    assert capsys.readouterr().err.strip() == "interrupted"


class OutOfMemoryError(RuntimeError):
    """Named as torch names its own, which is recognised by name so that torch need not be imported."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has ..."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried ..."),
    ],
    ids=["python", "device", "torch on the CPU"],
)
def test_running_out_of_memory_is_an_environment_fault(
    error: BaseException, failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(error)
    assert main(["fake"]) == 3
    message = capsys.readouterr().err
    assert message.startswith("error: out of memory; ")
    assert message.count("\n") == 1


def test_torchs_own_out_of_memory_error_is_recognised(failing: Callable[[BaseException], None]) -> None:
    import torch

    failing(torch.OutOfMemoryError("CUDA out of memory."))
    assert main(["fake"]) == 3


def test_a_full_disk_is_an_environment_fault_that_names_the_file(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/a/ledger.jsonl"))
    assert main(["fake"]) == 3
    assert capsys.readouterr().err.startswith("error: disk full while writing runs/a/ledger.jsonl; ")


@pytest.mark.parametrize(
    ("number", "name", "code", "says"),
    [
        (errno.ENAMETOOLONG, "x" * 5000, 2, "error: " + "x" * 80 + "...: File name too long; give a shorter one\n"),
        (errno.EACCES, "locked/a", 3, "error: locked/a: Permission denied; change its rights, or name another\n"),
    ],
)
def test_a_path_that_the_system_refuses_is_one_line(
    failing: Callable[[BaseException], None],
    capsys: pytest.CaptureFixture[str],
    number: int,
    name: str,
    code: int,
    says: str,
) -> None:
    failing(OSError(number, os.strerror(number), name))
    assert main(["fake"]) == code
    assert capsys.readouterr().err == says


def test_a_defect_does_not_look_like_a_failed_gate(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(KeyError("cell"))
    assert main(["fake"]) == 70
    message = capsys.readouterr().err
    assert message == "error: unexpected KeyError: 'cell'; a defect in harness: run again with -v for the traceback\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines", "two lines"),
        ("  spaced \r\n\n out ", "spaced out"),
        ("red \x1b[31mtext", "red \\x1b[31mtext"),
        ("lone \udc80", "lone \\udc80"),
        ("Köln, 東京", "Köln, 東京"),
    ],
)
def test_messages_are_one_line_and_cannot_steer_the_terminal(text: str, shown: str) -> None:
    assert one_line(text) == shown


def _python(code: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, **options)


def test_a_reader_that_goes_away_is_met_with_silence() -> None:
    code = (
        "import sys, types, click\n"
        "from harness.cli.main import VERBS, Verb, main\n"
        "@click.command()\n"
        "def command():\n"
        "    for _ in range(100_000): click.echo('a line of output')\n"
        "sys.modules['fake_verb'] = types.SimpleNamespace(command=command)\n"
        "VERBS['fake'] = Verb('fake_verb:command', '')\n"
        "sys.exit(main(['fake']))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        assert process.stdout.readline() == "a line of output\n"
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 141


def test_the_shell_can_complete_verbs() -> None:
    completion = {"_HARNESS_COMPLETE": "bash_complete", "COMP_WORDS": "harness it", "COMP_CWORD": "1"}
    done = _python("from harness.cli.main import main; main()", env={**os.environ, **completion})
    assert done.stdout == "plain,iterate\n"


@pytest.mark.parametrize("args", [["--help"], *([name, "--help"] for name in VERBS)], ids=" ".join)
def test_help_imports_nothing_heavy(args: list[str]) -> None:
    done = _python(
        "import sys\n"
        "from harness.cli.main import main\n"
        f"code = main({args!r})\n"
        f"print('heavy:', sorted({HEAVY!r} & set(sys.modules)))\n"
        "sys.exit(code)\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "heavy: []"
    assert "Usage: harness" in done.stdout
