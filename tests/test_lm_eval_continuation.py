"""Tasks of lm-eval that score one gold continuation (``output_type: loglikelihood``), such as lambada, as a domain."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_workbench import BETTER, FakeWorkbench
from lm_eval_rows import write_lm_eval_task, write_rows
from tiny import make_tiny_model
from toy import write_toy_tasks

import harness.cli.session
from harness.cli.main import main
from harness.config import Settings
from harness.errors import classify_all, load_classifiers
from harness.errors.contract import ErrorLabel
from harness.evaluated import Evaluation, load_evaluation, save_evaluation
from harness.evaluation.choices import GREEDY
from harness.evaluation.domain import Domain, load_domain
from harness.evaluation.engine import Scoring, ScoringRequest
from harness.evaluation.items import ItemResult
from harness.evaluation.respond import gold_logprobs, respond, scored_gold
from harness.evaluation.task_metrics import corpus_figures, metric_notices
from harness.evaluation.train_from import with_train_file
from harness.exceptions import InputError
from harness.gate.degenerate import degenerate
from harness.loop.prepare import prepare
from harness.metrics.suite import evaluation_metrics, written
from harness.reporting.answers import UNSAID, _answer
from harness.storage import read_json, read_jsonl
from harness.training.recipe import load_recipe

WORDS = ("harbour", "lantern", "orchard", "saddle", "thimble", "velvet", "walnut", "yarrow")


def rows(count: int) -> list[dict[str, str]]:
    """Rows of lambada: the last word is what is to be guessed."""
    return [
        {"text": f"On day {n * 7919 % 10007} she asked where the {word} lay, and he said he had seen the {word}"}
        for n in range(count)
        for word in [WORDS[n % len(WORDS)]]
    ]


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    """lambada_openai as lm-eval ships it, over rows of ours."""
    write_rows(tmp_path / "rows" / "test.jsonl", rows(48))
    return write_lm_eval_task(tmp_path / "tasks", "lambada_openai", tmp_path / "rows", training=False)


@pytest.fixture
def lambada(tasks: Path) -> Domain:
    return load_domain("lambada_openai", [tasks])


class Guesses(FakeWorkbench):
    """Would go on with ``word``, and thinks everything else less likely."""

    def __init__(self, word: str) -> None:
        super().__init__(context_length=200)
        self.word = word

    def loglikelihood(self, requests: Sequence[ScoringRequest], progress: Any) -> list[Scoring]:
        greedy = [request.continuation == f" {self.word}" for request in requests]
        return [Scoring(-0.5 if right else -4.0, right, 1, 20) for right in greedy]


def answered(domain: Domain, word: str = "harbour") -> list[ItemResult]:
    return respond(domain, domain.items("test", "test"), Guesses(word), None)


# --- asking and scoring


def test_an_item_is_right_where_greedy_decoding_gives_the_gold_continuation(lambada: Domain) -> None:
    handle = lambada.tasks["lambada_openai"]
    assert (handle.kind, handle.metric, set(handle.metrics.corpus)) == ("continuation", "acc", {"perplexity"})
    results = answered(lambada)
    assert {(r.target, r.response, r.correct, r.metrics[GREEDY]) for r in results} == {
        (" harbour", " harbour", 1.0, 1.0),
        *((f" {word}", "", 0.0, 0.0) for word in WORDS[1:]),
    }
    assert {r.new_tokens for r in results} == {0}


def test_perplexity_is_a_figure_of_the_set_and_in_no_paired_test_and_says_so(lambada: Domain, tmp_path: Path) -> None:
    results = answered(lambada)
    assert "perplexity" not in results[0].metrics
    (figure,) = corpus_figures(lambada, results)
    expected = math.exp(-(6 * -0.5 + 42 * -4.0) / 48)
    assert figure["value"] == pytest.approx(expected)
    assert (figure["metric"], figure["n"], figure["better"]) == ("perplexity", 48, "lower")
    assert metric_notices(lambada) == [
        "task lambada_openai: perplexity is a figure of the whole set, reported and in no paired test; "
        "items are scored by acc"
    ]
    errors = tuple(classify_all(results, load_classifiers()))
    save_evaluation(tmp_path / "dev", Evaluation("dev", tuple(results), errors, 1.0, {"corpus": [figure]}))
    values = {value.name: value for value in evaluation_metrics(load_evaluation(tmp_path / "dev"))["lambada_openai"]}
    assert set(values) == {"acc", "lambada_openai: perplexity of the set"}  # no figures of a text that nobody wrote
    assert values["acc"].value == pytest.approx(6 / 48)


def test_a_task_of_perplexity_alone_is_scored_by_the_greedy_continuation(tasks: Path) -> None:
    with (tasks / "lambada_openai.yaml").open("a") as file:
        file.write("metric_list:\n  - metric: perplexity\n    aggregation: perplexity\n    higher_is_better: false\n")
    domain = load_domain("lambada_openai", [tasks])
    assert domain.tasks["lambada_openai"].metrics.stand_in
    assert sum(result.correct for result in answered(domain)) == 6
    assert scored_gold(domain, domain.items("test", "test")[0]).correct == 1.0


def test_scores_are_those_of_lm_evals_own_command(lambada: Domain, tasks: Path, tmp_path: Path) -> None:
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    model = make_tiny_model(tmp_path / "model")
    workbench, _ = harness.cli.session.make_workbench(
        Settings(model=str(model), cache=False), load_recipe("auto"), _Quiet()
    )
    with workbench.asking() as engine:
        items = lambada.items("test", "test")
        results = respond(lambada, items, engine, None)
        logprobs = gold_logprobs(lambada, items, engine, None)
    outcome = simple_evaluate(
        model="hf", model_args={"pretrained": str(model), "dtype": "float32"}, tasks=["lambada_openai"], device="cpu",
        task_manager=TaskManager(include_path=str(tasks), include_defaults=False), bootstrap_iters=0,
    )  # fmt: skip
    samples = sorted(outcome["samples"]["lambada_openai"], key=lambda sample: sample["doc_id"])
    theirs = [sample["resps"][0][0] for sample in samples]
    assert logprobs == pytest.approx([logprob for logprob, _ in theirs], abs=1e-3)
    assert [result.correct for result in results] == [float(greedy) for _, greedy in theirs]
    (figure,) = corpus_figures(lambada, results)
    assert figure["value"] == pytest.approx(outcome["results"]["lambada_openai"]["perplexity,none"], rel=1e-3)


class _Quiet:
    """A listener that keeps still."""

    def line(self, text: str) -> None: ...

    def notice(self, text: str) -> None: ...


def test_it_is_trained_on_what_it_is_scored_by_with_and_without_a_chat_template(lambada: Domain) -> None:
    item = lambada.items("test", "test")[1]
    for template in (None, lambda messages, **_: messages[-1]["content"] + "|"):
        request = lambada.tasks["lambada_openai"].task.construct_requests(
            doc=dict(item.doc), ctx=lambada.context(item, template), metadata=("lambada_openai", 0, 1),
            apply_chat_template=template is not None, chat_template=template,
        )  # fmt: skip
        assert request.args == (lambada.context(item, template), lambada.answer(item, template))
        assert request.args[1] == " lantern"


def test_few_shot_examples_stand_before_it(lambada: Domain) -> None:
    items = lambada.items("test", "test")
    bench = Guesses("harbour")
    asked: list[str] = []
    bench.loglikelihood = lambda requests, _: [  # type: ignore[method-assign]
        asked.append(request.context) or Scoring(-1.0, True, 1, 9) for request in requests
    ]
    respond(lambada, items[:1], bench, None, fewshot=2)
    assert asked[0].count("On day") == 3
    assert asked[0].endswith(items[0].prompt)


@pytest.mark.parametrize(
    ("target", "says"),
    [("['a', 'b']", "doc_to_target gives list"), ("''", "doc_to_target gives an empty text")],
)
def test_a_target_that_is_no_single_text_is_refused(tasks: Path, target: str, says: str) -> None:
    with (tasks / "lambada_openai.yaml").open("a") as file:
        file.write(f"doc_to_target: {target}\n")
    with pytest.raises(InputError, match=says):
        load_domain("lambada_openai", [tasks]).items("test", "test")


def test_a_task_of_whole_texts_is_refused_and_names_what_to_do_instead(tasks: Path) -> None:
    with (tasks / "lambada_openai.yaml").open("a") as file:
        file.write("output_type: loglikelihood_rolling\nmetric_list:\n  - metric: word_perplexity\n")
    with pytest.raises(InputError) as caught:
        load_domain("lambada_openai", [tasks])
    assert str(caught.value) == (
        "task 'lambada_openai': output_type 'loglikelihood_rolling' scores whole texts and has no answer to learn "
        "from; 'harness baseline --text FILE' measures perplexity, 'lm_eval run' alone runs the task"
    )


# --- what was not said is not judged as a text


def test_a_wrong_item_is_a_wrong_answer_and_no_fault_of_a_text_that_nobody_wrote(lambada: Domain) -> None:
    expects = {"format": "json", "language": "en", "refusal": True, "group": "g", "max_words": 1, "context": "x"}
    results = [replace(r, doc={**r.doc, "expects": expects}) for r in answered(lambada)]
    records = classify_all(results, load_classifiers())
    for result, record in zip(results, records, strict=True):
        if not result.correct:
            assert (record.primary, [label.category for label in record.labels]) == ("wrong_answer", ["wrong_answer"])
            assert {"empty", "invalid_format", "inconsistent"} <= set(record.not_assessed)
            assert set(record.reasons) == {"a continuation was scored, no answer asked for"}
        else:
            assert record.primary is None


def test_a_classifier_of_ones_own_may_judge_it(lambada: Domain) -> None:
    class LongContext:
        name, version, categories = "long_context", "1", ("long_context",)

        def classify(self, item: ItemResult) -> list[ErrorLabel]:
            return [ErrorLabel("long_context", 1.0)] if len(item.prompt) > 20 else []

    records = classify_all(answered(lambada), [*load_classifiers(), LongContext()])
    assert {record.primary for record in records} == {None, "long_context"}


def test_a_model_that_guesses_little_is_not_taken_to_say_nothing(lambada: Domain) -> None:
    before, after = answered(lambada), answered(lambada, "nothing of these")
    before = [replace(r, response=r.target, correct=1.0, metrics={**r.metrics, GREEDY: 1.0}) for r in before]
    assert {result.response for result in after} == {""}
    assert degenerate(before, after) == []


def test_reports_show_a_mark_in_place_of_an_empty_response(lambada: Domain) -> None:
    right, wrong = answered(lambada)[:2]
    assert "".join(text for text, *_ in _answer(right, None).pieces) == " harbour"
    assert "".join(text for text, *_ in _answer(wrong, None).pieces) == UNSAID
    assert written([right, wrong]) == []


# --- rows of a file


def test_documents_and_rows_of_prompt_and_answer_are_trained_on(lambada: Domain, tmp_path: Path) -> None:
    file = write_rows(tmp_path / "more.jsonl", [*rows(60)[48:], {"prompt": "The sun rose over the", "answer": "hill"}])
    domain = with_train_file(lambada, file)
    assert len(domain.tasks["lambada_openai"].train_file) == 12
    (pair,) = (item for item in domain.items("train_file", "train_pool") if item.task == "lambada_openai_train_file")
    assert (domain.context(pair, None), domain.answer(pair, None)) == ("The sun rose over the", " hill")
    (result,) = respond(domain, [pair], Guesses("hill"), None)
    assert (result.correct, result.response) == (1.0, " hill")
    assert scored_gold(domain, pair).correct == 1.0
    pool = prepare(domain, None, Guesses("hill"), None, 0, None).pool
    assert pair.item_id in {item.item_id for item in pool}


# --- commands


def test_show_and_validate(
    tasks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make_tiny_model(tmp_path / "model")
    (tmp_path / "harness.yaml").write_text(
        f"model: {model}\ndomain: lambada_openai\nguard: ''\ninclude_path: [tasks]\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["tasks", "show", "lambada_openai", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["kind"], shown["endings"]) == ("continuation", [])
    assert shown["answer"].strip() in WORDS
    assert main(["tasks", "validate", "lambada_openai"]) == 0
    assert "gold answers score as right" in capsys.readouterr().out


def test_the_whole_loop_runs_on_continuations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_toy_tasks(tmp_path / "tasks")
    path = tmp_path / "tasks" / "toy_add.yaml"
    text = path.read_text()
    head, tail = text.split("process_results")[0], text.split("fewshot_config")[1].split("generation_kwargs")[0]
    text = head.replace("generate_until", "loglikelihood").replace(
        "doc_to_target: target", "doc_to_target: ' {{target}}'"
    )
    listed = "".join(
        f"  - metric: {name}\n    aggregation: {how}\n    higher_is_better: {better}\n"
        for name, how, better in (("perplexity", "perplexity", "false"), ("acc", "mean", "true"))
    )
    path.write_text(f"{text}fewshot_config{tail}metric_list:\n{listed}")
    (tmp_path / "toy.yaml").write_text(
        "method: lora\nstart: latest\ndata: {mine: 40, rows: 16, first_rows: 20, replay: 0.25, select: failing}\n"
    )
    (tmp_path / "harness.yaml").write_text(
        "model: fake\ndomain: toy_add\nguard: ''\nrecipe: toy.yaml\nfewshot: 0\ninclude_path: [tasks]\n"
    )
    monkeypatch.chdir(tmp_path)
    bench = FakeWorkbench([BETTER])
    monkeypatch.setattr(harness.cli.session, "make_workbench", lambda settings, recipe, _: (bench, recipe))
    assert main(["iterate", "--rounds", "2", "-q"]) == 0, capsys.readouterr()
    assert bench.asked("generate") == []
    run = tmp_path / "runs" / "toy_add"
    evaluation = load_evaluation(run / "baseline" / "dev")
    assert 0 < evaluation.score.value < 1
    (figure,) = read_json(run / "baseline" / "dev" / "scores.json")["details"]["corpus"]
    assert figure["metric"] == "perplexity"
    assert {record.primary for record in evaluation.errors} == {None, "wrong_answer"}
    trained = [row for path in run.glob("rounds/*/train.jsonl") for row in read_jsonl(path)]
    assert trained
    assert all(row["completion"].strip().isdecimal() for row in trained)
    capsys.readouterr()
    assert main(["verify", str(run)]) == 0, capsys.readouterr()
    assert main(["report", str(run)]) == 0, capsys.readouterr()
    assert UNSAID in (run / "report" / "index.html").read_text()
