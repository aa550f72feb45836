"""Error categories of one's own: from ``harness.yaml`` (regex, JSON schema, function) and from a domain's ``utils.py``.

They judge model output, which is hostile: a pattern has a time limit, a response a length up to which it is looked at.
Whatever raises while it judges is reported as NOT_ASSESSED by the taxonomy; what cannot be built is the user's mistake.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import regex

from harness.config import CustomCategory
from harness.errors.contract import Classifier, ErrorLabel, not_assessed
from harness.errors.jsontext import JsonFault, find_json, json_value
from harness.errors.registry import as_classifier
from harness.errors.text import quote, visible_span
from harness.evaluation.items import ItemResult
from harness.exceptions import InputError
from harness.storage import canonical_json, sha256_file, sha256_text

HEAD = 20_000  # characters of a response that patterns and schemas look at
SECONDS = 0.2  # of processor time that a pattern may take on one response
MOST_LABELS = 10
LIST_NAME = "CLASSIFIERS"
"""The list in a domain's ``utils.py``: classifiers, classes of them, or functions of one ``ItemResult``."""

Judge = Callable[[ItemResult], object]


class RegexCategory:
    """Sees what a pattern finds in the response, or that it finds nothing."""

    def __init__(self, name: str, given: CustomCategory) -> None:
        self.name, self._given = name, given
        self.categories: tuple[str, ...] = (name,)
        try:
            self._pattern = regex.compile(given.regex or "")
        except regex.error as error:
            raise InputError(f"classifiers.custom.{name}: regex: {error}") from error
        if given.when == "present" and self._pattern.search("", timeout=SECONDS):
            raise InputError(f"classifiers.custom.{name}: regex: the pattern finds the empty text, so always something")
        self.version = _version("regex", given.regex, given.where, given.when, given.confidence, given.skills)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label a match, at most ten; or one without a place where there is none."""
        given = self._given
        if given.skills and item.skill not in given.skills:
            return [not_assessed(self.name, "not asked of this skill")]
        text, start = _part(item.response[:HEAD], given.where)
        try:
            spans = [match.span() for match in islice(self._pattern.finditer(text, timeout=SECONDS), MOST_LABELS)]
        except TimeoutError:
            return [not_assessed(self.name, f"the pattern took more than {SECONDS} s on this response")]
        pattern = quote(given.regex or "")
        if given.when == "present":
            reason = given.reason or f"matches {pattern}"
            return [ErrorLabel(self.name, given.confidence, (start + a, start + b), reason) for a, b in spans]
        if spans:
            return []
        if len(item.response) > HEAD:
            return [not_assessed(self.name, f"the response is longer than {HEAD} characters")]
        return [ErrorLabel(self.name, given.confidence, None, given.reason or f"nothing matches {pattern}")]


def _part(text: str, where: str) -> tuple[str, int]:
    """The part of ``text`` that is searched, and where it begins; lines are the visible ones."""
    visible = visible_span(text)
    if where == "response" or visible is None:
        return text, 0
    start, end = visible
    if where == "first_line":
        return text[start:end].split("\n", 1)[0], start
    begin = max(start, text.rfind("\n", start, end) + 1)
    return text[begin:end], begin


class SchemaCategory:
    """Sees JSON in the response that does not meet a schema, and responses without any."""

    def __init__(self, name: str, given: CustomCategory) -> None:
        self.name, self._given = name, given
        self.categories: tuple[str, ...] = (name,)
        schema = given.json_schema
        self._validator = _validator(_read_schema(schema, name) if isinstance(schema, str) else schema or {}, name)
        self.version = _version("json_schema", self._validator.schema, given.confidence, given.skills)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label a fault, at most ten, over the JSON; text around the JSON does not count."""
        given = self._given
        if given.skills and item.skill not in given.skills:
            return [not_assessed(self.name, "not asked of this skill")]
        text = item.response[:HEAD]
        found = find_json(text)
        if isinstance(found, JsonFault):
            if len(item.response) > HEAD:
                return [not_assessed(self.name, f"the response is longer than {HEAD} characters")]
            return [ErrorLabel(self.name, given.confidence, visible_span(text), f"no JSON: {found.message}")]
        faults = islice(self._validator.iter_errors(json_value(text, found)), MOST_LABELS)
        try:
            reasons = [f"{fault.json_path}: {given.reason or quote(fault.message, 80)}" for fault in faults]
        except TimeoutError:
            return [not_assessed(self.name, f"a pattern of the schema took more than {SECONDS} s on this response")]
        return [ErrorLabel(self.name, given.confidence, (found.start, found.end), reason) for reason in reasons]


