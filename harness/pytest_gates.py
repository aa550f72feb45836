"""What the pytest plugin does once it is asked for: gates as items, one evaluation, one writer of the baseline."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from harness.config import CONFIG_NAME, load_settings
from harness.exceptions import HarnessError
from harness.regression.by_hand import Harness
from harness.regression.declare import Gate
from harness.regression.gating import Gating, Target
from harness.regression.results import GateResult

_GATES = pytest.StashKey["Gates"]()
_BY_HAND = pytest.StashKey[Harness]()
_FIGURES = ("state", "value", "low", "high", "threshold", "unit", "n")
_REPORTED = "harness_gate"
"""Attribute of a gate's report: its result as plain data, which xdist carries from its workers."""


def config_file(config: pytest.Config) -> Path | None:
    """The ``harness.yaml`` of a session: the named one, else that of the current folder, else of the root folder."""
    here = config.invocation_params.dir
    named = config.getoption("harness_config")
    if named:
        return here / Path(named).expanduser()
    return next((path for path in (here / CONFIG_NAME, config.rootpath / CONFIG_NAME) if path.is_file()), None)


def saved_answers(config: pytest.Config) -> Path | None:
    """The folder that ``--harness-run`` names."""
    named = config.getoption("harness_run")
    return config.invocation_params.dir / Path(named).expanduser() if named else None


def by_hand(config: pytest.Config) -> Harness:
    """The object of the fixture, one a session."""
    if _BY_HAND not in config.stash:
        gates = config.stash.get(_GATES, None)
        folder = gates.folder if gates else None
        config.stash[_BY_HAND] = Harness(config_file(config), saved_answers(config), folder)
    return config.stash[_BY_HAND]


class GateFailed(Exception):
    """A gate did not pass; carries its result."""

    def __init__(self, result: GateResult) -> None:
        super().__init__(result.message)
        self.result = result


class Gates:
    """The session's gates: registered as a plugin where one of the options is given.

    Raises:
        pytest.UsageError: there is no ``harness.yaml``.
    """

    def __init__(self, config: pytest.Config) -> None:
        path = config_file(config)
        if path is None or not path.is_file():
            raise pytest.UsageError(
                f"{path or config.rootpath / CONFIG_NAME}: no such file; --harness collects the gates that it declares"
            )
        self.config = config
        self.path = path
        self.worker = hasattr(config, "workerinput")  # of xdist
        self._shared: Path | None = None
        config.stash[_GATES] = self
        self._add_to_arguments()

    def _add_to_arguments(self) -> None:
        """Have the file collected wherever tests lie; not where single tests are picked."""
        here = self.config.invocation_params.dir
        for argument in self.config.args:
            name, _, picked = argument.partition("::")
            place = (here / name).absolute()
            if picked or _same(place, self.path) or (place.is_dir() and _same_or_below(self.path, place)):
                return
        self.config.args.append(str(self.path))

    @property
    def folder(self) -> Path:
        """Where answers are kept for this session and its workers, where ``cache: false`` keeps them nowhere else."""
        if self.worker:
            return Path(self.config.workerinput["harness_folder"])  # type: ignore[attr-defined]
        if self._shared is None:
            self._shared = Path(tempfile.mkdtemp(prefix="harness-answers-"))
        return self._shared

    @cached_property
    def gating(self) -> Gating:
        """The gates and what they look at; raises `HarnessError` where the settings are malformed."""
        settings = load_settings(self.path, {})
        folder = None if settings.cache else self.folder
        return Gating(settings, Target(saved=saved_answers(self.config)), folder=folder)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Give an xdist worker the folder that all of them share."""
        node.workerinput["harness_folder"] = str(self.folder)

    def pytest_unconfigure(self) -> None:
        """Leave nothing behind."""
        if self._shared is not None:
            shutil.rmtree(self._shared, ignore_errors=True)

    def pytest_report_header(self) -> str:
        """Say what is gated."""
        saved = saved_answers(self.config)
        return f"harness: gates of {self.path}" + (f", on saved answers in {saved}" if saved else "")

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """Collect ``harness.yaml``."""
        if file_path.name == self.path.name and _same(file_path, self.path):
            return GateFile.from_parent(parent, path=file_path)
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Write the baseline before the first test runs, in one process."""
        if not self.config.getoption("harness_update_baseline") or self.worker or session.config.option.collectonly:
            return
        if session.testsfailed:  # while collecting: pytest stops here
            return
        try:
            with _unwarned():
                said = self.gating.update_baseline()
        except HarnessError as error:
            raise pytest.UsageError(f"no baseline written: {_one_line(str(error))}") from error
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.ensure_newline()
            reporter.write_line(_one_line(said), green=True)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Let a gate's result travel with its report; one that was skipped has not passed."""
        report = yield
        if not isinstance(item, GateItem):
            return report
        if report.skipped and not hasattr(report, "wasxfail"):
            why = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
            report.outcome = "failed"
            report.longrepr = (
                f"{_one_line(why)}: a gate that is not judged has not passed; deselect it, or undeclare it"
            )
        if call.when == "setup" and call.excinfo is not None and isinstance(call.excinfo.value, HarnessError):
            report.longrepr = _one_line(str(call.excinfo.value))  # pytest shows its own traceback of a setup
        if call.when == "call" and item.result is not None:
            setattr(report, _REPORTED, item.result.as_dict())
        return report

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """A line a gate, with its numbers, whether it passed or not; where every test passes, uncertain ones show."""
        results = [
            GateResult.from_dict(getattr(report, _REPORTED))
            for reports in terminalreporter.stats.values()
            for report in reports
            if hasattr(report, _REPORTED)
        ]
        if not results:
            if self.config.getoption("harness") and self._without_gates():
                terminalreporter.write_line(f"harness: {_one_line(str(self.path))} declares no gates", yellow=True)
            return
        from harness.regression.render import tally, verdict

        terminalreporter.section("harness gates")
        for result in results:
            colour = {"red": True} if not result.passed else {"yellow": True} if result.state != "pass" else {}
            line = f"{verdict(result)}: {result.name}: {result.message}"
            terminalreporter.write_line(_one_line(line), **colour)
            for note in dict.fromkeys(result.notes):
                terminalreporter.write_line(f"  note: {_one_line(note)}")
        terminalreporter.write_line(_one_line(tally(results)))
        if self.worker:
            return
        try:
            self._record(results)
        except HarnessError as error:
            terminalreporter.write_line(f"  note: not recorded for 'harness history': {_one_line(str(error))}")

    def _record(self, results: list[GateResult]) -> None:
        """Leave a line for ``harness history``, as ``harness gate`` does. The answers are kept ones by now."""
        import datetime

        from harness.locate import RUNS
        from harness.regression.history import commit_of, record_gates

        with _unwarned():
            answers = self.gating.answers
        now = datetime.datetime.now(datetime.UTC)
        record_gates(self.path.parent / RUNS, results, answers, now, self.gating.settings.domain, commit_of(os.environ))

    def _without_gates(self) -> bool:
        try:
            return not self.gating.declared.gates
        except HarnessError:  # said while collecting
            return False


