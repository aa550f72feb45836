"""From a run directory to `ReportData`, and from there to every file of a report."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.evaluated import SCORES, Evaluation, load_evaluation
from harness.exceptions import InputError
from harness.ledger import BY_HAND, CLOSED, Ledger
from harness.loop.certify import SEALED
from harness.loop.final import CERTIFIED
from harness.loop.lock import held_by
from harness.loop.perplexity import saved_perplexities
from harness.loop.phases import signed
from harness.loop.profile import phase_costs
from harness.loop.prompts import prompts_file
from harness.loop.run import GUARDS, PARTIAL, champion_folder
from harness.reporting.data import GateShown, ReportData, RoundView, Verified
from harness.reporting.metrics import Measured, MetricRow, from_json, gather
from harness.reporting.outcomes import Outcomes, outcomes_of, read_outcomes
from harness.reporting.registry import prepared, render
from harness.reporting.summary import build_summary
from harness.state.kept import WORN
from harness.storage import read_json, read_jsonl, read_object, sha256_file, write_json
from harness.yamlfile import read_yaml

AT_GATE, AT_ANCHOR = SEALED
REPORT_FILES = "report/files.json"
"""Hashes of what a report wrote last."""


class RunReader:
    """Gathers what a report shows, finished pieces only once, for one who reports after every round.

    Args:
        run_dir: the run's folder.
        load_dev: reads a dev evaluation's folder; a run in progress has them in memory.
        load: reads the folder of any other.
        loaded: the dev evaluation of a folder where it is in memory.
    """

    def __init__(
        self,
        run_dir: Path,
        load_dev: Callable[[Path], Evaluation] = load_evaluation,
        load: Callable[[Path], Evaluation] = load_evaluation,
        loaded: Callable[[Path], Evaluation | None] = lambda _: None,
    ) -> None:
        self._run_dir = run_dir
        self._loaded = loaded
        self._load_dev, self._load = load_dev, load
        self._evaluations: dict[Path, Evaluation] = {}
        self._measured = Measured()
        self._views: dict[int, RoundView] = {}  # without their rows, which would be most of the memory

    def read(self, ledger: Ledger, rows: bool = True, worn: bool = False, details: bool = True) -> ReportData:
        """What there is to show after the last entry of ``ledger``.

        Args:
            rows: whether each round comes with its training rows, which the page alone shows.
            worn: whether a test result is shown that has been chosen by (`harness.state.kept.WORN`).
            details: whether what stands beside the summary is read as well: each candidate's answers, its guard, its
                curation, what the phases cost.

        Raises:
            InputError: no baseline yet, or a damaged file; names it.
        """
        run_dir, base = self._run_dir, self._run_dir / "baseline"
        if not ledger.of_kind("baseline"):
            raise InputError(f"{run_dir}: no baseline yet; run 'harness baseline --out {run_dir}' first")
        entries = [entry.data for entry in ledger.of_kind("round")]
        champion = ledger.champion
        used: dict[Path, Evaluation] = {}

        def evaluation(folder: Path, load: Callable[[Path], Evaluation] = self._load) -> Evaluation:
            used[folder] = used.get(folder) or self._evaluations.get(folder) or load(folder)
            return used[folder]

        def optional(folder: Path) -> Evaluation | None:
            return evaluation(folder) if folder.is_dir() else None

        baseline_dev = evaluation(base / "dev", self._load_dev)
        dev = champion_folder(run_dir, champion)
        champion_dev = evaluation(dev, self._load_dev)
        finals = ledger.of_kind("final")
        final = run_dir / "final" / f"{finals[-1].data['round']:03d}" if finals else None
        tested = finals[-1].data["champion"] if finals else 0
        stop, closed = ledger.ending, bool(ledger.of_kind(CLOSED))
        ended = (final if tested else base) if final else None
        certified = bool(finals and finals[-1].data.get(CERTIFIED))
        shown = bool(finals) and (worn or (finals[-1].data.get("openings") or 0) < WORN)
        metrics, confusions = self._metrics(
            evaluation, dev if champion else None, final if tested else None, test=shown
        )
        prompts = read_object(prompts_file(run_dir)) if prompts_file(run_dir).is_file() else None
        summary = build_summary(ledger, baseline_dev, champion_dev, champion, worn)
        data = ReportData(
            summary={
                **summary,
                "metrics": [row.as_dict() for row in metrics],
                "confusion": confusions,
                "prompts": prompts,
            },
            manifest=read_object(run_dir / "manifest.json"),
            rounds=[self._view(entry, rows, details, met) for entry, met in zip(entries, _met(ledger), strict=True)],
            baseline_dev=baseline_dev,
            champion_dev=champion_dev,
            baseline_dev_fewshot=optional(base / "dev_fewshot"),
            test_before=optional(base / "test") if shown else None,
            test_before_fewshot=optional(base / "test_fewshot") if shown else None,
            test_after=optional(ended / "test") if ended and shown else None,
            guard_before=optional(base / "guard"),
            guard_after=optional(ended / "guard") if ended else None,
            final_round=tested if final else None,
            baseline_categories=ledger.of_kind("baseline")[0].data["categories"],
            stopped=str(stop.data["reason"]) if stop else "",
            ledger_head=ledger.head,
            test_certified=read_outcomes(final / CERTIFIED) if rows and final and shown and certified else None,
            metrics=metrics,
            confusions=confusions,
            prompts=prompts,
            costs=phase_costs(run_dir, sealed=False) if details else {},
            price_per_hour=_price(run_dir) if details else None,
            closed=closed,
            gate=self._gate(entries) if rows and closed else None,
        )
        self._evaluations = used
        return data

    def _gate(self, rounds: Sequence[Mapping[str, Any]]) -> GateShown | None:
        """The answers to gate items of a run that is closed; ``None`` where the untouched model was not asked any."""
        tiers = {int(data["round"]): data["tier"] for data in rounds if data.get("tier") and data["tier"]["look"]}
        first = next(iter(tiers), None)
        if first is None or tiers[first]["anchor"]:
            return None
        group = tiers[first]["look"]["group"]
        looked = [number for number, tier in tiers.items() if tier["look"]["group"] == group]
        certified = [number for number in looked if tiers[number]["certified"]]
        shown = (certified or looked)[-1]

        def folder(number: int, name: str) -> Path:
            return self._run_dir / "rounds" / f"{number:03d}" / name

        return GateShown(
            before=self._load(folder(first, AT_ANCHOR)),
            after=self._load(folder(shown, AT_GATE)),
            round=shown,
            others={number: read_outcomes(folder(number, AT_GATE)) for number in looked if number != shown},
        )

    def _outcomes(self, folder: Path) -> Outcomes:
        """What is in memory is not read again."""
        loaded = self._loaded(folder)
        return read_outcomes(folder) if loaded is None else outcomes_of(loaded)

    def _detailed(self, view: RoundView, folder: Path) -> RoundView:
        """``view`` with what stands in the round's folder beside its verdict, as far as it is there."""
        guard, curation, mined = folder / "guard" / SCORES, folder / "curation.json", folder / "mine.done.json"
        asked = [path for path in (folder / "dev", folder / f"dev{PARTIAL}") if path.is_dir()]
        made = read_object(curation) if curation.is_file() else {}
        if mined.is_file():
            made = {**made, "mined": read_object(mined).get("result", {}).get("mined")}
        return replace(
            view,
            asked=self._outcomes(asked[0]) if asked else None,
            guard=read_object(guard).get("score") if guard.is_file() else None,
            curation=made,
        )

    def _metrics(
        self, evaluation: Callable[..., Evaluation], dev: Path | None, champion: Path | None, test: bool
    ) -> tuple[list[MetricRow], list[dict[str, Any]]]:
        """Metrics and confusion matrices.

        Args:
            dev: the champion's dev evaluation; ``None`` where the champion is the untouched model.
            champion: the final evaluation of a trained champion, if there is one.
            test: whether test is opened and shown.
        """
        base = self._run_dir / "baseline"

        def arm(folder: Path | None, *load: Callable[[Path], Evaluation]) -> tuple[Path, Evaluation] | None:
            return (folder, evaluation(folder, *load)) if folder is not None and folder.is_dir() else None

        def after(name: str) -> Path | None:
            return champion / name if champion else None

        sets = [("dev", (arm(base / "dev", self._load_dev), arm(base / "dev_fewshot"), arm(dev, self._load_dev)))]
        if test:
            sets.append(("test", (arm(base / "test"), arm(base / "test_fewshot"), arm(after("test")))))
        sets += [(name, (arm(base / name), None, arm(after(name)))) for name in GUARDS]
        golds, texts = (from_json(figures) for figures in saved_perplexities(base))
        found = gather(self._measured.of, sets, golds, texts)
        self._measured.forget_unused()
        return found

    def _view(self, data: Mapping[str, Any], rows: bool, details: bool, met: int) -> RoundView:
        folder = self._run_dir / "rounds" / f"{data['round']:03d}"
        if data["round"] not in self._views:
            keys = (
                "round",
                "recipe",
                "targets",
                "train_rows",
                "train_tokens",
                "dev",
                "decision",
                "certified",
                "reason",
            )
            view = RoundView(
                number=data["round"],
                entry={key: data[key] for key in (*keys, "seconds")},
                verdict=read_object(folder / "verdict.json"),
                targets=data["target_details"],
                losses=[(step, loss) for step, loss in data["losses"]],
                categories=data["categories"],
                learner=data["learner"],
                tier=data.get("tier"),
                futility=data.get("futility"),
                met=met,
            )
            self._views[data["round"]] = self._detailed(view, folder) if details else view
        view = self._views[data["round"]]
        return replace(view, rows=read_jsonl(folder / "train.jsonl")) if rows else view


