"""``harness.yaml`` and the command line, merged into validated settings."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.exceptions import InputError
from harness.yamlfile import read_yaml

CONFIG_NAME = "harness.yaml"


@dataclass(frozen=True)
class Settings:
    """What defines a run; two runs with equal settings and seeds decide alike.

    Attributes:
        model: embedded model's name, a local folder or a Hugging Face id.
        domain: lm-eval name of the task, group or tag to improve on.
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
        limit: most items of dev, test and guard each, for trial runs; empty for all.
        include_path: folders with lm-eval tasks of one's own, beside the shipped ones.
        cache: whether answers are kept on disk and reused; a run may go on with it or without.
    """

    model: str = "smollm2-135m-instruct"
    domain: str = "helpdesk"
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
    limit: int | None = None
    include_path: list[str] = dataclasses.field(default_factory=list)
    cache: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Plain mapping for ``config.yaml``."""
        return dataclasses.asdict(self)

    def identity(self) -> dict[str, Any]:
        """What of it makes two runs different: not where things lie, nor what changes time alone."""
        kept = {key: value for key, value in self.as_dict().items() if key not in _NOT_IDENTITY}
        # The rows of guards are in it by their hashes.
        return {**kept, "guard": self.guard if isinstance(self.guard, str) else list(self.guard)}


# Device and recipe are in it by what they resolve to; the cache changes how long answers take, not answers.
_NOT_IDENTITY = {"include_path", "stop_after", "device", "recipe", "cache"}
_RANGES: dict[str, tuple[float, float]] = {
    "fewshot": (0, 64),
    "batch_size": (1, 4096),
    "stop_after": (1, 1_000_000),
    "seed": (0, 2**31 - 1),
}


def load_settings(path: Path | None, overrides: Mapping[str, Any]) -> Settings:
    """Read ``harness.yaml`` (``path``, else the one in the current folder, else none) and apply ``overrides``.

    Relative ``include_path`` entries are taken from the file's own folder.

    Raises:
        InputError: the file is missing, malformed or has an unknown field; an option is out of range.
    """
    if path is None and Path(CONFIG_NAME).is_file():
        path = Path(CONFIG_NAME)
    settings = Settings()
    if path is not None:
        settings = read_yaml(path).build(Settings, ranges=_RANGES)
        base = path.resolve().parent
        settings = dataclasses.replace(settings, include_path=[str(base / entry) for entry in settings.include_path])
        settings = _named(settings, base)
    settings = dataclasses.replace(settings, **{key: value for key, value in overrides.items() if value is not None})
    settings = _named(settings, Path().absolute())
    for name, (low, high) in _RANGES.items():
        if not low <= getattr(settings, name) <= high:
            raise InputError(f"{name} is {getattr(settings, name)}; it must lie from {low:g} to {high:g}")
    for name in ("limit", "guard_limit"):
        if getattr(settings, name) is not None and getattr(settings, name) < 1:
            raise InputError(f"{name} is {getattr(settings, name)}; it must be at least 1")
    return settings


def _named(settings: Settings, base: Path) -> Settings:
    """``guard`` and ``prompt`` that name several things (``a,b=PATH``) as mappings, paths below ``base``."""
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
    return dataclasses.replace(settings, guard=guard, prompt=prompt)


def _pairs(field: str, text: str) -> dict[str, str | None]:
    """``a,b=c`` as ``{"a": None, "b": "c"}``."""
    pairs: dict[str, str | None] = {}
    for part in text.split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if not name or name in pairs or ("=" in part and not value):
            raise InputError(f"{field} is '{text}'; give names once each, as NAME or NAME=VALUE, separated by commas")
        pairs[name] = value or None
    return pairs


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
