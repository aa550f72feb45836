"""The command ``harness``: a table of verbs, each loaded only when it is called, and one place where errors end.

Exit codes: 0 pass, 1 a gate failed or a regression, 2 bad usage or bad input, 3 an environment fault, 130 interrupted.
Two more keep 1 unambiguous for scripts: 70 a defect of this program, 141 the reader of the output went away.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import click

from harness import __version__
from harness.exceptions import EnvironmentFault, HarnessError, InputError, did_you_mean, is_out_of_memory

EXIT_DEFECT = 70  # EX_SOFTWARE
EXIT_INTERRUPTED = 130  # 128 + SIGINT
EXIT_READER_GONE = 141  # 128 + SIGPIPE, as a shell reports it


class Verb(NamedTuple):
    """Where a verb's ``click.Command`` is (``module:attribute``) and what ``harness --help`` says of it."""

    target: str
    summary: str


# The summaries stand here so that `harness --help` imports no verb. A verb's function may return its exit code.
VERBS: dict[str, Verb] = {
    "init": Verb("harness.cli.init:init", "Make a domain of a file of prompts and answers."),
    "baseline": Verb("harness.cli.baseline:baseline", "Score the model zero-shot and few-shot, by error category."),
    "iterate": Verb("harness.cli.iterate:iterate", "Retrain on the failing categories, round after round; resumes."),
    "report": Verb("harness.cli.report:report", "Write a run's report anew, or the index of a folder of runs."),
    "show": Verb("harness.cli.show:show", "Show a run in the terminal, live while it goes on."),
    "gate": Verb("harness.cli.gate:gate", "Judge a model or saved answers by the gates of harness.yaml."),
    "history": Verb("harness.cli.history:history", "Show scores and gates over all runs of a project."),
    "compare": Verb("harness.cli.compare:compare", "Compare two models' answers, document by document."),
    "verify": Verb("harness.cli.verify:verify", "Recompute a run's decisions from what is on disk, without a model."),
    "rescore": Verb("harness.cli.rescore:rescore", "Classify a run's saved responses anew and show what moved."),
    "promote": Verb("harness.cli.by_hand:promote", "Make a round the champion by hand."),
    "rollback": Verb("harness.cli.by_hand:rollback", "Go back to an earlier champion by hand."),
    "close": Verb("harness.cli.by_hand:close", "Close a run: its report shows the sealed items, spent from then on."),
    "check-data": Verb("harness.cli.check_data:check_data", "List training texts that stand in evaluation data too."),
    "data": Verb("harness.cli.data:data", "Check and clean a file, add items to a domain."),
    "cache": Verb("harness.cli.cache:cache", "Show or clear the answers that are kept for reuse."),
    "tasks": Verb("harness.cli.tasks:tasks", "List, check and locate the domains."),
    "classifiers": Verb(
        "harness.cli.classifiers:classifiers", "List the error classifiers, and measure how well they see."
    ),
    "plugins": Verb("harness.cli.plugins:plugins", "List what other packages bring, and what of it is broken."),
    "doctor": Verb("harness.cli.doctor:doctor", "Check what works on this machine, and which models fit it."),
}


@dataclass
class Session:
    """What holds for the whole command; reachable in a verb as ``click.get_current_context().obj``.

    ``verbosity`` is 1 after ``-v``, -1 after ``-q``, else 0. It is filled in while the arguments are parsed.
    """

    verbosity: int = 0


def _remember_verbosity(context: click.Context, option: click.Parameter, given: bool) -> None:
    if given:
        context.ensure_object(Session).verbosity = 1 if option.name == "verbose" else -1


def _verbosity_options() -> list[click.Option]:
    """``-v`` and ``-q``; not handed to the function, which reads ``Session.verbosity`` instead."""
    meanings = {"verbose": "Say more; show a traceback on errors.", "quiet": "Say only the result."}
    return [
        click.Option(
            [f"-{name[0]}", f"--{name}"], is_flag=True, expose_value=False, callback=_remember_verbosity, help=meaning
        )
        for name, meaning in meanings.items()
    ]


def _accept_verbosity(command: click.Command) -> click.Command:
    """Let ``-v`` and ``-q`` stand behind the verb as well as before it; safe to call twice."""
    if not any(parameter.name == "verbose" for parameter in command.params):
        command.params.extend(_verbosity_options())
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _accept_verbosity(inner)
    return command


