"""``summary.json`` keeps its schema, and a report can be written at every moment of a run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_workbench import (
    BETTER,
    CRASH,
    LEAP,
    RUIN,
    SAME,
    TOY_RECIPE,
    TOY_SETTINGS,
    TOY_TIME,
    WORSE,
    Clock,
    Effect,
    FakeWorkbench,
    open_toy,
    tree,
)
from toy import toy_domain, toy_guard

from harness.exceptions import InputError
from harness.ledger import Ledger
from harness.loop.iterate import interrupted, iterate
from harness.loop.lock import run_lock
from harness.loop.prepare import Prepared, prepare
from harness.loop.run import baseline
from harness.regression.history import read_history
from harness.reporting.load import load_report_data, write_reports
from harness.state.domain import DomainState, state_folder
from harness.storage import read_json, sha256_file
from harness.verify.verify import verify_run

STATUSES = ("running", "finished", "converged", "stopped", "failed")
DECISIONS = ("promote", "reject", "rollback", "invalid", "crash")
SCORE = {"value": float, "stderr": float, "n": int, "correct": (int, None)}
INTERVAL = [float, float]
ROUND = {
    "round": int, "recipe": str, "targets": [..., str], "train_rows": int, "train_tokens": int, "dev": (SCORE, None),
    "decision": str, "certified": (bool, None), "reason": str,
    "seconds": {"mine": float, "train": float, "evaluate": float, "other": float},
}  # fmt: skip
FIGURE = {"value": float, "stderr": (float, None)}
METRIC = {
    "items": str, "skill": str, "metric": str, "unit": str, "better": str, "n": int, "clusters": int, "method": str,
    "before": (FIGURE, None), "before_fewshot": (FIGURE, None), "after": (FIGURE, None),
}  # fmt: skip
MATRIX = {"labels": [..., str], "counts": dict}
CONFUSION = {"items": str, "skill": str, "before": (MATRIX, None), "before_fewshot": (MATRIX, None),
             "after": (MATRIX, None)}  # fmt: skip
TEST = {"model": str, "round": int, "before": SCORE, "before_fewshot": (SCORE, None), "after": SCORE, "delta": float,
        "ci95": INTERVAL, "p": float}  # fmt: skip
SUMMARY = {
    "schema": int, "run": str, "status": str, "model": str, "domain": str, "rounds_asked": int, "rounds_done": int,
    "seconds": float, "baseline": {"dev": SCORE, "dev_fewshot": (SCORE, None)},
    "champion": {"round": int, "dev": SCORE}, "certified_round": (int, None),
    "test": (TEST, None),
    "looks": [..., {"round": int, "number": int, "place": int, "alpha": float, "certified": (bool, None)}],
    "test_certified": (TEST, None), "test_openings": (int, None), "optimism_gap": (float, None),
    "guard": ({"before": SCORE, "after": SCORE, "delta": float, "ci95": INTERVAL, "mde": float}, None),
    "categories": [..., {"skill": str, "category": str, "before": int, "after": int, "n": int}],
    "rounds": [..., ROUND], "metrics": [..., METRIC], "confusion": [..., CONFUSION], "prompts": (dict, None),
    "tags": [..., {"tag": str, "before": SCORE, "after": SCORE}],
    "not_assessed": [..., {"category": str, "before": int, "after": int, "n": int}],
    "by_hand": [..., {"action": str, "after_round": int, "champion": int, "instead_of": int, "reason": str,
                      "time": str}],
}  # fmt: skip


def conform(value: Any, shape: Any, path: str = "summary") -> None:
    """Assert that ``value`` has exactly the keys and types of ``shape``: a tuple is "one of", ``[..., x]`` a list."""
    if isinstance(shape, tuple):
        if value is None:
            assert None in shape, f"{path} is null"
        else:
            conform(value, next(option for option in shape if option is not None), path)
    elif isinstance(shape, dict):
        assert isinstance(value, dict), path
        assert sorted(value) == sorted(shape), f"{path}: {sorted(value)}"
        for key in shape:
            conform(value[key], shape[key], f"{path}.{key}")
    elif isinstance(shape, list):
        assert isinstance(value, list), path
        if shape[0] is not ...:
            assert len(value) == len(shape), path
        for place, item in enumerate(value):
            conform(item, shape[1] if shape[0] is ... else shape[place], f"{path}[{place}]")
    elif shape is float:
        assert isinstance(value, (int, float)), f"{path} is {value!r}"
        assert not isinstance(value, bool), f"{path} is {value!r}"
    else:
        assert type(value) is shape, f"{path} is {value!r}"


def check_summary(run_dir: Path) -> dict[str, Any]:
    """Read ``summary.json`` as a strict reader would: no NaN, the schema, and values that make sense together."""

    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is no JSON")

    summary: dict[str, Any] = json.loads((run_dir / "summary.json").read_text(), parse_constant=refuse)
    conform(summary, SUMMARY)
    assert summary["schema"] == 1
    assert summary["status"] in STATUSES
    assert summary["rounds_done"] == len(summary["rounds"])
    assert [entry["round"] for entry in summary["rounds"]] == list(range(1, summary["rounds_done"] + 1))
    assert {entry["decision"] for entry in summary["rounds"]} <= set(DECISIONS)
    promoted = [entry["round"] for entry in summary["rounds"] if entry["decision"] == "promote"]
    assert summary["champion"]["round"] == (promoted[-1] if promoted else 0)
    for score in scores(summary):
        assert 0 <= score["value"] <= 1
        assert 0 <= score["stderr"] <= 1
        assert score["correct"] is None or score["correct"] == round(score["value"] * score["n"])
    for part in (summary["test"], summary["guard"]):
        if part is not None:
            assert part["delta"] == pytest.approx(part["after"]["value"] - part["before"]["value"])
            assert part["ci95"][0] <= part["delta"] <= part["ci95"][1]
    failing = sum(row["after"] for row in summary["categories"])
    assert failing == summary["champion"]["dev"]["n"] - summary["champion"]["dev"]["correct"]
    return summary


def scores(value: Any) -> Sequence[Mapping[str, Any]]:
    """Every Score object in ``value``."""
    if isinstance(value, dict):
        own = [value] if set(value) == set(SCORE) else []
        return [*own, *(score for item in value.values() for score in scores(item))]
    return [score for item in value for score in scores(item)] if isinstance(value, list) else []


def run_and_check(run_dir: Path, script: Sequence[Effect], rounds: int, **options: Any) -> list[dict[str, Any]]:
    """Run the loop, writing and checking the report whenever the loop asks for one."""
    seen: list[dict[str, Any]] = []

    def report() -> None:
        page = write_reports(run_dir).read_text()
        seen.append(check_summary(run_dir))
        assert page.startswith("<!DOCTYPE html>") or page.startswith("<!doctype html>")
        assert not re.search(r"""(src|href)=["']https?:""", page)
        assert (run_dir / "summary.md").read_text().strip()

    iterate(open_toy(run_dir, FakeWorkbench(script), **options), rounds, None, report)
    return seen


