"""One round recomputed: its targets, training rows, evaluation, verdict and what it leaves to the next."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.curation.choose import curate
from harness.curation.overlap import prompt_key
from harness.curation.rows import TrainRow
from harness.diagnosis import Cell, Target, broken_cells, cell_counts, cell_trials, diagnose, failing_cells
from harness.evaluated import Evaluation
from harness.exceptions import HarnessError, InputError
from harness.gate.certify import Tiers
from harness.gate.futility import Capital, next_look
from harness.gate.paired import pair
from harness.gate.verdict import FutilityStop, Verdict
from harness.loop.certify import PHASE, SEALED
from harness.loop.early import asking_order
from harness.loop.rounds import TRAIN_ROWS, decide_round, mined_first, phase_identity
from harness.loop.run import BASELINE, GUARDS, PARTIAL, RULES, categories, champion_folder, phase_key
from harness.loop.state import LoopState, replay_share, trial_data
from harness.storage import read_json, read_jsonl, sha256_text
from harness.training.contract import CANDIDATE
from harness.training.recipe import Recipe
from harness.verify.evaluations import Evaluations
from harness.verify.files import RunFiles
from harness.verify.findings import UNREADABLE, Findings
from harness.verify.records import is_number
from harness.verify.tiers import TierCheck

TIERED = 2
"""Rules from which on there is a second tier, and with it a certificate and an anchor."""


class RoundCheck:
    """Recomputes one round from the state before it.

    Args:
        identity: the run's, of its manifest.
        state: the loop's before the round.
        tier: recomputes the second tier.
    """

    def __init__(
        self,
        root: Path,
        identity: Mapping[str, Any],
        recipe: Recipe,
        files: RunFiles,
        evaluations: Evaluations,
        findings: Findings,
        state: LoopState,
        tier: TierCheck,
    ) -> None:
        self._root, self._identity, self._recipe, self._files = root, identity, recipe, files
        self._evaluations, self._findings, self._state, self._tier = evaluations, findings, state, tier
        self._number = state.done + 1
        self._where = f"rounds/{self._number:03d}"
        triggering = identity.get("may_trigger")
        self._may_trigger = None if triggering is None else frozenset(triggering)

    def run(self, where: str, data: Mapping[str, Any]) -> None:
        """Check the ledger entry ``data`` of the round, which stands at ``where``."""
        equal = self._findings.equal
        equal("rounds", where, "round", self._number, data["round"])
        rules = data.get("rules")
        decided_alike = rules == RULES
        if not decided_alike:
            self._other_rules(where, data, rules)
        phases = {name: self._phase(name) for name in ("mine", "curate", "train", "evaluate")}
        curated, trained, evaluated = (phases[name] or {} for name in ("curate", "train", "evaluate"))
        reached = {
            "mine": True, "curate": True, "train": not curated["overlaps"],
            "evaluate": bool(trained) and trained.get("crashed") is None,
        }  # fmt: skip
        equal("rounds", where, "finished phases", reached, {name: phases[name] is not None for name in phases})
        champion = self._champion(self._number)
        futility = evaluated.get("futility")
        candidate = self._load("dev") if evaluated and not futility else None
        answers = self._load(f"dev{PARTIAL}") if futility else candidate
        self._mined(phases["mine"] or {})
        self._recorded(where, data, phases, candidate)
        self._paired(data, champion, candidate)
        if futility:
            self._futile(champion, answers, futility)
        rows = [TrainRow(**raw) for raw in read_jsonl(self._root / self._where / TRAIN_ROWS)]
        self._overlaps(rows, curated["overlaps"])
        equal("rounds", where, "train_rows", len(rows) - len(trained.get("skipped", [])), data["train_rows"])
        if decided_alike:
            self._inputs()
            self._targets_and_rows(where, data, curated, rows)
            self._learner(where, data, trained)
            verdict = decide_round(
                curated["overlaps"], trained, champion, candidate, self._root / self._where, futility,
                self._identity["settings"].get("must_pass", ()),
            )  # fmt: skip
            tiers, tier = Tiers(self._state.anchor, self._state.champion), None
            if verdict.decision == "promote" and candidate is not None:
                verdict, tiers, tier = self._second_tier(verdict, candidate, trained.get("adapter_sha256"))
            standing = {"champion": tiers.head, "anchor": tiers.anchor, "tier": tier}
            equal("states", where, "round", json.loads(json.dumps(standing)), data, only=standing)
            self._verdict(where, data, verdict.as_dict())
            self._left(where, data, champion, answers, futility, tier)

    def _other_rules(self, where: str, data: Mapping[str, Any], rules: Any) -> None:
        """Say what is not recomputed; what those rules cannot have given does not match."""
        if rules is not None and not (is_number(rules) and rules > 0):
            self._findings.mismatch(where, "rules", "a whole number from 1 on", rules)
        of, certificates = "no numbered rules" if rules is None else f"rules {rules}", ""
        if rules is None or (is_number(rules) and rules < TIERED):
            expected = {"certified": None, "tier": None, "anchor": 0, "phase": False}
            found = {key: data.get(key, value) for key, value in expected.items()}
            found["phase"] = self._files.has(self._where, PHASE)
            self._findings.equal("rounds", where, f"second tier before rules {TIERED}", expected, found)
        else:
            certificates = ", certificates"
        self._findings.note(
            f"not recomputed: decisions{certificates}, targets and training rows of rounds made by {of} "
            f"(here: rules {RULES})"
        )

    def _second_tier(
        self, verdict: Verdict, candidate: Evaluation, weights: str | None
    ) -> tuple[Verdict, Tiers, Mapping[str, Any]]:
        """As `TierCheck.run`; what it cannot make sense of may be of gate items, and is not quoted."""
        try:
            return self._tier.run(verdict, candidate, self._may_trigger, weights)
        except (HarnessError, *UNREADABLE) as error:
            if not self._files.has(self._where, PHASE):
                raise
            what = f"{self._where}: the second tier does not follow from the answers there"
            raise InputError(f"{what} ({type(error).__name__})") from error

    def _phase(self, name: str) -> dict[str, Any] | None:
        if not self._files.has(self._where, name):
            return None
        return dict(self._files.phase(self._where, name)["result"])

    def _load(self, name: str) -> Evaluation:
        return self._evaluations.load(self._root / self._where / name)

    def _champion(self, last: int) -> Evaluation:
        """The champion's dev evaluation as it stood after round ``last``."""
        return self._evaluations.load(champion_folder(self._root, self._state.champion, last))

    def _mined(self, result: Mapping[str, Any]) -> None:
        if result.get("failing") is None:  # drawn without regard to answers, so none were asked for
            return
        mined = self._load("mine").results
        found = {"mined": len(mined), "failing": sum(each.correct < 1 for each in mined)}
        self._findings.equal("rounds", f"{self._where}/mine.done.json", "result", found, result, only=found)

    def _recorded(
        self, where: str, data: Mapping[str, Any], phases: Mapping[str, Any], candidate: Evaluation | None
    ) -> None:
        """What the ledger repeats of the phases and of the evaluation."""
        trained = phases["train"] or {}
        seconds = {
            name: self._files.phase(self._where, name)["seconds"] if phases[name] is not None else 0.0
            for name in ("mine", "train", "evaluate")
        }
        if self._files.has(self._where, PHASE):
            seconds["evaluate"] += self._files.phase(self._where, PHASE)["seconds"]
        expected = {
            "recipe": self._recipe.name,
            "dev": candidate.score.as_dict() if candidate else None,
            "categories": categories(candidate) if candidate else {},
            "train_tokens": trained.get("tokens", 0),
            "losses": trained.get("losses", []),
            "learner": trained.get("learner", {}),
            "adapter_sha256": trained.get("adapter_sha256"),
        }
        self._findings.equal("rounds", where, "round", expected, data, only=expected)
        self._findings.equal("rounds", where, "seconds", seconds, data["seconds"], only=seconds)
        weights = trained.get("adapter_sha256")
        if weights is not None:
            own = self._files.phase(self._where, "train")["files"]
            if weights not in [digest for name, digest in own.items() if name.startswith(f"{CANDIDATE}/")]:
                self._findings.mismatch(
                    f"{self._where}/train.done.json", "hash of the weights", weights, "no such file"
                )

    def _paired(self, data: Mapping[str, Any], champion: Evaluation, candidate: Evaluation | None) -> None:
        """The paired test on dev in ``verdict.json``, which every version's rules start from."""
        saved = read_json(self._root / self._where / "verdict.json")["dev"]
        if candidate is None or saved is None:
            self._findings.equal("paired tests", f"{self._where}/verdict.json", "dev", candidate is None, saved is None)
            return
        paired = asdict(pair(champion.correctness(), candidate.correctness(), candidate.clusters()))
        self._findings.equal("paired tests", f"{self._where}/verdict.json", "dev", paired, saved, only=set(saved))

    def _futile(self, champion: Evaluation, answers: Evaluation | None, futility: Mapping[str, Any]) -> None:
        """The e-process over the items that were asked, in the order in which they were."""
        assert answers is not None
        place, right = f"{self._where}/evaluate.done.json", champion.correctness()
        order = asking_order(champion.results, self._identity["settings"]["seed"], self._number)
        found, champions = answers.correctness(), [right[item.item_id] for item in order]
        asked = [item.item_id for item in order[: len(found)]]
        self._findings.equal("futility stops", place, "items asked", sorted(asked), sorted(found))
        capital = Capital()
        while capital.asked < len(found) and not capital.futile:
            end = next_look(capital, champions)
            capital = capital.after(found[item] - right[item] for item in asked[capital.asked : end])
        expected = asdict(FutilityStop(capital.asked, len(order), capital.e, capital.delta))
        self._findings.equal("futility stops", place, "stop", expected, dict(futility))

    def _overlaps(self, rows: list[TrainRow], overlaps: int) -> None:
        """No row asks what an item asks whose answers lie here, unless the round was stopped for it."""
        protected: set[str] = set()
        sealed: set[str] = set()
        for folder, evaluation in self._evaluations.known().items():
            if folder.name in SEALED:
                sealed |= {_key(result.prompt) for result in evaluation.results}
            elif folder.parent.name == BASELINE and folder.name in ("dev", "test", *GUARDS):
                protected |= {_key(result.prompt) for result in evaluation.results}
        named = [row.row_id for row in rows if _key(row.prompt) in protected]
        hits = [row.row_id for row in rows if _key(row.prompt) in protected | sealed]
        self._findings.checked["training rows"] += len(rows)
        if len(hits) > overlaps:
            place = f"{self._where}/{TRAIN_ROWS}"
            example = f", e.g. {named[0]}" if named else ""
            self._findings.mismatch(place, "rows that are protected items", overlaps, f"{len(hits)}{example}")

    def _inputs(self) -> None:
        """Each phase belongs to the state before the round."""
        state = phase_identity(self._state)
        for name in ("mine", "curate", "train", "evaluate", PHASE):
            if self._files.has(self._where, name):
                expected = phase_key(self._identity, name, self._number, state)
                found = self._files.phase(self._where, name)["inputs"]
                self._findings.equal("inputs", f"{self._where}/{name}.done.json", "hash of the inputs", expected, found)

    def _targets_and_rows(
        self, where: str, data: Mapping[str, Any], curated: Mapping[str, Any], rows: list[TrainRow]
    ) -> None:
        recipe, champion = self._recipe, self._champion(self._number - 1)
        targets: list[Target] = []
        if recipe.data.select == "failing":
            counts = cell_counts(champion.results, champion.errors, may_trigger=self._may_trigger)
            targets = diagnose(counts, self._state.trials, recipe.data.targets, dev_items=len(champion.results))
        as_curated = [{**asdict(target), "cell": [target.cell.skill, target.cell.category]} for target in targets]
        place = f"{self._where}/curate.done.json"
        self._findings.equal("targets", place, "targets", as_curated, curated["targets"])
        details = [{**asdict(target), "cell": str(target.cell)} for target in targets]
        self._findings.equal("targets", where, "target_details", details, data["target_details"])
        self._findings.equal("targets", where, "targets", [str(target.cell) for target in targets], data["targets"])
        if recipe.data.select != "failing" or recipe.start == "base":
            self._findings.note("not recomputed: the choice of training rows, which needs the task's own data here")
            return
        mined = self._load("mine")
        curation = curate(
            mined.results,
            mined.errors,
            targets,
            rows=recipe.data.first_rows if self._number == 1 else recipe.data.rows,
            replay=replay_share(recipe, self._state),
            general=recipe.data.general,
            general_rows=[row for row in rows if row.origin == "general"],  # of all there were, those chosen
            broken_cells=self._state.broken,
            seed=self._identity["settings"]["seed"] * 10_007 + self._number,
            may_trigger=self._may_trigger,
        )
        expected = [row.as_dict() for row in curation.rows]
        place = f"{self._where}/{TRAIN_ROWS}"
        self._findings.equal("sets of training rows", place, "rows", expected, [row.as_dict() for row in rows])

    def _learner(self, where: str, data: Mapping[str, Any], trained: Mapping[str, Any]) -> None:
        """What training went on from, at which rate."""
        if not trained:
            return
        sources = {"latest": self._state.learner, "champion": self._state.champion, "base": 0}
        expected = {
            "start": self._recipe.start,
            "from_round": sources[self._recipe.start],
            "rate": self._recipe.optimiser.learning_rate * self._state.rate,
            "replay": replay_share(self._recipe, self._state),
        }
        self._findings.equal("rounds", where, "learner", expected, data["learner"])

    def _verdict(self, where: str, data: Mapping[str, Any], verdict: Mapping[str, Any]) -> None:
        saved = read_json(self._root / self._where / "verdict.json")
        plain = json.loads(json.dumps(verdict))
        self._findings.equal("verdicts", f"{self._where}/verdict.json", "verdict", plain, saved)
        shared = {key: plain[key] for key in ("decision", "rule", "reason", "certified")}
        self._findings.equal("verdicts", where, "verdict", shared, data, only=shared)
        expected = sha256_text(json.dumps(verdict, sort_keys=True))
        self._findings.equal("verdicts", where, "verdict_sha256", expected, data["verdict_sha256"])

    def _left(
        self,
        where: str,
        data: Mapping[str, Any],
        champion: Evaluation,
        answers: Evaluation | None,
        futility: Mapping[str, Any] | None,
        tier: Mapping[str, Any] | None,
    ) -> None:
        """What the round teaches the next: trials of its targets, cells it broke."""
        met = champion.only(answers.correctness()) if answers else champion
        before = failing_cells(met.results, met.errors, self._may_trigger)
        after = failing_cells(answers.results, answers.errors, self._may_trigger) if answers else before
        sizes = {skill: score.n for skill, score in met.by_skill().items()}
        targets = [Cell(*cell.rsplit("/", 1)) for cell in data["targets"]]
        tried = [cell for cell in targets if not futility or cell in before.values()] if answers else []
        expected = {
            "trials": [trial_data(trial) for trial in cell_trials(self._number, tried, before, after, sizes)],
            "broken": mined_first(broken_cells(before, after), tier),
            "futility": dict(futility) if futility else None,
        }
        self._findings.equal("states", where, "round", expected, data, only=expected)


@functools.lru_cache(maxsize=100_000)
def _key(prompt: str) -> str:
    return prompt_key(prompt)
