"""Guards by name and from local rows: lm-eval's own tasks on rows that lie here, for each of the four benchmarks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest
from fake_workbench import TOY_SETTINGS, FakeWorkbench, open_toy
from tiny import make_tiny_model
from toy import toy_domain, write_toy_tasks

from harness.evaluation.domain import Domain
from harness.evaluation.guards import general_rows, guard_items, guard_names, load_guards, local_domain
from harness.evaluation.respond import respond
from harness.exceptions import InputError
from harness.loop.iterate import iterate
from harness.loop.prepare import prepare
from harness.reporting.load import write_reports
from harness.storage import read_json

Row = dict[str, Any]
FILES = {
    "arc_easy": "arc_easy/test.jsonl",
    "hellaswag": "hellaswag/validation_3000.jsonl",
    "truthfulqa_mc1": "truthfulqa/mc_task.jsonl",
    "truthfulqa_mc2": "truthfulqa/mc_task.jsonl",
    "mmlu": "mmlu/test_40_per_subject.jsonl",
}
# Distinct rows: one of MMLU's stands twice in the file.
SIZES = {"arc_easy": 2376, "hellaswag": 3000, "truthfulqa_mc1": 790, "truthfulqa_mc2": 790, "mmlu": 2279}
NAMES = sorted(FILES)


def rows_of(path: Path, count: int | None = None) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:count] if line]


ARC = [
    {"question": f"Which is {n}?", "choices": {"text": ["one", "two"], "label": ["A", "B"]}, "answerKey": "B"}
    for n in range(3)
]


def write_jsonl(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


# --- the four benchmarks on the real rows


@pytest.fixture(scope="session")
def guards(shared_data: Path) -> dict[str, Domain]:
    """Each benchmark over the folder of its rows, as ``guard: {name: PATH}`` loads it."""
    loaded = {}
    for name in NAMES:
        domain = load_guards({name: str(shared_data / FILES[name].split("/")[0])}, [])
        assert domain is not None
        loaded[name] = domain
    return loaded


def in_the_hubs_form(name: str, row: Row) -> Row:
    """What the hub's copy of a row holds, written out here a second time."""
    if name.startswith("truthfulqa"):
        column = "mc1_targets" if name.endswith("mc1") else "mc2_targets"
        targets = row[column]
        return {"question": row["question"], column: {"choices": list(targets), "labels": list(targets.values())}}
    if name == "hellaswag":
        head, _, fragment = row["ctx"].rpartition(". ")
        whole = row["ctx"].endswith(".")
        return {**row, "ctx_a": row["ctx"] if whole else f"{head}.", "ctx_b": "" if whole else fragment}
    return row


def hubs_task(name: str, leaf: str, rows: Sequence[Row], monkeypatch: pytest.MonkeyPatch) -> Any:
    """lm-eval's own task as its own manager makes it, the hub answered by hand."""
    import lm_eval.tasks
    from lm_eval.tasks import TaskManager

    folder = {"arc_easy": "arc", "truthfulqa_mc1": "truthfulqa", "truthfulqa_mc2": "truthfulqa"}.get(name, name)
    path = Path(lm_eval.tasks.__file__).parent / folder
    data = datasets.Dataset.from_list([in_the_hubs_form(name, row) for row in rows])
    splits = dict.fromkeys(("train", "validation", "test", "dev"), data)
    monkeypatch.setattr(datasets, "load_dataset", lambda **_: splits)
    return TaskManager(include_path=str(path), include_defaults=False).load(leaf)["tasks"][leaf]


def simple(name: str, row: Row) -> bool:
    """Whether a row's hub form is beyond doubt: of HellaSwag, one full stop before the fragment, or none at all."""
    return name != "hellaswag" or (". " in row["ctx"] and not any(mark in row["ctx"] for mark in '!?"('))


@pytest.mark.parametrize("name", NAMES)
def test_every_row_becomes_an_item_of_the_guard(name: str, guards: dict[str, Domain]) -> None:
    right_or_wrong, graded, notices = guard_items(guards[name], None)
    items = graded if name == "truthfulqa_mc2" else right_or_wrong
    assert len(items) == SIZES[name]
    assert len(right_or_wrong) + len(graded) == SIZES[name]
    assert {item.skill for item in items} == {name}
    assert {item.role for item in items} == {"guard"}
    assert len({item.item_id for item in items}) == SIZES[name]
    assert notices == []
    assert general_rows(guards[name]) == []


