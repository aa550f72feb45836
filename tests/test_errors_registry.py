"""The door for classifiers of one's own, proved with packages that are not there."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import types
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from errors_items import make_item

from harness.errors import PRECEDENCE, Classifier, ErrorLabel, classify, load_classifiers
from harness.errors.custom import as_classifiers
from harness.errors.registry import BUILTIN, GROUP, ON_REQUEST
from harness.evaluation.items import ItemResult
from harness.exceptions import InputError

DEFAULT = [name for name in BUILTIN if name not in ON_REQUEST]


class Shouting:
    name = "shouting"
    version = "1"
    categories: tuple[str, ...] = ("shouting",)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        return [ErrorLabel("shouting", 1.0, (0, len(item.response)))] if item.response.isupper() else []


class NoMethod:
    name, version, categories = "shouting", "1", ("shouting",)


class OtherName(Shouting):
    name = "whispering"


class NoCategories(Shouting):
    categories = ()


class NeedsArgument(Shouting):
    def __init__(self, path: str) -> None:
        self.path = path


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pretend that packages are installed which declare these entry points."""
    module = types.ModuleType("loud_package")
    for kind in (Shouting, NoMethod, OtherName, NoCategories, NeedsArgument):
        setattr(module, kind.__name__, kind)
    module.instance = Shouting()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "loud_package", module)

    def pretend(*points: tuple[str, str]) -> None:
        declared = [metadata.EntryPoint(name, value, GROUP) for name, value in points]

        def entry_points(**parameters: Any) -> metadata.EntryPoints:
            return metadata.EntryPoints(declared).select(**parameters)

        monkeypatch.setattr(metadata, "entry_points", entry_points)

    return pretend


def names_of(classifiers: tuple[Classifier, ...]) -> list[str]:
    return [classifier.name for classifier in classifiers]


def test_the_builtin_classifiers_keep_the_contract_and_are_named_like_their_categories(install: Any) -> None:
    install()
    assert names_of(load_classifiers()) == DEFAULT
    loaded = load_classifiers(list(BUILTIN))
    assert names_of(loaded) == list(BUILTIN)
    for classifier in loaded:
        assert isinstance(classifier, Classifier)
        assert classifier.categories == (classifier.name,)
        assert classifier.version


@pytest.mark.parametrize("attribute", ["Shouting", "instance"])
def test_a_plugin_is_found_beside_the_builtin_ones_as_class_or_as_object(install: Any, attribute: str) -> None:
    install(("shouting", f"loud_package:{attribute}"))
    loaded = load_classifiers()
    assert names_of(loaded) == [*DEFAULT, "shouting"]
    assert classify(make_item("NO!"), loaded).primary == "shouting"


def test_names_choose_which_and_in_what_order(install: Any) -> None:
    install(("shouting", "loud_package:Shouting"))
    assert names_of(load_classifiers(["shouting", "empty", "shouting"])) == ["shouting", "empty"]
    assert load_classifiers([]) == ()


def test_an_unknown_name_suggests_the_nearest(install: Any) -> None:
    install()
    with pytest.raises(InputError, match=r"^unknown classifier 'repetitve'\. Did you mean 'repetitive'\?$"):
        load_classifiers(["repetitve"])


def test_a_name_that_is_taken_by_a_builtin_is_refused_and_names_both(install: Any) -> None:
    install(("empty", "loud_package:Shouting"))
    with pytest.raises(InputError) as caught:
        load_classifiers(["wrong_answer"])
    assert str(caught.value) == (
        "classifier 'empty' is registered twice: harness.errors.builtin.empty:Empty (built in) and "
        "loud_package:Shouting (package unknown); uninstall one of the packages or rename its entry point"
    )


def test_two_plugins_of_one_name_are_refused(install: Any) -> None:
    install(("shouting", "loud_package:Shouting"), ("shouting", "loud_package:instance"))
    with pytest.raises(InputError, match="'shouting' is registered twice"):
        load_classifiers()


def test_one_package_seen_through_two_paths_is_one_classifier(install: Any) -> None:
    install(("shouting", "loud_package:Shouting"), ("shouting", "loud_package:Shouting"), ("empty", BUILTIN["empty"]))
    assert names_of(load_classifiers()) == [*DEFAULT, "shouting"]


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("no_such_module_at_all:X", "ModuleNotFoundError"),
        ("loud_package:Missing", "AttributeError"),
        ("loud_package:NeedsArgument", "TypeError"),
        ("loud_package:NoMethod", "it needs the attributes name, version and categories"),
        ("loud_package:OtherName", "its name is 'whispering', its entry point is called 'shouting'"),
        ("loud_package:NoCategories", "at least one string"),
    ],
)
def test_a_broken_plugin_is_reported_and_stops_nothing(
    install: Any, caplog: pytest.LogCaptureFixture, value: str, what: str
) -> None:
    install(("shouting", value))
    with caplog.at_level(logging.WARNING):
        loaded = load_classifiers()
    (message,) = [record.getMessage() for record in caplog.records]
    assert what in message
    assert "\n" not in message
    record = classify(make_item("NO!"), loaded)
    assert record.primary == "wrong_answer"
    assert "shouting" in record.not_assessed
    assert message in record.reasons


def test_the_documentation_has_a_card_for_each_builtin_classifier_in_order_of_precedence(project_root: Path) -> None:
    text = (project_root / "docs" / "classifiers.md").read_text(encoding="utf-8")
    assert re.findall(r"^### (\w+)$", text, re.MULTILINE) == list(BUILTIN)
    assert re.findall(r"^\| \d+ \| `(\w+)` \|", text, re.MULTILINE) == list(PRECEDENCE)


def test_the_example_in_the_documentation_is_a_classifier(project_root: Path) -> None:
    text = (project_root / "docs" / "classifiers.md").read_text(encoding="utf-8")
    listed, example = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    scope: dict[str, Any] = {}
    exec(listed, scope)
    (impolite,) = as_classifiers(scope["CLASSIFIERS"], "the documentation")
    assert [label.reason for label in impolite.classify(make_item("Bye"))] == ["No greeting in it."]
    exec(example, scope)
    classifier = scope["LeakedTicket"]()
    assert isinstance(classifier, Classifier)
    (label,) = classifier.classify(make_item("See INT-20417 for it."))
    assert label.span == (4, 13)
    assert classifier.classify(make_item("See the manual.")) == []
    assert f'[project.entry-points."{GROUP}"]\n{classifier.name} = ' in text


def test_importing_the_package_brings_in_nothing_heavy() -> None:
    heavy = {"torch", "transformers", "pandas", "numpy", "lm_eval", "importlib.metadata"}
    code = "import sys, harness.errors; print(','.join(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not heavy & set(ran.stdout.strip().split(","))
