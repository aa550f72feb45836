"""A made-up but realistic run for the reports' tests, and for looking at: no model, no files, the same every time."""

from __future__ import annotations

import base64
import gzip
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from report_items import HOSTILE, SKILLS, make_doc, make_evaluation

from harness.evaluated import Evaluation
from harness.evaluation.items import Score, item_id
from harness.evaluation.work import Work
from harness.gate.paired import pair
from harness.gate.verdict import Decision, Paired, Verdict, against
from harness.loop.profile import Cost
from harness.reporting.data import ReportData, RoundView
from harness.reporting.outcomes import outcomes_of
from harness.reporting.summary import optimism_gap

CURVE = (0.045, 0.112, 0.223, 0.205, 0.312, 0.0, 0.348, 0.341, 0.402, 0.418, 0.455, 0.447, 0.471, 0.502)
"""Share right by round, 0 the untouched model."""


def count_categories(evaluation: Evaluation) -> dict[str, int]:
    """Failing items by ``skill/category``."""
    counts: dict[str, int] = {}
    for result, record in zip(evaluation.results, evaluation.errors, strict=True):
        if record.primary is not None:
            key = f"{result.skill}/{record.primary}"
            counts[key] = counts.get(key, 0) + 1
    return counts


def paired(before: Evaluation, after: Evaluation) -> Paired:
    """The comparison of two evaluations of the same items."""
    return pair(before.correctness(), after.correctness(), before.clusters())


def _score(evaluation: Evaluation) -> Mapping[str, Any]:
    return evaluation.score.as_dict()


def _rows(number: int, rng: random.Random, hostile: bool, skills: tuple[str, ...]) -> list[dict[str, Any]]:
    rows = []
    for index in range(200):
        origin = ("failing", "failing", "broken" if number > 1 else "failing", "replay", "general")[index % 5]
        skill = "general" if origin == "general" else skills[index % len(skills)]
        if skill == "general":
            prompt, completion = f"Which is larger, {index} or {index + 7}?", str(index + 7)
        else:
            _, prompt, completion = make_doc(skill, rng, index)
        rows.append(
            {
                "row_id": item_id("train", {"round": number, "index": index}),
                "skill": skill,
                "prompt": HOSTILE[index % 16] + prompt if hostile else prompt,
                "completion": HOSTILE[index % 16] + completion if hostile else completion,
                "origin": origin,
                "cell": f"{skill}/wrong_answer" if origin in ("failing", "broken") else None,
            }
        )
    return rows


def _targets(counts: Mapping[str, int], n: int) -> list[dict[str, Any]]:
    worst = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:3]
    total = sum(count for _, count in worst) or 1
    return [
        {
            "cell": cell,
            "share": count / total,
            "cost": 100 * count / n,
            "reason": f"{count} of {n // 4} items fail so; not tried before",
        }
        for cell, count in worst
    ]


def _round(
    number: int,
    champion: Evaluation,
    candidate: Evaluation,
    decision: Decision,
    hostile: bool,
    met: int,
    skills: tuple[str, ...],
) -> RoundView:
    rng = random.Random(number)
    scored = decision not in ("crash", "invalid")
    compared = paired(champion, candidate) if scored else None
    if compared is not None:
        reason = f"{compared.fixed} fixed, {compared.broken} broken: mid-p {against(compared.midp, 0.35)}"
        rule = "midp"
    else:
        reason, rule = "training loss was not finite at step 5; the champion stands", "crash"
    if hostile:
        reason += " " + HOSTILE[number % 16]
    targets = _targets(count_categories(champion), len(champion.results))
    losses = [(step, 2.4 / (1 + 0.35 * step) + 0.15 * rng.random() + 0.2) for step in range(1, 26)]
    rows = _rows(number, rng, hostile, skills)
    return RoundView(
        number=number,
        entry={
            "round": number,
            "recipe": "lora",
            "targets": [target["cell"] for target in targets],
            "train_rows": len(rows),
            "train_tokens": 24_000 + 137 * number,
            "dev": _score(candidate) if scored else None,
            "decision": decision,
            "certified": None,
            "reason": reason,
            "seconds": {
                "mine": 14.0 + number / 4,
                "train": 41.0 + number / 3,
                "evaluate": 24.0 if scored else 0.0,
                "other": 1.5,
            },
        },
        verdict=Verdict(decision, rule, reason, compared).as_dict(),
        targets=targets,
        rows=rows,
        losses=losses if scored else [*losses[:4], (5, float("nan"))],
        categories=count_categories(candidate) if scored else {},
        learner={"start": "latest", "learning_rate": 3e-4, "rank": 16},
        met=met,
        asked=outcomes_of(candidate) if scored else None,
        curation=_curation(targets, rows, hostile),
    )


