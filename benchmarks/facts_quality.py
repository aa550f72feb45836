"""How often the classifiers of facts, calls and unanswerable questions are right on real texts.

    HARNESS_SHARED_DATA=../shared/data python benchmarks/facts_quality.py
    HARNESS_SHARED_DATA=../shared/data python benchmarks/facts_quality.py --show 20

"Labelled" counts responses with a label, "primary" those with one of confidence .5 or more, "not assessed" the rest of
what could not be judged. What is put into a text (an answer from another passage, another argument) grades the rule on
itself; what people wrote or labelled does not: ``--show`` prints a random sample of that to be read.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.errors import load_classifiers
from harness.errors.contract import Classifier
from harness.evaluation.items import ItemResult
from harness.exceptions import InputError
from harness.storage import read_jsonl

Named = tuple[str, list[ItemResult]]
SEED = 7


def item(response: str, prompt: str = "", target: str = "", **expects: Any) -> ItemResult:
    """A response that the task counts as wrong."""
    return ItemResult("", "", "", "", {"expects": expects}, prompt, target, response)


def data(name: str) -> list[dict[str, Any]]:
    """Rows of a data set."""
    folder = os.environ.get("HARNESS_SHARED_DATA")
    if not folder:
        raise InputError("set HARNESS_SHARED_DATA to the folder of the data sets")
    return read_jsonl(Path(folder) / name)


def grounded() -> Iterator[Named]:
    """Answers with a passage that they stand on, or do not."""
    rows = data("squad_xquad_en/xquad_en.jsonl")
    answers = [row["answers"]["text"][0] for row in rows]
    own = [item(answer, row["question"], context=row["context"]) for row, answer in zip(rows, answers, strict=True)]
    yield "XQuAD answers, from their passage", own
    draw = random.Random(SEED)
    foreign = []
    for row in rows:
        text = f"{row['context']} {row['question']}".casefold()
        answer = draw.choice([each for each in answers if each.casefold() not in text])
        foreign.append(item(answer, row["question"], context=row["context"]))
    yield "XQuAD answers, from another passage", foreign
    stated = [each for each in foreign if re.search(r"\d|(?<!^)\b[A-Z]", each.response)]
    yield "of these, with a digit or an inner capital", stated
    written = [row for row in data("dolly15k/dolly15k.jsonl") if row["context"]]
    yield (
        "Dolly answers that people wrote from a context",
        [item(row["response"], row["instruction"], context=row["context"]) for row in written],
    )


def labelled() -> Iterator[Named]:
    """Model answers to open questions, labelled by people; the question is all that they can stand on."""
    rows = data("halueval/general_1500.jsonl")
    for kind in ("yes", "no"):
        of = [row for row in rows if row["hallucination"] == kind]
        yield (
            f"HaluEval answers, hallucinated: {kind}",
            [item(row["chatgpt_response"], row["user_query"], context=row["user_query"]) for row in of],
        )


def unanswerable() -> Iterator[Named]:
    """Questions with a passage that does not answer them, answered all the same."""
    rows = data("squad_xquad_en/xquad_en.jsonl")
    yield (
        "XQuAD answers to unanswerable questions",
        [item(row["answers"]["text"][0], row["question"], refusal=True, answerable=False) for row in rows],
    )


def calls() -> Iterator[Named]:
    """The calls of Glaive's conversations, as they are and with a fault each."""
    rows = [row for row in data("glaive_toolcall/glaive_toolcall_en_300.jsonl") if json.loads(row["tools"] or "[]")]
    draw = random.Random(SEED)
    right, prose = [], []
    for row in rows:
        turns = row["conversations"]
        for turn in turns:
            if turn["from"] == "function_call":
                call = json.loads(turn["value"])
                right.append(item(turn["value"], tools=row["tools"], call=call))
                answer = next(each["value"] for each in turns if each["from"] == "gpt")
                prose.append(item(answer, tools=row["tools"], call=call))

    def changed(fault: Any) -> list[ItemResult]:
        made = []
        for each in right:
            call = fault(json.loads(each.response))
            if call is not None:
                made.append(replace(each, response=call if isinstance(call, str) else json.dumps(call)))
        return made

    def with_arguments(change: Any) -> Any:
        def fault(call: dict[str, Any]) -> Any:
            if not call["arguments"]:
                return None
            key = draw.choice(sorted(call["arguments"]))
            return {**call, "arguments": change(call["arguments"], key)}

        return fault

    others = [json.loads(each.response)["arguments"] for each in right]

    def other_value(arguments: dict[str, Any], key: str) -> dict[str, Any]:
        pool = [o[key] for o in others if key in o and o[key] != arguments[key]] or ["something else"]
        return {**arguments, key: draw.choice(pool)}

    yield "right", right
    yield (
        "right, laid out otherwise, keys in other order",
        changed(lambda call: "Here it is:\n```json\n" + json.dumps(dict(reversed(call.items())), indent=2) + "\n```"),
    )
    yield (
        "right, numbers as text",
        changed(with_arguments(lambda a, _: {k: str(v) if isinstance(v, int | float) else v for k, v in a.items()})),
    )
    yield "cut in the middle", changed(lambda call: json.dumps(call)[: draw.randrange(5, len(json.dumps(call)) - 1)])
    yield "prose of the same conversation", prose
    yield "another tool's name", changed(lambda call: {**call, "name": call["name"] + "_now"})
    yield "none", changed(lambda call: {"name": "none", "arguments": {}})
    yield "an argument left out", changed(with_arguments(lambda a, key: {k: v for k, v in a.items() if k != key}))
    yield "an argument too many", changed(with_arguments(lambda a, _: {**a, "extra": 1}))
    yield "another value", changed(with_arguments(other_value))


def row(classifier: Classifier, name: str, items: list[ItemResult], show: int) -> None:
    """One line of the table, and a sample of what was labelled."""
    found = [(each, classifier.classify(each)) for each in items]
    seen = [(each, labels) for each, labels in found if any(label.assessed for label in labels)]
    sure = sum(any(label.assessed and label.confidence >= 0.5 for label in labels) for _, labels in found)
    unable = sum(any(not label.assessed for label in labels) for _, labels in found)
    print(f"| `{classifier.name}` | {name} | {len(items)} | {len(seen)} | {sure} | {unable} |")
    for each, labels in random.Random(SEED).sample(seen, min(show, len(seen))):
        places = [(each.response[slice(*label.span)] if label.span else "") for label in labels]
        print(f"    {places} in {each.response[:200]!r}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--show", type=int, default=0, help="labelled responses to print of each row")
    show = parser.parse_args().show
    print("| classifier | responses | n | labelled | primary | not assessed |\n|---|---|---|---|---|---|")
    sets = (
        (["hallucinated"], grounded), (["hallucinated"], labelled), (["unsupported_answer"], unanswerable),
        (["malformed_call", "wrong_tool", "wrong_argument"], calls),
    )  # fmt: skip
    for names, make in sets:
        for name, items in make():
            for classifier in load_classifiers(names):
                row(classifier, name, items, show)


if __name__ == "__main__":
    main()
