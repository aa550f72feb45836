"""Texts from files of rows, to be compared."""

from __future__ import annotations

from pathlib import Path

from harness.curation.overlap import Text
from harness.evaluation.local_rows import read_rows
from harness.exceptions import InputError, at, did_you_mean
from harness.storage import canonical_json


def texts_of_file(path: Path, field: str) -> list[Text]:
    """One field of each row of a JSONL, JSON, CSV or Parquet file; the whole row goes into training beside it.

    Raises:
        InputError: the file cannot be read or is empty, or a row has no such text; names file and row.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    rows = read_rows(path)
    if not rows:
        raise InputError(f"{path}: holds no rows")
    texts = []
    for number, row in enumerate(rows, start=1):
        text = row.get(field)
        if not isinstance(text, str):
            names = [str(name) for name, value in row.items() if isinstance(value, str)]
            raise InputError(
                f"{at(path, number)}: has no text '{field}'.{did_you_mean(field, names)} Choose with --field."
            )
        planted = row.get("canary")
        whole = canonical_json({str(name): str(value) for name, value in row.items()})
        texts.append(Text(at(path.name, number), text, "", whole, planted if isinstance(planted, str) else ""))
    return texts
