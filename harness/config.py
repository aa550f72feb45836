"""``harness.yaml`` and the command line, merged into validated settings."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.exceptions import InputError, at
from harness.yamlfile import YamlFile, read_yaml

CONFIG_NAME = "harness.yaml"


@dataclass(frozen=True)
class CustomCategory:
    """An error category of one's own: exactly one of ``regex``, ``json_schema`` and ``function``.

    Attributes:
        regex: pattern that is searched in the response.
        where: part of the response in which it is searched.
        when: whether the pattern's presence or its absence is the error.
        json_schema: file of a JSON schema, or the schema, that the JSON in the response must meet.
        function: ``module:name`` or ``file.py:name`` of a Python function of one ``ItemResult``.
        confidence: of its labels, 0 to 1; below .5 it is recorded but never primary.
        reason: one line for the report, in place of the one that is made up.
        skills: the skills that it looks at; empty for all.
    """

    regex: str | None = None
    where: Literal["response", "first_line", "last_line"] = "response"
    when: Literal["present", "absent"] = "present"
    json_schema: str | dict[str, Any] | None = None
    function: str | None = None
    confidence: float = 1.0
    reason: str = ""
    skills: list[str] = dataclasses.field(default_factory=list)


@dataclass(frozen=True)
class ClassifierSettings:
    """Which error classifiers run, and which category counts first.

    Attributes:
        precedence: categories that come first, in this order; all others follow in the default order. What stands
            behind ``wrong_answer`` is never primary.
        only: the classifiers to run, by name; empty for all that there are, but for those that run on request.
        also: classifiers that run on request (``toxic``, ``ungrammatical``) and shall run beside the others.
        disable: classifiers that do not run.
        trigger: categories that may be targets though their quality is not proven (docs/classifiers.md).
        custom: categories of one's own, by name.
        hallucination_model: folder of a model that `harness.errors.hallucination_model` has trained; empty for none.
    """

    precedence: list[str] = dataclasses.field(default_factory=list)
    only: list[str] = dataclasses.field(default_factory=list)
    also: list[str] = dataclasses.field(default_factory=list)
    disable: list[str] = dataclasses.field(default_factory=list)
    trigger: list[str] = dataclasses.field(default_factory=list)
    custom: dict[str, CustomCategory] = dataclasses.field(default_factory=dict)
    hallucination_model: str = ""


@dataclass(frozen=True)
class Settings:
    """What defines a run; two runs with equal settings and seeds decide alike.

    Attributes:
        model: embedded model's name, a local folder or a Hugging Face id.
        domain: lm-eval name of the task, group or tag to improve on; or several, as a list or separated by commas.
        train_from: file of rows to train on, for tasks without a training split (``docs/tasks.md``); empty for none.
        prompt: name of the domain's prompt, or task name to prompt name (``docs/prompts.md``).
        guard: the same as ``domain`` of the general tasks that must not suffer, empty for none; or several by name,
            each with the file or folder of its rows, or null for where lm-eval looks (``docs/general.md``).
        guard_limit: most items of each guard, a random sample that is the same in every run; empty for all.
        recipe: name of a recipe in ``trainers/`` or the path of one.
        seed: of mining, training and row order.
        device: ``cpu``, ``cuda``, ``cuda:N``, ``mps``; empty chooses.
        fewshot: solved examples of the few-shot arm; 0 leaves the arm out.
        engine: what evaluates: ``auto``, ``harness`` or a model name of lm-eval such as ``hf`` or ``vllm``.
        batch_size: most items decoded together; part of the measurement, though answers change in ties alone.
        stop_after: rounds in a row without a promotion after which a run ends.
        futility: whether a candidate that does clearly worse on a part of dev is rejected without asking the rest.
        must_pass: ids of dev items that no candidate may break, beside those whose document says ``pin: true``.
        limit: most items of dev, test and guard each, for trial runs; empty for all.
        include_path: folders with lm-eval tasks of one's own, beside the shipped ones.
        cache: whether answers are kept on disk and reused; a run may go on with it or without.
        state: folder of what is kept of a domain's items across runs; empty for the user's data directory
            (``docs/roles.md``).
        classifiers: which error classifiers run, and categories of one's own (``docs/classifiers.md``).
        gates: what must hold of a model, as it stands in the file (`harness.regression.declare`, ``docs/gates.md``).
        on_uncertain: whether a gate that is too close to call passes; ``None`` leaves it to the kind of gate.
        known_failures: items that may fail for now, as they stand in the file: ``item``, ``reason``, ``until``.
        baselines: folder of the baselines that gates compare with, from the file's own folder.
        price_per_hour: what an hour of the machine costs, 0 or more, in any currency; reports alone show it. ``None``
            for not known.
        file: where it was read; ``None`` without a file. Cannot be set in it.
    """

    model: str = "smollm2-135m-instruct"
    domain: str = "helpdesk"
    train_from: str = ""
    prompt: str | dict[str, str] = "default"
    guard: str | dict[str, str | None] = "general"
    guard_limit: int | None = 300
    recipe: str = "auto"
    seed: int = 0
    device: str = ""
    engine: str = "auto"
    fewshot: int = 4
    batch_size: int = 64
    stop_after: int = 8
    futility: bool = True
    must_pass: list[str] = dataclasses.field(default_factory=list)
    limit: int | None = None
    include_path: list[str] = dataclasses.field(default_factory=list)
    cache: bool = True
    state: str = ""
    classifiers: ClassifierSettings = dataclasses.field(default_factory=ClassifierSettings)
    gates: Any = dataclasses.field(default_factory=list)
    on_uncertain: Literal["pass", "fail"] | None = None
    known_failures: Any = dataclasses.field(default_factory=list)
    baselines: str = "baselines"
    price_per_hour: float | None = None
    file: YamlFile | None = dataclasses.field(default=None, compare=False, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Plain mapping for ``config.yaml``."""
        values = dataclasses.asdict(dataclasses.replace(self, file=None))
        del values["file"]
        return values

    def identity(self) -> dict[str, Any]:
        """What of it makes two runs different: not where things lie, nor what changes time alone."""
        kept = {key: value for key, value in self.as_dict().items() if key not in _NOT_IDENTITY}
        # The rows of guards are in it by their hashes.
        return {**kept, "guard": self.guard if isinstance(self.guard, str) else list(self.guard)}


