"""What came of a project's runs and gates over time: kept in ``gates.jsonl`` beside the runs, read from both."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.evaluation.items import Score, clustered_stderr
from harness.exceptions import InputError, at
from harness.loop.lock import held_by
from harness.regression.answers import AnswerSet
from harness.regression.results import GateResult
from harness.storage import append_line, canonical_json, read_json, sha256_text, writing

LOG = "gates.jsonl"
SCHEMA = 1


@dataclass(frozen=True)
class RunLine:
    """A run as its ``summary.json`` has it.

    Attributes:
        began: ISO 8601, UTC; empty where the ledger does not say.
        status: the summary's; ``unfinished``, of a run without rounds ``baseline``, where that says ``running`` and
            nobody works on it.
        before, now: dev scores of the untouched model and of the champion.
        curve: dev score of the untouched model and of each round's candidate, 0 to 1; ``None`` where not all of dev was
            asked.
        champion, certified: rounds; 0 is the untouched model, ``None`` none.
        test, guard: the summary's own objects; ``None`` where there is none, or where the test is worn and not shown.
            Test is of the certified model, where there is one.
        folder: name of the run's folder.
        openings: how often its test items were opened over all runs; ``None`` where this run opened none.
    """

    name: str
    began: str
    model: str
    domain: str
    status: str
    rounds: int
    before: Mapping[str, Any]
    now: Mapping[str, Any]
    curve: tuple[float | None, ...]
    champion: int
    certified: int | None
    test: Mapping[str, Any] | None
    guard: Mapping[str, Any] | None
    folder: str = ""
    openings: int | None = None


@dataclass(frozen=True)
class Record:
    """One evaluation of the gates.

    Attributes:
        time: ISO 8601, UTC.
        source, model, weights: as in `AnswerSet` and its `Identity`.
        domain: as configured; the names of its tasks where nobody said.
        commit: of the repository, where the surroundings named it.
        items: 16 hex digits that name the set of documents; scores of other sets do not compare.
        score: share of right answers to the domain's items; ``None`` where there were none.
        seconds: of the evaluation; ``None`` where answers were reused.
        gates: the verdicts, without the answers that they showed.
    """

    time: str
    source: str
    model: str
    weights: str
    domain: str
    commit: str
    items: str
    score: Score | None
    seconds: float | None
    gates: tuple[GateResult, ...]

    def as_dict(self) -> dict[str, Any]:
        """A plain object for JSON."""
        gates = [{key: value for key, value in gate.as_dict().items() if key != "broken"} for gate in self.gates]
        return {
            "schema": SCHEMA,
            **{key: getattr(self, key) for key in ("time", "source", "model", "weights", "domain", "commit", "items")},
            "score": None if self.score is None else self.score.as_dict(),
            "seconds": self.seconds,
            "gates": gates,
        }


@dataclass(frozen=True)
class History:
    """Runs and gate records of a project, oldest first.

    Attributes:
        notes: what could not be read, one line each.
    """

    runs: tuple[RunLine, ...]
    records: tuple[Record, ...]
    notes: tuple[str, ...] = ()


def record_gates(
    folder: Path, results: Sequence[GateResult], answers: AnswerSet, now: datetime, domain: str = "", commit: str = ""
) -> Path:
    """Append what the gates said to ``gates.jsonl`` in ``folder`` (created) and return its path.

    Several processes may append at once. A line that a power cut tore is dropped first. What says the same as the
    latest line, of the same weights and commit, is not kept twice: CI asks once for each format.

    Args:
        now: with a time zone.

    Raises:
        EnvironmentFault: the folder cannot be written.
    """
    from filelock import FileLock

    path = folder / LOG
    record = make_record(results, answers, now, domain, commit)
    line = json.dumps(record.as_dict(), ensure_ascii=False, allow_nan=False)
    with writing(path):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{LOG}.lock"):
            latest = _whole_lines(path)[-1:]
            if not latest or _told(latest[0]) != _told(line.encode("utf-8", "backslashreplace")):
                append_line(path, line.encode("utf-8", "backslashreplace").decode())
    return path


def make_record(
    results: Sequence[GateResult], answers: AnswerSet, now: datetime, domain: str = "", commit: str = ""
) -> Record:
    """What `record_gates` keeps; ``now`` with a time zone."""
    own = answers.of("domain")
    score = None
    if own:
        values = [answer.correct for answer in own]
        clusters = [f"{answer.task}\0{answer.cluster}" for answer in own]
        stderr = clustered_stderr(values, clusters)
        score = Score(math.fsum(values) / len(values), stderr, len(values), sum(value >= 1.0 for value in values))
    return Record(
        time=now.astimezone(UTC).isoformat(timespec="seconds"),
        source=answers.source,
        model=answers.identity.model,
        weights=answers.identity.weights,
        domain=domain or ",".join(sorted({answer.task for answer in own or answers.answers})),
        commit=commit,
        items=sha256_text(canonical_json(sorted(answers.by_item)))[:16],
        score=score,
        seconds=answers.seconds,
        gates=tuple(replace(result, broken=()) for result in results),
    )


def commit_of(environment: Mapping[str, str]) -> str:
    """The commit that a CI service says it is at (GitHub, GitLab); empty elsewhere."""
    return environment.get("GITHUB_SHA") or environment.get("CI_COMMIT_SHA") or ""


def _whole_lines(path: Path) -> list[bytes]:
    """The lines of the file, from whose end a torn one is cut off."""
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)
    return data[:whole].splitlines()


def _told(line: bytes) -> Any:
    """A line without what the clock put into it."""
    try:
        raw = json.loads(line)
        return {key: value for key, value in raw.items() if key not in ("time", "seconds")}
    except (ValueError, AttributeError):
        return line


def read_history(folder: Path) -> History:
    """Everything that is kept in ``folder``: of each run below it, or of the run that it is, and of the gates.

    Runs that cannot be read are left out and noted: one of them must not hide the others.

    Raises:
        InputError: there is no such folder, nothing in it, or a line of ``gates.jsonl`` is malformed; names it.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder; 'harness gate' and 'harness baseline' make it, or name the one with your runs"
        )
    single = (folder / "ledger.jsonl").is_file()
    places = [folder] if single else sorted(child.parent for child in folder.glob("*/ledger.jsonl"))
    runs, notes = [], []
    for place in places:
        if not (place / "summary.json").is_file():
            notes.append(f"{place}: has no summary.json yet; 'harness report {place}' writes it")
            continue
        try:
            runs.append(_run(place))
        except InputError as error:
            notes.append(str(error))
    records = [] if single else _records(folder / LOG)
    if not runs and not records and not notes:
        raise InputError(f"{folder}: holds no run and no {LOG}; 'harness baseline' and 'harness gate' write them")
    return History(
        tuple(sorted(runs, key=lambda run: (run.began, run.name))),
        tuple(sorted(records, key=lambda record: record.time)),
        tuple(notes),
    )


