"""The loop over rounds: when to go on, when to stop and why, what to keep on disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.ledger import CLOSED, Ledger
from harness.loop.certify import PHASE, kept_folders
from harness.loop.close import still_open
from harness.loop.final import final_evaluation
from harness.loop.phases import marker
from harness.loop.rounds import run_round
from harness.loop.run import GUARDS, Run, baseline
from harness.loop.state import LoopState
from harness.storage import read_json
from harness.training.contract import CANDIDATE, LEARNER

CHAMPION, CERTIFIED = "champion", "certified"
"""Names of the links to the champion's round and to that of the last certified model."""


@dataclass(frozen=True)
class Stop:
    """Why a run ends: ``finished``, ``converged`` or ``stopped``, and the reason in words."""

    status: str
    reason: str


def iterate(run: Run, rounds: int, budget: float | None, on_recorded: Callable[[], None]) -> Stop:
    """Bring the run to ``rounds`` rounds, then open test. Resumes whatever was done before.

    Args:
        rounds: rounds in all, not further ones.
        budget: seconds for the whole run, final evaluation included; ``None`` for no limit.
        on_recorded: called when there is something new to report.

    Raises:
        InputError: the run is closed, and another round would begin.
        HarnessError: a fault that no round can absorb; everything recorded stays, the same command resumes.
    """
    run.rounds_asked = rounds
    check_open(run, rounds, budget)
    asked = run.ledger.of_kind("asked")
    if not asked or asked[-1].data["rounds"] != rounds:
        run.ledger.append("asked", {"rounds": rounds}, run.now())
    baseline(run)
    prune(run)  # what a session killed after its last round had no time to
    on_recorded()
    while (stop := should_stop(run, rounds, budget)) is None:
        entry = run_round(run)
        prune(run)
        run.listener.recorded(entry.data, run.champion_dev(run.state).score.value)
        on_recorded()
    final_evaluation(run)
    last, ending = run.ledger.ending, {"status": stop.status, "reason": stop.reason, "round": run.state.done}
    if last is None or last.data != ending:  # the same command on a finished run changes nothing
        run.ledger.append("stop", ending, run.now())
    on_recorded()
    return stop


def check_open(run: Run, rounds: int, budget: float | None) -> None:
    """Refuse a further round of a closed run; without one, the run is reported as it is.

    Raises:
        InputError: the run is closed, and a round would begin.
    """
    if run.ledger.of_kind(CLOSED) and should_stop(run, rounds, budget) is None:
        still_open(run.run_dir, run.ledger)


def should_stop(run: Run, rounds: int, budget: float | None) -> Stop | None:
    """Why no further round should begin, or ``None``."""
    state = run.state
    if state.done >= rounds:
        return Stop("finished", f"all {rounds} rounds done")
    champion = run.champion_dev(state)
    if all(result.correct >= 1.0 for result in champion.results):
        return Stop("converged", f"nothing fails on dev any more after round {state.done}")
    if state.rejections >= run.settings.stop_after:
        return Stop(
            "converged",
            f"{state.rejections} rounds in a row brought no promotion (stop_after {run.settings.stop_after}); "
            "more or other data, another recipe or a larger model may help",
        )
    if budget is not None:
        needed = expected_round(run, state) + expected_final(run)
        if state.seconds + needed > budget:
            return Stop(
                "stopped",
                f"the budget of {budget:.0f} s is spent: {state.seconds:.0f} s used, the next round and the final "
                f"evaluation would take about {needed:.0f} s",
            )
    return None


def expected_round(run: Run, state: LoopState) -> float:
    """Seconds that the next round will take, going by the last one, if it can by one whose dev was wholly asked.

    A look at gate, with the guard before it, is counted where one may come. 0 before the first round.
    """
    rounds = [entry.data for entry in run.ledger.of_kind("round")]
    whole = [data for data in rounds if data["dev"] is not None] or rounds
    # One that was answered from the cache took no time that tells of the next.
    whole = [data for data in whole if not _kept(run.round_dir(data["round"]) / "dev")] or whole
    if not whole:
        return 0.0
    looked = _seconds(run, whole[-1], PHASE)
    return float(sum(whole[-1]["seconds"].values())) - looked + max(looked, expected_look(run, state, whole[-1]))