# Device, recipe, classifiers and rows of a file are in it by what they resolve to; the cache changes no answers, and
# what must hold of a model changes none of it.
_NOT_IDENTITY = {
    "include_path", "stop_after", "device", "recipe", "cache", "state", "classifiers", "train_from",
    "gates", "on_uncertain", "known_failures", "baselines", "price_per_hour",
}  # fmt: skip
_RANGES: dict[str, tuple[float, float]] = {
    "fewshot": (0, 64),
    "batch_size": (1, 4096),
    "stop_after": (1, 1_000_000),
    "seed": (0, 2**31 - 1),
}


def load_settings(path: Path | None, overrides: Mapping[str, Any]) -> Settings:
    """Read ``harness.yaml`` (``path``, else the one in the current folder, else none) and apply ``overrides``.

    Relative paths (``include_path``, and those of ``classifiers``) are taken from the file's own folder.

    Raises:
        InputError: the file is missing, malformed or has an unknown field; an option is out of range.
    """
    if path is None and Path(CONFIG_NAME).is_file():
        path = Path(CONFIG_NAME)
    settings = Settings()
    if path is not None:
        file = read_yaml(path)
        if isinstance(names := file.values.get("domain"), list) and all(isinstance(name, str) for name in names):
            file = dataclasses.replace(file, values={**file.values, "domain": ",".join(names)})
        settings = file.build(Settings, ranges=_RANGES, given={"file": file})
        base = path.resolve().parent
        settings = dataclasses.replace(
            settings,
            include_path=[str(base / entry) for entry in settings.include_path],
            state=str(base / Path(settings.state).expanduser()) if settings.state else "",
            train_from=str(base / Path(settings.train_from).expanduser()) if settings.train_from else "",
            classifiers=_checked_classifiers(settings.classifiers, file, base),
        )
        settings = _named(settings, base)
    settings = dataclasses.replace(settings, **{key: value for key, value in overrides.items() if value is not None})
    settings = _named(settings, Path().absolute())
    for name, (low, high) in _RANGES.items():
        if not low <= getattr(settings, name) <= high:
            raise InputError(f"{name} is {getattr(settings, name)}; it must lie from {low:g} to {high:g}")
    price = settings.price_per_hour
    if price is not None and not 0 <= price < math.inf:
        line = settings.file.line("price_per_hour") if settings.file else None
        where = f"{at(settings.file.path, line)}: " if settings.file else ""
        raise InputError(f"{where}price_per_hour is {price:g}; it must be a number from 0 up")
    for name in ("limit", "guard_limit"):
        if getattr(settings, name) is not None and getattr(settings, name) < 1:
            raise InputError(f"{name} is {getattr(settings, name)}; it must be at least 1")
    return settings


