"""Error classifiers on real texts, and how fast they are.

    HARNESS_SHARED_DATA=... python benchmarks/classifiers.py [--sets spelling,halueval,squad,glaive,speed]

What each set is made of:

    spelling  Wikipedia's misspellings, each in a sentence of Dolly that holds the right word; the sentence untouched
    halueval  answers of ChatGPT that people marked as hallucinated or not, with and without the query as the context
    squad     gold answers to SQuAD questions, faults injected; every third question put to a passage of another article
    glaive    gold function calls with the tools offered, faults injected, and the assistant's prose in place of a call
    speed     10,000 responses of 90 to 150 characters (about 30 tokens) through the default classifiers on one core

No model is loaded. A set whose files are not in HARNESS_SHARED_DATA is left out, with a line that says so.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from common import parser, report, say, table

RESPONSES = 10_000
CHARACTERS = (90, 150)  # about 30 tokens of English
REFUSAL = "The passage does not say."
SETS = ("spelling", "halueval", "squad", "glaive", "speed")


def rows_of(folder: Path, *parts: str) -> list[dict[str, Any]]:
    """Objects of a JSON-lines file."""
    text = folder.joinpath(*parts).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def result(number: int, response: str, prompt: str = "Tell me something.", correct: float = 0.0, **expects: Any) -> Any:
    """A scored response without a task."""
    from harness.evaluation.items import ItemResult

    return ItemResult(
        item_id=f"{number}", task="benchmark", skill="benchmark", cluster=f"{number}", doc={"expects": expects},
        prompt=prompt, target="", response=response, finish_reason="stop", correct=correct,
    )  # fmt: skip


def item(number: int, skill: str, prompt: str, target: str, expects: dict[str, Any]) -> Any:
    """An item without a task."""
    from harness.evaluation.items import Item

    doc = {"expects": expects, "accepted": []}
    return Item(f"{skill}{number}", "benchmark", skill, f"{number}", "test", doc, prompt, target)


def answered(item: Any, text: str, finish_reason: str) -> Any:
    """``text`` as the answer to ``item``: right where it is the target, case, spacing and a full stop aside."""
    from harness.evaluation.items import ItemResult

    return ItemResult(
        item.item_id, item.task, item.skill, item.cluster, item.doc, item.prompt, item.target, text, finish_reason,
        correct=float(level(text) == level(item.target)),
    )  # fmt: skip


def level(text: str) -> str:
    """JSON as a value with sorted keys, other text without case, outer spaces and full stop."""
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except (ValueError, RecursionError):
        return " ".join(text.casefold().split()).rstrip(".")


# Spelling


def sentences(texts: Iterable[str]) -> Iterator[str]:
    """Sentences of 6 to 40 words that begin with a capital and end with a full stop."""
    for text in texts:
        for part in re.split(r"(?<=[.!?])\s+|\n+", text):
            if part[:1].isupper() and part.endswith(".") and 6 <= len(part.split()) <= 40:
                yield part


def carriers(texts: Iterable[str]) -> dict[str, str]:
    """The first sentence of each word in small letters."""
    found: dict[str, str] = {}
    for sentence in sentences(texts):
        for word in re.findall(r"(?<![\w'-])[a-z]{3,}(?![\w'-])", sentence):
            found.setdefault(word, sentence)
    return found


def misspellings(rows: Iterable[dict[str, Any]]) -> list[tuple[str, str]]:
    """Pairs of a misspelling and its one right word, both in plain small letters."""
    pairs = []
    for row in rows:
        correct = [row["correct"]] if isinstance(row["correct"], str) else row["correct"]
        if len(correct) == 1 and all(re.fullmatch("[a-z]{3,}", word) for word in (row["misspelling"], correct[0])):
            pairs.append((row["misspelling"], correct[0]))
    return pairs


def spelling_cases(pairs: Sequence[tuple[str, str]], carrier: dict[str, str]) -> list[Any]:
    """Each misspelling in its sentence, and each of the sentences untouched."""
    from harness.errors.proof import Case

    cases, used = [], {}
    for wrong, right in pairs:
        if right in carrier:
            sentence = carrier[right]
            used[sentence] = None
            text = re.sub(rf"(?<![\w'-]){right}(?![\w'-])", wrong, sentence, count=1)
            cases.append(Case(result(len(cases), text, language="en"), "misspelled word",
                              frozenset({"misspelled"}), frozenset({"wrong_answer"}), "misspelled"))  # fmt: skip
    for sentence in used:
        cases.append(Case(result(len(cases), sentence, language="en"), "untouched sentence",
                          frozenset(), frozenset({"wrong_answer"}), None))  # fmt: skip
    return cases


def spelling(folder: Path, limit: int | None) -> dict[str, tuple[list[Any], list[str]]]:
    """Cases by source of the misspellings."""
    texts = [str(value) for row in rows_of(folder, "dolly15k", "dolly15k.jsonl") for value in row.values()]
    carrier = carriers(texts)
    sets = {}
    for name in ("wikipedia_common_misspellings", "wikipedia_mitton"):
        pairs = misspellings(rows_of(folder, "spelling_wikipedia", f"{name}.jsonl"))
        sets[f"spelling, {name}"] = spelling_cases(pairs[:limit], carrier), ["misspelled"]
    return sets


# HaluEval


def halueval(folder: Path, limit: int | None) -> dict[str, tuple[list[Any], list[str]]]:
    """ChatGPT's answers, once with nothing to stand on and once with the query as the context."""
    from harness.errors.proof import Case

    sets = {}
    for name, context in (("halueval", False), ("halueval, the query as context", True)):
        cases = []
        for number, row in enumerate(rows_of(folder, "halueval", "general_1500.jsonl")[:limit]):
            marked = row["hallucination"] == "yes"
            given = {"context": row["user_query"]} if context else {}
            cases.append(
                Case(
                    result(number, row["chatgpt_response"], row["user_query"], **given),
                    "marked by people" if marked else "not marked",
                    frozenset({"hallucinated"} if marked else ()), frozenset({"wrong_answer"}),
                    "hallucinated" if marked else None,
                )
            )  # fmt: skip
        sets[name] = cases, ["hallucinated"]
    return sets


