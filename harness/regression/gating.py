"""The gates of a project put to a model or to saved answers: what ``harness gate`` and the pytest plugin share."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.config import Settings
from harness.exceptions import InputError
from harness.regression.adapter import base_of, is_adapter
from harness.regression.answers import AnswerSet
from harness.regression.baseline_file import baseline_path, comparable, read_baseline, write_baseline
from harness.regression.declare import Declared, Gate, declared
from harness.regression.evaluate import Listener, evaluate
from harness.regression.judge import judge
from harness.regression.results import GateResult

if TYPE_CHECKING:
    from harness.errors.setup import Taxonomy


@dataclass(frozen=True)
class Target:
    """What is judged: saved answers, or a model with or without an adapter (by default the configured one).

    Attributes:
        saved: whatever `harness.regression.read.read_answers` reads.
        model: as ``--model``.
        adapter: folder of trained weights.
    """

    saved: Path | None = None
    model: str | None = None
    adapter: Path | None = None


def target_of(text: str | None) -> Target:
    """What a target's name means: nothing, a path of answers, an adapter's folder, a model's folder or its name.

    Raises:
        InputError: it is none of these.
    """
    if text is None:
        return Target()
    path = Path(text).expanduser()
    try:
        there = path.exists()
    except OSError:  # a name too long
        there = False
    if there and path.is_dir() and is_adapter(path):
        return Target(model=base_of(path), adapter=path)
    if there and not (path / "config.json").is_file():
        return Target(saved=path)
    from harness.models.reference import resolve

    try:
        resolve(text)
    except InputError as error:
        if there or "/" in text.strip("/") or text.startswith((".", "~", "/")):
            raise InputError(f"{text}: no run, no folder of answers and no model there: {error}") from error
        raise
    return Target(model=text)


@dataclass
class Gating:
    """The gates, the answers that they look at, and the baseline, each worked out once when it is first needed.

    Attributes:
        baseline_file: in place of the settings' own.
        folder: where answer sets are kept (see `harness.regression.evaluate.evaluate`).
        fresh: whether kept answer sets are passed over.
        today: for the expiry of known failures.
    """

    settings: Settings
    target: Target = field(default_factory=Target)
    baseline_file: Path | None = None
    folder: Path | None = None
    fresh: bool = False
    listener: Listener | None = None
    today: Callable[[], datetime.date] = datetime.date.today

    @cached_property
    def declared(self) -> Declared:
        """The gates; raises `InputError` where they are malformed."""
        return declared(self.settings)

    _answers: AnswerSet | None = field(default=None, init=False, repr=False)
    _failed: Exception | None = field(default=None, init=False, repr=False)

    @property
    def answers(self) -> AnswerSet:
        """What is judged, made once; where that failed, it is not tried again for the next gate.

        Raises:
            InputError, EnvironmentFault: it cannot be read or made.
        """
        if self._failed is not None:
            raise self._failed
        if self._answers is None:
            try:
                self._answers = self.ask()
            except Exception as error:
                self._failed = error
                raise
        return self._answers

    def ask(self, guard: bool = False, timed: bool = False) -> AnswerSet:
        """The target's answers; also those to the guards, and with the time that they took, where a gate needs that.

        Args:
            guard, timed: whether they are wanted though no declared gate needs them.
        """
        guard = guard or self.declared.needs_guard
        timed = timed or any(gate.kind == "latency" for gate in self.declared.gates)
        if self.target.saved is not None:
            from harness.evaluation.guards import guard_names
            from harness.regression.read import domain_of, read_answers

            known = domain_of(self.target.saved)
            if known is not None and known != self.settings.domain:
                raise InputError(
                    f"{self.target.saved}: is of a run of domain '{known}', not of '{self.settings.domain}'; "
                    f"name one of '{self.settings.domain}'"
                )
            return read_answers(self.target.saved, self._classifiers, guard_names(self.settings.guard))
        return evaluate(
            beside(self.settings), self.target.model, self.target.adapter, guard, self.fresh,
            timed=timed, folder=self.folder, listener=self.listener,
        )  # fmt: skip

    def _classifiers(self) -> Taxonomy:
        """Those of the settings, for answers that nobody has classified."""
        from harness.errors.setup import load_taxonomy

        return load_taxonomy(self.settings.classifiers)

    @cached_property
    def baseline_path(self) -> Path:
        """Where the baseline is, or would be."""
        return self.baseline_file or baseline_path(self.settings)

    @cached_property
    def baseline(self) -> tuple[AnswerSet | None, str]:
        """The baseline, and why there is none that can be compared with."""
        return self.comparable_with(self.answers)

    def comparable_with(self, answers: AnswerSet) -> tuple[AnswerSet | None, str]:
        """The baseline if ``answers`` can be compared with it, and else why not."""
        path = self.baseline_path
        if not path.exists():
            return (
                None,
                f"{path}: there is no baseline yet; make one of a model that is good enough with {self._update}",
            )
        try:
            found = read_baseline(path)
            comparable(found, answers)
        except InputError as error:
            return None, str(error)
        return found, ""

    @property
    def _update(self) -> str:
        """The commands that write this baseline: pytest's is of the configured domain alone."""
        file = self.settings.file
        if file is not None and self.settings.domain != str(file.values.get("domain", self.settings.domain)):
            return f"'harness gate --domain {self.settings.domain} --update-baseline', and commit it"
        return "'pytest --harness-update-baseline' or 'harness gate --update-baseline', and commit it"

    def prepare(self) -> None:
        """Do what takes time and can fail before the first gate is judged."""
        _ = self.declared, self.answers, self.baseline

    @cached_property
    def results(self) -> list[GateResult]:
        """Every gate's verdict, in the order in which they are declared.

        Raises:
            InputError: a gate names something that the answers do not have; the nearest is named.
        """
        return self._judged(self.declared)

    def result(self, gate: Gate) -> GateResult:
        """The verdict of one gate; another gate's mistake does not keep it from having one.

        Raises:
            InputError: as `results`, for this gate.
        """
        try:
            return self.results[self.declared.gates.index(gate)]
        except InputError:
            return self._judged(replace(self.declared, gates=(gate,)))[0]

    def _judged(self, those: Declared) -> list[GateResult]:
        baseline, why_not = self.baseline
        return judge(those, self.answers, baseline, self.today(), why_not)

    def update_baseline(self) -> str:
        """Write the answers as the new baseline and say so in a line; gates are then judged against it.

        Raises:
            InputError, EnvironmentFault: there are no answers, or the file cannot be written.
        """
        answers, path = self.answers, self.baseline_path
        before: AnswerSet | None = None
        try:
            before = read_baseline(path) if path.exists() else None
        except InputError:
            before = None  # a damaged one is replaced
        write_baseline(path, answers)
        for name in ("baseline", "results"):
            self.__dict__.pop(name, None)
        now = f"{_score(answers):.1%} of {len(answers.of('domain')):,} items"
        was = f", in place of {_score(before):.1%} of {len(before.of('domain')):,}" if before else ""
        return f"baseline written: {path} ({answers.identity.model or answers.source}: {now}{was})"


def _score(answers: AnswerSet) -> float:
    own = answers.of("domain") or answers.answers
    return sum(answer.correct for answer in own) / len(own)


def beside(settings: Settings) -> Settings:
    """``settings`` with a model's folder that is named from ``harness.yaml``'s own, wherever the command runs."""
    if settings.file is None or Path(settings.model).expanduser().exists():
        return settings
    there = settings.file.path.resolve().parent / Path(settings.model).expanduser()
    return replace(settings, model=str(there)) if (there / "config.json").is_file() else settings