def _met(ledger: Ledger) -> list[int]:
    """The champion that each round's candidate was compared with."""
    met, champion = [], 0
    for entry in ledger.of_kind("round", *BY_HAND):
        if entry.kind == "round":
            met.append(champion)
        champion = int(entry.data["champion"])
    return met


def _price(run_dir: Path) -> float | None:
    """``price_per_hour`` of ``config.yaml``; ``None`` where it has none that is a price."""
    path = run_dir / "config.yaml"
    price = read_yaml(path).values.get("price_per_hour") if path.is_file() else None
    if isinstance(price, bool) or not isinstance(price, (int, float)) or not 0 <= price < math.inf:
        return None
    return float(price)


def load_report_data(run_dir: Path, worn: bool = False) -> ReportData:
    """Gather what a report shows. Reads only; a run in progress is fine, and one that was left so says so.

    Args:
        worn: whether a test result is shown that has been chosen by.

    Raises:
        InputError: not a run directory, no baseline yet, or a damaged file; names it.
    """
    if not (run_dir / "manifest.json").is_file():
        raise InputError(f"{run_dir}: not a run directory (no manifest.json)")
    data = RunReader(run_dir).read(Ledger(run_dir / "ledger.jsonl", writable=False), worn=worn)
    return replace(data, left=bool(data.going and not held_by(run_dir)))


