"""Closing a run: what it asked of the sealed gate items is shown from then on, and nobody looks at them again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.exceptions import InputError
from harness.ledger import CLOSED, Entry, Ledger
from harness.locate import state_folder
from harness.loop.lock import run_lock
from harness.loop.run import run_name, utc_now
from harness.state.domain import DomainState
from harness.yamlfile import read_yaml


def close(
    run_dir: Path, reason: str = "", now: Callable[[], str] = utc_now, confirm: Callable[[], None] = lambda: None
) -> Entry:
    """Close a finished run; one that is closed stays as it is.

    The gate groups that it looked at are opened in the domain's record first, for all runs, and then the run is closed
    in its ledger: a process that dies in between has shown nothing, and the same call goes on.

    Args:
        confirm: called before anything is written, where the run can be closed and is not; what it raises keeps it so.

    Returns:
        The ledger's entry ``closed``: ``round``, ``groups``, ``record`` (hash of the record's last entry), ``reason``.

    Raises:
        InputError: no run, one without a look or without a final evaluation of its last round, one in use by another
            process, or whose domain's record lacks its looks.
        EnvironmentFault: run or record cannot be written.
    """
    if not (run_dir / "manifest.json").is_file():
        raise InputError(f"{run_dir}: not a run directory (no manifest.json)")
    with run_lock(run_dir):
        ledger = Ledger(run_dir / "ledger.jsonl")
        if before := ledger.of_kind(CLOSED):
            return before[-1]
        looks = [entry.data for entry in ledger.of_kind("look")]
        if not looks:
            raise InputError(f"{run_dir}: no look at gate items was made in this run, so there is nothing to open")
        done = sum(entry.kind == "round" for entry in ledger.entries)
        if done not in [entry.data["round"] for entry in ledger.of_kind("final")]:
            raise InputError(
                f"{run_dir}: test was not opened after round {done}; bring the run to its end with 'harness iterate' "
                "first"
            )
        record = _record_of(run_dir, looks, now)
        groups = sorted({int(look["group"]) for look in looks})
        confirm()
        record.open_gate(groups, run_name(run_dir))
        closing = {"round": done, "groups": groups, "record": record.head, "reason": reason}
        return ledger.append(CLOSED, closing, now())


def still_open(run_dir: Path, ledger: Ledger) -> None:
    """Refuse to go on with a run that is closed.

    Raises:
        InputError: it is.
    """
    if ledger.of_kind(CLOSED):
        raise InputError(
            f"{run_dir}: the run is closed: its gate items were shown; begin another one in a new folder (--out)"
        )


def _record_of(run_dir: Path, looks: Sequence[Mapping[str, Any]], now: Callable[[], str]) -> DomainState:
    from harness.config import Settings

    settings: Settings = read_yaml(run_dir / "config.yaml").build(Settings)
    record = DomainState.open(state_folder(settings.state), settings.domain, now)
    if not all(record.holds(look["record"]) for look in looks):
        raise InputError(
            f"{record.path}: lacks looks that {run_dir} made, so nothing could keep others from these gate items; "
            "set HARNESS_STATE to the folder of the record that has them"
        )
    return record