class LazyGroup(click.Group):
    """A group whose verbs come from ``VERBS`` and are imported when asked for by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of the table, which is the order of use."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of ``cmd_name`` and return its command; None for an unknown verb."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        module, _, attribute = verb.target.partition(":")
        return _accept_verbosity(cast(click.Command, getattr(importlib.import_module(module), attribute)))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb in ``args``.

        Raises:
            click.UsageError: there is no such verb; the message suggests the nearest.
        """
        if args[0] not in VERBS and not args[0].startswith("-"):
            raise click.UsageError(f"unknown verb '{args[0]}'.{did_you_mean(args[0], VERBS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of verbs from the table, importing none of them."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, verb.summary) for name, verb in VERBS.items()])


cli = LazyGroup(
    name="harness",
    params=list[click.Parameter](_verbosity_options()),
    help="Evaluation-first fine-tuning: see how a model fails, retrain on exactly that, know if it got better.",
    epilog="'harness VERB --help' describes a verb.",
    subcommand_metavar="VERB [OPTIONS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
click.version_option(__version__, "--version", message="harness %(version)s")(cli)


def one_line(text: str) -> str:
    """Return ``text`` on one line, with control characters as escapes: a message can quote model output."""
    joined = " ".join(part.strip() for part in text.splitlines() if part.strip())
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in joined)


def _as_harness_error(error: Exception) -> HarnessError | None:
    """Say in the user's words what an exception from below means; None where it can only be a defect."""
    if isinstance(error, HarnessError):
        return error
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        hint = f" See '{context.command_path} --help'." if context is not None else ""
        message = error.format_message()
        return InputError(message + ("" if message.endswith((".", "?")) else ".") + hint)
    if is_out_of_memory(error):
        return EnvironmentFault(
            "out of memory; close other programs or choose a smaller model, then run the same command again"
        )
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return InputError(f"{str(error.filename)[:80]}...: {error.strerror}; give a shorter one")
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM) and error.filename:
        return EnvironmentFault(f"{error.filename}: {error.strerror}; change its rights, or name another")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        place = f" while writing {error.filename}" if error.filename else ""
        return EnvironmentFault(f"disk full{place}; free some space and run the same command again")
    return None


def _report(error: Exception, verbosity: int) -> int:
    """Print ``error`` as one line on stderr (after its traceback with ``-v``) and return the exit code."""
    if verbosity > 0 and not isinstance(error, click.ClickException):  # the user's typing has no traceback worth seeing
        traceback.print_exception(error)
    known = _as_harness_error(error)
    if known is None:
        detail = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        hint = "please report it with the traceback above" if verbosity > 0 else "run again with -v for the traceback"
        print(f"error: unexpected {one_line(detail)}; a defect in harness: {hint}", file=sys.stderr)
        return EXIT_DEFECT
    print(f"error: {one_line(str(known))}", file=sys.stderr)
    return known.exit_code


def _silence_output() -> None:
    """Point standard output at nothing, so that the interpreter's last flush cannot complain of a closed pipe."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # no real file behind stdout, so nothing to flush into a pipe either
        return


def _run(args: Sequence[str], session: Session) -> int:
    """Parse and run; every failure that is not a clean exit leaves as an exception.

    Not ``cli.main``: it ends with 1 when the reader of the output goes away, which here would mean a failed gate.
    """
    try:
        with cli.make_context("harness", list(args), obj=session) as context:
            outcome = cli.invoke(context)
    except click.exceptions.Exit as stop:  # after --help and --version
        outcome = stop.exit_code
    sys.stdout.flush()
    return outcome if isinstance(outcome, int) else 0


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        args: the arguments without the program's name; None takes them from ``sys.argv``.
    """
    if "_HARNESS_COMPLETE" in os.environ:  # a shell asks what could come next
        cli.main(prog_name="harness")
    session = Session()
    try:
        return _run(sys.argv[1:] if args is None else args, session)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return InputError.exit_code
    except (click.Abort, KeyboardInterrupt):  # Abort: Ctrl-C, or the end of input, at a question that click asked
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _silence_output()
        return EXIT_READER_GONE
    except Exception as error:
        return _report(error, session.verbosity)
