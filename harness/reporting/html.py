"""One HTML file that shows a run: no network, one script that it knows by its hash, for every screen and paper."""

from __future__ import annotations

from harness.reporting.to_file import TemplateReporter

PAGE = "index.html"


class HtmlReporter(TemplateReporter):
    """Renders ``index.html``."""

    name = "html"
    file = PAGE
    template = "report.html.j2"
    html = True