def test_the_report_is_written_after_each_round_with_every_kind_of_outcome(tmp_path: Path) -> None:
    script = [BETTER, WORSE, CRASH, SAME, Effect(gain=0.5)]
    seen = run_and_check(tmp_path / "run", script, 5, clock=Clock(tick=0.25))
    assert [summary["rounds_done"] for summary in seen] == [0, 1, 2, 3, 4, 5, 5]
    assert [summary["status"] for summary in seen] == ["running"] * 6 + ["finished"]
    last = seen[-1]
    assert [entry["decision"] for entry in last["rounds"]] == ["promote", "reject", "crash", "reject", "promote"]
    assert last["rounds"][2]["dev"] is None
    assert last["test"]["round"] == last["champion"]["round"] == 5
    assert last["test"]["model"] == "champion"
    assert last["certified_round"] is None
    assert last["seconds"] > sum(last["rounds"][0]["seconds"].values()) > 0
    assert (last["run"], last["model"], last["domain"], last["rounds_asked"]) == ("run", "fake", "toy", 5)


def test_a_candidate_rejected_on_a_part_of_dev_is_shown_as_such(tmp_path: Path) -> None:
    settings = replace(TOY_SETTINGS, futility=True)
    last = run_and_check(tmp_path / "run", [LEAP, RUIN, BETTER], 3, settings=settings)[-1]
    assert (last["rounds"][1]["decision"], last["rounds"][1]["dev"]) == ("reject", None)
    assert last["champion"]["round"] == 1
    view = load_report_data(tmp_path / "run").rounds[1]
    assert (view.outcome, view.futility) == ("futility", view.verdict["futility"])
    page = (tmp_path / "run" / "report" / "index.html").read_text()
    markdown = (tmp_path / "run" / "summary.md").read_text()
    for text in (page, markdown):
        assert "rejected early" in text
        assert "13 of 40 asked" in text
    assert "stopped after 13 of 40 dev items" in page
    assert "round 2 rejected early" in page  # what a screen reader says of the chart