def _curation(targets: list[dict[str, Any]], rows: list[dict[str, Any]], hostile: bool) -> dict[str, Any]:
    delivered = Counter(row["cell"] for row in rows if row["cell"])
    asked = {target["cell"]: round(120 * target["share"]) for target in targets}
    short = [f"{cell}: {delivered[cell]} of {asked[cell]} rows" for cell in asked if delivered[cell] < asked[cell]]
    short += [HOSTILE[1]] if hostile else []
    return {"asked_cells": asked, "delivered_cells": dict(delivered), "shortages": short, "mined": 224}


def _decision(number: int, better: bool, crash_round: int | None) -> Decision:
    if number == crash_round:
        return "crash"
    return "promote" if better else "reject"


def make_report_data(
    rounds: int = 6,
    finished: bool = True,
    hostile: bool = False,
    *,
    guard: bool = True,
    fewshot: bool = True,
    all_rejected: bool = False,
    crash_round: int | None = 5,
    share: Callable[[int], float] | None = None,
    test_share: float | None = None,
    n: int = 600,
    skills: tuple[str, ...] = SKILLS,
) -> ReportData:
    """A run on the helpdesk domain.

    Args:
        rounds: rounds done, 0 to 13, more with a ``share`` of its own.
        finished: whether test and guard were opened and the status says so.
        hostile: whether every text that a model, a task or a configuration supplies carries `HOSTILE`.
        guard, fewshot: whether these arms exist.
        all_rejected: whether no candidate is any better.
        crash_round: this round's training failed; ``None`` for no such round.
        share: true share right by round, in place of `CURVE`.
        test_share: true share right of the champion on test, where it is not to be what dev promises.
        n: dev and test items each.
        skills: of these items, which cycle through them.
    """
    truth = share or (lambda number: CURVE[0] if all_rejected else CURVE[number])
    baseline = make_evaluation("dev", truth(0), n, 0, skills, hostile)
    champion, best, views = baseline, 0, []
    for number in range(1, rounds + 1):
        candidate = make_evaluation("dev", truth(number), n, number, skills, hostile)
        better = candidate.score.value > champion.score.value and not all_rejected
        decision = _decision(number, better, crash_round)
        views.append(_round(number, champion, candidate, decision, hostile, best, skills))
        if decision == "promote":
            champion, best = candidate, number

    few = make_evaluation("dev_fewshot", 0.262, n, 99, skills, hostile) if fewshot else None
    data = ReportData(
        summary={},
        manifest=_manifest(hostile),
        rounds=tuple(views),
        baseline_dev=baseline,
        champion_dev=champion,
        baseline_dev_fewshot=few,
        baseline_categories=count_categories(baseline),
        stopped=f"all {rounds} rounds done" if finished else "",
        costs={
            "baseline": Cost(95.0, Work(prompt_tokens=80_000, new_tokens=9_000, prefill_tokens=50_000)),
            "train": Cost(40.0 * rounds, Work(prompt_tokens=24_000 * rounds, train_tokens=9_000 * rounds)),
        },
        ledger_head="9f2b6c" + "0a7d51e3" * 7 + "4c" if rounds else "",
    )
    if finished:
        before = make_evaluation("test", truth(0), n, 0, skills, hostile)
        reached = truth(best) - 0.02 if test_share is None else test_share
        data = replace(
            data,
            test_before=before,
            test_before_fewshot=make_evaluation("test_fewshot", 0.262, n, 98, skills, hostile) if fewshot else None,
            test_after=make_evaluation("test", reached, n, best, skills, hostile) if best else before,
        )
    if finished and guard:
        old = make_evaluation("guard", 0.47, 300, 0, ("general",), hostile)
        data = replace(
            data,
            guard_before=old,
            guard_after=make_evaluation("guard", 0.465, 300, best, ("general",), hostile) if best else old,
        )
    data = replace(data, final_round=best if finished else None)
    return replace(data, summary=_summary(data, best, rounds, finished, hostile))


