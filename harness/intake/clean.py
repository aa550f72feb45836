"""A file without duplicates, conflicts and private data; each change is told.

Cleaning goes on until nothing is left to do, since one change brings about another (two rows that differ in an address
are one when it is masked). So a clean file stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from harness.exceptions import InputError
from harness.intake.check import Taken
from harness.intake.example import Example, Row
from harness.intake.fields import empty_answers, empty_prompts, spellings
from harness.intake.findings import shown
from harness.intake.records import Change, rewritten
from harness.intake.repeats import (
    Conflict,
    answer_key,
    conflicts,
    exact_duplicates,
    near_duplicates,
    near_pairs,
)
from harness.intake.secrets import find_private, mask_value, strings
from harness.storage import canonical_json, write_bytes, write_jsonl

What = Literal["masked", "empty", "unusable", "duplicate", "conflict", "near-duplicate", "label"]
Keep = Literal["none", "majority"]
Reader = Callable[[Sequence[Row]], Taken]


@dataclass(frozen=True)
class Note:
    """One change.

    Attributes:
        place: the row, as it stands in the file that was read.
        what: ``masked`` and ``label`` changed the row; the others left it out.
        why: for a reader, private data masked.
    """

    place: str
    what: What
    why: str


@dataclass(frozen=True)
class Cleaned:
    """What cleaning does to a file.

    Attributes:
        kept: rows that stay, with their new values, and their positions among those that were given.
        notes: in the order of the rows, then of the changes.
    """

    kept: tuple[tuple[int, Row], ...]
    notes: tuple[Note, ...]

    def changes(self, rows: Sequence[Row]) -> dict[int, Change]:
        """For `harness.intake.records.rewritten`."""
        stays = dict(self.kept)
        return {
            position: Change(stays[position].values if position in stays else None)
            for position, row in enumerate(rows)
            if position not in stays or stays[position].values is not row.values
        }


def clean_rows(rows: Sequence[Row], read: Reader, *, near: bool = False, keep: Keep = "none") -> Cleaned:
    """Mask private data, then leave out what is no example, what is there twice and what contradicts itself.

    Args:
        rows: of one file.
        read: takes rows as examples (`harness.intake.check.take`).
        near: leave out near-duplicates too.
        keep: of rows in conflict, ``majority`` keeps those with the answer that more than half of them give.

    Raises:
        InputError: nothing would be left, or the rows cannot be recognised.
    """
    state = list(enumerate(rows))
    notes: list[tuple[int, Note]] = []
    while True:
        before = len(notes)
        state = _masked(state, notes)
        for step in (
            _unusable,
            _empty,
            _identical,
            _duplicates,
            _contradicted(keep),
            *([_near] if near else []),
            _spelled,
        ):
            dropped = dict[int, Note]()
            changed = dict[int, tuple[Row, Note]]()
            for position, outcome, note in step(state, read):
                if outcome is None:
                    dropped.setdefault(position, note)
                else:
                    changed[position] = (outcome, note)
            notes += dropped.items()
            notes += [(position, note) for position, (_, note) in changed.items()]
            state = [
                (position, changed[position][0] if position in changed else row)
                for position, row in state
                if position not in dropped
            ]
            if not state:
                raise InputError(
                    "nothing would be left: every row is empty, of no use or contradicts another; correct them first"
                )
        if len(notes) == before:
            ordered = [note for _, note in sorted(notes, key=lambda pair: pair[0])]
            return Cleaned(tuple(state), tuple(ordered))


State = list[tuple[int, Row]]
Outcomes = Iterator[tuple[int, Row | None, Note]]


def _masked(state: State, notes: list[tuple[int, Note]]) -> State:
    new = []
    for position, row in state:
        try:
            values = mask_value(row.values)
        except RecursionError as error:
            raise InputError(f"{row.place}: nested too deeply; drop the row") from error
        if values is not row.values:
            notes.append((position, Note(row.place, "masked", _kinds(row.values))))
            row = replace(row, values=values)
        new.append((position, row))
    return new


def _kinds(values: Mapping[str, Any]) -> str:
    """``email in 'text'; iban, phone in 'notes'``."""
    found = {
        column: sorted({private.kind.replace("_", " ") for text in strings(value) for private in find_private(text)})
        for column, value in values.items()
    }
    return "; ".join(f"{', '.join(kinds)} in '{shown(str(column), 40)}'" for column, kinds in found.items() if kinds)


def _unusable(state: State, read: Reader) -> Outcomes:
    """Rows that are no example: of another form than the others, or conversations without an answer to a user."""
    taken = read([row for _, row in state])
    shape, refused = taken.shape, {id(row): str(error) for row, error in taken.refused}
    used = {id(example.row) for example in taken.examples}
    for position, row in state:
        lacking = [
            what
            for what, column in (("question", shape.prompt), ("answer", shape.answer))
            if column in row.values and row.values[column] is None
        ]
        if id(row) in refused and lacking:
            yield position, None, Note(row.place, "empty", f"it has no {' and no '.join(lacking)}")
        elif id(row) in refused:
            why = refused[id(row)].removeprefix(row.place).lstrip(":, ")
            yield position, None, Note(row.place, "unusable", shown(why, 300))
        elif id(row) not in used:
            yield position, None, Note(row.place, "unusable", "it holds no answer to a question")


def _empty(state: State, read: Reader) -> Outcomes:
    """Rows without a question or without an answer."""
    examples, position_of = _read(state, read)
    for lacking, what in ((empty_prompts(examples), "question"), (empty_answers(examples), "answer")):
        for example in lacking:
            yield position_of[id(example.row)], None, Note(example.place, "empty", f"it has no {what}")


def _identical(state: State, _: Reader) -> Outcomes:
    """Rows that repeat another in every column, also those that are no example."""
    seen: dict[str, Row] = {}
    for position, row in state:
        first = seen.setdefault(canonical_json(dict(row.values)), row)
        if first is not row:
            yield position, None, Note(row.place, "duplicate", f"repeats {first.place}")


def _read(state: State, read: Reader) -> tuple[Sequence[Example], dict[int, int]]:
    """The examples, and the position of each row by its id."""
    return read([row for _, row in state]).examples, {id(row): position for position, row in state}


def _duplicates(state: State, read: Reader) -> Outcomes:
    examples, position_of = _read(state, read)
    for repeat in exact_duplicates(examples):
        row = examples[repeat.position].row
        yield position_of[id(row)], None, Note(row.place, "duplicate", f"repeats {examples[repeat.of].place}")


def _near(state: State, read: Reader) -> Outcomes:
    examples, position_of = _read(state, read)
    for repeat in near_duplicates(examples, near_pairs(examples)):
        row = examples[repeat.position].row
        why = f"nearly repeats {examples[repeat.of].place} ({repeat.alike:.2f} of its runs of words)"
        yield position_of[id(row)], None, Note(row.place, "near-duplicate", why)


def _contradicted(keep: Keep) -> Callable[[State, Reader], Outcomes]:
    def outcomes(state: State, read: Reader) -> Outcomes:
        examples, position_of = _read(state, read)
        for conflict in conflicts(examples):
            for place in _wrong(conflict, examples, keep):
                row = examples[place].row
                other = next(p for p in conflict.positions if answer_key(examples[p].answer) != _key(examples, place))
                why = f"another answer than {examples[other].place} to the same question"
                yield position_of[id(row)], None, Note(row.place, "conflict", why)

    return outcomes


def _key(examples: Sequence[Example], place: int) -> str:
    return answer_key(examples[place].answer)


def _wrong(conflict: Conflict, examples: Sequence[Example], keep: Keep) -> list[int]:
    kept = conflict.majority if keep == "majority" else None
    return [place for place in conflict.positions if kept is None or _key(examples, place) != kept]


def _spelled(state: State, read: Reader) -> Outcomes:
    """Labels in their most frequent spelling, where they are a column of their own."""
    examples, position_of = _read(state, read)
    for spelling in spellings(examples):
        if spelling.column is None:
            continue
        label = spelling.written[0][0]
        for row in spelling.rows:
            why = f"'{shown(str(row.values[spelling.column]), 40)}' is written '{shown(label, 40)}' elsewhere"
            new = replace(row, values={**row.values, spelling.column: label})
            yield position_of[id(row)], new, Note(row.place, "label", why)


def changes_file(out: Path) -> Path:
    """Where the changes are listed."""
    return out.with_name(out.name + ".changes.jsonl")


def check_output(file: Path, out: Path) -> None:
    """Refuse an output that is the file itself or of another format.

    Raises:
        InputError: says what to name instead.
    """
    if not file.is_file():
        raise InputError(f"{file}: no such file; a file is cleaned, not a folder or a data set id")
    if out.suffix.lower() != file.suffix.lower():
        raise InputError(f"{out}: the format stays {file.suffix}; name the output so")
    if out.is_dir():
        raise InputError(f"{out}: is a folder; name a file")
    for path in (out, changes_file(out)):
        if path.resolve() == file.resolve() or (path.exists() and path.samefile(file)):
            raise InputError(f"{path}: is the file that is read; name another with -o")


def write_cleaned(file: Path, out: Path, rows: Sequence[Row], cleaned: Cleaned) -> None:
    """Write the clean file, then the list of changes beside it; both whole or not at all.

    Raises:
        InputError: the file cannot be taken apart record by record; nothing is written.
        EnvironmentFault: the disk is full or the folder cannot be written.
    """
    data = rewritten(file, rows, cleaned.changes(rows))
    write_jsonl(changes_file(out), [asdict(note) for note in cleaned.notes])
    try:
        write_bytes(out, data)
    except BaseException:
        changes_file(out).unlink(missing_ok=True)
        raise
