"""The guard domain ``general``: its data, its scoring and what lm-eval makes of it."""

from __future__ import annotations

import importlib.util
import itertools
import json
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.evaluation.items import Expectation
from harness.locate import data_folder

Doc = dict[str, Any]
DOMAIN = data_folder("tasks") / "general"


def _load_utils() -> ModuleType:
    spec = importlib.util.spec_from_file_location("general_utils", DOMAIN / "utils.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _rows(name: str) -> list[Doc]:
    return [json.loads(line) for line in (DOMAIN / "data" / name).read_text(encoding="utf-8").splitlines()]


UTILS = _load_utils()
CHOICE = _rows("choice_test.jsonl")
SHORT = _rows("short_test.jsonl")
TRAIN = _rows("train.jsonl")


def _prompt(doc: Doc) -> str:
    return str(doc["prompt"] if "prompt" in doc else doc["question"])


def _golds(doc: Doc) -> list[str]:
    return [doc["answer"], *doc["accepted"]]


def _everything(doc: Doc) -> str:
    """All text of a row that a model could be shown or asked for."""
    if "choices" in doc:
        return " ".join([doc["question"], *doc["choices"]])
    return " ".join([doc["prompt"], *_golds(doc)])


def _words(text: str) -> set[str]:
    return set(UTILS.normalise(text).split())


def _ngrams(text: str, n: int) -> set[tuple[str, ...]]:
    words = UTILS.normalise(text).split()
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}


def _ids(doc: Doc) -> str:
    return str(doc["id"])


@pytest.fixture(scope="module")
def tasks() -> dict[str, Any]:
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(DOMAIN), include_defaults=False)
    return dict(manager.load(["general"])["tasks"])


# --- the data


def test_there_are_180_choice_120_short_and_240_train_rows() -> None:
    assert (len(CHOICE), len(SHORT), len(TRAIN)) == (180, 120, 240)


def test_ids_and_prompts_are_unique() -> None:
    rows = [*CHOICE, *SHORT, *TRAIN]
    assert len({row["id"] for row in rows}) == len(rows)
    prompts = Counter(UTILS.normalise(_prompt(row)) for row in rows if row not in TRAIN)
    assert prompts.most_common(1)[0][1] == 1
    # As written: "GREAT NEWS" and "great news" may be different tasks for a rewriting row.
    assert len({row["prompt"] for row in TRAIN}) == len(TRAIN)


def test_every_row_names_its_skill_cluster_and_topic() -> None:
    for row in [*CHOICE, *SHORT, *TRAIN]:
        assert row["skill"] == "general"
        assert row["cluster"]
        assert row["topic"]


def test_choices_are_four_different_texts_and_the_answer_is_one_of_them() -> None:
    for row in CHOICE:
        assert len({UTILS.normalise(choice) for choice in row["choices"]}) == 4, row["id"]
        assert row["answer"] in range(4)


def test_gold_positions_are_balanced() -> None:
    positions = Counter(row["answer"] for row in CHOICE)
    assert all(0.2 <= positions[position] / len(CHOICE) <= 0.3 for position in range(4))


def test_short_and_train_rows_declare_an_expectation_that_their_gold_meets() -> None:
    for row in [*SHORT, *TRAIN]:
        expectation = Expectation.from_doc(row)
        assert expectation.format == "text"
        assert expectation.max_words is not None
        assert all(len(gold.split()) <= expectation.max_words for gold in _golds(row))


def test_train_answers_have_one_to_twenty_five_words() -> None:
    assert all(1 <= len(row["answer"].split()) <= 25 for row in TRAIN)


def test_items_worded_alike_share_a_cluster() -> None:
    for part in (CHOICE, SHORT):
        texts = [(row, _words(" ".join([_prompt(row), *row.get("choices", [])]))) for row in part]
        for (one, a), (two, b) in itertools.combinations(texts, 2):
            if len(a & b) / len(a | b) >= 0.7:
                assert one["cluster"] == two["cluster"], (_prompt(one), _prompt(two))


# --- train and test keep apart


def test_no_train_prompt_is_a_test_question_or_worded_nearly_like_one() -> None:
    test_words = [_words(_prompt(row)) for row in [*CHOICE, *SHORT]]
    for row in TRAIN:
        words = _words(row["prompt"])
        assert all(len(words & other) / len(words | other) < 0.6 for other in test_words), row["prompt"]


def test_train_and_test_share_no_8_gram() -> None:
    test_grams = set().union(*(_ngrams(_everything(row), 8) for row in [*CHOICE, *SHORT]))
    shared = {gram for row in TRAIN for gram in _ngrams(_everything(row), 8)} & test_grams
    assert not shared


# --- scoring


@pytest.mark.parametrize("doc", SHORT, ids=_ids)
def test_every_gold_and_accepted_answer_scores_one(doc: Doc) -> None:
    for gold in _golds(doc):
        assert UTILS.score_short(doc, [gold]) == {"exact_match": 1.0, "acc": 1.0}
        assert UTILS.score_short(doc, [f"\nThe answer is **{gold}**.\nAnything else?"])["exact_match"] == 1.0


