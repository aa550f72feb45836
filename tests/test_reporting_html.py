"""The page: well-formed, self-contained, safe, the same every time, and its numbers are the data's."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from report_fixture import make_report_data, rows_of
from report_items import HOSTILE, HUGE

from harness.exceptions import EnvironmentFault, InputError
from harness.reporting.data import ReportData
from harness.reporting.escape import MAX_FIELD, visible
from harness.reporting.formatting import MINUS, interval, percent, points
from harness.reporting.html import HtmlReporter
from harness.reporting.words import compare

VOID = {"meta", "br", "hr", "img", "input", "link", "path", "line", "circle", "rect", "polyline", "wbr"}
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "nav", "section", "article", "div", "span"),
    *("h1", "h2", "h3", "h4", "h5", "p", "a", "b", "i", "strong", "small", "code", "mark", "ul", "ol", "li"),
    *("table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "figure", "figcaption", "details", "summary"),
    *("form", "label", "input", "select", "option", "button", "del", "ins", "q", "script", "noscript"),
    *("wbr", "svg", "g", "text", "path", "line", "circle", "rect", "polyline"),
}

STATES: dict[str, dict[str, Any]] = {
    "running, no round": {"rounds": 0, "finished": False},
    "running": {"rounds": 3, "finished": False},
    "finished": {"rounds": 6},
    "all rejected": {"rounds": 3, "all_rejected": True},
    "first round crashed": {"rounds": 1, "crash_round": 1, "finished": False},
    "no guard, no few-shot": {"rounds": 4, "guard": False, "fewshot": False},
    "worse on test": {"rounds": 3, "test_share": 0.0},
    "many rounds": {"rounds": 13},
    "hostile": {"rounds": 3, "hostile": True},
}


class Page(HTMLParser):
    """Reads a page strictly: tags must balance, and tags, attributes and text are kept."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.sections: dict[str, str] = {}
        self._section = ""
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names))
        if tag == "section":
            self._section = dict(attrs)["id"] or ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "section":
            self._section = ""

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data
            if self._section:
                self.sections[self._section] = self.sections.get(self._section, "") + data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"comment on the page: {data[:50]}")


