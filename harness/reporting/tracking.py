"""What goes into an experiment tracker: figures by step, parameters and tables, as plain data for any of them.

Keys are fixed or made of letters, digits and ``_-./``; texts are made visible and cut. Gate items are in none of it.
"""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from harness.exceptions import InputError
from harness.reporting.answers import Answer, responses
from harness.reporting.charts import PHASES
from harness.reporting.data import ReportData
from harness.reporting.escape import Excerpt, shorten, visible
from harness.reporting.scores import score_lines
from harness.reporting.standing import DECIDED, worn_label
from harness.storage import canonical_json, sha256_text

LONGEST_KEY, LONGEST_VALUE = 200, 500
"""Characters of a parameter; MLflow takes 250 and 6,000."""


@dataclass(frozen=True)
class Point:
    """One figure.

    Attributes:
        key: ``dev/score`` and the like.
        step: the round, 0 the untouched model; for ``train/loss`` the optimiser step over all rounds.
        value: finite.
        seconds: since the run began, as far as its phases were timed.
    """

    key: str
    step: int
    value: float
    seconds: float


@dataclass(frozen=True)
class Sheet:
    """A table: texts are visible and cut, but escaped for no format."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float | None, ...], ...]


def require(what: str, extra: str, *modules: str) -> None:
    """Raise InputError, one line with the command that installs ``extra``, unless all ``modules`` can be found."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"--format {what} needs {', '.join(missing)}, not installed here: "
            f"python -m pip install 'lm-eval-ratchet[{extra}]'"
        )


def run_key(data: ReportData) -> str:
    """Hex SHA-256 of the manifest, which is fixed when the run begins and holds the time of that: one run, one key."""
    return sha256_text(canonical_json(data.manifest))


def began(data: ReportData) -> float:
    """Seconds since 1970 at which the run began; 0 where its manifest does not say."""
    try:
        found = datetime.fromisoformat(str(data.manifest.get("created")))
        return max(0.0, found.timestamp())
    except (ValueError, OverflowError, OSError):
        return 0.0


def points(data: ReportData) -> tuple[Point, ...]:
    """Every figure of the run; those that are not finite are left out and ``train/losses_not_finite`` counts them.

    By round: ``dev/score`` and ``dev/stderr`` (``dev_fewshot/...`` once), ``guard/...`` of each candidate that was
    asked it, ``round/promoted`` (0 or 1), ``train/rows``, ``train/tokens``, ``train/loss`` (nats a token),
    ``seconds/PHASE``. At the end ``test/before``, ``test/after``, ``test/fewshot`` (each with ``_stderr``),
    ``test/gain`` with ``_low`` and ``_high``, and the same of ``guard/``. A test that has been chosen by is
    ``test_worn/...``.
    """
    return tuple(point for point in _points(data) if math.isfinite(point.value))


def _points(data: ReportData) -> Iterator[Point]:
    summary = data.summary
    rounds = [view.entry for view in data.rounds]
    spent = [math.fsum((entry.get("seconds") or {}).values()) for entry in rounds]
    at = max(0.0, float(summary["seconds"]) - math.fsum(spent))  # what stood before and after the rounds
    baseline = summary["baseline"]
    yield from _score("dev", 0, baseline["dev"], at)
    yield from _score("dev_fewshot", 0, baseline.get("dev_fewshot"), at)
    yield from _score("guard", 0, data.guard_before.score.as_dict() if data.guard_before else None, at)
    step = 0
    for view, seconds in zip(data.rounds, spent, strict=True):
        entry = view.entry
        for number, (_, loss) in enumerate(view.losses, start=1):
            yield Point("train/loss", step + number, loss, at + seconds * number / len(view.losses))
        step += len(view.losses)
        at += seconds
        yield from _score("dev", view.number, entry.get("dev"), at)
        yield from _score("guard", view.number, view.guard, at)
        for key, value in _round(view.outcome, entry).items():
            yield Point(key, view.number, value, at)
        bad = sum(not math.isfinite(loss) for _, loss in view.losses)
        if bad:
            yield Point("train/losses_not_finite", view.number, bad, at)
    last = len(rounds)
    yield from _final(data, last, float(summary["seconds"]))


