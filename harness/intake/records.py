"""A file record by record, so that some can be left out or changed and the rest stays as it was, to the byte."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.exceptions import InputError
from harness.intake.example import Row

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Change:
    """What becomes of a record: new ``values``, or ``None`` where it is left out."""

    values: Mapping[str, Any] | None


def rewritten(path: Path, rows: Sequence[Row], changes: Mapping[int, Change]) -> bytes:
    """The file with some of its records changed or left out.

    Args:
        path: a JSONL, JSON, CSV, TSV or Parquet file.
        rows: its rows, as `harness.intake.read` gave them.
        changes: by position in ``rows``.

    Returns:
        Its bytes: those of the file where there is no change. Columns, their order, separator, line ends and a byte
        order mark stay; records without a change keep their own bytes (in JSON and Parquet: their values).

    Raises:
        InputError: the file cannot be read, or is not the flat list of records that ``rows`` says.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not changes:
        return data
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _parquet(path, rows, changes)
    mark = BOM if data.startswith(BOM) else b""
    text = data[len(mark) :].decode("utf-8")
    if suffix == ".json":
        return mark + _json(path, text, rows, changes).encode()
    pieces = _lines(text) if suffix in (".jsonl", ".ndjson") else _cells(text, suffix)
    if sum(not piece.beside for piece in pieces) != len(rows):
        raise _not_flat(path)
    return mark + "".join(_kept(pieces, changes)).encode()


def _not_flat(path: Path) -> InputError:
    return InputError(f"{path}: its rows are nested, so they cannot be left out one by one; write one a line as JSONL")


@dataclass(frozen=True)
class _Piece:
    """Consecutive text of a file: a record, or what stands beside records (a header, blank lines)."""

    text: str
    beside: bool
    columns: tuple[str, ...] = ()
    delimiter: str = ""

    @property
    def end(self) -> str:
        """Its line end."""
        return self.text[len(self.text.rstrip("\r\n")) :]

    def changed(self, values: Mapping[str, Any]) -> str:
        """It with new values, in its own format."""
        if not self.columns:
            return json.dumps(values, ensure_ascii=False) + self.end
        out = io.StringIO()
        csv.writer(out, delimiter=self.delimiter, lineterminator="").writerow([values[name] for name in self.columns])
        return out.getvalue() + self.end


def _kept(pieces: Sequence[_Piece], changes: Mapping[int, Change]) -> list[str]:
    kept, position = [], 0
    for piece in pieces:
        if piece.beside:
            kept.append(piece.text)
            continue
        change = changes.get(position)
        position += 1
        if change is None:
            kept.append(piece.text)
        elif change.values is not None:
            kept.append(piece.changed(change.values))
    return kept


def _lines(text: str) -> list[_Piece]:
    return [_Piece(line, not line.strip()) for line in io.StringIO(text, newline="\n")]


def _cells(text: str, suffix: str) -> list[_Piece]:
    # As harness.intake.read splits a table: the same separator, the same blank records.
    first = text.partition("\n")[0]
    delimiter = "\t" if suffix == ".tsv" else max(",;\t", key=first.count)
    lines = list(io.StringIO(text, newline=""))  # str.splitlines would split at U+2028, too
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    pieces: list[_Piece] = []
    columns: tuple[str, ...] = ()
    begun = 0
    for cells in reader:
        raw = "".join(lines[begun : reader.line_num])
        begun = reader.line_num
        blank = not any(cell.strip() for cell in cells)
        pieces.append(_Piece(raw, blank or not columns, columns, delimiter))
        if not blank and not columns:
            columns = tuple(cell.strip() for cell in cells)
    return pieces


def _json(path: Path, text: str, rows: Sequence[Row], changes: Mapping[int, Change]) -> str:
    value = json.loads(text)
    lists = [value] if isinstance(value, list) else []
    if isinstance(value, dict):
        inner = [items for items in value.values() if isinstance(items, list)]
        lists = [value["data"]] if isinstance(value.get("data"), list) else inner
    position = 0
    for items in lists:
        kept = []
        for item in items:
            if position >= len(rows) or item != rows[position].values:
                raise _not_flat(path)
            change = changes.get(position)
            position += 1
            if change is None:
                kept.append(item)
            elif change.values is not None:
                kept.append(dict(change.values))
        items[:] = kept
    if position != len(rows):
        raise _not_flat(path)
    second = text.split("\n", 2)[1] if "\n" in text.strip() else ""
    indent = len(second) - len(second.lstrip(" ")) or None
    return json.dumps(value, ensure_ascii=False, indent=indent) + ("\n" if text.endswith("\n") else "")


def _parquet(path: Path, rows: Sequence[Row], changes: Mapping[int, Change]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    from harness.intake.secrets import mask_value

    table = parquet.read_table(path)
    if table.num_rows != len(rows):
        raise _not_flat(path)
    for place, field in enumerate(table.schema):
        column = table.column(place).to_pylist()
        new = list(column)
        for position, change in changes.items():
            if change.values is not None and change.values.get(field.name) != rows[position].values.get(field.name):
                changed = change.values[field.name]
                # Dates and the like are text in a row: those of a nested column keep their kind.
                new[position] = changed if isinstance(column[position], str) else mask_value(column[position])
        if new != column:
            table = table.set_column(place, field, pa.array(new, type=field.type))
    kept = [place for place in range(len(rows)) if place not in changes or changes[place].values is not None]
    sink = pa.BufferOutputStream()
    parquet.write_table(table.take(kept), sink)
    return bytes(sink.getvalue().to_pybytes())
