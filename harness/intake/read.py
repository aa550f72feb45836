"""Rows of a user's file, folder or data set: every kind of file that people have, every complaint with its place.

Nothing in a file is run: a CSV cell such as ``=1+1`` is the text ``=1+1``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.exceptions import InputError, at, did_you_mean
from harness.intake.example import FileSplit, Row

MAX_LINE = 1_000_000
"""Characters of a row; no prompt that a model could read is longer, so a longer one is a broken file."""
SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
_NAMES = "training|train|test|validation|validate|valid|val|dev"
_SPLIT = re.compile(rf"^({_NAMES})(?=$|[_\-.\d])|[_\-.]({_NAMES})$", re.IGNORECASE)
_BOM = "\ufeff"


def read_rows(source: str) -> list[Row]:
    """The rows of ``source``.

    Args:
        source: a JSONL, JSON, CSV, TSV or Parquet file; a folder of them, where a file named for a split
            (``train``, ``validation``, ``test`` and their usual short forms at the beginning or the end of its name)
            keeps it, and files without one are left out as soon as one has it; or a Hugging Face data set id,
            ``owner/name`` or ``owner/name:configuration``. A file of one's own wins over an id of the same spelling.

    Raises:
        InputError: it is not there, cannot be read, is empty or is not what its name says; names file and line.
        EnvironmentFault: a data set that can be neither found in the cache nor fetched.
    """
    try:
        path = Path(source).expanduser()
        is_folder, exists = path.is_dir(), path.exists()
    except (OSError, RuntimeError, ValueError) as error:  # name too long, no such user, embedded NUL
        raise InputError(f"{source!r}: not a usable path: {error}") from error
    if is_folder:
        rows = [row for file, split in _files(path) for row in _read_file(file, split)]
    elif exists:
        rows = list(_read_file(path, None))
    else:
        from harness.intake.hub import hub_rows, looks_like_id

        if not looks_like_id(source):
            raise InputError(f"{source}: no such file or folder.{_nearest(path)}")
        rows = hub_rows(source)
    if not rows:
        raise InputError(f"{source}: holds no rows; give a file with one example a row")
    return rows


def _nearest(path: Path) -> str:
    """What to give instead of a file that is not there."""
    try:
        there = [each.name for each in path.parent.iterdir() if each.is_dir() or each.suffix.lower() in SUFFIXES]
    except OSError:
        there = []
    hint = did_you_mean(path.name, there)
    return hint if hint.startswith(" Did") else " Give a file, a folder or a data set id (owner/name)"


def split_of(name: str) -> FileSplit | None:
    """The split that a file's name says, ``None`` for none: ``train.csv``, ``test_400.jsonl``, ``mails-dev.json``."""
    match = _SPLIT.search(Path(name).stem)
    word = (match[1] or match[2]).lower() if match else ""
    if not word:
        return None
    return "train" if word.startswith("train") else "test" if word == "test" else "validation"


def _files(folder: Path) -> list[tuple[Path, FileSplit | None]]:
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        raise InputError(f"{folder}: holds no {', '.join(SUFFIXES)} file; name the file with your examples")
    named = [(path, split) for path in found if (split := split_of(path.name)) is not None]
    stems: dict[Path, Path] = {}
    for path, _ in named:
        other = stems.setdefault(path.with_suffix(""), path)
        if other != path:
            raise InputError(f"{path}: {other.name} beside it has the same name; keep one of the two")
    return list(named) or [(path, None) for path in found]


def _read_file(path: Path, split: FileSplit | None) -> Iterator[Row]:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        how = "save it as CSV" if suffix in (".xlsx", ".xls", ".ods") else "convert it"
        raise InputError(f"{path}: rows are read from {', '.join(SUFFIXES)} files; {how}")
    if not path.is_file():  # a named pipe or a device never ends
        raise InputError(f"{path}: is no file; name the file with your examples")
    if suffix == ".parquet":
        rows = _parquet(path)
    else:
        text = _text(path)
        if suffix == ".json":
            yield from _json(path, text, split)
            return
        rows = _jsonl(path, text) if suffix in (".jsonl", ".ndjson") else _table(path, text, suffix)
    empty = True
    for place, values in rows:
        empty = False
        yield Row(values, place, split)
    if empty:
        raise InputError(f"{path}: is empty; give a file with one example a row")


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{at(path, 1)}: is UTF-16; save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{at(path, line)}: byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from error
    for sign, problem in (("\0", "a NUL byte: it is no text file"), (f"\n{_BOM}", "a byte order mark amid the file")):
        if (place := text.find(sign)) >= 0:
            line = text.count("\n", 0, place + 1) + 1
            raise InputError(f"{at(path, line)}: has {problem}; save it anew as UTF-8, in one piece")
    if not text.strip():
        raise InputError(f"{path}: is empty; give a file with one example a row")
    return text


def _too_long(path: Path, line: int, length: int) -> InputError:
    return InputError(
        f"{at(path, line)}: a row of {length:,} characters; no model reads that many (at most {MAX_LINE:,} here): "
        "put one example on a line, or drop this one"
    )


