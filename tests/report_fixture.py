"""A made-up but realistic run for the reports' tests, and for looking at: no model, no files, the same every time."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from harness.errors.contract import ErrorLabel, ErrorRecord
from harness.evaluated import Evaluation
from harness.evaluation.items import FinishReason, ItemResult, Score, item_id
from harness.gate.paired import pair
from harness.gate.verdict import Decision, Paired, Verdict, against
from harness.reporting.data import ReportData, RoundView
from harness.reporting.summary import optimism_gap

SKILLS = ("extraction", "routing", "grounded", "scope")
QUEUES = ("billing", "delivery", "returns", "repairs", "warranty", "account", "spare parts", "orders")
PRODUCTS = ("Halden kettle", "Orrin lamp", "Vesper fan", "Tamsin toaster", "Corbel drill", "Ludo scale")
PEOPLE = ("Ada Renwick", "Tomas Birk", "Ines Calder", "Noor Haddad", "Piet Vroman", "Maeve Lorne")
REDIRECT = "I can only help with questions about our products and orders."
CURVE = (0.045, 0.112, 0.223, 0.205, 0.312, 0.0, 0.348, 0.341, 0.402, 0.418, 0.455, 0.447, 0.471, 0.502)
"""Share right by round, 0 the untouched model."""

HUGE = "A" * 5_000_000
HOSTILE: tuple[str, ...] = (
    "<script>alert(1)</script>",
    "</style><script>alert(2)</script>",
    '"><img src=x onerror=alert(3)>',
    "<svg/onload=alert(4)>",
    '<a href="javascript:alert(5)">press</a>',
    "' onmouseover='alert(6)",
    "<!--<script>alert(7)//-->",
    "]]><script>alert(8)</script>",
    "<iframe srcdoc='<script>alert(9)</script>'></iframe>",
    "{{ view.__class__.__mro__ }}{% raw %}",
    "\x1b[31mred\x1b[0m\x07 \x1b]0;title\x07",
    "safe\u202egnp.exe\u2066\u2069\u200f\u200b\ufeff",
    "nul\x00 c1\x9b del\x7f line\u2028break\u2029end\r",
    "lone \ud800 surrogate \udfff",
    "::error file=x.py,line=1::boom",
    "##[error]boom ::set-output name=a::b",
    "| a | b |\n|---|---|\n| `c` | **d** | [e](javascript:alert(10)) ![f](https://evil.example/x.png)",
    "=cmd|' /C calc'!A0",
    "&lt;script&gt;alert(11)&lt;/script&gt; &#60;b&#62; &amp;",
    "https://evil.example/ www.evil.example @everyone ```\n# heading\n- list\n> quote",
    "Z\u0335\u0321\u0322a\u0336\u0315l\u0338g\u0334o " + "\u0301" * 40,
    HUGE,
)


def _doc(skill: str, rng: random.Random, number: int) -> tuple[dict[str, Any], str, str]:
    """Document, prompt and target of one item."""
    person, product, order = rng.choice(PEOPLE), rng.choice(PRODUCTS), rng.randint(10_000, 99_999)
    if skill == "extraction":
        gold = {"name": person, "product": product, "order_id": order if number % 3 else None}
        ask = f"Order {order}. " if number % 3 else ""
        other = rng.choice(PRODUCTS)
        text = f"{ask}Hello, {person} here. The {product} I got on Monday hums; my neighbour's {other} does not."
        prompt = f"Return name, product and order_id as JSON; null where nothing is said.\n\nMessage: {text}"
        return {"number": number, "text": text}, prompt, json.dumps(gold)
    if skill == "routing":
        queue = rng.choice(QUEUES)
        text = f"Who looks after {queue} for my {product}? It has been {rng.randint(2, 30)} days, says {person}."
        prompt = f"Name the queue this message belongs to: {', '.join(QUEUES)}.\n\nMessage: {text}"
        return {"number": number, "text": text}, prompt, queue
    if skill == "grounded":
        days = rng.randint(10, 60)
        text = (
            f"Unopened goods can be returned within {days} days of delivery. "
            f"The {product} carries a {days // 5}-year guarantee."
        )
        ask = "Question: How long may I return it?"
        prompt = f"Answer from the passage alone, in one short phrase.\n\nPassage: {text}\n{ask}"
        return {"number": number, "text": text}, prompt, f"within {days} days of delivery"
    off = number % 2 == 0
    country = rng.choice(("France", "Peru", "Kenya"))
    text = f"What is the capital of {country}?" if off else f"Does the {product} come in red?"
    prompt = f"Answer only what concerns our products; redirect all else in one sentence.\n\nCustomer: {text}"
    return {"number": number, "text": text}, prompt, REDIRECT if off else f"Yes, the {product} comes in red."


def _wrong(skill: str, target: str, rng: random.Random) -> tuple[str, str, tuple[int, int] | None, str]:
    """A wrong response, its category, the evidence span and the reason."""
    kind = rng.random()
    if kind < 0.12:
        return "", "empty", None, "no visible character"
    if kind < 0.25:
        text = "Sure! " + "I am happy to help you with that. " * 6
        return text, "repetitive", (6, len(text)), "one sentence six times"
    if skill == "extraction" and kind < 0.75:
        text = target[:-1].replace('"product"', "product") + ","
        return text, "invalid_format", (text.find("product"), text.find("product") + 7), "expected a quoted key"
    if skill == "scope" and kind < 0.7:
        return "The answer to that is quite well known.", "missed_refusal", None, "the question is off the subject"
    if skill == "grounded" and kind < 0.5:
        text = f"According to the passage you may send it back {target}, which is very generous of the maker indeed."
        return text, "too_long", (40, len(text)), "19 words, at most 8"
    others = [queue for queue in QUEUES if queue != target]
    text = rng.choice(others) if skill == "routing" else f"It is about the {rng.choice(PRODUCTS)}."
    return text, "wrong_answer", (0, len(text)), "differs from the gold answer"


def make_evaluation(
    name: str, share: float, n: int, seed: int, skills: tuple[str, ...] = SKILLS, hostile: bool = False
) -> Evaluation:
    """An evaluation in which about ``share`` of ``n`` items are right; a higher share keeps most of what was right.

    Args:
        name: also chooses the items: ``dev_fewshot`` and ``dev`` have the same ones.
        share: 0 to 1.
        n: items.
        seed: of the model's luck.
        skills: items cycle through them.
        hostile: whether prompts, golds, responses and reasons carry `HOSTILE`.
    """
    rng = random.Random(name.split("_")[0])
    luck = random.Random(f"{name} {seed}")
    results, errors = [], []
    for number in range(n):
        skill = skills[number % len(skills)]
        doc, prompt, target = _doc(skill, rng, number)
        if skill in SKILLS:
            doc["tag"] = "expansion" if skill == "scope" else "extraction"
        difficulty = rng.random() * (0.7 + 0.3 * skills.index(skill) / len(skills))
        right = difficulty + luck.gauss(0, 0.12) < share
        response, category, span, reason = _wrong(skill, target, luck)
        if right:
            response, category, span, reason = target, "", None, ""
        if hostile:
            kinds = len(HOSTILE)
            response = HOSTILE[number % kinds] + response
            prompt += "\n" + HOSTILE[(number + 7) % kinds][-500:]
            reason = HOSTILE[(number + 13) % kinds][:500] + reason
            span = (0, 8)
            doc["tag"] = HOSTILE[number % 7]
        identity = item_id(f"helpdesk_{skill}", {**doc, "set": name.split("_")[0]})
        results.append(
            ItemResult(
                item_id=identity,
                task=f"helpdesk_{skill}",
                skill=skill,
                cluster=f"{skill}-{number // len(skills) % 30}",
                doc=doc,
                prompt=prompt,
                target=target,
                response=response,
                finish_reason=_finish(category),
                correct=1.0 if right else 0.0,
                prompt_tokens=len(prompt) // 4,
                new_tokens=min(40, len(response) // 4 + 1),
            )
        )
        labels = () if right else (ErrorLabel(category, 0.9 if category == "too_long" else 1.0, span, reason),)
        errors.append(ErrorRecord(identity, category or None, labels))
    return Evaluation(name, tuple(results), tuple(errors), seconds=24.0, details={"batch_size": 32})


def _finish(category: str) -> FinishReason:
    return "length" if category == "repetitive" else "stop"


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


def _rows(number: int, rng: random.Random, hostile: bool) -> list[dict[str, Any]]:
    rows = []
    for index in range(200):
        origin = ("failing", "failing", "broken" if number > 1 else "failing", "replay", "general")[index % 5]
        skill = "general" if origin == "general" else SKILLS[index % 4]
        if skill == "general":
            prompt, completion = f"Which is larger, {index} or {index + 7}?", str(index + 7)
        else:
            _, prompt, completion = _doc(skill, rng, index)
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


def _round(number: int, champion: Evaluation, candidate: Evaluation, decision: Decision, hostile: bool) -> RoundView:
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
    rows = _rows(number, rng, hostile)
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
    )


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
) -> ReportData:
    """A run on the helpdesk domain.

    Args:
        rounds: rounds done, 0 to 13.
        finished: whether test and guard were opened and the status says so.
        hostile: whether every text that a model, a task or a configuration supplies carries `HOSTILE`.
        guard, fewshot: whether these arms exist.
        all_rejected: whether no candidate is any better.
        crash_round: this round's training failed; ``None`` for no such round.
        share: true share right by round, in place of `CURVE`.
        test_share: true share right of the champion on test, where it is not to be what dev promises.
        n: dev and test items each.
    """
    truth = share or (lambda number: CURVE[0] if all_rejected else CURVE[number])
    baseline = make_evaluation("dev", truth(0), n, 0, hostile=hostile)
    champion, best, views = baseline, 0, []
    for number in range(1, rounds + 1):
        candidate = make_evaluation("dev", truth(number), n, number, hostile=hostile)
        better = candidate.score.value > champion.score.value and not all_rejected
        decision = _decision(number, better, crash_round)
        views.append(_round(number, champion, candidate, decision, hostile))
        if decision == "promote":
            champion, best = candidate, number

    few = make_evaluation("dev_fewshot", 0.262, n, 99, hostile=hostile) if fewshot else None
    data = ReportData(
        summary={},
        manifest=_manifest(hostile),
        rounds=tuple(views),
        baseline_dev=baseline,
        champion_dev=champion,
        baseline_dev_fewshot=few,
        baseline_categories=count_categories(baseline),
        stopped=f"All {rounds} rounds were done." if finished else "",
        ledger_head="9f2b6c" + "0a7d51e3" * 7 + "4c" if rounds else "",
    )
    if finished:
        before = make_evaluation("test", truth(0), n, 0, hostile=hostile)
        reached = truth(best) - 0.02 if test_share is None else test_share
        data = replace(
            data,
            test_before=before,
            test_before_fewshot=make_evaluation("test_fewshot", 0.262, n, 98, hostile=hostile) if fewshot else None,
            test_after=make_evaluation("test", reached, n, best, hostile=hostile) if best else before,
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
