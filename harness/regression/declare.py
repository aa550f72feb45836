"""Gates as ``harness.yaml`` declares them (``gates:``, ``on_uncertain:``, ``known_failures:``), read and checked.

One gate by itself, for tests written by hand::

    gate_of({"no_regression": {"margin": 0.02}, "skill": "routing"})
"""

from __future__ import annotations

import contextlib
import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from harness.config import Settings
from harness.exceptions import InputError, at, did_you_mean
from harness.regression.limits import Limit, parse_limit, parse_share
from harness.regression.results import KINDS, Kind

ALPHA = 0.05
"""Probability of a wrong "confirmed", for each side of an interval."""
MARGIN = 0.02
"""Drop that is still called none, unless the gate says otherwise."""
OnUncertain = Literal["pass", "fail"]
ON_UNCERTAIN: Mapping[Kind, OnUncertain] = {"no_regression": "pass", "guard": "pass"}
"""What an uncertain gate does by itself, by kind; thresholds, which claim something, fail."""
NEED_BASELINE: frozenset[Kind] = frozenset({"no_regression", "guard"})
_SIBLINGS = ("name", "skill", "task", "on_uncertain", "alpha")
_COMPARISON = ("against", "alpha", "margin")
_NAME_LENGTH = 120


@dataclass(frozen=True)
class Gate:
    """One thing that must hold.

    Attributes:
        name: unique among the gates of a file.
        where: ``harness.yaml:12``, for messages; empty where no file declares it.
        skill, task: the only skill or task whose answers count; empty for all.
        on_uncertain: whether it passes where the numbers do not decide.
        alpha: probability of a wrong "confirmed", above 0 and below .5.
        subject: the metric or category; of ``length`` ``mean`` or a percentile such as ``p95``.
        limit: the bound of ``metric``, ``category``, ``latency`` and ``length``.
        margin: drop that is still called none, 0 to 1, of ``no_regression`` and ``guard``.
        items: ids of ``must_pass``.
    """

    name: str
    kind: Kind
    where: str = ""
    skill: str = ""
    task: str = ""
    on_uncertain: OnUncertain = "fail"
    alpha: float = ALPHA
    subject: str = ""
    limit: Limit | None = None
    margin: float = MARGIN
    items: tuple[str, ...] = ()

    @property
    def needs_baseline(self) -> bool:
        """Whether it compares with a baseline."""
        return self.kind in NEED_BASELINE

    @property
    def percentile(self) -> int | None:
        """95 of ``p95``; ``None`` for a mean."""
        return int(self.subject[1:]) if self.kind == "length" and self.subject != "mean" else None


@dataclass(frozen=True)
class KnownFailure:
    """An item that may fail for now.

    Attributes:
        until: the last day on which it may.
        where: ``harness.yaml:20``, for messages.
    """

    item: str
    reason: str
    until: datetime.date
    where: str = ""


@dataclass(frozen=True)
class Declared:
    """All that is declared.

    Attributes:
        categories: error categories of ``classifiers.custom``, so that their names are no slips, to the name of the
            classifier that sees them.
    """

    gates: tuple[Gate, ...] = ()
    known: tuple[KnownFailure, ...] = ()
    categories: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs_baseline(self) -> bool:
        """Whether any gate compares with a baseline."""
        return any(gate.needs_baseline for gate in self.gates)

    @property
    def needs_guard(self) -> bool:
        """Whether any gate looks at the answers to guards."""
        return any(gate.kind == "guard" for gate in self.gates)


def declared(settings: Settings) -> Declared:
    """The gates and known failures of ``settings``.

    Raises:
        InputError: something is misspelled, out of range or there twice; names file and line, and the nearest name.
    """
    raw = settings.gates
    entries = [(f"gates.{place}", entry) for place, entry in enumerate(raw)] if isinstance(raw, list) else []
    if isinstance(raw, Mapping):
        entries = _entries(raw)
    elif raw is not None and not isinstance(raw, list):
        raise InputError(
            f"{_place(settings, 'gates')}: gates is {raw!r}; expected a list such as '- metric: acc >= .8'"
        )
    gates: list[Gate] = []
    for key, entry in entries:
        gates += gates_of(entry, _place(settings, key), settings.on_uncertain)
    first: dict[str, Gate] = {}
    for gate in gates:
        if gate.name in first:
            raise InputError(
                f"{gate.where}: there is a gate '{gate.name}' already ({first[gate.name].where}); give one a 'name'"
            )
        first[gate.name] = gate
    own = {name: name for name in settings.classifiers.custom}
    return Declared(tuple(gates), _known_failures(settings), own)


def _entries(raw: Mapping[Any, Any]) -> list[tuple[str, Any]]:
    """The gates of a mapping: one gate with its siblings, or a gate a key."""
    if any(key in _SIBLINGS for key in raw):
        return [("gates", raw)]
    return [(f"gates.{key}", {key: value}) for key, value in raw.items()]


