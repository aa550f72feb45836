"""The section Responses: every item of the set that may be shown, its verdict, its differences and its path."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from report_fixture import make_report_data, rows_of
from report_items import SKILLS, make_evaluation

import harness.reporting.answers
from harness.diagnosis import UNCLASSIFIED
from harness.evaluated import load_evaluation
from harness.exceptions import InputError
from harness.gate.migration import RIGHT
from harness.ledger import Ledger
from harness.reporting.answers import OVERVIEW, VERDICTS, Responses, responses
from harness.reporting.data import ReportData
from harness.reporting.escape import html_value
from harness.reporting.html import HtmlReporter
from harness.reporting.load import load_report_data
from harness.reporting.outcomes import Outcomes, outcomes_of
from harness.reporting.templates import environment


@pytest.fixture(scope="module")
def tested() -> ReportData:
    return make_report_data(rounds=6)


@pytest.fixture(scope="module")
def shown(tested: ReportData) -> Responses:
    return responses(tested)


@pytest.fixture(scope="module")
def page(tested: ReportData, tmp_path_factory: pytest.TempPathFactory) -> str:
    return HtmlReporter().render(tested, tmp_path_factory.mktemp("page")).read_text(encoding="utf-8")


def test_every_item_has_the_verdict_that_its_two_answers_give(tested: ReportData, shown: Responses) -> None:
    assert tested.test_before is not None
    assert tested.test_after is not None
    old, new = tested.test_before.correctness(), tested.test_after.correctness()
    expected = {}
    before = {record.item_id: record.primary for record in tested.test_before.errors}
    for record in tested.test_after.errors:
        key = record.item_id
        if old[key] < 1 <= new[key]:
            expected[key] = "fixed"
        elif new[key] < 1 <= old[key]:
            expected[key] = "broken"
        elif new[key] >= 1:
            expected[key] = "right"
        else:
            expected[key] = "still failing" if before[key] == record.primary else "changed"
    assert {case.item_id: case.verdict for case in shown.cases if case.of == "test"} == expected
    assert {group.name: group.total for group in shown.groups} == Counter(expected.values())
    assert set(expected.values()) == set(VERDICTS)


def test_harm_comes_first_and_skills_take_turns(shown: Responses) -> None:
    assert [group.name for group in shown.groups] == ["broken", "fixed", "still failing", "changed", "right"]
    fixed = shown.groups[1]
    assert [case.skill for case in fixed.cases[:8]] == ["extraction", "grounded", "routing", "scope"] * 2
    ids = [case.item_id for case in fixed.cases if case.skill == "scope"]
    assert ids == sorted(ids)


def test_the_overview_is_a_part_and_the_block_is_all(tested: ReportData, shown: Responses, page: str) -> None:
    assert tested.test_after is not None
    assert [len(group.cases) for group in shown.groups] == [min(group.total, 15) for group in shown.groups[:4]] + [0]
    assert shown.overview <= OVERVIEW
    assert page.count('<details class="case"') == shown.overview
    assert [row["id"] for row in rows_of(page)] == [case.item_id for case in shown.cases]
    for name, evaluation in (("test", tested.test_after), ("dev", tested.champion_dev)):
        ids = {row["id"] for row in rows_of(page) if row["of"] == name}
        assert ids == {result.item_id for result in evaluation.results}
        assert f'<option value="{name}">{name} (600)</option>' in page
    assert f"Here are {shown.overview} of 1,200 items" in page


def test_dev_items_keep_their_way_through_the_rounds_once_test_is_opened(tested: ReportData, shown: Responses) -> None:
    before = replace(tested, summary={**tested.summary, "test": None}, test_before=None, test_after=None)
    dev = [case for case in shown.cases if case.of == "dev"]
    assert dev == list(responses(before).cases)
    assert shown.rounds == responses(before).rounds != ()
    assert {len(case.history.marks) for case in dev} == {1 + sum(view.asked is not None for view in tested.rounds)}
    assert {group.name: group.total for group in shown.groups} == Counter(
        c.verdict for c in shown.cases if c.of == "test"
    )
    assert dict(shown.verdicts) == Counter(case.verdict for case in shown.cases)


@pytest.mark.parametrize(("room", "shown"), [(14_000_000, 6_000), (600_000, 1_000), (100, 700)])
def test_a_page_of_fewer_items_shows_more_of_each_prompt(
    room: int, shown: int, tested: ReportData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness.reporting.answers, "PROMPTS", room)
    dev = replace(tested.baseline_dev, results=[replace(r, prompt="x" * 9_000) for r in tested.baseline_dev.results])
    data = replace(make_report_data(rounds=0, finished=False), baseline_dev=dev, champion_dev=dev)
    for case in responses(data).cases:
        assert len("".join(text for text, _ in case.prompt.segments)) == shown


def test_an_item_reads_the_same_on_the_page_and_in_the_block(page: str) -> None:
    for row in rows_of(page):
        body = row["html"][row["html"].index('<div class="case-body"') :].strip()
        assert (body in page) == (f'id="i-{row["id"]}"' in page)


def test_what_the_block_filters_by_is_the_cases(shown: Responses, page: str) -> None:
    for row, case in zip(rows_of(page), shown.cases, strict=True):
        assert case.before is not None
        assert (row["skill"], row["verdict"]) == (case.skill, case.verdict)
        assert (row["before"], row["after"]) == (case.before.category, case.after.category)
        assert row["rounds"] == list(case.history.changed)


def test_counts_of_the_filters_are_those_of_the_items(shown: Responses) -> None:
    assert dict(shown.skills) == Counter(case.skill for case in shown.cases)
    assert dict(shown.after) == Counter(case.after.category for case in shown.cases if case.after.category)
    assert [count for _, count in shown.before] == sorted((count for _, count in shown.before), reverse=True)


def test_while_the_champion_is_the_untouched_model_there_is_one_response() -> None:
    found = responses(make_report_data(rounds=2, all_rejected=True, finished=False))
    assert [group.name for group in found.groups] == ["failing", "right"]
    assert len(found.groups[0].cases) == OVERVIEW
    assert all(case.before is None for case in found.cases)
    assert found.before == ()


def test_no_item_of_the_gate_and_before_its_opening_none_of_test_is_in_the_block(tmp_path: Path) -> None:
    data = make_report_data(rounds=3, finished=False)
    source = HtmlReporter().render(data, tmp_path).read_text(encoding="utf-8")
    assert {row["id"] for row in rows_of(source)} == {result.item_id for result in data.baseline_dev.results}


def test_words_that_differ_are_struck_and_underlined_and_evidence_is_marked(page: str) -> None:
    texts = "".join(row["html"] for row in rows_of(page))
    assert "order_id&#34;: null<del>,</del>" in texts
    assert "order_id&#34;: null<ins>}</ins>" in texts
    assert "<mark>product</mark>" in texts
    assert "expected a quoted key, at <q>product</q>" in texts


def test_pieces_of_a_response_make_the_response(shown: Responses, tested: ReportData) -> None:
    assert tested.test_after is not None
    texts = {result.item_id: result.response for result in tested.test_after.results}
    for case in shown.cases:
        if case.of == "test":
            assert "".join(text for text, _, _ in case.after.pieces) == texts[case.item_id][:1_200]


def dev_run() -> ReportData:
    """Three rounds over the same items: the third, which is not the champion, was broken off after ten of them."""
    data = make_report_data(rounds=3, finished=False, crash_round=None)
    assert data.summary["champion"]["round"] == 2
    third = data.rounds[2]
    assert third.asked is not None
    part = Outcomes(dict(list(third.asked.states.items())[:10]), {})
    return replace(data, rounds=(*data.rounds[:2], replace(third, asked=part)))


def test_the_path_through_the_rounds_is_each_rounds_outcome() -> None:
    data = dev_run()
    found = responses(data)
    evaluations = [outcomes_of(data.baseline_dev), *(view.asked for view in data.rounds if view.asked)]
    for case in found.cases:
        asked = [each.states.get(case.item_id) for each in evaluations]
        marks = "".join("·" if one is None else "✓" if one == RIGHT else "✗" for one in asked)
        assert case.history.marks == marks
        states = [(number, one == RIGHT) for number, one in enumerate(asked) if one is not None]
        flips = [later[0] for former, later in pairwise(states) if former[1] != later[1]]
        assert list(case.history.changed) == flips
    assert sum("·" in case.history.marks for case in found.cases) == len(found.cases) - 10
    assert dict(found.rounds) == Counter(number for case in found.cases for number in case.history.changed)


def test_the_path_is_said_in_words_too() -> None:
    data = dev_run()
    key, before = next(iter(outcomes_of(data.baseline_dev).states.items()))
    after = outcomes_of(data.champion_dev).states[key]
    states = {1: {key: "an_odd_one"}, 3: {key: "an_odd_one"}, 4: {}, 5: {}, 6: {key: UNCLASSIFIED}}
    rounds = [replace(data.rounds[0], number=number, asked=Outcomes(own, {})) for number, own in states.items()]
    case = next(c for c in responses(replace(data, rounds=rounds)).cases if c.item_id == key)
    first, second = (state.replace("_", " ") for state in (before, after))
    assert [f"{names}: {what}" for names, what in case.history.stretches] == [
        f"0: {first}",
        "1: an odd one",
        f"2: {second}",
        "3: an odd one",
        "4\u20135: not asked",
        "6: wrong",
    ]


def test_test_items_show_the_untouched_the_certified_and_the_champion_model(tested: ReportData) -> None:
    certified = outcomes_of(make_evaluation("test", 0.1, 600, 2))
    summary = {**tested.summary, "test_certified": {"round": 2}}
    case = responses(replace(tested, summary=summary, test_certified=certified)).cases[0]
    names = ", ".join(names for names, _ in case.history.stretches)
    assert len(case.history.marks) == 3
    assert names == "untouched model, certified (round 2), champion (round 6)"


def test_a_runs_outcomes_are_read_from_its_rounds(tiered_run: Path) -> None:
    data = load_report_data(tiered_run)
    asked = [view for view in data.rounds if view.asked]
    for view in asked:
        folder = tiered_run / "rounds" / f"{view.number:03d}" / ("dev" if view.answers else "dev_partial")
        assert view.asked == outcomes_of(load_evaluation(folder))
    recorded = Ledger(tiered_run / "ledger.jsonl", writable=False).of_kind("final")[-1].data
    assert (data.test_certified is None) == (recorded["test_certified"] is None)


def test_everything_but_the_responses_is_under_400_kilobytes(tested: ReportData, tmp_path: Path) -> None:
    ten = (*SKILLS, "dialogue", "paraphrase", "reply", "rewrite", "tools", "arithmetic")
    many = make_report_data(rounds=20, skills=ten, share=lambda number: 0.05 + 0.02 * number, crash_round=None)
    for data in (tested, many):
        source = HtmlReporter().render(data, tmp_path).read_text(encoding="utf-8")
        rest = re.sub(r'<section id="responses".*?</section>', "", source, flags=re.DOTALL)
        assert len(rest) < len(source)
        assert len(rest.encode()) <= 400_000


def test_a_hostile_item_id_and_skill_stay_text_wherever_they_stand(tmp_path: Path) -> None:
    data = make_report_data(rounds=2, finished=False, crash_round=None)
    evil = '"><img src=x onerror=alert(1)> \ud800\u202e%41'
    after, before = (
        replace(
            evaluation,
            results=tuple(
                replace(result, item_id=evil, skill=evil) if number == 0 else result
                for number, result in enumerate(evaluation.results)
            ),
            errors=tuple(
                replace(record, item_id=evil, primary=evil) if number == 0 else record
                for number, record in enumerate(evaluation.errors)
            ),
        )
        for evaluation in (data.champion_dev, data.baseline_dev)
    )
    source = HtmlReporter().render(replace(data, champion_dev=after, baseline_dev=before), tmp_path).read_text("utf-8")
    (row,) = (row for row in rows_of(source) if "onerror" in row["id"])
    assert row["id"] == row["skill"] == '"><img src=x onerror=alert(1)> <U+D800><U+202E>%41'
    for text in (source, row["html"]):
        assert "<img" not in text
        assert html.escape(evil[:20], quote=False).replace('"', "&#34;") in text


def test_a_script_is_known_by_its_hash_to_the_byte(tmp_path: Path) -> None:
    (tmp_path / "own.js").write_bytes(b"let a = '{{ 1 }}';\r\nlet b;\n")
    made = environment(tmp_path, html_value, html=True).from_string(
        "{% set s = script('own.js') %}{{ s.sha256 }} {{ s.source }}"
    )
    digest, _, source = made.render().partition(" ")
    assert source == "let a = '{{ 1 }}';\nlet b;\n"
    assert digest == base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


@pytest.mark.parametrize("bad", ["a = '</SCRIPT >'", "<!-- a"])
def test_a_script_that_would_end_its_own_tag_is_refused(tmp_path: Path, bad: str) -> None:
    (tmp_path / "own.js").write_text(bad, encoding="utf-8")
    with pytest.raises(InputError, match=r"own\.js: .* in two parts"):
        environment(tmp_path, html_value, html=True).from_string("{{ script('own.js').source }}").render()
