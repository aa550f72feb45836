"""The second tier of a round: guard, look at sealed items, way back; `harness.loop.judge` says what follows.

A look is on disk in the domain's record before a gate item is asked, so a process that dies in between has spent it. It
goes on with the same look: the candidate is the same, and nothing has been told. Of what gate says only the bit leaves
this module; the answers lie in the round's folder and no report reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.evaluated import SCORES, Evaluation, load_evaluation
from harness.evaluation.items import Item
from harness.exceptions import InputError
from harness.gate.alpha import Look
from harness.gate.certify import Tiers
from harness.gate.verdict import Verdict
from harness.loop.judge import (
    LOST,
    NEVER,
    NO_ITEMS,
    NO_RECORD,
    OPENED,
    TRIAL,
    UNLIKE,
    Shown,
    after_look,
    asked_for,
    guarded,
    judge,
    paired,
)
from harness.loop.phases import marker, run_phase
from harness.loop.run import BASELINE, Run, alike, champion_folder
from harness.loop.state import LoopState
from harness.state.domain import DomainState
from harness.state.kept import GateGroup, GateLook
from harness.storage import read_json

PHASE = "certify"
SEALED = ("gate", "anchor_gate")
"""Answers to gate items: no report, no count by category, nothing that is shown may be made from them."""
OUTPUTS = ("anchor_dev", "guard", "anchor_guard", "base_guard", *SEALED)


def second_tier(
    run: Run, state: LoopState, folder: Path, verdict: Verdict, candidate: Evaluation, identity: str
) -> tuple[Verdict, Tiers, dict[str, Any]]:
    """Whether the model that was just promoted is certified, stays provisional or is given up.

    Args:
        folder: of the round.
        candidate: its dev evaluation.
        identity: what the round's phases depend on.

    Returns:
        The verdict with the look's bit or the rollback, where anchor and head stand now, and the phase's result (see
        `docs/run-directory.md`).
    """
    number = state.done + 1
    run.listener.phase(number, run.rounds_asked, PHASE)
    found = run_phase(
        folder, PHASE, run.key(PHASE, number, identity), OUTPUTS, lambda: _ask(run, state, folder, candidate), run.clock
    )
    if found["look"] is not None and run.record is not None and not lost_looks(run, run.record):
        # Only now: from here on the bit is on disk, and no second evaluation can come to another one.
        run.record.settle(found["look"]["number"], found["certified"])
    told = [entry.data["tier"]["rule"] for entry in run.ledger.of_kind("round") if entry.data.get("tier")]
    if found["rule"] in ("spent", *NEVER) and found["rule"] not in told:
        run.listener.notice(found["reason"])
    return *after_look(verdict, Tiers(state.anchor, state.champion), number, found), found


def kept_folders(run_dir: Path, rounds: Iterable[Mapping[str, Any]], name: str, model: int, last: int) -> list[Path]:
    """Where answers of round ``model``'s candidate to the items ``name`` may lie already, the latest first.

    Args:
        rounds: ledger data of the rounds before round ``last``.
        last: the round that asks.
    """
    own = run_dir / (f"rounds/{model:03d}" if model else BASELINE)
    again = [
        run_dir / f"rounds/{data['round']:03d}" / f"anchor_{name}"
        for data in rounds
        if data.get("tier") and data["tier"]["anchor"] == model
    ]
    return [*again[::-1], champion_folder(run_dir, model, last) if name == "dev" else own / name]


def kept_like(
    run_dir: Path,
    rounds: Iterable[Mapping[str, Any]],
    name: str,
    model: int,
    last: int,
    like: Evaluation,
    load: Callable[[Path], Evaluation],
) -> tuple[Path, Evaluation] | None:
    """The first of `kept_folders` that was made like ``like``, on the same items, and what lies there."""
    for folder in kept_folders(run_dir, rounds, name, model, last):
        if (folder / SCORES).is_file():
            found = load(folder)
            if alike(found, like) and found.correctness().keys() == like.correctness().keys():
                return folder, found
    return None


def lost_looks(run: Run, record: DomainState) -> list[int]:
    """Looks of this run that the record does not hold, by number: it was cut short, or is another one."""
    kept = record.kept.looks
    return [
        data["look"]
        for data in (entry.data for entry in run.ledger.of_kind("look"))
        if data["look"] > len(kept)
        or (kept[data["look"] - 1].run, kept[data["look"] - 1].round) != (run.identity, data["round"])
        or not record.holds(data["record"])
    ]


def _ask(run: Run, state: LoopState, folder: Path, candidate: Evaluation) -> dict[str, Any]:
    prepared, number = run.prepared, state.done + 1
    rounds = [entry.data for entry in run.ledger.of_kind("round")]
    used: dict[str, str] = {}

    def of(model: int, name: str, items: Sequence[Item], like: Evaluation, again: str) -> Evaluation:
        """Round ``model``'s answers, as like those of ``like`` as can be; asked ``again`` where none that lie here are.

        That is where there are none yet, or where memory has halved the batch, or a library was replaced, since.
        """
        load = run.load if name == "dev" else load_evaluation
        found = kept_like(run.run_dir, rounds, name, model, number, like, load)
        used[again] = (found[0] if found else folder / again).relative_to(run.run_dir).as_posix()
        return found[1] if found else _asked(run, name, items, model, folder / again)

    def together(name: str, items: Sequence[Item], others: Mapping[str, int]) -> list[Evaluation]:
        """The head's answers, then those of ``others`` (folder to round); again where memory halved the batch."""
        found: dict[str, Evaluation] = {}
        while True:
            head = _asked(run, name, items, number, folder / name)
            for again, model in others.items():
                if again not in found or not alike(found[again], head):
                    found[again] = of(model, name, items, head, again)
            if all(alike(head, other) for other in found.values()):
                return [head, *found.values()]

    compared = f"{weights(folder)} against {weights(run.round_dir(state.anchor)) if state.anchor else 'the base'}"
    before = of(state.anchor, "dev", prepared.dev, candidate, "anchor_dev")
    dev = paired(before, candidate)
    group, rule, pending, looks = _looks(run, number, compared)
    if not alike(before, candidate):
        looks, rule = None, UNLIKE.rule
    elif pending is not None and run.record is not None:
        _note(run, run.record, pending, number, folder)
    request = asked_for(dev, looks, rule)
    guard: tuple[Evaluation, Evaluation, Evaluation] | None = None
    if request.alpha is not None and prepared.guard:
        others = {"base_guard": 0, **({"anchor_guard": state.anchor} if state.anchor else {})}
        head, base, *rest = together("guard", prepared.guard, others)
        guard = (base, rest[0] if rest else base, head)
        request = asked_for(dev, looks, rule, guarded(base, head, run.taxonomy.may_trigger)[0])
    look: GateLook | None = None
    gate: tuple[Evaluation, Evaluation] | None = None
    if request.alpha is not None and run.record is not None and group is not None:
        look = pending or run.record.debit(group.items, run.identity, number, compared)
        present = {each.number: each for each in run.record.groups(group.items)}[group.number]
        # Another run may have looked since: what counts is what the record says of the looks before this one.
        looks = [each.spent() for each in present.looks if look is None or each.number < look.number]
    if look is not None and group is not None and run.record is not None:
        _note(run, run.record, look, number, folder)
        items = [item for item in prepared.gate if item.item_id in set(group.items)]
        head, anchor = together("gate", items, {"anchor_gate": state.anchor})
        gate = (anchor, head)
    shown = Shown((before, candidate), guard, gate)
    before_it = None if looks is None else [[each.alpha, each.certified] for each in looks]
    place = len(before_it or ()) + 1
    return {
        "anchor": state.anchor,
        "against": used,
        "looks": before_it,
        "look": {"number": look.number, "group": look.group, "place": place, "alpha": look.alpha} if look else None,
        **judge(shown, looks, rule, look.alpha if look else None, run.taxonomy.may_trigger),
    }