@pytest.mark.parametrize("name", NAMES)
def test_prompts_choices_and_targets_are_those_of_lm_evals_own_task(
    name: str, guards: dict[str, Domain], shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row for row in rows_of(shared_data / FILES[name]) if simple(name, row)]
    leaf = "mmlu_abstract_algebra" if name == "mmlu" else name
    if name == "mmlu":
        rows = [row for row in rows if row["subject"] == "abstract_algebra"]
    rows = rows[:60]
    theirs = hubs_task(name, leaf, rows, monkeypatch)
    ours = guards[name].tasks[leaf].task
    own = list(ours.eval_docs)
    asked = {theirs.doc_to_text(doc): doc for doc in theirs.eval_docs}
    assert len(rows) >= 40
    assert len(asked) >= len(rows) - 2
    by_prompt: dict[str, list[Any]] = {}
    for doc in own:
        by_prompt.setdefault(ours.doc_to_text(doc), []).append(doc)
    for prompt, doc in asked.items():
        mine = next(d for d in by_prompt[prompt] if ours.doc_to_choice(d) == theirs.doc_to_choice(doc))
        assert ours.doc_to_target(mine) == theirs.doc_to_target(doc)
        # the whole prompt: mmlu's begins with a description of the subject
        assert ours.fewshot_context(mine, 0) == theirs.fewshot_context(doc, 0)
        first, second = (
            [r.args for r in task.construct_requests(d, ctx="Q", metadata=(leaf, 0, 1))]
            for task, d in ((ours, mine), (theirs, doc))
        )
        assert first == second
    assert ours.config.metric_list == theirs.config.metric_list


@pytest.fixture(scope="session")
def tiny_engine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from harness.evaluation.pooled_engine import PooledEngine

    folder = make_tiny_model(tmp_path_factory.mktemp("tiny"))
    return PooledEngine(AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder), 8)


@pytest.mark.parametrize("name", NAMES)
def test_items_are_scored_by_a_model_as_the_task_scores_them(
    name: str, guards: dict[str, Domain], tiny_engine: Any
) -> None:
    domain = guards[name]
    right_or_wrong, graded, _ = guard_items(domain, 2)
    items = [*right_or_wrong, *graded][:1]
    (result,) = respond(domain, items, tiny_engine, None)
    task = domain.tasks[items[0].task].task
    choices = task.doc_to_choice(dict(items[0].doc))
    assert result.response in choices
    if name == "truthfulqa_mc2":
        assert 0.0 < result.correct < 1.0
    else:
        assert result.correct == float(choices.index(result.response) == task.doc_to_target(dict(items[0].doc)))
    assert result.metrics["acc"] == result.correct
    assert ("acc_norm" in result.metrics) == (name in ("arc_easy", "hellaswag"))


@pytest.mark.parametrize("name", NAMES)
def test_a_model_that_knows_the_gold_scores_one(name: str, guards: dict[str, Domain]) -> None:
    domain = guards[name]
    right_or_wrong, graded, _ = guard_items(domain, 5)
    for item in (*right_or_wrong, *graded):
        task = domain.tasks[item.task].task
        choices, doc = task.doc_to_choice(dict(item.doc)), dict(item.doc)
        true = doc["mc2_targets"]["labels"] if name == "truthfulqa_mc2" else None
        gold = task.doc_to_target(doc)
        results = [(0.0 if (true[i] if true else i == gold) else -90.0, False) for i in range(len(choices))]
        assert task.process_results(doc, results)["acc"] == pytest.approx(1.0)


def test_hellaswags_fragment_begins_in_upper_case_as_lm_eval_has_it(guards: dict[str, Domain]) -> None:
    items = {item.doc["ind"]: item for item in guard_items(guards["hellaswag"], None)[0]}
    assert items[1].prompt == "Clean and jerk: A lady walks to a barbell. She bends down and grabs the pole. The lady"
    assert items[1].target == "stands and lifts the weight over her head."


