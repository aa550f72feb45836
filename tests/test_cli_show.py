"""`harness show`: what it says at every width, that nothing in it acts on the terminal, and how following ends."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from report_fixture import make_report_data
from report_items import HOSTILE
from rich.console import Console

import harness.cli.show
from harness.cli.main import main
from harness.cli.show import RunView
from harness.cli.show_tables import CELLS, bar, screen
from harness.ledger import Ledger
from harness.loop.lock import run_lock
from harness.reporting.data import ReportData
from harness.reporting.formatting import percent
from harness.reporting.words import headline

WIDTHS = (40, 80, 140)


def shown(data: ReportData, width: int, height: int | None = None, now: str = "") -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(screen(data, width, height, now))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "state",
    [
        {"rounds": 6},
        {"rounds": 0, "finished": False},
        {"rounds": 3, "finished": False, "fewshot": False},
        {"rounds": 3, "all_rejected": True},
        {"rounds": 13, "hostile": True, "n": 88},
    ],
    ids=["finished", "begun", "running", "rejected", "hostile"],
)
def test_every_line_fits_and_nothing_acts_on_the_terminal(width: int, state: dict[str, object]) -> None:
    text = shown(make_report_data(**state), width, now="round 4 goes on")  # type: ignore[arg-type]
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    assert all(character.isprintable() for line in lines for character in line)
    assert not any(re.match(r"\s*::", line) or "##[" in line for line in lines)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_verdict_the_rounds_and_the_last_decision_are_the_reports(width: int) -> None:
    data = make_report_data(rounds=6)
    text = words(shown(data, width))
    assert f"{headline(data).word}: {headline(data).sentence}" in text
    for view in data.rounds:
        dev = view.entry["dev"]
        assert f" {view.number} {percent(dev['value']) if dev else '-'} " in text
    assert words(data.rounds[-1].entry["reason"]) in text
    assert f"Ended: {data.stopped}" in text
    assert "Time " in text


def test_cells_are_those_that_fail_most_before_and_now() -> None:
    data = make_report_data(rounds=6)
    rows = sorted(data.summary["categories"], key=lambda row: (-max(row["before"], row["after"]), row["skill"]))
    lines = [words(line) for line in shown(data, 60).splitlines()]
    for row in rows[:CELLS]:
        assert f" {row['skill']} / {row['category'].replace('_', ' ')} {row['before']} {row['after']} " in lines
    assert (f"and {len(rows) - CELLS} more" in words(" ".join(lines))) == (len(rows) > CELLS)


def test_on_a_low_terminal_the_latest_rounds_stay() -> None:
    data = make_report_data(rounds=13, crash_round=None)
    text = shown(data, 100, 30)
    assert len(text.splitlines()) <= 30
    assert f" 13 {percent(data.rounds[-1].entry['dev']['value'])} " in words(text)
    assert "earlier rounds not shown" in text


def test_a_worn_result_is_said_to_be() -> None:
    data = make_report_data(rounds=3)
    data = replace(data, summary={**data.summary, "test_openings": 5})
    assert "Worn (opening 5)" in words(shown(data, 100))
    assert "Test is worn" in words(shown(data, 100))


@pytest.mark.parametrize(
    ("share", "drawn"), [(0.0, ""), (1.0, "████"), (0.5, "██"), (1 / 32, "▏"), (7.0, "████"), (-1, "")]
)
def test_a_bar_is_as_long_as_its_share(share: float, drawn: str) -> None:
    assert bar(share, 4) == drawn


def test_where_there_is_no_terminal_it_is_printed_once_and_plainly(
    short_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", str(short_run), "--follow"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out.count("Dev by round") == 1


@pytest.mark.parametrize("width", [40, 80])
def test_it_keeps_to_the_columns_that_there_are(
    width: int, short_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["show", str(short_run)]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= width


def test_what_is_no_run_ends_with_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(tmp_path)]) == 2
    assert "not a run directory" in capsys.readouterr().err


def grow(run: Path, entries: int) -> Callable[[float], None]:
    """Cut the ledger to its first ``entries``; each call of what is returned gives it one back."""
    path = run / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:entries]))
    rest = iter(lines[entries:])

    def sleep(_: float) -> None:
        with path.open("ab") as stream:
            stream.write(next(rest))

    return sleep


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=80, height=50, color_system=None, highlight=False)


def test_following_shows_each_round_and_ends_with_the_run(run: Path) -> None:
    kinds = [entry.kind for entry in Ledger(run / "ledger.jsonl", writable=False).entries]
    console = terminal()
    RunView(run).follow(console, grow(run, 1))  # more looks than entries would raise StopIteration
    file = console.file
    assert isinstance(file, io.StringIO)
    text = file.getvalue()
    assert "no baseline yet" in text
    assert "Running: no round is done yet" in text
    assert "1 of 2 rounds done" in words(text)
    assert text.count("Dev by round") >= kinds.count("round") + 1


def test_following_says_what_is_done_of_the_round_and_whether_anybody_works_on_it(run: Path) -> None:
    place = next(
        number
        for number, entry in enumerate(Ledger(run / "ledger.jsonl", writable=False).entries)
        if entry.kind == "round"
    )
    grow(run, place)
    assert "no process works on it now" in words(shown_run(run))
    with run_lock(run):
        text = words(shown_run(run))
    assert "round 1 goes on; done of it: " in text
    assert "train" in text.partition("done of it")[2]


def shown_run(run: Path) -> str:
    console = terminal()
    RunView(run).print(console)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_ctrl_c_ends_following_with_130(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    grow(run, 4)

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, as far as rich can tell
    monkeypatch.setattr(harness.cli.show.time, "sleep", interrupt)
    assert main(["show", str(run), "--follow"]) == 130
    assert capsys.readouterr().err.endswith("interrupted\n")


@pytest.mark.parametrize("payload", [text for text in HOSTILE if len(text) < 1_000])
def test_names_and_reasons_are_one_visible_line(payload: str) -> None:
    data = make_report_data(rounds=1, n=40, finished=False)
    view = replace(data.rounds[0], entry={**data.rounds[0].entry, "reason": payload, "targets": [payload]})
    summary = {**data.summary, "run": payload, "model": payload, "domain": payload}
    text = shown(replace(data, rounds=(view,), summary=summary, stopped=payload), 140)
    assert all(character.isprintable() or character == "\n" for character in text)
    assert not any(re.match(r"\s*::", line) or "##[" in line for line in text.splitlines())
