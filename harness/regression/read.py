"""A model's answers from wherever they lie: a run, a round, an evaluation, a baseline file, output of lm-eval."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.evaluated import RESPONSES, SCORES, Evaluation, load_evaluation
from harness.exceptions import InputError
from harness.ledger import Ledger
from harness.loop.certify import SEALED
from harness.loop.final import CERTIFIED
from harness.loop.phases import marker
from harness.loop.run import BASELINE, PARTIAL, champion_folder
from harness.regression.answers import Answer, AnswerSet, Identity, from_evaluation
from harness.regression.identity import weights_id
from harness.state.kept import WORN
from harness.storage import read_json
from harness.training.contract import CANDIDATE

if TYPE_CHECKING:
    from harness.errors.setup import Taxonomy

MANIFEST, LEDGER = "manifest.json", "ledger.jsonl"
ACCEPTED = "a run, a round of one, an evaluation's folder, a baseline file or a folder of lm-eval output"
TEST = ("test", "test_fewshot", CERTIFIED)
"""Evaluations that are shown only where the run's report shows them."""
OWN = ("dev", "dev_fewshot", "guard", "guard_means", "test", "test_fewshot")
"""Evaluations in a round's folder, or a final one, of that round's own model."""


def read_answers(
    source: str | Path, classifiers: Callable[[], Taxonomy] | None = None, guards: Collection[str] = ()
) -> AnswerSet:
    """The answers that lie at ``source``; no model and no torch is needed.

    Of a run these are the dev answers of its certified round, else of its champion, and beside them the same model's
    answers on the guards where it was asked them. Guards that have no right and wrong are left out.

    Args:
        source: `ACCEPTED`; of lm-eval output also one ``results_*.json`` file.
        classifiers: loads the error classifiers to judge lm-eval's output by, which nobody has classified yet; it is
            called for that alone.
        guards: which of lm-eval's tasks, groups and tags are guards, which its output does not say.

    Raises:
        InputError: nothing of that kind is there, it is damaged or not finished, or holds items that are not to be
            seen (a run's gate items, a test that its report does not show). Names the file.
    """
    path = Path(source)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; name {ACCEPTED}")
    if path.is_file():
        return _file(path, classifiers, guards)
    try:
        found = _saved(path, path.resolve())
    except (KeyError, TypeError, AttributeError) as error:  # JSON of another shape than this program writes
        raise InputError(f"{path}: damaged ({type(error).__name__}: {error})") from error
    if found is not None:
        return found
    from harness.regression.lm_eval_files import is_lm_eval_output
    from harness.regression.lm_eval_output import read_lm_eval

    if is_lm_eval_output(path):
        return read_lm_eval(path, classifiers, guards)
    raise InputError(f"{path}: there are no answers in it; name {ACCEPTED}")


def domain_of(source: str | Path) -> str | None:
    """The domain of the run that ``source`` is or lies in; ``None`` where nothing says it."""
    place = Path(source).resolve()
    run_dir = place if is_run(place) else _run_of(place)
    if run_dir is None:
        return None
    domain = read_json(run_dir / MANIFEST).get("identity", {}).get("settings", {}).get("domain")
    return domain if isinstance(domain, str) else None


def is_run(folder: Path) -> bool:
    """Whether ``folder`` is a run directory."""
    return (folder / MANIFEST).is_file() and (folder / LEDGER).is_file()


def _file(path: Path, classifiers: Callable[[], Taxonomy] | None, guards: Collection[str]) -> AnswerSet:
    from harness.regression.lm_eval_files import is_results_file
    from harness.regression.lm_eval_output import read_lm_eval

    if is_results_file(path):
        return read_lm_eval(path, classifiers, guards)
    if path.suffix == ".jsonl":
        raise InputError(f"{path}: name the folder that it lies in, with the results file beside it")
    from harness.regression.baseline_file import read_baseline

    return read_baseline(path)


def _saved(path: Path, place: Path) -> AnswerSet | None:
    """The answers of a run or of a part of one; ``None`` for a folder of another kind."""
    if is_run(place):
        return _run(path, place)
    if (place / RESPONSES).is_file() or (place / SCORES).is_file():
        return _evaluation(path, place)
    run_dir = _run_of(place)
    if run_dir is None:
        return None
    number = _round_number(place, run_dir)
    if number is None:
        raise InputError(f"{path}: is a folder of a run, but no round and no evaluation; name {ACCEPTED}")
    return _round(path, run_dir, number)


def _run(path: Path, run_dir: Path) -> AnswerSet:
    ledger = Ledger(run_dir / LEDGER, writable=False)
    if not ledger.of_kind("baseline"):
        raise InputError(f"{path}: no baseline yet; run 'harness baseline --out {path}' first")
    number = ledger.anchor or ledger.champion
    return _answers(path, run_dir, number, champion_folder(run_dir, number), _guard(run_dir, ledger, number))


def _round(path: Path, run_dir: Path, number: int) -> AnswerSet:
    folder = _folder(run_dir, number) / "dev"
    if not (folder / SCORES).is_file():
        partial = folder.with_name(f"dev{PARTIAL}")
        why = f"dev was not asked in full; what was lies in {partial}" if partial.is_dir() else "dev was not asked"
        raise InputError(f"{path}: there are no answers in it: {why}")
    ledger = Ledger(run_dir / LEDGER, writable=False)
    return _answers(path, run_dir, number, folder, _guard(run_dir, ledger, number))


