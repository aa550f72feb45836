"""Templates of one's own: a file or a block at a time, in the same sandbox, and a slip is one line."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from fake_workbench import tree
from report_fixture import make_report_data
from verified_runs import make_short_run

from harness.cli.main import main
from harness.exceptions import InputError
from harness.reporting.data import ReportData
from harness.reporting.html import HtmlReporter
from harness.reporting.markdown import MarkdownReporter
from harness.reporting.registry import render

HOSTILE = "<b onclick=x>\x1b[31m\u202e"
ESCAPED = "&lt;b onclick=x&gt;&lt;U+001B&gt;[31m&lt;U+202E&gt;"


@pytest.fixture(scope="module")
def data() -> ReportData:
    made = make_report_data(rounds=0, finished=False)
    return replace(made, summary={**made.summary, "run": HOSTILE})


def folder(tmp_path: Path, **files: str) -> Path:
    for name, source in files.items():
        path = tmp_path / "mine" / {"page": "report.html.j2", "verdict": "sections/verdict.html.j2"}.get(name, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return tmp_path / "mine"


def page(data: ReportData, templates: Path, tmp_path: Path) -> str:
    return HtmlReporter(templates).render(data, tmp_path / "out").read_text(encoding="utf-8")


def test_one_file_replaces_its_section_and_the_rest_stays(data: ReportData, tmp_path: Path) -> None:
    mine = folder(tmp_path, verdict='<section id="verdict"><h2>Mine: {{ view.headline.word }}</h2></section>')
    source, whole = page(data, mine, tmp_path), HtmlReporter().render(data, tmp_path / "whole").read_text("utf-8")
    cut = re.compile(r'<section id="verdict".*?</section>', re.DOTALL)
    assert "<h2>Mine: " in source
    assert cut.sub("", source).split() == cut.sub("", whole).split()


def test_one_block_replaces_its_part_and_the_rest_stays(data: ReportData, tmp_path: Path) -> None:
    mine = folder(
        tmp_path,
        page='{% extends "builtin/report.html.j2" %}{% block time %}<p>no time</p>{% endblock %}'
        "{% block verdict %}<p>first</p>{{ super() }}{% endblock %}",
    )
    source = page(data, mine, tmp_path)
    assert "<p>no time</p>" in source
    assert '<section id="time"' not in source
    assert source.index("<p>first</p>") < source.index('<section id="verdict"')


def test_the_example_of_the_documentation_works(data: ReportData, tmp_path: Path, project_root: Path) -> None:
    docs = (project_root / "docs" / "reports.md").read_text(encoding="utf-8")
    (name, example) = re.search(r"`my-templates/([\w.]+)`:\n\n```jinja\n(.*?)```", docs, re.DOTALL).groups()
    source = page(data, folder(tmp_path, **{name: example}), tmp_path)
    assert '<p class="about">House rules' in source
    assert '<section id="manifest"' in source
    assert "escaped" not in source
    assert ESCAPED in source[source.index("House rules") :]


def test_the_style_sheet_and_the_markdown_can_be_replaced(data: ReportData, tmp_path: Path) -> None:
    mine = folder(tmp_path, **{"report.css": "p { color: teal }\n", "summary.md.j2": "Run {{ view.summary.run }}"})
    assert "<style>\np { color: teal }\n</style>" in page(data, mine, tmp_path)
    text = MarkdownReporter(mine).render(data, tmp_path / "out").read_text(encoding="utf-8")
    assert text == "Run &lt;b onclick=x&gt;&lt;U+001B&gt;\\[31m&lt;U+202E&gt;"


def test_a_format_that_has_no_templates_takes_no_notice(data: ReportData, tmp_path: Path) -> None:
    mine = folder(tmp_path, verdict="<p>my own verdict</p>")
    assert render("html", data, tmp_path, mine).read_text("utf-8").count("<p>my own verdict</p>") == 1
    assert render("json", data, tmp_path, mine).name == "summary.json"


@pytest.mark.parametrize(
    "expression",
    [
        "{{ view.summary.run }}",
        "{{ view.summary.run | e }}",
        "{{ view.summary.run | forceescape }}",
        '{{ ("" | e) ~ view.summary.run }}',
        '{{ ["" | e, view.summary.run] | join }}',
        "{% set x %}{{ view.summary.run }}{% endset %}{{ x }}",
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(view.summary.run) }}",
        "{{ view.summary.run | replace('q', 'r') | trim }}",
    ],
)
def test_no_expression_puts_out_a_value_as_markup(expression: str, data: ReportData, tmp_path: Path) -> None:
    assert page(data, folder(tmp_path, page=expression), tmp_path) == ESCAPED


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("one\n{{ view.summary.run | safe }}", r"report.html.j2:2: No filter named 'safe'.*escapes every value"),
        ("{{ view.summary.run | urlize }}", r"report.html.j2:1: No filter named 'urlize'"),
        ("\n{% autoescape false %}{{ view.summary.run }}{% endautoescape %}", r":2: autoescape cannot be switched"),
        ("\n\n{{ ''.__class__.__mro__ }}", r"report.html.j2:3: SecurityError: .*unsafe"),
        ("{{ view.summary.update(x=1) }}", r":1: SecurityError"),
        ("{{ brief.__globals__ }}", r":1: SecurityError"),
        ("{% for x in range(10000000) %}{% endfor %}", r":1: OverflowError"),
        ("\n{% if view.headline %}", r"report.html.j2:\d: Unexpected end of template"),
        ("<p>\n{{ view.nothing }}", r"report.html.j2:2: UndefinedError: .*no attribute 'nothing'"),
        ("{{ 1 / 0 }}", r":1: ZeroDivisionError"),
        ("{{ view.summary.run | percent }}", r":1: (Value|Type)Error"),
        ('\n{% include "sections/verdikt.html.j2" %}', r":2: no template 'sections/verdikt.html.j2' in .*mine"),
        ('{% include "../secret.txt" %}', r":1: no template"),
        ('{% extends "report.html.j2" %}', r"extends or includes itself; write 'builtin/...'"),
    ],
)
def test_a_slip_in_a_template_is_one_line_with_its_place(
    source: str, said: str, data: ReportData, tmp_path: Path
) -> None:
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    with pytest.raises(InputError, match=said) as caught:
        page(data, folder(tmp_path, page=source), tmp_path)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_slip_in_an_included_file_is_named_there(data: ReportData, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"sections.verdict\.html\.j2:2: UndefinedError"):
        page(data, folder(tmp_path, verdict="fine\n{{ nothing }}"), tmp_path)


def test_a_folder_that_replaces_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a folder of templates"):
        HtmlReporter(tmp_path / "missing")
    with pytest.raises(InputError, match=r"nothing in it replaces a template; .*sections/verdict\.html\.j2"):
        HtmlReporter(folder(tmp_path, **{"section/verdict.html.j2": "misspelt"}))


def test_the_command_takes_a_folder_and_a_slip_ends_it_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_short_run(tmp_path / "run")
    mine = folder(tmp_path, verdict="<p>my own verdict</p>")
    assert main(["report", str(run), "--templates", str(mine)]) == 0
    assert "<p>my own verdict</p>" in (run / "report" / "index.html").read_text(encoding="utf-8")
    before = tree(run)
    folder(tmp_path, verdict="\n{{ view.nothing }}")
    capsys.readouterr()
    assert main(["report", str(run), "--templates", str(mine), "--format", "html"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {mine.resolve() / 'sections' / 'verdict.html.j2'}:2: UndefinedError: ")
    assert main(["report", str(run), "--templates", str(tmp_path / "none")]) == 2
    assert tree(run) == before