@pytest.mark.parametrize("script", [[CRASH], [SAME]], ids=["all crash", "all rejected"])
def test_a_run_without_a_champion_renders_and_compares_the_base_with_itself(
    tmp_path: Path, script: list[Effect]
) -> None:
    last = run_and_check(tmp_path / "run", script, 2)[-1]
    assert last["champion"]["round"] == 0
    assert last["champion"]["dev"] == last["baseline"]["dev"]
    assert last["test"]["before"] == last["test"]["after"]
    assert (last["test"]["delta"], last["test"]["p"]) == (0, 1.0)


def test_a_run_without_guard_and_few_shot_has_null_in_their_place(tmp_path: Path) -> None:
    settings = replace(TOY_SETTINGS, guard="", fewshot=0)
    recipe = replace(TOY_RECIPE, data=replace(TOY_RECIPE.data, general=0.0))
    last = run_and_check(tmp_path / "run", [BETTER], 1, settings=settings, recipe=recipe)[-1]
    assert last["guard"] is None
    assert last["baseline"]["dev_fewshot"] is None
    assert last["test"]["before_fewshot"] is None


def test_a_run_that_ended_early_says_why(tmp_path: Path) -> None:
    last = run_and_check(tmp_path / "run", [Effect(gain=1.0)], 5)[-1]
    assert last["status"] == "converged"
    assert "nothing fails on dev any more after round 1" in (tmp_path / "run" / "report" / "index.html").read_text()


def test_an_interrupted_run_is_stopped_and_running_again_when_resumed(tmp_path: Path) -> None:
    run = open_toy(tmp_path / "run", FakeWorkbench([BETTER]))
    baseline(run)
    interrupted(run, "interrupted; the same command goes on from here")
    write_reports(run.run_dir)
    assert check_summary(run.run_dir)["status"] == "stopped"
    seen = run_and_check(tmp_path / "run", [BETTER], 1)
    assert [summary["status"] for summary in seen] == ["running", "running", "finished"]


