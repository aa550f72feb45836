"""`harness report`: formats, a comparison beside the report, the browser, the index of a folder of runs."""

from __future__ import annotations

import csv
import json
import re
import shutil
import webbrowser
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from report_fixture import make_report_data
from report_items import HOSTILE
from test_reporting_html import ALLOWED, Page

from harness.cli.main import main
from harness.regression.answers import Answer
from harness.regression.baseline_file import write_baseline
from harness.regression.index_page import DRAWN, holds_runs, write_index
from harness.regression.read import read_answers
from harness.regression.trend_chart import trend_chart
from harness.reporting.escape import visible
from harness.reporting.formatting import interval, percent, points
from harness.reporting.html import HtmlReporter
from harness.storage import read_json, write_json
from harness.verify.verify import verify_run

REFRESH = '<meta http-equiv="refresh" content="30; url=index.html">'


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses that a browser was asked to open; there is one."""
    asked: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: asked.append(url) or True)
    return asked


def runs_of(run: Path, *names: str) -> Path:
    """A folder of copies of ``run``, with what an index reads of them."""
    folder = run.parent / "many"
    for name in names:
        shutil.copytree(run, folder / name, symlinks=True)
    return folder


def rewrite(folder: Path, **changes: object) -> None:
    write_json(folder / "summary.json", {**read_json(folder / "summary.json"), **changes})


def page_of(folder: Path) -> tuple[str, Page]:
    source = write_index(folder).read_text(encoding="utf-8")
    return source, Page(source)


def test_csv_and_junit_are_written_into_the_report_and_covered(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(run), "--format", "csv", "--format", "junit"]) == 0
    table, cases = run / "report" / "items.csv", run / "report" / "junit.xml"
    assert capsys.readouterr().out.split() == [str(table), str(cases)]
    with table.open(encoding="utf-8", newline="") as stream:
        roles = {row["role"] for row in csv.DictReader(stream)}
    assert roles == {"test", "dev"}
    assert ElementTree.parse(cases).getroot().tag == "testsuites"
    assert [str(each) for each in verify_run(run).mismatches] == []


def test_no_gate_item_is_in_the_table(tiered: Path) -> None:
    from harness.evaluated import load_evaluation

    sealed = {result.item_id for result in load_evaluation(tiered / "rounds" / "001" / "gate").results}
    assert main(["report", str(tiered), "--format", "csv"]) == 0
    with (tiered / "report" / "items.csv").open(encoding="utf-8", newline="") as stream:
        ids = {row["item_id"] for row in csv.DictReader(stream)}
    assert sealed
    assert not sealed & ids


def test_a_comparison_lies_beside_the_report_and_is_covered(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(run), "--compare", str(run / "baseline")]) == 0
    names = [Path(line).relative_to(run).as_posix() for line in capsys.readouterr().out.splitlines()]
    assert names == [
        *("report/index.html", "summary.md", "summary.json"),
        *("report/compare.html", "report/compare.md", "report/compare.json"),
    ]
    found = json.loads((run / "report" / "compare.json").read_text())
    assert (found["a"]["source"], found["b"]["source"]) == (str(run / "baseline"), str(run))
    assert "Comparison" in (run / "report" / "compare.html").read_text()
    assert [str(each) for each in verify_run(run).mismatches] == []


def test_a_comparison_keeps_to_the_formats_that_are_asked_for(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "report" / "index.html").unlink()
    assert main(["report", str(run), "--compare", str(run / "baseline"), "--format", "md"]) == 0
    assert (run / "report" / "compare.md").is_file()
    assert not (run / "report" / "compare.html").exists()
    assert main(["report", str(run), "--compare", str(run / "baseline"), "--format", "csv"]) == 2
    assert "--compare writes html, md, json" in capsys.readouterr().err


def test_what_has_no_item_in_common_is_not_called_unchanged(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run.parent / "other.json"
    mine = read_answers(run)
    other = [Answer(f"{place:016x}", "elsewhere", "s", f"c{place}", 1.0) for place in range(4)]
    write_baseline(path, replace(mine, answers=(*other, *mine.of("guard"))))
    assert main(["report", str(run), "--compare", str(path), "--format", "md"]) == 0
    text = (run / "report" / "compare.md").read_text()
    assert text.startswith("# Nothing in common: ")
    assert "No change" not in text


def test_templates_of_ones_own_are_for_comparison_and_index_too(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for name in ("compare.html.j2", "index.html.j2"):
        (own / name).write_text("<p>ours</p>")
    assert main(["report", str(run), "--compare", str(run / "baseline"), "--templates", str(own)]) == 0
    assert (run / "report" / "compare.html").read_text() == "<p>ours</p>"
    folder = runs_of(run, "one")
    assert main(["report", str(folder), "--templates", str(own)]) == 0
    assert (folder / "index.html").read_text() == "<p>ours</p>"
    (own / "compare.html.j2").write_text("{{ view.absent }}")
    assert main(["report", str(run), "--compare", str(run / "baseline"), "--templates", str(own)]) == 2
    assert "compare.html.j2:1: " in capsys.readouterr().err


def test_the_summary_is_printed_and_nothing_is_written(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = (run / "summary.json").read_text()
    for name in ("summary.json", "summary.md", "report/index.html"):
        (run / name).unlink()
    assert main(["report", str(run), "--json"]) == 0
    assert capsys.readouterr().out == kept
    assert not any((run / name).exists() for name in ("summary.json", "summary.md", "report/index.html"))
    assert main(["report", str(run), "--json", "--compare", str(run / "baseline")]) == 2


@pytest.mark.parametrize("name", ["manifest.json", "rounds/001/verdict.json", "rounds/001/curation.json"])
def test_a_file_that_holds_no_object_is_named(name: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / name).write_text("[]")
    assert main(["report", str(run)]) == 2
    assert f"{run / name}: expected a JSON object, found list; restore the file" in capsys.readouterr().err


def test_a_verified_run_says_so_and_one_that_does_not_match_says_that(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = run / "report" / "index.html"
    assert main(["report", str(run), "--verify"]) == 0
    assert "everything that was checked matches" in page.read_text()
    assert verify_run(run).mismatches == []
    assert main(["report", str(run)]) == 0
    assert "everything that was checked matches" not in page.read_text()
    path = run / "rounds" / "001" / "train.jsonl"
    path.write_text(path.read_text().replace("a", "b", 1))
    capsys.readouterr()
    assert main(["report", str(run), "--verify"]) == 1
    assert capsys.readouterr().err.startswith("does not match: rounds/001/train.jsonl: ")
    text = page.read_text()
    assert "does not match: rounds/001/train.jsonl: " in text
    assert "Not as recorded" in text
    assert main(["report", str(run), "--verify", "--json"]) == 2


def test_what_cannot_be_compared_ends_with_two(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(run), "--compare", str(run / "absent")]) == 2
    assert "no such file or folder" in capsys.readouterr().err


def test_open_opens_the_page_and_the_comparison_where_there_is_one(run: Path, opened: list[str]) -> None:
    assert main(["report", str(run), "--open"]) == 0
    assert main(["report", str(run), "--open", "--compare", str(run / "baseline")]) == 0
    assert opened == [(run / "report" / name).as_uri() for name in ("index.html", "compare.html")]


@pytest.mark.parametrize("how", ["none", "fault"])
def test_without_a_browser_nothing_is_wrong(
    how: str, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none(_: str) -> bool:
        if how == "fault":
            raise webbrowser.Error("could not locate runnable browser")
        return False

    monkeypatch.setattr(webbrowser, "open", none)
    assert main(["report", str(run), "--open"]) == 0
    assert capsys.readouterr().err == (f"no browser could be opened; open {run / 'report' / 'index.html'} yourself\n")


def test_open_without_the_page_is_refused(run: Path, opened: list[str]) -> None:
    assert main(["report", str(run), "--open", "--format", "csv"]) == 2
    assert opened == []


def test_the_page_refreshes_itself_only_while_rounds_go_on(tmp_path: Path) -> None:
    def source(**state: object) -> str:
        return HtmlReporter().render(make_report_data(**state), tmp_path).read_text()  # type: ignore[arg-type]

    assert REFRESH in source(rounds=2, finished=False)
    assert 'http-equiv="refresh"' not in source(rounds=2)
    for status in ("stopped", "failed", "converged"):
        data = make_report_data(rounds=2, finished=False)
        data.summary["status"] = status  # type: ignore[index]
        assert 'http-equiv="refresh"' not in HtmlReporter().render(data, tmp_path).read_text()


def test_a_baseline_that_nobody_goes_on_with_does_not_refresh(tmp_path: Path) -> None:
    data = make_report_data(rounds=0, finished=False)
    data.summary["rounds_asked"] = 0  # type: ignore[index]
    assert 'http-equiv="refresh"' not in HtmlReporter().render(data, tmp_path).read_text()


def test_a_folder_of_runs_gets_an_index(run: Path, opened: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    folder = runs_of(run, "one", "two")
    assert holds_runs(folder)
    assert not holds_runs(run)
    assert main(["report", str(folder), "--open"]) == 0
    assert capsys.readouterr().out == f"{folder / 'index.html'}\n"
    assert opened == [(folder / "index.html").as_uri()]


def test_a_copied_run_goes_by_its_folder_in_the_index(run: Path) -> None:
    source, _ = page_of(runs_of(run, "one", "two"))
    for name in ("one", "two"):
        assert f'<a href="./{name}/report/index.html">{name}</a><small>made as {run.name}</small>' in source


def test_the_index_tells_the_gain_of_the_certified_model(run: Path) -> None:
    folder = runs_of(run, "one")
    test = read_json(folder / "one" / "summary.json")["test"]
    rewrite(folder / "one", test_certified={**test, "delta": 0.123, "ci95": [0.1, 0.2]})
    source, _ = page_of(folder)
    assert "+12.3" in source
    assert interval([0.1, 0.2]) in source
    rewrite(folder / "one", test=None)  # worn: neither is shown
    assert "+12.3" not in page_of(folder)[0]


def test_each_run_has_a_row_with_its_numbers_and_a_link_to_its_report(run: Path) -> None:
    folder = runs_of(run, "one", "two")
    (folder / "two" / "report" / "index.html").unlink()
    source, page = page_of(folder)
    rows = re.findall(r"<tr><td.*?</tr>", source, flags=re.DOTALL)
    assert len(rows) == 2
    summary = read_json(folder / "one" / "summary.json")
    for row in rows:
        for figure in (
            percent(summary["baseline"]["dev"]["value"]),
            percent(summary["champion"]["dev"]["value"]),
            points(summary["test"]["delta"]),
            interval(summary["test"]["ci95"]),
            points(summary["guard"]["delta"]),
            summary["model"],
            "finished",
            "2 rounds",
        ):
            assert figure in row
    links = [value for _, name, value in page.attributes if name == "href" and not value.startswith("#")]
    assert links == ["./one/report/index.html"]
    assert (folder / links[0]).is_file()
    assert "no page yet" in page.text


def test_the_index_can_neither_run_nor_reach_out_whatever_the_runs_are_called(run: Path) -> None:
    names = ["javascript:alert(1)", "a\"onclick='x", "%2e%2e", "ü \u202e", "x<script>", "..."]
    folder = runs_of(run, *names)
    for name, payload in zip(names, HOSTILE, strict=False):
        rewrite(folder / name, run=payload, model=HOSTILE[2], domain=HOSTILE[0], status=HOSTILE[11])
    (folder / "bad").mkdir()
    (folder / "bad" / "ledger.jsonl").write_text("")
    (folder / "bad" / "summary.json").write_text(json.dumps({"schema": HOSTILE[0]}))
    source, page = page_of(folder)
    assert page.tags <= ALLOWED
    for tag, name, value in page.attributes:
        assert not name.startswith("on")
        assert name not in ("src", "srcset", "action", "style", "xlink:href")
        if name == "href":
            assert tag == "a"
            assert re.fullmatch(r"#[\w-]+|\./[\w.%~-]+/report/index\.html", value)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u2066\ud800-\udfff]", source)
    for payload in HOSTILE[: len(names)]:
        assert visible(payload) in page.text
    assert "<script" not in source.lower()
    policy = next(value for _, name, value in page.attributes if name == "content" and "default-src" in value)
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    for drawing in re.findall(r"<svg.*?</svg>", source, flags=re.DOTALL):
        ElementTree.fromstring(drawing)


def test_runs_of_each_domain_stand_apart_and_the_latest_first(run: Path) -> None:
    folder = runs_of(run, "a", "b", "c")
    for name, domain in (("a", "shop"), ("b", "mail"), ("c", "shop")):
        rewrite(folder / name, run=name, domain=domain)
    source, page = page_of(folder)
    assert re.findall(r'<h2 id="domain-\d-h">([^<]*)<', source) == ["shop", "mail"]
    assert re.findall(r'<th scope="row"><a [^>]*>([^<]*)<', source) == ["c", "a", "b"]
    assert source.count("<figure>") == 2
    assert len([1 for tag, name, _ in page.attributes if (tag, name) == ("svg", "aria-label")]) == 4


def test_a_worn_test_is_labelled_or_hidden_in_the_index(run: Path) -> None:
    folder = runs_of(run, "hidden", "shown")
    rewrite(folder / "hidden", test=None, test_openings=5)
    rewrite(folder / "shown", test_openings=5)
    _, page = page_of(folder)
    assert "worn, not shown" in page.text
    assert "worn (opening 5)" in page.text


def test_the_chart_has_a_mark_for_each_run_and_each_test(run: Path) -> None:
    folder = runs_of(run, *(f"r{number:02d}" for number in range(DRAWN + 2)))
    for number in range(3):
        rewrite(folder / f"r{DRAWN - number:02d}", test=None)
    source, _ = page_of(folder)
    wide = re.findall(r'<svg class="chart wide".*?</svg>', source, flags=re.DOTALL)
    assert len(wide) == 1
    assert wide[0].count('class="mark promote"') == DRAWN
    assert wide[0].count('class="mark open"') == DRAWN - 3
    assert f"The latest {DRAWN} runs are drawn." in source


def test_the_same_runs_give_the_same_bytes(run: Path) -> None:
    folder = runs_of(run, "one", "two")
    assert write_index(folder).read_bytes() == write_index(folder).read_bytes()


@pytest.mark.parametrize("option", [["--json"], ["--format", "csv"], ["--compare", "x"], ["--worn"]])
def test_an_index_has_no_other_options(option: list[str], run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(runs_of(run, "one")), *option]) == 2
    assert "folder of runs" in capsys.readouterr().err


def test_a_folder_without_runs_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 2
    assert "not a run directory" in capsys.readouterr().err


@pytest.mark.parametrize("value", [0.0, 0.004, 0.97, 1.0])
def test_the_chart_never_goes_beyond_all_items(value: float) -> None:
    score = {"value": value, "stderr": 0.0, "n": 50, "correct": None}
    drawing = str(trend_chart([("1", score, score, None)], 320, "one run"))
    shares = [float(share) for share in re.findall(r">([\d.]+)%<", drawing)]
    assert shares == sorted(shares)
    assert shares[0] >= 0
    assert shares[-1] <= 100
    assert shares[0] <= 100 * value <= shares[-1]
    assert trend_chart([], 320, "none") == ""
