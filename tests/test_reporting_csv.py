"""The table of items: one row each, never a gate item, and no cell that a spreadsheet would compute."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_fixture import make_report_data
from report_items import HOSTILE, HUGE

from harness.reporting.csv_table import CELL, COLUMNS, CsvReporter, as_csv, cell
from harness.reporting.data import ReportData
from harness.reporting.escape import visible

BEGINS = "=+-@\t\r\uff1d\uff0b\uff0d\uff20"


def rows(text: str) -> list[dict[str, str]]:
    lines = list(csv.reader(text.splitlines(keepends=True), strict=True))
    assert tuple(lines[0]) == COLUMNS
    assert {len(line) for line in lines} == {len(COLUMNS)}
    return [dict(zip(COLUMNS, line, strict=True)) for line in lines[1:]]


def test_each_item_of_test_and_of_dev_has_one_row(tmp_path: Path) -> None:
    data = make_report_data(rounds=4, n=40)
    path = CsvReporter().render(data, tmp_path)
    assert path == tmp_path / "items.csv"
    found = rows(path.read_bytes().decode("utf-8"))
    assert [row["role"] for row in found] == ["test"] * 40 + ["dev"] * 40
    assert {row["item_id"] for row in found[40:]} == {result.item_id for result in data.baseline_dev.results}


def test_a_row_says_what_became_of_its_item() -> None:
    data = make_report_data(rounds=4, n=200)
    assert data.test_before is not None
    assert data.test_after is not None
    before = {result.item_id: result for result in data.test_before.results}
    after = {result.item_id: result for result in data.test_after.results}
    primary = {record.item_id: record.primary for record in data.test_after.errors}
    words = {(0, 1): "fixed", (1, 0): "broken", (1, 1): "still right", (0, 0): "still failing"}
    found = [row for row in rows(as_csv(data)) if row["role"] == "test"]
    assert {row["verdict"] for row in found} >= {"fixed", "still failing"}
    for row in found:
        was, now = before[row["item_id"]], after[row["item_id"]]
        assert row["verdict"] == words[int(was.correct), int(now.correct)]
        assert (row["correct_before"], row["correct_after"]) == (f"{was.correct:g}", f"{now.correct:g}")
        assert row["category_after"] == (primary[row["item_id"]] or "")
        assert (row["prompt"], row["gold"], row["after"]) == (was.prompt, was.target, now.response)


@pytest.mark.parametrize(
    ("state", "roles", "verdicts"),
    [
        ({"rounds": 2, "finished": False}, {"dev"}, None),
        ({"rounds": 2, "all_rejected": True}, {"test", "dev"}, {"right", "failing"}),
        ({"rounds": 0, "finished": False}, {"dev"}, {"right", "failing"}),
    ],
)
def test_what_is_not_there_is_empty(state: dict[str, Any], roles: set[str], verdicts: set[str] | None) -> None:
    found = rows(as_csv(make_report_data(n=60, **state)))
    assert {row["role"] for row in found} == roles
    if verdicts is not None:
        assert {row["verdict"] for row in found} == verdicts
        assert {row["after"] for row in found} == {""}


def worn(shown: bool) -> ReportData:
    data = make_report_data(rounds=3, n=40)
    summary = {**data.summary, "test_openings": 5}
    if shown:
        return replace(data, summary=summary)
    return replace(data, summary={**summary, "test": None}, test_before=None, test_before_fewshot=None, test_after=None)


def test_worn_test_items_are_hidden_or_labelled() -> None:
    assert {row["role"] for row in rows(as_csv(worn(False)))} == {"dev"}
    assert {row["role"] for row in rows(as_csv(worn(True)))} == {"test, worn (opening 5)", "dev"}


@pytest.mark.parametrize("payload", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_text_is_one_visible_cell_and_no_formula(payload: str) -> None:
    text = cell(payload)
    assert text == visible(text)
    assert not re.search(rf"(?:^|[;\t\n])[\s\"']*[{re.escape(BEGINS)}]", text.replace("'", "\0"))
    assert len(text) < 32_767
    if len(payload) < 1_000:
        assert text.replace("'", "") == visible(payload).replace("'", "")


def test_hostile_runs_keep_their_rows_and_columns() -> None:
    data = make_report_data(rounds=1, n=44, hostile=True)
    text = as_csv(data)
    assert len(rows(text)) == 88
    text.encode("utf-8")
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e\u2066\ud800\ufeff]", text)
    assert max(len(value) for row in rows(text) for value in row.values()) < 32_767
    assert HUGE not in text


@pytest.mark.parametrize("begin", [*BEGINS, *(f" {each}" for each in "=+-@"), "\n=", '"=', "\ufeff="])
def test_a_formula_becomes_text(begin: str) -> None:
    text = cell(f"{begin}1+cmd|' /C calc'!A0")
    assert text.lstrip(' \n"')[0] in "'<"


@pytest.mark.parametrize("text", ["a;=1+1", 'a;"=1+1"', "a\t=1+1", "a\n =1+1", "a\r\n@x"])
def test_where_a_program_cuts_a_cell_no_formula_begins(text: str) -> None:
    for part in re.split("[;\t\n]", cell(text))[1:]:
        assert part.lstrip(' "')[0] == "'"


@pytest.mark.parametrize("text", ["billing", "a = b", "1-2", "x@example.org", "", "3;4"])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert cell(text) == text


@given(st.text(st.sampled_from("=+-@;,\"' \t\r\n\x1b\u202e\ud800aé"), max_size=40))
def test_whatever_the_text_it_is_one_cell_again_and_begins_no_formula(text: str) -> None:
    safe = cell(text)
    safe.encode("utf-8")
    for part in re.split("[;\t\n]", safe):
        assert not re.match(r"[\s\"]*[=+\-@]", part)
    assert cell(safe).replace("'", "") == safe.replace("'", "")


def test_a_cell_is_shorter_than_a_spreadsheet_allows() -> None:
    assert len(cell("\x1b" * 100_000)) < CELL + 100


def test_the_same_data_gives_the_same_bytes() -> None:
    assert as_csv(make_report_data(rounds=2, n=40)) == as_csv(make_report_data(rounds=2, n=40))
