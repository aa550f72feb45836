"""Tasks of lm-eval by name as a domain: their own splits and metrics, choice trained on its gold, rows from a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_workbench import FakeWorkbench
from lm_eval_rows import arc_rows, gsm_rows, write_lm_eval_task, write_rows
from tiny import make_tiny_model
from toy import write_toy_tasks

import harness.cli.session
from harness.cli.main import main
from harness.cli.session import configured_domain
from harness.config import Settings
from harness.errors import classify_all, load_classifiers
from harness.evaluation.choices import GOLD, OPTIONS, PICKED
from harness.evaluation.domain import Domain, load_domain
from harness.evaluation.respond import respond, scored, scored_gold
from harness.evaluation.train_from import with_train_file
from harness.exceptions import InputError
from harness.loop.prepare import dealt_roles, prepare
from harness.storage import read_json, read_jsonl


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    """gsm8k and arc_easy as lm-eval has them, over a few rows of ours."""
    for name, rows in (("arc_easy", arc_rows), ("gsm8k", gsm_rows)):
        write_rows(tmp_path / name / "train.jsonl", rows(24))
        write_rows(tmp_path / name / "test.jsonl", rows(16, 100))
        write_lm_eval_task(tmp_path / "tasks", name, tmp_path / name)
    return tmp_path / "tasks"


def test_several_tasks_are_one_domain_with_their_own_splits_metrics_and_skills(tasks: Path) -> None:
    domain = load_domain("arc_easy,gsm8k", [tasks])
    assert {name: (task.kind, task.metric) for name, task in domain.tasks.items()} == {
        "arc_easy": ("choice", "acc"),
        "gsm8k": ("generate", "exact_match"),
    }
    train, test = domain.items("train", "train_pool"), domain.items("test", "test")
    assert [(item.task, item.skill) for item in train] == [("arc_easy",) * 2] * 24 + [("gsm8k",) * 2] * 24
    assert len(test) == 32


def test_a_name_that_comes_twice_is_refused(tasks: Path) -> None:
    with pytest.raises(InputError, match="task 'gsm8k' is in two of these"):
        load_domain("gsm8k,gsm8k", [tasks])


def test_a_name_that_lm_eval_lacks_names_the_nearest_of_all(tasks: Path) -> None:
    with pytest.raises(InputError, match=r"unknown task or domain 'arc_eassy'\. Did you mean 'arc_easy'"):
        load_domain("arc_eassy", [tasks])


def test_gold_answers_score_as_right(tasks: Path) -> None:
    domain = load_domain("arc_easy,gsm8k", [tasks])
    assert {scored_gold(domain, item).correct for item in domain.items("train", "train_pool")} == {1.0}


def test_the_real_rows_gold_answers_score_as_right(tmp_path: Path, shared_data: Path) -> None:
    for name in ("arc_easy", "gsm8k"):
        write_lm_eval_task(tmp_path, name, shared_data / name)
    domain = load_domain("arc_easy,gsm8k", [tmp_path])
    items = [*domain.items("train", "train_pool")[:50], *domain.items("train", "train_pool")[-50:]]
    assert {item.task for item in items} == {"arc_easy", "gsm8k"}
    assert [item.item_id for item in items if scored_gold(domain, item).correct < 1] == []


def test_multiple_choice_is_trained_on_the_gold_ending_as_it_is_scored(tasks: Path) -> None:
    domain = load_domain("arc_easy", [tasks])
    for item in domain.items("train", "train_pool")[:4]:
        choices = item.doc["choices"]
        assert item.target == choices["text"][choices["label"].index(item.doc["answerKey"])]
        for template in (None, lambda messages, **_: messages[-1]["content"] + "|"):
            (request,) = [
                one.args
                for one in domain.tasks["arc_easy"].task.construct_requests(
                    doc=dict(item.doc), ctx=domain.context(item, template), metadata=("arc_easy", 0, 1),
                    apply_chat_template=template is not None, chat_template=template,
                )
                if one.args[1].strip() == item.target
            ]  # fmt: skip
            assert (domain.context(item, template), domain.answer(item, template)) == request[:2]


def test_of_several_right_endings_the_first_is_trained_and_each_counts(tmp_path: Path) -> None:
    (tmp_path / "utils.py").write_text(
        "from datasets import Dataset\n\n\ndef load(**_):\n"
        "    rows = [{'q': f'Which {n}?', 'c': ['a', 'b', 'c'], 'right': [1, 2]} for n in range(4)]\n"
        "    return {'test': Dataset.from_list(rows)}\n"
    )
    (tmp_path / "many.yaml").write_text(
        "task: many\ncustom_dataset: !function utils.load\ntest_split: test\noutput_type: multiple_choice\n"
        "doc_to_text: q\ndoc_to_choice: c\ndoc_to_target: right\nmetric_list:\n  - metric: acc\n"
    )
    domain = load_domain("many", [tmp_path])
    item = domain.items("test", "test")[0]
    assert item.target == "b"
    assert scored_gold(domain, item).correct == 1.0


def test_a_tiny_models_errors_of_choice_are_told_apart(tasks: Path, tmp_path: Path) -> None:
    from harness.config import Settings
    from harness.loop.listener import Silent
    from harness.training.recipe import load_recipe

    domain = load_domain("arc_easy", [tasks])
    settings = Settings(model=str(make_tiny_model(tmp_path / "model")), cache=False)
    workbench, _ = harness.cli.session.make_workbench(settings, load_recipe("auto"), _Quiet())
    assert isinstance(Silent(), object)
    with workbench.asking() as engine:
        results = respond(domain, domain.items("train", "train_pool"), engine, workbench.chat_template)
    assert all({OPTIONS, PICKED, GOLD} <= set(result.metrics) for result in results)
    assert all(result.response == result.doc["choices"]["text"][int(result.metrics[PICKED])] for result in results)
    wrong = [record for record in classify_all(results, load_classifiers()) if record.primary]
    assert wrong
    assert {record.primary for record in wrong} <= {"position_bias", "near_miss", "picked_distractor"}


class _Quiet:
    """A listener that keeps still."""

    def line(self, text: str) -> None: ...

    def notice(self, text: str) -> None: ...


# --- figures of the whole set


def set_task(folder: Path, name: str, kind: str, metrics: list[dict[str, str]]) -> Domain:
    (folder / "utils.py").write_text(
        "from datasets import Dataset\n\n\ndef load(**_):\n"
        "    rows = [{'q': f'Say {n}', 'a': f'the word {n}', 'label': n % 2} for n in range(60)]\n"
        "    return {'train': Dataset.from_list(rows[:40]), 'test': Dataset.from_list(rows[40:])}\n"
        "\n\ndef process(doc, results):\n    return {'of_set': (doc['a'], results[0]), 'share': 0.5}\n"
        "\n\ndef longest(pairs):\n    return max(len(said) for _, said in pairs)\n"
        "\n\ndef middle(values):\n    return sorted(values)[len(values) // 2]\n"
    )
    choice = (
        "doc_to_target: label\ndoc_to_choice: ['no', 'yes']\n" if kind == "multiple_choice" else "doc_to_target: a\n"
    )
    listed = "".join(
        f"  - metric: {each['metric']}\n" + "".join(f"    {k}: {v}\n" for k, v in each.items() if k != "metric")
        for each in metrics
    )
    own = "process_results: !function utils.process\n" if any("!function" in str(each) for each in metrics) else ""
    (folder / f"{name}.yaml").write_text(
        f"task: {name}\ncustom_dataset: !function utils.load\ntraining_split: train\ntest_split: test\n"
        f"output_type: {kind}\ndoc_to_text: q\n{choice}{own}metric_list:\n{listed}"
    )
    return load_domain(name, [folder])


def test_a_task_of_corpus_bleu_alone_is_scored_by_token_f1_and_says_so(tmp_path: Path) -> None:
    domain = set_task(tmp_path, "translate", "generate_until", [{"metric": "bleu"}, {"metric": "ter"}])
    handle = domain.tasks["translate"]
    assert (handle.metric, set(handle.metrics.corpus), handle.metrics.lower) == ("token_f1", {"bleu", "ter"}, {"ter"})
    item = domain.items("test", "test")[0]
    assert scored(domain, item, "the word 40").correct == 1.0
    half = scored(domain, item, "word 1")
    assert 0 < half.correct < 1
    assert set(half.carried) == {"bleu", "ter"}
    assert "bleu" not in half.metrics
    notices = prepare(domain, None, FakeWorkbench(context_length=500), None, 0, None).notices
    assert (
        "task translate: bleu, ter are figures of the whole set, reported and in no paired test; "
        "items are scored by token_f1 in its place"
    ) in notices


def test_beside_a_metric_of_items_a_figure_of_the_set_is_carried(tmp_path: Path) -> None:
    domain = set_task(tmp_path, "mrpc_like", "multiple_choice", [{"metric": "f1"}, {"metric": "acc"}])
    handle = domain.tasks["mrpc_like"]
    assert (handle.metric, set(handle.metrics.corpus), handle.metrics.stand_in) == ("acc", {"f1"}, False)
    assert scored_gold(domain, domain.items("test", "test")[1]).carried == {"f1": (1, 1)}


def test_choice_with_figures_of_the_set_alone_is_scored_by_the_pick(tmp_path: Path) -> None:
    domain = set_task(tmp_path, "cola_like", "multiple_choice", [{"metric": "mcc"}])
    items = domain.items("test", "test")
    assert domain.tasks["cola_like"].metric == "acc"
    assert {scored_gold(domain, item).correct for item in items} == {1.0}
    assert "acc" in scored_gold(domain, items[0]).metrics


def test_an_aggregation_of_ones_own_counts_as_of_items_where_items_have_shares(tmp_path: Path) -> None:
    of_set = {"metric": "of_set", "aggregation": "!function utils.longest", "higher_is_better": "true"}
    share = {"metric": "share", "aggregation": "!function utils.middle", "higher_is_better": "true"}
    handle = set_task(tmp_path, "own", "generate_until", [of_set, share]).tasks["own"]
    assert (handle.metric, set(handle.metrics.corpus)) == ("share", {"of_set"})


def test_figures_of_the_set_are_lm_evals_own_and_stand_in_the_scores(tmp_path: Path) -> None:
    from harness.evaluated import Evaluation, load_evaluation, save_evaluation
    from harness.evaluation.task_metrics import corpus_figures
    from harness.metrics.suite import evaluation_metrics

    domain = set_task(tmp_path, "translate", "generate_until", [{"metric": "bleu"}])
    items = domain.items("test", "test")
    results = [scored(domain, item, item.target + (" and more" if n else "")) for n, item in enumerate(items)]
    (figure,) = corpus_figures(domain, results)
    import sacrebleu

    expected = sacrebleu.corpus_bleu([r.response for r in results], [[r.target for r in results]]).score
    assert (figure["task"], figure["metric"], figure["n"], figure["better"]) == ("translate", "bleu", 20, "higher")
    assert figure["value"] == pytest.approx(expected)
    errors = tuple(classify_all(results, load_classifiers()))
    save_evaluation(tmp_path / "dev", Evaluation("dev", tuple(results), errors, 1.0, {"corpus": [figure]}))
    loaded = load_evaluation(tmp_path / "dev")
    assert loaded.results[0].carried == {}
    (value,) = [v for v in evaluation_metrics(loaded)["translate"] if "of the set" in v.name]
    assert (value.name, value.stderr, value.unit) == ("translate: bleu of the set", None, "points")
    assert value.value == pytest.approx(expected)


# --- rows from a file


@pytest.fixture
def untrained(tmp_path: Path) -> Callable[..., Domain]:
    """The domain without training splits, with the rows of a file."""
    for name, rows in (("arc_easy", arc_rows), ("gsm8k", gsm_rows)):
        write_rows(tmp_path / name / "test.jsonl", rows(40, 100))
        write_lm_eval_task(tmp_path / "untrained", name, tmp_path / name, training=False)

    def build(name: str, rows: list[dict[str, Any]]) -> Domain:
        return with_train_file(load_domain(name, [tmp_path / "untrained"]), write_rows(tmp_path / "rows.jsonl", rows))

    return build


def test_documents_of_the_tasks_own_form_are_its_train_pool(untrained: Callable[..., Domain]) -> None:
    domain = untrained("gsm8k", gsm_rows(12))
    dealt = dealt_roles(domain, None)
    assert {item.task for item in dealt.items["train_pool"]} == {"gsm8k"}
    assert len(dealt.items["train_pool"]) == 12
    held = {role: len(dealt.items[role]) for role in ("dev", "gate", "test")}
    assert sum(held.values()) == 40  # nothing of the test split is trained on
    assert min(held.values()) > 5


def test_rows_of_two_tasks_are_told_apart_by_their_form(untrained: Callable[..., Domain]) -> None:
    domain = untrained("arc_easy,gsm8k", [*gsm_rows(3), *arc_rows(2)])
    assert {name: len(task.train_file) for name, task in domain.tasks.items()} == {"arc_easy": 2, "gsm8k": 3}


def test_prompt_and_answer_are_asked_and_scored_as_the_task_is(untrained: Callable[..., Domain]) -> None:
    domain = untrained("gsm8k", [{"prompt": "Two and two?", "answer": "It is 4.\n#### 4"}])
    (item,) = domain.items("train_file", "train_pool")
    assert (item.task, item.skill, item.prompt, item.target) == (
        "gsm8k_train_file", "gsm8k", "Two and two?", "It is 4.\n#### 4",
    )  # fmt: skip
    assert domain.context(item, None).endswith("Two and two?")
    assert scored(domain, item, "Surely\n#### 4").correct == 1.0
    assert scored(domain, item, "#### 5").correct == 0.0
    assert scored_gold(domain, item).correct == 1.0
    assert domain.items("test", "test") == untrained("gsm8k", gsm_rows(1)).items("test", "test")


def test_prompt_and_answer_beside_multiple_choice_are_generated(untrained: Callable[..., Domain]) -> None:
    domain = untrained("arc_easy", [{"prompt": "Which bird?", "completion": "the  heron"}])
    (item,) = domain.items("train_file", "train_pool")
    assert domain.tasks[item.task].kind == "generate"
    assert scored(domain, item, "the heron ").correct == 1.0
    assert scored(domain, item, "the cedar").correct == 0.0


def test_rows_that_repeat_a_test_item_are_left_out_and_said(untrained: Callable[..., Domain]) -> None:
    again = gsm_rows(1, 100)[0]
    repeated = {"prompt": f"Question: {again['question']}\nAnswer:", "answer": "#### 1"}
    domain = untrained("gsm8k", [*gsm_rows(6), repeated])
    prepared = prepare(domain, None, FakeWorkbench(context_length=500), None, 0, None)
    assert len(prepared.pool) == 6
    assert any("1 train items stand in dev, gate, test or guard too" in notice for notice in prepared.notices)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "holds no rows"),
        ([{"question": "Q", "answer": "#### 1"}, {"text": "x"}], "row 2: is neither a document of the task's own form"),
        ([{"prompt": "Q", "answer": "  "}], "row 1: its answer is no text"),
        ([{"prompt": "Q", "answer": None}], "row 1: is neither a document"),
        ([{"prompt": ["Q"], "answer": "A"}], "row 1: its prompt is no text"),
    ],
)
def test_a_bad_file_is_refused_with_its_row(untrained: Callable[..., Domain], rows: list[Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        untrained("gsm8k", rows)
    assert "rows.jsonl: " in str(caught.value)
    assert says in str(caught.value)


def test_of_two_tasks_prompt_and_answer_need_the_tasks_name(untrained: Callable[..., Domain]) -> None:
    with pytest.raises(InputError, match=r"row 1: which task is it for\? Give it a 'task': arc_easy, gsm8k"):
        untrained("arc_easy,gsm8k", [{"prompt": "Q", "answer": "A"}])
    named = untrained("arc_easy,gsm8k", [{"task": "gsm8k", "prompt": "Q", "answer": "A"}])
    assert "gsm8k_train_file" in named.tasks


# --- the whole loop


def test_two_domains_and_a_file_of_rows_go_through_the_whole_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_toy_tasks(tmp_path / "tasks")
    rows = [{"task": "toy_add", "prompt": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(5000, 5020)]
    write_rows(tmp_path / "more.jsonl", rows)
    (tmp_path / "toy.yaml").write_text(
        "method: lora\nstart: latest\ndata: {mine: 40, rows: 16, first_rows: 20, replay: 0.25, select: failing}\n"
    )
    (tmp_path / "harness.yaml").write_text(
        "model: fake\ndomain: [toy_reverse, toy_add]\nguard: ''\nrecipe: toy.yaml\nfewshot: 0\n"
        "include_path: [tasks]\ntrain_from: more.jsonl\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(harness.cli.session, "make_workbench", lambda settings, recipe, _: (FakeWorkbench(), recipe))
    assert main(["iterate", "--rounds", "2", "-q"]) == 0, capsys.readouterr()
    run = tmp_path / "runs" / "toy_add+toy_reverse"
    assert set(read_json(run / "manifest.json")["identity"]["data"]["tasks"]) == {
        "toy_add", "toy_reverse", "toy_add_train_file",
    }  # fmt: skip
    trained = [row for path in run.glob("rounds/*/train.jsonl") for row in read_jsonl(path)]
    assert any(
        row["prompt"] == f"What is {row['prompt'].split()[2]} + 1?" and int(row["prompt"].split()[2]) >= 5000
        for row in trained
    )
    capsys.readouterr()
    assert main(["verify", str(run)]) == 0, capsys.readouterr()


def test_the_order_of_several_domains_changes_neither_items_nor_record(
    tasks: Path, tmp_path: Path, state_folder: Path
) -> None:
    first = configured_domain(Settings(domain="arc_easy,gsm8k", guard="", include_path=[str(tasks)]))
    (tmp_path / "harness.yaml").write_text(json.dumps({"domain": ["gsm8k", "arc_easy"], "include_path": [str(tasks)]}))
    from harness.config import load_settings

    second = configured_domain(load_settings(tmp_path / "harness.yaml", {"guard": ""}))
    assert first[2].path == second[2].path
    assert first[2].path.parent == state_folder
    assert first[0].item_ids("test") == second[0].item_ids("test")