def write_summaries(data: ReportData, run_dir: Path, templates: Path | None = None) -> None:
    """Write ``summary.json`` and ``summary.md``, each atomically; ``templates`` as in `write_formats`.

    Raises:
        EnvironmentFault: the folder cannot be written.
    """
    for name in ("json", "md"):
        _write(name, data, run_dir, templates)


def write_page(data: ReportData, run_dir: Path, templates: Path | None = None) -> Path:
    """Write ``report/index.html`` atomically and return its path; ``templates`` as in `write_formats`.

    Raises:
        EnvironmentFault: the folder cannot be written.
    """
    return _write("html", data, run_dir, templates)


def write_formats(
    run_dir: Path,
    names: Sequence[str],
    worn: bool = False,
    templates: Path | None = None,
    verified: Verified | None = None,
) -> list[Path]:
    """Write the run's report in the formats ``names``, built in or another package's; return the files.

    Args:
        templates: folder of a user's templates, which stand before the package's own.
        verified: what recomputing the run found, for the report to tell.

    Raises:
        InputError: as `load_report_data` and `harness.reporting.registry.render`; nothing is written where a name is
            unknown or broken.
        EnvironmentFault: the folder cannot be written.
    """
    for name in names:
        prepared(name, templates)
    data = replace(load_report_data(run_dir, worn), verified=verified)
    return [_write(name, data, run_dir, templates) for name in dict.fromkeys(names)]


def _write(name: str, data: ReportData, run_dir: Path, templates: Path | None) -> Path:
    path = render(name, data, run_dir, templates)
    record_files(data.ledger_head, run_dir, path.resolve().relative_to(run_dir.resolve()).as_posix())
    return path


def record_files(ledger_head: str, run_dir: Path, *names: str) -> None:
    """Note the hashes of files just written, and the ledger's head that they show, in ``report/files.json``.

    They are derived and written anew at any time, so no ledger entry can vouch for them.
    """
    path = run_dir / REPORT_FILES
    try:
        known = dict(read_json(path)["files"])
    except (InputError, KeyError, TypeError, ValueError):
        known = {}
    known |= {name: {"sha256": sha256_file(run_dir / name), "ledger_head": ledger_head} for name in names}
    write_json(path, signed({"files": known}))


def write_reports(run_dir: Path, worn: bool = False, templates: Path | None = None) -> Path:
    """Write ``summary.json``, ``summary.md`` and ``report/index.html``; return the last.

    Args:
        worn: whether a test result is shown that has been chosen by.
        templates: folder of a user's templates, which stand before the package's own.

    Raises:
        InputError: as `load_report_data`, or a template is broken.
        EnvironmentFault: the folder cannot be written.
    """
    prepared("html", templates)  # before anything is written
    data = load_report_data(run_dir, worn)
    write_summaries(data, run_dir, templates)
    return write_page(data, run_dir, templates)
