"""``harness rescore``: saved responses classified by the present classifiers, beside the run, never into it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from harness.errors.contract import ErrorRecord
from harness.evaluated import ERRORS, RESPONSES, load_evaluation, save_errors
from harness.exceptions import InputError
from harness.loop.certify import SEALED
from harness.loop.phases import signed
from harness.storage import atomic_directory, read_json, sha256_file, write_json
from harness.verify.classifiers import present_taxonomy
from harness.verify.files import regular_files
from harness.verify.findings import UNREADABLE, Findings
from harness.verify.records import check_phase

FOLDER, FILE = "rescored", "rescore.json"
_MARKERS = ("baseline/*.done.json", "baseline/prompts/*/*.done.json", "rounds/*/*.done.json", "final/*/*.done.json")


def rescore(
    run_dir: Path,
    out: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    trust_code: bool = False,
) -> dict[str, Any]:
    """Classify every saved response of a run anew and write records and what moved into ``out``.

    Scores stay as they are, and so do verdicts: nothing of the run's own is written to.

    Args:
        out: a folder that is not there yet, is empty or holds an earlier result; ``rescored`` in the run otherwise.
        progress: told of evaluations done and in all.
        trust_code: as `present_taxonomy` takes it.

    Returns:
        What ``rescore.json`` holds: ``classifiers`` (``run`` and ``now``, name to version), ``total`` and
        ``evaluations`` by folder, each with ``n`` responses, ``categories`` (responses by primary category, ``before``
        and ``now``), ``moves`` (``from``, ``to``, ``items``: of primary categories) and ``labels`` (all labels, by
        category); ``files``, the hash of each file.

    Raises:
        InputError: no run directory, a damaged file, classifiers that cannot be loaded, a folder in use.
        EnvironmentFault: ``out`` cannot be written.
    """
    if not (run_dir / "manifest.json").is_file():
        raise InputError(f"{run_dir}: not a run directory (no manifest.json)")
    out = _checked(run_dir, out or run_dir / FOLDER)
    strange = Findings()
    regular_files(run_dir, strange)
    if strange.mismatches:
        raise InputError(f"{run_dir}: {strange.mismatches[0]}; 'harness verify -v' names all of these")
    try:
        manifest = read_json(run_dir / "manifest.json")
        taxonomy = present_taxonomy(run_dir, manifest, trust_code)
        recorded = dict(manifest["identity"].get("classifiers", {}))
    except UNREADABLE as error:
        raise InputError(f"{run_dir / 'manifest.json'}: damaged, or of another version ({error})") from error
    pairs: list[tuple[ErrorRecord, ErrorRecord]] = []
    found: dict[str, Any] = {}
    with atomic_directory(out) as folder:
        files: dict[str, str] = {}
        evaluations = finished_evaluations(run_dir)
        for done, (name, by_learner) in enumerate(evaluations):
            progress(done, len(evaluations))
            try:
                evaluation = load_evaluation(run_dir / name)
                # Answers are compared with each other by some classifiers: those of one model at a time.
                first = len(evaluation.results) - by_learner
                parts = [evaluation.results[:first], evaluation.results[first:]]
                records = [record for part in parts if part for record in taxonomy.classify_all(part)]
                own = list(zip(evaluation.errors, records, strict=True))
                found[name] = moved(own)
            except UNREADABLE as error:
                raise InputError(f"{run_dir / name}: damaged evaluation ({error})") from error
            pairs += own
            save_errors(folder / name / ERRORS, records)
            files[f"{name}/{ERRORS}"] = sha256_file(folder / name / ERRORS)
        progress(len(evaluations), len(evaluations))
        result = {
            "schema": 1,
            "run": manifest.get("run", run_dir.name),
            "classifiers": {"run": recorded, "now": taxonomy.identity()["classifiers"]},
            "total": moved(pairs),
            "evaluations": found,
            "files": files,
        }
        write_json(folder / FILE, signed(result))
    return result


def _checked(run_dir: Path, out: Path) -> Path:
    """``out`` if it may be replaced."""
    whole, run = out.resolve(), run_dir.resolve()
    if whole == run or (run in whole.parents and whole != run / FOLDER) or whole in run.parents:
        raise InputError(f"{out}: is part of the run or holds it; choose another folder with --out")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; choose a folder with --out")
    if out.is_dir() and any(out.iterdir()) and not (out / FILE).is_file():
        raise InputError(f"{out}: holds something else; choose an empty folder with --out")
    return out


def finished_evaluations(run_dir: Path) -> list[tuple[str, int]]:
    """Folder of each evaluation of a finished phase, and how many of its last results another model gave.

    Those of gate items are left out: counts by category would tell what the gate hides.

    Raises:
        InputError: a manifest is damaged; names it.
    """
    found = []
    for path in [path for pattern in _MARKERS for path in sorted(run_dir.glob(pattern))]:
        folder = path.parent.relative_to(run_dir).as_posix()
        try:
            record = read_json(path)
            check_phase(record)
            names = [PurePosixPath(name) for name in record["files"]]
            by_learner = int(record["result"].get("by_learner") or 0)
        except UNREADABLE as error:
            raise InputError(f"{path}: damaged manifest ({error})") from error
        own = [name.parent for name in names if name.name == RESPONSES and name.parent.name not in SEALED]
        found += [(f"{folder}/{name}", by_learner) for name in own]
    return found


def moved(pairs: Sequence[tuple[ErrorRecord, ErrorRecord]]) -> dict[str, Any]:
    """What changed from the first to the second record of each response; see `rescore`."""
    primary = [Counter(record.primary for record in side if record.primary) for side in zip(*pairs, strict=True)]
    labels = [
        Counter(category for record in side for category in {label.category for label in record.labels})
        for side in zip(*pairs, strict=True)
    ]
    moves = Counter((old.primary, new.primary) for old, new in pairs if old.primary != new.primary)
    return {
        "n": len(pairs),
        "categories": _before_and_now(primary),
        "moves": [
            {"from": old, "to": new, "items": count}
            for (old, new), count in sorted(moves.items(), key=lambda pair: (-pair[1], str(pair[0])))
        ],
        "labels": _before_and_now(labels),
    }


def _before_and_now(counts: Sequence[Mapping[Any, int]]) -> list[dict[str, Any]]:
    before, now = counts if counts else ({}, {})
    return [
        {"category": name, "before": before.get(name, 0), "now": now.get(name, 0)} for name in sorted({*before, *now})
    ]


def changed_versions(classifiers: Mapping[str, Mapping[str, str]]) -> list[str]:
    """One line for each classifier that is not the run's."""
    run, now = classifiers["run"], classifiers["now"]
    lines = []
    for name in sorted({*run, *now}):
        if run.get(name) != now.get(name):
            was, is_now = run.get(name, "not in the run"), now.get(name, "not here")
            lines.append(f"{re.sub('_', ' ', name)}: {was} -> {is_now}")
    return lines