def test_mmlu_comes_with_its_examples_and_each_subject_has_its_own_rows(guards: dict[str, Domain]) -> None:
    tasks = guards["mmlu"].tasks
    assert len(tasks) == 57
    for name, handle in tasks.items():
        subject = name.removeprefix("mmlu_")
        assert {doc["subject"] for doc in handle.task.eval_docs} == {subject}
        assert {doc["subject"] for doc in handle.task.fewshot_docs()} == {subject}
        assert len(handle.task.fewshot_docs()) == 5


def test_a_file_and_its_folder_give_the_same_items(guards: dict[str, Domain], shared_data: Path) -> None:
    file = local_domain("arc_easy", shared_data / FILES["arc_easy"], [])
    assert file.item_ids("test") == guards["arc_easy"].item_ids("test")
    assert file.tasks["arc_easy"].config_hash == guards["arc_easy"].tasks["arc_easy"].config_hash


def test_several_guards_are_one_domain_limited_each(shared_data: Path) -> None:
    paths = {name: str(shared_data / FILES[name]) for name in ("arc_easy", "truthfulqa_mc2", "hellaswag")}
    domain = load_guards(paths, [])
    assert domain is not None
    assert domain.name == "arc_easy, truthfulqa_mc2, hellaswag"
    right_or_wrong, graded, notices = guard_items(domain, 50)
    assert [item.skill for item in right_or_wrong] == ["arc_easy"] * 50 + ["hellaswag"] * 50
    assert [item.skill for item in graded] == ["truthfulqa_mc2"] * 50
    assert notices == [
        "guard arc_easy: 50 of 2,376 items are asked (guard_limit)",
        "guard truthfulqa_mc2: 50 of 790 items are asked (guard_limit)",
        "guard hellaswag: 50 of 3,000 items are asked (guard_limit)",
    ]


def test_a_sample_is_the_same_every_time_and_a_larger_one_holds_it(guards: dict[str, Domain]) -> None:
    def ids(limit: int) -> list[str]:
        return [item.item_id for item in guard_items(guards["arc_easy"], limit)[0]]

    every = guards["arc_easy"].item_ids("test")["arc_easy"]
    few, more = ids(40), ids(200)
    assert ids(40) == few
    assert set(few) < set(more) < set(every)
    places = [every.index(item) for item in more]
    assert places == sorted(places)  # in the order of the rows
    assert 1000 < sum(places) / 200 < 1400  # from all of them: a mean place of 1188 with a deviation of 49


# --- guards in a run


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_tasks(tmp_path_factory.mktemp("tasks"))


def test_a_guard_may_be_a_name_or_several_of_which_some_have_rows(tasks: Path, tmp_path: Path) -> None:
    assert load_guards("", [tasks]) is None
    assert guard_names("") == []
    assert guard_names("general") == ["general"]
    one = load_guards("toy_guard", [tasks])
    assert one is not None
    assert (one.name, list(one.tasks)) == ("toy_guard", ["toy_guard"])
    path = write_jsonl(tmp_path / "arc.jsonl", ARC)
    several = load_guards({"toy_guard": None, "arc_easy": str(path)}, [tasks])
    assert several is not None
    items, graded, _ = guard_items(several, None)
    assert [item.skill for item in items] == ["even"] * 12 + ["arc_easy"] * 3  # a document's own skill stands
    assert graded == []
    assert {item.task for item in general_rows(several)} == {"toy_guard"}


def test_a_benchmark_by_name_without_a_hub_says_how_to_do_without() -> None:
    with pytest.raises(InputError) as caught:
        load_guards("arc_easy", [])
    assert str(caught.value).startswith("domain 'arc_easy': cannot be loaded")
    assert str(caught.value).endswith("; without a hub give it local rows: guard: {arc_easy: PATH}")


