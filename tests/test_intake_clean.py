"""Cleaning: what is left out and masked, in each format; a clean file stays as it is and passes its checks."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from intake_examples import WORDS

from harness.exceptions import EnvironmentFault, InputError
from harness.intake.card import data_card
from harness.intake.check import take
from harness.intake.clean import Cleaned, changes_file, check_output, clean_rows, write_cleaned
from harness.intake.read import read_rows

STORY = "the blue kettle that my aunt sent from Porto last week boils over whenever the lid is closed too tightly"
ROWS = [
    {"prompt": "Why is the sky blue?", "answer": "Because of scattering."},
    {"prompt": "Mail jane@example.org or me", "answer": "It is done."},
    {"prompt": "Why is the  sky blue?", "answer": "Because of scattering."},
    {"prompt": "How far is the moon?", "answer": "Very far."},
    {"prompt": "how far is the moon", "answer": "Not far at all."},
    {"prompt": "How far is the Moon?", "answer": "very far"},
    {"prompt": STORY, "answer": "Open it."},
    {"prompt": STORY.replace("blue", "red"), "answer": "Open it."},
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, indent=2) + "\n")
    elif path.suffix == ".parquet":
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        with path.open("w", newline="", encoding="utf-8") as stream:
            table = csv.DictWriter(stream, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            table.writeheader()
            table.writerows(rows)
    return path


def clean(file: Path, out: Path, **options: Any) -> Cleaned:
    rows = read_rows(str(file))
    cleaned = clean_rows(rows, take, **options)
    check_output(file, out)
    write_cleaned(file, out, rows, cleaned)
    return cleaned


def kept(path: Path) -> list[str]:
    return [str(row.values["prompt"]) for row in read_rows(str(path))]


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".tsv", ".parquet"])
def test_each_format_keeps_columns_and_order(tmp_path: Path, suffix: str) -> None:
    file, out = write(tmp_path / f"a{suffix}", ROWS), tmp_path / f"b{suffix}"
    before = file.read_bytes()
    clean(file, out)
    assert file.read_bytes() == before
    assert kept(out) == [ROWS[0]["prompt"], "Mail [EMAIL] or me", STORY, STORY.replace("blue", "red")]
    assert list(read_rows(str(out))[0].values) == ["prompt", "answer"]
    notes = [json.loads(line) for line in changes_file(out).read_text().splitlines()]
    assert [(Path(note["place"]).name.replace(" row ", ":"), note["what"]) for note in notes] == [
        (f"a{suffix}:{place}", what)
        for place, what in (
            zip((2, 3, 4, 5, 6), ("masked", "duplicate", "conflict", "conflict", "conflict"), strict=True)
            if suffix in (".jsonl", ".json", ".parquet")
            else zip((3, 4, 5, 6, 7), ("masked", "duplicate", "conflict", "conflict", "conflict"), strict=True)
        )
    ]
    assert notes[0]["why"] == "email in 'prompt'"
    assert "jane" not in out.with_name(out.name).read_bytes().decode("utf-8", "replace")
    assert "jane" not in changes_file(out).read_text()


def test_the_majority_of_a_conflict_can_stay(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", ROWS)
    clean(file, tmp_path / "b.jsonl", keep="majority")
    assert [prompt for prompt in kept(tmp_path / "b.jsonl") if "oon" in prompt] == [
        "How far is the moon?",
        "How far is the Moon?",
    ]
    tied = write(tmp_path / "c.jsonl", [*ROWS[:2], *ROWS[3:5]])
    clean(tied, tmp_path / "d.jsonl", keep="majority")
    assert not any("oon" in prompt for prompt in kept(tmp_path / "d.jsonl"))


def test_near_duplicates_go_when_asked(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", ROWS)
    cleaned = clean(file, tmp_path / "b.jsonl", near=True)
    assert kept(tmp_path / "b.jsonl")[-1] == STORY
    assert cleaned.notes[-1].what == "near-duplicate"


def test_rows_that_are_one_when_masked_are_duplicates(tmp_path: Path) -> None:
    rows = [{"prompt": f"Write to {name}@example.org", "answer": "Done."} for name in ("ann", "bob")]
    cleaned = clean(write(tmp_path / "a.jsonl", [*rows, ROWS[0]]), tmp_path / "b.jsonl")
    assert kept(tmp_path / "b.jsonl") == ["Write to [EMAIL]", "Why is the sky blue?"]
    assert [note.what for note in cleaned.notes] == ["masked", "masked", "duplicate"]


def test_a_label_is_written_as_most_rows_write_it(tmp_path: Path) -> None:
    rows = [
        {"text": f"number {n} of them", "label": label}
        for n, label in enumerate(["yes", "no", "Yes", "yes", "no", "yes"])
    ]
    cleaned = clean(write(tmp_path / "a.csv", rows), tmp_path / "b.csv")
    assert [row.values["label"] for row in read_rows(str(tmp_path / "b.csv"))] == [
        "yes",
        "no",
        "yes",
        "yes",
        "no",
        "yes",
    ]
    assert [note.what for note in cleaned.notes] == ["label"]


def test_rows_without_a_change_keep_their_bytes(tmp_path: Path) -> None:
    lines = [
        b'\xef\xbb\xbf{"prompt":"a  b",   "answer": "\\u00e9x"}\r\n',
        b"\r\n",
        b'{"prompt": "to a@example.org", "answer": "y", "n": 1.50}\r\n',
        b'{"answer": "z", "prompt": "last"}',
    ]
    file, out = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    file.write_bytes(b"".join(lines))
    clean(file, out)
    assert out.read_bytes() == lines[0] + lines[1] + b'{"prompt": "to [EMAIL]", "answer": "y", "n": 1.5}\r\n' + lines[3]


def test_a_table_keeps_separator_quotes_and_line_ends(tmp_path: Path) -> None:
    data = b'"prompt";answer\r\n"a ""b""";"x\r\ny"\r\n\r\nto a@example.org;"=1+1"\r\n"a ""b""";"x\r\ny"\r\n'
    file, out = tmp_path / "a.csv", tmp_path / "b.csv"
    file.write_bytes(data)
    clean(file, out)
    assert out.read_bytes() == b'"prompt";answer\r\n"a ""b""";"x\r\ny"\r\n\r\nto [EMAIL];=1+1\r\n'