def _read_schema(path: str, name: str) -> Any:
    try:
        if Path(path).exists() and not Path(path).is_file():  # a named pipe or a device never ends
            raise ValueError("it is no file")
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as the JSON schema of category '{name}': {error}") from error


def _validator(schema: Any, name: str) -> Any:
    """A validator that fetches nothing and cannot be made to hang.

    Raises:
        InputError: no valid schema, or one with ``patternProperties``, whose patterns would have no time limit.
    """
    import jsonschema
    from referencing import Registry

    where = f"classifiers.custom.{name}: json_schema"
    base = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        base.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise InputError(f"{where}: not a valid schema at {error.json_path}: {error.message}") from error
    if any(key == "patternProperties" for key in _keys(schema)):
        raise InputError(f"{where}: patternProperties is not supported; name the properties, or use a function")
    guarded = jsonschema.validators.extend(base, {"pattern": _pattern, "uniqueItems": _unique_items})
    return guarded(schema, registry=Registry())  # an empty registry: a "$ref" to the network stays unresolved


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Exception]:
    import jsonschema

    if validator.is_type(instance, "string") and not regex.search(pattern, instance, timeout=SECONDS):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


def _unique_items(validator: Any, unique: bool, instance: Any, schema: Any) -> Iterator[Exception]:
    """In linear time; the library compares mixed items pair by pair."""
    import jsonschema

    if unique and validator.is_type(instance, "array"):
        seen = [json.dumps(_whole(each), sort_keys=True) for each in instance]
        if len(set(seen)) < len(seen):
            yield jsonschema.ValidationError(f"{instance!r} has non-unique elements")


def _whole(value: Any) -> Any:
    """1.0 as 1, which JSON schema takes for the same."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return {key: _whole(each) for key, each in value.items()} if isinstance(value, dict) else value


class FunctionCategory:
    """Asks a function: true, or a reason, or labels, mean an error; false, ``None`` and nothing mean none."""

    def __init__(
        self, name: str, function: Judge, version: str, given: CustomCategory | None = None, reason: str = ""
    ) -> None:
        self.name, self.version = name, version
        self.categories: tuple[str, ...] = (name,)
        self._function, self._given = function, given or CustomCategory()
        self._reason = self._given.reason or reason or f"{name} says so"

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """The function's answer as labels.

        Raises:
            TypeError: it answered something else.
        """
        given = self._given
        if given.skills and item.skill not in given.skills:
            return [not_assessed(self.name, "not asked of this skill")]
        answer = self._function(item)
        if isinstance(answer, ErrorLabel):
            return [answer]
        if isinstance(answer, list | tuple) and all(isinstance(label, ErrorLabel) for label in answer):
            return list(answer)
        if answer is None or isinstance(answer, bool | str):
            reason = answer if isinstance(answer, str) else self._reason
            return [ErrorLabel(self.name, given.confidence, None, reason)] if answer else []
        raise TypeError(f"expected a bool, a reason or labels, got {type(answer).__name__}")


class NotRun:
    """Stands in for a classifier whose code is not to be run: every item is reported as not assessed.

    Attributes:
        what: what it is, as it stands behind its name in a sentence.
    """

    version = "not run"

    def __init__(self, name: str, what: str, categories: tuple[str, ...] = ()) -> None:
        self.name, self.what = name, what
        self.categories = categories or (name,)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label a category that says NOT_ASSESSED and why."""
        return [not_assessed(category, f"{self.name} {self.what} is not run") for category in self.categories]