def _evaluation(path: Path, folder: Path) -> AnswerSet:
    run_dir = _run_of(folder)
    if run_dir is None:
        evaluation = load_evaluation(folder)
        return _as_set(
            path, [(evaluation, False)], Identity(settings=_settings(evaluation), environment=_versions(evaluation))
        )
    if folder.name.removesuffix(PARTIAL) in SEALED:
        raise InputError(f"{path}: answers to gate items are never shown; a look at them could not be undone")
    if folder.name in TEST and not _test_shown(run_dir):
        raise InputError(f"{path}: the run shows no test; 'harness report' says why")
    return _answers(path, run_dir, _model_of(folder, run_dir), folder, None)


def _answers(path: Path, run_dir: Path, number: int | None, folder: Path, guard: Path | None) -> AnswerSet:
    """The evaluation in ``folder`` of round ``number``'s model, with what the manifest says of it.

    Args:
        number: ``None`` where it is not known whose answers these are.
    """
    parts = [(load_evaluation(folder), "guard" in folder.name)]
    if guard is not None:
        parts.append((load_evaluation(guard), True))
    return _as_set(path, parts, _identity(run_dir, number, parts))


def _as_set(path: Path, parts: list[tuple[Evaluation, bool]], identity: Identity) -> AnswerSet:
    answers: list[Answer] = []
    for evaluation, guard in parts:
        answers.extend(from_evaluation(evaluation, "guard" if guard else "domain"))
    reused = any(evaluation.details.get("cached") for evaluation, _ in parts)
    seconds = None if reused else sum(evaluation.seconds for evaluation, _ in parts)
    return AnswerSet(str(path), tuple(answers), identity, seconds)


def _identity(run_dir: Path, number: int | None, parts: list[tuple[Evaluation, bool]]) -> Identity:
    manifest = read_json(run_dir / MANIFEST)
    known = manifest["identity"]
    evaluation = parts[0][0]
    asked = {result.task for each, _ in parts for result in each.results}
    settings = {name: known["settings"].get(name) for name in ("prompt", "engine", "limit")}
    base = known["model"].get("weights_sha256", "") if number is not None else ""
    return Identity(
        model=known["model"]["reference"] + (f", round {number}" if number else ""),
        weights=weights_id(base, _adapter(run_dir, number) if number else ""),
        tasks={task: value for task, value in known["data"]["tasks"].items() if task in asked},
        classifiers=dict(known.get("classifiers", {})),
        categories=dict(manifest.get("categories", {})),
        settings={**settings, **_settings(evaluation)},
        environment=_versions(evaluation),
    )


def _settings(evaluation: Evaluation) -> dict[str, Any]:
    details = evaluation.details
    found = {"fewshot": details.get("fewshot"), "batch_size": _environment(evaluation).get("batch_size")}
    return {name: value for name, value in found.items() if value is not None}


def _versions(evaluation: Evaluation) -> dict[str, str]:
    return {name: str(value) for name, value in _environment(evaluation).items() if name != "batch_size"}


def _environment(evaluation: Evaluation) -> Mapping[str, Any]:
    found = evaluation.details.get("environment")
    return found if isinstance(found, Mapping) else {}


def _adapter(run_dir: Path, number: int) -> str:
    """Hash of the weights that round ``number`` trained, as its phase noted it."""
    files = read_json(marker(_folder(run_dir, number), "train"))["files"]
    trained = (name for name in sorted(files) if name.startswith(f"{CANDIDATE}/") and name.endswith(".safetensors"))
    return next((str(files[name]) for name in trained), "")


def _guard(run_dir: Path, ledger: Ledger, number: int) -> Path | None:
    """Where the model of round ``number`` was last asked the guards; ``None`` where it never was."""
    finals = [entry.data["round"] for entry in ledger.of_kind("final") if entry.data["champion"] == number]
    folders = [run_dir / "final" / f"{each:03d}" for each in reversed(finals)] if number else []
    for folder in (*folders, _folder(run_dir, number)):
        if (folder / "guard" / SCORES).is_file():
            return folder / "guard"
    return None


def _test_shown(run_dir: Path) -> bool:
    finals = Ledger(run_dir / LEDGER, writable=False).of_kind("final")
    return bool(finals) and (finals[-1].data.get("openings") or 0) < WORN


def _model_of(folder: Path, run_dir: Path) -> int | None:
    """The round whose model gave the evaluation in ``folder``; ``None`` where its place does not say."""
    name = folder.name.removesuffix(PARTIAL)
    again = re.fullmatch(r"dev_champion_(\d+)", name)
    if again:
        return int(again[1])
    if name not in OWN:
        return None
    if folder.parent.parent == run_dir / "final":
        finals = Ledger(run_dir / LEDGER, writable=False).of_kind("final")
        return next((int(e.data["champion"]) for e in finals if folder.parent.name == f"{e.data['round']:03d}"), None)
    return _round_number(folder.parent, run_dir)


def _folder(run_dir: Path, number: int) -> Path:
    return run_dir / "rounds" / f"{number:03d}" if number else run_dir / BASELINE


def _run_of(place: Path) -> Path | None:
    """The run directory that ``place`` lies in."""
    return next((folder for folder in place.parents if is_run(folder)), None)


def _round_number(place: Path, run_dir: Path) -> int | None:
    if place == run_dir / BASELINE:
        return 0
    if place.parent == run_dir / "rounds" and place.name.isdecimal():
        return int(place.name)
    return None
