"""Where a run's time went, from the manifests of its phases: also those of sessions before this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.evaluation.work import Work
from harness.loop.energy import KINDS
from harness.storage import read_json

_MANIFESTS = ("baseline/*.done.json", "rounds/*/*.done.json", "final/*/*.done.json")
PHASES = ("start", "baseline", "mine", "train", "evaluate", "final", "report", "other")


@dataclass(frozen=True)
class Cost:
    """What a phase took, over all rounds.

    Attributes:
        seconds: wall time.
        work: what the model was asked and what it computed.
        joules: energy by kind of device, as far as the devices told (`harness.loop.energy`).
        metered: seconds in which some device did.
    """

    seconds: float = 0.0
    work: Work = field(default_factory=Work)
    joules: Mapping[str, float] = field(default_factory=dict)
    metered: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        kinds = [*self.joules, *(kind for kind in other.joules if kind not in self.joules)]
        joules = {kind: self.joules.get(kind, 0.0) + other.joules.get(kind, 0.0) for kind in kinds}
        return Cost(self.seconds + other.seconds, self.work + other.work, joules, self.metered + other.metered)


@dataclass(frozen=True)
class Row:
    """One line of the profile.

    Attributes:
        name: of `PHASES`, or ``all``.
        share: of all seconds, 0 to 1.
        floor: seconds of arithmetic; ``None`` where nothing was computed or the model's arithmetic is not known.
    """

    name: str
    cost: Cost
    share: float
    floor: float | None


def phase_of(path: Path) -> str:
    """The phase of a manifest ``<name>.done.json``, by where it lies in the run directory."""
    name, folder = path.name.removesuffix(".done.json"), path.parent
    if folder.name == "baseline":
        return "final" if name.startswith("test") else "baseline"  # test is opened at the end, for the base too
    if folder.parent.name == "final":
        return "final"
    return "evaluate" if name == "certify" else name if name in PHASES else "other"


def phase_costs(run_dir: Path, sealed: bool = True) -> dict[str, Cost]:
    """What each finished phase of a run took, by phase.

    Args:
        sealed: whether the tokens of answers to sealed items are counted; how long those were is for no report.

    Raises:
        InputError: a manifest is damaged; names it.
    """
    costs: dict[str, Cost] = {}
    for path in sorted(path for pattern in _MANIFESTS for path in run_dir.glob(pattern)):
        record = read_json(path)
        name = phase_of(path)
        work = _work(record) if sealed or record["phase"] != "certify" else Work()
        seconds, told = float(record["seconds"]), record.get("joules", {})
        joules = {kind: float(told[kind]) for kind in KINDS if kind in told}
        costs[name] = costs.get(name, Cost()) + Cost(seconds, work, joules, seconds if joules else 0.0)
    return costs


def _work(record: Mapping[str, Any]) -> Work:
    """The work in a manifest; training says of itself what it was given, and what it computed."""
    work = Work.from_dict(record.get("work", {}))
    result = record["result"]
    if record["phase"] != "train" or result.get("crashed") is not None:
        return work
    own = result.get("details", {}).get("computed_tokens", 0)
    return replace(work, prompt_tokens=result.get("tokens", 0), train_tokens=work.train_tokens or own)


class Session:
    """Times what no manifest holds: starting, reports, and whatever lies between the phases.

    Args:
        run_dir: the run's folder.
        begun: when the command began, by ``clock``.
        clock: monotonic seconds.
    """

    def __init__(self, run_dir: Path, begun: float, clock: Callable[[], float]) -> None:
        self._run_dir, self._begun, self._clock = run_dir, begun, clock
        self._before = sum(cost.seconds for cost in phase_costs(run_dir).values())
        self._start = clock() - begun

    def costs(self, report_seconds: float) -> dict[str, Cost]:
        """What each of `PHASES` took.

        ``start`` and ``report`` are of this session, the phases of the whole run. ``other`` is curation, and what this
        session spent in no finished phase: also on one that was cut short.
        """
        costs = phase_costs(self._run_dir)
        here = sum(cost.seconds for cost in costs.values()) - self._before
        rest = self._clock() - self._begun - self._start - report_seconds - here
        costs |= {"start": Cost(self._start), "report": Cost(report_seconds)}
        costs["other"] = costs.get("other", Cost()) + Cost(max(0.0, rest))
        return {name: costs.get(name, Cost()) for name in PHASES}


def rows(costs: Mapping[str, Cost], floor: Callable[[Work], float] | None) -> list[Row]:
    """The profile's lines in the order of ``costs``, and ``all`` of them last.

    Args:
        floor: seconds of arithmetic that some work needs; ``None`` where that is not known.
    """
    whole = sum(costs.values(), Cost())

    def row(name: str, cost: Cost) -> Row:
        known = floor is not None and cost.work.computed_tokens > 0
        share = cost.seconds / whole.seconds if whole.seconds > 0 else 0.0
        return Row(name, cost, share, floor(cost.work) if floor is not None and known else None)

    return [row(name, cost) for name, cost in [*costs.items(), ("all", whole)]]
