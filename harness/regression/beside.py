"""A run beside another model, as files in the run's report."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from harness.exceptions import InputError
from harness.ledger import Ledger
from harness.regression.compare import Comparison, compare
from harness.regression.compare_render import as_dict, as_html, as_markdown
from harness.regression.read import LEDGER, read_answers
from harness.reporting.load import record_files
from harness.reporting.templates import check_folder
from harness.storage import write_text


def _as_json(comparison: Comparison, _: Path | None) -> str:
    return json.dumps(as_dict(comparison), indent=2, allow_nan=False) + "\n"


FORMATS: Mapping[str, Callable[[Comparison, Path | None], str]] = {"html": as_html, "md": as_markdown, "json": _as_json}
"""What makes the text of each format that a comparison has."""


def write_comparison(run_dir: Path, other: str, formats: Collection[str], templates: Path | None = None) -> list[Path]:
    """Compare the run's answers with those of ``other`` and write ``report/compare.*``; return the files.

    Args:
        run_dir: its certified round, else its champion, is the second of the two.
        other: a run, round, evaluation, baseline file or output of lm-eval (`harness.regression.read`).
        formats: some of `FORMATS`; others, which a comparison does not have, are passed over.
        templates: folder of a user's templates, which stand before the package's own.

    Raises:
        InputError: none of the formats is one of a comparison, or the two cannot be compared; says why.
        EnvironmentFault: the folder cannot be written.
    """
    wanted = [name for name in FORMATS if name in formats]
    if not wanted:
        raise InputError(f"--compare writes {', '.join(FORMATS)}, not {', '.join(formats)}; add one of them")
    folder = check_folder(templates) if templates is not None else None
    comparison = compare(read_answers(other), read_answers(run_dir))
    head = Ledger(run_dir / LEDGER, writable=False).head
    paths = []
    for name in wanted:
        path = run_dir / "report" / f"compare.{name}"
        write_text(path, FORMATS[name](comparison, folder))
        record_files(head, run_dir, path.relative_to(run_dir).as_posix())
        paths.append(path)
    return paths
