"""One of each kind of plugin, as small as it can be. ``tests/test_plugins.py`` installs and runs it."""

from __future__ import annotations

from pathlib import Path

from harness.errors.contract import ErrorLabel
from harness.storage import write_text
from harness.training.contract import CANDIDATE, TrainResult

NOWHERE = Path(__file__).parent / "no such folder"


def tasks() -> Path:
    """The folder of this package's lm-eval tasks."""
    return Path(__file__).parent / "tasks"


class NoDigit:
    """A response without a digit, where a sum was asked for."""

    name, version, categories = "no_digit", "1", ("no_digit",)

    def classify(self, item):
        """One label, or none."""
        return [] if any(char.isdigit() for char in item.response) else [ErrorLabel("no_digit", 1.0)]


class Nudge:
    """Adds a hundredth to every trained weight: no learning, but a candidate like any other."""

    def __init__(self, workplace):
        self._session = workplace.session
        self._tokenizer = workplace.tokenizer

    def train(self, examples, recipe, start, out_dir, seed, progress):
        """One step over all examples."""
        self._session.activate(start.weights)
        for parameter in self._session.trainable().values():
            parameter.data += 0.01
        self._session.save(out_dir / CANDIDATE)
        tokens = sum(len(self._tokenizer.encode(each.prompt + each.completion)) for each in examples)
        return TrainResult(tokens, steps=1, losses=((1, 0.5),), details={"nudged_by": 0.01})


class Forgetful(Nudge):
    """Says that it has trained, and writes nothing."""

    def train(self, examples, recipe, start, out_dir, seed, progress):
        """Nothing."""
        return TrainResult(0, 0, ())


class Counts:
    """A line of text: how many rounds there were."""

    name = "counts"

    def render(self, data, out_dir):
        """Write ``counts.txt``."""
        path = out_dir / "counts.txt"
        write_text(path, f"{len(data.rounds)} rounds on {data.summary['domain']}\n")
        return path
