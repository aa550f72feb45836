"""What the reporters of one text file share: the file is written atomically, and the same data gives the same bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

from harness.reporting.data import ReportData
from harness.reporting.escape import html_value, markdown_value
from harness.reporting.templates import check_folder, fill
from harness.reporting.view import build_view
from harness.storage import write_text


class FileReporter(ABC):
    """A reporter whose format is one text file.

    Attributes:
        name: of the format.
        file: name of the file.
    """

    name: str
    file: str

    @abstractmethod
    def text(self, data: ReportData) -> str:
        """What stands in the file: no clock, no randomness."""

    def render(self, data: ReportData, out_dir: Path) -> Path:
        """Write the file into ``out_dir`` (created), atomically, and return its path.

        Raises:
            InputError: a template of one's own is broken; names file and line.
            EnvironmentFault: the folder cannot be written, or the templates are missing.
        """
        path = out_dir / self.file
        write_text(path, self.text(data))
        return path


class TemplateReporter(FileReporter):
    """A reporter whose file is a template filled with the view of the run.

    Args:
        templates: folder whose files stand before the package's own of the same names; ``None`` for none.

    Attributes:
        template: ``report.html.j2`` and the like.
        html: whether it makes HTML, else Markdown.
    """

    template: str
    html: bool

    def __init__(self, templates: Path | None = None) -> None:
        self._templates = check_folder(templates) if templates is not None else None

    def with_templates(self, folder: Path) -> Self:
        """The same with templates of one's own; raises InputError as `harness.reporting.templates.check_folder`."""
        return type(self)(folder)

    def text(self, data: ReportData) -> str:
        """The template, filled."""
        finalize = html_value if self.html else markdown_value
        return fill(self.template, self._templates, finalize, html=self.html, view=build_view(data))
