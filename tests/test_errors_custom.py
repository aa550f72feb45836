"""Categories of one's own, from ``harness.yaml`` and a domain's ``utils.py``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from errors_items import config, make_item
from hypothesis import given
from hypothesis import strategies as st

from harness.config import CustomCategory
from harness.errors import ErrorLabel, classify, classify_response_metrics
from harness.errors.custom import as_classifiers, custom_classifiers, domain_classifiers
from harness.errors.setup import load_taxonomy
from harness.evaluation.items import ItemResult
from harness.exceptions import InputError

TICKET = r"\bINT-\d{5}\b"


def labels_of(response: str, name: str = "mine", item: ItemResult | None = None, **fields: Any) -> list[ErrorLabel]:
    (classifier,) = custom_classifiers({name: CustomCategory(**fields)})
    record = classify(item or make_item(response), [classifier])
    missing = [ErrorLabel(name, 0.0, None, reason, assessed=False) for reason in record.reasons]
    return [label for label in record.labels if label.category == name] + missing


# ----------------------------------------------------------------------- regex


def test_each_match_of_a_pattern_is_a_label_with_its_place() -> None:
    first, second = labels_of("INT-12345 and INT-54321", regex=TICKET, reason="names a ticket", confidence=0.7)
    assert (first.span, second.span) == ((0, 9), (14, 23))
    assert (first.reason, first.confidence) == ("names a ticket", 0.7)
    assert labels_of("none", regex=TICKET) == []


def test_the_absence_of_a_pattern_is_a_label_without_a_place() -> None:
    (label,) = labels_of("Goodbye", regex="(?i)kind regards", when="absent")
    assert label.span is None
    assert labels_of("Kind Regards", regex="(?i)kind regards", when="absent") == []


@pytest.mark.parametrize(
    ("where", "spans"), [("response", [(2, 3), (6, 7), (10, 11)]), ("first_line", [(2, 3)]), ("last_line", [(10, 11)])]
)
def test_a_pattern_looks_where_it_is_told_to(where: Any, spans: list[tuple[int, int]]) -> None:
    assert [label.span for label in labels_of("\n x1\n x2\n x3 \n", regex="x", where=where)] == spans


def test_a_category_looks_at_its_skills_alone() -> None:
    assert labels_of("x", regex="x", skills=["test"])[0].assessed
    assert not labels_of("x", regex="x", skills=["other"])[0].assessed


@pytest.mark.parametrize("when", ["present", "absent"])
def test_a_pattern_that_would_run_for_ever_is_not_assessed_in_time(when: Any) -> None:
    begun = time.monotonic()
    (label,) = labels_of("a" * 5000 + "!", regex="a(?:a|a?)+$", when=when)
    assert time.monotonic() - begun < 30
    assert not label.assessed
    assert "took more than" in label.reason


def test_beyond_the_length_that_is_looked_at_absence_is_not_assessed() -> None:
    assert not labels_of("a" * 30_000 + "x", regex="x", when="absent")[0].assessed
    assert labels_of("a" * 30_000 + "x", regex="x") == []


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=100))
def test_a_pattern_answers_within_the_contract_on_any_text(text: str) -> None:
    for fields in ({"regex": r"\S+"}, {"regex": "a", "when": "absent"}, {"regex": r"\w", "where": "last_line"}):
        for label in labels_of(text, **fields):
            assert label.assessed
            assert label.span is None or text[slice(*label.span)].strip()


# ----------------------------------------------------------------- JSON schema

SCHEMA = {
    "type": "object",
    "properties": {"order": {"type": "string", "pattern": "^[0-9]{5}$"}, "n": {"type": "integer", "maximum": 9}},
    "required": ["order"],
}


def test_json_that_does_not_meet_the_schema_has_a_label_for_each_fault() -> None:
    response = 'So: {"order": "7355", "n": 10}'
    labels = labels_of(response, json_schema=SCHEMA)
    assert [label.span for label in labels] == [(4, len(response))] * 2
    assert sorted(label.reason.partition(":")[0] for label in labels) == ["$.n", "$.order"]
    assert labels_of('{"order": "73557", "n": 9}', json_schema=SCHEMA) == []
    assert "is a required property" in labels_of("{}", json_schema=SCHEMA)[0].reason


@pytest.mark.parametrize("response", ["", "no", '{"order": '])
def test_a_response_without_json_does_not_meet_it_either(response: str) -> None:
    assert labels_of(response, json_schema=SCHEMA)[0].reason.startswith("no JSON: ")


def test_a_schema_is_read_from_a_file_beside_the_settings(tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    settings = config(tmp_path, "  custom: {bad_order: {json_schema: schema.json}}\n")
    taxonomy = load_taxonomy(settings)
    assert taxonomy.classify_all([make_item("{}")])[0].labels[0].category == "bad_order"
    before = taxonomy.identity()["classifiers"]["bad_order"]
    (tmp_path / "schema.json").write_text(json.dumps({**SCHEMA, "required": []}))
    assert load_taxonomy(settings).identity()["classifiers"]["bad_order"] != before


def test_a_pattern_in_a_schema_cannot_hang_and_large_arrays_are_compared_in_linear_time() -> None:
    (label,) = labels_of(json.dumps("a" * 5000 + "!"), json_schema={"pattern": "(?:a|a?)+$"})
    assert not label.assessed
    mixed = json.dumps([n if n % 2 else str(n) for n in range(3000)])
    begun = time.monotonic()
    assert labels_of(mixed, json_schema={"uniqueItems": True}) == []
    assert time.monotonic() - begun < 20
    assert labels_of("[1, 1.0]", json_schema={"uniqueItems": True})


@pytest.mark.parametrize("response", ["9" * 5000, '{"n": ' + "9" * 5000 + "}", "[" * 200, '{"n": NaN}'])
def test_hostile_json_raises_nothing(response: str) -> None:
    assert labels_of(response, json_schema=SCHEMA)


def test_a_reference_to_the_network_is_never_followed() -> None:
    (label,) = labels_of("{}", json_schema={"$ref": "http://127.0.0.1:9/schema.json"})
    assert not label.assessed


# -------------------------------------------------------------------- function

OWN = '''
from dataclasses import dataclass

from harness.errors import ErrorLabel

@dataclass
class Loud:
    name: str = "loud"
    version: str = "3"
    categories: tuple = ("loud",)

    def classify(self, item):
        return [ErrorLabel("loud", 1.0, (0, len(item.response)), "capitals")] if item.response.isupper() else []


def impolite(item):
    """No greeting in it."""
    return "hello" not in item.response.lower()


def broken(item):
    raise ValueError("boom")


CLASSIFIERS = [Loud, impolite]
'''


def test_a_function_in_a_file_beside_the_settings_judges(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    settings = config(tmp_path, '  custom: {rude: {function: "mine.py:impolite"}}\n')
    (record,) = load_taxonomy(settings).classify_all([make_item("Bye")])
    assert record.primary == "rude"
    assert load_taxonomy(settings).classify_all([make_item("Hello!")])[0].primary == "wrong_answer"


@pytest.mark.parametrize(
    ("answer", "reasons"),
    [
        (None, []), (False, []), ("", []), ([], []), (True, ["mine says so"]), ("too rude", ["too rude"]),
        (ErrorLabel("mine", 0.5, None, "r"), ["r"]), ([ErrorLabel("mine", 0.5, None, "r")] * 2, ["r", "r"]),
    ],
)  # fmt: skip
def test_a_function_may_answer_in_several_ways(
    monkeypatch: pytest.MonkeyPatch, answer: Any, reasons: list[str]
) -> None:
    monkeypatch.setattr("errors_items.judge", lambda item: answer, raising=False)
    assert [label.reason for label in labels_of("x", function="errors_items:judge")] == reasons


@pytest.mark.parametrize("answer", [7, {"a": 1}, ["x"], [ErrorLabel("other", 1.0)], ZeroDivisionError()])
def test_a_function_that_raises_or_answers_anything_else_is_not_assessed(
    monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    def judge(item: ItemResult) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr("errors_items.judge", judge, raising=False)
    (label,) = labels_of("x", function="errors_items:judge")
    assert not label.assessed
    assert "classifier 'mine' raised" in label.reason


def test_functions_are_named_like_their_category() -> None:
    def shouting(item: ItemResult) -> bool:
        return item.response.isupper()

    (classifier,) = as_classifiers([shouting], "here")
    assert classifier.categories == ("shouting",)
    assert classify(make_item("NO"), [classifier]).primary == "shouting"


# ---------------------------------------------------------- a domain's utils.py


def test_a_domain_lists_its_own_classifiers_and_functions(tmp_path: Path) -> None:
    (tmp_path / "utils.py").write_text(OWN)
    loud, impolite = domain_classifiers([tmp_path, tmp_path])
    assert (loud.name, loud.version, impolite.name) == ("loud", "3", "impolite")
    taxonomy = load_taxonomy(folders=[tmp_path])
    (record,) = taxonomy.classify_all([make_item("BYE")])
    assert [label.category for label in record.labels] == ["impolite", "loud", "wrong_answer"]
    assert record.labels[0].reason == "No greeting in it."


def test_the_code_of_a_function_is_part_of_its_version(tmp_path: Path) -> None:
    (tmp_path / "utils.py").write_text(OWN)
    before = load_taxonomy(folders=[tmp_path]).identity()
    (tmp_path / "utils.py").write_text(OWN.replace("hello", "good day"))
    assert load_taxonomy(folders=[tmp_path]).identity() != before


def test_a_utils_file_that_lists_none_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "utils.py").write_text("raise SystemExit('must not run')")
    assert domain_classifiers([tmp_path, tmp_path / "absent"]) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CLASSIFIERS = 1", "CLASSIFIERS must be a list"),
        ("CLASSIFIERS = [1]", "CLASSIFIERS[0] is no classifier"),
        ("class A:\n    def classify(self, item): return []\nCLASSIFIERS = [A]", "CLASSIFIERS[0] is no classifier"),
        ("import no_such_module\nCLASSIFIERS = []", "cannot be run: ModuleNotFoundError"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "utils.py").write_text(text)
    with pytest.raises(InputError) as caught:
        domain_classifiers([tmp_path])
    assert str(caught.value).startswith(str(tmp_path / "utils.py"))
    assert message in str(caught.value)


# ----------------------------------------------------- lm-eval's err_* metrics


def metrics(response: str, **options: Any) -> dict[str, float]:
    return classify_response_metrics("t", {"expects": {}}, "?", "gold", response, 0.0, **options)


def test_lm_eval_metrics_have_the_tasks_own_categories(tmp_path: Path) -> None:
    (tmp_path / "utils.py").write_text(OWN)
    own = domain_classifiers([tmp_path])
    found = metrics("BYE", categories=["empty", "wrong_answer"], classifiers=own)
    assert found == {"err_empty": 0.0, "err_wrong_answer": 1.0, "err_loud": 1.0, "err_impolite": 1.0}
    assert metrics("hello", classifiers=own)["err_loud"] == 0.0


@pytest.mark.parametrize("by_variable", [True, False])
def test_lm_eval_metrics_have_the_categories_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_variable: bool
) -> None:
    config(tmp_path, f"  custom: {{ticket: {{regex: '{TICKET}'}}}}\n")
    if by_variable:
        monkeypatch.setenv("HARNESS_CONFIG", str(tmp_path / "harness.yaml"))
    else:
        monkeypatch.chdir(tmp_path)
    assert metrics("INT-12345", categories=[]) == {"err_ticket": 1.0}
    assert metrics("INT-1", categories=["empty"]) == {"err_empty": 0.0, "err_ticket": 0.0}


def test_an_unknown_category_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no metric for the category 'emtpy'\. Did you mean 'empty'\?"):
        metrics("x", categories=["emtpy"])
