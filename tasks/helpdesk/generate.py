"""Write the items of the helpdesk domain: ``python tasks/helpdesk/generate.py [--out DIR]``.

Needs the standard library only. The same source gives the same bytes on every machine: each item has a random stream of
its own, named by seed, skill, split and number (see `wording.draw`), and no set or clock is ever iterated.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wording import (
    extraction,
    grounded_heldout,
    grounded_train,
    routing_heldout,
    routing_train,
    scope_heldout,
    scope_train,
    shared,
)
from wording.draw import Draw, fill
from wording.shared import SPLITS, Ids, model_names, numbers, person

SEED = "helpdesk-1"
COUNTS = {"train": 1000, "validation": 150, "test": 150}
SKELETONS = {"train": 60, "validation": 20, "test": 20}  # message structures of the extraction skill
MOST_NULLS = 3  # of the five fields of a message
MOST_TRAPS = 3  # fields of a message that are not told plainly
FEWSHOT_HEAD = 8  # the first train items, from which lm-eval takes its few-shot examples: one of each kind in turn
UNANSWERABLE = 35  # per cent of the grounded items
OFF_TOPIC = 45  # per cent of the scope items, half of them look-alikes of a question that is on topic

KEYS = ("name", "order", "product", "serial", "wants")
NOT_STATED = "The policy does not say."
REDIRECTION = "I can only help with Norrvale products and service."
MAX_WORDS = 12  # of a short answer; the fixed sentences have 5 and 9

Doc = dict[str, Any]

POLICIES = {"train": grounded_train.POLICIES, **grounded_heldout.POLICIES}
NOTES = {"train": scope_train.NOTES, **scope_heldout.NOTES}
OFF_TOPIC_QUESTIONS = {"train": scope_train.OFF_TOPIC, **scope_heldout.OFF_TOPIC}
LEADS = {"train": scope_train.LEADS, **scope_heldout.LEADS}
SITUATIONS = {"train": routing_train.SITUATIONS, **routing_heldout.SITUATIONS}
OPENINGS = {"train": routing_train.OPENINGS, **routing_heldout.OPENINGS}
CLOSINGS = {"train": routing_train.CLOSINGS, **routing_heldout.CLOSINGS}
SETTLED = {"train": routing_train.SETTLED, **routing_heldout.SETTLED}


def normalise(text: str) -> str:
    """Text by which duplicates are told: case, punctuation and spacing do not count."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def slots(split: str, draw: Draw) -> dict[str, str]:
    """A value for each slot of the policies, notes and messages; slots of one kind never share one."""
    kind = draw.pick(shared.TYPES)
    found = {"type": kind, "rival": draw.pick(shared.RIVALS[split])}
    first, second, third = draw.some(model_names(split, kind), 3)
    found.update(p=first, p1=first, p2=second, p3=third)
    pools = {"city": shared.CITIES, "day": shared.DAYS, "month": shared.MONTHS, "colour": shared.COLOURS}
    for name, pool in pools.items():
        for place, value in enumerate(draw.some(pool[split], 3), start=1):
            found[f"{name}{place}"] = value
    earlier, later = sorted((found["month1"], found["month2"]), key=shared.YEAR.index)
    found.update(month1=earlier, month2=later, city=found["city1"], day=found["day1"])
    found["name"] = person(split, draw)
    while found.setdefault("person1", found["name"]).split()[0] == found["name"].split()[0]:
        found["person1"] = person(split, draw)
    used: set[int] = set()
    for name, low, high in (
        ("h1", 7, 11), ("y1", 2, 11), ("y2", 2, 11), ("h2", 13, 20), ("n1", 2, 30), ("n2", 2, 30), ("n3", 2, 30),
        ("d1", 10, 60), ("d2", 10, 60), ("m1", 5, 90), ("m2", 5, 90), ("e1", 4, 96), ("e2", 4, 96),
    ):  # fmt: skip
        free = [number for number in numbers(split, low, high) if number not in used]
        number = draw.pick(free)
        used.add(number)
        found[name] = str(number)
    found.update(
        y=str(draw.pick(numbers(split, 3, 12))), n=str(draw.pick(numbers(split, 2, 10))), e=found["e1"],
        date=f"{draw.pick(numbers(split, 2, 28))} {found['month2']}", month=found["month3"],
    )  # fmt: skip
    return found


def accepted_forms(target: str, others: Iterable[str]) -> list[str]:
    """The other right forms of an answer; a sum in euros may be written in the usual ways."""
    forms = list(others)
    for form in (target, *forms):
        sum_in_euros = re.fullmatch(r"(\d+) euros", form)
        if sum_in_euros:
            amount = sum_in_euros.group(1)
            forms += [f"€{amount}", f"€ {amount}", f"{amount} €", f"{amount} EUR"]
    return sorted(set(forms) - {target})