def render(data: ReportData, folder: Path) -> tuple[str, Page]:
    path = HtmlReporter().render(data, folder)
    source = path.read_text(encoding="utf-8")
    return source, Page(source)


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.fixture(scope="module", params=STATES, ids=lambda name: name.replace(" ", "-"))
def state(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[ReportData, str, Page]:
    data = make_report_data(**STATES[request.param])
    return data, *render(data, tmp_path_factory.mktemp("report"))


def test_the_page_has_known_tags_only_and_they_balance(state: tuple[ReportData, str, Page]) -> None:
    _, source, page = state
    assert source.startswith("<!doctype html>")
    assert page.tags <= ALLOWED


def test_nothing_on_the_page_can_run_or_reach_out(state: tuple[ReportData, str, Page]) -> None:
    _, source, page = state
    ids = {value for _, name, value in page.attributes if name == "id"} | {f"i-{row['id']}" for row in rows_of(source)}
    for tag, name, value in page.attributes:
        assert not name.startswith("on")
        assert name not in ("src", "srcset", "action", "formaction", "style", "xlink:href")
        if name == "href":
            assert tag == "a"
            assert value.startswith("#")
            assert value[1:].partition("?")[0] in ids
    style = source[source.index("<style>") : source.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    policy = next(v for _, n, v in page.attributes if n == "content" and "default-src" in v)
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", source, flags=re.DOTALL)
    (code,) = (text for attributes, text in scripts if not attributes)
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    rules = [rule.split() for rule in policy.split(";")]
    assert ["default-src", "'none'"] in rules
    assert [rule[1:] for rule in rules if rule[0].startswith("script")] == [[f"'sha256-{digest}'"]]
    assert [attributes for attributes, _ in scripts if attributes] == [
        ' type="application/octet-stream" id="responses-data"'
    ]


def test_ids_are_unique_and_every_scrolling_table_can_be_reached_by_keyboard(
    state: tuple[ReportData, str, Page],
) -> None:
    _, source, page = state
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    for opening in re.findall(r'<div class="scroll"[^>]*>', source):
        assert 'tabindex="0"' in opening
        assert "aria-label=" in opening


def test_every_drawing_is_well_formed_and_described(state: tuple[ReportData, str, Page]) -> None:
    _, source, _ = state
    drawings = re.findall(r"<svg.*?</svg>", source, flags=re.DOTALL)
    assert drawings
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        assert root.get("aria-label") or root.get("aria-hidden") == "true"


def test_sections_come_in_order(state: tuple[ReportData, str, Page]) -> None:
    _, source, _ = state
    assert re.findall(r'<section id="([a-z-]+)"', source) == [
        *("verdict", "next", "rounds", "categories", "migration", "before-after", "metrics"),
        *("responses", "training", "time", "manifest"),
    ]


def test_each_round_is_on_the_page_with_its_numbers(state: tuple[ReportData, str, Page]) -> None:
    data, _, page = state
    table = words(page.sections["rounds"])
    training = words(page.sections["training"])
    for view in data.rounds:
        assert f"Round {view.number} " in training
        dev, compared = view.entry["dev"], view.verdict["dev"]
        if dev is None:
            assert "not scored" in table
        else:
            assert percent(dev["value"]) in table
            assert f"b = {compared['fixed']}" in training
            assert f"c = {compared['broken']}" in training
            assert interval(compared["ci95"]) in training


def test_the_untouched_model_and_the_champion_are_scored(state: tuple[ReportData, str, Page]) -> None:
    data, _, page = state
    verdict = page.sections["verdict"]
    assert percent(data.summary["baseline"]["dev"]["value"]) in verdict
    assert percent(data.summary["champion"]["dev"]["value"]) in verdict


def test_test_and_guard_figures_are_the_summarys(tmp_path: Path) -> None:
    data = make_report_data(rounds=6)
    _, page = render(data, tmp_path)
    test, guard = data.summary["test"], data.summary["guard"]
    verdict, table = page.sections["verdict"], page.sections["before-after"]
    for figure in (
        percent(test["after"]["value"]),
        interval(test["ci95"]),
        points(test["delta"], signed=False),
        interval(guard["ci95"]),
        points(guard["mde"], signed=False),
    ):
        assert figure in verdict
        assert figure in table


def tag_rows(page: str) -> list[list[str]]:
    table = page[page.index('aria-label="By tag"') :]
    rows = re.findall(r"<tr>(.*?)</tr>", table[table.index("<tbody>") : table.index("</tbody>")])
    return [re.findall(r"<t[hd][^>]*>(?:<b>)?([^<]*)", row) for row in rows]


def test_results_are_split_by_tag_on_test_and_dev(tmp_path: Path) -> None:
    data = make_report_data(rounds=6)
    source, _ = render(data, tmp_path)
    expected = []
    for where, before, after in (
        ("Test", data.test_before, data.test_after),
        ("Dev", data.baseline_dev, data.champion_dev),
    ):
        assert before is not None
        assert after is not None
        for tag, old in before.by_tag().items():
            new = after.by_tag()[tag]
            paired = compare(before, after, tag=tag)
            assert paired is not None
            assert paired.n == old.n == new.n
            assert paired.delta == pytest.approx(new.value - old.value)
            figures = [percent(old.value), percent(new.value), points(paired.delta), interval(paired.ci95)]
            expected.append([where, tag, *figures, str(old.n)])
    assert [row[:2] for row in expected] == [
        [where, tag] for where in ("Test", "Dev") for tag in ("expansion", "extraction")
    ]
    assert tag_rows(source) == expected


def test_without_a_champion_there_is_only_a_before_by_tag(tmp_path: Path) -> None:
    data = make_report_data(rounds=2, all_rejected=True, finished=False)
    source, _ = render(data, tmp_path)
    scores = data.baseline_dev.by_tag()
    none = ["\u2013"] * 3
    assert tag_rows(source) == [["Dev", tag, percent(one.value), *none, str(one.n)] for tag, one in scores.items()]


def test_items_without_a_tag_have_no_table_of_tags(tmp_path: Path) -> None:
    data = make_report_data(rounds=0, finished=False)
    plain = tuple(replace(result, doc={}) for result in data.baseline_dev.results)
    untagged = replace(data.baseline_dev, results=plain)
    source, _ = render(replace(data, baseline_dev=untagged, champion_dev=untagged), tmp_path)
    assert "By tag" not in source


def test_category_counts_are_the_datas(tmp_path: Path) -> None:
    data = make_report_data(rounds=3)
    source, _ = render(data, tmp_path)
    rows = re.findall(r"<tr>(?:(?!</tr>).)*?class=\"sub\">(.*?)</tr>", source, flags=re.DOTALL)
    shown = [re.findall(r'<td(?: class="[^"]*")?>([^<]*)</td>', row) for row in rows]
    expected = []
    champion = data.summary["champion"]["round"]
    columns = [data.baseline_categories, *(view.categories for view in data.rounds)]
    columns.append(columns[champion])
    for name in sorted({name for column in columns for name in column}):
        counts = [column.get(name, 0) for column in columns]
        change = counts[-1] - counts[0]
        sign = "+" if change > 0 else MINUS if change < 0 else ""
        expected.append(["150", *map(str, counts), f"{sign}{abs(change)}"])
    assert shown == expected


def test_responses_are_of_dev_until_test_is_opened(tmp_path: Path) -> None:
    _, page = render(make_report_data(rounds=3, finished=False), tmp_path)
    assert "From the dev items." in words(page.sections["responses"])


def test_test_items_are_not_on_the_page_before_test_is_opened(tmp_path: Path) -> None:
    source, _ = render(make_report_data(rounds=3, finished=False), tmp_path)
    opened = make_report_data(rounds=3)
    assert opened.test_before is not None
    assert not [result.item_id for result in opened.test_before.results if result.item_id in source]


def test_training_shows_targets_mix_and_three_samples(tmp_path: Path) -> None:
    data = make_report_data(rounds=2)
    source, page = render(data, tmp_path)
    training = words(page.sections["training"])
    for view in data.rounds:
        for target in view.targets:
            assert target["reason"] in training
    assert source.count('<div class="sample">') == 3 * len(data.rounds)
    assert "failing" in training
    assert "replay" in training


def test_a_loss_that_is_not_finite_is_said(tmp_path: Path) -> None:
    _, page = render(make_report_data(rounds=5), tmp_path)
    assert "1 loss value not finite" in words(page.sections["training"])


def test_time_adds_up(tmp_path: Path) -> None:
    data = make_report_data(rounds=3)
    _, page = render(data, tmp_path)
    said = words(page.sections["time"])
    for view in data.rounds:
        assert f"{sum(view.entry['seconds'].values()):.1f}" in said


def test_the_manifest_is_whole_and_its_command_can_be_pasted(tmp_path: Path) -> None:
    data = make_report_data(rounds=1)
    _, page = render(data, tmp_path)
    said = words(page.sections["manifest"])
    assert "harness iterate --rounds 6 --domain helpdesk --out 'runs/my run'" in said
    assert data.manifest["model"]["sha256"] in said
    assert "versions.torch2.13.0" in said
    assert data.ledger_head in said


def test_the_same_data_gives_the_same_bytes(tmp_path: Path) -> None:
    first, _ = render(make_report_data(rounds=4), tmp_path / "a")
    second, _ = render(make_report_data(rounds=4), tmp_path / "b")
    assert first == second


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Page]:
    return render(make_report_data(rounds=3, hostile=True), tmp_path_factory.mktemp("hostile"))


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_hostile_text_is_shown_as_the_text_it_is(hostile: tuple[str, Page], number: int) -> None:
    source, page = hostile
    payload = HOSTILE[number]
    expected = visible(payload) if payload is not HUGE else "A" * MAX_FIELD + f" … ({len(HUGE) - MAX_FIELD:,} more"
    assert expected in page.sections["manifest"]
    if payload is not HUGE:
        assert any(expected in "".join(Page(row["html"]).text) for row in rows_of(source))


def test_a_response_of_five_megabytes_is_cut_and_its_length_said(hostile: tuple[str, Page]) -> None:
    source, _ = hostile
    assert len(source) < 1_000_000
    assert any(re.search(r"4,99\d,\d{3} more characters", Page(row["html"]).text) for row in rows_of(source))


def test_no_hidden_or_reordering_character_reaches_the_page(hostile: tuple[str, Page]) -> None:
    source, _ = hostile
    for text in (source, *(value for row in rows_of(source) for value in row.values() if isinstance(value, str))):
        assert visible(text) == text


def test_a_template_in_a_response_is_not_run(hostile: tuple[str, Page]) -> None:
    assert "{{ view.__class__.__mro__ }}" in hostile[1].text


def test_a_folder_of_ones_own_templates_is_used(tmp_path: Path) -> None:
    (tmp_path / "report.html.j2").write_text("<p>{{ view.summary.run }}</p>", encoding="utf-8")
    data = make_report_data(rounds=0, finished=False)
    data = replace(data, summary={**data.summary, "run": "<b>\x1b"})
    path = HtmlReporter(tmp_path).render(data, tmp_path / "out")
    assert path.read_text(encoding="utf-8") == "<p>&lt;b&gt;&lt;U+001B&gt;</p>"


def test_a_template_cannot_reach_into_python(tmp_path: Path) -> None:
    (tmp_path / "report.html.j2").write_text("{{ ''.__class__.__mro__ }}", encoding="utf-8")
    with pytest.raises(InputError, match="SecurityError"):
        HtmlReporter(tmp_path).render(make_report_data(rounds=0, finished=False), tmp_path / "out")


def test_a_folder_that_cannot_be_written_is_an_environment_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(EnvironmentFault, match="cannot write"):
        HtmlReporter().render(make_report_data(rounds=0, finished=False), tmp_path / "file" / "report")
