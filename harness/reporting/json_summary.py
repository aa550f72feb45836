"""The run's summary as JSON, for programs."""

from __future__ import annotations

from pathlib import Path

from harness.reporting.data import ReportData
from harness.storage import write_json

FILE = "summary.json"


class JsonReporter:
    """Renders ``summary.json``."""

    name = "json"

    def render(self, data: ReportData, out_dir: Path) -> Path:
        """Write the summary into ``out_dir`` (created), atomically, and return its path.

        Raises:
            EnvironmentFault: the folder cannot be written.
        """
        path = out_dir / FILE
        write_json(path, data.summary)
        return path
