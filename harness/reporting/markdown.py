"""The run in Markdown, for a pull request or a terminal: the verdict, the numbers and a few examples."""

from __future__ import annotations

from pathlib import Path

from harness.reporting.data import ReportData
from harness.reporting.escape import markdown_value
from harness.reporting.templates import check_folder, fill
from harness.reporting.view import build_view
from harness.storage import write_text

FILE = "summary.md"


class MarkdownReporter:
    """Renders ``summary.md``.

    Args:
        templates: folder whose files stand before the package's own of the same names; ``None`` for none.
    """

    name = "md"

    def __init__(self, templates: Path | None = None) -> None:
        self._templates = check_folder(templates) if templates is not None else None

    def with_templates(self, folder: Path) -> MarkdownReporter:
        """The same with templates of one's own; raises InputError as `harness.reporting.templates.check_folder`."""
        return MarkdownReporter(folder)

    def render(self, data: ReportData, out_dir: Path) -> Path:
        """Write the summary into ``out_dir`` (created), atomically, and return its path.

        Raises:
            InputError: a template of one's own is broken; names file and line.
            EnvironmentFault: the folder cannot be written, or the templates are missing.
        """
        path = out_dir / FILE
        write_text(path, fill("summary.md.j2", self._templates, markdown_value, html=False, view=build_view(data)))
        return path
