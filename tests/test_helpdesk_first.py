"""Extraction, routing, grounded and scope: what each promises beyond what every skill of helpdesk does."""

from __future__ import annotations

import json
import math
from collections import Counter
from types import ModuleType

import pytest
from helpdesk_domain import DOMAIN, SPLITS, Doc, domain_docs, domain_utils, module, runs, words

KEYS = ["name", "order", "product", "serial", "wants"]


@pytest.fixture(scope="module")
def docs() -> dict[tuple[str, str], list[Doc]]:
    return domain_docs()


@pytest.fixture(scope="module")
def utils() -> ModuleType:
    return domain_utils()


@pytest.mark.parametrize("split", SPLITS)
def test_each_of_the_24_queues_is_in_each_split(
    docs: dict[tuple[str, str], list[Doc]], utils: ModuleType, split: str
) -> None:
    found = Counter(doc["target"] for doc in docs["routing", split])
    assert len(utils.QUEUES) == 24
    assert set(found) == set(utils.QUEUES)
    assert max(found.values()) - min(found.values()) <= 1


def test_a_message_never_names_its_queue(docs: dict[tuple[str, str], list[Doc]]) -> None:
    for split in SPLITS:
        for doc in docs["routing", split]:
            assert doc["target"].replace("-", " ") not in " ".join(words(doc["input"])), doc["id"]


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(("skill", "share"), [("grounded", 0.35), ("scope", 0.45)])
def test_fixed_sentence_is_right_for_a_known_share(
    docs: dict[tuple[str, str], list[Doc]], skill: str, share: float, split: str
) -> None:
    part = docs[skill, split]
    due = [doc["expects"]["refusal"] for doc in part]
    assert sum(due) / len(due) == pytest.approx(share, abs=0.01)
    for doc in part:
        assert (doc["target"] == doc["expects"]["refusal_sentence"]) is doc["expects"]["refusal"]


@pytest.mark.parametrize("split", SPLITS)
def test_each_field_is_sometimes_null(docs: dict[tuple[str, str], list[Doc]], split: str) -> None:
    targets = [json.loads(doc["target"]) for doc in docs["extraction", split]]
    for key in KEYS:
        share = sum(target[key] is None for target in targets) / len(targets)
        assert 0.03 < share < 0.5, (key, share)


def test_answers_stand_in_the_item(docs: dict[tuple[str, str], list[Doc]]) -> None:
    derived = {"nothing", "one", "by transfer"}  # said in other words
    for split in SPLITS:
        for doc in docs["extraction", split]:
            for key, value in json.loads(doc["target"]).items():
                assert value is None or key == "wants" or value in doc["input"], doc["id"]
        for doc in docs["grounded", split] + docs["scope", split]:
            if not doc["expects"]["refusal"]:
                source = set(words(doc["input"].split("\nQuestion:")[0]))
                forms = [doc["target"], *doc["accepted"]]
                assert derived & set(forms) or any(set(words(form)) <= source for form in forms), doc["id"]


def test_extracted_values_are_disjoint_between_splits(docs: dict[tuple[str, str], list[Doc]]) -> None:
    def values(split: str, key: str) -> set[str]:
        return {json.loads(doc["target"])[key] for doc in docs["extraction", split]} - {None}

    for key in ("name", "order", "product", "serial"):
        train, validation, test = (values(split, key) for split in SPLITS)
        assert train & validation == train & test == validation & test == set()


def test_extraction_structures_are_disjoint_between_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOMAIN))
    structures = module(DOMAIN / "making" / "extraction.py", "helpdesk_making").STRUCTURES
    found = [tuple(structure.values()) for split in SPLITS for structure in structures[split]]
    assert len(found) == len(set(found)) == 100


@pytest.mark.parametrize("skill", ["extraction", "routing", "grounded", "scope"])
def test_first_train_items_are_of_several_kinds(docs: dict[tuple[str, str], list[Doc]], skill: str) -> None:
    head = docs[skill, "train"][:8]
    if skill == "routing":
        assert len({doc["target"] for doc in head}) == 8
    elif skill == "extraction":
        nulls = [list(json.loads(doc["target"]).values()).count(None) for doc in head]
        assert len(set(nulls[:4])) == 4
    else:
        refusals = [doc["expects"]["refusal"] for doc in head]
        assert refusals == [refusals[0], not refusals[0]] * 4


def naive_bayes(train: list[tuple[str, str]], test: list[tuple[str, str]]) -> float:
    """Accuracy of a classifier that sees which words and pairs of words a text has, and nothing else."""

    def features(text: str) -> set[str]:
        return runs(text, 1) | runs(text, 2)

    labels = Counter(label for _, label in train)
    seen = Counter((label, feature) for text, label in train for feature in features(text))
    known = {feature for _, feature in seen}

    def fit(label: str, text: str) -> float:
        found = features(text) & known
        return math.log(labels[label]) + sum(
            math.log((seen[label, one] + 0.3) / (labels[label] + 0.6)) for one in found
        )

    # rounded, so that the order in which a set is summed cannot decide a tie
    guesses = [max(sorted(labels), key=lambda label: round(fit(label, text), 6)) for text, _ in test]
    return sum(guess == label for guess, (_, label) in zip(guesses, test, strict=True)) / len(test)


@pytest.mark.parametrize(
    ("skill", "rows", "most"), [("routing", 200, 0.3), ("routing", 400, 0.4), ("scope", 400, 0.75)]
)
def test_words_alone_do_not_solve_a_skill(
    docs: dict[tuple[str, str], list[Doc]], skill: str, rows: int, most: float
) -> None:
    def pairs(split: str) -> list[tuple[str, str]]:
        part = docs[skill, split]
        labels = [doc["target"] if skill == "routing" else str(doc["expects"]["refusal"]) for doc in part]
        return [(doc["input"].split("Question:")[-1], label) for doc, label in zip(part, labels, strict=True)]

    assert naive_bayes(pairs("train")[:rows], pairs("test")) < most
