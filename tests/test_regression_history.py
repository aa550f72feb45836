"""Scores and gates over all runs: what is kept, what is read back, and how it is shown."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from history_records import NOON, answers, gate, keep, keep_twenty

from harness.cli.main import main
from harness.exceptions import EnvironmentFault, InputError
from harness.regression.history import LOG, commit_of, make_record, read_history, record_gates
from harness.regression.results import Broken, GateResult
from harness.regression.trend import as_json, as_markdown, sheets, sparkline, verdicts
from harness.reporting.load import write_reports
from harness.storage import read_json, write_json


def test_what_was_recorded_is_read_back(tmp_path: Path) -> None:
    path = keep(tmp_path / "runs", domain="shop", commit="abc123")
    assert path == tmp_path / "runs" / LOG
    (record,) = read_history(tmp_path / "runs").records
    assert record == make_record([gate()], answers(), NOON, "shop", "abc123")
    assert record.time == "2026-03-01T12:00:00+00:00"
    assert (record.score.value, record.score.n, record.score.correct) == (0.75, 4, 3)
    assert (record.model, record.weights, record.seconds) == ("tiny", "ab", 2.5)


def test_the_score_is_of_the_domain_and_its_error_is_clustered() -> None:
    score = make_record([], answers(right=2), NOON).score
    # two clusters of two items that err together: sums of deviations +1 and -1
    assert score.stderr == pytest.approx(2**0.5 / 4)


def test_times_are_kept_in_utc() -> None:
    east = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert make_record([], answers(), east).time == "2026-03-01T10:00:00+00:00"


def test_answers_that_a_gate_showed_are_not_kept(tmp_path: Path) -> None:
    shown = gate("fail", broken=(Broken("0a", "t", "s", "secret prompt", "x", "y", "z"),))
    path = record_gates(tmp_path, [shown], answers(), NOON)
    assert "secret" not in path.read_text()
    assert read_history(tmp_path).records[0].gates[0].state == "fail"


def test_without_a_domain_its_tasks_stand_for_it() -> None:
    assert make_record([], answers(), NOON).domain == "shop"


def test_a_torn_last_line_is_passed_over_and_dropped_by_the_next_record(tmp_path: Path) -> None:
    path = keep(tmp_path)
    with path.open("a") as stream:
        stream.write('{"schema": 1, "ti')
    assert len(read_history(tmp_path).records) == 1
    keep(tmp_path, hours=1, commit="next")
    assert len(read_history(tmp_path).records) == 2


def test_what_says_the_same_again_is_kept_once(tmp_path: Path) -> None:
    keep(tmp_path, commit="a")
    keep(tmp_path, hours=1, commit="a")
    assert len(read_history(tmp_path).records) == 1


def test_what_fails_now_or_is_another_commit_is_kept_again(tmp_path: Path) -> None:
    keep(tmp_path, commit="a")
    keep(tmp_path, 1, "fail", commit="a")
    keep(tmp_path, 2, "fail", commit="b")
    assert len(read_history(tmp_path).records) == 3


@pytest.mark.parametrize(
    "line",
    ["<<<<<<< HEAD", "[]", "{}", '{"schema": 2}', "\udce9", '{"schema": 1, "time": "now"}'],
    ids=["conflict", "list", "empty", "schema", "bytes", "time"],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str) -> None:
    path = keep(tmp_path)
    path.write_bytes(path.read_bytes() + line.encode("utf-8", "surrogateescape") + b"\n")
    with pytest.raises(InputError, match=rf"{LOG}:2: is no record of gates; remove the line"):
        read_history(tmp_path)


def test_a_figure_that_is_no_number_is_malformed(tmp_path: Path) -> None:
    path = keep(tmp_path)
    path.write_text(path.read_text().replace('"value": 0.75, "low"', '"value": NaN, "low"'))
    with pytest.raises(InputError, match=f"{LOG}:1:"):
        read_history(tmp_path)


def test_a_folder_that_cannot_be_made_is_an_environment_fault(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(EnvironmentFault, match="runs"):
        keep(tmp_path / "runs")


def test_processes_that_record_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=keep_twenty, args=(str(tmp_path), name)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(read_history(tmp_path).records) == 40


def test_the_commit_is_what_the_ci_service_says() -> None:
    assert commit_of({"GITHUB_SHA": "a1"}) == "a1"
    assert commit_of({"CI_COMMIT_SHA": "b2"}) == "b2"
    assert commit_of({}) == ""


def test_runs_are_read_as_their_summaries_have_them(run: Path) -> None:
    write_reports(run)
    summary = read_json(run / "summary.json")
    (line,) = read_history(run.parent).runs
    assert line.name == summary["run"]
    assert line.now["value"] == summary["champion"]["dev"]["value"]
    assert line.curve[0] == summary["baseline"]["dev"]["value"]
    assert len(line.curve) == 1 + summary["rounds_done"]
    assert line.began.startswith("20")


def test_a_copied_run_goes_by_its_folder(run: Path, tmp_path: Path) -> None:
    write_reports(run)
    shutil.copytree(run, tmp_path / "copy")
    rows = sheets(read_history(tmp_path), 5)[0].rows
    assert [str(row[0]).split()[0] for row in rows] == ["copy", run.name]


def test_one_run_can_be_named_itself(run: Path) -> None:
    write_reports(run)
    assert [line.name for line in read_history(run).runs] == [read_json(run / "summary.json")["run"]]


def test_a_test_result_that_is_not_shown_elsewhere_is_not_shown_here(run: Path) -> None:
    write_reports(run)
    summary = read_json(run / "summary.json") | {"test": None}
    write_json(run / "summary.json", summary)
    history = read_history(run.parent)
    assert history.runs[0].test is None
    assert sheets(history, 5)[0].rows[0][6] == "-"


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 9}', '{"schema": 1, "run": "x"}'])
def test_a_run_that_cannot_be_read_is_noted_and_hides_no_other(tmp_path: Path, content: str) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "ledger.jsonl").write_text("")
    (tmp_path / "broken" / "summary.json").write_text(content)
    keep(tmp_path)
    history = read_history(tmp_path)
    assert len(history.records) == 1
    assert "broken/summary.json" in history.notes[0]


def test_a_run_without_a_summary_is_noted_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "young").mkdir()
    (tmp_path / "young" / "ledger.jsonl").write_text("")
    assert "harness report" in read_history(tmp_path).notes[0]


@pytest.mark.parametrize("made", [True, False])
def test_where_there_is_nothing_the_error_says_what_makes_it(tmp_path: Path, made: bool) -> None:
    folder = tmp_path / "runs"
    if made:
        folder.mkdir()
    with pytest.raises(InputError, match="harness gate"):
        read_history(folder)


def test_a_sparkline_goes_from_nothing_to_the_highest() -> None:
    assert sparkline([0.0, 0.5, 1.0, None]) == "▁▅█·"
    assert sparkline([-0.2, 0.0]) == "▁█"
    assert sparkline([0.0, 0.0]) == "▁▁"
    assert sparkline([]) == ""


def test_figures_of_other_documents_are_parted() -> None:
    assert sparkline([0.5, 1.0], breaks=[1]) == "▅|█"


def test_a_verdict_has_a_character_and_so_has_a_gate_that_was_not_asked() -> None:
    close = GateResult("g", "metric", "uncertain", True, "")
    closed = GateResult("g", "metric", "uncertain", False, "")
    given = [gate(), close, closed, gate("fail"), gate("unknown"), None]
    assert verdicts(given) == ".~fF?·"


def test_the_tables_show_gates_over_time_and_what_failed(tmp_path: Path) -> None:
    keep(tmp_path, 1, commit="c" * 40)
    keep(tmp_path, 2, "fail", answers(right=1))
    keep(tmp_path, 0, said=answers(n=2, right=2))
    trend, single = sheets(read_history(tmp_path), 10)
    assert trend.rows[0] == ("right answers", "█|▆▃", "", "25.0%")
    assert trend.rows[1] == ("metric acc >= 0.5", "█|██", ".|.F", "75.0%")
    assert single.rows[1] == ("2026-03-01 13:00", "c" * 10, "tiny", "75.0% of 4", "1 gate passed")
    assert single.rows[2][4] == "FAIL: metric acc >= 0.5"


def test_only_the_latest_records_of_a_domain_are_shown(tmp_path: Path) -> None:
    for hours in range(5):
        keep(tmp_path, hours, domain="a", commit=str(hours))
    keep(tmp_path, domain="b")
    history = read_history(tmp_path)
    assert [len(sheet.rows) for sheet in sheets(history, 3) if "evaluations" in sheet.title] == [3, 1]
    assert len(as_json(history, 3)["records"]) == 4


def test_nothing_of_a_history_acts_on_who_reads_it_as_markdown(tmp_path: Path) -> None:
    evil = "\x1b[2J|<script>::error::@bob"
    record_gates(tmp_path, [gate(name=evil)], answers(model=evil), NOON, domain=evil, commit=evil)
    text = as_markdown(read_history(tmp_path), 5)
    assert not set("\x1b") & set(text)
    assert "<script>" not in text
    assert "::error" not in text
    assert "@bob" not in text
    for table in text.split("##")[1:]:
        rows = [line for line in table.splitlines() if line.startswith("|")]
        assert len({row.count("|") - row.count("\\|") for row in rows}) == 1


def test_the_command_prints_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(tmp_path)
    assert main(["history", str(tmp_path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(printed) == {"schema", "runs", "records", "notes"}
    assert printed["records"][0]["gates"][0]["state"] == "pass"


def test_the_command_prints_tables_that_drive_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record_gates(tmp_path, [gate(name="[red]\x1b[2J")], answers(), NOON)
    assert main(["history", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "[red]" in shown
    assert "75.0% of 4" in shown


def test_the_command_prints_markdown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(tmp_path)
    assert main(["history", str(tmp_path), "--format", "markdown"]) == 0
    assert capsys.readouterr().out.startswith("## Gates of shop, oldest first\n\n| gate |")


def test_the_command_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", str(tmp_path / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err