def _jsonl(path: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        if len(line) > MAX_LINE:
            raise _too_long(path, number, len(line))
        value = _loads(line, path, number)
        if not isinstance(value, dict):
            raise InputError(f"{at(path, number)}: expected a JSON object, found {_kind(value)}")
        yield at(path, number), value


def _loads(text: str, path: Path, line: int | None) -> Any:
    """JSON without NaN, infinity and lone surrogates, none of which can be written again."""
    try:
        value = json.loads(text, parse_constant=_refuse)
        if "\\ud" in text.lower():
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except json.JSONDecodeError as error:
        raise InputError(f"{at(path, line or error.lineno)}: not valid JSON: {error.msg}; correct it") from error
    except UnicodeEncodeError as error:
        raise InputError(f"{at(path, line)}: holds half a character (a lone surrogate); correct it") from error
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"{at(path, line)}: not usable JSON: {reason}; correct it") from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _json(path: Path, text: str, split: FileSplit | None) -> Iterator[Row]:
    value = _loads(text, path, None)
    groups: list[tuple[FileSplit | None, Any]] = [(split, value)]
    if isinstance(value, dict):
        by_split = [(split_of(name), rows) for name, rows in value.items() if isinstance(rows, list)]
        lists = [rows for rows in value.values() if isinstance(rows, list)]
        if by_split and len(by_split) == len(value) and all(name for name, _ in by_split):
            groups = list(by_split)
        elif "data" in value:
            groups = [(split, value["data"])]
        elif len(lists) == 1:
            groups = [(split, lists[0])]
    found = 0
    for name, items in groups:
        if not isinstance(items, list):
            raise InputError(
                f"{path}: expected a list of objects, or an object with one under 'data', found {_kind(items)}"
            )
        for position, item in enumerate(items, start=1):
            place = f"{path} row {position}"
            if not isinstance(item, dict):
                raise InputError(f"{place}: expected an object, found {_kind(item)}")
            for inner, values in _squad(place, item):
                found += 1
                if (length := len(json.dumps(values, ensure_ascii=False))) > MAX_LINE:
                    raise InputError(f"{inner}: has {length:,} characters; no model reads that many: drop it")
                yield Row(values, inner, name)
    if not found:
        raise InputError(f"{path}: holds no rows; give a file with one example a row")


def _squad(place: str, item: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Questions of SQuAD's nested form as rows of their own; anything else as it is."""
    paragraphs = item.get("paragraphs")
    if not isinstance(paragraphs, list):
        yield place, item
        return
    for number, paragraph in enumerate(paragraphs, start=1):
        inner = f"{place} paragraph {number}"
        if not isinstance(paragraph, dict) or not isinstance(paragraph.get("qas"), list):
            raise InputError(f"{inner}: has no list 'qas', as SQuAD's form wants it")
        for position, question in enumerate(paragraph["qas"], start=1):
            if not isinstance(question, dict):
                raise InputError(f"{inner} question {position}: expected an object, found {_kind(question)}")
            yield f"{inner} question {position}", {"context": paragraph.get("context", ""), **question}


def _table(path: Path, text: str, suffix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    import csv
    import io

    first = text.partition("\n")[0]
    delimiter = "\t" if suffix == ".tsv" else max(",;\t", key=first.count)  # spreadsheets of half the world write ';'
    csv.field_size_limit(MAX_LINE + 1)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    begun = 1
    try:
        for cells in reader:
            line, begun = begun, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = _header(path, line, cells)
                continue
            if len(cells) != len(header):
                raise InputError(
                    f"{at(path, line)}: {len(cells)} cells where the header has {len(header)}; "
                    "put cells that hold the separator into quotes"
                )
            if (length := sum(map(len, cells))) > MAX_LINE:
                raise _too_long(path, line, length)
            yield at(path, line), dict(zip(header, cells, strict=True))
    except csv.Error as error:
        if "field larger" in str(error):
            raise _too_long(path, begun, MAX_LINE + 1) from error
        raise InputError(f"{at(path, begun)}: not readable as a table: {error}; correct its quotes") from error


def _header(path: Path, line: int, cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    for position, name in enumerate(names, start=1):
        if not name and position > 1:  # pandas writes its index as a first column without a name
            raise InputError(f"{at(path, line)}: column {position} has no name; give the first line names of columns")
        if names.index(name) + 1 != position:
            raise InputError(f"{at(path, line)}: two columns are called '{name}'; rename one")
    return names


def _parquet(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    from pyarrow import parquet

    try:
        rows = parquet.read_table(path).to_pylist()
    except Exception as error:  # pyarrow raises many kinds; each means the same to the user
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: cannot be read ({reason})") from error
    for position, row in enumerate(rows, start=1):
        place = f"{path} row {position}"
        yield place, plain_values(row, place)


def plain_values(row: Mapping[str, Any], place: str) -> dict[str, Any]:
    """``row`` as JSON values, dates and decimals as text.

    Raises:
        InputError: bytes, pictures and the like, which are no text, or more of it than `MAX_LINE` characters.
    """
    try:
        text = json.dumps(row, default=_as_text, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{place}: holds what is no text ({error}); drop the column or convert it") from error
    if len(text) > MAX_LINE:
        raise InputError(f"{place}: has {len(text):,} characters; no model reads that many: drop it")
    values: dict[str, Any] = json.loads(text)
    return values


def _as_text(value: object) -> str:
    import datetime
    import decimal

    if isinstance(value, datetime.date | datetime.time | datetime.timedelta | decimal.Decimal):
        return str(value)
    raise TypeError(type(value).__name__)
