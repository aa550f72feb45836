"""Answers of plain lm-eval: what its real command writes, read as a run's own; and what it might be instead."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from lm_eval_outputs import change_json, change_rows, make_outputs, only

from harness.cli.main import main
from harness.errors.setup import load_taxonomy
from harness.exceptions import InputError
from harness.regression.answers import prompt_hash
from harness.regression.baseline_file import comparable, write_baseline
from harness.regression.compare import compare
from harness.regression.lm_eval_output import read_lm_eval
from harness.regression.read import read_answers


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    return make_outputs(tmp_path_factory.mktemp("lm_eval"))


@pytest.fixture
def out(outputs: tuple[Path, Path, Path], tmp_path: Path) -> Path:
    """A copy of the first model's output, to be damaged."""
    return shutil.copytree(outputs[1], tmp_path / "out")


def logged(folder: Path, task: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in only(folder, f"samples_{task}_*.jsonl").read_text().splitlines()]


# --- what the command writes


def test_documents_are_named_asked_and_clustered_as_in_a_run(outputs: tuple[Path, Path, Path]) -> None:
    from harness.evaluation.domain import load_domain

    tasks, one, _ = outputs
    answers = read_answers(one).by_item
    domain = load_domain("toy_all", [tasks])
    items = domain.items("test", "dev")
    assert {item.item_id for item in items} == set(answers)
    for item in items:
        answer = answers[item.item_id]
        assert (answer.task, answer.skill, answer.cluster) == (item.task, item.skill, item.cluster)
        assert answer.prompt_sha256 == prompt_hash(item.prompt)
        assert answer.target == item.target


def test_an_answer_counts_as_lm_eval_counted_it(outputs: tuple[Path, Path, Path]) -> None:
    for folder in outputs[1:]:
        answers = read_lm_eval(folder).answers
        results = json.loads(only(folder, "results_*.json").read_text())["results"]
        for task, metric in (("toy_add", "exact_match,none"), ("toy_guard", "acc,none")):
            scores = [answer.correct for answer in answers if answer.task == task]
            assert sum(scores) / len(scores) == pytest.approx(results[task][metric])
        (raw,) = {answer.metrics["exact_match,raw"] for answer in answers if answer.task == "toy_filtered"}
        assert raw == results["toy_filtered"]["exact_match,raw"]


def test_of_several_filters_the_first_counts(out: Path) -> None:
    path = only(out, "samples_toy_filtered_*.jsonl")
    assert [row["filter"] for row in logged(out, "toy_filtered")[::20]] == ["digits", "raw"]
    change_rows(path, lambda row: {**row, "exact_match": float(row["filter"] == "digits")})
    answers = [answer for answer in read_lm_eval(out).answers if answer.task == "toy_filtered"]
    assert {answer.correct for answer in answers} == {1.0}
    assert dict(answers[0].metrics) == {"exact_match": 1.0, "exact_match,digits": 1.0, "exact_match,raw": 0.0}
    change_rows(path, lambda row: {**row, "exact_match": float(row["filter"] == "raw")})
    assert {answer.correct for answer in read_lm_eval(out).answers if answer.task == "toy_filtered"} == {0.0}


def test_of_multiple_choice_the_response_is_the_ending_that_was_picked(outputs: tuple[Path, Path, Path]) -> None:
    answers = [answer for answer in read_lm_eval(outputs[1]).answers if answer.task == "toy_guard"]
    assert {answer.response for answer in answers} <= {"no", "yes"}
    assert {answer.target for answer in answers} == {"no", "yes"}
    assert all((answer.response == answer.target) == (answer.correct == 1.0) for answer in answers)


def test_what_is_not_known_is_said_to_be_unknown(outputs: tuple[Path, Path, Path]) -> None:
    answers = read_lm_eval(outputs[1])
    assert (answers.seconds, answers.classified) == (None, False)
    assert {answer.new_tokens for answer in answers.answers} == {None}
    assert answers.identity.model.endswith("one")
    assert answers.identity.tasks["toy_filtered"].startswith("version 3 (")
    assert answers.identity.settings["fewshot"] == 0
    assert answers.identity.environment["lm_eval"]


