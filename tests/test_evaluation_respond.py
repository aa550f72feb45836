"""From items to scored responses: the task scores, the engine answers, nothing else decides."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from fake_workbench import FakeWorkbench
from toy import toy_domain, toy_guard

from harness.evaluation.domain import Domain
from harness.evaluation.engine import Generation, GenerationRequest, Progress, Scoring, ScoringRequest
from harness.evaluation.items import Item, item_id
from harness.evaluation.respond import gold_logprobs, respond, too_long
from harness.exceptions import InputError


class Engine:
    """Answers with a function of the prompt, and remembers the requests."""

    context_length = 64

    def __init__(self, answer: Callable[[str], str] = lambda prompt: "42") -> None:
        self.answer = answer
        self.generations: list[GenerationRequest] = []
        self.scorings: list[ScoringRequest] = []

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def generate(self, requests: Sequence[GenerationRequest], progress: Progress | None) -> list[Generation]:
        self.generations += requests
        for done in range(len(requests)):
            if progress is not None:
                progress(done + 1, len(requests))
        return [Generation(self.answer(r.prompt), "length", 7, 3) for r in requests]

    def loglikelihood(self, requests: Sequence[ScoringRequest], progress: Progress | None) -> list[Scoring]:
        self.scorings += requests
        if progress is not None:
            progress(len(requests), len(requests))
        return [Scoring(-float(len(r.continuation)), True, 1, 5) for r in requests]


def both() -> Domain:
    """Generating tasks and one of choices in one domain."""
    return Domain("both", {**toy_domain().tasks, **toy_guard().tasks})


def test_a_right_answer_scores_one_and_a_wrong_one_nothing() -> None:
    domain = toy_domain()
    items = domain.items("test", "test")
    golds = {item.prompt: item.target for item in items[::2]}
    results = respond(domain, items, Engine(lambda prompt: golds.get(prompt, "?")), None)
    assert [result.correct for result in results] == [1.0, 0.0] * 20
    assert results[0].response == items[0].target
    assert results[0].metrics == {"exact_match": 1.0}


def test_a_result_carries_its_item_and_what_the_engine_said_of_the_answer() -> None:
    domain = toy_domain()
    items = domain.items("test", "test")[:3]
    for item, result in zip(items, respond(domain, items, Engine(), None), strict=True):
        for name in ("item_id", "task", "skill", "cluster", "doc", "prompt", "target"):
            assert getattr(result, name) == getattr(item, name)
        assert (result.finish_reason, result.prompt_tokens, result.new_tokens) == ("length", 7, 3)


def test_a_request_has_the_tasks_own_stops_limit_and_group() -> None:
    domain = toy_domain()
    engine = Engine()
    item = domain.items("test", "test")[0]
    respond(domain, [item], engine, None, fewshot=1)
    assert engine.generations == [GenerationRequest("What is 0 + 0? 0\n\nWhat is 2000 + 5?", ("\n",), 16, "toy_add")]


def test_of_choices_the_likeliest_ending_is_the_response() -> None:
    guard = toy_guard()
    items = guard.items("test", "guard")
    results = respond(guard, items, Engine(), None)
    assert {result.response for result in results} == {"no"}  # the shorter ending, for this engine
    assert [result.correct for result in results] == [float(item.target == "no") for item in items]
    assert {(result.finish_reason, result.prompt_tokens, result.new_tokens) for result in results} == {("stop", 5, 0)}


def test_results_keep_the_order_of_the_items_whatever_their_kind() -> None:
    domain = both()
    items = domain.items("test", "test")
    mixed = items[::-1][::3] + items[::5]
    distinct = list(dict.fromkeys(item.item_id for item in mixed))
    chosen = [next(item for item in mixed if item.item_id == name) for name in distinct]
    assert [result.item_id for result in respond(domain, chosen, Engine(), None)] == distinct


def test_progress_runs_over_both_kinds_of_requests() -> None:
    domain = both()
    items = [*domain.items("test", "test")[:2], *domain.items("test", "test")[-3:]]
    seen: list[tuple[int, int]] = []
    respond(domain, items, Engine(), None, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 8), (2, 8), (8, 8)]


def test_nothing_to_ask_asks_nothing() -> None:
    engine = Engine()
    assert respond(toy_domain(), [], engine, None) == []
    assert (engine.generations, engine.scorings) == ([], [])


def test_the_golds_are_scored_as_they_continue_the_prompt() -> None:
    domain = toy_domain()
    engine = Engine()
    item = domain.items("test", "test")[0]
    assert gold_logprobs(domain, [item], engine, None) == [-5.0]
    assert engine.scorings == [ScoringRequest("What is 2000 + 5?", " 2005", "toy_add")]
    assert gold_logprobs(domain, [item], engine, lambda messages, **_: "<chat>") == [-4.0]


def with_results(metrics: Callable[[dict[str, Any], list[Any]], Any]) -> tuple[Domain, list[Item]]:
    """The toy with another ``process_results``."""
    domain = copy.deepcopy(toy_domain())
    domain.tasks["toy_add"].task.process_results = metrics
    return domain, domain.items("test", "test")[:1]


@pytest.mark.parametrize(("value", "correct"), [(1, 1.0), (True, 1.0), (0.25, 0.25), (7.0, 1.0), (-1, 0.0)], ids=str)
def test_the_first_metric_is_what_counts_from_nought_to_one(value: float, correct: float) -> None:
    domain, items = with_results(lambda doc, results: {"err": 1, "exact_match": value, "text": "x", "pair": (1, 2)})
    (result,) = respond(domain, items, Engine(), None)
    assert result.correct == correct
    assert result.metrics == {"err": 1.0, "exact_match": float(value)}


def test_a_numpy_number_is_a_number() -> None:
    import numpy as np

    domain, items = with_results(lambda doc, results: {"exact_match": np.float32(1.0), "array": np.zeros(3)})
    assert respond(domain, items, Engine(), None)[0].metrics == {"exact_match": 1.0}


@pytest.mark.parametrize("value", [float("nan"), None, "1", (0, [1])], ids=str)
def test_a_first_metric_that_is_no_number_is_refused(value: Any) -> None:
    domain, items = with_results(lambda doc, results: {"exact_match": value, "other": 1.0})
    with pytest.raises(InputError) as caught:
        respond(domain, items, Engine(), None)
    assert str(caught.value) == (
        "task 'toy_add': process_results gives no number for its first metric 'exact_match' "
        "(it gives: exact_match, other); put a per-item metric first in metric_list"
    )


def test_a_tasks_own_code_that_fails_is_named_with_the_item() -> None:
    def fails(doc: dict[str, Any], results: list[Any]) -> Any:
        raise ZeroDivisionError("division by zero")

    domain, items = with_results(fails)
    with pytest.raises(InputError) as caught:
        respond(domain, items, Engine(), None)
    assert str(caught.value) == (
        f"task 'toy_add', item {items[0].item_id}: process_results failed: ZeroDivisionError: division by zero"
    )


def test_an_answer_is_filtered_as_the_task_says_before_it_is_scored(tmp_path: Any) -> None:
    from toy import write_toy_tasks

    from harness.evaluation.domain import load_domain

    folder = write_toy_tasks(tmp_path / "t")
    path = folder / "toy_add.yaml"
    path.write_text(
        path.read_text()
        + "filter_list:\n  - name: digits\n    filter:\n      - function: regex\n        regex_pattern: '(\\d+)'\n"
        "      - function: take_first\n"
    )
    domain = load_domain("toy_add", [folder])
    item = domain.items("test", "test")[0]
    (result,) = respond(domain, [item], Engine(lambda prompt: f"It is {item.target}."), None)
    assert result.correct == 1.0
    assert result.response == f"It is {item.target}."


def test_items_too_long_for_prompt_and_answer_are_found() -> None:
    domain = toy_domain()
    items = domain.items("test", "test")[:2]
    assert too_long(domain, items, FakeWorkbench(context_length=21), None) == []  # 5 words and 16 to answer
    found = too_long(domain, items, FakeWorkbench(context_length=20), None)
    assert [(entry.item_id, entry.task, entry.tokens, entry.limit) for entry in found] == [
        (item.item_id, "toy_add", 21, 20) for item in items
    ]


def test_of_choices_the_longest_ending_must_fit() -> None:
    guard = copy.deepcopy(toy_guard())
    guard.tasks["toy_guard"].task.choices = ["no", "yes it is even indeed"]
    item = guard.items("test", "guard")[1]
    assert too_long(guard, [item], FakeWorkbench(context_length=8), None) == []
    assert len(too_long(guard, [item], FakeWorkbench(context_length=7), None)) == 1


def test_an_item_is_named_by_its_task_and_document_alone() -> None:
    doc = {"b": 1, "a": "Köln"}
    assert item_id("t", doc) == item_id("t", dict(reversed(doc.items())))
    assert item_id("t", doc) != item_id("u", doc)
    assert len(item_id("t", doc)) == 16
