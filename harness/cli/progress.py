"""What the user sees while a run goes on: a live line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from harness.reporting.escape import line
from harness.reporting.standing import outcome, round_words

_WORDS = {
    "dev": "baseline: dev, zero-shot",
    "dev_fewshot": "baseline: dev, few-shot",
    "guard": "baseline: guard",
    "guard_means": "baseline: guard, means",
    "mine": "mine",
    "curate": "diagnose and curate",
    "train": "train",
    "evaluate": "evaluate",
    "certify": "certify",
    "test": "test: baseline, zero-shot",
    "test_fewshot": "test: baseline, few-shot",
    "final test": "test: champion",
    "final test_certified": "test: certified model",
    "final guard": "guard: champion",
    "final guard_means": "guard: champion, means",
}


class TerminalListener:
    """A `harness.loop.listener.Listener` for people.

    Everything goes to standard error, so that ``--json`` leaves standard output to the machine. Text that can hold
    model output never does: only phases, counts and numbers are shown.

    Args:
        verbosity: -1 says nothing but notices, 1 adds each phase where there is no terminal.
    """

    def __init__(self, verbosity: int = 0, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self.verbosity = verbosity
        self.live = self.console.is_terminal and verbosity >= 0
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._began = time.monotonic()

    def __enter__(self) -> TerminalListener:
        if self.live:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.completed:>4.0f}/{task.total:.0f} {task.fields[note]}"),
                TimeElapsedColumn(),
                TextColumn("ETA"),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
            )
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def phase(self, round: int, rounds: int, name: str) -> None:
        """Show what goes on now."""
        words = _WORDS.get(name, name)
        where = words if ":" in words else f"round {round}/{rounds}: {words}"
        if self._progress is not None:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._task = self._progress.add_task(where, total=1, note="")
        elif self.verbosity >= 0:
            self.line(f"[{self._clock()}] {where}")

    def step(self, done: int, total: int, text: str = "") -> None:
        """Move the bar."""
        if self._progress is not None and self._task is not None:
            note = text if text.startswith("loss") else ""
            self._progress.update(self._task, completed=done, total=total, note=note)

    def recorded(self, entry: Mapping[str, Any], champion: float) -> None:
        """Print a round's line; it stays."""
        if self.verbosity < 0:
            return
        dev = entry["dev"]
        score = f"dev {100 * dev['value']:5.1f}% (±{196 * dev['stderr']:.1f})" if dev else "dev     -"
        seconds = sum(entry["seconds"].values())
        style = {"promote": "green", "certified": "bold green", "reject": "yellow", "futility": "yellow"}
        text = Text(f"[{self._clock()}] round {entry['round']:>3}  {score}  ")
        text.append(round_words(entry), style.get(outcome(entry, entry["futility"]), "red"))
        text.append(f"  champion {100 * champion:5.1f}%  {seconds:4.0f} s  {line(entry['reason'])}")
        self.console.print(text, soft_wrap=True)

    def notice(self, text: str) -> None:
        """Print a line that should not be missed."""
        self.console.print(Text(line(f"note: {text}", 10_000), "cyan" if self.live else ""), soft_wrap=True)

    def line(self, text: str) -> None:
        """Print an ordinary line, unless quiet."""
        if self.verbosity >= 0:
            self.console.print(Text(line(text, 10_000)), soft_wrap=True)

    def _clock(self) -> str:
        seconds = int(time.monotonic() - self._began)
        return f"{seconds // 60:3d}:{seconds % 60:02d}"
