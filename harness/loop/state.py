"""Where a run stands: a fold over its ledger, so that a resumed run and an undisturbed one agree by construction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from harness.diagnosis import Cell, CellTrial
from harness.ledger import BY_HAND, Entry
from harness.training.recipe import Recipe

REPLAY_STEP = 0.1  # replay added each time the learner returns to the champion
MAX_REPLAY = 0.5
MIN_RATE = 0.05


@dataclass(frozen=True)
class LoopState:
    """What the next round needs to know of those before.

    Attributes:
        done: rounds recorded.
        champion: round whose candidate is the champion; 0 is the base.
        anchor: round of the last certified candidate; 0 where none is.
        learner: round whose learner's state training goes on from; 0 is fresh weights.
        rate: factor on the recipe's learning rate.
        extra_replay: added to the recipe's replay share.
        rejections: rounds in a row that brought no promotion.
        since_return: those of them since the learner last returned to the champion.
        trials: what past rounds did to the cells they targeted.
        broken: cells into which the last candidate broke items.
        seconds: of all phases so far.
        opened_test: how often test was opened in this run.
        finals: rounds after which the final evaluation was made.
    """

    done: int = 0
    champion: int = 0
    anchor: int = 0
    learner: int = 0
    rate: float = 1.0
    extra_replay: float = 0.0
    rejections: int = 0
    since_return: int = 0
    trials: tuple[CellTrial, ...] = ()
    broken: tuple[Cell, ...] = ()
    seconds: float = 0.0
    opened_test: int = 0
    finals: tuple[int, ...] = ()


def fold(entries: Iterable[Entry], recipe: Recipe) -> LoopState:
    """The state after ``entries``."""
    state = LoopState()
    for entry in entries:
        state = step(state, entry, recipe)
    return state


def step(state: LoopState, entry: Entry, recipe: Recipe) -> LoopState:
    """The state after one more entry. Pure; unknown kinds change nothing."""
    data = entry.data
    if entry.kind == "baseline":
        return replace(state, seconds=state.seconds + data["seconds"])
    if entry.kind == "test_opened":
        return replace(state, opened_test=state.opened_test + 1)
    if entry.kind == "final":
        return replace(state, seconds=state.seconds + data["seconds"], finals=(*state.finals, data["round"]))
    if entry.kind in BY_HAND:
        # What the last candidate broke is gone with its learner's state; the user's word ends a row of rejections.
        chosen = data["champion"]
        anchor = data.get("anchor", state.anchor)
        return replace(state, champion=chosen, anchor=anchor, learner=chosen, rejections=0, since_return=0, broken=())
    if entry.kind != "round":
        return state
    state = replace(
        state,
        done=data["round"],
        seconds=state.seconds + sum(data["seconds"].values()),
        trials=state.trials + tuple(_trial(raw) for raw in data["trials"]),
        broken=tuple(Cell(*raw) for raw in data["broken"]),
        anchor=data.get("anchor", state.anchor),
    )
    decision = data["decision"]
    if decision == "promote":
        return replace(state, champion=state.done, learner=state.done, rejections=0, since_return=0)
    if decision == "rollback":
        state = replace(state, champion=state.anchor)
    rejections, since = state.rejections + 1, state.since_return + 1
    if decision in ("crash", "rollback") or since >= recipe.patience:
        return replace(
            state,
            learner=state.champion,
            rejections=rejections,
            since_return=0,
            rate=max(MIN_RATE, state.rate * recipe.cooling),
            extra_replay=min(MAX_REPLAY, state.extra_replay + REPLAY_STEP),
            # What was broken is gone with the learner's state.
            broken=(),
        )
    learner = state.done if decision == "reject" and recipe.start == "latest" else state.learner
    return replace(state, learner=learner, rejections=rejections, since_return=since)


def replay_share(recipe: Recipe, state: LoopState) -> float:
    """Share of the next round's rows that are replay, 0 to 1: the recipe's, and more after each return."""
    return min(0.9 - recipe.data.general, recipe.data.replay + state.extra_replay)


def trial_data(trial: CellTrial) -> list[Any]:
    """A `CellTrial` as JSON."""
    return [trial.round, trial.cell.skill, trial.cell.category, trial.before, trial.after, trial.n]


def _trial(raw: list[Any]) -> CellTrial:
    return CellTrial(raw[0], Cell(raw[1], raw[2]), raw[3], raw[4], raw[5])