# SQuAD


def squad_items(rows: Sequence[dict[str, Any]]) -> list[Any]:
    """Questions with their passage; every third with the passage of a row half the file away, and so unanswerable."""
    made = []
    for number, row in enumerate(rows):
        answer = row["answers"]["text"][0]
        other = rows[(number + len(rows) // 2) % len(rows)]["context"]
        unanswerable = number % 3 == 0 and answer.casefold() not in other.casefold()
        passage = other if unanswerable else row["context"]
        prompt = (
            f"Answer from the passage alone. If it does not say, answer exactly: {REFUSAL}\n\n"
            f"Passage: {passage}\nQuestion: {row['question']}"
        )
        expects = {
            "format": "text", "refusal": unanswerable, "answerable": not unanswerable, "refusal_sentence": REFUSAL,
            "context": passage, "language": "en",
        }  # fmt: skip
        made.append(item(number, "squad", prompt, REFUSAL if unanswerable else answer, expects))
    return made


def squad(folder: Path, limit: int | None) -> dict[str, tuple[list[Any], list[str]]]:
    """Injected faults on SQuAD's answers."""
    from harness.errors.proof import inject, make_pool

    items = squad_items(rows_of(folder, "squad_xquad_en", "xquad_en.jsonl"))
    cases = inject(items[: limit or 300], answered, make_pool(items))
    return {"squad, injected": (cases, [])}


# Glaive


def glaive_items(rows: Sequence[dict[str, Any]]) -> list[tuple[Any, str]]:
    """The first call of each conversation with tools, and what the assistant said in prose after it."""
    made = []
    for number, row in enumerate(rows):
        tools = json.loads(row["tools"]) if isinstance(row["tools"], str) else row["tools"]
        turns = row["conversations"]
        place = next((i for i, turn in enumerate(turns) if turn["from"] == "function_call"), None)
        if not tools or place is None:
            continue
        call = json.loads(turns[place]["value"])
        prose = next((turn["value"] for turn in turns[place:] if turn["from"] == "gpt"), "")
        before = "\n".join(f"{turn['from']}: {turn['value']}" for turn in turns[:place])
        prompt = f"Tools: {json.dumps(tools)}\nAnswer with one call as JSON.\n\n{before}"
        wanted = {"name": call["name"], "arguments": call["arguments"]}
        expects = {"format": "json", "keys": ["name", "arguments"], "tools": tools, "call": wanted}
        made.append((item(number, "glaive", prompt, json.dumps(wanted, ensure_ascii=False), expects), prose))
    return made


def glaive(folder: Path, limit: int | None) -> dict[str, tuple[list[Any], list[str]]]:
    """Injected faults on Glaive's calls, and prose in place of them."""
    from harness.errors.proof import Case, inject
    from harness.errors.proof.consequences import consequences

    pairs = glaive_items(rows_of(folder, "glaive_toolcall", "glaive_toolcall_en_300.jsonl"))[:limit]
    cases = inject([each for each, _ in pairs], answered)
    due = frozenset({"malformed_call"})
    for each, prose in pairs:
        if prose:
            said = replace(answered(each, prose, "stop"), item_id=f"{each.item_id}/prose")
            allowed = consequences(said, due) | {"wrong_answer"}
            cases.append(Case(said, "prose in place of the call", due, allowed, "malformed_call"))
    return {"glaive, injected": (cases, [])}


# Speed


def speed(classifiers: Sequence[Any], count: int = RESPONSES) -> dict[str, Any]:
    """Seconds that ``count`` responses of helpdesk take, the first of them (dictionaries are loaded) apart."""
    from harness.errors import classify_all
    from harness.errors.proof import inject, make_pool
    from harness.evaluation.domain import load_domain
    from harness.evaluation.respond import scored
    from harness.evaluation.roles import subset
    from harness.locate import data_folder

    domain = load_domain("helpdesk", [data_folder("tasks")])
    items = domain.items("train", "train_pool")
    low, high = CHARACTERS
    cases = inject(subset(items, 800), lambda item, text, finish: scored(domain, item, text, finish), make_pool(items))
    fitting = [case.item for case in cases if low <= len(case.item.response) <= high]
    Random(0).shuffle(fitting)  # cases come fault by fault, and the first ones are not like all
    chosen = [replace(fitting[n % len(fitting)], item_id=f"{n}") for n in range(count)]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    begun = time.perf_counter()
    classify_all(chosen[:1], classifiers)
    loading, (wall, cpu) = time.perf_counter() - begun, (time.perf_counter(), time.process_time())
    classify_all(chosen, classifiers)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    by_classifier = {}
    for each in classifiers:
        start = time.process_time()
        classify_all(chosen[: count // 10], [each])
        by_classifier[each.name] = 10 * (time.process_time() - start)
    return {
        "responses": count, "distinct": len({each.response for each in chosen}),
        "characters": sum(len(each.response) for each in chosen) / count,
        "seconds": wall, "processor_seconds": cpu, "first_response_seconds": loading,
        "processor_seconds_by_classifier": by_classifier,
    }  # fmt: skip


# The tables


def measured_rows(
    name: str, cases: Sequence[Any], only: Sequence[str], classifiers: Sequence[Any]
) -> tuple[Any, list[Any]]:
    """What `measure` finds on one set, as data and as rows of the table; of all categories or ``only`` some."""
    from harness.errors import classify_all
    from harness.errors.proof import measure, records_of
    from harness.errors.registry import Unavailable

    usable = [each for each in classifiers if not isinstance(each, Unavailable)]
    categories = [category for each in usable for category in each.categories]
    missing = sorted({category for case in cases for category in case.due} - set(categories))
    if missing:
        say(f"{name}: no classifier for {', '.join(missing)}, not measured")
    records = records_of(cases, lambda items: classify_all(items, usable))
    found = measure(cases, records, [name for name in categories if not only or name in only])
    rows = [
        [name, each.category, each.due, each.found, each.not_assessed or None, rate(each.recall, each.recall95),
         each.false_alarms or None, rate(each.precision, each.precision95)]
        for each in found.figures if each.due or each.false_alarms
    ]  # fmt: skip
    return found, rows


def rate(value: float | None, interval: tuple[float, float]) -> str:
    """A rate with its interval."""
    return "" if value is None else f"{value:.3f} ({interval[0]:.2f} to {interval[1]:.2f})"


def main(argv: Sequence[str] | None = None) -> int:
    options = parser(__doc__)
    options.add_argument("--sets", default=",".join(SETS), help="which, separated by commas [default: all]")
    options.add_argument("--responses", type=int, default=RESPONSES, help="responses timed [default: %(default)s]")
    asked = options.parse_args(argv)
    wanted = asked.sets.split(",")
    unknown = [name for name in wanted if name not in SETS]
    if unknown:
        options.error(f"no set '{unknown[0]}'; there are {', '.join(SETS)}")
    from harness.errors import load_classifiers
    from harness.errors.registry import classifier_names

    classifiers = load_classifiers([*classifier_names()])
    shared = os.environ.get("HARNESS_SHARED_DATA")
    makers: dict[str, Callable[[Path, int | None], dict[str, tuple[list[Any], list[str]]]]] = {
        "spelling": spelling, "halueval": halueval, "squad": squad, "glaive": glaive,
    }  # fmt: skip
    rows: list[list[Any]] = []
    data: dict[str, Any] = {"classifiers": {each.name: each.version for each in classifiers}, "sets": {}}
    for name in [name for name in wanted if name in makers]:
        try:
            sets = makers[name](Path(shared or ""), asked.items)
        except FileNotFoundError as error:
            say(f"{name} is left out: HARNESS_SHARED_DATA has no {error.filename}")
            continue
        for title, (cases, only) in sets.items():
            found, more = measured_rows(title, cases, only, classifiers)
            data["sets"][title] = found.as_dict()
            rows += more
            say(f"{title}: {found.cases} responses, {found.alarmed} of {found.harmless} faultless ones raised an alarm")
    headers = ["set", "category", "due", "found", "not assessed", "recall", "false alarms", "precision"]
    text = table(headers, rows) if rows else ""
    if "speed" in wanted:
        data["speed"] = timed = speed(load_classifiers(), asked.responses)
        slowest = sorted(timed["processor_seconds_by_classifier"].items(), key=lambda pair: -pair[1])[:5]
        text += (
            f"\n\n{timed['responses']:,} responses of {timed['characters']:.0f} characters on one core: "
            f"{timed['seconds']:.1f} s ({timed['processor_seconds']:.1f} s of processor time), "
            f"{timed['first_response_seconds']:.1f} s for the first one. Most of it: "
            + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in slowest)
        )
    report("classifiers", text.strip(), data, asked.results)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
