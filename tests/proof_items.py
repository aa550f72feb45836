"""A few items of every kind that fault injection knows, with a scorer that needs no task."""

from __future__ import annotations

import json
from typing import Any

from harness.evaluation.items import FinishReason, Item, ItemResult

SENTENCE = "I can only help with questions about our products."
TOOLS = [
    {"name": name, "description": f"{name}.", "parameters": {"type": "object", "properties": {}}}
    for name in ("find_order", "book_repair")
]
LABELS = ["refund-status", "paid-repair", "setup-help"]


def item(name: str, asked: str, target: str, **expects: Any) -> Item:
    prompt = f"Answer the question of the customer as well as you can, please.\n\n{asked}"
    doc = {"skill": name.split()[0], "accepted": expects.pop("accepted", []), "expects": expects}
    return Item(f"id {name}", "task", name.split()[0], name, "train_pool", doc, prompt, target)


def call(name: str, asked: str, wanted: dict[str, Any] | None) -> Item:
    target = json.dumps(wanted or {"name": "none", "arguments": {}})
    return item(name, asked, target, format="json", tools=TOOLS, call=wanted)


ITEMS = [
    item(
        "fields a",
        "Message: This is Anna Berger, order 48213 of 12 May, not 77120, which Jonas Weber paid. Serial SR4471.",
        '{"name": "Anna Berger", "order": "48213", "serial": "SR4471", "wants": null}',
        format="json", keys=["name", "order", "serial", "wants"],
    ),
    item("route a", "Message: When is my money paid back to me? I sent the iron in May. Nobody has written since.",
         "refund-status", format="label", labels=LABELS),
    item(
        "short a", "Policy: Goods may be sent back within 57 days to Martin Kolb in Graz; cables within 14 days.\n"
        "Question: How long for goods?", "57 days",
        format="text", refusal=False, refusal_sentence=SENTENCE, max_words=12, language="en",
        accepted=["within 57 days"],
    ),
    item(
        "short b", "Policy: Ask for Renata Nakamura at the counter, or for Erik Olsen by telephone.\n"
        "Question: Who is at the counter?", "Renata Nakamura",
        format="text", refusal=False, refusal_sentence=SENTENCE, max_words=12, language="en",
    ),
    item(
        "short c", "Note: The violet light shows that the tank is empty, in Lyon and elsewhere, for 30 seconds.\n"
        "Question: How old is Erik Olsen?", SENTENCE,
        format="text", refusal=True, refusal_sentence=SENTENCE, max_words=12, language="en",
    ),
    item(
        "short d", "Policy: A pack of filters costs 57 euros at the shop in Graz and lasts 17 weeks.\n"
        "Question: How many filters are in a pack?", "The policy does not say.",
        format="text", refusal=True, answerable=False, refusal_sentence="The policy does not say.", max_words=12,
        language="en",
    ),
    item("sum a", "Question: I paid 40 euros and then 25 more. What is that together?", "65 euros",
         format="text", refusal=False, max_words=6),
    item(
        "reply a", "Facts: the repair of Ms Osei's toaster is done on 3 June.",
        "Dear Ms Osei, we have a toaster that is repaired. Your technician doesn't need more time, and it was an easy "
        "repair. You can collect it on 3 June. Thank you for the patience.",
        format="text", language="en", system="Never speak of the internal code of the workshop.",
        constraints={"min_words": 8, "max_words": 40, "min_sentences": 2, "max_sentences": 5, "max_chars": 260,
                     "must_contain": ["toaster"], "must_not_contain": ["workshop"], "casing": "sentence"},
    ),
    item("correct a", "Message: I cannnot find the serial number anywheere on it.",
         "I cannot find the serial number anywhere on it.", format="text", refusal=False, max_words=30, language="en"),
    item("twice a", "Desks: Graz: repairs; Lyon: bills.\nMessage: My iron is broken.", "Graz",
         format="label", labels=["Graz", "Lyon"], group="g1"),
    item("twice b", "Desks: Graz: repairs; Lyon: bills.\nMessage: The iron gave up.", "Graz",
         format="label", labels=["Graz", "Lyon"], group="g1"),
    item("twice c", "Desks: Graz: repairs; Lyon: bills.\nMessage: Where is my bill?", "Lyon",
         format="label", labels=["Graz", "Lyon"], group="g2"),
    call("call a", "Message: Please look for order 48213 of Anna Berger, not 77120 of Jonas Weber.",
         {"name": "find_order", "arguments": {"order": "48213", "customer": "Anna Berger"}}),
    call("call b", "Message: What is the weather like?", None),
]  # fmt: skip


def normalise(text: str) -> str:
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except ValueError:
        return " ".join(text.casefold().split()).rstrip(".")


def answer(item: Item, text: str, finish_reason: FinishReason) -> ItemResult:
    right = normalise(text) in {normalise(form) for form in (item.target, *item.doc["accepted"])}
    return ItemResult(
        item.item_id, item.task, item.skill, item.cluster, item.doc, item.prompt, item.target, text, finish_reason,
        correct=float(right),
    )  # fmt: skip
