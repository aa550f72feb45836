"""A run's answers, read from its folder: which model's, which items, and what is never shown."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from verified_runs import make_long_run, make_short_run

from harness.evaluated import load_evaluation
from harness.exceptions import InputError
from harness.ledger import Ledger
from harness.loop.iterate import CHAMPION
from harness.regression.baseline_file import write_baseline
from harness.regression.read import read_answers


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_long_run(tmp_path_factory.mktemp("long") / "run")


@pytest.fixture(scope="module")
def short_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_short_run(tmp_path_factory.mktemp("short") / "run")


def scores(folder: Path) -> dict[str, float]:
    return load_evaluation(folder).correctness()


def domain_scores(source: Path) -> dict[str, float]:
    return {answer.item: answer.correct for answer in read_answers(source).of("domain")}


def test_of_a_run_the_certified_round_is_read_else_the_champion(long_run: Path) -> None:
    ledger = Ledger(long_run / "ledger.jsonl", writable=False)
    number = ledger.anchor or ledger.champion
    assert number
    assert read_answers(long_run).identity.model.endswith(f", round {number}")
    assert domain_scores(long_run) == scores(long_run / "rounds" / f"{number:03d}" / "dev")


def test_a_run_that_promoted_nothing_gives_the_base(tmp_path: Path) -> None:
    from fake_workbench import FakeWorkbench, open_toy

    from harness.loop.run import baseline

    run = open_toy(tmp_path / "run", FakeWorkbench([]))
    baseline(run)
    assert domain_scores(run.run_dir) == scores(run.run_dir / "baseline" / "dev")
    assert read_answers(run.run_dir).identity.model == run.settings.model


def test_the_same_models_guards_come_with_it(long_run: Path) -> None:
    guards = read_answers(long_run / "baseline").of("guard")
    assert {answer.item: answer.correct for answer in guards} == scores(long_run / "baseline" / "guard")


def test_a_round_a_link_and_an_evaluation_are_read_alike(long_run: Path) -> None:
    number = Ledger(long_run / "ledger.jsonl", writable=False).champion
    folder = long_run / "rounds" / f"{number:03d}"
    assert domain_scores(folder) == domain_scores(folder / "dev") == domain_scores(long_run / CHAMPION)


def test_rounds_have_other_weights_and_the_same_one_has_the_same(long_run: Path) -> None:
    ids = {name: read_answers(long_run / name).identity.weights for name in ("baseline", "rounds/001", "rounds/002")}
    assert len({*ids.values()}) == 3
    assert read_answers(long_run / "rounds" / "001" / "dev").identity.weights == ids["rounds/001"]


def test_gate_items_are_never_shown(long_run: Path) -> None:
    sealed = [path.parent for path in long_run.rglob("*gate/scores.json")]
    assert sealed
    for folder in sealed:
        with pytest.raises(InputError, match="gate items are never shown"):
            read_answers(folder)


def test_test_is_shown_where_the_report_shows_it(short_run: Path, tmp_path: Path) -> None:
    assert read_answers(short_run / "baseline" / "test").answers
    unopened = shutil.copytree(short_run, tmp_path / "run", symlinks=True)
    lines = (unopened / "ledger.jsonl").read_text().splitlines(keepends=True)
    until = next(place for place, line in enumerate(lines) if json.loads(line)["kind"] == "final")
    (unopened / "ledger.jsonl").write_text("".join(lines[:until]))
    with pytest.raises(InputError, match="the run shows no test"):
        read_answers(unopened / "baseline" / "test")


def test_a_worn_test_is_not_shown(long_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.regression.read.WORN", 1)
    with pytest.raises(InputError, match="the run shows no test"):
        read_answers(long_run / "baseline" / "test")


def test_what_a_run_was_broken_off_at_is_no_round(long_run: Path) -> None:
    partial = next(iter(sorted(long_run.glob("rounds/*/dev_partial"))))
    with pytest.raises(InputError, match="dev was not asked in full; what was lies in"):
        read_answers(partial.parent)


def test_a_round_without_a_candidate_has_no_answers(long_run: Path) -> None:
    rounds = [entry.data for entry in Ledger(long_run / "ledger.jsonl", writable=False).of_kind("round")]
    crash = next(data["round"] for data in rounds if data["decision"] == "crash")
    with pytest.raises(InputError, match="dev was not asked"):
        read_answers(long_run / "rounds" / f"{crash:03d}")


def test_a_baseline_file_is_read(long_run: Path, tmp_path: Path) -> None:
    answers = read_answers(long_run)
    write_baseline(tmp_path / "toy.json", answers)
    again = read_answers(tmp_path / "toy.json")
    assert {each.item: each.correct for each in again.answers} == {each.item: each.correct for each in answers.answers}


def empty(folder: Path) -> Path:
    return folder


def absent(folder: Path) -> Path:
    return folder / "absent"


def lines(folder: Path) -> Path:
    (folder / "rows.jsonl").write_text("{}\n")
    return folder / "rows.jsonl"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (empty, "there are no answers in it; name a run, a round of one"),
        (absent, "no such file or folder; name a run, a round of one"),
        (lines, "name the folder that it lies in"),
    ],
)
def test_anything_else_says_what_can_be_named(tmp_path: Path, make: Callable[[Path], Path], says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_answers(make(tmp_path))


def test_another_folder_of_a_run_is_no_evaluation(long_run: Path) -> None:
    with pytest.raises(InputError, match="no round and no evaluation"):
        read_answers(long_run / "report")


def test_a_damaged_evaluation_is_named(short_run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(short_run, tmp_path / "run", symlinks=True)
    (copy / "baseline" / "dev" / "responses.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"dev/responses\.parquet: missing or damaged"):
        read_answers(copy / "baseline")


@pytest.mark.parametrize("text", ["{}", "[]", '{"identity": {"model": 3}}'])
def test_a_manifest_of_another_shape_is_damage(short_run: Path, tmp_path: Path, text: str) -> None:
    copy = shutil.copytree(short_run, tmp_path / "run", symlinks=True)
    (copy / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=r"damaged \("):
        read_answers(copy)


def test_saved_results_are_read_without_torch(short_run: Path) -> None:
    script = (
        "import sys; from harness.regression.read import read_answers; read_answers(sys.argv[1]); "
        "print(sorted({'torch', 'transformers', 'lm_eval', 'datasets', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(short_run)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
