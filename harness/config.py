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
        guard: the same of the general tasks that must not suffer; empty for none.
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
    guard: str = "general"
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
    settings = dataclasses.replace(settings, **{key: value for key, value in overrides.items() if value is not None})
    for name, (low, high) in _RANGES.items():
        if not low <= getattr(settings, name) <= high:
            raise InputError(f"{name} is {getattr(settings, name)}; it must lie from {low:g} to {high:g}")
    if settings.limit is not None and settings.limit < 1:
        raise InputError(f"limit is {settings.limit}; it must be at least 1")
    return settings


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
