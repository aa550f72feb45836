"""Gates as harness.yaml declares them: what may be written, and what is refused with its line."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from harness.config import Settings, load_settings
from harness.exceptions import InputError
from harness.regression.declare import Declared, declared, gate_of, gates_of


def read(folder: Path, text: str) -> Declared:
    path = folder / "harness.yaml"
    path.write_text(text, encoding="utf-8")
    return declared(load_settings(path, {}))


def test_without_gates_nothing_is_declared() -> None:
    assert declared(Settings()) == Declared()


def test_every_form_of_the_issue_is_read(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
gates:
  - metric: exact_match >= 0.8
  - no_regression: {against: baseline, alpha: .05, margin: .02}
  - category: {missed refusal: "<= 2%"}
  - must_pass: [0123456789abcdef]
  - guard: within 3 points
  - latency: <= 2 s
  - length: <= 60 tokens
  - length: p95 <= 100 tokens
""",
    )
    assert [(gate.name, gate.kind) for gate in found.gates] == [
        ("metric exact_match >= 0.8", "metric"),
        ("no_regression", "no_regression"),
        ("category missed_refusal <= 2%", "category"),
        ("must_pass", "must_pass"),
        ("guard within 3 points", "guard"),
        ("latency <= 2 s", "latency"),
        ("length <= 60 tokens", "length"),
        ("length p95 <= 100 tokens", "length"),
    ]
    assert [gate.limit.value for gate in found.gates if gate.limit] == [0.8, 0.02, 2.0, 60.0, 100.0]
    assert [gate.percentile for gate in found.gates] == [None] * 7 + [95]
    assert (found.gates[1].alpha, found.gates[1].margin, found.gates[4].margin) == (0.05, 0.02, 0.03)
    assert found.gates[3].items == ("0123456789abcdef",)
    assert found.needs_baseline
    assert found.needs_guard


def test_one_mapping_is_a_gate_a_key(tmp_path: Path) -> None:
    found = read(tmp_path, "gates:\n  metric: acc >= 0.8\n  no_regression:\n")
    assert [gate.name for gate in found.gates] == ["metric acc >= 0.8", "no_regression"]


def test_one_mapping_with_siblings_is_one_gate(tmp_path: Path) -> None:
    found = read(tmp_path, "gates:\n  metric: acc >= 0.8\n  skill: routing\n  name: routing works\n")
    assert [(gate.name, gate.skill) for gate in found.gates] == [("routing works", "routing")]


def test_each_category_of_a_mapping_is_a_gate(tmp_path: Path) -> None:
    found = read(tmp_path, "gates:\n  - category: {too-long: <= 5%, empty: <= 0%}\n")
    assert [gate.subject for gate in found.gates] == ["too_long", "empty"]


def test_a_gate_is_named_for_what_it_looks_at() -> None:
    assert gate_of({"no_regression": None, "skill": "routing"}).name == "no_regression routing"
    assert gate_of({"metric": "acc >= 80%", "task": "arc_easy"}).name == "metric arc_easy acc >= 80%"
    assert gate_of({"no_regression": {"margin": "5 points"}}).name == "no_regression within 5 points"


def test_what_is_too_close_to_call_fails_thresholds_and_passes_comparisons() -> None:
    kinds = {gate_of(entry).kind: gate_of(entry).on_uncertain for entry in (
        {"metric": "acc >= .8"}, {"category": {"empty": "<= 1%"}}, {"length": "<= 9"}, {"latency": "<= 1"},
        {"must_pass": ["a"]}, {"no_regression": None}, {"guard": "within 1 point"},
    )}  # fmt: skip
    assert kinds == {
        "metric": "fail", "category": "fail", "length": "fail", "latency": "fail", "must_pass": "fail",
        "no_regression": "pass", "guard": "pass",
    }  # fmt: skip


def test_on_uncertain_of_the_file_holds_for_gates_that_say_nothing(tmp_path: Path) -> None:
    found = read(
        tmp_path, "on_uncertain: pass\ngates:\n  - metric: acc >= .8\n  - {metric: acc >= .9, on_uncertain: fail}\n"
    )
    assert [gate.on_uncertain for gate in found.gates] == ["pass", "fail"]
    found = read(tmp_path, "on_uncertain: fail\ngates:\n  - no_regression:\n")
    assert found.gates[0].on_uncertain == "fail"


def test_known_failures_have_a_reason_and_a_last_day(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "known_failures:\n  - {item: 00ffeeddccbbaa99, reason: the gold is wrong, until: 2027-01-31}\n"
        "  - {item: 11ffeeddccbbaa99, reason: 'two\n      lines', until: '2027-02-01'}\n",
    )
    assert [(each.item, each.reason, each.until) for each in found.known] == [
        ("00ffeeddccbbaa99", "the gold is wrong", datetime.date(2027, 1, 31)),
        ("11ffeeddccbbaa99", "two lines", datetime.date(2027, 2, 1)),
    ]
    assert found.known[0].where.endswith("harness.yaml:2")


def test_categories_of_ones_own_are_known_by_name(tmp_path: Path) -> None:
    found = read(tmp_path, "classifiers:\n  custom:\n    shouting: {regex: '[A-Z]{5}'}\n")
    assert found.categories == {"shouting": "shouting"}


def test_gates_are_no_part_of_a_runs_identity(tmp_path: Path) -> None:
    path = tmp_path / "harness.yaml"
    path.write_text("gates:\n  - metric: acc >= .8\nbaselines: elsewhere\n")
    with_gates = load_settings(path, {})
    assert with_gates.identity() == Settings().identity()
    assert "file" not in with_gates.as_dict()


