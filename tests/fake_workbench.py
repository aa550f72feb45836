"""A scripted model with a history: on the toy domain the whole loop runs in a second, without weights.

The model's knowledge is a level for each skill, kept in an adapter file: it answers an item right when the item's own
threshold, drawn by a hash of its text, is below the level of its skill. Training on rows of a skill changes its level
as the script says.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from toy import gold, skill_of, toy_domain, toy_guard

import harness.cli.session
from harness.config import Settings
from harness.evaluation.engine import Generation, GenerationRequest, Progress, Scoring, ScoringRequest
from harness.loop.listener import Listener, Silent
from harness.loop.prepare import Prepared, prepare
from harness.loop.rounds import run_round
from harness.loop.run import Run, baseline, open_run
from harness.models.session import ADAPTER_WEIGHTS
from harness.state.domain import DomainState
from harness.training.contract import CANDIDATE, LEARNER, Example, Start, TrainingCrash, TrainProgress, TrainResult
from harness.training.recipe import Data, Optimiser, Recipe


def threshold(text: str) -> float:
    """Level above which the scripted model answers ``text`` right, 0 to 1: the same in every process."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32


@dataclass(frozen=True)
class Effect:
    """What a round's training does.

    Attributes:
        gain: added to the level of each skill that has rows.
        loss: added to the level of the skills named.
        confidence: added to every gold answer's log-probability, in nats, whatever the answers.
        crash: the loss is not finite.
    """

    gain: float = 0.0
    loss: Mapping[str, float] = field(default_factory=dict, hash=False)
    confidence: float = 0.0
    crash: bool = False


BETTER, WORSE, SAME = Effect(gain=0.2), Effect(gain=-0.3), Effect()
LEAP, RUIN = Effect(gain=0.6), Effect(loss={"add": -1.0, "reverse": -1.0})
SURER, CRASH = Effect(confidence=0.5), Effect(crash=True)


@dataclass(frozen=True)
class Call:
    """One thing that the workbench was asked: ``activate``, ``generate``, ``loglikelihood`` or ``train``."""

    kind: str
    weights: str  # the active adapter's round folder and name, "base" for none
    texts: tuple[str, ...] = ()
    start: Start | None = None


