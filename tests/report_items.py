"""Made-up items of a helpdesk and answers to them, for the reports' tests; some of them hostile."""

from __future__ import annotations

import json
import random
from typing import Any

from harness.errors.contract import ErrorLabel, ErrorRecord
from harness.evaluated import Evaluation
from harness.evaluation.items import FinishReason, ItemResult, item_id

SKILLS = ("extraction", "routing", "grounded", "scope")
QUEUES = ("billing", "delivery", "returns", "repairs", "warranty", "account", "spare parts", "orders")
PRODUCTS = ("Halden kettle", "Orrin lamp", "Vesper fan", "Tamsin toaster", "Corbel drill", "Ludo scale")
PEOPLE = ("Ada Renwick", "Tomas Birk", "Ines Calder", "Noor Haddad", "Piet Vroman", "Maeve Lorne")
REDIRECT = "I can only help with questions about our products and orders."
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


def make_doc(skill: str, rng: random.Random, number: int) -> tuple[dict[str, Any], str, str]:
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
        doc, prompt, target = make_doc(skill, rng, number)
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
