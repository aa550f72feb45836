"""Records of gates, for tests in this process and in others, which import no test file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harness.regression.answers import Answer, AnswerSet, Identity
from harness.regression.history import record_gates
from harness.regression.results import GateResult

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def answers(right: int = 3, n: int = 4, model: str = "tiny") -> AnswerSet:
    said = [Answer(f"{index:016x}", "shop", "s", f"c{index // 2}", float(index < right)) for index in range(n)]
    guards = [Answer("f" * 16, "arc", "arc", "g", 0.0, role="guard")]
    return AnswerSet(model, (*said, *guards), Identity(model=model, weights="ab"), seconds=2.5)


def gate(state: str = "pass", name: str = "metric acc >= 0.5", value: float | None = 0.75, **others: Any) -> GateResult:
    return GateResult(name, "metric", state, state == "pass", "75% of 4", value, unit="share", n=4, **others)


def keep(folder: Path, hours: int = 0, state: str = "pass", said: AnswerSet | None = None, **others: Any) -> Path:
    return record_gates(folder, [gate(state)], said or answers(), NOON + timedelta(hours=hours), **others)


def keep_twenty(folder: str, name: str) -> None:
    for number in range(20):
        keep(Path(folder), commit=f"{name}{number}")