def _run(place: Path) -> RunLine:
    path = place / "summary.json"
    raw = read_json(path)
    try:
        if raw["schema"] != SCHEMA:
            raise InputError(
                f"{path}: its schema is {raw['schema']!r}, not {SCHEMA}; 'harness report {place}' renews it"
            )
        rounds = [_value(entry["dev"]) for entry in raw["rounds"]]
        return RunLine(
            name=str(raw["run"]),
            began=_began(place),
            model=str(raw["model"]),
            domain=str(raw["domain"]),
            status=_status(place, raw),
            rounds=int(raw["rounds_done"]),
            before=_score(raw["baseline"]["dev"]).as_dict(),
            now=_score(raw["champion"]["dev"]).as_dict(),
            curve=(_value(raw["baseline"]["dev"]), *rounds),
            champion=int(raw["champion"]["round"]),
            certified=None if raw["certified_round"] is None else int(raw["certified_round"]),
            test=_difference(raw["test"] and (raw.get("test_certified") or raw["test"])),
            guard=_difference(raw["guard"]),
            folder=place.name,
            openings=None if raw.get("test_openings") is None else int(raw["test_openings"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: is no summary of a run; 'harness report {place}' writes it anew") from error


def _status(place: Path, raw: Mapping[str, Any]) -> str:
    """The summary's, unless it says ``running`` and nobody works on the run."""
    status = str(raw["status"])
    if status != "running" or held_by(place):
        return status
    return "unfinished" if raw["rounds_asked"] else "baseline"


def _value(score: Mapping[str, Any] | None) -> float | None:
    return None if score is None else float(score["value"])


def _score(raw: Mapping[str, Any]) -> Score:
    correct = raw["correct"]
    value, stderr = float(raw["value"]), float(raw["stderr"])
    if not (math.isfinite(value) and math.isfinite(stderr)):
        raise ValueError("not a number")
    return Score(value, stderr, int(raw["n"]), None if correct is None else int(correct))


def _difference(raw: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if raw is None:
        return None
    low, high = raw["ci95"]
    before, after = _score(raw["before"]).as_dict(), _score(raw["after"]).as_dict()
    return {"before": before, "after": after, "delta": float(raw["delta"]), "ci95": [float(low), float(high)]}


def _began(place: Path) -> str:
    """When the ledger was opened; empty where its first line does not say."""
    try:
        with (place / "ledger.jsonl").open("rb") as stream:
            return str(json.loads(stream.readline(1_000_000))["time"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _records(path: Path) -> list[Record]:
    if not path.is_file():
        return []
    records = []
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):  # behind the last line end stands nothing, or a torn line
        if line.strip():
            try:
                records.append(_record(json.loads(line)))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise InputError(
                    f"{at(path, number)}: is no record of gates; remove the line, or the file to begin anew"
                ) from error
    return records


def _record(raw: Mapping[str, Any]) -> Record:
    if raw["schema"] != SCHEMA:
        raise ValueError("another schema")
    texts = {key: str(raw[key]) for key in ("time", "source", "model", "weights", "domain", "commit", "items")}
    datetime.fromisoformat(texts["time"])
    return Record(
        **texts,
        score=None if raw["score"] is None else _score(raw["score"]),
        seconds=None if raw["seconds"] is None else float(raw["seconds"]),
        gates=tuple(_gate(each) for each in raw["gates"]),
    )


def _gate(raw: Mapping[str, Any]) -> GateResult:
    gate = GateResult.from_dict(raw)
    if not all(number is None or math.isfinite(number) for number in (gate.value, gate.low, gate.high, gate.threshold)):
        raise ValueError("not a number")
    if not all(type(text) is str for text in (gate.name, gate.state, gate.message, gate.unit, *gate.notes)):
        raise TypeError("not a text")
    return gate