def test_rows_without_a_question_or_an_answer_go(tmp_path: Path) -> None:
    rows = [{"prompt": "Why?", "answer": "So."}, {"prompt": " ", "answer": "x"}, {"prompt": "How?", "answer": ""}]
    file, out = write(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl"
    notes = clean(file, out).notes
    assert kept(out) == ["Why?"]
    assert [(note.what, note.why) for note in notes] == [
        ("empty", "it has no question"),
        ("empty", "it has no answer"),
    ]


def test_a_line_separator_inside_a_cell_ends_no_row(tmp_path: Path) -> None:
    file, out = tmp_path / "in.csv", tmp_path / "out.csv"
    file.write_bytes("prompt,answer\nWhy\u2028blue?,Light.\nHow far?,Far.\nHow far?,Far.\n".encode())
    clean(file, out)
    assert out.read_bytes() == "prompt,answer\nWhy\u2028blue?,Light.\nHow far?,Far.\n".encode()


def test_parquet_keeps_kinds_of_columns(tmp_path: Path) -> None:
    import datetime

    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([("prompt", pa.string()), ("answer", pa.large_string()), ("day", pa.date32()), ("n", pa.int8())])
    day = datetime.date(2024, 1, 2)
    rows = [{"prompt": p, "answer": "x", "day": day, "n": 1} for p in ("to a@example.org", "why", "why", "how")]
    file, out = tmp_path / "a.parquet", tmp_path / "b.parquet"
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), file)
    clean(file, out)
    table = parquet.read_table(out)
    assert table.schema == schema
    assert [row["prompt"] for row in table.to_pylist()] == ["to [EMAIL]", "why", "how"]


_WORD = st.sampled_from(
    [
        "kettle",
        "moon",
        "sky",
        "Red",
        "red",
        "blue",
        "a@example.org",
        "+14155550123",
        "why",
        "how",
        "4111111111111111",
        "[EMAIL]",
    ]
)
_LINE = st.lists(_WORD, max_size=5).map(" ".join)
_TABLE = st.lists(
    st.fixed_dictionaries({"prompt": _LINE, "answer": _LINE, "id": st.integers(0, 3)}), min_size=1, max_size=14
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_TABLE, st.booleans(), st.sampled_from(["none", "majority"]), st.sampled_from([".jsonl", ".csv"]))
def test_a_clean_file_stays_as_it_is_and_passes_its_checks(
    tmp_path: Path, rows: list[dict[str, Any]], near: bool, keep: str, suffix: str
) -> None:
    file, once, twice = (write(tmp_path / f"a{suffix}", rows), *(tmp_path / f"{name}{suffix}" for name in "bc"))
    try:
        clean(file, once, near=near, keep=keep)
    except InputError as error:
        assert "nothing would be left" in str(error)  # noqa: PT017
        return
    again = clean(once, twice, near=near, keep=keep)
    assert again.notes == ()
    assert twice.read_bytes() == once.read_bytes()
    left = read_rows(str(once))
    card = data_card(take(left).examples, left)
    assert (card.exact_duplicates, card.conflicts, card.private) == (0, 0, ())
    assert not near or card.near_duplicates == 0
    assert "label_spelling" not in {problem.check for problem in card.problems}


@pytest.mark.parametrize("name", ["a.jsonl", "link.jsonl", "b.csv", "missing/../a.jsonl"])
def test_the_file_itself_and_other_formats_are_refused(tmp_path: Path, name: str) -> None:
    file = write(tmp_path / "a.jsonl", ROWS)
    (tmp_path / "link.jsonl").symlink_to(file)
    with pytest.raises(InputError):
        check_output(file, tmp_path / name)


def test_the_list_of_changes_never_overwrites_the_file(tmp_path: Path) -> None:
    file = write(tmp_path / "b.jsonl.changes.jsonl", ROWS)
    with pytest.raises(InputError, match="is the file that is read"):
        check_output(file, tmp_path / "b.jsonl")