class GateFile(pytest.File):
    """``harness.yaml``: a test a declared gate."""

    def collect(self) -> Iterator[GateItem]:
        """The gates, in order; raises `InputError` where they are malformed."""
        gating = self.config.stash[_GATES].gating
        for gate in gating.declared.gates:
            yield GateItem.from_parent(self, name=gate.name.replace("::", ":"), gate=gate)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What is wrong with the file, in a line."""
        if isinstance(excinfo.value, HarnessError):
            return _one_line(str(excinfo.value))
        return super().repr_failure(excinfo)


class GateItem(pytest.Item):
    """One gate. Evaluating is its setup, so that a model that cannot be asked is an error and no failure."""

    def __init__(self, *, gate: Gate, **given: Any) -> None:
        super().__init__(**given)
        self.gate = gate
        self.result: GateResult | None = None
        self.add_marker("harness")

    @property
    def _gating(self) -> Gating:
        return self.config.stash[_GATES].gating

    def setup(self) -> None:
        """Evaluate, or read what is saved; once a session."""
        with _unwarned():
            self._gating.prepare()

    def runtest(self) -> None:
        """Judge the gate.

        Raises:
            GateFailed: it does not pass.
        """
        with _unwarned():
            self.result = self._gating.result(self.gate)
        for name in _FIGURES:
            value = getattr(self.result, name)
            if value not in (None, ""):
                self.user_properties.append((f"harness_{name}", value))
        if not self.result.passed:
            raise GateFailed(self.result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Numbers, interval and the worst new failures side by side; no traceback, which says nothing here."""
        error = excinfo.value
        if isinstance(error, GateFailed):
            from harness.regression.render import explain, verdict

            return f"{verdict(error.result)}: {explain(error.result)}"
        if isinstance(error, HarnessError):
            return _one_line(str(error))
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the gate is declared."""
        line = self.gate.where.rpartition(":")[2]
        return self.path, int(line) - 1 if line.isdecimal() else None, f"gate {self.name}"


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _same_or_below(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _one_line(text: str) -> str:
    from harness.cli.main import one_line

    return one_line(text)


@contextmanager
def _unwarned() -> Iterator[None]:
    """What libraries warn of is not the user's test: ``-W error`` must not make a gate fail."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
