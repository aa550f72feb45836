"""The run's summary as JSON, for programs."""

from __future__ import annotations

import json
from pathlib import Path

from harness.reporting.data import ReportData
from harness.reporting.escape import visible
from harness.storage import write_text

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
        write_text(path, as_text(data))
        return path


def as_text(data: ReportData) -> str:
    """What stands in the file."""
    text = json.dumps(data.summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return text if visible(text) == text else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    """A character, as JSON's escape where it cannot be seen; it stands in strings alone, so the values are the same."""
    return character if visible(character) == character else json.dumps(character)[1:-1]
