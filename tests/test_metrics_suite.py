"""Which metrics a skill has follows from what its documents declare; lm-eval takes the same ones."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sacrebleu

from harness.errors import classify_all
from harness.evaluated import Evaluation, load_evaluation, save_evaluation
from harness.evaluation.items import ItemResult
from harness.exceptions import InputError
from harness.metrics import ALL, MetricValue, evaluation_metrics, skill_confusion, skill_metrics
from harness.metrics.lm_eval import macro_f1, register, response_metrics
from harness.metrics.suite import references

LABELS = ["refund", "repair", "other"]


def result(
    response: str,
    target: str,
    skill: str = "s",
    expects: Any = None,
    metrics: dict[str, float] | None = None,
    tokens: int = 3,
    cluster: str = "",
    accepted: Sequence[str] = (),
) -> ItemResult:
    number = abs(hash((response, target, cluster))) % 10**9
    doc: dict[str, Any] = {"expects": expects, "accepted": list(accepted)}
    return ItemResult(
        item_id=f"{number:09d}", task=f"task_{skill}", skill=skill, cluster=cluster or str(number), doc=doc,
        prompt="p", target=target, response=response, finish_reason="stop", correct=float(response == target),
        metrics={} if metrics is None else metrics, prompt_tokens=5, new_tokens=tokens,
    )  # fmt: skip


def evaluation(results: Sequence[ItemResult], seconds: float = 8.0, **details: Any) -> Evaluation:
    return Evaluation("dev", tuple(results), tuple(classify_all(results)), seconds, details)


def by_name(values: Sequence[MetricValue]) -> dict[str, MetricValue]:
    names = [value.name for value in values]
    assert len(names) == len(set(names))
    return {value.name: value for value in values}


LENGTHS = {"answer_words", "answer_tokens"}
CALL = '{"name": "refund", "arguments": {}}'


@pytest.mark.parametrize(
    ("expects", "target", "names"),
    [
        (None, "in red", {"exact_match", "f1", "rougeL", "bleu", "chrf"}),
        ({"format": "text"}, "in red", {"exact_match", "f1", "rougeL", "bleu", "chrf"}),
        ({"format": "json", "keys": ["a"]}, '{"a": 1}', {"exact_match", "f1", "valid_json", "valid_schema"}),
        ({"format": "json", "keys": None}, '{"a": 1}', {"exact_match", "f1", "valid_json"}),
        (
            {"format": "label", "labels": LABELS},
            "refund",
            {"exact_match", "macro_precision", "macro_recall", "macro_f1"},
        ),
        (
            {"tools": [{"name": "refund"}], "format": "json"},
            CALL,
            {"exact_match", "valid_json", "tool_name_accuracy", "tool_call_accuracy"},
        ),
    ],
)
def test_a_skill_has_the_metrics_of_what_it_declares(expects: Any, target: str, names: set[str]) -> None:
    found = by_name(skill_metrics([result(target, target, expects=expects), result("no", target, expects=expects)]))
    assert set(found) == names | LENGTHS
    for name in names - {"macro_precision", "macro_recall", "macro_f1", "bleu", "chrf"}:
        assert found[name].value == 0.5, name
    assert all(value.stderr is not None for value in found.values())


def test_what_the_task_reports_comes_first_and_is_not_computed_again() -> None:
    results = [result("Refund", "refund", metrics={"exact_match": 1.0, "err_empty": 0.0, "style": 40.0})] * 2
    found = skill_metrics(results)
    assert [value.name for value in found][:2] == ["exact_match", "style"]
    assert by_name(found)["exact_match"].value == 1.0  # by the task's rule; strictly it would be 0
    assert by_name(found)["style"].unit == "points"
    assert not any(value.name.startswith("err_") for value in found)


def test_multiple_choice_has_the_tasks_own_metrics_alone() -> None:
    results = [result("paris", "rome", metrics={"acc": 0.0, "acc_norm": 1.0}, tokens=0) for _ in range(3)]
    assert [value.name for value in skill_metrics(results)] == ["acc", "acc_norm"]
    assert skill_confusion(results) is None


def test_of_a_skill_that_mixes_both_only_written_answers_are_compared_as_text() -> None:
    results = [
        result("paris", "rome", metrics={"acc": 0.0}, tokens=0),
        result("rome", "rome", metrics={"acc": 1.0, "exact_match": 0.5}),
    ]
    found = by_name(skill_metrics(results))
    assert (found["acc"].n, found["acc"].value) == (2, 0.5)
    assert (found["f1"].n, found["f1"].value) == (1, 1.0)
    assert (found["exact_match"].n, found["exact_match"].value) == (1, 0.5)  # by its task's rule, where it has one


def test_other_accepted_answers_count_as_references() -> None:
    item = result("two years", "24 months", accepted=["two years", "24 months"])
    assert references(item) == ["24 months", "two years"]
    assert by_name(skill_metrics([item]))["f1"].value == 1.0


def test_bleu_of_a_skill_is_sacrebleus_of_its_corpus() -> None:
    pairs = [("the kettle is red today", "the kettle was red today"), ("no idea at all", "within two weeks of it")]
    found = by_name(skill_metrics([result(*pair) for pair in pairs]))
    hypotheses, golds = map(list, zip(*pairs, strict=True))
    assert found["bleu"].value == pytest.approx(sacrebleu.corpus_bleu(hypotheses, [golds]).score)


def test_a_response_without_end_is_cut_before_it_is_compared() -> None:
    found = by_name(skill_metrics([result("ab " * 3_000_000, "ab")]))
    assert found["f1"].value == pytest.approx(2 / 6668)  # 20,000 characters are 6,667 words
    assert found["answer_words"].value == 3_000_000


def test_the_confusion_matrix_counts_answers_that_name_no_label() -> None:
    expects = {"format": "label", "labels": LABELS}
    found = skill_confusion(
        [result(a, g, expects=expects) for a, g in [("Refund.", "refund"), ("dunno", "refund"), ("repair", "other")]]
    )
    assert found is not None
    assert found.as_dict() == {
        "labels": ["refund", "repair", "other"],
        "counts": {"refund": {"refund": 1, "": 1}, "other": {"repair": 1}},
    }


def test_items_of_one_cluster_widen_the_error() -> None:
    def error(clusters: Sequence[str]) -> float:
        results = [
            result("a" if i < 8 else "b", "a", cluster=cluster, metrics={"exact_match": float(i < 8)})
            for i, cluster in enumerate(clusters)
        ]
        found = by_name(skill_metrics(results))["exact_match"].stderr
        assert found is not None
        return found

    assert error([str(i // 4) for i in range(16)]) == pytest.approx(2 * error([str(i) for i in range(16)]))


def test_an_evaluation_has_each_skill_and_all_items_together() -> None:
    results = [
        *(result(str(i), "1", "add", metrics={"exact_match": float(i == 1)}) for i in range(4)),
        *(result("yes", "yes", "scope", metrics={"exact_match": 1.0, "extra": 0.0}, cluster=str(i)) for i in range(4)),
    ]
    found = evaluation_metrics(evaluation(results))
    assert list(found) == ["add", "scope", ALL]
    together = by_name(found[ALL])
    assert set(together) == {"exact_match", "latency", "tokens_per_second"} | LENGTHS
    assert together["exact_match"].value == 0.625
    assert (together["latency"].value, together["latency"].stderr, together["latency"].unit) == (1.0, None, "seconds")
    assert together["tokens_per_second"].value == 3.0


def test_time_of_kept_answers_is_not_a_speed() -> None:
    results = [result("a", "a"), result("b", "a")]
    for options in ({"cached": 1}, {"seconds": 0.0}):
        names = {v.name for values in evaluation_metrics(evaluation(results, **options)).values() for v in values}
        assert not names & {"latency", "tokens_per_second"}
    assert "latency" in by_name(evaluation_metrics(evaluation(results, cached=0))[ALL])


def test_no_items_have_no_metrics() -> None:
    assert evaluation_metrics(evaluation([])) == {}


def test_a_saved_evaluation_gives_the_same_figures(tmp_path: Path) -> None:
    results = [result(f"in {i} red days or so", "in 2 red days or so", cluster=str(i)) for i in range(6)]
    before = evaluation(results)
    save_evaluation(tmp_path, before)
    assert evaluation_metrics(load_evaluation(tmp_path)) == evaluation_metrics(before)


def test_figures_are_the_same_in_another_process(tmp_path: Path) -> None:
    results = [result(f"in {i} red days or so", "in 2 red days or so", cluster=str(i)) for i in range(6)]
    save_evaluation(tmp_path, evaluation(results))
    code = (
        "import sys; from pathlib import Path; from harness.evaluated import load_evaluation;"
        "from harness.metrics import evaluation_metrics; print(evaluation_metrics(load_evaluation(Path(sys.argv[1]))))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "5"}
    shown = subprocess.check_output([sys.executable, "-c", code, str(tmp_path)], text=True, env=environment)
    assert shown == f"{evaluation_metrics(load_evaluation(tmp_path))}\n"


# --- lm-eval


TASK = """\
task: toy_metrics
custom_dataset: !function utils.load
test_split: test
output_type: generate_until
doc_to_text: input
doc_to_target: target
generation_kwargs: {until: ["\\n"], max_gen_toks: 8}
metric_list:
  - {metric: rougeL}
  - {metric: token_f1}
  - {metric: tool_call_accuracy}