def _looks(run: Run, number: int, compared: str) -> tuple[GateGroup | None, str, GateLook | None, list[Look] | None]:
    """The gate items to look at, or the rule why never; this round's own look if a process died in it; those before."""
    if run.record is None or lost_looks(run, run.record):
        return None, (LOST if run.record else NO_RECORD).rule, None, None
    if run.settings.limit is not None:
        return None, TRIAL.rule, None, None
    gate = [item.item_id for item in run.prepared.gate]
    groups = run.record.groups(gate)
    if not groups:
        return None, NO_ITEMS.rule, None, None
    pending = run.record.look_of(run.identity, number, compared)
    if pending is not None and (
        pending.certified is not None or pending.group not in [group.number for group in groups]
    ):
        pending = None
    group = next((each for each in groups if pending and each.number == pending.group), None)
    group = group or run.record.group(gate) or groups[0]
    if group.opened and pending is None:
        return None, OPENED.rule, None, None
    return group, "", pending, [k.spent() for k in group.looks if pending is None or k.number < pending.number]


def _note(run: Run, record: DomainState, look: GateLook, number: int, folder: Path) -> None:
    """The look in the run's ledger, before anything is asked, once."""
    if not any(entry.data["look"] == look.number for entry in run.ledger.of_kind("look")):
        data = {
            "round": number, "look": look.number, "group": look.group, "alpha": look.alpha,
            "adapter_sha256": weights(folder), "record": record.head,
        }  # fmt: skip
        run.ledger.append("look", data, run.now())


def weights(folder: Path) -> str:
    """Hash of the weights of the candidate of the round in ``folder``."""
    return str(read_json(marker(folder, "train"))["result"]["adapter_sha256"])


def _asked(run: Run, name: str, items: Sequence[Item], number: int, folder: Path) -> Evaluation:
    try:
        run.evaluate(name, items, run.adapter(number), folder)
    except InputError as error:
        if name != "gate":
            raise
        # What fails is the task's own code; the item stays unnamed, and what it answers.
        raise InputError(
            f"a gate item cannot be scored ({type(error.__cause__ or error).__name__}); "
            "correct the task's process_results"
        ) from None
    return load_evaluation(folder)
