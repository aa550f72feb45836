"""Rows of every kind of file that people have, and one line for each that cannot be used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.exceptions import EnvironmentFault, InputError
from harness.intake.hub import looks_like_id
from harness.intake.read import MAX_LINE, read_rows, split_of

ROWS = [{"prompt": "Höhe?", "answer": "2"}, {"prompt": "b", "answer": "c, d"}]
Write = Callable[[str, bytes | str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, content: bytes | str) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def jsonl(rows: list[dict[str, str]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def values(source: str) -> list[object]:
    return [dict(row.values) for row in read_rows(source)]


def refusal(source: str) -> str:
    with pytest.raises(InputError) as caught:
        read_rows(source)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", jsonl(ROWS)),
        ("a.ndjson", "\n" + jsonl(ROWS) + "\n\n"),
        ("a.jsonl", jsonl(ROWS).replace("\n", "\r\n")),
        ("a.jsonl", "\ufeff" + jsonl(ROWS)),
        ("a.json", json.dumps(ROWS)),
        ("a.json", json.dumps({"version": 1, "data": ROWS})),
        ("a.json", json.dumps({"rows": ROWS})),
        ("a.csv", 'prompt,answer\nHöhe?,2\nb,"c, d"\n'),
        ("a.csv", '\ufeffprompt,answer\r\nHöhe?,2\r\n\r\nb,"c, d"\r\n'),
        ("a.csv", "prompt;answer\nHöhe?;2\nb;c, d\n"),
        ("a.tsv", "prompt\tanswer\nHöhe?\t2\nb\tc, d\n"),
    ],
)
def test_each_kind_of_file_gives_the_same_rows(name: str, content: str, write: Write) -> None:
    assert values(write(name, content)) == ROWS


def test_parquet_gives_the_same_rows(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    rows = read_rows(str(tmp_path / "a.parquet"))
    assert [dict(row.values) for row in rows] == ROWS
    assert rows[1].place.endswith("a.parquet row 2")


def test_a_row_knows_its_line(write: Write) -> None:
    first, second = read_rows(write("a.csv", 'prompt,answer\n"two\nlines",2\nb,c\n'))
    assert (first.place.rpartition(":")[2], second.place.rpartition(":")[2]) == ("2", "4")
    assert first.split is None


def test_the_index_that_pandas_writes_has_no_name_and_is_kept_apart(write: Write) -> None:
    source = write("a.csv", ',prompt,answer\n0,Höhe?,2\n1,b,"c, d"\n')
    assert values(source) == [{"": str(place), **row} for place, row in enumerate(ROWS)]


def test_formulas_are_text(write: Write) -> None:
    cells = ["=1+1", "+SUM(A1)", "-2", '@cmd|"/c calc"!A1']
    source = write(
        "a.csv", "prompt,answer\n" + "".join(f'"{cell.replace(chr(34), chr(34) * 2)}",x\n' for cell in cells)
    )
    assert [row.values["prompt"] for row in read_rows(source)] == cells


def test_squads_nesting_becomes_one_row_a_question(write: Write) -> None:
    question = {"id": "1", "question": "Who?", "answers": [{"text": "Ada", "answer_start": 0}]}
    source = write(
        "a.json", json.dumps({"data": [{"title": "t", "paragraphs": [{"context": "Ada.", "qas": [question]}]}]})
    )
    (row,) = read_rows(source)
    assert row.values == {"context": "Ada.", **question}
    assert row.place.endswith("row 1 paragraph 1 question 1")


def test_an_object_of_splits_keeps_them(write: Write) -> None:
    rows = read_rows(write("a.json", json.dumps({"train": ROWS, "test": ROWS[:1]})))
    assert [row.split for row in rows] == ["train", "train", "test"]


def test_files_of_a_folder_keep_the_split_that_they_are_named_for(write: Write, tmp_path: Path) -> None:
    for name in ("d/train.jsonl", "d/valid_100.jsonl", "d/mails-test.jsonl", "d/notes.jsonl", "d/.cache/train.jsonl"):
        write(name, jsonl(ROWS[:1]))
    assert [row.split for row in read_rows(str(tmp_path / "d"))] == ["test", "train", "validation"]


def test_a_folder_without_names_of_splits_is_read_whole(write: Write, tmp_path: Path) -> None:
    for name in ("d/one.jsonl", "d/two.csv"):
        write(name, jsonl(ROWS) if name.endswith("l") else "prompt,answer\na,b\n")
    assert [row.split for row in read_rows(str(tmp_path / "d"))] == [None] * 3


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.csv", "train"), ("training-00000-of-1.parquet", "train"), ("validate.jsonl", "validation"),
        ("my_dev.json", "validation"), ("VAL.csv", "validation"), ("test_400.jsonl", "test"), ("latest.csv", None),
        ("trained.csv", None), ("contest.json", None),
    ],
)  # fmt: skip
def test_a_name_says_its_split(name: str, split: str | None) -> None:
    assert split_of(name) == split


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", b"", "a.jsonl: is empty"),
        ("a.csv", b"prompt,answer\n", "a.csv: is empty"),
        ("a.json", b"[]", "a.json: holds no rows"),
        ("a.json", b"3", "expected a list of objects"),
        ("a.jsonl", b'{"a": 1}\n{"a": \n', "a.jsonl:2: not valid JSON"),
        ("a.jsonl", b'{"a": 1}\n[1]\n', "a.jsonl:2: expected a JSON object, found a list"),
        ("a.jsonl", b'{"a": NaN}\n', "a.jsonl:1: not usable JSON: NaN"),
        ("a.jsonl", b'{"a": "\\ud800"}\n', "a.jsonl:1: holds half a character"),
        ("a.jsonl", b'{"a": ' + b"[" * 100_000, "a.jsonl:1: not usable JSON: nested too deeply"),
        ("a.jsonl", b'{"a": 1}\n{"a": "\xe9"}\n', "a.jsonl:2: byte 0xe9 is not UTF-8"),
        ("a.jsonl", '{"a": 1}'.encode("utf-16"), "a.jsonl:1: is UTF-16"),
        ("a.jsonl", b'{"a": 1}\n\xef\xbb\xbf{"a": 2}\n', "a.jsonl:2: has a byte order mark"),
        ("a.csv", b"a,b\n1,\x00\n", "a.csv:2: has a NUL byte"),
        ("a.csv", b"a,b\n1,2,3\n", "a.csv:2: 3 cells where the header has 2"),
        ("a.csv", b'a,b\n1,2\n3,"4\n5,6\n', "a.csv:3: not readable as a table"),
        ("a.csv", b"a,a\n1,2\n", "a.csv:1: two columns are called 'a'"),
        ("a.csv", b"a,\n1,2\n", "a.csv:1: column 2 has no name"),
        ("a.parquet", b"PAR1 no", "a.parquet: cannot be read"),
        ("a.txt", b"hello", "rows are read from"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line_with_its_place(
    name: str, content: bytes, says: str, write: Write
) -> None:
    assert says in refusal(write(name, content))


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.json"])
def test_a_line_of_ten_megabytes_is_named(name: str, write: Write) -> None:
    long = "x" * 10_000_000
    row = json.dumps({"a": long})
    content = {"a.jsonl": f'{{"a": "b"}}\n{row}\n', "a.csv": f"a,b\n1,2\n{long},3\n", "a.json": f"[{row}]"}[name]
    message = refusal(write(name, content))
    assert "no model reads that many" in message
    assert len(message) < 400
    assert {"a.jsonl": "a.jsonl:2", "a.csv": "a.csv:3", "a.json": "a.json row 1"}[name] in message
    assert len(long) > MAX_LINE


def test_two_files_of_one_name_are_refused(write: Write, tmp_path: Path) -> None:
    write("d/train.jsonl", jsonl(ROWS))
    write("d/train.csv", "prompt,answer\na,b\n")
    assert "has the same name" in refusal(str(tmp_path / "d"))


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no such file or folder" in refusal(str(tmp_path / "no.jsonl"))
    for name in ("mails.jsonl", "mails.xlsx", "data/mails.csv", "data/mails.xlsx", "mails.cvs", "./mails", "/mails"):
        assert f"{name}: no such file or folder. Give a file, a folder or a data set id" in refusal(name)
    assert "holds no .jsonl" in refusal(str(tmp_path / "empty"))


def test_the_nearest_file_is_named(write: Write) -> None:
    source = write("mails.csv", "prompt,answer\na,b\n")
    assert refusal(source.replace("mails", "mail")).endswith("no such file or folder. Did you mean 'mails.csv'?")


def test_a_spreadsheet_is_to_be_saved_as_csv(write: Write) -> None:
    assert refusal(write("a.xlsx", b"PK")).endswith("files; save it as CSV")


@pytest.mark.parametrize("name", ["squad", "owner/name-v1.1", "owner/name:configuration.v2", "glue:mrpc", "a/b.en:c"])
def test_names_of_data_sets_are_looked_for_as_such(name: str) -> None:
    assert looks_like_id(name)


def test_an_unreadable_file_is_said(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    source = write("a.jsonl", jsonl(ROWS))
    monkeypatch.setattr(Path, "read_bytes", refuse)  # root reads every file
    assert "a.jsonl: cannot be read: Permission denied" in refusal(source)


def test_a_data_set_out_of_reach_names_the_remedy() -> None:
    with pytest.raises(EnvironmentFault, match=r"hf download --repo-type dataset owner/no-such-set --local-dir FOLDER"):
        read_rows("owner/no-such-set")