def custom_classifiers(custom: Mapping[str, CustomCategory], run_code: bool = True) -> tuple[Classifier, ...]:
    """The classifiers of ``classifiers: {custom: ...}``.

    Args:
        run_code: whether functions are loaded; else a `NotRun` stands in for each.

    Raises:
        InputError: a pattern, schema or function cannot be used.
    """
    return tuple(
        _custom(name, given)
        if run_code or given.function is None
        else NotRun(name, f"is a function of the run's own ({given.function})")
        for name, given in custom.items()
    )


def _custom(name: str, given: CustomCategory) -> Classifier:
    if given.regex is not None:
        return RegexCategory(name, given)
    if given.json_schema is not None:
        return SchemaCategory(name, given)
    where = f"classifiers.custom.{name}: function"
    place, _, attribute = (given.function or "").rpartition(":")
    if not place or not attribute:
        raise InputError(f"{where}: '{given.function}' is neither 'module:name' nor 'file.py:name'")
    module = _load_file(Path(place)) if place.endswith(".py") else _import(place, where)
    function = getattr(module, attribute, None)
    if not callable(function):
        raise InputError(f"{where}: {place} has no function '{attribute}'")
    version = _version("function", attribute, _source_hash(module), given.confidence, given.skills)
    return FunctionCategory(name, function, version, given)


def domain_classifiers(folders: Sequence[Path]) -> tuple[Classifier, ...]:
    """What ``utils.py`` in each of ``folders`` lists as ``CLASSIFIERS``; a file that does not name it is not run.

    Raises:
        InputError: the file cannot be run, or an entry is neither a classifier nor a function.
    """
    found: list[Classifier] = []
    for path in dict.fromkeys(folder / "utils.py" for folder in folders):
        if path.is_file() and LIST_NAME in path.read_text(encoding="utf-8", errors="replace"):
            found += as_classifiers(getattr(_load_file(path), LIST_NAME, ()), str(path), sha256_file(path)[:12])
    return tuple(found)


def as_classifiers(entries: object, where: str, version: str = "1") -> list[Classifier]:
    """The classifiers of a list of classifiers, classes of them, and functions (named like their category).

    Raises:
        InputError: it is no list, or an entry is something else.
    """
    if not isinstance(entries, list | tuple):
        raise InputError(f"{where}: {LIST_NAME} must be a list of classifiers and functions")
    found: list[Classifier] = []
    for place, entry in enumerate(entries):
        try:
            made = entry() if isinstance(entry, type) else entry
            if callable(made) and not hasattr(made, "classify"):
                reason = (inspect.getdoc(made) or "").partition("\n")[0]
                found.append(FunctionCategory(made.__name__, made, version, reason=reason))
            else:
                found.append(as_classifier(made, str(getattr(made, "name", ""))))
        except Exception as error:  # a class of the user's may raise anything
            raise InputError(f"{where}: {LIST_NAME}[{place}] is no classifier: {error}") from error
    return found


def _version(*parts: object) -> str:
    return f"{parts[0]}-{sha256_text(canonical_json(list(parts)))[:12]}"


def _source_hash(module: ModuleType) -> str:
    path = getattr(module, "__file__", None)
    return sha256_file(Path(path)) if path and Path(path).is_file() else ""


def _import(name: str, where: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise InputError(f"{where}: cannot import '{name}': {type(error).__name__}: {error}") from error


def _load_file(path: Path) -> ModuleType:
    """Run a Python file as a module of its own, as lm-eval runs a task's ``utils.py``."""
    name = f"harness_own_{sha256_text(str(path.resolve()))[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise InputError(f"{path}: no such Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while they are made
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise InputError(f"{path}: cannot be run: {type(error).__name__}: {error}") from error
    return module
