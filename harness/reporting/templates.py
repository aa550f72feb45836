"""The Jinja environments of the reports: sandboxed, strict about names, safe by default."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from harness.locate import data_folder
from harness.reporting import charts, escape, formatting, inline


@functools.cache  # compiling the templates takes longer than filling them
def environment(
    folder: Path | None, finalize: Callable[[object], object], *, html: bool
) -> ImmutableSandboxedEnvironment:
    """An environment over ``folder`` in which every value passes ``finalize`` before it is put out.

    Args:
        folder: where the templates lie; ``None`` for the package's own.
        finalize: makes a value harmless for the format; it sees every expression, so no template can forget it.
        html: whether HTML autoescape follows.

    Raises:
        EnvironmentFault: the package's templates are missing.
    """
    made = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(folder or data_folder("reports")),
        undefined=StrictUndefined,
        autoescape=html,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(
        percent=formatting.percent,
        points=formatting.points,
        interval=formatting.interval,
        probability=formatting.probability,
        integer=formatting.integer,
        duration=formatting.duration,
        score_range=formatting.score_range,
        plural=formatting.plural,
    )
    made.globals.update(
        brief=escape.brief,
        legend_mark=charts.legend_mark,
        phases=charts.PHASES,
        script=inline.script,
        packed=inline.packed,
    )
    return made