class FakeWorkbench:
    """A `Workbench` that does as it is told and remembers what it was asked.

    Args:
        script: effect of each round, from round 1; later rounds repeat the last.
        fault: called with each `Call` before it is done; what it raises comes out as if the model had raised it.
        base: the untouched model's level of each skill, the guard's ``even`` included.
        context_length: words of the longest prompt and answer.
    """

    def __init__(
        self,
        script: Sequence[Effect] = (BETTER,),
        fault: Callable[[Call], None] = lambda _: None,
        base: Mapping[str, float] | None = None,
        context_length: int = 64,
        batch_size: int = 16,
    ) -> None:
        self.script = tuple(script)
        self.fault = fault
        self.base = {"add": 0.3, "reverse": 0.3, "even": 0.7, "confidence": 0.0, "steps": 0, **(base or {})}
        self.context_length = context_length
        self.batch_size = batch_size
        self.history: list[Call] = []
        self.identity: dict[str, Any] = {"reference": "fake", "weights_sha256": "0" * 64, "method": "lora"}
        self.chat_template = None
        self._weights = dict(self.base)
        self._name = "base"

    def _note(self, kind: str, texts: Sequence[str] = (), start: Start | None = None) -> None:
        call = Call(kind, self._name, tuple(texts), start)
        self.history.append(call)
        self.fault(call)

    def asked(self, kind: str = "generate") -> list[Call]:
        """The calls of one kind."""
        return [call for call in self.history if call.kind == kind]

    def activate(self, adapter: Path | None) -> None:
        """Read the levels from the adapter's file."""
        self._weights = dict(self.base) if adapter is None else json.loads((adapter / ADAPTER_WEIGHTS).read_text())
        self._name = "base" if adapter is None else f"{adapter.parent.name}/{adapter.name}"
        self._note("activate")

    @contextmanager
    def asking(self) -> Iterator[FakeWorkbench]:
        """The workbench is its own engine."""
        yield self

    def count_tokens(self, text: str) -> int:
        """Words."""
        return len(text.split())

    def _knows(self, question: str) -> bool:
        return threshold(question) < self._weights[skill_of(question)]

    def generate(self, requests: Sequence[GenerationRequest], progress: Progress | None) -> list[Generation]:
        """The gold answer, or one of several kinds of wrong ones."""
        self._note("generate", [request.prompt for request in requests])
        answers = []
        for request in requests:
            question = request.prompt.rpartition("\n\n")[2]
            wrong = ("", "no no no no no no no no no no", "I would not know")[int(threshold(question + "?") * 3)]
            text = gold(question) if self._knows(question) else wrong
            answers.append(Generation(text, "stop", self.count_tokens(request.prompt), self.count_tokens(text) + 1))
        if progress is not None:
            progress(len(requests), len(requests))
        return answers

    def loglikelihood(self, requests: Sequence[ScoringRequest], progress: Progress | None) -> list[Scoring]:
        """Higher for the answer that the model would give, and with confidence."""
        self._note("loglikelihood", [request.context for request in requests])
        scores = []
        for request in requests:
            right = request.continuation.strip() == gold(request.context)
            likely = right == self._knows(request.context)
            logprob = (-1.0 if likely else -3.0) + (self._weights["confidence"] if right else 0.0)
            scores.append(Scoring(logprob, likely, 1, self.count_tokens(request.context)))
        return scores

    def train(
        self,
        examples: Sequence[Example],
        recipe: Recipe,
        start: Start,
        out_dir: Path,
        seed: int,
        progress: TrainProgress | None,
    ) -> TrainResult:
        """Change the levels as the script says for this round, which the seed tells (run seed 0)."""
        self.activate(start.weights)
        self._note("train", [example.prompt for example in examples], start)
        effect = self.script[min(seed, len(self.script)) - 1]
        if effect.crash:
            raise TrainingCrash("non-finite loss at step 1 of 2; lower the recipe's learning_rate")
        for skill in {skill_of(example.prompt) for example in examples} - {"even"}:
            self._weights[skill] += effect.gain * start.rate
        for skill, loss in effect.loss.items():
            self._weights[skill] += loss
        self._weights["confidence"] += effect.confidence
        carried = json.loads((start.state / "state.json").read_text())["steps"] if start.state else 0
        self._weights["steps"] = carried + 2
        for name in (CANDIDATE, LEARNER) if recipe.start == "latest" else (CANDIDATE,):
            (out_dir / name).mkdir(parents=True)
            (out_dir / name / ADAPTER_WEIGHTS).write_text(json.dumps(self._weights, sort_keys=True))
            self._note(f"wrote {name}")
        if recipe.start == "latest":
            (out_dir / LEARNER / "state.json").write_text(json.dumps({"steps": carried + 2}))
        self._name = f"{out_dir.name}/{CANDIDATE}"
        if progress is not None:
            progress(1, 2, 1.5)
        tokens = sum(self.count_tokens(f"{e.prompt} {e.completion}") for e in examples)
        return TrainResult(tokens, 2, ((1, 1.5), (2, 1.0)), details={"learning_rate": start.rate})


class Monotonous(FakeWorkbench):
    """Once trained it gives one answer to every sum."""

    def __init__(self, answer: str, script: Sequence[Effect], base: Mapping[str, float]) -> None:
        super().__init__(script, base=base)
        self.answer = answer

    def generate(self, requests: Sequence[GenerationRequest], progress: Progress | None) -> list[Generation]:
        found = super().generate(requests, progress)
        if self._name == "base":
            return found
        sums = [request.prompt.rpartition("\n\n")[2].startswith("What") for request in requests]
        return [replace(each, text=self.answer) if is_sum else each for each, is_sum in zip(found, sums, strict=True)]


# Every field that decides something is set here: the defaults are tuned, and no test of the loop may hang on them.
TOY_RECIPE = Recipe(
    name="toy",
    method="lora",
    start="latest",
    patience=3,
    cooling=0.5,
    optimiser=Optimiser(learning_rate=4e-4),
    data=Data(mine=16, rows=8, first_rows=12, replay=0.25, general=0.1, select="failing", targets=4),
)
TOY_SETTINGS = Settings(
    model="fake", domain="toy", guard="toy_guard", recipe="toy", fewshot=2, stop_after=8, futility=False
)
TOY_TIME = "2024-01-01T00:00:00+00:00"


