"""A phase: work that is either wholly done, with a manifest of its files, or done again from its inputs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.evaluation.work import counting
from harness.exceptions import InputError
from harness.loop.energy import metering
from harness.storage import canonical_json, read_json, sha256_file, sha256_text, write_json

Clock = Callable[[], float]


def marker(folder: Path, name: str) -> Path:
    """Where a finished phase's manifest lies."""
    return folder / f"{name}.done.json"


def sealed(run_dir: Path, *files: Path) -> dict[str, str]:
    """Hash of each of ``files`` that is there, by its path in the run directory: what a ledger entry vouches for."""
    return {path.relative_to(run_dir).as_posix(): sha256_file(path) for path in sorted(files) if path.is_file()}


def phase_files(folder: Path) -> list[Path]:
    """The manifests of the finished phases in ``folder``."""
    return sorted(folder.glob("*.done.json"))


def signed(record: Mapping[str, Any]) -> dict[str, Any]:
    """``record`` with the hash of all else that it holds under ``sha256``."""
    rest = {key: value for key, value in record.items() if key != "sha256"}
    return {**rest, "sha256": sha256_text(canonical_json(rest))}


def run_phase(
    folder: Path,
    name: str,
    inputs: str,
    outputs: Sequence[str],
    body: Callable[[], dict[str, Any]],
    clock: Clock,
) -> dict[str, Any]:
    """Return the finished phase's result, or clear what it left behind and run it.

    Args:
        folder: the round's folder.
        inputs: hash of everything the phase depends on; a finished phase with other inputs is refused.
        outputs: files and folders in ``folder`` that the phase writes.
        body: does the work and returns a JSON-able result.
        clock: seconds, monotonic.

    Raises:
        InputError: a finished phase's file was changed since, or belongs to other inputs.
    """
    done = marker(folder, name)
    if done.exists():
        record = read_json(done)
        if record.get("inputs") != inputs:
            raise InputError(
                f"{done}: was made from other inputs; the run directory was changed by hand, start a new run"
            )
        for relative, digest in record["files"].items():
            path = folder / relative
            # Weights that a later round no longer needs are pruned; what is there must be what was written.
            if path.exists() and sha256_file(path) != digest:
                raise InputError(f"{path}: changed since it was written; restore it or start a new run")
        result: dict[str, Any] = {**record["result"], "seconds": record["seconds"]}
        return result
    for output in outputs:
        for path in (folder / output, *folder.glob(f".{output}.*.tmp")):  # the latter from a killed atomic write
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    begun = clock()
    with counting() as work, metering() as energy:
        result = body()
    seconds = clock() - begun
    files = {}
    for output in outputs:
        path = folder / output
        found = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path] if path.exists() else []
        files.update({p.relative_to(folder).as_posix(): sha256_file(p) for p in found})
    record = {"phase": name, "inputs": inputs, "files": files, "seconds": seconds, "work": work.as_dict()}
    record |= {"joules": energy.joules} if energy.joules else {}
    write_json(done, signed({**record, "result": result}))
    return {**result, "seconds": seconds}