def test_nested_json_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    squad = {"context": "c", "qas": [{"question": "to a@example.org?", "answers": [{"text": "x"}], "id": "1"}]}
    file, out = tmp_path / "a.json", tmp_path / "b.json"
    file.write_text(json.dumps({"data": [{"title": "t", "paragraphs": [squad]}]}))
    with pytest.raises(InputError, match="nested"):
        clean(file, out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json"]


def test_where_the_clean_file_cannot_be_written_there_is_no_list_of_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise EnvironmentFault("disk full")

    monkeypatch.setattr("harness.intake.clean.write_bytes", full)
    file = write(tmp_path / "a.jsonl", ROWS)
    with pytest.raises(EnvironmentFault):
        clean(file, tmp_path / "b.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


USER, BOT = {"role": "user", "content": "Ask {}"}, {"role": "assistant", "content": "Say {}"}
TALKS: list[tuple[Any, str]] = [
    ([USER], "it holds no answer to a question"),
    ([], "expected a list of messages with 'role' and 'content'; correct the row"),
    (None, "it has no question and no answer"),
    ("hello", "expected a list of messages with 'role' and 'content'; correct the row"),
    ([BOT], "it holds no answer to a question"),
    ([USER, {**BOT, "role": "robot"}], "message 2: unknown role 'robot'. Did you mean 'bot'?"),
    ([USER, {**BOT, "content": 7}], "message 2: its content is no text; correct the row"),
    ([USER, {**BOT, "content": ""}], "it holds no answer to a question"),
]
PAIRS: list[tuple[dict[str, Any], str]] = [
    ({"prompt": "Why {}?", "answer": None}, "it has no answer"),
    ({"prompt": None, "answer": "So {}."}, "it has no question"),
    ({"prompt": "Why {}?", "answer": ""}, "it has no answer"),
    ({"prompt": " ", "answer": "So {}."}, "it has no question"),
    ({"promt": "Why {}?", "answer": "So {}."}, "'prompt', which other rows have, is missing"),
]
WRONG = [*({"messages": talk} for talk, _ in TALKS), *(row for row, _ in PAIRS)]


def numbered(row: Any, number: int) -> Any:
    return json.loads(json.dumps(row).replace("{}", f"{WORDS[number % 20]} {WORDS[number // 20]} {number}"))


def refused_by_check(path: Path) -> set[str]:
    rows = read_rows(str(path))
    taken = take(rows)
    card = data_card(taken.examples, rows, refused=taken.refused)
    found = {problem.check for problem in card.problems}
    return found & {"no_usable_row", "refused_rows", "empty_prompt", "empty_answer", "unusable_rows", "chat_format"}


@pytest.mark.parametrize(("place", "what", "why"), [
    *((n, "empty" if talk is None else "unusable", why) for n, (talk, why) in enumerate(TALKS)),
    *((len(TALKS) + n, "unusable" if "promt" in row else "empty", why) for n, (row, why) in enumerate(PAIRS)),
])  # fmt: skip
@pytest.mark.parametrize("at", [0, 5])
def test_what_check_finds_unusable_is_left_out_with_its_reason(
    tmp_path: Path, place: int, what: str, why: str, at: int
) -> None:
    good: Any = {"messages": [USER, BOT]} if place < len(TALKS) else {"prompt": "Why {}?", "answer": "So {}."}
    rows = [numbered(good, n) for n in range(20)]
    rows.insert(at, numbered(WRONG[place], 21))
    file, out = write(tmp_path / "a.jsonl", rows), tmp_path / "b.jsonl"
    assert refused_by_check(file)
    (note,) = clean(file, out).notes
    assert (note.place, note.what) == (f"{file}:{at + 1}", what)
    assert note.why.startswith(why)
    assert refused_by_check(out) == set()
    assert len(read_rows(str(out))) == 20


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.booleans(), st.lists(st.integers(0, 12), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_check_passes_what_clean_has_gone_over(tmp_path: Path, chat: bool, wrong: list[int], order: Any) -> None:
    good: Any = {"messages": [USER, BOT]} if chat else {"prompt": "Why {}?", "answer": "So {}."}
    bad = [WRONG[n] for n in wrong if (n < len(TALKS)) == chat]
    rows = [numbered(row, n) for n, row in enumerate([good] * 12 + bad)]
    order.shuffle(rows)
    file, out = write(tmp_path / "a.jsonl", rows), tmp_path / "b.jsonl"
    cleaned = clean(file, out)
    assert len(cleaned.notes) == len(bad)
    assert refused_by_check(out) == set()


def test_an_index_without_a_name_stays_in_the_clean_file(tmp_path: Path) -> None:
    file, out = tmp_path / "a.csv", tmp_path / "b.csv"
    file.write_text(",prompt,answer\n0,Why?,So.\n1,Ask jane@example.org,Yes.\n2,Why?,So.\n")
    clean(file, out)
    assert out.read_text() == ",prompt,answer\n0,Why?,So.\n1,Ask [EMAIL],Yes.\n"
