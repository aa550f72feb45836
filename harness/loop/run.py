"""A run: opened or resumed, its baseline, its rounds, its final evaluation. Everything decided goes to the ledger."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.config import Settings
from harness.diagnosis import cell_counts
from harness.errors.setup import Taxonomy, load_taxonomy
from harness.evaluated import Evaluation, load_evaluation, save_evaluation
from harness.evaluation.engine import ANSWERS_DEPEND_ON
from harness.evaluation.items import Item, ItemResult
from harness.evaluation.respond import respond
from harness.evaluation.task_metrics import corpus_figures
from harness.exceptions import InputError
from harness.ledger import Ledger
from harness.loop.early import Early
from harness.loop.listener import Listener, Silent
from harness.loop.phases import Clock, marker, phase_files, run_phase, sealed
from harness.loop.prepare import Prepared
from harness.loop.state import LoopState, step
from harness.loop.workbench import Workbench
from harness.state.domain import DomainState
from harness.storage import canonical_json, read_json, sha256_file, sha256_text, write_json, write_text
from harness.training.contract import CANDIDATE
from harness.training.recipe import Recipe

SCHEMA = 1
RULES = 2
"""Version of the rules by which rounds are decided and targets chosen; another one, and `harness verify` says that it
does not recompute the decisions instead of calling them wrong. Raise it with every change that decides differently."""
BASELINE = "baseline"
GUARDS = ("guard", "guard_means")
"""Evaluations of the guards, and their items in `Prepared`: of those that are right or wrong, and of shares."""
PARTIAL = "_partial"
"""Ends the name of an evaluation that was broken off, so that nothing takes it for a whole one."""


def utc_now() -> str:
    """Now, ISO 8601, UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@dataclass
