"""The helpdesk domain: what its data promise, what its scoring accepts, and that lm-eval can use it."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from harness.exceptions import InputError
from harness.locate import data_folder
from harness.storage import read_jsonl

DOMAIN = data_folder("tasks") / "helpdesk"
SKILLS = ("extraction", "routing", "grounded", "scope")
SPLITS = ("train", "validation", "test")
COUNTS = {"train": 1000, "validation": 150, "test": 150}
TEMPLATES = {"train": 40, "validation": 15, "test": 15}  # at least so many a skill
KEYS = ["name", "order", "product", "serial", "wants"]

Doc = dict[str, Any]


def module(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def utils() -> ModuleType:
    return module(DOMAIN / "utils.py", "helpdesk_utils")


@pytest.fixture(scope="module")
def docs(utils: ModuleType) -> dict[tuple[str, str], list[Doc]]:
    """Every document as lm-eval gets it."""
    return {(skill, split): list(data) for skill in SKILLS for split, data in utils.load(skill).items()}


@pytest.fixture(scope="module")
def everything(docs: dict[tuple[str, str], list[Doc]]) -> list[Doc]:
    return [doc for part in docs.values() for doc in part]


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def runs(text: str, length: int) -> set[str]:
    found = words(text)
    return {" ".join(found[start : start + length]) for start in range(len(found) - length + 1)}


def template(doc: Doc) -> str:
    """The template of an item: its cluster, for extraction without the type of appliance."""
    return "-".join(doc["cluster"].split("-")[:3]) if doc["skill"] == "extraction" else str(doc["cluster"])


# The data


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_the_generator_makes_the_data_byte_for_byte(tmp_path: Path, hash_seed: str) -> None:
    command = [sys.executable, str(DOMAIN / "generate.py"), "--out", str(tmp_path)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": hash_seed})
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_bytes() for path in (DOMAIN / "data").iterdir()}
    assert made == kept
    assert set(made) == {f"{skill}_{split}.jsonl" for skill in SKILLS for split in SPLITS}
    assert max(map(len, made.values())) < 2**20


def test_every_split_has_its_number_of_items_and_unique_ids(everything: list[Doc]) -> None:
    found = Counter((doc["skill"], doc["id"].split("-")[1]) for doc in everything)
    assert found == {(skill, split): COUNTS[split] for skill in SKILLS for split in SPLITS}
    assert len({doc["id"] for doc in everything}) == len(everything)


def test_no_input_occurs_twice_within_or_between_splits(everything: list[Doc]) -> None:
    inputs = Counter(" ".join(words(doc["input"])) for doc in everything)
    assert [text for text, count in inputs.items() if count > 1] == []


def blanked(text: str) -> str:
    """``text`` with each number and each name (any capitalised word) made the same."""
    return re.sub(r"\b[A-Z]\w*", "x", re.sub(r"\w*\d\w*", "0", text))


@pytest.mark.parametrize("skill", SKILLS)
@pytest.mark.parametrize(("view", "length"), [(str, 7), (blanked, 8)])
def test_no_run_of_words_is_shared_between_splits(
    docs: dict[tuple[str, str], list[Doc]], skill: str, view: Callable[[str], str], length: int
) -> None:
    seen = {split: {run for doc in docs[skill, split] for run in runs(view(doc["input"]), length)} for split in SPLITS}
    assert seen["train"] & seen["validation"] == set()
    assert seen["train"] & seen["test"] == set()
    assert seen["validation"] & seen["test"] == set()


@pytest.mark.parametrize("skill", SKILLS)
def test_templates_are_many_and_of_one_split(docs: dict[tuple[str, str], list[Doc]], skill: str) -> None:
    found = {split: {template(doc) for doc in docs[skill, split]} for split in SPLITS}
    assert all(len(found[split]) >= TEMPLATES[split] for split in SPLITS)
    assert len(set().union(*found.values())) == sum(map(len, found.values()))


def test_extracted_values_are_disjoint_between_splits(docs: dict[tuple[str, str], list[Doc]]) -> None:
    def values(split: str, key: str) -> set[str]:
        return {json.loads(doc["target"])[key] for doc in docs["extraction", split]} - {None}

    for key in ("name", "order", "product", "serial"):
        train, validation, test = (values(split, key) for split in SPLITS)
        assert train & validation == train & test == validation & test == set()


@pytest.mark.parametrize("pool", ["LINES", "FIRST_NAMES", "LAST_NAMES", "CITIES", "RIVALS", "DAYS", "MONTHS"])
def test_names_places_and_products_keep_to_their_split(
    everything: list[Doc], pool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(DOMAIN))
    values = getattr(module(DOMAIN / "wording" / "shared.py", "helpdesk_shared"), pool)
    owner = {word: split for split in SPLITS for word in values[split]}
    assert len(owner) == sum(len(values[split]) for split in SPLITS)
    owner.pop("May", None)  # also the beginning of a question
    strays = [
        (doc["id"], word)
        for doc in everything
        for word in re.findall(r"\b[A-Z]\w+", doc["input"])
        if word in owner and owner[word] != doc["id"].split("-")[1]
    ]
    assert strays == []


def test_extraction_structures_are_disjoint_between_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOMAIN))
    structures = module(DOMAIN / "generate.py", "helpdesk_generate").STRUCTURES
    found = [tuple(structure.values()) for split in SPLITS for structure in structures[split]]
    assert len(found) == len(set(found)) == 100


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


@pytest.mark.parametrize("skill", SKILLS)
def test_first_train_items_are_of_several_kinds(docs: dict[tuple[str, str], list[Doc]], skill: str) -> None:
    head = docs[skill, "train"][:8]
    assert len({doc["cluster"] for doc in head}) == 8
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
    ("skill", "rows", "most"), [("routing", 200, 0.3), ("routing", 1000, 0.45), ("scope", 1000, 0.75)]
)
def test_words_alone_do_not_solve_a_skill(
    docs: dict[tuple[str, str], list[Doc]], skill: str, rows: int, most: float
) -> None:
    def pairs(split: str) -> list[tuple[str, str]]:
        part = docs[skill, split]
        labels = [doc["target"] if skill == "routing" else str(doc["expects"]["refusal"]) for doc in part]
        return [(doc["input"].split("Question:")[-1], label) for doc, label in zip(part, labels, strict=True)]

    assert naive_bayes(pairs("train")[:rows], pairs("test")) < most


# The scoring


def test_every_gold_answer_is_right_and_shows_no_error(everything: list[Doc], utils: ModuleType) -> None:
    for doc in everything:
        for answer in (doc["target"], *doc["accepted"], f"  {doc['target']}\n"):
            metrics = utils.process_results(doc, [answer])
            assert metrics.pop("exact_match") == 1.0, (doc["id"], answer)
            assert metrics == dict.fromkeys(metrics, 0.0), (doc["id"], answer)


def wrong_answers(doc: Doc, queues: tuple[str, ...]) -> list[str]:
    target, expects = doc["target"], doc["expects"]
    wrong = ["", target + " and more", "I'm sorry, I can't help with that."]
    if expects["format"] == "json":
        fields = json.loads(target)
        for key, value in fields.items():
            wrong.append(json.dumps({**fields, key: "none" if value is None else None}))
            wrong.append(json.dumps({other: fields[other] for other in fields if other != key}))
        wrong += [json.dumps({**fields, "city": None}), json.dumps([fields]), f"```json\n{target}\n```", target[:-1]]
        wrong.append(target[:-1] + ', "name": null}')
    elif expects["format"] == "label":
        wrong += [queue for queue in queues if queue != target]
        wrong += [f"Queue: {target}", target.replace("-", " ") + " queue"]
    else:
        wrong.append("No." if expects["refusal"] else expects["refusal_sentence"])
    return wrong


def test_every_wrong_variant_scores_nothing(everything: list[Doc], utils: ModuleType) -> None:
    for doc in everything:
        for answer in wrong_answers(doc, utils.QUEUES):
            assert utils.score(doc, answer) == 0.0, (doc["id"], answer)


@pytest.mark.parametrize(
    ("skill", "answer", "changed"),
    [
        ("extraction", '{"a": "x", "b": null}', ' {"b" : null,"a":" x "}'),
        ("routing", "spare-parts", " Spare-Parts. "),
        ("grounded", "the red tabs", "Red  Tabs!"),
    ],
)
def test_outward_differences_do_not_count(utils: ModuleType, skill: str, answer: str, changed: str) -> None:
    form = {"extraction": "json", "routing": "label", "grounded": "text"}[skill]
    doc = {"skill": skill, "target": answer, "accepted": [], "expects": {"format": form}}
    assert utils.score(doc, changed) == 1.0


@pytest.mark.parametrize("response", ["[" * 100_000, '{"a": ' * 50_000, "\ud800", '{"a": NaN', "\x00", "9" * 10_000])
def test_hostile_responses_are_merely_wrong(everything: list[Doc], utils: ModuleType, response: str) -> None:
    for skill in SKILLS:
        doc = next(doc for doc in everything if doc["skill"] == skill)
        assert utils.score(doc, response) == 0.0


def test_errors_are_named_where_they_occur(docs: dict[tuple[str, str], list[Doc]], utils: ModuleType) -> None:
    def errors(skill: str, refusal: bool | None, response: str) -> set[str]:
        doc = next(doc for doc in docs[skill, "test"] if doc["expects"].get("refusal") is refusal)
        return {name for name, value in utils.process_results(doc, [response]).items() if value}

    assert "err_invalid_format" in errors("extraction", None, "The order is 4711.")
    assert "err_invalid_format" in errors("routing", None, "complaints")
    assert "err_empty" in errors("routing", None, " ")
    assert "err_needless_refusal" in errors("grounded", False, "The policy does not say.")
    assert "err_missed_refusal" in errors("scope", True, "It has three bridges.")
    rambling = "You will be glad to hear that it is so, and that is all there is to say about it from our side today."
    assert "err_too_long" in errors("scope", False, rambling)


# lm-eval


@pytest.fixture(scope="module")
def tasks() -> dict[str, Any]:
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(DOMAIN), include_defaults=False)
    loaded = manager.load("helpdesk")
    assert set(loaded["groups"]) == {"helpdesk"}
    return dict(loaded["tasks"])


def chat(messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
    return "".join(f"<{message['role']}>{message['content']}" for message in messages) + "<assistant>"


def test_lm_eval_loads_the_group_with_its_four_tasks(tasks: dict[str, Any]) -> None:
    assert set(tasks) == {f"helpdesk_{skill}" for skill in SKILLS}
    for task in tasks.values():
        parts = (task.training_docs(), task.validation_docs(), task.test_docs())
        assert [len(part) for part in parts] == list(COUNTS.values())


@pytest.mark.parametrize("skill", SKILLS)
def test_prompt_is_the_instruction_and_the_item(tasks: dict[str, Any], utils: ModuleType, skill: str) -> None:
    task = tasks[f"helpdesk_{skill}"]
    doc = task.test_docs()[0]
    prompt = task.fewshot_context(doc, 0, apply_chat_template=True, chat_template=chat)
    assert prompt == f"<user>{utils.doc_to_text(doc)}<assistant>"
    assert doc["input"] in prompt
    assert "{" not in prompt
    if doc["expects"].get("refusal_sentence"):
        assert doc["expects"]["refusal_sentence"] in prompt


@pytest.mark.parametrize("skill", SKILLS)
def test_fewshot_examples_are_the_first_of_train(tasks: dict[str, Any], skill: str) -> None:
    task = tasks[f"helpdesk_{skill}"]
    doc = task.test_docs()[0]
    turns = task.fewshot_context(doc, 4, apply_chat_template=True, fewshot_as_multiturn=True, chat_template=chat)
    place = 0
    for example in list(task.training_docs())[:4]:
        place = turns.index(f"{example['input']}<assistant>{example['target']}", place)
    assert turns.endswith(f"{doc['input']}<assistant>")


@pytest.mark.parametrize("skill", SKILLS)
def test_task_file_lists_the_metrics_that_process_results_returns(
    tasks: dict[str, Any], utils: ModuleType, skill: str
) -> None:
    task = tasks[f"helpdesk_{skill}"]
    doc = task.test_docs()[0]
    better = {name: name == "exact_match" for name in utils.process_results(doc, [doc["target"]])}
    assert task.higher_is_better() == better
    assert set(task.aggregation()) == set(better)
    assert "err_truncated" not in better


@pytest.mark.parametrize("skill", SKILLS)
def test_generation_is_greedy_and_long_enough_for_the_answers(skill: str) -> None:
    text = (DOMAIN / f"helpdesk_{skill}.yaml").read_text()
    arguments = yaml.safe_load(text)["generation_kwargs"]
    assert arguments["do_sample"] is False
    assert arguments["max_gen_toks"] <= 64
    answers = [doc["target"] for split in SPLITS for doc in read_jsonl(DOMAIN / "data" / f"{skill}_{split}.jsonl")]
    assert not any(stop in answer for stop in arguments["until"] for answer in answers)


def test_loading_takes_what_lm_eval_adds_and_refuses_unknown_skills(utils: ModuleType) -> None:
    assert set(utils.load("scope", version=1.0, pretrained="somewhere")) == set(SPLITS)
    with pytest.raises(InputError, match=r"no skill 'scop'.*Did you mean 'scope'"):
        utils.load("scop")
