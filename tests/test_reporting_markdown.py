"""The Markdown summary: tables hold together whatever a response holds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from report_fixture import make_report_data
from report_items import HOSTILE, HUGE

from harness.reporting.escape import markdown
from harness.reporting.formatting import interval, percent
from harness.reporting.markdown import MarkdownReporter
from harness.reporting.words import headline

STATES: dict[str, dict[str, Any]] = {
    "running-0": {"rounds": 0, "finished": False},
    "running-3": {"rounds": 3, "finished": False},
    "finished": {"rounds": 6},
    "rejected": {"rounds": 3, "all_rejected": True},
    "no-guard": {"rounds": 4, "guard": False, "fewshot": False},
    "hostile": {"rounds": 3, "hostile": True},
}


def render(folder: Path, **state: Any) -> str:
    return MarkdownReporter().render(make_report_data(**state), folder).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", STATES)
def test_every_row_has_as_many_cells_as_its_head(name: str, tmp_path: Path) -> None:
    text = render(tmp_path, **STATES[name])
    width = 0
    for line in text.split("\n"):
        if not line.startswith("|"):
            width = 0
            continue
        assert line.endswith("|")
        cells = len(re.findall(r"(?<!\\)\|", line.replace("\\\\", ""))) - 1
        width = width or cells
        assert cells == width, line


@pytest.mark.parametrize("name", STATES)
def test_no_line_is_a_command_and_no_tag_but_code_is_left(name: str, tmp_path: Path) -> None:
    text = render(tmp_path, **STATES[name])
    assert set(re.findall(r"<[^>]*>", text)) <= {"<code>", "</code>"}
    assert "::" not in text
    assert "##[" not in text
    assert not re.search(r"(?<!\\)\]\(", text)
    assert not re.search(r"\n{4,}", text)


def test_the_numbers_are_the_summarys(tmp_path: Path) -> None:
    data = make_report_data(rounds=6)
    text = MarkdownReporter().render(data, tmp_path).read_text(encoding="utf-8")
    assert f"**{headline(data).word}:** {markdown(headline(data).sentence)}" in text
    test = data.summary["test"]
    assert percent(test["after"]["value"]) in text
    assert interval(test["ci95"]) in text
    for view in data.rounds:
        if view.entry["dev"] is not None:
            assert f"| {view.number} | " in text
            assert percent(view.entry["dev"]["value"]) in text


def test_results_are_split_by_tag(tmp_path: Path) -> None:
    data = make_report_data(rounds=6)
    text = MarkdownReporter().render(data, tmp_path).read_text(encoding="utf-8")
    for tag, old in data.baseline_dev.by_tag().items():
        new = data.champion_dev.by_tag()[tag]
        assert f"| Dev | {tag} | {old.n} | {percent(old.value)} | {percent(new.value)} |" in text
    assert "By tag" in text
    assert "| Dev | extraction | 450 | " in render(tmp_path, rounds=0, finished=False)


@pytest.mark.parametrize("payload", [p for p in HOSTILE if p is not HUGE])
def test_a_hostile_text_is_in_the_summary_only_escaped(payload: str, tmp_path: Path) -> None:
    text = render(tmp_path, rounds=1, hostile=True, finished=False)
    assert markdown(payload) in text
    if markdown(payload) != payload:
        assert payload not in text


def test_a_huge_response_stays_a_line(tmp_path: Path) -> None:
    assert len(render(tmp_path, rounds=3, hostile=True)) < 40_000


def test_the_same_data_gives_the_same_bytes(tmp_path: Path) -> None:
    assert render(tmp_path / "a", rounds=4) == render(tmp_path / "b", rounds=4)