def test_a_tag_cannot_have_local_rows(tmp_path: Path) -> None:
    folder = write_toy_tasks(tmp_path / "tasks")
    for name in ("toy_add", "toy_reverse"):
        (folder / f"{name}.yaml").write_text((folder / f"{name}.yaml").read_text() + "tag: sums\n")
    with pytest.raises(InputError) as caught:
        load_guards({"sums": str(tmp_path)}, [folder])
    assert str(caught.value) == "guard 'sums': is a tag; give its tasks local rows one by one: toy_add, toy_reverse"


def test_a_task_of_ones_own_can_have_other_rows(tmp_path: Path, tasks: Path) -> None:
    rows = [{"input": f"What is {n} + 0?", "target": str(n)} for n in range(9)]
    own = load_guards({"toy_add": str(write_jsonl(tmp_path / "rows.jsonl", rows))}, [tasks])
    assert own is not None
    items, _, _ = guard_items(own, None)
    assert [(item.prompt, item.target) for item in items] == [(row["input"], row["target"]) for row in rows]
    assert general_rows(own) == []  # its train split is not read


def test_a_task_in_two_guards_is_refused(tasks: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_guards({"toy": None, "toy_add": None}, [tasks])
    assert str(caught.value) == "guard: task 'toy_add' is in 'toy' and in 'toy_add'; name it once"


def graded_guard(tmp_path: Path, tasks: Path, with_arc: bool) -> Domain:
    mc2 = [
        {"question": f"Is it {n}?", "mc2_targets": {"choices": ["yes", "no", "so"], "labels": [1, 1, 0]}}
        for n in range(6)
    ]
    guards: dict[str, str | None] = {"truthfulqa_mc2": str(write_jsonl(tmp_path / "mc2.jsonl", mc2))}
    if with_arc:
        guards = {"toy_guard": None, **guards}
    domain = load_guards(guards, [tasks])
    assert domain is not None
    return domain


class Guessing(FakeWorkbench):
    """Answers the toy as ever, and what is not of it by the length of the text."""

    def loglikelihood(self, requests: Sequence[Any], progress: Any) -> list[Any]:
        from harness.evaluation.engine import Scoring

        if "even?" in requests[0].context or "What" in requests[0].context[:8]:
            own = [r for r in requests if not r.context.endswith("\nA:")]
            found = iter(super().loglikelihood(own, progress))
            return [next(found) if r in own else Scoring(-float(len(r.continuation)), False, 1, 5) for r in requests]
        return [Scoring(-float(len(r.continuation)), False, 1, 5) for r in requests]


@pytest.mark.parametrize("with_arc", [True, False])
def test_means_are_carried_and_stay_out_of_every_paired_test(tmp_path: Path, tasks: Path, with_arc: bool) -> None:
    workbench = Guessing(context_length=1000)
    guard = graded_guard(tmp_path, tasks, with_arc)
    prepared = prepare(toy_domain(), guard, workbench, None, 2, None)
    assert (len(prepared.guard), len(prepared.guard_means)) == (12 if with_arc else 0, 6)
    assert prepared.describe()["items"]["guard_means"] == 6
    run_dir = tmp_path / "run"
    run = open_toy(run_dir, workbench, prepared=prepared)
    iterate(run, 1, None, lambda: None)
    write_reports(run_dir)
    summary = read_json(run_dir / "summary.json")
    assert (summary["guard"] is not None) == with_arc
    if with_arc:
        assert summary["guard"]["before"]["n"] == 12
    rows = [row for row in summary["metrics"] if row["items"] == "guard_means"]
    assert [(row["skill"], row["metric"], row["n"]) for row in rows] == [("truthfulqa_mc2", "acc", 6)]
    assert 0.0 < rows[0]["before"]["value"] < 1.0
    assert rows[0]["after"] == rows[0]["before"]  # the scripted model knows nothing of these
    page = (run_dir / "report" / "index.html").read_text(encoding="utf-8")
    assert "Guards without right and wrong (means, in no test)" in page


def test_where_rows_lie_is_no_part_of_a_runs_identity(tmp_path: Path) -> None:
    first = replace(TOY_SETTINGS, guard={"arc_easy": "/a/rows.jsonl"})
    assert first.identity() == replace(first, guard={"arc_easy": "/b/rows.jsonl"}).identity()
    assert first.identity() != replace(first, guard={"hellaswag": "/a/rows.jsonl"}).identity()
