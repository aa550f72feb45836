"""The helpdesk domain: what its data promise, and that lm-eval can use it."""

from __future__ import annotations

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
from helpdesk_domain import (
    COUNTS,
    DOMAIN,
    SKILLS,
    SPLITS,
    Doc,
    all_docs,
    domain_docs,
    domain_utils,
    module,
    runs,
    words,
)

from harness.exceptions import InputError
from harness.storage import read_jsonl

TEMPLATES = {"train": 40, "validation": 15, "test": 15}  # at least so many a skill


@pytest.fixture(scope="module")
def utils() -> ModuleType:
    return domain_utils()


@pytest.fixture(scope="module")
def docs() -> dict[tuple[str, str], list[Doc]]:
    return domain_docs()


@pytest.fixture(scope="module")
def everything() -> list[Doc]:
    return all_docs()


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
    assert set(made) == {"tools.jsonl", *(f"{skill}_{split}.jsonl" for skill in SKILLS for split in SPLITS)}
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


@pytest.mark.parametrize(("skill", "field"), [*((skill, "input") for skill in SKILLS), ("rewrite", "target")])
@pytest.mark.parametrize(("view", "length"), [(str, 7), (blanked, 8)])
def test_no_run_of_words_is_shared_between_splits(
    docs: dict[tuple[str, str], list[Doc]], skill: str, field: str, view: Callable[[str], str], length: int
) -> None:
    seen = {split: {run for doc in docs[skill, split] for run in runs(view(doc[field]), length)} for split in SPLITS}
    assert seen["train"] & seen["validation"] == set()
    assert seen["train"] & seen["test"] == set()
    assert seen["validation"] & seen["test"] == set()


@pytest.mark.parametrize("skill", SKILLS)
def test_templates_are_many_and_of_one_split(docs: dict[tuple[str, str], list[Doc]], skill: str) -> None:
    found = {split: {template(doc) for doc in docs[skill, split]} for split in SPLITS}
    assert all(len(found[split]) >= TEMPLATES[split] for split in SPLITS)
    assert len(set().union(*found.values())) == sum(map(len, found.values()))


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


@pytest.mark.parametrize("skill", SKILLS)
def test_the_tag_says_whether_an_answer_has_fewer_words_than_what_it_is_made_from(
    docs: dict[tuple[str, str], list[Doc]], skill: str
) -> None:
    for split in SPLITS:
        for doc in docs[skill, split]:
            given = re.sub(r"^(Message|Question|To|About|Facts|Internal): |^Limit: .*$", "", doc["input"], flags=re.M)
            fewer = len(words(doc["target"])) < len(words(given))
            assert doc["tag"] == ("extraction" if fewer else "expansion"), doc["id"]


@pytest.mark.parametrize("skill", SKILLS)
def test_first_train_items_are_of_several_templates(docs: dict[tuple[str, str], list[Doc]], skill: str) -> None:
    assert len({template(doc) for doc in docs[skill, "train"][:8]}) >= 7
    assert len({doc["cluster"] for doc in docs[skill, "train"][:8]}) == 8


def test_what_an_answer_must_be_like_comes_without_what_is_not_said(docs: dict[tuple[str, str], list[Doc]]) -> None:
    for (skill, split), part in docs.items():
        kept = read_jsonl(DOMAIN / "data" / f"{skill}_{split}.jsonl")
        added = {"routing": {"labels"}, "grounded": {"context", "answerable"}, "scope": {"context"}}
        added["dialogue"] = {"context"}
        for doc, line in zip(part, kept, strict=True):
            assert set(doc) == set(line) | (set() if split == "train" else {"canary"})
            assert set(doc["expects"]) == set(line["expects"]) | added.get(skill, set())
            if skill != "tools":
                assert {key: doc["expects"][key] for key in line["expects"]} == line["expects"]


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


def test_lm_eval_loads_the_group_with_its_tasks(tasks: dict[str, Any]) -> None:
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
    assert not re.search(r"\{\w+\}|\{\{", prompt)
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