def _summary(data: ReportData, best: int, rounds: int, finished: bool, hostile: bool) -> dict[str, Any]:
    test = _test_summary(data, best)
    return {
        "schema": 1,
        "run": HOSTILE[2] if hostile else "helpdesk-smollm2-seed1",
        "status": "finished" if finished else "running",
        "model": HOSTILE[0] if hostile else "smollm2-135m-instruct",
        "domain": HOSTILE[12] if hostile else "helpdesk",
        "rounds_asked": rounds if finished else max(rounds, 10),
        "rounds_done": rounds,
        "seconds": 95.0 + 83.4 * rounds + (60.0 if finished else 0.0),
        "baseline": {
            "dev": _score(data.baseline_dev),
            "dev_fewshot": _score(data.baseline_dev_fewshot) if data.baseline_dev_fewshot else None,
        },
        "champion": {"round": best, "dev": _score(data.champion_dev)},
        "certified_round": None,
        "looks": [],
        "test_certified": None,
        "test_openings": 1 if finished else None,
        "test": test,
        "optimism_gap": optimism_gap(data.champion_dev.score.value - data.baseline_dev.score.value, best, test),
        "guard": _guard_summary(data),
        "categories": _category_summary(data),
        "tags": _tag_summary(data),
        "not_assessed": [],
        "rounds": [dict(view.entry) for view in data.rounds],
    }


def _test_summary(data: ReportData, best: int) -> dict[str, Any] | None:
    if data.test_before is None or data.test_after is None:
        return None
    compared = paired(data.test_before, data.test_after)
    few = data.test_before_fewshot
    return {
        "model": "champion",
        "round": best,
        "before": _score(data.test_before),
        "before_fewshot": _score(few) if few else None,
        "after": _score(data.test_after),
        "delta": compared.delta,
        "ci95": list(compared.ci95),
        "p": compared.p,
    }


def _guard_summary(data: ReportData) -> dict[str, Any] | None:
    if data.guard_before is None or data.guard_after is None:
        return None
    compared = paired(data.guard_before, data.guard_after)
    return {
        "before": _score(data.guard_before),
        "after": _score(data.guard_after),
        "delta": compared.delta,
        "ci95": list(compared.ci95),
        "mde": compared.mde,
    }


def _category_summary(data: ReportData) -> list[dict[str, Any]]:
    before, after = data.baseline_categories, count_categories(data.champion_dev)
    sizes: dict[str, Score] = data.baseline_dev.by_skill()
    rows = []
    for key in sorted({*before, *after}):
        skill, _, category = key.partition("/")
        rows.append(
            {
                "skill": skill,
                "category": category,
                "before": before.get(key, 0),
                "after": after.get(key, 0),
                "n": sizes[skill].n,
            }
        )
    return rows


def _tag_summary(data: ReportData) -> list[dict[str, Any]]:
    before, after = data.baseline_dev.by_tag(), data.champion_dev.by_tag()
    return [{"tag": tag, "before": before[tag].as_dict(), "after": after[tag].as_dict()} for tag in before]


def _manifest(hostile: bool) -> dict[str, Any]:
    manifest: dict[str, Any] = {
        "command": ["harness", "iterate", "--rounds", "6", "--domain", "helpdesk", "--out", "runs/my run"],
        "seed": 1,
        "device": "cpu, 2 cores, float32",
        "model": {
            "reference": "smollm2-135m-instruct",
            "sha256": "5af571cbf074e6d21a03528d2330792e532ca608f24ac70a143f6b369968ab8c",
        },
        "versions": {"harness": "0.1.0", "lm_eval": "0.4.13", "torch": "2.13.0", "transformers": "5.23.0"},
        "data": {"dev": 600, "test": 600, "guard": 300, "skills": list(SKILLS)},
        "classifiers": {"empty": "1", "too_long": "1", "invalid_format": "1"},
        "notes": {},
    }
    if hostile:
        manifest["hostile"] = {str(index): payload for index, payload in enumerate(HOSTILE)}
        manifest[HOSTILE[0]] = HOSTILE[1]
    return manifest


def rows_of(page: str) -> list[dict[str, Any]]:
    """What the page's compressed block holds."""
    (block,) = re.findall(r'id="responses-data">([A-Za-z0-9+/=]*)</script>', page)
    rows: list[dict[str, Any]] = json.loads(gzip.decompress(base64.b64decode(block)))
    return rows
