"""What a gate is held against, as ``harness.yaml`` has it: ``exact_match >= 0.8``, ``<= 2%``, ``within 3 points``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

from harness.exceptions import InputError

Operator = Literal[">=", "<=", ">", "<"]
_OPERATORS: tuple[Operator, ...] = (">=", "<=", ">", "<")
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
_LIMIT = re.compile(
    rf"(?P<subject>.*?)\s*(?P<operator>[<>=!]+)\s*(?P<number>{_NUMBER})\s*(?P<unit>[a-z%]*)", re.I | re.S
)
_PERCENT = {"": 1.0, "%": 0.01, "percent": 0.01}
UNITS: dict[str, dict[str, float]] = {
    "metric": _PERCENT,
    "category": _PERCENT,
    "latency": {"": 1.0, "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 0.001, "min": 60.0},
    "length": {"": 1.0, "token": 1.0, "tokens": 1.0},
}
"""Kind of gate to the units that its number may have, and what each is worth."""
_EXAMPLES = {
    "metric": "exact_match >= 0.8",
    "category": "<= 2%",
    "latency": "<= 2 s",
    "length": "<= 60 tokens, or p95 <= 100 tokens",
}


@dataclass(frozen=True)
class Limit:
    """A bound: ``>= 0.8``.

    Attributes:
        value: in the figure's own unit; shares from 0 to 1, seconds, tokens.
        text: as it was written, for names and messages.
    """

    operator: Operator
    value: float
    text: str

    @property
    def at_least(self) -> bool:
        """Whether more is better."""
        return self.operator in (">=", ">")

    def holds(self, figure: float) -> bool:
        """Whether ``figure`` keeps to it, exactly."""
        if self.operator == ">=":
            return figure >= self.value
        if self.operator == "<=":
            return figure <= self.value
        return figure > self.value if self.operator == ">" else figure < self.value


def parse_limit(kind: str, text: Any, where: str) -> tuple[str, Limit]:
    """What stands before the operator (a metric's name, ``p95``, nothing), and the limit.

    Args:
        kind: ``metric``, ``category``, ``latency`` or ``length``.
        where: place for messages.

    Raises:
        InputError: not of the form ``[SUBJECT] OPERATOR NUMBER [UNIT]``; names ``where`` and an example.
    """
    like = f"write for example '{_EXAMPLES[kind]}'"
    if not isinstance(text, str):
        raise InputError(f"{where}: '{kind}' is {text!r}; {like}")
    match = _LIMIT.fullmatch(text.strip())
    if not match:
        raise InputError(f"{where}: '{text}' is no condition; {like}")
    unit, units = match["unit"].lower(), UNITS[kind]
    operator = next((known for known in _OPERATORS if known == match["operator"]), None)
    if operator is None:
        raise InputError(f"{where}: '{text}': '{match['operator']}' is none of the operators >=, <=, > and <")
    if unit not in units:
        known = ", ".join(name for name in units if name)
        raise InputError(f"{where}: '{text}': unknown unit '{unit}'; known: {known}, or none")
    value = float(match["number"]) * units[unit]
    if not math.isfinite(value):
        raise InputError(f"{where}: '{text}': the number is too large")
    shown = " ".join(f"{operator} {match['number']}{'%' if unit == '%' else f' {unit}'}".split())
    return match["subject"].strip(), Limit(operator, value, shown)


def parse_share(name: str, value: Any, where: str) -> float:
    """A share from 0 to below 1: ``.02``, ``2%``, ``2 points``, ``within 2 points``.

    Raises:
        InputError: not of such a form, or out of range; names ``where``.
    """
    like = "write .02, 2% or 2 points"
    share: float | None = None
    if isinstance(value, str):
        match = re.fullmatch(rf"(?:within\s+)?({_NUMBER})\s*(%|percent|points?|)", value.strip(), re.I)
        if match:
            share = float(match[1]) * (0.01 if match[2] else 1.0)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        share = float(value)
    if share is None or not math.isfinite(share):
        raise InputError(f"{where}: {name} is {value!r}; {like}")
    if not 0 <= share < 1:
        raise InputError(f"{where}: {name} is {value!r}; it must lie from 0 to below 1: {like}")
    return share
