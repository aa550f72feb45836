"""Which reporters there are: the built-in ones, and those that other packages bring as entry points."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from harness.exceptions import HarnessError, InputError
from harness.plugins import Registry
from harness.reporting.data import ReportData

GROUP = "harness.reporters"
BUILTIN = {
    "html": "harness.reporting.html:HtmlReporter",
    "md": "harness.reporting.markdown:MarkdownReporter",
    "json": "harness.reporting.json_summary:JsonReporter",
    "csv": "harness.reporting.csv_table:CsvReporter",
    "junit": "harness.reporting.junit:JunitReporter",
    "mlflow": "harness.reporting.mlflow_run:MlflowReporter",
    "tensorboard": "harness.reporting.tensorboard_log:TensorboardReporter",
}
_BESIDE = ("md", "json")
"""Built-in formats that lie in the run's folder itself; all others lie in its folder ``report``."""


@runtime_checkable
class Reporter(Protocol):
    """Writes a run's report in one format.

    Example::

        class Names:
            name = "names"

            def render(self, data: ReportData, out_dir: Path) -> Path:
                path = out_dir / "names.txt"
                write_text(path, data.summary["model"])   # harness.storage: atomic
                return path

    What a run holds, responses above all, is hostile: escape it for the format (`harness.reporting.escape`).
    """

    name: str

    def render(self, data: ReportData, out_dir: Path) -> Path:
        """Write one file into ``out_dir`` (create it) and return its path; the same data, the same bytes."""
        ...


@runtime_checkable
class Templated(Protocol):
    """A reporter whose format is made from templates that a user's folder can replace."""

    def with_templates(self, folder: Path) -> Reporter:
        """The same reporter with the templates of ``folder`` before its own."""
        ...


@runtime_checkable
class Demanding(Protocol):
    """A reporter that needs something which may be missing."""

    def check(self) -> None:
        """Raise InputError, one line with what to install, before anything is written."""
        ...


def _as_reporter(loaded: object, name: str) -> Reporter:
    made = loaded() if isinstance(loaded, type) else loaded
    if not isinstance(made, Reporter) or not callable(made.render):
        raise TypeError("it needs an attribute name and a method render(data, out_dir)")
    if made.name != name:
        raise TypeError(f"its name is {made.name!r}, its entry point is called {name!r}")
    return made


REPORTERS = Registry("reporter", GROUP, BUILTIN, _as_reporter)


def prepared(name: str, templates: Path | None = None) -> Reporter:
    """The reporter called ``name``, ready to write.

    Args:
        templates: folder of a user's templates; a format that is not made from templates takes no notice.

    Raises:
        InputError: unknown, brought by two packages, broken, what it needs is missing, or no such folder.
    """
    reporter = REPORTERS.load(name)
    if isinstance(reporter, Demanding):
        reporter.check()
    return reporter.with_templates(templates) if templates is not None and isinstance(reporter, Templated) else reporter


def render(name: str, data: ReportData, run_dir: Path, templates: Path | None = None) -> Path:
    """Write the report called ``name`` of the run in ``run_dir`` and return its path.

    Args:
        templates: folder of a user's templates.

    Raises:
        InputError: unknown, brought by two packages, broken, or it failed; says from where it comes.
        EnvironmentFault: the folder cannot be written.
    """
    reporter = prepared(name, templates)
    out_dir = run_dir if name in _BESIDE else run_dir / "report"
    if name in BUILTIN:
        return reporter.render(data, out_dir)
    place = REPORTERS.describe(REPORTERS.point(name))
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        path = Path(reporter.render(data, out_dir))
    except HarnessError:
        raise
    except Exception as error:
        raise InputError(f"{place} failed: {type(error).__name__}: {error}; report it there") from error
    if not path.is_file() or not path.resolve().is_relative_to(out_dir.resolve()):
        raise InputError(f"{place} wrote no file into {out_dir}; report it there")
    return path