@pytest.mark.parametrize("doc", SHORT, ids=_ids)
def test_empty_evasive_and_echoing_answers_score_zero(doc: Doc) -> None:
    for wrong in ["", " \n ", "I don't know.", "Yes", doc["prompt"], f"{doc['prompt']}\n{doc['answer']}"]:
        assert UTILS.score_short(doc, [wrong]) == {"exact_match": 0.0, "acc": 0.0}, wrong


@pytest.mark.parametrize("doc", SHORT, ids=_ids)
def test_the_gold_of_another_topic_scores_zero(doc: Doc) -> None:
    others = [row for row in SHORT if row["topic"] != doc["topic"] and not {*_golds(row)} & {*_golds(doc)}]
    right = [row["answer"] for row in others if UTILS.is_right(row["answer"], _golds(doc))]
    assert right == []


@pytest.mark.parametrize(
    ("response", "gold", "right"),
    [
        ("PARIS!", "Paris", True),
        ("It is Paris. Lyon is smaller.", "Paris", True),
        ("It is Lyon. Paris is larger.", "Paris", False),
        ("Lyon\nParis", "Paris", False),
        ("Parisian", "Paris", False),
        ("An elephant", "the elephant", True),
        ("1,000 grams", "1000", True),
        ("It is 3.5 metres", "5", False),
        ("It is -4", "4", False),
        ("9-4 is 5", "5", True),
        ("24hours", "24", False),
        ("It doesn't", "T", False),
        ("twenty-four hours", "twenty four", True),
        ("5.", "5", True),
    ],
)
def test_a_short_answer_is_right_when_its_first_sentence_says_the_gold_in_whole_words(
    response: str, gold: str, right: bool
) -> None:
    assert UTILS.is_right(response, [gold]) is right


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = UTILS.normalise(text)
    assert UTILS.normalise(once) == once


@given(st.text())
def test_any_response_is_scored_without_failing(text: str) -> None:
    assert UTILS.score_short(SHORT[0], [text])["exact_match"] in (0.0, 1.0)


# --- lm-eval


def test_lm_eval_loads_the_group_offline_with_both_tasks(tasks: dict[str, Any]) -> None:
    assert set(tasks) == {"general_choice", "general_short"}
    assert [len(tasks[name].eval_docs) for name in ("general_choice", "general_short")] == [180, 120]


def test_the_documents_lm_eval_yields_are_the_rows_on_disk(tasks: dict[str, Any]) -> None:
    assert list(tasks["general_choice"].test_docs()) == CHOICE
    assert list(tasks["general_short"].test_docs()) == SHORT


def test_train_rows_come_through_the_short_tasks_training_split(tasks: dict[str, Any]) -> None:
    task = tasks["general_short"]
    pairs = [(task.doc_to_text(doc), task.doc_to_target(doc)) for doc in task.training_docs()]
    assert pairs == [(row["prompt"], row["answer"]) for row in TRAIN]


def test_the_prompt_is_the_bare_question_with_and_without_a_chat_template(tasks: dict[str, Any]) -> None:
    def template(messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        return "".join(f"<{m['role']}>{m['content']}" for m in messages) + "<assistant>" * add_generation_prompt

    for name, rows in (("general_choice", CHOICE), ("general_short", SHORT)):
        doc = next(iter(tasks[name].test_docs()))
        assert tasks[name].fewshot_context(doc, 0) == _prompt(rows[0])
        chat = tasks[name].fewshot_context(doc, 0, apply_chat_template=True, chat_template=template)
        assert chat == f"<user>{_prompt(rows[0])}<assistant>"


def test_choices_are_scored_as_answers_to_the_question(tasks: dict[str, Any]) -> None:
    task = tasks["general_choice"]
    doc = next(iter(task.test_docs()))
    requests = task.construct_requests(doc, ctx="Q", apply_chat_template=True, metadata=("general_choice", 0, 1))
    assert [request.args for request in requests] == [("Q", choice) for choice in doc["choices"]]


def test_picking_the_gold_choice_scores_one_and_any_other_zero(tasks: dict[str, Any]) -> None:
    task = tasks["general_choice"]
    for doc in task.test_docs():
        for picked in range(4):
            likelihoods = [(-1.0 if i == picked else -9.0, False) for i in range(4)]
            assert task.process_results(doc, likelihoods) == {"acc": float(picked == doc["answer"])}


def test_answers_are_generated_greedily_and_briefly(tasks: dict[str, Any]) -> None:
    settings = tasks["general_short"].config.generation_kwargs
    assert settings == {"until": ["\n\n"], "max_gen_toks": 24, "do_sample": False}


def test_a_damaged_data_file_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": "a"}\n{"id": \n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"rows\.jsonl:2: not JSON \(Expecting value\); restore the file"):
        UTILS._read(path)