class Run:
    """A run in progress: what it is made of, and its ledger.

    Attributes:
        run_dir: its folder.
        clock: monotonic seconds; ``now``: ISO time for the ledger. Passed in, so that tests have no clock.
        versions: of the libraries that answers depend on; part of every evaluation's details.
        record: what is kept of the domain's items across runs; without it nothing is certified.
        peak_memory: bytes that the process has held at most, 0 where that is not known.
    """

    run_dir: Path
    settings: Settings
    recipe: Recipe
    prepared: Prepared
    workbench: Workbench
    ledger: Ledger
    clock: Clock
    listener: Listener = field(default_factory=Silent)
    now: Callable[[], str] = utc_now
    taxonomy: Taxonomy = field(default_factory=load_taxonomy)
    rounds_asked: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    record: DomainState | None = None
    peak_memory: Callable[[], int] = lambda: 0
    held: frozenset[int] | None = None
    """Rounds whose learner's state may still lie on disk, as `harness.loop.iterate.prune` left it."""
    _folded: tuple[Ledger, int, LoopState] | None = field(default=None, repr=False)
    _evaluations: dict[Path, Evaluation] = field(default_factory=dict, repr=False)
    _champion: tuple[tuple[int, int, bool], Path] | None = field(default=None, repr=False)

    @property
    def state(self) -> LoopState:
        """Where the run stands; of the ledger only what was added since the last look is folded in."""
        ledger, count, state = self._folded or (self.ledger, 0, LoopState())
        if ledger is not self.ledger:  # read from the disk again
            count, state = 0, LoopState()
        entries = self.ledger.entries
        for place in range(count, len(entries)):
            state = step(state, entries[place], self.recipe)
        self._folded = (self.ledger, len(entries), state)
        return state

    @property
    def identity(self) -> str:
        """A name that no other run has: the hash of its manifest, the time it was made at included."""
        return run_name(self.run_dir)

    def round_dir(self, number: int) -> Path:
        """Folder of a round; round 0 is the baseline."""
        return self.run_dir / BASELINE if number == 0 else self.run_dir / "rounds" / f"{number:03d}"

    def adapter(self, number: int) -> Path | None:
        """The candidate of round ``number``; ``None`` for the base."""
        return None if number == 0 else self.round_dir(number) / CANDIDATE

    def key(self, *parts: Any) -> str:
        """Hash of a phase's inputs: the run's identity and whatever else it depends on."""
        return phase_key(read_json(self.run_dir / "manifest.json")["identity"], *parts)

    def evaluate(
        self,
        name: str,
        items: Sequence[Item],
        adapter: Path | None,
        folder: Path,
        fewshot: int = 0,
        early: Early | None = None,
        drafts: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Ask ``items`` of the model with ``adapter``, classify, save into ``folder``; return score and counts.

        Where ``early`` breaks off, what was asked is saved into ``folder`` + ``_partial`` and the result has the stop
        under ``futility``. ``drafts`` are what the items' answers may be, by id (see `GenerationRequest`).
        """
        self._evaluations.pop(folder, None)
        self.workbench.activate(adapter)
        begun = self.clock()
        domain = self.prepared.domain_of(items[0])
        with self.workbench.asking() as engine:

            def ask(part: Sequence[Item], before: int) -> list[ItemResult]:
                return respond(
                    domain,
                    part,
                    engine,
                    self.workbench.chat_template,
                    fewshot,
                    lambda d, t: self.listener.step(before + round(d / max(t, 1) * len(part)), len(items), name),
                    drafts,
                )

            def environment() -> dict[str, Any]:
                return {"batch_size": getattr(engine, "batch_size", None), **self.versions}

            results, stop = (ask(items, 0), None) if early is None else early(ask, environment)
            made_in = environment()
            cached = getattr(engine, "hits", 0)
        errors = self.taxonomy.classify_all(results)
        details = {
            "fewshot": fewshot,
            "environment": made_in,
            "prompt_tokens": sum(r.prompt_tokens for r in results),
            "new_tokens": sum(r.new_tokens for r in results),
            "cached": cached,
        }
        if figures := corpus_figures(domain, results):
            details["corpus"] = figures
        if stop is not None:
            name, folder = f"{name}{PARTIAL}", folder.with_name(f"{folder.name}{PARTIAL}")
        evaluation = Evaluation(name, tuple(results), tuple(errors), self.clock() - begun, details)
        save_evaluation(folder, evaluation)
        head = {"score": evaluation.score.as_dict(), "categories": categories(evaluation)}
        return head if stop is None else {**head, "futility": asdict(stop)}

    def champion_dev(self, state: LoopState) -> Evaluation:
        """The champion's dev evaluation, at the batch size that was last used for it."""
        again = marker(self.round_dir(state.done + 1), "evaluate").exists()  # the only place where one can be added
        key = (state.champion, state.done, again)
        if self._champion is None or self._champion[0] != key:
            self._champion = (key, champion_folder(self.run_dir, state.champion))
        return self.load(self._champion[1])

    def load(self, folder: Path) -> Evaluation:
        """A dev evaluation as it is on disk. In memory: those of champion, candidate, anchor."""
        found = self._evaluations.pop(folder, None) or load_evaluation(folder)
        while len(self._evaluations) > 2:
            del self._evaluations[next(iter(self._evaluations))]
        self._evaluations[folder] = found
        return found

    def loaded(self, folder: Path) -> Evaluation | None:
        """The same where it is in memory; nothing is read for it."""
        return self._evaluations.get(folder)


def run_name(run_dir: Path) -> str:
    """The run's name in the domain's record."""
    return sha256_file(run_dir / "manifest.json")[:16]


def phase_key(identity: Mapping[str, Any], *parts: Any) -> str:
    """Hash of a phase's inputs: the run's identity (of its manifest) and whatever else it depends on."""
    return sha256_text(canonical_json([identity, *map(str, parts)]))


def champion_folder(run_dir: Path, number: int, last: int | None = None) -> Path:
    """Where the latest dev evaluation of round ``number``'s candidate lies: a smaller batch asks for a new one.

    Args:
        last: the last round that is looked at; ``None`` for all.
    """
    again = sorted(run_dir.glob(f"rounds/*/dev_champion_{number:03d}"))
    again = [folder for folder in again if last is None or int(folder.parent.name) <= last]
    finished = [path for path in again if marker(path.parent, "evaluate").exists()]  # a killed phase leaves a part
    if finished:
        return finished[-1]
    return (run_dir / "rounds" / f"{number:03d}" if number else run_dir / BASELINE) / "dev"


def alike(first: Evaluation, second: Evaluation) -> bool:
    """Whether two evaluations were made in the same environment: batch size and library versions."""
    return bool(first.details.get("environment") == second.details.get("environment"))


def categories(evaluation: Evaluation) -> dict[str, int]:
    """Failing items by ``skill/category``, primary categories only."""
    return {
        str(count.cell): count.failing for count in cell_counts(evaluation.results, evaluation.errors) if count.failing
    }


def open_run(
    run_dir: Path,
    settings: Settings,
    recipe: Recipe,
    prepared: Prepared,
    workbench: Workbench,
    environment: dict[str, Any],
    clock: Clock,
    listener: Listener,
    now: Callable[[], str] = utc_now,
    taxonomy: Taxonomy | None = None,
    record: DomainState | None = None,
) -> Run:
    """Open a new run directory or resume the one that is there. The caller holds its lock.

    Args:
        taxonomy: its classifiers; where left out, those of the settings and of the domain.
        record: what is kept of the domain's items across runs.
        environment: versions, platform, command; recorded, not compared.

    Raises:
        InputError: the folder holds something else, or a run with other inputs (the first difference is named).
    """
    import yaml

    taxonomy = taxonomy or load_taxonomy(settings.classifiers, prepared.domain.folders)
    identity = {
        "model": dict(workbench.identity),
        "settings": settings.identity(),
        "recipe": recipe.as_dict(),
        "data": {key: value for key, value in prepared.describe().items() if key != "notices"},
        **taxonomy.identity(),
    }
    for leftover in run_dir.glob(".*.tmp"):  # of a killed write; the run's lock is held
        leftover.unlink()
    manifest = run_dir / "manifest.json"
    if manifest.exists():
        recorded = read_json(manifest)
        difference = _difference(recorded.get("identity", {}), identity)
        if recorded.get("schema") != SCHEMA or difference:
            raise InputError(
                f"{run_dir}: holds a run with other inputs ({difference or 'another schema'}); "
                "choose another folder with --out, or the settings it was made with"
            )
    else:
        foreign = [p.name for p in run_dir.iterdir() if not p.name.startswith(".")] if run_dir.is_dir() else []
        if foreign:
            raise InputError(
                f"{run_dir}: is not empty and not a run directory (it holds '{sorted(foreign)[0]}'); "
                "choose another folder with --out"
            )
        write_json(
            manifest,
            {
                "schema": SCHEMA,
                "run": run_dir.name,
                "created": now(),
                "identity": identity,
                "identity_sha256": sha256_text(canonical_json(identity)),
                "environment": environment,
                "categories": taxonomy.categories,
                "notices": list(prepared.notices),
            },
        )
    # After the manifest, which makes the folder a run's: killed in between, the same command still resumes.
    if not (run_dir / "config.yaml").exists():
        write_text(run_dir / "config.yaml", yaml.safe_dump(settings.as_dict(), sort_keys=False))
    ledger = Ledger(run_dir / "ledger.jsonl")
    run = Run(run_dir, settings, recipe, prepared, workbench, ledger, clock, listener, now, taxonomy, record=record)
    versions = environment.get("versions", {})
    run.versions = {name: versions[name] for name in ANSWERS_DEPEND_ON if name in versions}
    if not ledger.entries:
        ledger.append(
            "open",
            {"run": run_dir.name, "model": settings.model, "domain": settings.domain,
             "guard": settings.identity()["guard"], "recipe": recipe.name, "seed": settings.seed,
             "files": sealed(run_dir, manifest, run_dir / "config.yaml")},
            now(),
        )  # fmt: skip
    absent = [item for item in settings.must_pass if item not in {each.item_id for each in prepared.dev}]
    if absent:
        raise InputError(f"must_pass: '{absent[0]}' is no dev item of this run; name items of dev (docs/roles.md)")
    for notice in prepared.notices:
        listener.notice(notice)
    return run


def _difference(recorded: Any, present: Any, path: str = "") -> str:
    """The first place where two plain values differ, in words; empty when they do not."""
    if isinstance(recorded, dict) and isinstance(present, dict):
        for key in sorted(set(recorded) | set(present), key=str):
            found = _difference(recorded.get(key), present.get(key), f"{path}.{key}" if path else str(key))
            if found:
                return found
        return ""
    if canonical_json(recorded) == canonical_json(present):
        return ""
    return f"{path}: {str(recorded)[:60]} there, {str(present)[:60]} now"


def baseline(run: Run) -> None:
    """Score the base on dev (zero-shot and few-shot) and on the guards: round 0. Done phases are not done again."""
    arms: list[tuple[str, Sequence[Item], int]] = [("dev", run.prepared.dev, 0)]
    if run.settings.fewshot:
        arms.append(("dev_fewshot", run.prepared.dev, run.settings.fewshot))
    for name in GUARDS:
        if getattr(run.prepared, name):
            arms.append((name, getattr(run.prepared, name), 0))
    folder = run.round_dir(0)
    results = {}
    for name, items, shots in arms:
        run.listener.phase(0, run.rounds_asked, name)

        def body(name: str = name, items: Sequence[Item] = items, shots: int = shots) -> dict[str, Any]:
            return run.evaluate(name, items, None, folder / name, shots)

        results[name] = run_phase(folder, name, run.key("baseline", name, shots), [name], body, run.clock)
    if not run.ledger.of_kind("baseline"):
        run.ledger.append(
            "baseline",
            {
                **{
                    name: results[name]["score"] if name in results else None
                    for name in ("dev", "dev_fewshot", "guard")
                },
                "categories": results["dev"]["categories"],
                "seconds": sum(result["seconds"] for result in results.values()),
                "files": sealed(run.run_dir, *phase_files(folder)),
            },
            run.now(),
        )