def gate_of(entry: Mapping[str, Any], where: str = "", on_uncertain: OnUncertain | None = None) -> Gate:
    """The one gate of ``entry``, as an entry of ``gates:`` declares it.

    Raises:
        InputError: as for `gates_of`, or there are several in it.
    """
    gates = gates_of(entry, where or "gate", on_uncertain)
    if len(gates) > 1:
        raise InputError(
            f"{where or 'gate'}: expected one gate, found {len(gates)}: {_list(gate.name for gate in gates)}"
        )
    return replace(gates[0], where=where)


def gates_of(entry: Any, where: str, on_uncertain: OnUncertain | None = None) -> list[Gate]:
    """The gates of one entry of ``gates:``; several only where a ``category`` or ``metric`` mapping has several.

    Args:
        where: place for messages.
        on_uncertain: for gates that do not say themselves; ``None`` leaves it to their kind (`ON_UNCERTAIN`).

    Raises:
        InputError: it is no gate; says why, with ``where``.
    """
    if not isinstance(entry, Mapping) or not entry:
        raise InputError(f"{where}: a gate is {entry!r}; expected for example 'metric: exact_match >= 0.8'")
    kinds = [key for key in entry if key in KINDS]
    for key in entry:
        if key not in KINDS and key not in _SIBLINGS:
            raise InputError(f"{where}: unknown gate '{key}'.{did_you_mean(str(key), (*KINDS, *_SIBLINGS))}")
    if len(kinds) != 1:
        raise InputError(f"{where}: a gate has one of {_list(KINDS)}, not {_list(kinds) or 'none'}; start a new '- '")
    kind = cast(Kind, kinds[0])
    common = _common(kind, entry, where, on_uncertain)
    if kind in NEED_BASELINE:
        return [_comparison(kind, entry[kind], where, common)]
    if kind == "must_pass":
        return [Gate(kind=kind, where=where, items=_ids(entry[kind], where), **_named(kind, "", where, common))]
    value = entry[kind]
    if not isinstance(value, Mapping) or kind in ("latency", "length"):
        return [_threshold(kind, *parse_limit(kind, value, where), where, common)]
    if len(value) != 1 and "name" in entry:
        raise InputError(f"{where}: 'name' names one gate, and there are {len(value)} of '{kind}' in it; split them up")
    if not value:
        raise InputError(f"{where}: '{kind}' is empty; write for example '{kind}: {{NAME: \"<= 2%\"}}'")
    gates = []
    for name, condition in value.items():
        before, limit = parse_limit(kind, condition, f"{where}: '{name}'")
        if before:
            raise InputError(
                f"{where}: '{name}': '{condition}' begins with '{before}'; it should begin with an operator"
            )
        gates.append(_threshold(kind, str(name), limit, where, common))
    return gates


def _common(kind: Kind, entry: Mapping[str, Any], where: str, on_uncertain: OnUncertain | None) -> dict[str, Any]:
    """``name``, ``skill``, ``task``, ``on_uncertain`` and ``alpha`` of a gate, checked."""
    found: dict[str, Any] = {"on_uncertain": on_uncertain or ON_UNCERTAIN.get(kind, "fail")}
    for key in ("name", "skill", "task"):
        if key in entry:
            value = entry[key]
            if not isinstance(value, str) or not value.strip() or not value.isprintable():
                raise InputError(f"{where}: '{key}' is {value!r}; expected a text of one line")
            found[key] = value.strip()
    if kind in ("must_pass", "latency") and (extra := [key for key in ("skill", "task", "alpha") if key in entry]):
        raise InputError(f"{where}: '{kind}' takes no '{extra[0]}': it looks at all answers, or at the items it names")
    if "on_uncertain" in entry:
        if entry["on_uncertain"] not in ("pass", "fail"):
            raise InputError(f"{where}: 'on_uncertain' is {entry['on_uncertain']!r}; it must be pass or fail")
        found["on_uncertain"] = entry["on_uncertain"]
    if "alpha" in entry:
        found["alpha"] = _alpha(entry["alpha"], where)
    return found


def _alpha(value: Any, where: str) -> float:
    alpha = parse_share("alpha", value, where)
    if not 0 < alpha < 0.5:
        raise InputError(f"{where}: alpha is {value!r}; it must lie above 0 and below .5")
    return alpha


def _named(kind: Kind, rest: str, where: str, common: Mapping[str, Any]) -> dict[str, Any]:
    """``common`` with a name: its own, else kind, what it is restricted to, and condition."""
    parts = (kind, common.get("task", ""), common.get("skill", ""), rest)
    found = {"name": " ".join(part for part in parts if part), **common}
    name = found["name"]
    if len(name) > _NAME_LENGTH or "::" in name or not name.isprintable():  # it becomes the name of a test
        raise InputError(
            f"{where}: the gate's name {name!r} has '::' or a control character in it, or more than {_NAME_LENGTH} "
            "characters; give it another 'name'"
        )
    return found