def test_guards_are_told_by_task_and_by_group(outputs: tuple[Path, Path, Path]) -> None:
    answers = read_answers(outputs[1], guards=["toy_guard"])
    assert {answer.task for answer in answers.of("guard")} == {"toy_guard"}
    assert {answer.skill for answer in answers.of("guard")} == {"even"}
    assert {answer.role for answer in read_answers(outputs[1], guards=["toy_all"]).answers} == {"guard"}
    assert {answer.role for answer in read_answers(outputs[1], guards=["toy"]).answers} == {"domain"}


def test_classifiers_judge_it_where_they_are_given(outputs: tuple[Path, Path, Path]) -> None:
    answers = read_answers(outputs[1], load_taxonomy)
    assert answers.classified
    assert all((answer.primary is None) == (answer.correct == 1.0) for answer in answers.answers)
    assert answers.identity.classifiers["wrong_answer"]


def test_one_results_file_may_be_named(outputs: tuple[Path, Path, Path]) -> None:
    path = only(outputs[1], "results_*.json")
    assert read_answers(path).answers == read_answers(path.parent).answers == read_answers(outputs[1]).answers


def test_two_models_are_paired_document_by_document(outputs: tuple[Path, Path, Path]) -> None:
    one, two = outputs[1:]
    comparison = compare(read_answers(one), read_answers(two))
    before, after = ({row["doc_id"]: row["acc"] for row in logged(each, "toy_pick")} for each in (one, two))
    (row,) = [row for row in comparison.tasks if row.name == "toy_pick"]
    assert row.paired is not None
    assert row.n == 20
    assert row.paired.fixed == sum(after[doc] > before[doc] for doc in before)
    assert row.paired.broken == sum(after[doc] < before[doc] for doc in before)
    assert row.paired.fixed + row.paired.broken > 0  # two models that answer alike would show nothing here
    assert (comparison.new, comparison.missing) == ((), ())


def test_the_command_compares_two_models_that_lm_eval_asked(
    outputs: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(outputs[1]), str(outputs[2]), "--json", "--classify"]) == 0
    found = json.loads(capsys.readouterr().out)
    for name, task in found["tasks"].items():
        before, after = (logged(folder, name) for folder in outputs[1:])
        first = before[0]["filter"]
        metric = "acc" if name in ("toy_guard", "toy_pick") else "exact_match"
        scores = [[row[metric] for row in rows if row["filter"] == first] for rows in (before, after)]
        assert task["n"] == len(scores[0])
        assert (task["before"], task["after"]) == pytest.approx([sum(each) / len(each) for each in scores])
        assert task["delta"] == pytest.approx(task["after"] - task["before"])
    assert found["a"]["model"] != found["b"]["model"]
    assert found["categories"]["wrong_answer"]["n"] > 0


def test_one_models_output_is_a_baseline_for_anothers(
    outputs: tuple[Path, Path, Path], out: Path, tmp_path: Path
) -> None:
    write_baseline(tmp_path / "toy.json", read_answers(outputs[1]))
    baseline = read_answers(tmp_path / "toy.json")
    comparable(baseline, read_answers(outputs[2]))
    assert {row.n for row in compare(baseline, read_answers(outputs[1])).tasks} == {12, 20}
    change_json(only(out, "results_*.json"), lambda raw: raw["versions"].update(toy_filtered=4.0))
    with pytest.raises(InputError, match=r"task toy_filtered was version 3 \(.* and is version 4 \("):
        comparable(baseline, read_answers(out))


# --- prompts that a run's cannot be held against