def _named(settings: Settings, base: Path) -> Settings:
    """``guard`` and ``prompt`` that name several things (``a,b=PATH``) as mappings, paths below ``base``.

    Several domains are sorted: their record, and so the looks at their gate, are the same in whatever order.
    """
    guard: Any = settings.guard
    if isinstance(guard, str) and re.search("[,=]", guard):
        guard = _pairs("guard", guard)
    if isinstance(guard, dict):
        guard = {name: str(base / path) if path else None for name, path in guard.items()}
    prompt: Any = settings.prompt
    if isinstance(prompt, str) and "=" in prompt:
        prompt = _pairs("prompt", prompt)
        if None in prompt.values():
            raise InputError(f"prompt is '{settings.prompt}'; give one name, or TASK=NAME,TASK=NAME")
    domain = ",".join(sorted({name.strip() for name in settings.domain.split(",")} - {""}))
    if not domain:
        raise InputError("domain is empty; name an lm-eval task, group or tag, or several separated by commas")
    return dataclasses.replace(settings, guard=guard, prompt=prompt, domain=domain)


def _pairs(field: str, text: str) -> dict[str, str | None]:
    """``a,b=c`` as ``{"a": None, "b": "c"}``."""
    pairs: dict[str, str | None] = {}
    for part in text.split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if not name or name in pairs or ("=" in part and not value):
            raise InputError(f"{field} is '{text}'; give names once each, as NAME or NAME=VALUE, separated by commas")
        pairs[name] = value or None
    return pairs


def _checked_classifiers(given: ClassifierSettings, file: YamlFile, base: Path) -> ClassifierSettings:
    """``given`` with its paths taken from ``base``.

    Raises:
        InputError: a category of one's own has a name that is none, or not exactly one rule; names file and line.
    """
    custom = {}
    for name, category in given.custom.items():
        key = f"classifiers.custom.{name}"
        place = f"{at(file.path, file.line(key))}: '{key}'"
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise InputError(f"{place}: a category is named in lower-case letters, digits and '_'")
        if name in ("any", "right"):
            raise InputError(f"{place}: '{name}' is what the gate calls any error, or none; choose another name")
        rules = [rule for rule in ("regex", "json_schema", "function") if getattr(category, rule) is not None]
        if len(rules) != 1:
            raise InputError(
                f"{place}: give one of regex, json_schema and function, not {' and '.join(rules) or 'none'}"
            )
        if not 0.0 <= category.confidence <= 1.0:
            raise InputError(f"{place}: confidence is {category.confidence:g}; it must lie from 0 to 1")
        schema, function = category.json_schema, category.function
        if isinstance(schema, str):
            schema = str(base / schema)
        if function is not None and function.rpartition(":")[0].endswith(".py"):
            function = str(base / function)
        custom[name] = dataclasses.replace(category, json_schema=schema, function=function)
    model = given.hallucination_model
    return dataclasses.replace(given, custom=custom, hallucination_model=str(base / model) if model else "")


def parse_duration(text: str) -> float:
    """Seconds of ``90``, ``90s``, ``30m``, ``1.5h``, ``1h30m`` or ``30d``.

    Raises:
        InputError: not a duration.
    """
    number = r"(\d+(?:\.\d+)?)"
    given = text.strip().lower()
    match = re.fullmatch(rf"(?:{number}d)?(?:{number}h)?(?:{number}m)?(?:{number}s)?", given)
    if re.fullmatch(number, given):
        return float(given)
    if not match or not any(match.groups()):
        raise InputError(f"'{text}' is no duration; write for example 90s, 30m, 1h30m or 30d")
    days, hours, minutes, seconds = (float(group or 0) for group in match.groups())
    return days * 86_400 + hours * 3600 + minutes * 60 + seconds
