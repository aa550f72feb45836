"""What a check of a run found: mismatches in the order met, notes, and counts of what was compared."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from harness.exceptions import HarnessError
from harness.loop.certify import SEALED

RELATIVE = 1e-9
"""Relative difference up to which two computed numbers are equal: libraries differ in the last bits."""
_SHOWN = 80
_TELLS_NOTHING = ("hash of the file", "file", "kind of file")
"""What is named of files with answers to gate items too."""


UNREADABLE = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    OSError,
)
"""What damaged data raises where it is computed with; nesting without end is a ``RecursionError``."""


@dataclass(frozen=True)
class Mismatch:
    """One thing that is not as it should be.

    Attributes:
        where: path in the run directory, with a line where there is one.
        what: which value.
        expected, found: as text, cut short.
    """

    where: str
    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}: expected {self.expected}, found {self.found}"


class Findings:
    """Collects what `harness verify` finds.

    Attributes:
        mismatches: in the order met; the first is the one to name.
        notes: what was not recomputed or not covered, and why; no failures.
        checked: how many of each kind were compared.
    """

    def __init__(self) -> None:
        self.mismatches: list[Mismatch] = []
        self.notes: list[str] = []
        self.checked: Counter[str] = Counter()

    def mismatch(self, where: str, what: str, expected: Any, found: Any) -> None:
        """Note something that does not match; of answers to gate items only that they do not, once a file."""
        if is_sealed(where) and what not in _TELLS_NOTHING:
            known = any((each.where, each.what) == (where, "content") for each in self.mismatches)
            what, expected, found = "content", "what the run recorded", "something else, which is not shown"
            if known:
                return
        self.mismatches.append(Mismatch(where, what, short(expected), short(found)))

    def extend(self, other: Findings) -> None:
        """Take over what was found elsewhere, behind what is here."""
        self.mismatches += other.mismatches
        self.checked += other.checked
        for text in other.notes:
            self.note(text)

    def note(self, text: str) -> None:
        """Note something that is no failure, once."""
        if text not in self.notes:
            self.notes.append(text)

    def equal(
        self, kind: str, where: str, what: str, expected: Any, found: Any, only: Collection[str] | None = None
    ) -> bool:
        """Count one comparison of ``kind``; where the values differ, note the first place in them that does.

        Args:
            only: of two mappings, the keys that are compared.
        """
        self.checked[kind] += 1
        if only is not None:
            expected = {key: expected[key] for key in expected if key in only}
            found = {key: found[key] for key in found if key in only}
        place = difference(expected, found)
        if place is not None:
            path, there, here = place
            self.mismatch(where, f"{what}{path}", there, here)
        return place is None

    @contextmanager
    def attempt(self, where: str, what: str) -> Iterator[None]:
        """Turn what damaged data raises into a mismatch, so that the rest is checked all the same."""
        try:
            yield
        except HarnessError as error:
            self.mismatch(where, what, "readable data", f"{error}")
        except UNREADABLE as error:
            self.mismatch(where, what, "values that it can be computed from", f"{type(error).__name__}: {error}")


def is_sealed(where: str) -> bool:
    """Whether the path ``where`` is of answers to gate items: of these nothing is told."""
    return not set(SEALED).isdisjoint(PurePosixPath(where).parts)


def difference(expected: Any, found: Any, path: str = "") -> tuple[str, Any, Any] | None:
    """The first place where two plain values differ: path (``.key``, ``[3]``) and both values there; else ``None``.

    Numbers are equal up to `RELATIVE`, tuples and lists by their elements.
    """
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for key in sorted({*expected, *found}, key=str):
            inner = f"{path}.{key}"
            if key not in expected or key not in found:
                return inner, expected.get(key, _Nothing()), found.get(key, _Nothing())
            place = difference(expected[key], found[key], inner)
            if place is not None:
                return place
        return None
    if _sequence(expected) and _sequence(found):
        if len(expected) != len(found):
            return f"{path} length", len(expected), len(found)
        for place_of, (one, other) in enumerate(zip(expected, found, strict=True)):
            place = difference(one, other, f"{path}[{place_of}]")
            if place is not None:
                return place
        return None
    return None if _same(expected, found) else (path, expected, found)


def common(expected: Any, found: Any) -> Any:
    """``expected`` as far as ``found``, of an older version, has its keys; keys of ``found`` alone are taken over."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        return {key: common(expected[key], found[key]) if key in expected else found[key] for key in found}
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return [common(one, other) for one, other in zip(expected, found, strict=True)]
    return expected


class _Nothing:
    def __repr__(self) -> str:
        return "nothing"


def _sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _same(expected: Any, found: Any) -> bool:
    numbers = [isinstance(value, int | float) and not isinstance(value, bool) for value in (expected, found)]
    if all(numbers):
        return math.isclose(expected, found, rel_tol=RELATIVE, abs_tol=1e-12)
    return type(expected) is type(found) and bool(expected == found)


def short(value: Any) -> str:
    """``value`` on one line of at most `_SHOWN` characters; hashes keep their first twelve digits."""
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split())
    if len(text) == 64 and set(text) <= set("0123456789abcdef"):
        return text[:12]
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
