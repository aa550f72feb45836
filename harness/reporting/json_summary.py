"""The run's summary as JSON, for programs."""

from __future__ import annotations

import json

from harness.reporting.data import ReportData
from harness.reporting.escape import visible
from harness.reporting.to_file import FileReporter

FILE = "summary.json"


class JsonReporter(FileReporter):
    """Renders ``summary.json``."""

    name = "json"
    file = FILE

    def text(self, data: ReportData) -> str:
        """The summary; what cannot be seen is escaped."""
        text = json.dumps(data.summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        return text if visible(text) == text else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    """A character, as JSON's escape where it cannot be seen; it stands in strings alone, so the values are the same."""
    return character if visible(character) == character else json.dumps(character)[1:-1]
