"""`harness verify` of runs tampered with, every hash made good: what is claimed must follow from the responses."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_workbench import open_toy
from verified_runs import SETTINGS, change, change_entry, change_rows, lines, make_good

import harness.verify.labels
from harness.ledger import GENESIS, Ledger, entry_hash
from harness.storage import canonical_json, read_json, sha256_text
from harness.verify.verify import verify_run


def flip_score(frame: Any) -> None:
    frame.loc[frame["correct"] == 0, ("correct", "metrics")] = (1.0, '{"exact_match": 1.0}')


def swap_categories(frame: Any) -> None:
    frame["primary"] = frame["primary"].replace({"empty": "wrong_answer"})


def other_rows(path: Path) -> None:
    rows = path.read_text().splitlines()
    path.write_text("\n".join([rows[1], rows[0], *rows[2:]]) + "\n")


def forge_verdict(run: Path) -> None:
    path = run / "rounds/001/verdict.json"
    change(path, lambda verdict: verdict["dev"].update(midp=0.001))
    digest = sha256_text(json.dumps(read_json(path), sort_keys=True))
    change_entry(run, "round", lambda data: data.update(verdict_sha256=digest))


FORGERIES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "an item's score": (
        lambda run: change_rows(run / "baseline/dev/responses.parquet", flip_score),
        "baseline/dev/scores.json: content.score.",
    ),
    "an item's score on its own": (
        lambda run: change_rows(run / "rounds/001/dev/responses.parquet", lambda f: f.__setitem__("correct", 1.0)),
        "rounds/001/dev/responses.parquet: scores of task toy_add: expected one of its metrics",
    ),
    "a score that its answer does not bear out": (
        lambda run: change_rows(
            run / "final/002/guard/responses.parquet", lambda f: f.__setitem__("target", "neither")
        ),
        "final/002/guard/responses.parquet: score of item ",
    ),
    "a document": (
        lambda run: change_rows(run / "baseline/dev/responses.parquet", lambda f: f.__setitem__("doc", "{}")),
        "baseline/dev/responses.parquet: item id: expected ",
    ),
    "a primary category": (
        lambda run: change_rows(run / "rounds/001/mine/errors.parquet", swap_categories),
        "rounds/001/mine/scores.json: content.categories",
    ),
    "a response": (
        lambda run: change_rows(
            run / "rounds/001/dev/responses.parquet",
            lambda f: f.__setitem__("response", "no no no no no no no no no no"),
        ),
        "rounds/001/dev/errors.parquet: labels of item ",
    ),
    "counts": (
        lambda run: change(run / "baseline/dev/scores.json", lambda s: s["categories"].update(empty=1)),
        "baseline/dev/scores.json: content.categories.empty: expected ",
    ),
    "a paired test": (
        lambda run: change(run / "rounds/001/verdict.json", lambda v: v["dev"].update(midp=0.001)),
        "rounds/001/verdict.json: hash in the ledger: ",
    ),
    "a paired test and its hash in the ledger": (
        lambda run: forge_verdict(run),
        "rounds/001/verdict.json: dev.midp: expected ",
    ),
    "a decision": (
        lambda run: change_entry(run, "round", lambda d: d.update(decision="promote", champion=2), 1),
        "ledger.jsonl:6: round.champion: expected 1, found 2",
    ),
    "a target": (
        lambda run: change(run / "rounds/002/curate.done.json", lambda r: r["result"]["targets"][0].update(share=0.9)),
        "rounds/002/curate.done.json: targets[0].share: expected ",
    ),
    "the training rows": (
        lambda run: other_rows(run / "rounds/001/train.jsonl"),
        "rounds/001/train.jsonl: rows[0]",
    ),
    "the learner's rate": (
        lambda run: change(run / "rounds/002/train.done.json", lambda r: r["result"]["learner"].update(rate=1e-5)),
        "ledger.jsonl:6: round.learner.rate: expected 1e-05, found 0.0004",
    ),
    "the bit of a look": (
        lambda run: change(run / "rounds/001/certify.done.json", lambda r: r["result"].update(certified=True)),
        "rounds/001/certify.done.json: result.certified: expected False, found True",
    ),
    "the bit of a look in the ledger": (
        lambda run: change_entry(run, "round", lambda d: d.update(certified=True)),
        "ledger.jsonl:5: verdict.certified: expected False, found True",
    ),
    "the level of a look": (
        lambda run: change(run / "rounds/001/certify.done.json", lambda r: r["result"]["look"].update(alpha=0.05)),
        "rounds/001/certify.done.json: level of the look: expected 0.00625, found 0.05",
    ),
    "the looks before": (
        lambda run: change(run / "rounds/001/certify.done.json", lambda r: r["result"].update(looks=[[0.00625, True]])),
        "rounds/001/certify.done.json: result.reason: expected ",
    ),
    "the entry of a look": (
        lambda run: change_entry(run, "look", lambda d: d.update(alpha=0.05)),
        "ledger.jsonl:4: look.alpha: expected 0.00625, found 0.05",
    ),
    "the comparison with the anchor": (
        lambda run: change(run / "rounds/001/certify.done.json", lambda r: r["result"]["dev"].update(fixed=99)),
        "rounds/001/certify.done.json: result.dev.fixed: expected ",
    ),
    "where the anchor's answers are": (
        lambda run: change(
            run / "rounds/001/certify.done.json", lambda r: r["result"]["against"].update(anchor_dev="baseline/gate")
        ),
        "rounds/001/certify.done.json: result.against.anchor_dev: expected baseline/dev, found baseline/gate",
    ),
    "what the guard says": (
        lambda run: change(run / "rounds/001/certify.done.json", lambda r: r["result"]["guard"].update(blocks=True)),
        "rounds/001/certify.done.json: result.guard.blocks: expected False, found True",
    ),
    "a rollback": (
        lambda run: change(run / "rounds/001/certify.done.json", lambda r: r["result"].update(rollback="harm")),
        "rounds/001/certify.done.json: result.rollback: expected None, found harm",
    ),
    "cells to watch": (
        lambda run: change(run / "rounds/001/certify.done.json", lambda r: r["result"].update(watch=[["add", "x"]])),
        "rounds/001/certify.done.json: result.watch length: expected 0, found 1",
    ),
    "the anchor": (
        lambda run: change_entry(run, "round", lambda d: d.update(anchor=1)),
        "ledger.jsonl:5: round.anchor: expected 0, found 1",
    ),
    "another phase's inputs": (
        lambda run: change(run / "rounds/002/mine.done.json", lambda r: r.update(inputs="0" * 64)),
        "rounds/002/mine.done.json: hash of the inputs: expected ",
    ),
    "the baseline": (
        lambda run: change_entry(run, "baseline", lambda d: d["dev"].update(correct=1)),
        "ledger.jsonl:2: baseline.dev.correct: expected 15, found 1",
    ),
    "the test result": (
        lambda run: change_entry(run, "final", lambda d: d["test"]["ci95"].__setitem__(0, 0.1)),
        "ledger.jsonl:8: final result.test.ci95[0]: expected ",
    ),
    "the number of openings": (
        lambda run: change_entry(run, "final", lambda d: d.update(openings=0)),
        "ledger.jsonl:8: final result.openings: expected 1, found 0",
    ),
    "the summary": (
        lambda run: change(run / "summary.json", lambda s: s["champion"]["dev"].update(value=0.99)),
        "summary.json: summary.champion.dev.value: expected ",
    ),
    "a metric of the summary": (
        lambda run: change(run / "summary.json", lambda s: s["metrics"][0]["before"].update(value=0.5)),
        "summary.json: summary.metrics[0].before.value: expected ",
    ),
    "a perplexity": (
        lambda run: change(
            run / "baseline/perplexity.done.json",
            lambda r: r["result"]["figures"]["add"][0].update(value=1.5),
        ),
        "baseline/perplexity.done.json: figures.add[0].value: expected ",
    ),
    "the settings": (
        lambda run: (run / "config.yaml").write_text((run / "config.yaml").read_text().replace("seed: 0", "seed: 1")),
        "config.yaml: settings.seed: expected 0, found 1",
    ),
    "the identity": (
        lambda run: change(run / "manifest.json", lambda m: m["identity"]["settings"].update(seed=1)),
        "manifest.json: hash of the identity: expected ",
    ),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forgery_with_good_hashes_is_named(run: Path, what: str) -> None:
    forge, first = FORGERIES[what]
    forge(run)
    make_good(run)
    assert lines(verify_run(run))[0].startswith(first)


def test_covering_up_alone_changes_nothing(run: Path) -> None:
    make_good(run)
    assert lines(verify_run(run)) == []


def test_both_tiers_are_recomputed_with_the_domains_record(tiered: Path) -> None:
    findings = verify_run(tiered)
    assert lines(findings) == []
    assert findings.notes == []
    rounds = [entry.data for entry in Ledger(tiered / "ledger.jsonl").of_kind("round")]
    assert [(data["decision"], data["certified"]) for data in rounds[:4]] == [
        ("promote", True), ("promote", None), ("promote", rounds[2]["certified"]), ("rollback", None)
    ]  # fmt: skip
    assert rounds[2]["tier"]["look"]["number"] == 2
    finals = [entry.data for entry in Ledger(tiered / "ledger.jsonl").of_kind("final")]
    assert finals[0]["test_certified"]["round"] == 1
    assert findings.checked["second tiers"] == 16
    assert findings.checked["test results"] == 2


def test_a_run_is_not_believed_what_its_domains_record_does_not_say(tiered: Path, tmp_path: Path) -> None:
    path = tmp_path / "state" / "toy.jsonl"
    lines_of = [json.loads(line) for line in path.read_text().splitlines()]

    def rewrite(edit: Callable[[list[Any]], None]) -> list[str]:
        entries = json.loads(json.dumps(lines_of))
        edit(entries)
        prev, written = GENESIS, []
        for seq, entry in enumerate(entries):
            prev = entry_hash(seq, entry["time"], entry["kind"], entry["data"], before := prev)
            written.append(canonical_json({**entry, "seq": seq, "prev": before, "hash": prev}))
        path.write_text("".join(f"{line}\n" for line in written))
        return lines(verify_run(tiered))

    assert rewrite(lambda entries: None) == []
    verdict = next(place for place, entry in enumerate(lines_of) if entry["kind"] == "verdict")
    look = next(place for place, entry in enumerate(lines_of) if entry["kind"] == "look")
    place = "rounds/001/certify.done.json: look, by the domain's record"
    assert rewrite(lambda entries: entries[verdict]["data"].update(certified=False))[0].startswith(f"{place}[2]: ")
    assert rewrite(lambda entries: entries[look]["data"].update(round=2))[0].startswith(f"{place}[0]: ")
    again = {**lines_of[look]["data"], "round": 1}
    hidden = rewrite(lambda entries: entries.append({**lines_of[look], "data": again}))
    assert hidden[0].startswith("ledger.jsonl: looks at gate: expected look ")
    opened = next(place for place, entry in enumerate(lines_of) if entry["kind"] == "test_opened")
    twice = rewrite(lambda entries: entries.insert(opened, {**lines_of[opened], "data": {
        **lines_of[opened]["data"], "run": "another"}}))  # fmt: skip
    assert twice[0].partition(": ")[2].startswith("final result.openings: expected 2, found 1")


def test_a_link_to_another_round_is_named(run: Path) -> None:
    (run / "champion").unlink()
    (run / "champion").symlink_to("rounds/002")
    (run / "certified").symlink_to("rounds/001")
    assert lines(verify_run(run)) == [
        "champion: target of the link: expected rounds/001, found rounds/002",
        "certified: target of the link: expected no link, found rounds/001",
    ]


@pytest.mark.parametrize("processes", [1, 2])
def test_processes_beside_find_the_same_in_the_same_order(
    short_run: Path, run: Path, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    monkeypatch.setattr(harness.verify.labels, "PROCESSES", processes)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    for name in ("baseline/dev", "rounds/001/mine", "final/002/test"):
        change_rows(run / name / "errors.parquet", lambda frame: frame.__setitem__("labels", "[]"))
    make_good(run)
    expected = verify_run(run)
    assert len(expected.mismatches) > 3
    monkeypatch.setattr(harness.verify.labels, "BESIDE", 0)
    found = verify_run(run)
    assert lines(found) == lines(expected)
    assert found.checked == expected.checked
    assert lines(verify_run(short_run)) == []


def test_the_prompts_that_were_compared_are_compared_again(tmp_path: Path) -> None:
    from test_prompts import TOY_PROMPTS, Careful
    from toy import toy_guard, write_toy_tasks

    from harness.evaluation.domain import load_domain
    from harness.loop.prepare import prepare
    from harness.loop.prompts import score_prompts
    from harness.loop.run import baseline

    tasks = write_toy_tasks(tmp_path / "tasks")
    (tasks / "prompts.yaml").write_text(TOY_PROMPTS)
    workbench = Careful()
    prepared = prepare(load_domain("toy", [tasks]), toy_guard(), workbench, None, SETTINGS.fewshot, None)
    session = open_toy(tmp_path / "run", workbench, settings=SETTINGS, prepared=prepared)
    baseline(session)
    score_prompts(session, ["careful"])
    findings = verify_run(tmp_path / "run")
    assert lines(findings) == []
    assert findings.checked["comparisons of prompts"] == 1
    path = tmp_path / "run" / "baseline" / "prompts.json"
    assert read_json(path)["any"]["honest"]["delta"] > 0
    change(path, lambda found: found["any"]["honest"].update(delta=0.9))
    assert lines(verify_run(tmp_path / "run"))[0].startswith("baseline/prompts.json: content.any.honest.delta: ")