def _round(outcome: str, entry: Mapping[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {
        "round/promoted": float(outcome in ("promote", "certified")),
        "train/rows": entry["train_rows"],
        "train/tokens": entry["train_tokens"],
    }
    seconds = entry.get("seconds") or {}
    return found | {f"seconds/{phase}": float(seconds[phase]) for phase in PHASES if phase in seconds}


def _final(data: ReportData, last: int, at: float) -> Iterator[Point]:
    for name in ("test", "guard"):
        found = data.summary.get(name)
        if not found:
            continue
        name = "test_worn" if name == "test" and worn_label(data.summary) else name
        low, high = found["ci95"]
        for key, value in (("gain", found["delta"]), ("gain_low", low), ("gain_high", high)):
            yield Point(f"{name}/{key}", last, float(value), at)
        for arm, key in (("before", "before"), ("before_fewshot", "fewshot"), ("after", "after")):
            if found.get(arm):
                yield Point(f"{name}/{key}", last, float(found[arm]["value"]), at)
                yield Point(f"{name}/{key}_stderr", last, float(found[arm]["stderr"]), at)


def _score(prefix: str, step: int, score: Mapping[str, Any] | None, at: float) -> Iterator[Point]:
    if score is not None:
        yield Point(f"{prefix}/score", step, float(score["value"]), at)
        yield Point(f"{prefix}/stderr", step, float(score["stderr"]), at)


def parameters(data: ReportData) -> dict[str, str]:
    """What the run was made of, by dotted name: model, domain, recipe, seed, versions of classifiers, hashes."""
    found: dict[str, str] = {}
    recipes = sorted({str(view.entry["recipe"]) for view in data.rounds})
    first = {"model": data.summary["model"], "domain": data.summary["domain"], "run": data.summary["run"]}
    flat = [*first.items(), *([("recipe", ", ".join(recipes))] if recipes else []), *_flat(data.manifest)]
    for key, value in flat:
        name = _key(key)
        found.setdefault(name, text(value, LONGEST_VALUE))
    return found


def _flat(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        yield path, ", ".join(map(str, value))
    else:
        yield path, value


def _key(raw: str) -> str:
    """A name that each tracker takes: letters, digits and ``_-.``, never only dots."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", raw.removeprefix("identity."))[:LONGEST_KEY]
    return name.strip(".") or "_"


def text(value: object, limit: int = 1_200) -> str:
    """``value`` as visible text of at most ``limit`` characters and how many were left out."""
    return visible(shorten(str(value), limit))


def sheets(data: ReportData) -> tuple[Sheet, ...]:
    """Scores, rounds, cells and a sample of the responses."""
    return (_scores(data), _rounds(data), _cells(data), _responses(data))


def _scores(data: ReportData) -> Sheet:
    rows = []
    for score in score_lines(data):
        for where, found in (("dev", score.dev), ("test", score.test), ("guard", score.guard)):
            if found is not None:
                rows.append((text(score.name), where, found["value"], found["stderr"], found["n"]))
    return Sheet("scores", ("model", "items", "score", "stderr", "n"), tuple(rows))


def _rounds(data: ReportData) -> Sheet:
    rows = []
    for view in data.rounds:
        entry, dev = view.entry, view.entry.get("dev") or {}
        targets = text(", ".join(map(str, entry["targets"])))
        score = (dev.get("value"), dev.get("stderr"))
        rows.append((view.number, DECIDED[view.outcome], *score, targets, entry["train_rows"], text(entry["reason"])))
    return Sheet("rounds", ("round", "decision", "dev", "stderr", "targets", "rows", "reason"), tuple(rows))


def _cells(data: ReportData) -> Sheet:
    rows = [
        (text(row["skill"]), text(row["category"]), row["n"], row["before"], row["after"])
        for row in data.summary["categories"]
    ]
    return Sheet("cells", ("skill", "category", "dev items", "failing before", "failing after"), tuple(rows))


def _responses(data: ReportData) -> Sheet:
    shown = responses(data)
    rows = []
    for group in shown.groups:
        for case in group.cases:
            before = _said(case.before.text) if case.before else None
            asked = (text(case.item_id), text(case.skill), _said(case.prompt), _said(case.gold))
            rows.append((shown.of, group.name, *asked, before, _said(case.after.text), _labels(case.after)))
    columns = ("items", "change", "item", "skill", "prompt", "gold", "before", "after", "errors after")
    return Sheet("responses", columns, tuple(rows))


def _said(excerpt: Excerpt) -> str:
    """What is shown of a text, and how much of it is not."""
    shown = "".join(piece for piece, _ in excerpt.segments)
    before = f"({excerpt.before:,} characters before) " if excerpt.before else ""
    return visible(before + shown) + (f" … ({excerpt.after:,} more characters)" if excerpt.after else "")


def _labels(answer: Answer) -> str:
    return text(", ".join(label.category for label in answer.labels))


def as_markdown(sheet: Sheet, escape: Any, most: int = 100) -> str:
    """``sheet`` as a Markdown table of at most ``most`` rows; ``escape`` makes a text a cell."""

    def cells(row: Sequence[str | int | float | None]) -> str:
        shown = ("" if each is None else escape(each) if isinstance(each, str) else f"{each:.6g}" for each in row)
        return f"| {' | '.join(shown)} |"

    lines = [cells(sheet.columns), f"|{'---|' * len(sheet.columns)}", *map(cells, sheet.rows[:most])]
    left = len(sheet.rows) - most
    return "\n".join([*lines, *(["", f"{left} more rows"] if left > 0 else [])])
