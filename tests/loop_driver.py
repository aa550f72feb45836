"""Run the scripted loop as a process of its own, and die in it as nothing but the kernel can make it die.

``python loop_driver.py RUN_DIR EVENT COUNT``: at the COUNT-th EVENT (``fsync``, or the kind of a `Call`) the process
sends itself SIGKILL. COUNT 0 never comes.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from pathlib import Path

from fake_workbench import BETTER, WORSE, Call, Effect, FakeWorkbench, open_toy, toy_record

from harness.loop.iterate import iterate
from harness.loop.lock import run_lock

SCRIPT = (BETTER, WORSE, Effect(confidence=0.5))
ROUNDS = 3


def main(run_dir: Path, event: str, count: int) -> None:
    """Bring the run to its end, or die at the event."""
    seen: Counter[str] = Counter()
    sync = os.fsync

    def happened(name: str) -> None:
        seen[name] += 1
        if (name, seen[name]) == (event, count):
            os.kill(os.getpid(), signal.SIGKILL)

    def fsync(handle: int) -> None:
        happened("fsync")
        sync(handle)

    def fault(call: Call) -> None:
        happened(call.kind)

    os.fsync = fsync
    with run_lock(run_dir):
        record = toy_record(run_dir.parent / "state")
        iterate(open_toy(run_dir, FakeWorkbench(SCRIPT, fault), record=record), ROUNDS, None, lambda: None)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
