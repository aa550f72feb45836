"""The toy with a record of its domain, so that the second tier has what it goes by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fake_workbench import TOY_SETTINGS, Call, Effect, FakeWorkbench, open_toy, toy_record
from toy import GUARD_SIZES, SIZES, SKILLS, ToyTask, toy_docs, toy_handle

from harness.config import Settings
from harness.evaluation.domain import Domain
from harness.gate.alpha import LOOKS
from harness.loop.listener import Silent
from harness.loop.prepare import Prepared, prepare
from harness.loop.rounds import run_round
from harness.loop.run import Run, baseline
from harness.state.domain import DomainState

ALPHA = 0.05 / LOOKS
"""The level of a first look."""


def prepared_with(
    workbench: FakeWorkbench,
    record: DomainState | None,
    settings: Settings = TOY_SETTINGS,
    change: Callable[[str, dict[str, Any]], Mapping[str, Any]] = lambda split, doc: doc,
) -> Prepared:
    """The toy with a guard of which each item stands alone, and documents as ``change`` leaves them."""
    tasks = {
        f"toy_{skill}": ToyTask({split: [change(split, doc) for doc in toy_docs(skill, split)] for split in SIZES})
        for skill in SKILLS
    }
    guards = {
        split: [{**doc, "cluster": f"even-{split}-{place}"} for place, doc in enumerate(toy_docs("even", split))]
        for split in GUARD_SIZES
    }
    return prepare(
        Domain("toy", {name: toy_handle(name, task) for name, task in tasks.items()}),
        Domain("toy_guard", {"toy_guard": toy_handle("toy_guard", ToyTask(guards, ["no", "yes"]))}),
        workbench, None, settings.fewshot, settings.limit, state=record,
    )  # fmt: skip


def opened(run_dir: Path, script: Sequence[Effect], **options: Any) -> tuple[Run, FakeWorkbench]:
    """A run whose domain's record lies beside its folder, unless it is given one or ``None``."""
    workbench = options.pop("workbench", None) or FakeWorkbench(script)
    record = options.pop("record", toy_record(run_dir.parent / "state"))
    change = options.pop("change", lambda split, doc: doc)
    prepared = options.pop("prepared", None)
    prepared = prepared or prepared_with(workbench, record, options.get("settings", TOY_SETTINGS), change)
    return open_toy(run_dir, workbench, record=record, prepared=prepared, **options), workbench


def play(run_dir: Path, script: Sequence[Effect], **options: Any) -> tuple[Run, FakeWorkbench]:
    """That run after its baseline and as many rounds as the script has."""
    run, workbench = opened(run_dir, script, **options)
    baseline(run)
    for _ in script:
        run_round(run)
    return run, workbench


def rounds(run: Run) -> list[Mapping[str, Any]]:
    return [entry.data for entry in run.ledger.of_kind("round")]


def gate_calls(run: Run, workbench: FakeWorkbench) -> list[tuple[str, int]]:
    """Which model was asked how many gate items, in order."""
    gate = {item.prompt for item in run.prepared.gate}
    asked = [(call.weights, len(gate & set(call.texts))) for call in workbench.asked()]
    return [(weights, count) for weights, count in asked if count]


def break_off(run: Run, workbench: FakeWorkbench, place: int) -> list[Call]:
    """Interrupt the ``place``-th time that a model is asked gate items; returns those calls as they come."""
    gate = {item.prompt for item in run.prepared.gate}
    seen: list[Call] = []

    def fault(call: Call) -> None:
        if call.kind == "generate" and gate & set(call.texts):
            seen.append(call)
            if len(seen) == place:
                raise KeyboardInterrupt

    workbench.fault = fault
    return seen


class Notices(Silent):
    """Collects what a listener is told."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    def notice(self, text: str) -> None:
        self.notices.append(text)
