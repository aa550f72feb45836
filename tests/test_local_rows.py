"""Rows of benchmarks from files of any kind: which files of a folder, which split, which form."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import pytest

from harness.evaluation.guards import local_domain
from harness.evaluation.local_rows import local_rows, read_rows
from harness.exceptions import InputError

Row = dict[str, Any]

ARC = [
    {"question": f"Which is {n}?", "choices": {"text": ["one", "two"], "label": ["A", "B"]}, "answerKey": "B"}
    for n in range(3)
]


def write_jsonl(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(
            {k: json.dumps(v) if isinstance(v, (dict, list)) else v for k, v in row.items()} for row in rows
        )
    return path


def write_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    datasets.Dataset.from_list([dict(row) for row in rows]).to_parquet(str(path))
    return path


def write_json(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text(json.dumps(list(rows)), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.jsonl", write_jsonl), ("a.json", write_json), ("a.csv", write_csv), ("a.parquet", write_parquet)],
)
def test_rows_are_read_from_each_kind_of_file(tmp_path: Path, name: str, write: Callable[..., Path]) -> None:
    assert local_rows("arc_easy", write(tmp_path / name, ARC), ["test"]) == {"test": ARC}


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("test.jsonl", ""), ("TEST-00000-of-00001.jsonl", ""), ("arc_test.jsonl", ""), ("rows.jsonl", "test"),
        ("rows.jsonl", ""), ("test.jsonl", "data"),
    ],
)  # fmt: skip
def test_a_folders_files_say_their_split(tmp_path: Path, name: str, folder: str) -> None:
    write_jsonl(tmp_path / folder / name, ARC)
    write_jsonl(tmp_path / "train.jsonl", ARC[:1])
    write_jsonl(tmp_path / "auxiliary_train.jsonl", ARC[:1])
    write_jsonl(tmp_path / "validation.jsonl", ARC[:2])
    write_jsonl(tmp_path / ".hidden" / "test.jsonl", ARC)
    (tmp_path / "README.md").write_text("rows\n")
    assert local_rows("arc_easy", tmp_path, ["test"]) == {"test": ARC}


def test_files_of_another_task_in_the_folder_are_passed_over(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "generation.jsonl", [{"question": "q", "best_answer": "a"}])
    write_jsonl(tmp_path / "mc.jsonl", [{"question": "q", "mc1_targets": {"yes": 1, "no": 0}}])
    found = local_rows("truthfulqa_mc1", tmp_path, ["validation"])["validation"]
    assert found == [{"question": "q", "mc1_targets": {"choices": ["yes", "no"], "labels": [1, 0]}}]


def test_arc_as_ai2_first_published_it(tmp_path: Path) -> None:
    stem = {"stem": "Which?", "choices": [{"text": "one", "label": "1"}, {"text": "two", "label": "2"}]}
    path = write_jsonl(tmp_path / "a.jsonl", [{"id": "x", "question": stem, "answerKey": 2}])
    (row,) = local_rows("arc_easy", path, ["test"])["test"]
    assert row == {
        "id": "x", "question": "Which?", "choices": {"text": ["one", "two"], "label": ["1", "2"]}, "answerKey": "2",
    }  # fmt: skip


@pytest.mark.parametrize("answer", ["C", "2", 2])
def test_mmlu_with_lettered_columns(tmp_path: Path, answer: Any) -> None:
    row = {"question": "Which?", "A": "w", "B": "x", "C": "y", "D": 4, "answer": answer}
    (found,) = local_rows("mmlu_anatomy", write_csv(tmp_path / "a.csv", [row]), ["test"], "anatomy")["test"]
    assert (found["choices"], found["answer"]) == (["w", "x", "y", "4"], 2)


def test_a_sub_folder_named_like_the_subject_is_taken_alone(tmp_path: Path) -> None:
    row = {"question": "Which?", "choices": ["a", "b", "c", "d"], "answer": 0}
    write_jsonl(tmp_path / "anatomy" / "test.jsonl", [{**row, "question": "anatomy?"}])
    write_jsonl(tmp_path / "virology" / "test.jsonl", [{**row, "question": "virology?"}])
    (found,) = local_rows("mmlu_anatomy", tmp_path, ["test", "dev"], "anatomy")["test"]
    assert found["question"] == "anatomy?"


@pytest.mark.parametrize(
    ("context", "parts"),
    [
        ("A man sits. he", ("A man sits.", "he")),
        ("A man sits! the man in blue", ("A man sits!", "the man in blue")),
        ("A man sits.", ("A man sits.", "")),
        ("how to bake a cake", ("how to bake a cake", "")),  # no sentence before it: nothing to cut
        ("A man sits. Then he", ("A man sits. Then he", "")),  # begins in upper case already
        ("Mix it. Let it stand for 5 min.", ("Mix it. Let it stand for 5 min.", "")),
    ],
)
def test_hellaswags_context_is_cut_where_the_unfinished_sentence_begins(
    tmp_path: Path, context: str, parts: tuple[str, str]
) -> None:
    row = {"activity_label": "a", "ctx": context, "endings": ["x", "y"], "label": "1"}
    (found,) = local_rows("hellaswag", write_jsonl(tmp_path / "a.jsonl", [row]), ["validation"])["validation"]
    assert (found["ctx_a"], found["ctx_b"]) == parts
    given = {**row, "ctx_a": "A.", "ctx_b": "b"}
    (found,) = local_rows("hellaswag", write_jsonl(tmp_path / "b.jsonl", [given]), ["validation"])["validation"]
    assert found == given


@pytest.mark.parametrize(
    ("task", "rows", "message"),
    [
        ("arc_easy", [{"question": "q"}], "{path}: row 1 has no 'answerKey'; arc_easy needs rows as allenai/ai2_arc"),
        ("arc_easy", [{**ARC[0], "choices": 3}], "{path}: row 1 is not as allenai/ai2_arc has them (TypeError"),
        ("arc_easy", [ARC[1], {**ARC[0], "answerKey": "C"}], "{path}: row 2 is not as allenai/ai2_arc has them (Va"),
        ("mmlu", [{"question": "q", "choices": [1], "answer": "Z"}], "{path}: row 1 is not as cais/mmlu has them (V"),
        ("truthfulqa_mc1", [{"question": "q", "mc1_targets": {"a": 0, "b": 1}}], "{path}: row 1 is not as truthful"),
        ("arc_easy", [], "{path}: holds no 'test' rows for arc_easy; name its file or folder"),
    ],
)  # fmt: skip
def test_rows_that_do_not_fit_are_refused_with_their_place(
    tmp_path: Path, task: str, rows: Sequence[Row], message: str
) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", rows)
    with pytest.raises(InputError) as caught:
        local_rows(task, path, ["test"])
    assert str(caught.value).startswith(message.format(path=path))


def test_a_folder_without_the_rows_says_what_it_holds(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "other.jsonl", [{"text": "x"}])
    with pytest.raises(InputError) as caught:
        local_rows("arc_easy", tmp_path, ["test"])
    assert str(caught.value) == (
        f"{tmp_path}: holds no 'test' rows for arc_easy (other.jsonl: row 1 has no 'question'); name its file or folder"
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "x", "rows are read from .jsonl, .json, .csv, .parquet files; convert it"),
        ("a.json", "{", ":1: not JSON (Expecting property name enclosed in double quotes); correct the file"),
        ("a.json", '{"a": 1}', "expected a list of objects"),
        ("a.parquet", "no parquet", "cannot be read ("),
    ],
)
def test_files_that_cannot_be_read_are_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        read_rows(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        local_domain("arc_easy", tmp_path / "gone.jsonl", [])
    assert str(caught.value) == f"{tmp_path / 'gone.jsonl'}: no such file or folder with rows of arc_easy"
