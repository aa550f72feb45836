"""Which items are sealed in any record: whatever domain is asked for, people are shown none of them."""

from __future__ import annotations

from pathlib import Path

from harness.ledger import Ledger
from harness.state.kept import fold


def gate_items(folder: Path) -> set[str]:
    """Ids of the items that are gate in one of the records in ``folder``.

    Raises:
        InputError: a record is damaged; names file and line.
    """
    found: set[str] = set()
    for path in sorted(folder.glob("*.jsonl")) if folder.is_dir() else []:
        entries = Ledger(path, writable=False).entries
        if entries:
            found |= {item for item, role in fold(entries).roles.items() if role == "gate"}
    return found