def test_a_run_remembers_gates_that_yaml_can_write(tmp_path: Path) -> None:
    import yaml

    path = tmp_path / "harness.yaml"
    path.write_text("known_failures:\n  - {item: aa, reason: x, until: 2027-01-31}\n")
    assert yaml.safe_load(yaml.safe_dump(load_settings(path, {}).as_dict()))["known_failures"][0]["item"] == "aa"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gates: 3", "harness.yaml:1: gates is 3"),
        ("gates:\n  - metrc: acc >= .8", "harness.yaml:2: unknown gate 'metrc'. Did you mean 'metric'?"),
        ("gates:\n  - metric: acc >= .8\n  - metric: acc => .8", "harness.yaml:3: 'acc => .8': '=>' is none of"),
        ("gates:\n  - metric: acc at least .8", "harness.yaml:2: 'acc at least .8' is no condition"),
        ("gates:\n  - metric: '>= .8'", "harness.yaml:2: 'metric' names nothing before '>= .8'"),
        ("gates:\n  - metric: [acc]", "harness.yaml:2: 'metric' is ['acc']"),
        ("gates:\n  - metric: acc >= .8 s", "harness.yaml:2: 'acc >= .8 s': unknown unit 's'"),
        ("gates:\n  - metric: acc >= .8\n    guard: within 1 point", "harness.yaml:2: a gate has one of"),
        ("gates:\n  - skill: routing", "harness.yaml:2: a gate has one of"),
        ("gates:\n  - acc", "harness.yaml:2: a gate is 'acc'"),
        ("gates:\n  - category: {empty: <= 200%}", "a share lies from 0 to 1"),
        ("gates:\n  - category: {}", "'category' is empty"),
        ("gates:\n  - category: {empty: x <= 2%}", "begins with 'x'"),
        ("gates:\n  - category: {a: <= 1%, b: <= 1%}\n    name: both", "'name' names one gate"),
        ("gates:\n  - latency: p95 <= 2 s", "latency of 'p95'"),
        ("gates:\n  - latency: <= -1 s", "cannot be below 0"),
        ("gates:\n  - latency: <= 2 s\n    skill: routing", "'latency' takes no 'skill'"),
        ("gates:\n  - length: p100 <= 9", "length of 'p100'"),
        ("gates:\n  - length: <= 1e999", "the number is too large"),
        ("gates:\n  - no_regression: {magin: .02}", "unknown field 'magin' of 'no_regression'. Did you mean 'margin'?"),
        ("gates:\n  - no_regression: {against: main}", "against is 'main'"),
        ("gates:\n  - no_regression: {margin: 2}", "margin is 2; it must lie from 0 to below 1"),
        ("gates:\n  - no_regression: {alpha: .5}", "alpha is 0.5; it must lie above 0 and below .5"),
        ("gates:\n  - no_regression: {alpha: .05}\n    alpha: .01", "alpha stands in 'no_regression' and beside it"),
        ("gates:\n  - guard: close", "margin is 'close'; write .02, 2% or 2 points"),
        ("gates:\n  - guard: [1]", "'guard' is [1]"),
        ("gates:\n  - must_pass: aa", "'must_pass' is 'aa'; expected a list"),
        ("gates:\n  - must_pass: [1234567890123456]", "reads as the number 1234567890123456; put the id in quotes"),
        ("gates:\n  - must_pass: [aa, aa]", "names aa twice"),
        ("gates:\n  - metric: acc >= .8\n    on_uncertain: maybe", "harness.yaml:2: 'on_uncertain' is 'maybe'"),
        ("gates:\n  - metric: acc >= .8\n    name: a::b", "the gate's name 'a::b' has '::'"),
        ('gates:\n  - metric: acc >= .8\n    name: "a\\nb"', "expected a text of one line"),
        ("gates:\n  - metric: acc >= .8\n  - metric: acc >= .8", "harness.yaml:3: there is a gate 'metric acc >= .8'"),
        ("gates:\n  - metric: 'a::b >= .8'", "harness.yaml:2: the gate's name 'metric a::b >= .8' has '::'"),
        (f"gates:\n  - metric: {'a' * 200} >= .8", "more than 120 characters"),
        ("known_failures: aa", "harness.yaml:1: known_failures is 'aa'"),
        ("known_failures:\n  - aa", "harness.yaml:2: a known failure is 'aa'"),
        ("known_failures:\n  - {item: aa, reason: x}", "harness.yaml:2: a known failure needs its until"),
        ("known_failures:\n  - {item: aa, reason: x, untill: 2027-01-01}", "Did you mean 'until'?"),
        ("known_failures:\n  - {item: aa, reason: x, until: soon}", "'until' is 'soon'; expected a day"),
        ("known_failures:\n  - {item: aa, reason: 3, until: 2027-01-01}", "'reason' is 3; expected a text"),
        (
            "known_failures:\n  - {item: aa, reason: x, until: 2027-01-01}\n"
            "  - {item: aa, reason: y, until: 2027-01-01}",
            "harness.yaml:3: item aa is there already",
        ),
        ("on_uncertain: maybe", "harness.yaml:1: field 'on_uncertain' is 'maybe'"),
        ("file: x", "unknown field 'file'"),
    ],
)
def test_a_slip_is_named_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, text)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_one_gate_is_one_gate() -> None:
    with pytest.raises(InputError, match="expected one gate, found 2"):
        gate_of({"category": {"empty": "<= 1%", "toxic": "<= 1%"}})
    assert len(gates_of({"category": {"empty": "<= 1%", "toxic": "<= 1%"}}, "here")) == 2
