"""Whatever a run holds, each form of its report says it and does not act on it, as a real parser of that form reads it.

The measure is the report of the same run on harmless texts of the same lengths: there must be the same elements,
attributes and commands in both.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hostile import HUGE, PAYLOADS, XSS
from markdown_it import MarkdownIt
from report_fixture import make_report_data
from rich.console import Console

from harness.cli.progress import TerminalListener
from harness.cli.tables import print_baseline, print_result
from harness.evaluated import Evaluation
from harness.regression.render import github, junit, markdown, terminal
from harness.regression.results import Broken, GateResult
from harness.reporting import tracking
from harness.reporting.data import ReportData
from harness.reporting.escape import MAX_FIELD, shorten, visible
from harness.reporting.html import HtmlReporter
from harness.reporting.json_summary import JsonReporter
from harness.reporting.markdown import MarkdownReporter

SKILLS = {"extraction": "script", "routing": "markup of rich", "grounded": "annotation", "scope": "bidi override"}
RUNNER = re.compile(r"(?m)^\s*::|##(\[|vso\[|teamcity\[)")


def harmless(text: str) -> str:
    """As long as ``text`` and with its slashes and line ends where they were, which decide where it is cut."""
    return re.sub(r"[^\n/]", "a", text)


def mapped(value: Any, change: Callable[[str], str]) -> Any:
    """``value`` with every string in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {mapped(key, change): mapped(inner, change) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(mapped(inner, change) for inner in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field.name for field in dataclasses.fields(value) if field.init]
        return dataclasses.replace(value, **{name: mapped(getattr(value, name), change) for name in fields})
    return value


def renamed(texts: Mapping[str, str]) -> Callable[[str], str]:
    """Puts texts in place of the skills' names; their order stays."""
    names = {skill: f"{skill[:1]} {texts[payload]}" for skill, payload in SKILLS.items()}

    def change(text: str) -> str:
        found = re.fullmatch(rf"({'|'.join(names)})(/\w+)?", text)
        return names[found[1]] + (found[2] or "") if found else text

    return change


def poisoned(texts: Mapping[str, str], huge: str) -> ReportData:
    """A run of two rounds that holds ``texts`` wherever a model, a data set or the settings put one."""
    every = [huge, *texts.values()]

    def answers(evaluation: Evaluation | None) -> Evaluation | None:
        if evaluation is None:
            return None
        ordered = sorted(evaluation.results, key=lambda result: result.item_id)
        given = {
            result.item_id: huge if index % 5 == 0 else every[1 + index % len(texts)]
            for index, result in enumerate(ordered)
        }
        results = [
            dataclasses.replace(r, prompt=given[r.item_id], target=given[r.item_id], response=given[r.item_id])
            for r in evaluation.results
        ]
        errors = [
            dataclasses.replace(
                record,
                labels=tuple(
                    dataclasses.replace(label, reason=given[record.item_id], span=None) for label in record.labels
                ),
            )
            for record in evaluation.errors
        ]
        return dataclasses.replace(evaluation, results=tuple(results), errors=tuple(errors))

    data = make_report_data(rounds=2, crash_round=None, n=240)
    names = [field.name for field in dataclasses.fields(data) if field.name.startswith(("test_", "guard_"))]
    data = dataclasses.replace(data, **{name: answers(getattr(data, name)) for name in names})
    data = dataclasses.replace(
        data,
        baseline_dev=answers(data.baseline_dev),
        champion_dev=answers(data.champion_dev),
        stopped=" ".join(every[1:]),
    )
    reasons = [
        dataclasses.replace(
            view,
            entry={**view.entry, "reason": texts["script"], "recipe": texts["handler out of a quoted attribute"]},
            verdict={**view.verdict, "reason": texts["annotation"]},
            targets=[{**target, "reason": texts["markup of rich"]} for target in view.targets],
            rows=[
                {**row, "prompt": every[n % len(every)], "completion": every[-n % len(every)]}
                for n, row in enumerate(view.rows)
            ],
        )
        for view in data.rounds
    ]
    data = dataclasses.replace(
        data,
        rounds=reasons,
        manifest={**data.manifest, "texts": [*texts.values()], **{f"{n} {t}": t for n, t in enumerate(every)}},
        summary={
            **data.summary,
            **{"run": texts["script after a title"], "model": texts["annotation"], "domain": texts["colours"]},
        },
    )
    changed: ReportData = mapped(data, renamed(texts))
    return changed


@pytest.fixture(scope="module")
def bad() -> ReportData:
    return poisoned(PAYLOADS, HUGE)


@pytest.fixture(scope="module")
def good() -> ReportData:
    return poisoned({name: harmless(text) for name, text in PAYLOADS.items()}, harmless(HUGE))


def test_there_are_enough_of_them() -> None:
    assert len(XSS) >= 15
    assert len(set(PAYLOADS.values())) == len(PAYLOADS)


# --- the page


class Outline(HTMLParser):
    """Elements and attributes in order, and the text."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, str]] = []
        self.others: list[str] = []
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        self.elements.append(("/" + tag, ()))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


@pytest.fixture(scope="module")
def pages(bad: ReportData, good: ReportData, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("pages")
    found = [HtmlReporter().render(data, folder / str(n)).read_text("utf-8") for n, data in enumerate((bad, good))]
    return found[0], found[1]


def test_the_page_has_the_elements_and_attributes_of_a_harmless_one(pages: tuple[str, str]) -> None:
    hostile, plain = (Outline(source) for source in pages)
    assert hostile.elements == plain.elements
    assert hostile.others == plain.others == ["doctype html"]
    acting = [(name, value) for name, value in hostile.attributes if name.startswith("on") or name in ("src", "style")]
    assert acting == []
    assert {value[:1] for name, value in hostile.attributes if name == "href"} == {"#"}


@pytest.mark.parametrize("name", PAYLOADS)
def test_the_page_says_what_the_text_was(name: str, pages: tuple[str, str]) -> None:
    assert visible(shorten(PAYLOADS[name], MAX_FIELD)) in Outline(pages[0]).text


def test_nothing_on_the_page_is_hidden_and_a_huge_answer_is_cut(pages: tuple[str, str]) -> None:
    assert visible(pages[0]) == pages[0]
    assert max(map(len, pages)) < 1_000_000
    assert f"{len(HUGE) - 1_200:,} more characters" in Outline(pages[0]).text


# --- Markdown


def outline(source: str) -> list[str]:
    """The types of a CommonMark document's parts, its HTML as elements and attributes; text itself is left out.

    The empty comment behind an at sign is ours: it keeps the name behind it from being notified.
    """
    found: list[str] = []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(source.replace("@<!-- -->", "@")):
        for part in (token, *(token.children or ())):
            if part.type.startswith("html"):
                html = Outline(part.content)
                found += [f"<{' '.join((tag, *names))}>" for tag, names in html.elements] + html.others
            elif not part.type.startswith("text"):
                found.append(part.type)
    return found


def test_the_summary_in_markdown_has_the_parts_of_a_harmless_one(
    bad: ReportData, good: ReportData, tmp_path: Path
) -> None:
    hostile, plain = (
        MarkdownReporter().render(data, tmp_path / str(n)).read_text("utf-8") for n, data in enumerate((bad, good))
    )
    found = outline(hostile)
    assert found == outline(plain)
    assert {part for part in found if part.startswith("<")} == {"<code>", "</code>"}
    assert not {"link_open", "image", "autolink"} & set(found)
    assert not RUNNER.search(hostile)
    assert visible(hostile) == hostile
    assert len(hostile) < 500_000


# --- JSON


def test_the_summary_in_json_gives_the_same_values_back_and_shows_no_control(bad: ReportData, tmp_path: Path) -> None:
    every = dataclasses.replace(bad, summary={**bad.summary, "texts": PAYLOADS})
    source = JsonReporter().render(every, tmp_path).read_bytes()
    assert json.loads(source) == json.loads(json.dumps(every.summary))
    text = source.decode("utf-8")
    assert visible(text) == text
    assert json.loads(text)["texts"] == PAYLOADS


# --- the terminal


@pytest.mark.parametrize("width", [40, 80, 500])
def test_the_terminal_shows_names_as_the_characters_they_are(
    width: int, bad: ReportData, good: ReportData, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    shown = []
    for data in (bad, good):
        print_baseline(data, Path("index.html"), as_json=False)
        print_result(data, Path("index.html"), as_json=False)
        listener = TerminalListener(console=Console(highlight=False, width=width, color_system=None))
        for text in PAYLOADS.values() if data is bad else map(harmless, PAYLOADS.values()):
            listener.notice(text)
            listener.line(text)
        for view in data.rounds:
            listener.recorded({**view.entry, "futility": None}, 0.5)
        shown.append(capsys.readouterr().out)
    assert visible(shown[0]) == shown[0]
    assert not RUNNER.search(shown[0])
    if width == 500:
        assert "[bold red]red[/bold red] [link=https://evil.example]press[/link] [/] \\[x]" in shown[0]
        assert "<U+001B>[31mred" in shown[0]


# --- gates: JUnit, Markdown, annotations, terminal


def failed(text: str) -> GateResult:
    answer = Broken("0a1b2c3d4e5f6071", text, text, text, text, text, text, text)
    return GateResult(
        state="fail", passed=False, name=text, kind="metric", message=text, broken=(answer,), notes=(text,)
    )


def shape(element: ElementTree.Element) -> list[tuple[str, list[str]]]:
    return [(each.tag, sorted(each.attrib)) for each in element.iter()]


@pytest.mark.parametrize("name", [*PAYLOADS, "huge"])
def test_a_gate_says_a_hostile_text_and_nothing_else_comes_of_it(name: str) -> None:
    text = PAYLOADS.get(name, HUGE)
    hostile, plain = [failed(text)], [failed(harmless(text))]
    tree = ElementTree.fromstring(junit(hostile).encode())
    assert shape(tree) == shape(ElementTree.fromstring(junit(plain).encode()))
    said = "".join(tree.itertext()) + "".join(value for each in tree.iter() for value in each.attrib.values())
    lines = github(hostile).splitlines()
    assert [line[: line.index(" ")] for line in lines] == ["::error", "::notice"]
    assert len(lines) == len(github(plain).splitlines())
    for annotation in lines:
        properties, message = annotation.split(" ", 1)[1].split("::", 1)
        assert [each.partition("=")[0] for each in properties.split(",")] == ["file", "title"]
        assert not RUNNER.search(message.replace("%0A", "\n"))
    for shown in (said, terminal(hostile), markdown(hostile, text), *lines):
        assert visible(shown) == shown
        assert len(shown) < 50_000
    assert not RUNNER.search(terminal(hostile))
    assert not RUNNER.search(said)
    summary = markdown(hostile, text)
    assert not RUNNER.search(summary)
    assert outline(summary) == outline(markdown(plain, harmless(text)))


# --- trackers


def test_what_goes_to_a_tracker_is_visible_and_its_keys_are_tame(bad: ReportData, good: ReportData) -> None:
    keys = [*tracking.parameters(bad), *(point.key for point in tracking.points(bad))]
    assert all(re.fullmatch(r"[A-Za-z0-9_./-]{1,250}", key) for key in keys)
    assert not any(part in ("", ".", "..") for key in keys for part in key.split("/"))
    assert all(visible(value) == value and len(value) < 6_000 for value in tracking.parameters(bad).values())
    for hostile, plain in zip(tracking.sheets(bad), tracking.sheets(good), strict=True):
        assert len(hostile.rows) == len(plain.rows)
        texts = [cell for row in hostile.rows for cell in row if isinstance(cell, str)]
        assert all(visible(cell) == cell for cell in texts)
        assert sum(map(len, texts)) < 1_000_000


@pytest.mark.filterwarnings("ignore")
def test_tensorboard_reads_back_tables_without_markup(bad: ReportData, good: ReportData, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugin_util import markdown_to_safe_html

    from harness.reporting.tensorboard_log import TensorboardReporter

    found = []
    for number, data in enumerate((bad, good)):
        path = TensorboardReporter().render(data, tmp_path / str(number))
        assert path.stat().st_size < 3_000_000
        read = EventAccumulator(str(path), size_guidance={"tensors": 0, "scalars": 0})
        read.Reload()
        found.append(read)
    hostile, plain = found
    assert hostile.Tags()["scalars"] == plain.Tags()["scalars"]
    assert hostile.Tags()["tensors"] == plain.Tags()["tensors"]
    for tag in (f"tables/{sheet.name}" for sheet in tracking.sheets(bad)):
        texts = [read.Tensors(tag)[0].tensor_proto.string_val[0].decode() for read in found]
        assert outline(texts[0]) == outline(texts[1])
        assert visible(texts[0]) == texts[0]
        shown = [Outline(markdown_to_safe_html(text)) for text in texts]  # as TensorBoard's page makes it
        assert shown[0].elements == shown[1].elements


@pytest.mark.filterwarnings("ignore")
def test_mlflow_reads_back_texts_and_no_other_files(
    bad: ReportData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking import MlflowClient

    from harness.reporting.mlflow_run import MlflowReporter

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    receipt = json.loads(MlflowReporter().render(bad, tmp_path).read_text("utf-8"))
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}")
    run = client.get_run(receipt["run_id"])
    assert run.data.params == tracking.parameters(bad)
    for value in (*run.data.params.values(), *run.data.tags.values(), run.info.run_name):
        assert visible(value) == value
    files = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
    assert all(
        re.fullmatch(r"mlflow\.json|mlflow/(mlflow\.db|artifacts/\w+/artifacts/[\w./]+)", name) for name in files
    )
    sheets: Sequence[tracking.Sheet] = tracking.sheets(bad)
    for sheet in sheets:
        (path,) = tmp_path.rglob(f"tables/{sheet.name}.json")
        read = json.loads(path.read_bytes())
        assert read == {"columns": list(sheet.columns), "data": [list(row) for row in sheet.rows]}