def expected_look(run: Run, state: LoopState, like: Mapping[str, Any]) -> float:
    """Seconds of a look with the guard before it, as dev took per item in the round ``like``; 0 where none is left."""
    gate = run.prepared.gate
    group = run.record.group([item.item_id for item in gate]) if run.record and gate else None
    if group is None:
        return 0.0
    rounds = [entry.data for entry in run.ledger.of_kind("round")]
    kept = kept_folders(run.run_dir, rounds, "gate", state.anchor, state.done)
    models = 1 if any(folder.is_dir() for folder in kept) else 2
    per_item = _seconds(run, like, "evaluate") / len(run.prepared.dev)
    return per_item * (models * len(group.items) + len(run.prepared.guard))


def _seconds(run: Run, data: Mapping[str, Any], phase: str) -> float:
    """Seconds of a phase of the round that ``data`` records; 0 where it did not come to it."""
    path = marker(run.round_dir(data["round"]), phase)
    return float(read_json(path)["seconds"]) if path.is_file() else 0.0


def expected_final(run: Run) -> float:
    """Seconds of the final evaluation, in proportion to what dev took per item and arm."""
    entries = run.ledger.of_kind("baseline")
    if not entries or run.state.done in run.state.finals:
        return 0.0
    prepared = run.prepared
    arms = 2 if run.settings.fewshot else 1
    guards = sum(len(getattr(prepared, name)) for name in GUARDS)
    asked, seconds = arms * len(prepared.dev) + guards, entries[0].data["seconds"]
    if any(_kept(run.round_dir(0) / name) for name in ("dev", "dev_fewshot", *GUARDS)):
        last = run.ledger.of_kind("round")[-1:]
        fresh = [entry for entry in last if entry.data["dev"] is not None]
        asked, seconds = (len(prepared.dev), _seconds(run, fresh[0].data, "evaluate")) if fresh else (asked, seconds)
    tests = 1 if run.ledger.of_kind("final") else 1 + arms
    tests += run.state.anchor not in (0, run.state.champion)
    return float(seconds / asked * (len(prepared.test) * tests + guards))


def _kept(folder: Path) -> int:
    """Answers of an evaluation that came from the cache; 0 where it is not there."""
    scores = folder / "scores.json"
    return int(read_json(scores)["details"].get("cached", 0)) if scores.is_file() else 0


def prune(run: Run) -> None:
    """Delete what no later round can need: learners' states other than champion's, anchor's and the present one.

    Weights of a whole model (``sft``) are kept for champion, anchor and learner only; adapters are small and stay.
    """
    state = run.state
    keep = frozenset((state.champion, state.anchor, state.learner, state.done))
    # What an earlier session had no time to delete may lie anywhere; from then on only what was kept last time.
    candidates = range(1, state.done + 1) if run.held is None else {*run.held, state.done}
    for number in candidates:
        if number in keep:
            continue
        shutil.rmtree(run.round_dir(number) / LEARNER, ignore_errors=True)
        if run.workbench.identity.get("method") == "sft":
            shutil.rmtree(run.round_dir(number) / CANDIDATE, ignore_errors=True)
    run.held = keep
    link_rounds(run.run_dir, state)


def link_rounds(run_dir: Path, state: LoopState) -> None:
    """Let the links `CHAMPION` and `CERTIFIED` in ``run_dir`` point to their rounds' folders; none for the base.

    For people and scripts; nothing here reads them. Left out where the system has no links.
    """
    for name, number in ((CHAMPION, state.champion), (CERTIFIED, state.anchor)):
        link, fresh = run_dir / name, run_dir / f".{name}.tmp"
        with suppress(OSError, NotImplementedError):
            fresh.unlink(missing_ok=True)
            if number == 0:
                link.unlink(missing_ok=True)
            elif not link.is_symlink() or os.readlink(link) != link_target(number):
                fresh.symlink_to(link_target(number), target_is_directory=True)
                os.replace(fresh, link)


def link_target(number: int) -> str:
    """What the link to round ``number`` holds."""
    return f"rounds/{number:03d}"


def interrupted(run: Run, reason: str, status: str = "stopped") -> dict[str, Any]:
    """Record that the user or a fault ended this session; the same command goes on."""
    # What is on disk counts: the interruption may have come between writing an entry and remembering it.
    run.ledger = Ledger(run.ledger.path)
    return dict(
        run.ledger.append("stop", {"status": status, "reason": reason, "round": run.state.done}, run.now()).data
    )
