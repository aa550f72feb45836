"""The end of a run: test is opened, and the guards are asked again, for baseline, champion and certified model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.evaluated import Evaluation, load_evaluation
from harness.evaluation.items import Item
from harness.gate.guards import guard_finding
from harness.gate.paired import pair
from harness.loop.certify import weights
from harness.loop.phases import phase_files, run_phase, sealed
from harness.loop.run import GUARDS, Run, alike
from harness.storage import canonical_json

CERTIFIED = "test_certified"
"""Test answers of the certified model, where the champion is another one."""


def final_evaluation(run: Run) -> None:
    """Open test for baseline and champion and compare the guard; recorded once for each number of rounds done."""
    state = run.state
    if state.done in state.finals:
        return
    base, folder = run.round_dir(0), run.run_dir / "final" / f"{state.done:03d}"
    if not any(entry.data["round"] == state.done for entry in run.ledger.of_kind("test_opened")):
        run.ledger.append("test_opened", {"round": state.done, "champion": state.champion}, run.now())
    prepared, test, shots = run.prepared, run.prepared.test, run.settings.fewshot
    openings = state.opened_test + 1
    if run.record is not None:
        models = " ".join(weights(run.round_dir(number)) for number in (state.champion, state.anchor) if number)
        openings = run.record.open_test([item.item_id for item in test], run.identity, state.done, models)
    champion = run.adapter(state.champion)
    jobs: list[tuple[Path, str, Sequence[Item], Path | None, int]] = [(base, "test", test, None, 0)]
    if shots:
        jobs.append((base, "test_fewshot", test, None, shots))
    if champion is not None:
        jobs.append((folder, "test", test, champion, 0))
        jobs += [(folder, name, getattr(prepared, name), champion, 0) for name in GUARDS if getattr(prepared, name)]
    if state.anchor not in (0, state.champion):
        jobs.append((folder, CERTIFIED, test, run.adapter(state.anchor), 0))
    seconds = 0.0
    for where, name, items, adapter, fewshot in jobs:
        run.listener.phase(state.done, run.rounds_asked, name if where == base else f"final {name}")

        def body(
            where: Path = where, name: str = name, items: Sequence[Item] = items, adapter: Path | None = adapter,
            fewshot: int = fewshot,
        ) -> dict[str, Any]:  # fmt: skip
            return run.evaluate(name, items, adapter, where / name, fewshot)

        model = 0 if adapter is None else state.anchor if name == CERTIFIED else state.champion
        key = run.key("final", name, fewshot, where.name, model)
        seconds += run_phase(where, name, key, [name], body, run.clock)["seconds"]
    compared = {}
    for name, items in (("test", test), *((name, getattr(prepared, name)) for name in GUARDS)):
        if items:
            compared[name], redone = _before_and_after(run, name, items, base, folder if champion else base)
            seconds += redone
    few = load_evaluation(base / "test_fewshot") if shots else None
    before, after = compared["test"]
    certified = None
    if (folder / CERTIFIED).is_dir():
        again = load_evaluation(folder / CERTIFIED)
        certified = test_result(before, again, few, state.anchor, state.anchor) if alike(before, again) else None
    run.ledger.append(
        "final",
        {
            "round": state.done,
            "champion": state.champion,
            "openings": openings,
            "test": test_result(before, after, few, state.champion, state.anchor),
            "test_certified": certified,
            "guard": guard_result(*compared["guard"]) if "guard" in compared else None,
            "peak_memory_bytes": run.peak_memory(),
            "seconds": seconds,
            "files": sealed(run.run_dir, *phase_files(base), *phase_files(folder)),
        },
        run.now(),
    )


def _before_and_after(
    run: Run, name: str, items: Sequence[Item], base: Path, folder: Path
) -> tuple[tuple[Evaluation, Evaluation], float]:
    """Baseline and champion on the same items in the same environment, and the seconds of a repeated baseline.

    Where memory has halved the batch or a library was replaced since the baseline, that is evaluated again.
    """
    before, after = load_evaluation(base / name), load_evaluation(folder / name)
    if alike(before, after):
        return (before, after), 0.0
    run.listener.notice(f"{name}: the environment changed since the baseline, which is evaluated again")
    again = f"{name}_before"
    key = run.key("final again", name, folder.name, canonical_json(dict(after.details["environment"])))
    result = run_phase(folder, again, key, [again], lambda: run.evaluate(name, items, None, folder / again), run.clock)
    return (load_evaluation(folder / again), after), float(result["seconds"])


def test_result(
    before: Evaluation, after: Evaluation, fewshot: Evaluation | None, number: int, anchor: int
) -> dict[str, Any]:
    """The object ``test`` of the ledger's ``final`` entry and of ``summary.json``.

    Args:
        fewshot: the untouched model with examples, where that arm was asked.
        number: round of the model that gave ``after``.
        anchor: round of the last certified model; 0 for none.
    """
    paired = pair(before.correctness(), after.correctness(), before.clusters())
    return {
        "model": "certified" if number and number == anchor else "champion",
        "round": number,
        "before": before.score.as_dict(),
        "before_fewshot": fewshot.score.as_dict() if fewshot else None,
        "after": after.score.as_dict(),
        "delta": paired.delta,
        "ci95": list(paired.ci95),
        "p": paired.p,
    }


def guard_result(before: Evaluation, after: Evaluation) -> dict[str, Any]:
    """The object ``guard`` of the ledger's ``final`` entry: champion against the untouched model."""
    paired = pair(before.correctness(), after.correctness(), before.clusters())
    return {
        "before": before.score.as_dict(),
        "after": after.score.as_dict(),
        "delta": paired.delta,
        "ci95": list(paired.ci95),
        "mde": paired.mde,
        "p_worse": paired.p_worse,
        "finding": guard_finding(paired).reason,
    }
