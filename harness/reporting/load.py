"""From a run directory to `ReportData`, and from there to every file of a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.evaluated import Evaluation, load_evaluation
from harness.exceptions import InputError
from harness.loop.ledger import Ledger
from harness.loop.run import champion_folder
from harness.reporting.data import ReportData, RoundView
from harness.reporting.html import HtmlReporter
from harness.reporting.markdown import MarkdownReporter
from harness.reporting.summary import build_summary
from harness.storage import read_json, read_jsonl, write_json


def load_report_data(run_dir: Path) -> ReportData:
    """Gather what a report shows. Reads only; a run in progress is fine.

    Raises:
        InputError: not a run directory, no baseline yet, or a damaged file; names it.
    """
    if not (run_dir / "manifest.json").is_file():
        raise InputError(f"{run_dir}: not a run directory (no manifest.json)")
    manifest = read_json(run_dir / "manifest.json")
    ledger = Ledger(run_dir / "ledger.jsonl", writable=False)
    if not ledger.of_kind("baseline"):
        raise InputError(f"{run_dir}: no baseline yet; run 'harness baseline --out {run_dir}' first")
    entries = [entry.data for entry in ledger.of_kind("round")]
    champion = entries[-1]["champion"] if entries else 0
    base = run_dir / "baseline"
    baseline_dev = load_evaluation(base / "dev")
    champion_dev = load_evaluation(champion_folder(run_dir, champion))
    finals = ledger.of_kind("final")
    final = run_dir / "final" / f"{finals[-1].data['round']:03d}" if finals else None
    tested = finals[-1].data["champion"] if finals else 0
    stop = ledger.entries[-1]
    return ReportData(
        summary=build_summary(ledger, baseline_dev, champion_dev, champion),
        manifest=manifest,
        rounds=[_view(run_dir, data) for data in entries],
        baseline_dev=baseline_dev,
        champion_dev=champion_dev,
        baseline_dev_fewshot=_optional(base / "dev_fewshot"),
        test_before=_optional(base / "test") if final else None,
        test_before_fewshot=_optional(base / "test_fewshot") if final else None,
        test_after=_optional((final if tested else base) / "test") if final else None,
        guard_before=_optional(base / "guard"),
        guard_after=_optional((final if tested else base) / "guard") if final else None,
        baseline_categories=ledger.of_kind("baseline")[0].data["categories"],
        stopped=str(stop.data["reason"]) if stop.kind == "stop" else "",
        ledger_head=ledger.head,
    )


def _round(run_dir: Path, number: int) -> Path:
    return run_dir / "rounds" / f"{number:03d}"


def _optional(folder: Path) -> Evaluation | None:
    return load_evaluation(folder) if folder.is_dir() else None


def _view(run_dir: Path, data: Any) -> RoundView:
    folder = _round(run_dir, data["round"])
    keys = ("round", "recipe", "targets", "train_rows", "train_tokens", "dev", "decision", "certified", "reason")
    return RoundView(
        number=data["round"],
        entry={key: data[key] for key in (*keys, "seconds")},
        verdict=read_json(folder / "verdict.json"),
        targets=data["target_details"],
        rows=read_jsonl(folder / "train.jsonl"),
        losses=[(step, loss) for step, loss in data["losses"]],
        categories=data["categories"],
        learner=data["learner"],
        futility=data.get("futility"),
    )


def write_reports(run_dir: Path) -> Path:
    """Write ``summary.json``, ``summary.md`` and ``report/index.html``; return the last.

    Raises:
        InputError: as `load_report_data`.
        EnvironmentFault: the folder cannot be written.
    """
    data = load_report_data(run_dir)
    write_json(run_dir / "summary.json", data.summary)
    MarkdownReporter().render(data, run_dir)
    return HtmlReporter().render(data, run_dir / "report")