class Clock:
    """Seconds that pass only when asked: ``tick`` at each look."""

    def __init__(self, tick: float = 0.0) -> None:
        self.tick = tick
        self.time = 0.0

    def __call__(self) -> float:
        self.time += self.tick
        return self.time


def toy_record(folder: Path) -> DomainState:
    """The record of the toy's items in ``folder``."""
    return DomainState.open(folder, "toy", lambda: TOY_TIME)


def toy_prepared(
    settings: Settings = TOY_SETTINGS, workbench: FakeWorkbench | None = None, record: DomainState | None = None
) -> Prepared:
    """The toy's items by role."""
    guard = toy_guard() if settings.guard else None
    engine = workbench or FakeWorkbench()
    return prepare(toy_domain(), guard, engine, None, settings.fewshot, settings.limit, state=record)


def open_toy(
    run_dir: Path,
    workbench: FakeWorkbench,
    *,
    settings: Settings = TOY_SETTINGS,
    recipe: Recipe = TOY_RECIPE,
    clock: Callable[[], float] | None = None,
    listener: Listener | None = None,
    prepared: Prepared | None = None,
    record: DomainState | None = None,
) -> Run:
    """Open or resume a run of the toy; time stands still unless a clock is given, so equal runs have equal bytes."""
    return open_run(
        run_dir,
        settings,
        recipe,
        prepared or toy_prepared(settings, workbench, record),
        workbench,
        {"versions": {"harness": "test"}},
        clock or Clock(),
        listener or Silent(),
        now=lambda: TOY_TIME,
        record=record,
    )


def play(
    run_dir: Path, script: Sequence[Effect], rounds: int | None = None, **options: Any
) -> tuple[Run, FakeWorkbench]:
    """A run after its baseline and ``rounds`` rounds (as many as the script has)."""
    workbench = options.pop("workbench", None) or FakeWorkbench(script)
    run = open_toy(run_dir, workbench, **options)
    baseline(run)
    for _ in range(rounds or len(script)):
        run_round(run)
    return run, workbench


def decisions(run: Run) -> list[str]:
    """What each round decided."""
    return [entry.data["decision"] for entry in run.ledger.of_kind("round")]


def starts(workbench: FakeWorkbench) -> list[Start]:
    """What each training went on from."""
    return [call.start for call in workbench.asked("train") if call.start is not None]


class Halving(Silent):
    """Lets memory run out once, as round ``number`` begins to evaluate; collects the other notices."""

    def __init__(self, workbench: FakeWorkbench, number: int) -> None:
        self.workbench, self.number, self.notices = workbench, number, list[str]()

    def phase(self, round: int, rounds: int, name: str) -> None:
        if (round, name) == (self.number, "evaluate"):
            self.workbench.batch_size //= 2

    def notice(self, text: str) -> None:
        if not text.startswith("no look: "):
            self.notices.append(text)


def tree(run_dir: Path) -> dict[str, bytes]:
    """Every file of a run by its path, but for hidden ones (the lock, what a killed write left)."""
    files = {path.relative_to(run_dir): path for path in sorted(run_dir.rglob("*")) if path.is_file()}
    return {str(name): path.read_bytes() for name, path in files.items() if not any(p[0] == "." for p in name.parts)}


def at_the_command_line(
    folder: Path, tasks: Path, monkeypatch: pytest.MonkeyPatch, workbench: Callable[[], FakeWorkbench]
) -> list[FakeWorkbench]:
    """Settings for the toy in ``folder``, which becomes the current one; the workbenches that the verbs make."""
    made: list[FakeWorkbench] = []

    def make(settings: Any, recipe: Any, listener: Any) -> tuple[FakeWorkbench, Any]:
        made.append(workbench())
        return made[-1], recipe

    monkeypatch.setattr(harness.cli.session, "make_workbench", make)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(folder)
    Path("harness.yaml").write_text(
        f"model: fake\ndomain: toy\nguard: toy_guard\nrecipe: toy.yaml\nfewshot: 2\ninclude_path: [{tasks}]\n"
    )
    Path("toy.yaml").write_text("method: lora\nstart: latest\npatience: 3\ndata: {mine: 16, rows: 8, first_rows: 12}\n")
    return made
