"""Every item that the report may show as a row of CSV, for a spreadsheet: RFC 4180, UTF-8, and no cell is a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from harness.evaluated import Evaluation
from harness.evaluation.choices import unsaid
from harness.evaluation.items import ItemResult
from harness.gate.pairing import RIGHT
from harness.reporting.answers import UNSAID
from harness.reporting.data import ReportData
from harness.reporting.escape import shorten, visible
from harness.reporting.standing import worn_label
from harness.reporting.to_file import FileReporter

FILE = "items.csv"
COLUMNS = (
    *("role", "item_id", "task", "skill", "correct_before", "correct_after", "category_before", "category_after"),
    *("verdict", "prompt", "gold", "before", "after"),
)
CELL = 32_000
"""Characters of a cell; a spreadsheet takes 32,767 and breaks the row at more."""
_FORMULA = re.compile(r"(^|[;\t\n])([\s\"']*)(?=[=+\-@\t\r\uff1d\uff0b\uff0d\uff20])")


class CsvReporter(FileReporter):
    """Renders ``items.csv``."""

    name = "csv"
    file = FILE

    def text(self, data: ReportData) -> str:
        """See `as_csv`."""
        return as_csv(data)


def as_csv(data: ReportData) -> str:
    """One row an item: of test once it is opened and shown, of dev, and of gate once the run is closed.

    Items of the guard are in no row.

    ``correct_before`` and ``correct_after`` are scores, 0 to 1. While the model is the untouched one, what would come
    after is empty, and ``verdict`` is ``right`` or ``failing``; else it is ``fixed``, ``broken``, ``still right`` or
    ``still failing``.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    test = data.summary.get("test")
    if test and data.test_before is not None:
        mark = worn_label(data.summary)
        after = data.test_after if test["round"] else None
        writer.writerows(_rows(f"test, {mark}" if mark else "test", data.test_before, after))
    after = data.champion_dev if data.summary["champion"]["round"] else None
    writer.writerows(_rows("dev", data.baseline_dev, after))
    if data.gate is not None:
        writer.writerows(_rows("gate", data.gate.before, data.gate.after))
    return stream.getvalue()


def cell(text: str) -> str:
    """``text`` for a spreadsheet: shortened, what cannot be seen by name, and no formula.

    A formula is made text by an apostrophe where a cell could begin: at the start, and behind a line end, a tab or a
    semicolon, at which some programs cut even what is quoted.
    """
    return _FORMULA.sub(r"\1\2'", shorten(visible(shorten(text, CELL)), CELL))


def _rows(role: str, before: Evaluation, after: Evaluation | None) -> Iterator[list[str]]:
    new = {result.item_id: result for result in after.results} if after else {}
    old_errors, new_errors = _primary(before), _primary(after)
    for was in sorted(before.results, key=lambda result: (result.skill, result.item_id)):
        now = new.get(was.item_id)
        item = was.item_id
        texts = (
            *(role, item, was.task, was.skill, f"{was.correct:g}", f"{now.correct:g}" if now else ""),
            *(old_errors.get(item, ""), new_errors.get(item, "") if now else "", _verdict(was, now)),
            *(was.prompt, was.target, _said(was), _said(now) if now else ""),
        )
        yield [cell(text) for text in texts]


def _primary(evaluation: Evaluation | None) -> dict[str, str]:
    return {record.item_id: record.primary or "" for record in evaluation.errors} if evaluation else {}


def _said(result: ItemResult) -> str:
    return UNSAID if unsaid(result.metrics) else result.response


def _verdict(was: ItemResult, now: ItemResult | None) -> str:
    right = was.correct >= RIGHT
    if now is None:
        return "right" if right else "failing"
    if right == (now.correct >= RIGHT):
        return "still right" if right else "still failing"
    return "broken" if right else "fixed"
