"""One HTML file that shows a run: no network, no script, for a desk, a phone, a printer and a screen reader."""

from __future__ import annotations

from pathlib import Path

from harness.reporting.data import ReportData
from harness.reporting.escape import html_value
from harness.reporting.templates import check_folder, fill
from harness.reporting.view import build_view
from harness.storage import write_text

PAGE = "index.html"


class HtmlReporter:
    """Renders ``index.html``.

    Args:
        templates: folder whose files stand before the package's own of the same names; ``None`` for none.
    """

    name = "html"

    def __init__(self, templates: Path | None = None) -> None:
        self._templates = check_folder(templates) if templates is not None else None

    def with_templates(self, folder: Path) -> HtmlReporter:
        """The same with templates of one's own; raises InputError as `harness.reporting.templates.check_folder`."""
        return HtmlReporter(folder)

    def render(self, data: ReportData, out_dir: Path) -> Path:
        """Write the page into ``out_dir`` (created), atomically, and return its path.

        The same data gives the same bytes: no clock, no randomness.

        Raises:
            InputError: a template of one's own is broken; names file and line.
            EnvironmentFault: the folder cannot be written, or the templates are missing.
        """
        path = out_dir / PAGE
        write_text(path, fill("report.html.j2", self._templates, html_value, html=True, view=build_view(data)))
        return path
