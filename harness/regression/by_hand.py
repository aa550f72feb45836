"""The pytest fixture ``harness``: gates as assertions in tests that are written by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.config import Settings, load_settings
from harness.regression.answers import AnswerSet
from harness.regression.declare import Declared, gate_of
from harness.regression.gating import Gating, Target
from harness.regression.judge import judge
from harness.regression.results import GateResult


@dataclass
class Harness:
    """What a test gets as ``harness``.

    Example::

        def test_routing(harness):
            harness.evaluate("helpdesk").assert_no_regression("routing", margin=0.02)

    Attributes:
        config: the ``harness.yaml``; ``None`` for the defaults.
        saved: answers that stand for every evaluation (``--harness-run``); ``None`` asks models.
        folder: where answer sets are kept in place of the cache where that is off.
    """

    config: Path | None = None
    saved: Path | None = None
    folder: Path | None = None
    _made: dict[tuple[Any, ...], Evaluated] = field(default_factory=dict, repr=False)

    def evaluate(
        self,
        domain: str | None = None,
        *,
        model: str | None = None,
        adapter: str | Path | None = None,
        guard: bool = False,
        limit: int | None = None,
    ) -> Evaluated:
        """A model's answers to a domain's dev items; made once a session, and once over sessions while nothing changes.

        Args:
            domain: by default the configured one.
            model: by default the configured one.
            adapter: folder of trained weights for it.
            guard: whether the guards are asked, too.
            limit: most items of dev and of the guards each.

        Raises:
            InputError, EnvironmentFault: the model cannot be asked, or the saved answers are of another domain.
        """
        settings = load_settings(self.config, {"domain": domain, "limit": limit})
        key = (settings.domain, model, str(adapter or ""), guard, settings.limit)
        if key not in self._made:
            target = Target(model=model, adapter=Path(adapter) if adapter else None)
            if self.saved is not None:
                target = Target(saved=self.saved)
            self._made[key] = Evaluated(Gating(settings, target, folder=None if settings.cache else self.folder), guard)
        made = self._made[key]
        _ = made.answers
        return made


@dataclass
class Evaluated:
    """Answers, and what can be asserted of them; an assertion says what a declared gate would say."""

    gating: Gating = field(repr=False)
    guard: bool = False

    @property
    def settings(self) -> Settings:
        """Of the evaluation."""
        return self.gating.settings

    @cached_property
    def answers(self) -> AnswerSet:
        """Every answer."""
        return self.gating.ask(self.guard)

    @property
    def score(self) -> float:
        """Mean of the tasks' own main metrics over the domain's items, 0 to 1."""
        return _mean([answer.correct for answer in self.answers.of("domain")])

    @property
    def by_skill(self) -> dict[str, float]:
        """`score` of each skill, in alphabetical order."""
        return self._by(lambda answer: str(answer.skill))

    @property
    def by_task(self) -> dict[str, float]:
        """`score` of each task, in alphabetical order."""
        return self._by(lambda answer: str(answer.task))

    def _by(self, key: Callable[[Any], str]) -> dict[str, float]:
        parts: dict[str, list[float]] = {}
        for answer in self.answers.of("domain"):
            parts.setdefault(key(answer), []).append(answer.correct)
        return {name: _mean(parts[name]) for name in sorted(parts)}

    def assert_no_regression(
        self,
        skill: str | None = None,
        *,
        task: str | None = None,
        margin: float | str | None = None,
        alpha: float | None = None,
        on_uncertain: str | None = None,
    ) -> GateResult:
        """Not worse than the baseline by more than ``margin`` (.02: two points), on all items or those of a skill."""
        __tracebackhide__ = True
        given = {"margin": margin, "alpha": alpha}
        return self.assert_gate(
            _entry("no_regression", _given(given), skill=skill, task=task, on_uncertain=on_uncertain)
        )

    def assert_metric(
        self,
        metric: str,
        condition: str,
        *,
        skill: str | None = None,
        task: str | None = None,
        alpha: float | None = None,
        on_uncertain: str | None = None,
    ) -> GateResult:
        """A metric keeps to a condition such as ``>= 0.8``; ``acc`` is every task's own main metric."""
        __tracebackhide__ = True
        return self.assert_gate(
            _entry("metric", {metric: condition}, skill=skill, task=task, alpha=alpha, on_uncertain=on_uncertain)
        )

    def assert_category(
        self,
        category: str,
        condition: str,
        *,
        skill: str | None = None,
        task: str | None = None,
        alpha: float | None = None,
        on_uncertain: str | None = None,
    ) -> GateResult:
        """An error category's share of the items that it can occur in keeps to a condition such as ``<= 2%``."""
        __tracebackhide__ = True
        return self.assert_gate(
            _entry("category", {category: condition}, skill=skill, task=task, alpha=alpha, on_uncertain=on_uncertain)
        )

    def assert_must_pass(self, *items: str) -> GateResult:
        """The items by these ids are answered right."""
        __tracebackhide__ = True
        return self.assert_gate({"must_pass": list(items)})

    def assert_gate(self, entry: Mapping[str, Any]) -> GateResult:
        """Whatever an entry of ``gates:`` can say holds.

        Returns:
            The verdict, which has passed.

        Raises:
            AssertionError: it failed, or could not be told.
            InputError: the entry is malformed, or names what is not there.
        """
        __tracebackhide__ = True
        gate = gate_of(entry)
        answers = self.answers
        if gate.kind == "guard" and not answers.of("guard"):
            answers = self.gating.ask(guard=True)
        if gate.kind == "latency" and answers.seconds is None:
            answers = self.gating.ask(self.guard, timed=True)
        known = replace(self.gating.declared, gates=())
        baseline, why_not = self.gating.comparable_with(answers)
        those = Declared((gate,), known.known, known.categories)
        (result,) = judge(those, answers, baseline, self.gating.today(), why_not)
        if not result.passed:
            from harness.regression.render import explain, verdict

            raise AssertionError(f"{verdict(result)}: {result.name}\n{explain(result)}")
        return result


def _entry(kind: str, value: Any, **beside: Any) -> dict[str, Any]:
    return {kind: value, **_given(beside)}


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
