"""What gates say in each format, and that nothing which a model wrote acts on a reader."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.regression.answers import Answer, AnswerSet, Identity
from harness.regression.render import ANNOTATIONS, explain, figure, github, interval, junit, markdown, tally, terminal
from harness.regression.results import Broken, GateResult

HOSTILE = [
    "::error file=a::owned",
    "fine\n  ::set-output name=x::y",
    "##[error]owned ##vso[task.complete] ##teamcity[x]",
    "\x1b[2J\x1b]8;;http://x.example\x07link",
    "\u202egnp.exe \u2066",
    "]]></failure><testcase name='passed'/>",
    "| x | </details><script>alert(1)</script> [a](http://x.example) `@bob` @bob",
    "100% a,b:c\r\nd",
    "\udc80 \ufffe \x00",
    "x" * 9_000,
]


def gate(state: str = "pass", passed: bool | None = None, **others: object) -> GateResult:
    values = {"name": "metric acc >= 0.8", "kind": "metric", "message": "83.0% of 300 items", **others}
    return GateResult(state=state, passed=state == "pass" if passed is None else passed, **values)


def broken(text: str) -> Broken:
    return Broken("0a1b2c3d4e5f6071", text, text, text, text, text, text, text)


def hostile(text: str, passed: bool = False) -> GateResult:
    return gate("fail", passed, name=text, message=text, broken=(broken(text),), notes=(text,))


PASS = gate(value=0.83, low=0.781, high=0.86, threshold=0.8, unit="share", n=300)
FAIL = gate(
    "fail",
    name="no_regression routing",
    kind="no_regression",
    message="5 points worse",
    value=-0.05,
    low=-0.09,
    high=-0.01,
    threshold=-0.02,
    unit="difference",
    n=300,
    broken=(
        Broken("0a1b2c3d4e5f6071", "t", "routing", "Which queue?", "billing", "billing", "refund", "wrong_answer"),
    ),
    notes=("known failure 1122 passes: remove it",),
)
CLOSE = gate("uncertain", True, name="latency <= 2 s", kind="latency", message="too close", value=1.9, unit="s")
UNKNOWN = gate("unknown", name="guard within 3 points", kind="guard", message="no baseline: --harness-update-baseline")
ALL = (PASS, FAIL, CLOSE, UNKNOWN)


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.8125, "share", "81.2%"),
        (0.02, "difference", "+2.0 points"),
        (1.5, "s", "1.50 s"),
        (48.06, "tokens", "48.1 tokens"),
        (3, "items", "3 items"),
        (None, "share", "-"),
    ],
)
def test_a_figure_has_its_unit(value: float | None, unit: str, shown: str) -> None:
    assert figure(value, unit) == shown


def test_an_interval_names_its_unit_once() -> None:
    assert interval(PASS) == "78.1 to 86.0%"
    assert interval(FAIL) == "\u22129.0 to \u22121.0 points"
    assert interval(UNKNOWN) == "-"


def test_the_tally_says_what_was_too_close_to_call_and_what_is_unknown() -> None:
    assert tally(ALL) == "4 gates: 2 passed (1 too close to call), 2 failed (1 unknown)"
    assert tally([]) == "no gates"


def test_the_terminal_names_each_gate_with_its_verdict_and_message() -> None:
    text = terminal(ALL)
    assert "pass: metric acc >= 0.8\n  83.0% of 300 items\n" in text
    assert "FAIL: no_regression routing\n  5 points worse\n" in text
    assert "pass (too close to call): latency <= 2 s\n" in text
    assert "FAIL (unknown): guard within 3 points\n  no baseline: --harness-update-baseline\n" in text


def test_a_failure_shows_before_and_now_side_by_side() -> None:
    text = explain(FAIL, 60)
    assert "note: known failure 1122 passes: remove it" in text
    assert "1. routing, item 0a1b2c3d4e5f6071: wrong answer" in text
    assert "asked: Which queue?" in text
    assert re.search(r"\| before +\| now +\|", text)
    assert re.search(r"\| billing +\| refund +\|", text)
    assert all(len(line) <= 60 for line in text.split("\n"))


def test_answers_of_a_gate_that_passed_are_left_out() -> None:
    assert "| before" not in explain(gate(broken=FAIL.broken))


def test_an_answer_without_one_before_it_stands_alone() -> None:
    alone = Broken("0a1b2c3d4e5f6071", "t", "routing", "Which?", "a", None, "")
    text = explain(gate("fail", broken=(alone,)))
    assert text.endswith("   now: (empty)")
    assert "| before" not in text


def test_a_terminal_shows_two_answers_of_a_gate_and_says_how_many_there_are() -> None:
    several = gate("fail", broken=tuple(replace(FAIL.broken[0], item=f"{number:016x}") for number in range(5)))
    text = terminal([several])
    assert text.count("| before") == 2
    assert "and 3 more: --format markdown shows them" in text
    assert explain(several).count("| before") == 5


def test_the_summary_is_a_table_with_the_answers_folded_behind_it() -> None:
    said = AnswerSet("runs/a", (Answer("0a", "t", "s", "c", 1.0),), Identity(model="tiny"), seconds=3.0)
    text = markdown(ALL, "Gates", said)
    assert text.startswith("## Gates\n\n4 gates: 2 passed (1 too close to call), 2 failed (1 unknown). ")
    assert "<code>tiny</code> on 1 item, answered in 3.0 s." in text
    assert (
        "| <code>metric acc &gt;= 0.8</code> | pass | 83.0% | 78.1 to 86.0% | 80.0% | 300 | 83.0% of 300 items |"
        in text
    )
    assert "| **FAIL** |" in text
    assert "<details><summary><code>no\\_regression routing</code>: 1 answer to look at</summary>" in text
    assert "| <code>billing</code> | <code>billing</code> | <code>refund</code> |" in text


def test_junit_counts_a_test_case_for_each_gate_and_a_failure_for_each_that_failed() -> None:
    root = ElementTree.fromstring(junit(ALL))
    suite = root[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors"), suite.get("skipped")) == (
        "4",
        "2",
        "0",
        "0",
    )
    failures = {case.get("name"): case.find("failure") for case in suite}
    assert failures["metric acc >= 0.8"] is None
    assert failures["latency <= 2 s"] is None
    assert failures["no_regression routing"].get("type") == "fail"
    assert "5 points worse" in failures["no_regression routing"].get("message")
    assert failures["guard within 3 points"].get("type") == "unknown"


def test_junit_keeps_the_figures_as_properties() -> None:
    case = ElementTree.fromstring(junit([PASS]))[0][0]
    found = {each.get("name"): each.get("value") for each in case.find("properties")}
    assert found["value"] == "0.83"
    assert found["n"] == "300"


def test_annotations_are_errors_warnings_and_notices_at_the_file_of_the_gates() -> None:
    lines = github(ALL, "sub/harness.yaml").splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::error", "::error", "::warning", "::notice"]
    assert all(" file=sub/harness.yaml,title=" in line for line in lines)
    assert lines[0].endswith("::5 points worse%0Arouting 0a1b2c3d4e5f6071: billing -> refund")


def test_gates_that_pass_clearly_leave_no_annotation() -> None:
    assert github([PASS]) == ""


def test_annotations_beyond_what_is_shown_are_counted_in_the_last_one() -> None:
    lines = github([gate("fail", name=f"gate {number}") for number in range(ANNOTATIONS + 5)]).splitlines()
    assert len(lines) == ANNOTATIONS
    assert "title=6 more::FAIL: gate 9; " in lines[-1]
    assert "gate 14" in lines[-1]


def _acts(line: str) -> bool:
    """Whether a runner would take the line for a command (GitHub's ActionCommand.cs, Azure, TeamCity)."""
    return bool(re.match(r"\s*::", line) or re.search(r"##(\[|vso\[|teamcity\[)", line))


@pytest.mark.parametrize("payload", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("width", [40, 100])
def test_nothing_in_a_log_drives_the_terminal_or_the_runner(payload: str, width: int) -> None:
    for text in (terminal([hostile(payload)], width), explain(hostile(payload), width)):
        assert not any(map(_acts, text.splitlines()))
        assert all(character.isprintable() or character == "\n" for character in text)


@given(st.text(st.sampled_from(":#[ aé\n\t\r\x1b\u202e字|"), max_size=120))
def test_no_line_of_a_log_is_a_command_wherever_it_is_wrapped(text: str) -> None:
    assert not any(map(_acts, terminal([hostile(text)], 40).splitlines()))


@pytest.mark.parametrize("payload", HOSTILE, ids=range(len(HOSTILE)))
def test_junit_stays_xml_with_one_test_case(payload: str) -> None:
    text = junit([hostile(payload)], payload)
    root = ElementTree.fromstring(text.encode("utf-8"))
    assert len(root.findall(".//testcase")) == 1
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e\u2066]", text)


@pytest.mark.parametrize("payload", HOSTILE, ids=range(len(HOSTILE)))
def test_an_annotation_stays_one_command_with_its_own_properties(payload: str) -> None:
    lines = github([hostile(payload)], payload).split("\n")
    assert lines[-1] == ""
    assert [line[: line.index(" ")] for line in lines[:-1]] == ["::error", "::notice"]
    for line in lines[:-1]:
        properties, _, _ = line[2:].partition("::")
        assert [each.partition("=")[0] for each in properties.partition(" ")[2].split(",")] == ["file", "title"]


@pytest.mark.parametrize("payload", HOSTILE, ids=range(len(HOSTILE)))
def test_the_summary_has_no_markup_but_its_own(payload: str) -> None:
    text = markdown([hostile(payload)], payload)
    tags = set(re.findall(r"<[^>]*>", text))
    assert tags <= {"<code>", "</code>", "<details>", "</details>", "<summary>", "</summary>", "<br>", "<!-- -->"}
    assert text.count("<details>") == text.count("</details>") == 1
    assert "@bob" not in re.sub(r"<code>.*?</code>", "", text)
    assert not any(map(_acts, text.splitlines()))


def test_a_summary_is_bounded_whatever_the_answers_are() -> None:
    long = gate("fail", broken=tuple(broken("y" * 100_000) for _ in range(5)))
    assert len(markdown([long] * 20, "Gates")) < 1_000_000  # GitHub's limit is 1 MiB for a step
