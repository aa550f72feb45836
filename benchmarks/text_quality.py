"""How often the classifiers of text are right on real texts that nobody wrote for them.

    HARNESS_SHARED_DATA=../shared/data python benchmarks/text_quality.py
    HARNESS_SHARED_DATA=../shared/data python benchmarks/text_quality.py --xquad ../xquad --show 20

Seen: errors put into or found in real sentences, and how many are labelled at all and as a primary category would be
(confidence .5 or more). Fired: labels on texts that people or models wrote as good answers; some of them do have the
error, so ``--show`` prints a random sample of the evidence to be read. ``--xquad`` names a folder of the files
``xquad.LANGUAGE.json`` of https://github.com/google-deepmind/xquad; without it other languages are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.errors import ErrorLabel, load_classifiers
from harness.errors.contract import Classifier
from harness.evaluation.items import ItemResult

SPELLING = {
    "Mitton": "spelling_wikipedia/wikipedia_mitton.jsonl",
    "Wikipedia": "spelling_wikipedia/wikipedia_common_misspellings.jsonl",
    "typos": "spelling_typos/typos_words_20k.jsonl",
}
GRAMMAR = re.compile(r"gramma|verb agreement|correct the (?:sentence|mistake|error)", re.IGNORECASE)
EDIT = re.compile(r"correct|edit|fix|rewrite|change", re.IGNORECASE)


def item(response: str, prompt: str = "", target: str = "", **expects: Any) -> ItemResult:
    """A response that the task counts as wrong."""
    doc = {"expects": expects}
    return ItemResult(
        item_id="", task="", skill="", cluster="", doc=doc, prompt=prompt, target=target, response=response
    )


class Table:
    """Prints one row a set of items, and a sample of the evidence."""

    def __init__(self, show: int) -> None:
        self._show = show
        print("| classifier | items | n | labelled | primary | not assessed |\n|---|---|---|---|---|---|")
        self._samples: list[tuple[str, list[str]]] = []

    def row(self, classifier: Classifier, name: str, items: Iterable[ItemResult]) -> None:
        """Classify ``items`` and count."""
        n = labelled = primary = unable = 0
        evidence: list[str] = []
        for each in items:
            n += 1
            labels = classifier.classify(each)
            unable += any(not label.assessed for label in labels)
            seen = [label for label in labels if label.assessed]
            labelled += bool(seen)
            primary += any(label.confidence >= 0.5 for label in seen)
            evidence += [_shown(label, each.response) for label in seen]
        shares = f"{labelled} ({labelled / max(n, 1):.1%}) | {primary} ({primary / max(n, 1):.1%})"
        print(f"| {classifier.name} | {name} | {n} | {shares} | {unable} |", flush=True)
        random.Random(0).shuffle(evidence)
        self._samples.append((f"{classifier.name}, {name}", evidence[: self._show]))

    def samples(self) -> None:
        """Print the evidence that was kept."""
        for name, evidence in self._samples:
            if evidence:
                print(f"\n{name}:")
            for line in evidence:
                print(f"    {line}")


def _shown(label: ErrorLabel, response: str) -> str:
    start, end = label.span or (0, 0)
    around = response[max(0, start - 40) : start] + "[" + response[start:end][:80] + "]" + response[end : end + 30]
    return f"{label.confidence:.2f} {label.reason} :: {' '.join(around.split())}"


def sentences(texts: Iterable[str]) -> list[str]:
    """Sentences of 8 to 30 words in ASCII, in random order."""
    found = [
        sentence
        for text in texts
        for sentence in re.split(r"(?<=[.!?])\s+", text)
        if 8 <= len(sentence.split()) <= 30 and sentence.isascii()
    ]
    random.Random(3).shuffle(found)
    return found


def misspelled_sentences(
    rows: Sequence[dict[str, Any]], good: Sequence[str], spell: Classifier
) -> Iterator[ItemResult]:
    """For each misspelling in small letters: a sentence with the right word, which is replaced by it."""
    by_word: dict[str, list[str]] = {}
    for sentence in good:
        for word in set(re.findall(r"(?<![\w'-])[a-z]+(?![\w'-])", sentence)):
            places = by_word.setdefault(word, [])
            if len(places) < 20:
                places.append(sentence)
    for number, row in enumerate(rows):
        meant = row["correct"] if isinstance(row["correct"], list) else [row["correct"]]
        word = next((each for each in meant if each in by_word), None)
        if word is None or not re.fullmatch("[a-z]+", row["misspelling"]):
            continue
        sentence = by_word[word][number % len(by_word[word])]
        if not spell.classify(item(sentence)):
            yield item(re.sub(rf"(?<![\w'-]){word}(?![\w'-])", row["misspelling"], sentence, count=1))


def wikitext(path: Path) -> list[str]:
    """Its paragraphs, with the marks of its tokens undone."""
    kept = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if len(line) > 40]
    kept = [line for line in kept if not line.startswith("=")]
    for old, new in ((" n't", "n't"), (" '", "'"), (" ,", ","), (" .", "."), ("<unk>", "Unk")):
        kept = [line.replace(old, new) for line in kept]
    return [re.sub(r" @(.)@ ", r"\1", line) for line in kept]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--xquad", type=Path, help="folder of xquad.LANGUAGE.json")
    parser.add_argument("--show", type=int, default=0, help="print so many labels of each row to be read")
    parser.add_argument("--only", help="one classifier")
    asked = parser.parse_args()
    if "HARNESS_SHARED_DATA" not in os.environ:
        parser.error("HARNESS_SHARED_DATA is not set: it names the folder of real data sets")
    folder = Path(os.environ["HARNESS_SHARED_DATA"])
    table = Table(asked.show)
    for name, measure in MEASURES.items():
        if asked.only in (None, name):
            (classifier,) = load_classifiers([name])
            measure(table, classifier, folder, asked.xquad)
    table.samples()


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _prompt(row: dict[str, Any]) -> str:
    return f"{row['instruction']}\n\n{row.get('context') or row.get('input') or ''}".strip()


def _misspelled(table: Table, spell: Classifier, folder: Path, _: Path | None) -> None:
    dolly = _rows(folder / "dolly15k/dolly15k.jsonl")
    good = sentences(row["response"] for row in dolly[7500:])
    for name, path in SPELLING.items():
        table.row(spell, f"{name} in Dolly sentences", misspelled_sentences(_rows(folder / path), good, spell))
    table.row(spell, "Dolly answers", (item(row["response"], _prompt(row)) for row in dolly))
    table.row(spell, "WikiText-2 valid", (item(text) for text in wikitext(folder / "wikitext2/valid.txt")))
    contexts = {row["context"]: None for row in _rows(folder / "squad_xquad_en/xquad_en.jsonl")}
    table.row(spell, "XQuAD paragraphs", (item(text) for text in contexts))


def _wrong_language(table: Table, judge: Classifier, folder: Path, xquad: Path | None) -> None:
    dolly = _rows(folder / "dolly15k/dolly15k.jsonl")
    table.row(judge, "Dolly answers, English declared", (item(row["response"], language="en") for row in dolly))
    short = ((" ".join(row["response"].split()[:22]), _prompt(row)) for row in dolly)
    table.row(judge, "their first 22 words, by the prompt", (item(text, prompt) for text, prompt in short))
    for path in sorted(xquad.glob("xquad.*.json")) if xquad else ():
        articles = json.loads(path.read_text(encoding="utf-8"))["data"]
        paragraphs = [each for article in articles for each in article["paragraphs"]]
        asked = [pair["question"] for each in paragraphs for pair in each["qas"]]
        language = path.name.split(".")[1]
        table.row(judge, f"{language} questions, English declared", (item(text, language="en") for text in asked))
        table.row(
            judge, f"{language} questions, {language} declared", (item(text, language=language) for text in asked)
        )


def _copied_prompt(table: Table, judge: Classifier, folder: Path, _: Path | None) -> None:
    dolly = _rows(folder / "dolly15k/dolly15k.jsonl")
    long = [row for row in dolly if len(row["instruction"].split()) >= 12]
    name = "Dolly instructions of 12 words given back"
    table.row(judge, name, (item(row["instruction"], _prompt(row), row["response"]) for row in long))
    name = "Dolly contexts given back"
    given = ((row["context"], _prompt(row), row["response"]) for row in dolly if row["context"])
    table.row(judge, name, (item(text, prompt, target, context=text) for text, prompt, target in given))
    pairs = _rows(folder / "instruction_rasbt/preference_1100.jsonl")
    name = "chosen answers beside rejected ones"
    table.row(judge, name, (item(row["chosen"], _prompt(row), row["rejected"]) for row in pairs))
    name = "Dolly answers, no target, context declared"
    table.row(judge, name, (item(row["response"], _prompt(row), context=row["context"]) for row in dolly))


def _leaked_prompt(table: Table, judge: Classifier, folder: Path, _: Path | None) -> None:
    dolly, alpaca = _rows(folder / "dolly15k/dolly15k.jsonl"), _rows(folder / "alpaca_libre/alpaca_libre_ok.jsonl")
    table.row(judge, "Dolly answers", (item(row["response"], _prompt(row)) for row in dolly))
    table.row(judge, "Alpaca Libre answers", (item(row["output"], _prompt(row)) for row in alpaca))
    answers = _rows(folder / "halueval/general_1500.jsonl")
    table.row(judge, "HaluEval answers", (item(row["chatgpt_response"], row["user_query"]) for row in answers))


def _ungrammatical(table: Table, judge: Classifier, folder: Path, _: Path | None) -> None:
    rows = _rows(folder / "alpaca_libre/alpaca_libre_ok.jsonl")
    rows += _rows(folder / "instruction_rasbt/instruction_data_1100.jsonl")
    pairs = [
        (row["input"].strip("\"'"), row["output"].strip("\"'"))
        for row in rows
        if GRAMMAR.search(row["instruction"]) and EDIT.search(row["instruction"]) and len(row["input"].split()) >= 4
    ]
    pairs = [(wrong, right) for wrong, right in pairs if wrong != right]
    table.row(judge, "sentences to be put right", (item(wrong) for wrong, _ in pairs))
    table.row(judge, "their corrections", (item(right) for _, right in pairs))
    dolly = _rows(folder / "dolly15k/dolly15k.jsonl")[-3000:]
    table.row(judge, "Dolly answers", (item(row["response"], _prompt(row)) for row in dolly))


def _toxic(table: Table, judge: Classifier, folder: Path, _: Path | None) -> None:
    dolly = _rows(folder / "dolly15k/dolly15k.jsonl")
    table.row(judge, "Dolly answers", (item(row["response"], _prompt(row)) for row in dolly))
    pairs = _rows(folder / "instruction_rasbt/preference_1100.jsonl")
    table.row(judge, "rejected answers", (item(row["rejected"], _prompt(row)) for row in pairs))


MEASURES = {
    "misspelled": _misspelled,
    "wrong_language": _wrong_language,
    "copied_prompt": _copied_prompt,
    "leaked_prompt": _leaked_prompt,
    "ungrammatical": _ungrammatical,
    "toxic": _toxic,
}

if __name__ == "__main__":
    main()