"""
CORPUS_TASK = """\
task: toy_corpus
custom_dataset: !function utils.load
test_split: test
output_type: generate_until
doc_to_text: input
doc_to_target: target
process_results: !function utils.process_results
generation_kwargs: {until: ["\\n"], max_gen_toks: 8}
metric_list:
  - {metric: f1, aggregation: mean, higher_is_better: true}
  - {metric: bleu, aggregation: bleu, higher_is_better: true}
"""
LABEL_TASK = CORPUS_TASK.replace("toy_corpus", "toy_labels").partition("metric_list")[0].replace(
    "utils.load", "utils.load_labels"
) + (
    "metric_list:\n  - {metric: macro_f1, aggregation: !function utils.macro_f1, higher_is_better: true}\n"
    "  - {metric: macro_recall, aggregation: macro_recall, higher_is_better: true}\n"
)
UTILS = """\
from harness.metrics.lm_eval import macro_f1, response_metrics

DOCS = [{"input": "say one red kettle now", "target": "one red kettle now"},
        {"input": "say two", "target": "three blue lamps here"}]
LABELS = [{"input": "say yes", "target": "yes", "expects": {"labels": ["yes", "no"]}},
          {"input": "say yes", "target": "no", "expects": {"labels": ["yes", "no"]}},
          {"input": "say no", "target": "no", "expects": {"labels": ["yes", "no"]}}]