def test_a_run_whose_process_was_killed_is_called_unfinished_once_the_report_is_written_anew(tmp_path: Path) -> None:
    run = open_toy(tmp_path / "run", FakeWorkbench([BETTER]))

    def killed() -> None:
        if run.ledger.of_kind("round"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        iterate(run, 2, None, killed)
    with run_lock(run.run_dir):  # as while it went on
        page = write_reports(run.run_dir).read_text()
        assert "<title>Running: run</title>" in page
        assert 'data-refresh="30"' in page
        assert read_history(tmp_path).runs[0].status == "running"
    page = write_reports(run.run_dir).read_text()
    assert "<title>Unfinished: run</title>" in page
    assert ": unfinished, 1 of 2 rounds, " in page
    assert "; no process on this machine works on it; the command that began it goes on with it." in page
    assert "refresh" not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert check_summary(run.run_dir)["status"] == "running"  # as the ledger has it
    assert read_history(tmp_path).runs[0].status == "unfinished"


def test_a_baseline_alone_is_no_run_that_goes_on(tmp_path: Path) -> None:
    run = open_toy(tmp_path / "run", FakeWorkbench([]))
    baseline(run)
    page = write_reports(run.run_dir).read_text()
    assert "<title>Baseline: run</title>" in page
    assert ": baseline alone, " in page
    assert read_history(tmp_path).runs[0].status == "baseline"


def test_categories_are_counted_before_and_after(tmp_path: Path) -> None:
    first, *_, last = run_and_check(tmp_path / "run", [Effect(gain=0.5)], 1)
    assert {row["category"] for row in last["categories"]} == {"empty", "repetitive", "wrong_answer"}
    assert {row["skill"] for row in last["categories"]} == {"add", "reverse"}
    assert {row["n"] for row in last["categories"]} == {20}
    before, after = (sum(row[key] for row in last["categories"]) for key in ("before", "after"))
    assert before == first["baseline"]["dev"]["n"] - first["baseline"]["dev"]["correct"]
    assert after < before


def test_scores_are_split_by_tag(tmp_path: Path) -> None:
    first, *_, last = run_and_check(tmp_path / "run", [Effect(gain=0.5)], 1)
    assert [row["tag"] for row in last["tags"]] == ["expansion", "extraction"]
    for when, whole in (("before", first["baseline"]["dev"]), ("after", last["champion"]["dev"])):
        for what in ("n", "correct"):
            assert sum(row[when][what] for row in last["tags"]) == whole[what]
    assert {row["before"]["value"] for row in last["tags"]} == {row["after"]["value"] for row in first["tags"]}
    assert last["tags"][0]["after"]["value"] > last["tags"][0]["before"]["value"]
    assert "## By tag" in (tmp_path / "run" / "summary.md").read_text()


def test_writing_the_report_changes_nothing_else_and_twice_the_same(tmp_path: Path) -> None:
    run_and_check(tmp_path / "run", [BETTER, WORSE], 2)
    before = tree(tmp_path / "run")
    write_reports(tmp_path / "run")
    assert tree(tmp_path / "run") == before


def test_the_report_shows_what_the_run_directory_holds(tmp_path: Path) -> None:
    run_and_check(tmp_path / "run", [BETTER, CRASH], 2)
    data = load_report_data(tmp_path / "run")
    assert [view.verdict["decision"] for view in data.rounds] == ["promote", "crash"]
    assert len(data.rounds[0].rows) == data.rounds[0].entry["train_rows"] == 12
    assert data.test_after is not None
    assert data.test_before is not None
    assert data.test_after.score.as_dict() == data.summary["test"]["after"]
    assert data.stopped == "all 2 rounds done"


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        write_reports(tmp_path)
    assert str(caught.value) == f"{tmp_path}: not a run directory (no manifest.json)"


def test_a_run_without_a_baseline_has_nothing_to_report(tmp_path: Path) -> None:
    open_toy(tmp_path / "run", FakeWorkbench())
    with pytest.raises(InputError, match=r"no baseline yet; run 'harness baseline --out "):
        write_reports(tmp_path / "run")


@pytest.mark.parametrize("name", ["baseline/dev/responses.parquet", "rounds/001/verdict.json"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    run_and_check(tmp_path / "run", [BETTER], 1)
    (tmp_path / "run" / name).write_bytes(b"{damaged")
    with pytest.raises(InputError, match=name):
        write_reports(tmp_path / "run")


def test_the_manifest_tells_what_the_run_was_made_of(tmp_path: Path) -> None:
    run_and_check(tmp_path / "run", [BETTER], 1)
    manifest = read_json(tmp_path / "run" / "manifest.json")
    keys = ["classifiers", "data", "may_trigger", "model", "precedence", "recipe", "settings"]
    assert sorted(manifest["identity"]) == keys
    assert manifest["identity"]["data"]["items"]["dev"] == 40
    assert len(manifest["identity_sha256"]) == len(sha256_file(tmp_path / "run" / "manifest.json"))


def gated_toy(times: int = 0) -> tuple[Prepared, DomainState]:
    """The toy's items, and its record, in which ``times`` other runs have opened test."""
    record = DomainState.open(state_folder(), "toy", lambda: TOY_TIME)
    prepared = prepare(toy_domain(), toy_guard(), FakeWorkbench(), None, TOY_SETTINGS.fewshot, None, state=record)
    for number in range(times):
        record.open_test([item.item_id for item in prepared.test], f"earlier run {number}", 1)
    return prepared, record


def summary_mismatches(run_dir: Path) -> list[str]:
    return [str(each) for each in verify_run(run_dir).mismatches if each.where == "summary.json"]


@pytest.mark.parametrize("times", [2, 3])
def test_the_fourth_opening_of_test_is_shown_on_request_only(tmp_path: Path, times: int) -> None:
    prepared, record = gated_toy(times)
    run_dir = tmp_path / "run"
    run = open_toy(run_dir, FakeWorkbench([LEAP]), prepared=prepared)
    run.record = record
    iterate(run, 1, None, lambda: None)
    write_reports(run_dir)
    summary = check_summary(run_dir)
    assert summary["test_openings"] == times + 1
    sets = {row["items"] for row in summary["metrics"]} | {row["items"] for row in summary["confusion"]}
    data = load_report_data(run_dir)
    if times == 2:
        assert summary["test"]["round"] == 1
        assert "test" in sets
        assert data.test_after is not None
        return
    assert (summary["test"], summary["test_certified"]) == (None, None)
    assert "test" not in sets
    assert (data.test_before, data.test_before_fewshot, data.test_after) == (None, None, None)
    assert (data.final_round, summary["guard"]["after"]["n"]) == (1, summary["guard"]["before"]["n"])
    for name in ("report/index.html", "summary.md"):
        assert "these items were opened 4 times over all runs" in (run_dir / name).read_text()
    assert summary_mismatches(run_dir) == []

    write_reports(run_dir, worn=True)
    shown = check_summary(run_dir)
    assert shown["test"]["round"] == 1
    assert "test" in {row["items"] for row in shown["metrics"]}
    assert load_report_data(run_dir, worn=True).test_after is not None
    for name in ("report/index.html", "summary.md"):
        assert "worn (opening 4)" in (run_dir / name).read_text()
    assert summary_mismatches(run_dir) == []


def test_looks_are_in_the_summary_with_their_bit_and_no_more(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    prepared, record = gated_toy()
    run = open_toy(run_dir, FakeWorkbench([LEAP, SAME]), prepared=prepared)
    run.record = record
    iterate(run, 2, None, lambda: None)
    write_reports(run_dir)
    summary = check_summary(run_dir)
    entries = Ledger(run_dir / "ledger.jsonl", writable=False).of_kind("round")
    looked = [entry.data for entry in entries if entry.data["tier"] and entry.data["tier"]["look"]]
    assert looked
    assert [(look["round"], look["alpha"], look["certified"]) for look in summary["looks"]] == [
        (data["round"], data["tier"]["look"]["alpha"], data["certified"]) for data in looked
    ]
    assert [look["place"] for look in summary["looks"]] == list(range(1, len(looked) + 1))
    certified = [data["round"] for data in looked if data["certified"]]
    assert summary["certified_round"] == (certified[-1] if certified else None)
    sealed = {item.item_id for item in prepared.gate}
    page = (run_dir / "report" / "index.html").read_text() + (run_dir / "summary.md").read_text()
    assert sealed
    assert not [item_id for item_id in sealed if item_id in page]
