"""The run as test cases: what passed, failed and was not asked, with the numbers, in XML whatever the texts are."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from report_fixture import make_report_data
from report_items import HOSTILE

from harness.reporting.escape import line as safe_line
from harness.reporting.formatting import interval, points
from harness.reporting.junit import JunitReporter
from harness.reporting.junit_xml import JunitCase, junit_xml
from harness.reporting.words import compare

BETTER, GUARD, CERTIFIED = "better than the untouched model", "not harmed", "a model is certified"
FEWSHOT = "not worse than the untouched model with few-shot examples"


def render(folder: Path, **state: Any) -> ElementTree.Element:
    return ElementTree.fromstring(JunitReporter().render(make_report_data(**state), folder).read_bytes())


def outcome(root: ElementTree.Element, name: str) -> tuple[str, str, str]:
    """Outcome, its type and its message or text of the test case called ``name``."""
    (case,) = [case for case in root.iter("testcase") if case.get("name") == name]
    (said,) = [each for each in case if each.tag != "properties"]
    return said.tag, said.get("type", ""), said.get("message") or said.text or ""


def test_a_better_model_passes_with_its_numbers(tmp_path: Path) -> None:
    data = make_report_data(rounds=6)
    root = ElementTree.fromstring(JunitReporter().render(data, tmp_path).read_bytes())
    tag, _, text = outcome(root, BETTER)
    assert tag == "system-out"
    assert text.startswith("Better: ")
    paired = compare(data.test_before, data.test_after)
    assert paired is not None
    for figure in (points(paired.delta), interval(paired.ci95), f"{paired.fixed} fixed", f"{paired.broken} broken"):
        assert figure in text


@pytest.mark.parametrize(
    ("state", "kind", "word"),
    [
        ({"rounds": 3, "test_share": 0.0}, "worse", "Worse"),
        ({"rounds": 3, "test_share": 0.05, "n": 100}, "not better", "No proven difference"),
        ({"rounds": 3, "all_rejected": True}, "not better", "Not better"),
    ],
)
def test_a_model_that_is_not_better_fails_with_its_numbers(
    state: dict[str, Any], kind: str, word: str, tmp_path: Path
) -> None:
    tag, found, message = outcome(render(tmp_path, **state), BETTER)
    assert (tag, found) == ("failure", kind)
    assert message.startswith(word)
    assert re.search(r"\d+\.\d%", message)


def test_what_was_not_asked_is_skipped_with_the_reason(tmp_path: Path) -> None:
    root = render(tmp_path, rounds=2, finished=False)
    assert outcome(root, BETTER) == ("skipped", "skipped", "the test items were not opened")
    assert outcome(root, FEWSHOT)[0] == outcome(root, GUARD)[0] == outcome(root, CERTIFIED)[0] == "skipped"
    assert "not certified" in outcome(root, CERTIFIED)[2].lower()


def test_a_worn_test_is_no_verdict(tmp_path: Path) -> None:
    data = make_report_data(rounds=3, test_share=0.0)
    data = replace(data, summary={**data.summary, "test_openings": 5})
    root = ElementTree.fromstring(JunitReporter().render(data, tmp_path).read_bytes())
    assert outcome(root, BETTER)[0] == "skipped"
    assert "worn (opening 5)" in outcome(root, BETTER)[2]
    assert {case.get("classname") for case in root.iter("testcase") if "not worse" in case.get("name", "")} == {
        "test",
        "dev by skill",
    }


def test_each_skill_is_a_case_and_fails_only_where_it_is_worse(tmp_path: Path) -> None:
    fine = [case for case in render(tmp_path, rounds=6).iter("testcase") if case.get("classname") == "test by skill"]
    assert [case.get("name") for case in fine] == [
        f"{skill}: not worse" for skill in ("extraction", "grounded", "routing", "scope")
    ]
    assert all(case.find("failure") is None for case in fine)
    data = make_report_data(rounds=6)
    data = replace(data, test_before=data.test_after, test_after=data.test_before)
    root = ElementTree.fromstring(JunitReporter().render(data, tmp_path).read_bytes())
    tag, kind, message = outcome(root, "extraction: not worse")
    assert (tag, kind) == ("failure", "worse")
    assert " of harm < .001" in message


def test_a_guard_that_lost_much_fails(tmp_path: Path) -> None:
    data = make_report_data(rounds=3)
    assert data.guard_after is not None
    ruined = replace(
        data.guard_after, results=tuple(replace(result, correct=0.0) for result in data.guard_after.results)
    )
    data = replace(data, guard_after=ruined)
    root = ElementTree.fromstring(JunitReporter().render(data, tmp_path).read_bytes())
    tag, kind, message = outcome(root, GUARD)
    assert (tag, kind) == ("failure", "harm")
    assert "300 guard items" in message


def test_a_crashed_round_is_an_error_and_a_rejected_one_is_none(tmp_path: Path) -> None:
    root = render(tmp_path, rounds=6, crash_round=5)
    assert outcome(root, "round 5")[:2] == ("error", "crash")
    assert "not finite" in outcome(root, "round 5")[2]
    decided = {
        case.get("name"): case.find("properties/property").get("value")
        for case in root.iter("testcase")
        if case.get("classname") == "rounds"
    }
    assert set(decided.values()) == {"promote", "reject", "crash"}
    rejected = next(name for name, decision in decided.items() if decision == "reject")
    assert outcome(root, rejected)[0] == "system-out"


def test_the_counts_are_those_of_the_cases(tmp_path: Path) -> None:
    root = render(tmp_path, rounds=6, crash_round=5, test_share=0.0)
    suite = root[0]
    for element in (root, suite):
        assert int(element.get("tests", "")) == len(list(root.iter("testcase")))
        for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(element.get(name, "")) == len(list(root.iter(tag)))
    assert int(suite.get("failures", "")) >= 1


def test_a_hostile_run_stays_xml_with_the_same_cases(tmp_path: Path) -> None:
    path = JunitReporter().render(make_report_data(rounds=4, n=66, hostile=True), tmp_path)
    text = path.read_text(encoding="utf-8")
    root, plain = ElementTree.fromstring(path.read_bytes()), render(tmp_path / "b", rounds=4, n=66)
    assert len(list(root.iter("testcase"))) == len(list(plain.iter("testcase")))
    assert {each.tag for each in root.iter()} == {each.tag for each in plain.iter()}
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u2066\ud800-\udfff]", text)
    assert not any(re.match(r"\s*::", line) for line in text.splitlines())


@pytest.mark.parametrize("payload", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("result", ["passed", "failure", "error", "skipped"])
def test_a_hostile_case_is_one_case_with_its_texts(payload: str, result: Any) -> None:
    text = junit_xml(payload, [JunitCase(payload, payload, result, payload, payload, payload, (("a", payload),))])
    root = ElementTree.fromstring(text.encode("utf-8"))
    (case,) = root.iter("testcase")
    assert case.get("name") == safe_line(payload)
    assert len(text) < 60_000
    assert not re.search(r"##\[|##vso\[", text)
    assert not any(re.match(r"\s*::", line) for line in text.splitlines())


def test_the_same_data_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = (JunitReporter().render(make_report_data(rounds=2, n=60), tmp_path / name) for name in "ab")
    assert one.read_bytes() == two.read_bytes()