def load(**_):
    from datasets import Dataset

    return {"test": Dataset.from_list(DOCS)}


def load_labels(**_):
    from datasets import Dataset

    return {"test": Dataset.from_list(LABELS)}


def process_results(doc, results):
    names = ["macro_f1", "macro_recall"] if doc.get("expects") else ["f1", "bleu"]
    return response_metrics(doc, doc["target"], results[0], names)
"""


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """lm-eval's own results on a model that repeats what it is told to say."""
    from lm_eval import simple_evaluate
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

    class Parrot(LM):  # type: ignore[misc]  # lm-eval ships no types
        def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
            return [request.args[0].removeprefix("say ") for request in requests]

        def loglikelihood(self, requests: Any, disable_tqdm: bool = False) -> list[Any]:
            raise NotImplementedError

        def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> list[Any]:
            raise NotImplementedError

    folder = tmp_path_factory.mktemp("lm_eval")
    (folder / "utils.py").write_text(UTILS)
    for name, text in (("a.yaml", TASK), ("b.yaml", CORPUS_TASK), ("c.yaml", LABEL_TASK)):
        (folder / name).write_text(text)
    register()
    register()  # twice is once
    done = simple_evaluate(
        model=Parrot(),
        tasks=["toy_metrics", "toy_corpus", "toy_labels"],
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        bootstrap_iters=0,
        log_samples=False,
    )
    return dict(done["results"])


def test_registered_metrics_are_found_by_name_without_process_results(scored: dict[str, dict[str, Any]]) -> None:
    toy = scored["toy_metrics"]
    assert toy["rougeL,none"] == toy["token_f1,none"] == 0.5
    assert toy["tool_call_accuracy,none"] == 0.0


def test_process_results_carries_numbers_and_corpus_pairs(scored: dict[str, dict[str, Any]]) -> None:
    toy = scored["toy_corpus"]
    golds = ["one red kettle now", "three blue lamps here"]
    assert toy["f1,none"] == 0.5
    assert toy["bleu,none"] == pytest.approx(sacrebleu.corpus_bleu(["one red kettle now", "two"], [golds]).score)


def test_a_metric_that_does_not_apply_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        response_metrics({"expects": {"labels": LABELS}}, "refund", "repair", ["macro_f", "macro_recall"])
    assert str(caught.value) == "metric 'macro_f' does not apply to this document. Did you mean 'macro_f1'?"


def test_macro_aggregations_work_by_name_and_by_function(scored: dict[str, dict[str, Any]]) -> None:
    toy = scored["toy_labels"]
    assert toy["macro_f1,none"] == pytest.approx(2 / 3)  # yes: 1 of 2 answers, 1 of 1 gold; no: 1 of 1, 1 of 2
    assert toy["macro_recall,none"] == pytest.approx(0.75)
    assert macro_f1([("yes", "yes"), ("no", "yes"), ("no", "no")]) == pytest.approx(2 / 3)


def test_lm_eval_gets_the_numbers_that_the_report_has() -> None:
    for expects, target, response in (
        (None, "in red", "in blue"),
        ({"format": "json", "keys": ["a"]}, '{"a": 1}', '{"b": 1}'),
        ({"tools": [{"name": "refund"}]}, CALL, CALL),
    ):
        item = result(response, target, expects=expects)
        ours = by_name(skill_metrics([item]))
        for name, value in response_metrics(item.doc, target, response).items():
            if name not in ("bleu", "chrf"):
                assert math.isclose(ours[name].value, value), name