def test_harness_gate_judges_one_models_output_against_the_others(
    outputs: tuple[Path, Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    gates = [
        *("no_regression: {margin: 0}", 'category: {repetitive: "<= 100%"}', "metric: acc <= 1"),
        "guard: {margin: 0.99}",
    ]
    (tmp_path / "harness.yaml").write_text(
        "domain: toy\nguard: toy_guard\ngates:\n" + "".join(f"  - {gate}\n" for gate in gates)
    )
    assert main(["gate", str(outputs[1]), "--update-baseline"]) == 0
    capsys.readouterr()
    code = main(["gate", str(outputs[2]), "--json"])
    said = json.loads(capsys.readouterr().out)
    states = {each["name"].partition(" ")[0]: each["state"] for each in said["gates"]}
    assert states["category"] == states["metric"] == "pass"
    assert states["no_regression"] in ("pass", "fail", "uncertain")
    assert states["guard"] == "pass"
    assert {each["name"].partition(" ")[0]: each["n"] for each in said["gates"]}["guard"] == 12
    assert code == (states["no_regression"] == "fail")
    assert said["why_no_baseline"] == ""


@pytest.mark.parametrize("field", ["chat_template", "system_instruction"])
def test_with_text_around_the_question_its_own_hash_is_not_known(out: Path, field: str) -> None:
    change_json(only(out, "results_*.json"), lambda raw: raw.update({field: "text"}))
    assert {answer.prompt_sha256 for answer in read_lm_eval(out).answers} == {""}


def test_other_prompts_are_noted_even_so(outputs: tuple[Path, Path, Path], out: Path, tmp_path: Path) -> None:
    other = shutil.copytree(out, tmp_path / "other")
    for folder in (out, other):
        change_json(only(folder, "results_*.json"), lambda raw: raw.update(chat_template="text"))
    arguments = {"gen_args_0": {"arg_0": "something else", "arg_1": {}}}
    change_rows(only(other, "samples_toy_add_*.jsonl"), lambda row: {**row, "arguments": arguments})
    notes = compare(read_lm_eval(out), read_lm_eval(other)).notes
    assert any(note.startswith("the prompts of 20 of 72 items differ") for note in notes)


def test_another_version_of_a_task_is_noted(outputs: tuple[Path, Path, Path], out: Path) -> None:
    change_json(only(out, "results_*.json"), lambda raw: raw["versions"].update(toy_filtered=4.0))
    notes = compare(read_lm_eval(outputs[1]), read_lm_eval(out)).notes
    assert [note for note in notes if note.startswith("task toy_filtered was version 3 (")]


# --- documents and metrics that are not as usual


def test_a_document_that_a_data_set_holds_twice_is_two_items_of_one_cluster(out: Path) -> None:
    first = logged(out, "toy_guard")[0]["doc"]
    path = only(out, "samples_toy_guard_*.jsonl")
    change_rows(path, lambda row: {**row, "doc": {"question": "same"} if row["doc_id"] < 2 else row["doc"]})
    answers = [answer for answer in read_lm_eval(out).answers if answer.task == "toy_guard"]
    assert first
    assert len({answer.item for answer in answers}) == 12
    assert answers[0].cluster == answers[1].cluster == answers[0].item


def test_the_first_metric_that_is_a_share_of_each_document_counts(out: Path) -> None:
    def with_metrics(row: dict[str, Any]) -> dict[str, Any]:
        more = {"bleu": ["a", "b"], "points": 7, "loss": 0.5, "f1": 0.25}
        return {**row, **more, "metrics": [*more, "exact_match"]}

    change_rows(only(out, "samples_toy_add_*.jsonl"), with_metrics)

    def other_list(raw: dict[str, Any]) -> None:
        raw["configs"]["toy_add"]["metric_list"] = [{"metric": name} for name in ("bleu", "points", "loss", "f1")]
        raw["higher_is_better"]["toy_add"] = {"loss": False}

    change_json(only(out, "results_*.json"), other_list)
    answers = read_lm_eval(out)
    assert answers.identity.settings["metrics"]["toy_add"] == "f1"
    (correct,) = {answer.correct for answer in answers.answers if answer.task == "toy_add"}
    assert correct == 0.25


def test_a_task_without_such_a_metric_is_left_out_and_named(out: Path) -> None:
    path = only(out, "samples_toy_add_*.jsonl")
    change_rows(path, lambda row: {**row, "exact_match": [0, 1]})
    answers = read_lm_eval(out)
    assert "toy_add" not in {answer.task for answer in answers.answers}
    assert list(answers.identity.settings["left_out"]) == ["toy_add"]
    assert any("toy_add" in note for note in compare(answers, answers).notes)


# --- bad input


def refused(source: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_answers(source)
    return str(caught.value)


def test_a_folder_with_two_results_is_refused_and_names_both(outputs: tuple[Path, Path, Path], out: Path) -> None:
    other = only(outputs[2], "results_*.json")
    shutil.copytree(other.parent, out / "second")
    message = refused(out)
    assert "holds several results" in message
    assert message.count("results_") == 2
    assert "name the one file" in message
    assert read_answers(out / "second").identity.model.endswith("two")


def test_two_times_in_one_folder_are_told_apart_where_one_file_is_named(
    outputs: tuple[Path, Path, Path], out: Path
) -> None:
    mine = only(out, "results_*.json")
    for path in only(outputs[2], "results_*.json").parent.iterdir():
        shutil.copy(path, mine.parent)
    assert "several results" in refused(out)
    assert read_answers(mine).answers == read_answers(outputs[1]).answers


def test_results_without_samples_say_how_to_log_them(out: Path) -> None:
    for path in out.rglob("samples_*.jsonl"):
        path.unlink()
    assert refused(out).endswith("no samples beside it; run lm-eval again with --log_samples")


def test_samples_without_results_are_refused(out: Path) -> None:
    only(out, "results_*.json").unlink()
    assert "samples without a results file beside them" in refused(out)


def test_a_task_whose_samples_are_missing_is_named(out: Path) -> None:
    only(out, "samples_toy_guard_*.jsonl").unlink()
    assert "the samples of task 'toy_guard' are missing" in refused(out)


def test_samples_that_were_cut_off_are_refused(out: Path) -> None:
    path = only(out, "samples_toy_guard_*.jsonl")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert "cut off: 11 of the 12 documents" in refused(out)


def test_a_filter_that_was_cut_off_is_refused(out: Path) -> None:
    path = only(out, "samples_toy_filtered_*.jsonl")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert "cut off: its filters have 20, 19 documents" in refused(out)


def test_a_torn_line_is_named(out: Path) -> None:
    path = only(out, "samples_toy_guard_*.jsonl")
    path.write_text(path.read_text()[:-30])
    assert f"{path}:12: not valid JSON" in refused(out)


def test_two_runs_in_one_file_of_samples_are_refused(out: Path) -> None:
    path = only(out, "samples_toy_guard_*.jsonl")
    path.write_text(path.read_text() * 2)
    assert f"{path}:13: document 0 is there a second time" in refused(out)


def test_damaged_results_are_named_with_their_line(out: Path) -> None:
    path = only(out, "results_*.json")
    path.write_text(path.read_text()[:-3])
    assert refused(out).startswith(f"{path}:")


@pytest.mark.parametrize("row", ["[]", "{}", '{"doc": 3}', '{"doc": {"a": NaN}, "exact_match": 1.0}'])
def test_a_line_that_is_no_sample_is_named(out: Path, row: str) -> None:
    path = only(out, "samples_toy_add_*.jsonl")
    path.write_text(f"{row}\n" * 20)
    assert f"{path}:1: " in refused(out)


@pytest.mark.parametrize("value", [None, [], "text", 3])
def test_rows_with_odd_fields_are_read_without_texts(out: Path, value: object) -> None:
    path = only(out, "samples_toy_guard_*.jsonl")
    change_rows(path, lambda row: {**row, "arguments": value, "resps": value, "filtered_resps": value})
    answers = [answer for answer in read_lm_eval(out).answers if answer.task == "toy_guard"]
    assert [answer.correct for answer in answers] == [row["acc"] for row in logged(out, "toy_guard")]