def _comparison(kind: Kind, value: Any, where: str, common: Mapping[str, Any]) -> Gate:
    """A ``no_regression`` or ``guard``: nothing, ``within 3 points``, or a mapping of ``against, alpha, margin``."""
    given = {} if value is None or value == "baseline" else value
    if isinstance(given, (str, int, float)):
        given = {"margin": given}
    if not isinstance(given, Mapping):
        raise InputError(f"{where}: '{kind}' is {value!r}; write for example '{kind}: within 2 points'")
    for key in given:
        if key not in _COMPARISON:
            raise InputError(f"{where}: unknown field '{key}' of '{kind}'.{did_you_mean(str(key), _COMPARISON)}")
    if given.get("against", "baseline") != "baseline":
        raise InputError(f"{where}: against is {given['against']!r}; a gate compares with 'baseline'")
    if "alpha" in given and "alpha" in common:
        raise InputError(f"{where}: alpha stands in '{kind}' and beside it; leave one out")
    margin = parse_share("margin", given.get("margin", MARGIN), where)
    fields = dict(common)
    if "alpha" in given:
        fields["alpha"] = _alpha(given["alpha"], where)
    rest = f"within {100 * margin:g} points" if kind == "guard" or margin != MARGIN else ""
    return Gate(kind=kind, where=where, margin=margin, **_named(kind, rest, where, fields))


def _threshold(kind: Kind, subject: str, limit: Limit, where: str, common: Mapping[str, Any]) -> Gate:
    rest = f"{subject} {limit.text}".strip()
    if kind == "category":
        subject = re.sub(r"[\s-]+", "_", subject.strip())
        rest = f"{subject} {limit.text}"
    if kind == "length":
        subject = subject.lower() or "mean"
        if subject != "mean" and not re.fullmatch(r"p[1-9]\d?", subject):
            raise InputError(f"{where}: length of '{subject}'; write '<= 60 tokens' (the mean) or 'p95 <= 100 tokens'")
    if kind in ("metric", "category") and not subject:
        raise InputError(f"{where}: '{kind}' names nothing before '{limit.text}'; name a {kind}")
    if kind == "latency" and subject:
        raise InputError(f"{where}: latency of '{subject}'; write for example '<= 2 s' (wall seconds a response)")
    if kind == "category" and not 0 <= limit.value <= 1:
        raise InputError(f"{where}: '{rest}': a share lies from 0 to 1; write 2% or 0.02")
    if kind in ("latency", "length") and limit.value < 0:
        raise InputError(f"{where}: '{kind} {rest}': it cannot be below 0")
    return Gate(kind=kind, where=where, subject=subject, limit=limit, **_named(kind, rest, where, common))


def _ids(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise InputError(f"{where}: 'must_pass' is {value!r}; expected a list of item ids")
    for item in value:
        _id(item, f"{where}: an item of 'must_pass'")
    if repeated := [item for place, item in enumerate(value) if item in value[:place]]:
        raise InputError(f"{where}: 'must_pass' names {repeated[0]} twice")
    return tuple(value)


def _id(item: Any, what: str) -> None:
    if isinstance(item, (int, float)) and not isinstance(item, bool):
        raise InputError(f"{what} reads as the number {item!r}; put the id in quotes")
    if not isinstance(item, str) or not item.strip():
        raise InputError(f"{what} is {item!r}; expected the id of an item, 16 hex digits")


def _known_failures(settings: Settings) -> tuple[KnownFailure, ...]:
    raw = settings.known_failures
    if raw is not None and not isinstance(raw, list):
        where = _place(settings, "known_failures")
        raise InputError(f"{where}: known_failures is {raw!r}; expected a list of 'item', 'reason' and 'until'")
    found: dict[str, KnownFailure] = {}
    for place, entry in enumerate(raw or ()):
        where = _place(settings, f"known_failures.{place}")
        failure = _known_failure(entry, where)
        if failure.item in found:
            raise InputError(f"{where}: item {failure.item} is there already ({found[failure.item].where})")
        found[failure.item] = failure
    return tuple(found.values())


def _known_failure(entry: Any, where: str) -> KnownFailure:
    fields = ("item", "reason", "until")
    if not isinstance(entry, Mapping):
        raise InputError(f"{where}: a known failure is {entry!r}; expected 'item', 'reason' and 'until'")
    for key in entry:
        if key not in fields:
            raise InputError(f"{where}: unknown field '{key}' of a known failure.{did_you_mean(str(key), fields)}")
    if missing := [name for name in fields if entry.get(name) in (None, "")]:
        raise InputError(f"{where}: a known failure needs its {_list(missing)}")
    _id(entry["item"], f"{where}: 'item'")
    reason, until = entry["reason"], entry["until"]
    if not isinstance(reason, str) or not reason.strip():
        raise InputError(f"{where}: 'reason' is {reason!r}; expected a text")
    if isinstance(until, str):
        with contextlib.suppress(ValueError):
            until = datetime.date.fromisoformat(until.strip())
    if isinstance(until, datetime.datetime) or not isinstance(until, datetime.date):
        raise InputError(f"{where}: 'until' is {until!r}; expected a day such as 2027-01-31")
    return KnownFailure(entry["item"], " ".join(reason.split()), until, where)


def _place(settings: Settings, key: str) -> str:
    """``harness.yaml:12`` of a dotted key; the key where there is no file."""
    return at(settings.file.path, settings.file.line(key)) if settings.file else key


def _list(names: Iterable[str] | Sequence[str]) -> str:
    return ", ".join(names)
