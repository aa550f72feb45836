"""Categories of one's own on their way through a run: baseline, diagnosis, summary, identity."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fake_workbench import BETTER, TOY_SETTINGS, FakeWorkbench, open_toy
from toy import write_toy_tasks

from harness.config import ClassifierSettings, CustomCategory
from harness.errors.setup import load_taxonomy
from harness.evaluated import load_evaluation
from harness.evaluation.domain import load_domain
from harness.exceptions import InputError
from harness.loop.iterate import iterate
from harness.reporting.load import load_report_data
from harness.storage import read_json

OWN = ClassifierSettings(custom={"my_own": CustomCategory(regex="(?s).+")}, precedence=["my_own"])
SETTINGS = replace(TOY_SETTINGS, classifiers=OWN)


def test_a_category_of_ones_own_reaches_baseline_targets_and_summary(tmp_path: Path) -> None:
    run = open_toy(tmp_path / "run", FakeWorkbench([BETTER]), settings=SETTINGS)
    iterate(run, 1, None, lambda: None)
    dev = load_evaluation(tmp_path / "run" / "baseline" / "dev")
    mine = [record for record in dev.errors if record.primary == "my_own"]
    assert mine
    assert read_json(tmp_path / "run" / "baseline" / "dev" / "scores.json")["categories"]["my_own"] == len(mine)
    data = load_report_data(tmp_path / "run")
    assert sum(row["before"] for row in data.summary["categories"] if row["category"] == "my_own") == len(mine)
    assert any(target.endswith("/my_own") for target in data.summary["rounds"][0]["targets"])


def test_what_could_not_be_judged_is_counted_in_scores_and_summary(tmp_path: Path) -> None:
    run = open_toy(tmp_path / "run", FakeWorkbench([BETTER]))
    iterate(run, 1, None, lambda: None)
    scores = read_json(tmp_path / "run" / "baseline" / "dev" / "scores.json")
    assert scores["not_assessed"]["wrong_tool"] == scores["score"]["n"]
    rows = {row["category"]: row for row in load_report_data(tmp_path / "run").summary["not_assessed"]}
    assert rows["wrong_tool"] == {"category": "wrong_tool", "before": 40, "after": 40, "n": 40}


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        (ClassifierSettings(), "classifiers.my_own"),
        (replace(OWN, custom={"my_own": CustomCategory(regex="(?s)..+")}), "classifiers.my_own"),
        (replace(OWN, precedence=[]), "precedence"),
        (replace(OWN, disable=["too_long"]), "classifiers.too_long"),
    ],
)
def test_a_run_is_not_resumed_with_other_classifiers(
    tmp_path: Path, changed: ClassifierSettings, difference: str
) -> None:
    open_toy(tmp_path / "run", FakeWorkbench(), settings=SETTINGS)
    open_toy(tmp_path / "run", FakeWorkbench(), settings=SETTINGS)
    with pytest.raises(InputError, match=rf"holds a run with other inputs \({difference}"):
        open_toy(tmp_path / "run", FakeWorkbench(), settings=replace(SETTINGS, classifiers=changed))


def test_a_domain_is_asked_for_the_classifiers_in_its_utils_file(tmp_path: Path) -> None:
    tasks = write_toy_tasks(tmp_path)
    plain = load_domain("toy", [tasks])
    assert plain.folders == [tasks]
    assert load_taxonomy(folders=plain.folders).identity() == load_taxonomy().identity()
    with (tasks / "utils.py").open("a") as file:
        file.write("\n\ndef polite(item):\n    return True\n\n\nCLASSIFIERS = [polite]\n")
    taxonomy = load_taxonomy(folders=load_domain("toy", [tasks]).folders)
    assert [each.name for each in taxonomy.classifiers][-1] == "polite"
