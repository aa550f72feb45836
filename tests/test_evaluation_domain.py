"""A domain of real lm-eval tasks: found by name, its items by split, its prompts rendered by lm-eval."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from toy import SIZES, SKILLS, toy_docs, write_toy_tasks

from harness.evaluation.domain import Domain, load_domain
from harness.evaluation.items import item_id
from harness.exceptions import InputError


def template(messages: list[Mapping[str, str]], add_generation_prompt: bool = True) -> str:
    """A chat template that shows what it was given."""
    shown = "".join(f"<{message['role']}>{message['content']}</>" for message in messages)
    return shown + ("<assistant>" if add_generation_prompt else "")


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_tasks(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(scope="module")
def domain(tasks: Path) -> Domain:
    return load_domain("toy", [tasks])


@pytest.fixture(scope="module")
def guard(tasks: Path) -> Domain:
    return load_domain("toy_guard", [tasks])


def test_a_group_holds_its_tasks(domain: Domain) -> None:
    assert list(domain.tasks) == [f"toy_{skill}" for skill in SKILLS]
    handle = domain.tasks["toy_add"]
    assert (handle.kind, handle.metric, handle.until, handle.max_new_tokens) == ("generate", "exact_match", ("\n",), 16)


def test_a_single_task_is_a_domain_too(tasks: Path, guard: Domain) -> None:
    assert list(load_domain("toy_add", [tasks]).tasks) == ["toy_add"]
    assert guard.tasks["toy_guard"].kind == "choice"
    assert guard.tasks["toy_guard"].metric == "acc"


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_items_come_by_split_in_order_with_role_skill_and_cluster(domain: Domain, split: Any) -> None:
    items = domain.items(split, "test")
    docs = [doc for skill in SKILLS for doc in toy_docs(skill, split)]
    assert [dict(item.doc) for item in items] == docs
    assert len(items) == 2 * SIZES[split]
    for item, doc in zip(items, docs, strict=True):
        assert (item.role, item.task) == ("test", f"toy_{doc['skill']}")
        assert (item.skill, item.cluster, item.prompt, item.target) == (
            doc["skill"], doc["cluster"], doc["input"], doc["target"],
        )  # fmt: skip
        assert item.item_id == item_id(item.task, doc)


def test_the_target_of_a_choice_is_its_text(guard: Domain) -> None:
    assert {(item.prompt, item.target) for item in guard.items("test", "guard")[:2]} == {
        ("Is 2000 even?", "yes"),
        ("Is 2001 even?", "no"),
    }


def test_a_split_that_a_task_lacks_adds_nothing(guard: Domain) -> None:
    assert guard.items("validation", "dev") == []


def test_a_document_without_skill_and_cluster_is_its_own(tmp_path: Path) -> None:
    folder = write_toy_tasks(tmp_path / "t")
    (folder / "add_test.jsonl").write_text(json.dumps({"input": "1 + 1", "target": "2"}) + "\n")
    (item,) = load_domain("toy_add", [folder]).items("test", "test")
    assert (item.skill, item.cluster) == ("toy_add", item.item_id)


def test_a_prompt_is_what_lm_eval_would_send(domain: Domain) -> None:
    item = domain.items("test", "test")[0]
    assert domain.context(item, None) == "What is 2000 + 5?"
    assert domain.context(item, template) == "<user>What is 2000 + 5?</><assistant>"


def test_the_answer_goes_on_from_the_prompt(domain: Domain) -> None:
    item = domain.items("test", "test")[0]
    assert domain.answer(item, None) == " 2005"
    assert domain.answer(item, template) == "2005"


def test_few_shot_examples_are_turns_of_a_chat_and_paragraphs_without_one(domain: Domain) -> None:
    item = domain.items("test", "test")[0]
    assert domain.context(item, None, 2) == "What is 0 + 0? 0\n\nWhat is 1 + 1? 2\n\nWhat is 2000 + 5?"
    assert domain.context(item, template, 1) == (
        "<user>What is 0 + 0?</><assistant>0</><user>What is 2000 + 5?</><assistant>"
    )


def test_random_few_shot_examples_are_the_same_however_often_they_are_drawn(tmp_path: Path) -> None:
    folder = write_toy_tasks(tmp_path / "t")
    path = folder / "toy_add.yaml"
    path.write_text(path.read_text().replace("fewshot_config:\n  sampler: first_n\n", ""))
    first, second = (load_domain("toy_add", [folder]) for _ in range(2))
    items = first.items("test", "test")[:5]
    shown = [first.context(item, None, 3) for item in items]
    assert shown == [second.context(item, None, 3) for item in reversed(items)][::-1]
    assert len({text.rpartition("\n\n")[0] for text in shown}) > 1


def test_more_few_shot_examples_than_there_are_is_said_in_one_line(domain: Domain) -> None:
    item = domain.items("test", "test")[0]
    with pytest.raises(InputError, match=r"task 'toy_add', item [0-9a-f]{16}: cannot be rendered"):
        domain.context(item, None, 1000)


def test_the_configuration_hash_tells_tasks_apart_and_is_the_same_in_every_load(tasks: Path, domain: Domain) -> None:
    again = load_domain("toy", [tasks])
    hashes = {name: handle.config_hash for name, handle in domain.tasks.items()}
    assert {name: handle.config_hash for name, handle in again.tasks.items()} == hashes
    assert len(set(hashes.values())) == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("max_gen_toks: 16", "max_gen_toks: 17"),
        ('until: ["\\n"]', 'until: ["\\n\\n"]'),
        ("doc_to_text: input", "doc_to_text: '{{input}}!'"),
    ],
    ids=["tokens", "stop", "prompt"],
)
def test_another_configuration_is_another_hash(tmp_path: Path, domain: Domain, old: str, new: str) -> None:
    folder = write_toy_tasks(tmp_path / "t")
    path = folder / "toy_add.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert load_domain("toy_add", [folder]).tasks["toy_add"].config_hash != domain.tasks["toy_add"].config_hash


def test_a_change_of_the_tasks_code_is_another_hash(tmp_path: Path, domain: Domain) -> None:
    folder = write_toy_tasks(tmp_path / "t")
    utils = folder / "utils.py"
    utils.write_text(utils.read_text().replace('== doc["target"]', '!= doc["target"]'))
    assert load_domain("toy_add", [folder]).tasks["toy_add"].config_hash != domain.tasks["toy_add"].config_hash


def test_the_code_of_a_linked_task_file_is_that_beside_where_it_really_lies(tmp_path: Path) -> None:
    real, linked = write_toy_tasks(tmp_path / "real"), tmp_path / "linked"
    linked.mkdir()
    (linked / "toy_add.yaml").symlink_to(real / "toy_add.yaml")
    before = load_domain("toy_add", [linked]).tasks["toy_add"].config_hash
    (real / "utils.py").write_text((real / "utils.py").read_text() + "\n# another\n")
    assert load_domain("toy_add", [linked]).tasks["toy_add"].config_hash != before


def test_a_missing_folder_of_tasks_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_domain("toy", [tmp_path / "absent"])
    assert str(caught.value) == f"{tmp_path / 'absent'}: no such folder of tasks"


def broken(folder: Path, name: str, old: str, new: str) -> Path:
    """The toy with ``old`` replaced in the file ``name``."""
    path = write_toy_tasks(folder) / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    return folder


def test_malformed_task_yaml_is_refused_at_its_line_although_lm_eval_passes_over_it(tmp_path: Path) -> None:
    folder = broken(tmp_path / "t", "toy_add.yaml", "doc_to_text: input", "doc_to_text: [input")
    with pytest.raises(InputError, match=r"toy_add\.yaml:\d+: not valid YAML: .*; correct the file"):
        load_domain("toy", [folder])


def test_a_task_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    folder = write_toy_tasks(tmp_path / "t")
    (folder / "gone.yaml").symlink_to(tmp_path / "nowhere.yaml")
    with pytest.raises(InputError, match=r"gone\.yaml: cannot be read: No such file or directory; correct the file"):
        load_domain("toy", [folder])


def test_a_task_file_nested_without_end_is_named(tmp_path: Path) -> None:
    folder = write_toy_tasks(tmp_path / "t")
    (folder / "deep.yaml").write_text("a: " + "[" * 5000)
    with pytest.raises(InputError, match=r"deep\.yaml: not valid YAML: nested too deeply; correct the file"):
        load_domain("toy", [folder])


def test_a_name_that_is_no_text_to_yaml_is_refused_with_its_line(tmp_path: Path) -> None:
    folder = broken(tmp_path / "t", "toy_add.yaml", "task: toy_add", "# a truth value\ntask: no")
    with pytest.raises(InputError, match=r"toy_add\.yaml:2: task 'no' is no text to YAML; write \"no\" in quotes"):
        load_domain("toy_reverse", [folder])


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "toy_add.yaml",
            "doc_to_text:",
            "doc_to_txt:",
            "unknown field 'doc_to_txt' in the task YAML. Did you mean 'doc_to_text'?",
        ),
        (
            "toy_add.yaml",
            "max_gen_toks: 16",
            "max_gen_toks: 16\n  do_sample: true",
            "do_sample: true; the loop compares greedy answers, set do_sample: false",
        ),
        ("toy_add.yaml", "utils.load", "utils.lode", "cannot be loaded: "),
        ("add_test.jsonl", '"input"', "input", "add_test.jsonl:1: not valid JSON: "),
    ],
    ids=["field", "sampling", "function", "data"],
)
def test_a_task_that_cannot_serve_is_refused_in_one_line(
    tmp_path: Path, name: str, old: str, new: str, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        load_domain("toy", [broken(tmp_path / "t", name, old, new)])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_document_that_cannot_be_rendered_is_named_by_task_and_position(tmp_path: Path) -> None:
    folder = write_toy_tasks(tmp_path / "t")
    lines = [json.dumps(doc) for doc in toy_docs("add", "test")]
    (folder / "add_test.jsonl").write_text("\n".join([*lines[:3], json.dumps({"input": "x"})]) + "\n")
    path = folder / "toy_add.yaml"
    path.write_text(path.read_text().replace("doc_to_target: target", "doc_to_target: '{{target.upper()}}'"))
    domain = load_domain("toy_add", [folder])
    with pytest.raises(InputError, match=r"task 'toy_add', test item 3: cannot be rendered: "):
        domain.items("test", "test")


def test_the_metric_that_counts_is_the_first_of_the_list(tmp_path: Path) -> None:
    first = "  - metric: other\n    aggregation: mean\n    higher_is_better: true\n"
    old = "  - metric: exact_match\n"
    folder = broken(tmp_path / "t", "toy_add.yaml", old, first + old)
    assert load_domain("toy_add", [folder]).tasks["toy_add"].metric == "other"
