"""The Jinja environments of the reports: sandboxed, strict about names, safe by default.

A folder of one's own stands before the package's templates: what is in it replaces the file of the same name, and
``builtin/NAME`` is the package's own, to extend or include.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb
from typing import Any, ClassVar

from jinja2 import ChoiceLoader, FileSystemLoader, PrefixLoader, StrictUndefined, TemplateSyntaxError, nodes
from jinja2.exceptions import TemplateAssertionError, TemplateError, TemplateNotFound
from jinja2.sandbox import ImmutableSandboxedEnvironment

from harness.exceptions import InputError, at
from harness.locate import data_folder
from harness.reporting import charts, escape, formatting, inline

BUILTIN = "builtin"
"""Under this name a template of one's own reaches the package's."""
UNESCAPED = ("safe", "urlize", "xmlattr")
"""Jinja's filters that make markup out of a value; a response could use them, so templates have none of them."""
FILTERS = (
    *(formatting.percent, formatting.points, formatting.interval, formatting.probability, formatting.integer),
    *(formatting.duration, formatting.score_range, formatting.plural),
)
"""The reports' own."""


_FAULTS = (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class _Environment(ImmutableSandboxedEnvironment):
    """Sandboxed, and autoescape cannot be switched off from within a template."""

    _judged: ClassVar[dict[tuple[type, str], bool]] = {}

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Jinja's answer, kept: it hangs on the type alone, and is asked a million times for a page of 20,000 items."""
        key = type(obj), attr
        if key not in self._judged:
            self._judged[key] = super().is_safe_attribute(obj, attr, value)
        return self._judged[key]

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for block in tree.find_all((nodes.ScopedEvalContextModifier, nodes.EvalContextModifier)):
            raise TemplateAssertionError("autoescape cannot be switched in a report", block.lineno, name, filename)
        return tree


@functools.cache  # compiling the templates takes longer than filling them
def environment(
    folder: Path | None, finalize: Callable[[object], object], *, html: bool
) -> ImmutableSandboxedEnvironment:
    """An environment in which every value passes ``finalize`` before it is put out.

    Args:
        folder: templates that stand before the package's own; ``None`` for none.
        finalize: makes a value harmless for the format; it sees every expression, so no template can forget it.
        html: whether HTML autoescape follows.

    Raises:
        EnvironmentFault: the package's templates are missing.
    """
    own = FileSystemLoader(data_folder("reports"))
    first = [FileSystemLoader(folder)] if folder is not None else []
    made = _Environment(
        loader=ChoiceLoader([*first, own, PrefixLoader({BUILTIN: own})]),
        undefined=StrictUndefined,
        autoescape=html,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update({each.__name__: each for each in FILTERS})
    if html:
        made.filters.update(dict.fromkeys(("e", "escape", "forceescape"), escape.escaped))
    for name in UNESCAPED:
        made.filters.pop(name)
    made.globals.update(
        brief=escape.brief,
        legend_mark=charts.legend_mark,
        phases=charts.PHASES,
        script=inline.script,
        packed=inline.packed,
    )
    return made


def fill(name: str, folder: Path | None, finalize: Callable[[object], object], *, html: bool, **values: object) -> str:
    """The template ``name`` filled with ``values``.

    Args:
        name: ``report.html.j2`` and the like.
        folder: of templates of one's own (`check_folder`); ``None`` for the package's alone.
        finalize, html: as `environment`.

    Raises:
        InputError: a template of one's own is broken; names file and line.
        EnvironmentFault: the package's templates are missing.
    """
    made = environment(folder, finalize, html=html)
    if folder is None:  # what fails in the package's own is a defect of it, with its traceback
        return made.get_template(name).render(**values)
    with _blaming(folder):
        return made.get_template(name).render(**values)


def check_folder(folder: Path) -> Path:
    """``folder`` as an absolute path, if templates of one's own can be in it.

    Raises:
        InputError: it is no folder, or no file in it has the name of a template of this package.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder of templates")
    own = data_folder("reports")
    known = {path.relative_to(own).as_posix() for path in own.rglob("*") if path.suffix in (".j2", ".css", ".js")}
    if not any((folder / name).is_file() for name in known):
        raise InputError(f"{folder}: nothing in it replaces a template; it can hold {', '.join(sorted(known))}")
    return folder.resolve()


@contextmanager
def _blaming(folder: Path) -> Iterator[None]:
    """Turn whatever a template of one's own does wrong into one line with file and line."""
    try:
        yield
    except TemplateSyntaxError as error:
        where = at(error.filename or error.name or folder, error.lineno)
        raise InputError(f"{where}: {error.message}; {_hint(str(error.message))}") from error
    except RecursionError as error:
        place = _place(error) or str(folder)
        raise InputError(
            f"{place}: the template extends or includes itself; write 'builtin/...' for the package's own"
        ) from error
    except TemplateNotFound as error:
        place = _place(error) or str(folder)
        raise InputError(f"{place}: no template '{error}' in {folder} or in this package; mend its name") from error
    except Exception as error:
        found = _place(error)
        if found is None or not isinstance(error, _FAULTS):
            raise
        raise InputError(f"{found}: {type(error).__name__}: {error}; docs/reports.md says what there is") from error


def _hint(message: str) -> str:
    named = re.search(r"No filter named '(\w+)'", message)
    if named and named[1] in UNESCAPED:
        return "a report escapes every value"
    return "mend the template"


def _place(error: BaseException) -> str | None:
    """``file:line`` of the innermost template that ``error`` came through; Jinja's frames have the template's lines."""
    for frame in reversed(extract_tb(error.__traceback__)):
        if frame.filename.endswith((".j2", ".css")):
            return at(frame.filename, frame.lineno)
    return None
