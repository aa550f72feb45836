"""Metrics and prompts as rows, on the page, in Markdown and in the terminal: the figures are those computed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report_fixture import make_report_data
from report_items import HOSTILE, make_evaluation
from rich.console import Console
from test_reporting_html import Page, words

from harness.cli.metric_tables import print_metrics, print_prompts
from harness.evaluated import Evaluation
from harness.evaluation.items import ItemResult
from harness.metrics import MetricValue, evaluation_metrics
from harness.reporting.data import ReportData
from harness.reporting.html import HtmlReporter
from harness.reporting.markdown import MarkdownReporter
from harness.reporting.metrics import Measured, MetricRow, confused, gather, metric_tables, rows_of, shown_cell
from harness.reporting.prompting import prompt_rows, sentences, setting

LABELS = ["refund", "repair", "other"]


def figure(name: str, value: float, stderr: float | None = 0.1, **options: Any) -> MetricValue:
    return MetricValue(name, value, stderr, 10, 5, "clustered", **options)


def routed(answers: Mapping[str, str], gold: str = "refund") -> Evaluation:
    """A classification skill: item id to answered label."""
    results = [
        ItemResult(
            item_id=item, task="t", skill="routing", cluster=item, doc={"expects": {"labels": LABELS}}, prompt="p",
            target=gold, response=answer, correct=float(answer == gold), metrics={}, new_tokens=2,
        )
        for item, answer in answers.items()
    ]  # fmt: skip
    return Evaluation("dev", tuple(results), (), 0.0, {})


# --- rows


def test_rows_join_the_arms_by_skill_and_metric_and_all_comes_last() -> None:
    before = {"zeta": [figure("f1", 0.1)], "all": [figure("latency", 2.0, None, unit="seconds")]}
    after = {"zeta": [figure("f1", 0.3), figure("bleu", 9.0, unit="points")], "alpha": [figure("f1", 0.5)]}
    rows = rows_of("dev", before, None, after)
    assert [(row.skill, row.metric) for row in rows] == [
        ("alpha", "f1"), ("zeta", "f1"), ("zeta", "bleu"), ("all", "latency"),
    ]  # fmt: skip
    joined = rows[1]
    assert (joined.before, joined.before_fewshot, joined.after) == ((0.1, 0.1), None, (0.3, 0.1))
    assert joined.as_dict() == {
        "items": "dev", "skill": "zeta", "metric": "f1", "unit": "share", "better": "higher", "n": 10, "clusters": 5,
        "method": "clustered", "before": {"value": 0.1, "stderr": 0.1}, "before_fewshot": None,
        "after": {"value": 0.3, "stderr": 0.1},
    }  # fmt: skip


def test_gathering_takes_each_sets_arms_and_adds_what_only_the_model_can_give() -> None:
    before, after = make_evaluation("dev", 0.2, 40, 0), make_evaluation("dev", 0.6, 40, 1)
    rows, matrices = gather(
        Measured().of,
        [("dev", ((Path("a"), before), None, (Path("b"), after))), ("test", (None, None, None))],
        {"scope": [figure("perplexity", 12.0, unit="perplexity", better="lower")]},
        {"wiki.txt": [figure("word_perplexity", 300.0)]},
    )
    assert {row.items for row in rows} == {"dev", "text"}
    assert matrices == []
    computed = {(skill, v.name): v for skill, values in evaluation_metrics(after).items() for v in values}
    for row in rows:
        if row.items == "dev" and row.metric != "perplexity":
            value = computed[row.skill, row.metric]
            assert row.after == (value.value, value.stderr)
    assert [row.skill for row in rows if row.metric == "perplexity"] == ["scope"]
    assert (rows[-1].items, rows[-1].skill, rows[-1].metric) == ("text", "wiki.txt", "word_perplexity")


def test_metrics_of_an_evaluation_are_computed_once_and_forgotten_when_unused(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[Evaluation] = []

    def count(evaluation: Evaluation) -> dict[str, list[MetricValue]]:
        computed.append(evaluation)
        return {}

    monkeypatch.setattr("harness.reporting.metrics.evaluation_metrics", count)
    first, second = routed({"a": "refund"}), routed({"b": "repair"})
    measured = Measured()
    for _ in range(3):
        measured.of(Path("first"), first)
        measured.forget_unused()
    assert len(computed) == 1
    measured.of(Path("second"), second)
    measured.forget_unused()
    measured.of(Path("first"), first)
    assert len(computed) == 3


def test_the_confusion_matrix_is_gathered_and_read_worst_label_first() -> None:
    before = routed({"a": "refund", "b": "repair", "c": "dunno", "d": "repair"})
    after = routed({"a": "refund", "b": "refund", "c": "refund", "d": "other"})
    _, matrices = gather(Measured().of, [("dev", ((Path("x"), before), None, (Path("y"), after)))], {}, {})
    (matrix,) = matrices
    assert (matrix["items"], matrix["skill"], matrix["before_fewshot"]) == ("dev", "routing", None)
    assert matrix["before"]["counts"] == {"refund": {"refund": 1, "repair": 2, "": 1}}
    (row,) = confused("dev", {"routing": matrix["before"]})
    assert (row.label, row.n, row.right, row.answers) == ("refund", 4, 1, (("repair", 2), ("", 1)))


@pytest.mark.parametrize(
    ("cell", "unit", "text"),
    [
        ((0.51, 0.02), "share", "51.0 ± 2.0"),
        ((0.51, None), "share", "51.0"),
        ((31.24, 1.5), "points", "31.2 ± 1.5"),
        ((1.2345, 0.01), "bits", "1.234 ± 0.010"),
        ((0.0312, None), "seconds", "0.031"),
        ((41.0, None), "seconds", "41.0"),
        ((2.7e43, 1e43), "perplexity", "2.7e+43"),
        (None, "share", ""),
    ],
)
def test_a_cell_shows_value_and_standard_error_in_its_unit(cell: Any, unit: str, text: str) -> None:
    assert shown_cell(cell, unit) == text


# --- the page


PROMPTS: dict[str, Any] = {
    "fewshot": 4,
    "skills": {"t_scope": "scope", "t_routing": "routing"},
    "scores": [
        {"prompt": name, "shots": shots, "skill": skill, "value": value, "stderr": 0.03, "n": 40, "correct": 4}
        for name, shots, skill, value in [
            ("default", 0, "routing", 0.1), ("default", 0, "scope", 0.2), ("default", 4, "routing", 0.3),
            ("default", 4, "scope", 0.31), ("terse", 0, "routing", 0.12), ("terse", 4, "routing", 0.4),
        ]
    ],
    "zero_shot": {
        "chosen": {"t_scope": "default", "t_routing": "terse"}, "failing": 68, "optimism": 0.011,
        "naive": {"n": 80, "fixed": 6, "broken": 2, "delta": 0.05, "ci95": [0.01, 0.09], "midp": 0.1,
                  "midp_worse": 0.9},
        "honest": {"n": 80, "fixed": 5, "broken": 2, "delta": 0.039, "ci95": [-0.01, 0.088], "midp": 0.1,
                   "midp_worse": 0.9},
    },
    "any": {
        "chosen": {"t_scope": "default, few-shot", "t_routing": "terse, few-shot"}, "failing": 68, "optimism": -0.002,
        "naive": {"n": 80, "fixed": 20, "broken": 1, "delta": 0.2, "ci95": [0.1, 0.3], "midp": 0.0, "midp_worse": 1.0},
        "honest": {"n": 80, "fixed": 20, "broken": 1, "delta": 0.202, "ci95": [0.1, 0.3], "midp": 0.0,
                   "midp_worse": 1.0},
    },
}  # fmt: skip


def measured(data: ReportData) -> ReportData:
    """``data`` with the metrics of its evaluations."""

    def arm(evaluation: Evaluation | None) -> tuple[Path, Evaluation] | None:
        return None if evaluation is None else (Path(str(id(evaluation))), evaluation)

    sets = [
        ("dev", (arm(data.baseline_dev), arm(data.baseline_dev_fewshot), arm(data.champion_dev))),
        ("guard", (arm(data.guard_before), None, arm(data.guard_after))),
    ]
    rows, matrices = gather(Measured().of, sets, {}, {})
    matrices.append({
        "items": "dev", "skill": "routing", "before": {"labels": ["a", HOSTILE[0]], "counts": {"a": {HOSTILE[0]: 3}}},
        "before_fewshot": None, "after": None,
    })  # fmt: skip
    return replace(data, metrics=rows, confusions=matrices, prompts=PROMPTS)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "hostile"])
def data(request: pytest.FixtureRequest) -> ReportData:
    return measured(make_report_data(rounds=2, n=80, hostile=request.param))


def test_the_page_shows_every_metric_with_its_error(data: ReportData, tmp_path: Path) -> None:
    source = HtmlReporter().render(data, tmp_path).read_text(encoding="utf-8")
    page = Page(source)
    shown = words(page.sections["metrics"])
    assert len(data.metrics) > 30
    for row in data.metrics:
        for cell in (row.before, row.before_fewshot, row.after):
            if cell is not None:
                assert shown_cell(cell, row.unit) in shown
    for name in ("rougeL", "bleu", "chrf", "f1", "answer_words", "Guards"):
        assert name in shown
    assert source.count("<script>") == 1  # the page's own
    assert re.search(r'<a href="#prompts">Prompts</a>\s*<a href="#metrics">Metrics</a>', source)


def test_the_page_says_which_prompt_to_start_from(data: ReportData, tmp_path: Path) -> None:
    page = Page(HtmlReporter().render(data, tmp_path).read_text(encoding="utf-8"))
    shown = words(page.sections["prompts"])
    for sentence in sentences(PROMPTS):
        assert sentence in shown
    assert "terse, best" in shown
    assert "12.0%" in shown


def test_markdown_has_them_too(data: ReportData, tmp_path: Path) -> None:
    text = MarkdownReporter().render(data, tmp_path).read_text(encoding="utf-8")
    assert "## Metrics: Dev" in text
    assert "## Prompts" in text
    row = next(row for row in data.metrics if row.metric == "chrf")
    line = next(line for line in text.splitlines() if line.startswith(f"| {row.skill} | chrf |"))
    assert shown_cell(row.before, "points") in line


def test_a_run_without_metrics_says_so(tmp_path: Path) -> None:
    page = Page(HtmlReporter().render(make_report_data(rounds=1), tmp_path).read_text(encoding="utf-8"))
    assert "No metrics were taken." in page.sections["metrics"]
    assert "prompts" not in page.sections


# --- the terminal


def printed(show: Any, data: ReportData) -> str:
    console = Console(width=200, highlight=False)
    with console.capture() as capture:
        show(console, data)
    return capture.get()


def test_the_terminal_shows_metrics_and_prompts() -> None:
    data = measured(make_report_data(rounds=0, finished=False, n=40))
    text = printed(print_metrics, data)
    assert "metrics: Dev, value ± standard error" in text
    for table in metric_tables(data.metrics):
        for row in table.rows:
            assert row.name in text
            assert all(cell in text for cell in row.cells)
    text = printed(print_prompts, data)
    assert "terse, best" in text
    assert sentences(PROMPTS)[0] in text
    assert printed(print_prompts, replace(data, prompts=None)) == ""


# --- prompts in words


def test_the_advice_is_a_line_of_the_settings() -> None:
    assert setting(PROMPTS) == "prompt: {t_routing: terse}"
    same = {**PROMPTS, "zero_shot": {**PROMPTS["zero_shot"], "chosen": {"t_scope": "terse", "t_routing": "terse"}}}
    assert setting(same) == "prompt: terse"


def test_the_sentences_give_the_honest_figure_first_and_the_optimism_after() -> None:
    found = sentences(PROMPTS)
    assert (
        found[0] == "Start from 'prompt: {t_routing: terse}' in harness.yaml: the best prompt of each skill, zero-shot."
    )
    assert "+3.9 points over the default zero-shot ones (95% interval \u22121.0 to +8.8)" in found[1]
    assert "they cure 5 of 68 failing items (7.4%), and break 2." in found[1]
    assert "+5.0 points" in found[2]
    assert "here by +1.1" in found[2]
    assert "The best prompts with or without 4 examples: +20.2 points" in found[3]
    assert found[-1] == "Training has to beat that: prompting and examples cost no training."


def test_where_the_default_is_best_nothing_else_is_advised() -> None:
    best = {**PROMPTS["zero_shot"], "chosen": {"t_scope": "default", "t_routing": "default"}}
    found = sentences({**PROMPTS, "zero_shot": best, "any": None})
    assert found == ["Start from the default prompts: none of the others does better zero-shot."]
    found = sentences({**PROMPTS, "zero_shot": best, "any": best})
    assert found[1:] == ["Nor does any prompt with 4 examples."]


def test_rows_come_by_skill_with_the_default_first() -> None:
    rows = prompt_rows(PROMPTS)
    assert [(row.skill, row.prompt, row.chosen) for row in rows] == [
        ("routing", "default", False), ("routing", "terse", True), ("scope", "default", True),
    ]  # fmt: skip
    assert rows[1].few_shot is not None
    assert rows[1].few_shot["value"] == 0.4


def test_a_metric_row_without_any_arm_is_never_made() -> None:
    assert rows_of("dev", {}) == []
    assert metric_tables([]) == ()
    assert MetricRow("dev", "s", "f1", "share", "higher", 1, 1, "none").as_dict()["before"] is None
