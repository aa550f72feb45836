"""Rows of a benchmark from local files: what a hub would have sent, so that lm-eval's own task can ask them.

A file is the split that is evaluated. In a folder a file's name, or its folder's, begins or ends with its split
(``test.jsonl``, ``validation-00000-of-00001.parquet``, ``dev/anatomy_dev.csv``); a file that names none is the split
that is evaluated. Copies that are not quite in the hub's form are brought to it (`FAMILIES`).
"""

from __future__ import annotations

import ast
import csv
import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.exceptions import InputError, at
from harness.storage import read_jsonl

Row = dict[str, Any]
SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")
_SPLITS = {"training": "train", "valid": "validation", "val": "validation"}
_NAMES = "training|train|test|validation|valid|val|dev"
_SPLIT = re.compile(rf"^({_NAMES})(?=$|[_\-.\d])|[_\-.]({_NAMES})$")
_SENTENCE_END = re.compile(r"[.!?][\"')]*\s+(?=\S)")


@dataclass(frozen=True)
class Family:
    """Tasks whose rows have one form.

    Attributes:
        origin: the data set of the hub that has it.
        columns: that a row must have.
        adapt: brings a row to the hub's form.
        folder: where lm-eval keeps them, below its own tasks; only to find them sooner.
        subject: name of the column that says which task of a group a row belongs to; empty where all belong to each.
    """

    origin: str
    columns: tuple[str, ...]
    adapt: Callable[[Row], Row] = dict
    folder: str = ""
    subject: str = ""


def _arc(row: Row) -> Row:
    question: Any = row["question"]
    choices: Any = row.get("choices")
    if isinstance(question, Mapping):  # as AI2 first published them
        question, choices = question["stem"], question["choices"]
    if isinstance(choices, Sequence) and not isinstance(choices, str):
        choices = {name: [choice[name] for choice in choices] for name in ("text", "label")}
    answer = str(row["answerKey"])
    if answer not in choices["label"] or len(choices["label"]) != len(choices["text"]):
        raise ValueError(f"its choices have no '{answer}'")
    return {**row, "question": question, "choices": choices, "answerKey": answer}


def _hellaswag(row: Row) -> Row:
    if "ctx_a" in row and "ctx_b" in row:
        return row
    # lm-eval capitalises ctx_b, the beginning of the sentence that the ending completes. In ctx it is what stands
    # behind the last full sentence, if it begins in lower case; of captions alone, a how-to text has none.
    context = str(row["ctx"]).strip()
    ends = [match.end() for match in _SENTENCE_END.finditer(context)]
    if ends and context[ends[-1]].islower() and context[-1] not in ".!?\"'":
        return {**row, "ctx_a": context[: ends[-1]].rstrip(), "ctx_b": context[ends[-1] :]}
    return {**row, "ctx_a": context, "ctx_b": ""}


def _truthful(column: str) -> Callable[[Row], Row]:
    def adapt(row: Row) -> Row:
        targets = row[column]
        if "choices" not in targets:  # as its authors publish them: the answer, and whether it is true
            targets = {"choices": list(targets), "labels": [int(label) for label in targets.values()]}
        if column == "mc1_targets" and targets["labels"][0] != 1:
            raise ValueError("its first choice is not the true one, as lm-eval takes it to be")
        return {"question": row["question"], column: targets}

    return adapt


def _mmlu(row: Row) -> Row:
    choices = row["choices"] if "choices" in row else [str(row[letter]) for letter in "ABCD"]
    answer = row["answer"]
    if isinstance(answer, str):
        answer = "ABCD".index(answer) if answer in tuple("ABCD") else int(answer)
    return {**row, "question": str(row["question"]), "choices": [str(choice) for choice in choices], "answer": answer}


_ARC = Family("allenai/ai2_arc", ("question", "answerKey"), _arc, "arc")
_TRUTHFUL = "truthfulqa/truthful_qa"
FAMILIES: Mapping[str, Family] = {
    "arc_easy": _ARC,
    "arc_challenge": _ARC,
    "hellaswag": Family("Rowan/hellaswag", ("activity_label", "endings", "label"), _hellaswag, "hellaswag"),
    "truthfulqa_mc1": Family(_TRUTHFUL, ("question", "mc1_targets"), _truthful("mc1_targets"), "truthfulqa"),
    "truthfulqa_mc2": Family(_TRUTHFUL, ("question", "mc2_targets"), _truthful("mc2_targets"), "truthfulqa"),
    "mmlu": Family("cais/mmlu", ("question", "answer"), _mmlu, "mmlu/default", "subject"),
}
_ANY = Family("its own data set", ())


def family_of(task: str) -> Family:
    """The form of a task's rows; any, for a task that is not in `FAMILIES`."""
    return FAMILIES.get(task) or (FAMILIES["mmlu"] if task.startswith("mmlu_") else _ANY)


