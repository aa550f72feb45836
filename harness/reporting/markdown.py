"""The run in Markdown, for a pull request or a terminal: the verdict, the numbers and a few examples."""

from __future__ import annotations

from pathlib import Path

from harness.reporting.data import ReportData
from harness.reporting.escape import markdown_value
from harness.reporting.templates import environment
from harness.reporting.view import build_view
from harness.storage import write_text

FILE = "summary.md"


class MarkdownReporter:
    """Renders ``summary.md``.

    Args:
        templates: folder with ``summary.md.j2``; ``None`` for the package's own.
    """

    name = "md"

    def __init__(self, templates: Path | None = None) -> None:
        self._templates = templates

    def render(self, data: ReportData, out_dir: Path) -> Path:
        """Write the summary into ``out_dir`` (created), atomically, and return its path.

        Raises:
            EnvironmentFault: the folder cannot be written, or the templates are missing.
        """
        text = environment(self._templates, markdown_value, html=False).get_template("summary.md.j2")
        path = out_dir / FILE
        write_text(path, text.render(view=build_view(data)))
        return path
