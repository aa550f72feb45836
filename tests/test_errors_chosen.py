"""Which classifiers run and which category counts first, as ``harness.yaml`` says, and what of it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from errors_items import config, make_item

from harness.config import ClassifierSettings, CustomCategory, load_settings
from harness.errors import PRECEDENCE
from harness.errors.registry import BUILTIN, ON_REQUEST
from harness.errors.setup import load_taxonomy
from harness.exceptions import InputError


def test_by_default_everything_installed_runs_in_the_default_order() -> None:
    taxonomy = load_taxonomy()
    assert taxonomy.precedence == PRECEDENCE
    assert set(BUILTIN) - ON_REQUEST <= {each.name for each in taxonomy.classifiers}


def test_named_categories_come_first_and_the_others_keep_their_order(tmp_path: Path) -> None:
    settings = config(tmp_path, "  precedence: [too_long, ticket]\n  custom: {ticket: {regex: INT}}\n")
    taxonomy = load_taxonomy(settings)
    assert taxonomy.precedence == ("too_long", "ticket", *(each for each in PRECEDENCE if each != "too_long"))
    (record,) = taxonomy.classify_all([make_item("INT " * 60, max_words=4)])
    assert [label.category for label in record.labels][:2] == ["too_long", "ticket"]
    assert record.primary == "too_long"


def test_a_category_of_ones_own_that_is_not_named_stands_before_wrong_answer(tmp_path: Path) -> None:
    settings = config(tmp_path, "  custom: {ticket: {regex: INT}}\n")
    (record,) = load_taxonomy(settings).classify_all([make_item("INT", max_words=4)])
    assert record.primary == "ticket"


def test_what_is_named_behind_wrong_answer_is_never_primary(tmp_path: Path) -> None:
    settings = config(tmp_path, "  precedence: [empty, wrong_answer]\n")
    (record,) = load_taxonomy(settings).classify_all([make_item("no " * 60, max_words=4)])
    assert record.primary == "wrong_answer"
    assert "too_long" in {label.category for label in record.labels}


def test_also_adds_classifiers_that_run_on_request(tmp_path: Path) -> None:
    names = [each.name for each in load_taxonomy(config(tmp_path, "  also: [ungrammatical]\n")).classifiers]
    assert "ungrammatical" in names
    assert "toxic" not in names
    asked = [each.name for each in load_taxonomy(config(tmp_path, "  only: [toxic]\n")).classifiers]
    assert asked == ["toxic"]


def test_only_and_disable_choose_classifiers(tmp_path: Path) -> None:
    own = "  custom: {ticket: {regex: INT}}\n"
    only = load_taxonomy(config(tmp_path, "  only: [empty, ticket]\n" + own))
    assert [each.name for each in only.classifiers] == ["empty", "ticket"]
    rest = load_taxonomy(config(tmp_path, "  disable: [empty, ticket]\n" + own))
    names = [each.name for each in rest.classifiers]
    assert [each for each in names if each in BUILTIN] == [
        each for each in BUILTIN if each not in {"empty", *ON_REQUEST}
    ]
    assert "ticket" not in names


def test_what_runs_on_request_is_enabled_by_name(tmp_path: Path) -> None:
    def names(text: str) -> set[str]:
        return {each.name for each in load_taxonomy(config(tmp_path, text)).classifiers}

    assert names("  also: [ungrammatical]\n") - names("  also: []\n") == {"ungrammatical"}
    assert names("  only: [empty]\n  also: [toxic]\n") == {"empty", "toxic"}


def test_unproven_categories_are_targets_where_they_are_named(tmp_path: Path) -> None:
    unnamed = load_taxonomy(config(tmp_path, "  also: [toxic]\n")).may_trigger
    named = load_taxonomy(config(tmp_path, "  also: [toxic]\n  trigger: [toxic]\n")).may_trigger
    assert unnamed is not None
    assert named == unnamed | {"toxic"} != unnamed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  precedense: []\n", ":2: unknown field 'classifiers.precedense'. Did you mean 'precedence'?"),
        ("  custom:\n    a: {regexp: x}\n", ":3: unknown field 'classifiers.custom.a.regexp'. Did you mean 'regex'?"),
        ("  custom:\n    a: {regex: x, when: presnt}\n",
         ":3: field 'classifiers.custom.a.when' is 'presnt'. Did you mean 'present'?"),
        ("  custom: [a]\n", ":2: expected a name and fields for each below 'classifiers.custom'"),
        ("  custom:\n    a: {}\n", ":3: 'classifiers.custom.a': give one of regex, json_schema and function, not none"),
        ("  custom:\n    a: {regex: x, function: 'm:f'}\n",
         ":3: 'classifiers.custom.a': give one of regex, json_schema and function, not regex and function"),
        ("  custom:\n    A-b: {regex: x}\n",
         ":3: 'classifiers.custom.A-b': a category is named in lower-case letters, digits and '_'"),
        ("  custom:\n    a: {regex: x, confidence: 2}\n",
         ":3: 'classifiers.custom.a': confidence is 2; it must lie from 0 to 1"),
        ("  only: empty\n", ":2: field 'classifiers.only' is 'empty'; expected list of str"),
    ],
)  # fmt: skip
def test_a_bad_section_is_refused_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        config(tmp_path, text)
    assert str(caught.value) == f"{tmp_path / 'harness.yaml'}{message}"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"only": ["halucinated"]}, "classifiers.only: unknown classifier 'halucinated'. Did you mean 'hallucinated'?"),
        ({"disable": ["tolong"]}, "classifiers.disable: unknown classifier 'tolong'. Did you mean 'too_long'?"),
        ({"also": ["toxik"]}, "classifiers.also: unknown classifier 'toxik'. Did you mean 'toxic'?"),
        (
            {"trigger": ["tolong"]},
            "classifiers.trigger: no classifier has the category 'tolong'. Did you mean 'too_long'?",
        ),
        ({"precedence": ["toolong"]}, "classifiers.precedence: unknown category 'toolong'. Did you mean 'too_long'?"),
        ({"precedence": ["empty", "empty"]}, "classifiers.precedence: 'empty' is named twice"),
        ({"custom": {"empty": CustomCategory(regex="x")}}, "classifiers: there are two by the name of 'empty'"),
        ({"custom": {"a": CustomCategory(regex="(")}}, "classifiers.custom.a: regex: missing )"),
        ({"custom": {"a": CustomCategory(regex="x*")}}, "the pattern finds the empty text"),
        (
            {"custom": {"a": CustomCategory(json_schema="absent.json")}},
            "absent.json: cannot be read as the JSON schema",
        ),
        ({"custom": {"a": CustomCategory(json_schema={"type": "objet"})}}, "json_schema: not a valid schema"),
        (
            {"custom": {"a": CustomCategory(json_schema={"patternProperties": {}})}},
            "patternProperties is not supported",
        ),
        ({"custom": {"a": CustomCategory(function="judge")}}, "'judge' is neither 'module:name' nor 'file.py:name'"),
        ({"custom": {"a": CustomCategory(function="no_such_module:f")}}, "cannot import 'no_such_module'"),
        ({"custom": {"a": CustomCategory(function="errors_items:absent")}}, "errors_items has no function 'absent'"),
        ({"custom": {"a": CustomCategory(function="absent.py:f")}}, "absent.py: no such Python file"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_runs(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_taxonomy(ClassifierSettings(**fields))
    assert message in str(caught.value)


def test_settings_with_categories_of_ones_own_are_read_back(tmp_path: Path) -> None:
    import yaml

    (tmp_path / "schema.json").write_text("{}")
    config(tmp_path, "  only: [ticket]\n  custom: {ticket: {regex: x}, form: {json_schema: schema.json}}\n")
    settings = load_settings(tmp_path / "harness.yaml", {})
    again = tmp_path / "again.yaml"
    again.write_text(yaml.safe_dump(settings.as_dict(), sort_keys=False))
    assert load_settings(again, {}) == settings
