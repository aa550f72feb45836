"""Choosing the champion by hand: recorded in the ledger as such, with the user's reason, and never a verdict."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from harness.exceptions import InputError
from harness.ledger import BY_HAND, Entry, Ledger
from harness.loop.close import still_open
from harness.loop.iterate import link_rounds
from harness.loop.lock import run_lock
from harness.loop.phases import marker
from harness.loop.run import utc_now
from harness.loop.state import LoopState, fold, step
from harness.storage import read_json, sha256_file
from harness.training.contract import CANDIDATE
from harness.training.recipe import Recipe

PROMOTED, ROLLED_BACK = BY_HAND


def champions(entries: Iterable[Entry], recipe: Recipe) -> list[int]:
    """The present champion's round, last, and those that it would be rolled back to, the base's 0 first."""
    state, held = LoopState(), [0]
    for entry in entries:
        state = step(state, entry, recipe)
        if state.champion in held:
            del held[held.index(state.champion) + 1 :]
        else:
            held.append(state.champion)
    return held


def promote(run_dir: Path, number: int, reason: str = "", now: Callable[[], str] = utc_now) -> Entry:
    """Make round ``number`` the champion, whatever its verdict said; the next round goes on from it.

    Raises:
        InputError: no run, no such round, a round without a candidate or whose dev items were not all asked, an
            adapter that was deleted or changed, a run that is closed, in use by another process or with an opened test
            and no result.
    """
    return _choose(run_dir, PROMOTED, number, reason, now)


def roll_back(run_dir: Path, number: int | None = None, reason: str = "", now: Callable[[], str] = utc_now) -> Entry:
    """Make an earlier champion the champion again.

    Args:
        number: its round, 0 for the base; ``None`` for the one before the present champion.

    Raises:
        InputError: as `promote`, and where round ``number`` was no champion before.
    """
    return _choose(run_dir, ROLLED_BACK, number, reason, now)


def _choose(run_dir: Path, kind: str, number: int | None, reason: str, now: Callable[[], str]) -> Entry:
    if not (run_dir / "manifest.json").is_file():
        raise InputError(f"{run_dir}: not a run directory (no manifest.json)")
    with run_lock(run_dir):
        ledger = Ledger(run_dir / "ledger.jsonl")
        recipe = run_recipe(run_dir)
        state = fold(ledger.entries, recipe)
        if kind == ROLLED_BACK:
            number = _earlier(run_dir, champions(ledger.entries, recipe), number)
        assert number is not None
        _check(run_dir, ledger, state, number)
        # Its phases belong to the champion of before, and are done again for the new one.
        shutil.rmtree(run_dir / "rounds" / f"{state.done + 1:03d}", ignore_errors=True)
        data = {"champion": number, "instead_of": state.champion, "round": state.done, "reason": reason}
        if kind == ROLLED_BACK:
            data["anchor"] = anchor_behind(ledger.entries, recipe, number)
        entry = ledger.append(kind, data, now())
        link_rounds(run_dir, step(state, entry, recipe))
        return entry


def anchor_behind(entries: Sequence[Entry], recipe: Recipe, number: int) -> int:
    """The certified round that holds once round ``number`` is the champion again: the last that it came after.

    Else the next candidate that is better than what the user went back to would be given up for what they left.
    """
    held = champions(entries, recipe)
    certified = {0, *(entry.data["round"] for entry in entries if entry.kind == "round" and entry.data["certified"])}
    return [each for each in held[: held.index(number) + 1] if each in certified][-1]


def run_recipe(run_dir: Path) -> Recipe:
    """The recipe in a run's manifest.

    Raises:
        InputError: the manifest is damaged.
    """
    manifest = read_json(run_dir / "manifest.json")
    try:
        return Recipe.from_dict(manifest["identity"]["recipe"])
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{run_dir / 'manifest.json'}: damaged, or of another version ({error})") from error


def _earlier(run_dir: Path, held: list[int], number: int | None) -> int:
    earlier = held[:-1]
    if not earlier:
        raise InputError(f"{run_dir}: the champion is the untouched model; there is nothing to roll back to")
    if number is None:
        return earlier[-1]
    if number not in earlier:
        known = ", ".join(map(str, earlier))
        raise InputError(
            f"{run_dir}: round {number} was no champion before round {held[-1]} (earlier ones: {known}); "
            f"'harness promote {run_dir} {number}' makes a round the champion that never was"
        )
    return number


def _check(run_dir: Path, ledger: Ledger, state: LoopState, number: int) -> None:
    """Refuse a round that cannot be the champion."""
    still_open(run_dir, ledger)
    if number == state.champion:
        raise InputError(f"{run_dir}: round {number} is the champion already")
    unfinished = [entry for entry in ledger.of_kind("test_opened") if entry.data["round"] not in state.finals]
    if unfinished:
        raise InputError(
            f"{run_dir}: test is open for round {state.champion} and has no result yet; finish it with 'harness "
            "iterate' first"
        )
    if number == 0:
        return
    if not 1 <= number <= state.done:
        done = f"rounds 1 to {state.done} are done" if state.done else "no round is done yet"
        raise InputError(f"{run_dir}: there is no round {number} ({done}); 'harness rollback {run_dir} 0' is the base")
    entry = next(entry for entry in ledger.of_kind("round") if entry.data["round"] == number).data
    if entry["decision"] in ("invalid", "crash"):
        raise InputError(f"{run_dir}: round {number} is no candidate ({entry['decision']}: {entry['reason']})")
    if entry["dev"] is None:
        raise InputError(
            f"{run_dir}: round {number} was not asked all of dev, so no later candidate could be compared with it"
        )
    _check_adapter(run_dir, number)


def _check_adapter(run_dir: Path, number: int) -> None:
    folder = run_dir / "rounds" / f"{number:03d}"
    record: dict[str, Any] = read_json(marker(folder, "train"))
    own = {name: digest for name, digest in record["files"].items() if name.startswith(f"{CANDIDATE}/")}
    for name, digest in own.items():
        if not (folder / name).is_file():
            raise InputError(
                f"{folder / name}: is not there any more (whole models are kept of the champion and the latest round "
                "only); choose another round"
            )
        if sha256_file(folder / name) != digest:
            raise InputError(f"{folder / name}: changed since it was trained; restore it or choose another round")