def text_doc(kind: str, cluster: str, text: str, answers: Sequence[str] | None, sentence: str) -> Doc:
    """An item whose answer is a few words, or, where ``answers`` is None, the skill's fixed sentence."""
    return {
        "kind": kind, "cluster": cluster, "input": text,
        "target": sentence if answers is None else answers[0],
        "accepted": [] if answers is None else accepted_forms(answers[0], answers[1:]),
        "expects": {"format": "text", "refusal": answers is None, "refusal_sentence": sentence, "max_words": MAX_WORDS},
    }  # fmt: skip


def weight(variant: str) -> int:
    """How often a variant comes up, against the rarest."""
    return 5 if variant in extraction.PLAIN else 2 if variant in extraction.FREQUENT else 1


def skeletons() -> dict[str, list[dict[str, str]]]:
    """The extraction templates: which variant of each part a message has; no combination is in two splits.

    Each split has the variants in the same proportions: mostly the plain one, and of the others those that take most
    care twice as often. A message has two traps on average: one in every field would leave a small model
    nothing to build on.
    """
    draw = Draw(f"{SEED}/skeletons")
    seen: set[tuple[str, ...]] = set()
    found: dict[str, list[dict[str, str]]] = {}
    for split, count in SKELETONS.items():
        columns = []
        for key in KEYS:
            names = extraction.PHRASES[split][key]
            weighted = [name for name in names for _ in range(weight(name))]
            columns.append(draw.shuffled(weighted[place * len(weighted) // count] for place in range(count)))
        while unfit := [
            row
            for row, variants in enumerate(zip(*columns, strict=True))
            if variants in seen
            or variants in list(zip(*columns, strict=True))[:row]
            or sum(name in extraction.NULLS for name in variants) > MOST_NULLS
            or sum(name not in extraction.PLAIN for name in variants[:-1]) > MOST_TRAPS
        ]:
            column, row, other = draw.pick(columns), draw.pick(unfit), draw.below(count)
            column[row], column[other] = column[other], column[row]
        rows = list(zip(*columns, strict=True))
        seen.update(rows)
        found[split] = [dict(zip(KEYS, row, strict=True)) for row in rows]
    return found


STRUCTURES = skeletons()


def extraction_doc(split: str, index: int, draw: Draw, ids: Ids) -> Doc:
    """A message with distractors, and the five fields that it determines."""
    number = index % len(STRUCTURES[split])
    variants = STRUCTURES[split][number]
    values = slots(split, draw)
    values.update(product=values["p1"], product2=values["p2"], other=values["person1"])
    values["fault"] = draw.pick(shared.FAULTS[split])
    values.update(order=ids.order(draw), order2=ids.order(draw), serial=ids.serial(draw), serial2=ids.serial(draw))
    values.update(phone=ids.phone(draw), zip=ids.order(draw))
    phrases = extraction.PHRASES[split]
    layout = draw.pick(extraction.LAYOUTS)
    if variants["name"] == "anonymous":  # a greeting stands first
        layout = "N" + layout.replace("N", "")
    parts = [extraction.PARTS[letter] for letter in layout]
    sentences = [fill(draw.pick(phrases[part][variants[part]]), values, draw) for part in parts]
    if draw.chance(40):
        place = parts.index("product") + 1 + draw.below(len(parts) - parts.index("product"))
        sentences.insert(place, fill(draw.pick(phrases["noise"]["any"]), values, draw))
    values["wants"] = variants["wants"]
    gold = {key: None if variants[key] in extraction.NULLS else values[key] for key in KEYS}
    return {
        "kind": f"{list(gold.values()).count(None)} nulls",
        "cluster": f"extraction-{split}-{number:02d}-{values['type'].replace(' ', '-')}",
        "input": "Message: " + " ".join(sentence for sentence in sentences if sentence),
        "target": json.dumps(gold), "accepted": [], "expects": {"format": "json", "keys": list(KEYS)},
    }  # fmt: skip


def after_opening(opening: str, text: str) -> str:
    """Join an opening and what follows; after a comma or colon a sentence goes on in lower case."""
    if opening.endswith((", ", ": ")) and not re.match(r"I\b", text):
        text = text[0].lower() + text[1:]
    return opening + text


def routing_doc(split: str, index: int, draw: Draw, ids: Ids) -> Doc:
    """A message for one queue, often with a remark on a matter of another queue that is closed."""
    queues = list(SITUATIONS[split])
    queue = queues[index % len(queues)]
    number = draw.below(len(SITUATIONS[split][queue]))
    values = {**slots(split, draw), "order": ids.order(draw)}
    sentences = [fill(SITUATIONS[split][queue][number], values, draw)]
    if draw.chance(40):
        remark = draw.pick([text for other, text in SETTLED[split].items() if other != queue])
        sentences.insert(draw.below(2), fill(remark, values, draw))
    # Names are the writer's; the one in a situation is somebody else's.
    writer = {**values, "name": person(split, draw), "city": values["city2"]}
    opening, closing = draw.pick(OPENINGS[split]), draw.pick(CLOSINGS[split])
    if "{name}" in opening:
        closing = ""
    text = after_opening(fill(opening, writer, draw), " ".join(sentences)) + " " + fill(closing, writer, draw)
    if draw.chance(12):
        text = text.lower().rstrip(" .")
    return {
        "kind": queue, "cluster": f"routing-{split}-{queue}-{number}", "input": "Message: " + text.strip(),
        "target": queue, "accepted": [], "expects": {"format": "label"},
    }  # fmt: skip


def spread(index: int, percent: int) -> bool:
    """True for ``percent`` of 100 successive indices, evenly spread."""
    return (index * percent) % 100 < percent


def grounded_doc(split: str, index: int, draw: Draw, ids: Ids) -> Doc:
    """A policy and a question that it answers, or a near miss."""
    number = draw.below(len(POLICIES[split]))
    policy, answerable, near_misses = POLICIES[split][number]
    values = slots(split, draw)
    unanswerable = spread(index, UNANSWERABLE)
    answers = None
    if unanswerable:
        place = draw.below(len(near_misses))
        question = near_misses[place]
    else:
        place = draw.below(len(answerable))
        question, *forms = answerable[place]
        answers = [fill(form, values, draw) for form in forms]
    kind = "unanswerable" if unanswerable else "answerable"
    text = f"Policy: {fill(policy, values, draw)}\nQuestion: {fill(question, values, draw)}"
    return text_doc(kind, f"grounded-{split}-{number:02d}-{kind[0]}{place}", text, answers, NOT_STATED)


def scope_doc(split: str, index: int, draw: Draw, ids: Ids) -> Doc:
    """A desk note and a question, on topic or not; half of the latter look like one that is."""
    number = draw.below(len(NOTES[split]))
    note, facts = NOTES[split][number]
    place = draw.below(len(facts))
    on_topic, forms, look_alike = facts[place]
    values = slots(split, draw)
    answers = None
    if not spread(index, OFF_TOPIC):
        question, kind, cluster = on_topic, "on", f"{number:02d}-on{place}"
        answers = [fill(form, values, draw) for form in forms.split("|")]
    elif draw.chance(50):
        question, kind, cluster = look_alike, "off", f"{number:02d}-off{place}"
    else:
        place = draw.below(len(OFF_TOPIC_QUESTIONS[split]))
        question, kind, cluster = OFF_TOPIC_QUESTIONS[split][place], "off", f"any-off{place:02d}"
    lead = fill(draw.pick(LEADS[split]), values, draw)
    asked = after_opening(lead, fill(question, values, draw))
    text = f"Note: {fill(note, values, draw)}\nQuestion: {asked}"
    return text_doc(kind, f"scope-{split}-{cluster}", text, answers, REDIRECTION)


SKILLS: Mapping[str, Callable[[str, int, Draw, Ids], Doc]] = {
    "extraction": extraction_doc,
    "routing": routing_doc,
    "grounded": grounded_doc,
    "scope": scope_doc,
}


def kinds_in_turn(docs: Sequence[Doc]) -> list[Doc]:
    """``docs`` with the first `FEWSHOT_HEAD` of them of different kinds and clusters, the kinds taking turns."""
    kinds = list(dict.fromkeys(doc["kind"] for doc in docs))
    head: list[Doc] = []
    for place in range(FEWSHOT_HEAD):
        wanted = kinds[place % len(kinds)]
        taken = {doc["cluster"] for doc in head}
        head.append(next(doc for doc in docs if doc["kind"] == wanted and doc["cluster"] not in taken))
    return head + [doc for doc in docs if all(doc is not other for other in head)]


def build() -> dict[tuple[str, str], list[Doc]]:
    """All items by skill and split; no input occurs twice, not even in two splits."""
    ids = Ids()
    built: dict[tuple[str, str], list[Doc]] = {}
    for skill, make in SKILLS.items():
        seen: set[str] = set()
        for split in SPLITS:
            docs: list[Doc] = []
            attempt = 0
            while len(docs) < COUNTS[split]:
                doc = make(split, len(docs), Draw(f"{SEED}/{skill}/{split}/{len(docs)}/{attempt}"), ids)
                attempt += 1
                if normalise(doc["input"]) not in seen:
                    seen.add(normalise(doc["input"]))
                    docs.append(doc)
                    attempt = 0
            docs = Draw(f"{SEED}/{skill}/{split}/order").shuffled(docs)
            if split == "train":
                docs = kinds_in_turn(docs)
            built[skill, split] = [
                {"id": f"{skill}-{split}-{number:04d}", "skill": skill, **{k: v for k, v in doc.items() if k != "kind"}}
                for number, doc in enumerate(docs)
            ]
    return built


def write(folder: Path) -> None:
    """Write ``<skill>_<split>.jsonl`` for every skill and split into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for (skill, split), docs in build().items():
        lines = "".join(json.dumps(doc, ensure_ascii=False) + "\n" for doc in docs)
        (folder / f"{skill}_{split}.jsonl").write_bytes(lines.encode())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the items of the helpdesk domain.")
    here = Path(__file__).resolve().parent
    parser.add_argument("--out", type=Path, default=here / "data", help="folder to write into")
    write(parser.parse_args().out)
