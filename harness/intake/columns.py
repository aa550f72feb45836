"""Which column is what: as the user says, else by the names that people use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from harness.exceptions import InputError, did_you_mean
from harness.intake.example import FileSplit, Row
from harness.intake.findings import shown

PROMPTS = (
    "prompt", "question", "query", "instruction", "text", "sentence", "utterance", "input", "review", "message",
    "document", "content", "body", "description", "source", "title", "request", "user", "problem", "goal", "issue",
)  # fmt: skip
ANSWERS = (
    "completion", "response", "answer", "output", "answers", "target", "chosen", "sql", "reply", "solution",
    "summary", "code", "reference", "assistant", "gold",
)  # fmt: skip
LABELS = ("label", "intent", "category", "class", "sentiment", "labels", "label_text", "topic", "emotion", "queue")
CONTEXTS = ("context", "passage", "paragraph", "article", "document", "story", "evidence", "background")
CONVERSATIONS = ("messages", "conversations", "conversation", "dialogue", "dialog")
SQL = ("sql", "sql_query", "query_sql")
IDS = ("id", "_id", "uid", "uuid", "item_id", "example_id", "qid")
_INDEX = re.compile(r"|Unnamed: \d+|__index_level_\d+__")
"""How pandas calls the numbers of rows, in a CSV file, in one that was read and written again, and in Parquet."""


@dataclass(frozen=True)
class Columns:
    """What the user says of the columns; ``None`` leaves it to their names.

    Attributes:
        prompt: what the model is asked.
        answer: the right answer.
        label: the right answer, one of few labels.
        context: passage that the answer must stand on.
        skill: what an item asks for; targets and figures are by skill.
        cluster: what items share that must not be parted over training and evaluation.
    """

    prompt: str | None = None
    answer: str | None = None
    label: str | None = None
    context: str | None = None
    skill: str | None = None
    cluster: str | None = None

    def given(self) -> dict[str, str]:
        """What was said, by its name."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) is not None}


def column_names(rows: Sequence[Row]) -> list[str]:
    """Names of all columns, in the order in which they first occur."""
    return list(dict.fromkeys(name for row in rows for name in row.values))


def is_index(name: str) -> bool:
    """Whether a column is called as pandas calls the numbers of rows; the empty name is one of a table alone."""
    return _INDEX.fullmatch(name) is not None


def check_columns(columns: Columns, names: Sequence[str]) -> None:
    """Refuse a column that there is not, and one that is named as two things.

    Raises:
        InputError: names the option and the nearest column.
    """
    for option, name in columns.given().items():
        if name not in names:
            raise InputError(f"--{option} {name}: there is no such column.{did_you_mean(name, names)}")
    if columns.answer and columns.label:
        raise InputError("--answer and --label name the same thing, the right answer; give one of them")
    taken: dict[str, str] = {}
    for option, name in columns.given().items():
        if option not in ("skill", "cluster") and (other := taken.setdefault(name, option)) != option:
            raise InputError(f"--{other} and --{option} both name '{name}'; each needs a column of its own")


def first(known: Sequence[str], names: Sequence[str], taken: Sequence[str | None] = ()) -> str | None:
    """The first of ``known`` that is a column, whatever its case, and is not taken yet."""
    by_case = {name.casefold(): name for name in reversed(names) if name not in taken}
    return next((by_case[name] for name in known if name in by_case), None)


def text_of(values: Mapping[str, Any], column: str | None) -> str | None:
    """A cell as text, stripped; ``None`` where the row lacks it or it is null. Lists and objects as JSON."""
    value = values.get(column) if column is not None else None
    if value is None:
        return None
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    import json

    return json.dumps(value, ensure_ascii=False)


def needed(row: Row, column: str) -> str:
    """A cell that every row must have.

    Raises:
        InputError: this row lacks it; names its place and what columns it has.
    """
    value = text_of(row.values, column)
    if value is None:
        there = ", ".join(list(row.values)[:8]) or "none"
        problem, remedy = f"is missing (its columns: {there})", "give every row the same columns"
        if column in row.values:
            problem, remedy = "is null", "fill it in, or 'harness data clean FILE -o OUT' drops the row"
        raise InputError(f"{row.place}: '{column}', which other rows have, {problem}; {remedy}")
    return value


def check_ids(rows: Sequence[Row], cluster: str | None = None) -> None:
    """Refuse two rows of one split with one id.

    Args:
        cluster: the column that names what belongs together; where it is that of the ids, they name groups.

    Raises:
        InputError: names both places.
    """
    column = first(IDS, column_names(rows))
    if column is None or column == cluster:
        return
    seen: dict[tuple[FileSplit | None, str], Row] = {}
    for row in rows:
        name = text_of(row.values, column)
        if not name:
            continue
        other = seen.setdefault((row.split, name), row)
        if other is not row:
            raise InputError(
                f"{row.place}: {column} '{shown(name, 60)}' is that of {other.place} too; give each row its own, drop "
                f"one, or, where ids name groups, add --cluster {column}"
            )
