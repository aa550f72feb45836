"""One HTML file that shows a run: no network, no script, for a desk, a phone, a printer and a screen reader."""

from __future__ import annotations

from pathlib import Path

from harness.reporting.data import ReportData
from harness.reporting.escape import html_value
from harness.reporting.templates import environment
from harness.reporting.view import build_view
from harness.storage import write_text

PAGE = "index.html"


class HtmlReporter:
    """Renders ``index.html``.

    Args:
        templates: folder with ``report.html.j2`` and what it includes; ``None`` for the package's own.
    """

    name = "html"

    def __init__(self, templates: Path | None = None) -> None:
        self._templates = templates

    def render(self, data: ReportData, out_dir: Path) -> Path:
        """Write the page into ``out_dir`` (created), atomically, and return its path.

        The same data gives the same bytes: no clock, no randomness.

        Raises:
            EnvironmentFault: the folder cannot be written, or the templates are missing.
        """
        page = environment(self._templates, html_value, html=True).get_template("report.html.j2")
        path = out_dir / PAGE
        write_text(path, page.render(view=build_view(data)))
        return path