def load(task: str, path: str, splits: Sequence[str], subject: str | None = None, **_: Any) -> dict[str, Any]:
    """lm-eval's ``custom_dataset``: the rows of ``task`` as `datasets.Dataset` by split.

    A task file of one's own can use it, too::

        include: PATH_OF_LM_EVAL/tasks/arc/arc_easy.yaml
        task: my_arc
        custom_dataset: !function harness.evaluation.local_rows.load
        dataset_kwargs: {task: arc_easy, path: arc.jsonl, splits: [test]}
        training_split: null
        validation_split: null

    Args:
        task: lm-eval's name of it.
        path: file or folder.
        splits: the one that is evaluated first; the others may be missing and are empty then.
        subject: lm-eval's ``dataset_name``: a sub-folder of ``path``, or the value of the family's subject column.
        _: what lm-eval adds of a task's metadata; not used.

    Raises:
        InputError: as `local_rows`, or no row is left of the first split.
    """
    from datasets import Dataset

    return {split: Dataset.from_list(rows) for split, rows in local_rows(task, Path(path), splits, subject).items()}


def local_rows(task: str, path: Path, splits: Sequence[str], subject: str | None = None) -> dict[str, list[Row]]:
    """The rows of each of ``splits`` in the hub's form; arguments as for `load`.

    Raises:
        InputError: nothing there, a file that cannot be read, rows without the task's columns; names file and row.
    """
    family = family_of(task)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder with rows of {task}")
    if subject and (path / subject).is_dir():
        path = path / subject
    found: dict[str, list[Row]] = {split: [] for split in splits}
    seen: list[str] = []
    for file, split in _files(path, splits[0]):
        if split not in found:
            continue
        rows = _rows(file, file.stat().st_mtime_ns)
        lacking = next(
            (f"row {n} has no '{c}'" for n, row in enumerate(rows, 1) for c in family.columns if c not in row), ""
        )
        if lacking and path.is_dir():
            seen.append(f"{file.name}: {lacking}")
            continue  # another data set's, or another task's: a folder may hold several
        if lacking:
            raise InputError(f"{file}: {lacking}; {task} needs rows as {family.origin} has them")
        for number, row in enumerate(rows, 1):
            if subject and family.subject and row.get(family.subject, subject) != subject:
                continue
            try:
                found[split].append(family.adapt(row))
            except (KeyError, TypeError, ValueError, IndexError) as error:
                reason = f"{type(error).__name__}: {error}"
                raise InputError(f"{file}: row {number} is not as {family.origin} has them ({reason})") from error
    if not found[splits[0]]:
        of = f" of '{subject}'" if subject and family.subject else ""
        why = f" ({'; '.join(seen[:3])})" if seen else ""
        raise InputError(f"{path}: holds no '{splits[0]}' rows{of} for {task}{why}; name its file or folder")
    return found


def _files(path: Path, default: str) -> Iterator[tuple[Path, str]]:
    """The files of rows in ``path`` with their splits, in order; ``default`` for one that names none."""
    if path.is_file():
        yield path, default
        return
    for file in sorted(file for file in path.rglob("*") if file.is_file() and file.suffix.lower() in SUFFIXES):
        if any(part.startswith(".") for part in file.relative_to(path).parts):
            continue
        yield file, next(filter(None, map(_split, reversed(file.relative_to(path).parts))), default)


def _split(part: str) -> str:
    """The split that a file or folder name says; empty for none."""
    stem = Path(part).stem if Path(part).suffix.lower() in SUFFIXES else part
    match = _SPLIT.search(stem.lower())
    name = (match[1] or match[2]) if match else ""
    return _SPLITS.get(name, name)


@functools.lru_cache(maxsize=4)  # a group asks for the same file once for each of its tasks
def _rows(path: Path, changed: int) -> list[Row]:
    return read_rows(path)


def read_rows(path: Path) -> list[Row]:
    """The rows of a JSONL, JSON (a list of objects), CSV (with a header; nested cells as JSON) or Parquet file.

    Raises:
        InputError: it cannot be read, or is of another kind; names file and line where there is one.
    """
    suffix = path.suffix.lower()
    if suffix == ".jsonl":
        return read_jsonl(path)
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: rows are read from {', '.join(SUFFIXES)} files; convert it")
    try:
        if suffix == ".parquet":
            from pyarrow import parquet

            rows: Any = parquet.read_table(path).to_pylist()
        elif suffix == ".csv":
            with path.open(encoding="utf-8-sig", newline="") as stream:
                rows = [{name: _cell(value) for name, value in row.items()} for row in csv.DictReader(stream)]
        else:
            rows = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise InputError(f"{at(path, error.lineno)}: not JSON ({error.msg}); correct the file") from error
    except Exception as error:  # pyarrow and csv raise many kinds; each means the same to the user
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: cannot be read ({reason})") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{path}: expected a list of objects")
    return rows


def _cell(value: Any) -> Any:
    """A CSV cell: JSON or a Python literal where it looks like a list or an object, else the text."""
    if not isinstance(value, str) or value[:1] not in ("[", "{"):
        return value
    for read in (json.loads, ast.literal_eval):
        try:
            return read(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return value
