"""Look at gate until nothing is left, as a process of its own: ``python state_driver.py FOLDER RUN``.

Prints the number of each look that it was given, one a line.
"""

from __future__ import annotations

import sys
from pathlib import Path

from harness.state.domain import DomainState

GATE = [f"{number:016x}" for number in range(100)]


def main(folder: Path, run: str) -> None:
    state = DomainState.open(folder, "toy", lambda: "2026-01-01T00:00:00+00:00")
    present = [item for item in GATE if item in state.kept.groups]
    round = 0
    while (look := state.debit(present, run, round := round + 1)) is not None:
        print(look.number, flush=True)
        state.settle(look.number, round % 2 == 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
