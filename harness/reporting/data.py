"""What a report shows: plain data, gathered once, rendered by any reporter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.evaluated import Evaluation
from harness.gate.verdict import Paired, Verdict
from harness.loop.profile import Cost
from harness.reporting.metrics import MetricRow
from harness.reporting.outcomes import Outcomes
from harness.reporting.standing import gate_words, outcome


@dataclass(frozen=True)
class RoundView:
    """One round as the report shows it.

    Attributes:
        number: 1, 2, ...
        entry: the round's object of ``summary.json`` (recipe, targets, train_rows, train_tokens, dev, decision, reason,
            seconds).
        verdict: the object of ``verdict.json`` (`harness.gate.verdict.Verdict.as_dict`).
        targets: ``{"cell", "share", "cost", "reason"}`` of each target.
        rows: the training rows (`harness.curation.rows.TrainRow.as_dict`).
        losses: ``(step, mean loss in nats per answer token)`` of the training.
        categories: failing dev items of the candidate by ``"skill/category"``.
        learner: what the training went on from (``latest``, ``champion``, ``base``), its learning rate and the like.
        tier: what the second tier found (`harness.loop.certify`); ``None`` where the candidate was not promoted.
        futility: ``{"asked", "of", "e", "delta"}`` where the evaluation was broken off
            (`harness.gate.verdict.FutilityStop`); ``entry["dev"]`` is ``None`` then.
        met: round of the champion that the candidate was compared with.
        asked: what became of the dev items that the candidate was asked, which are not all where the evaluation was
            broken off; ``None`` where they were not read or there are none.
        guard: its ``Score`` on the guard, where that was asked in the round.
        curation: ``curation.json`` (asked and delivered rows by origin and by cell, shortages) with ``mined``, the
            pool rows that were asked for it.
    """

    number: int
    entry: Mapping[str, Any]
    verdict: Mapping[str, Any]
    targets: Sequence[Mapping[str, Any]] = ()
    rows: Sequence[Mapping[str, Any]] = ()
    losses: Sequence[tuple[int, float]] = ()
    categories: Mapping[str, int] = field(default_factory=dict)
    learner: Mapping[str, Any] = field(default_factory=dict)
    tier: Mapping[str, Any] | None = None
    futility: Mapping[str, Any] | None = None
    met: int = 0
    asked: Outcomes | None = None
    guard: Mapping[str, Any] | None = None
    curation: Mapping[str, Any] = field(default_factory=dict)

    @property
    def answers(self) -> Outcomes | None:
        """What became of dev; ``None`` too where not all of it was asked."""
        return self.asked if self.entry.get("dev") is not None else None

    @property
    def outcome(self) -> str:
        """The decision; ``certified`` for a promotion that was, ``futility`` for a rejection before all was asked."""
        return outcome(self.entry, self.futility)

    @property
    def gate(self) -> str:
        """The look at the sealed items, or why there was none; empty where the candidate was not promoted."""
        return gate_words(self.tier, self.entry.get("certified")) if self.tier else ""

    @property
    def paired(self) -> Paired | None:
        """Candidate against the champion it met on dev; ``None`` where not all of dev was asked."""
        return Verdict.from_dict(self.verdict).dev


@dataclass(frozen=True)
class Verified:
    """What recomputing the run found, before its report was written (`harness.verify.verify.verify_run`).

    Attributes:
        mismatches: what does not match, a line each, in the order met.
        checked: how many of each kind were compared.
    """

    mismatches: tuple[str, ...]
    checked: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class GateShown:
    """What a closed run asked of the gate items of its first look, which no look can be made at any more.

    Attributes:
        before: the untouched model.
        after: the last model that was certified on them, else the last that was looked at.
        round: the round of ``after``.
        others: round to outcomes, of the other models that were looked at.
    """

    before: Evaluation
    after: Evaluation
    round: int
    others: Mapping[int, Outcomes]


@dataclass(frozen=True, eq=False)
class ReportData:
    """Everything a reporter may show about a run, finished or not.

    Attributes:
        summary: ``summary.json`` as it stands (see DESIGN: "A run on disk").
        manifest: ``manifest.json``: versions, hashes, seeds, model, device, command.
        rounds: in order.
        baseline_dev, champion_dev: dev evaluations of round 0 and of the present champion.
        baseline_dev_fewshot: the few-shot arm, where it was run.
        test_before, test_before_fewshot, test_after: ``None`` until test was opened.
            Where its result is worn and not asked for, they stay so.
        guard_before, guard_after: the guard's evaluations, where there is a guard.
        final_round: round of the champion that ``test_after`` and ``guard_after`` are of; ``None`` before the end.
        baseline_categories: failing dev items of round 0 by ``"skill/category"``.
        test_certified: of the certified model on test, where it is not the champion and test is shown.
        metrics: the figures of each skill on each set of items, before and after.
        confusions: ``{"items", "skill", "before", "before_fewshot", "after"}`` of each classification skill, the last
            three a `harness.metrics.labels.Confusion` as JSON, or ``None``.
        prompts: what comparing prompts brought (`harness.loop.prompts`), where it was asked for.
        stopped: why the run ended, in words; empty while it goes on.
        left: whether the run is not at its end and nobody works on it, since its process was killed, say.
        ledger_head: hash of the last ledger entry.
        costs: seconds and tokens of each phase (`harness.loop.profile.phase_costs`).
        verified: what recomputing the run found; ``None`` where it was not asked.
        price_per_hour: of the machine, 0 or more, in whatever currency; ``None`` where it is not known.
        closed: whether the run is (`harness.loop.close`): its gate items may be shown, and no further round follows.
        gate: answers to gate items of a closed run; ``None`` else, or where the untouched model was not asked any.
    """

    summary: Mapping[str, Any]
    manifest: Mapping[str, Any]
    rounds: Sequence[RoundView]
    baseline_dev: Evaluation
    champion_dev: Evaluation
    baseline_dev_fewshot: Evaluation | None = None
    test_before: Evaluation | None = None
    test_before_fewshot: Evaluation | None = None
    test_after: Evaluation | None = None
    guard_before: Evaluation | None = None
    guard_after: Evaluation | None = None
    final_round: int | None = None
    baseline_categories: Mapping[str, int] = field(default_factory=dict)
    test_certified: Outcomes | None = None
    metrics: Sequence[MetricRow] = ()
    confusions: Sequence[Mapping[str, Any]] = ()
    prompts: Mapping[str, Any] | None = None
    stopped: str = ""
    left: bool = False
    ledger_head: str = ""
    costs: Mapping[str, Cost] = field(default_factory=dict)
    verified: Verified | None = None
    price_per_hour: float | None = None
    closed: bool = False
    gate: GateShown | None = None

    @property
    def going(self) -> bool:
        """Whether rounds are being made, as far as the ledger knows; `left` says where nobody does."""
        return bool(self.summary["status"] == "running" and self.summary["rounds_asked"])
