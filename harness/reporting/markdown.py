"""The run in Markdown, for a pull request or a terminal: the verdict, the numbers and a few examples."""

from __future__ import annotations

from harness.reporting.to_file import TemplateReporter

FILE = "summary.md"


class MarkdownReporter(TemplateReporter):
    """Renders ``summary.md``."""

    name = "md"
    file = FILE
    template = "summary.md.j2"
    html = False
