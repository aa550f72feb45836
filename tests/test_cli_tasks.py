"""``harness tasks``: what is listed, what is shown of an item and what never is, what validation finds and where."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lm_eval_rows import gsm_rows, write_lm_eval_task, write_rows
from tiny import make_tiny_model
from toy import toy_docs, write_toy_tasks

from harness.cli.main import main
from harness.cli.session import configured_domain
from harness.config import Settings
from harness.evaluation.domain import load_domain
from harness.locate import data_folder
from harness.loop.prepare import dealt_roles
from harness.storage import sha256_file

Harness = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def here(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder whose settings name the toy and a tiny model."""
    write_toy_tasks(tmp_path / "tasks")
    (tmp_path / "harness.yaml").write_text(f"model: {model}\ndomain: toy\nguard: ''\ninclude_path: [tasks]\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(here: Path, capsys: pytest.CaptureFixture[str]) -> Harness:
    def call(*args: str) -> tuple[int, str, str]:
        code = main(args)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


# --- the list


def test_the_list_has_what_ships_and_what_the_settings_name(run: Harness) -> None:
    code, out, _ = run("tasks")
    assert code == 0
    lines = out.splitlines()
    assert "toy: toy_add, toy_reverse" in lines
    assert "toy_guard: multiple_choice" in lines
    assert {line.split(":")[0] for line in lines} == {"general", "helpdesk", "toy", "toy_guard"}


# --- show


def test_an_item_is_shown_with_the_models_chat_template_and_its_answer(run: Harness) -> None:
    code, out, err = run("tasks", "show", "toy", "--item", "3")
    assert (code, err) == (0, "")
    doc = toy_docs("add", "train")[2]
    handle = load_domain("toy", [Path("tasks")]).tasks["toy_add"]
    head, prompt, answer = out.split("--- ")
    facts = dict(line.split(": ", 1) for line in head.splitlines())
    assert facts["task"] == "toy_add"
    assert (facts["role"], facts["skill"], facts["cluster"]) == ("train_pool", "add", doc["cluster"])
    assert facts["task hash"] == handle.config_hash
    assert facts["chat template"].startswith("sha256 ")
    assert int(facts["prompt tokens"]) > 5
    assert prompt == f"prompt\n<|im_start|>user\n{doc['input']}<|im_end|>\n<|im_start|>assistant\n\n"
    assert answer == f"gold answer\n{doc['target']}\n"


def test_json_and_few_shot_examples(run: Harness) -> None:
    code, out, _ = run("tasks", "show", "toy_guard", "--fewshot", "2", "--json")
    assert code == 0
    shown: dict[str, Any] = json.loads(out)
    assert shown["prompt"].count("<|im_start|>user") == 3
    assert (shown["endings"], shown["answer"], shown["kind"]) == (["no", "yes"], "yes", "choice")


def test_the_templates_beside_a_task_are_named_with_their_hash(run: Harness, here: Path) -> None:
    (here / "tasks" / "prompt.j2").write_text("{{ prompt }}")
    _, out, _ = run("tasks", "show", "toy")
    assert f"templates: prompt.j2 sha256 {sha256_file(here / 'tasks' / 'prompt.j2')[:16]}" in out


def test_control_characters_of_the_data_do_not_reach_the_terminal(run: Harness, here: Path) -> None:
    path = here / "tasks" / "add_train.jsonl"
    first = json.loads(path.read_text().splitlines()[0])
    first |= {"input": "What is \x1b[31m1 + \u202e1?", "target": "2\x07", "expects": {"language": "\x1b]0;x\x07"}}
    path.write_text(json.dumps(first) + "\n")
    code, out, _ = run("tasks", "show", "toy_add")
    assert code == 0
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "What is <U+001B>[31m1 + <U+202E>1?" in out
    assert "2<U+0007>" in out


def test_gate_items_are_never_shown_by_number_or_by_id(run: Harness, here: Path) -> None:
    settings = Settings(domain="toy", guard="", include_path=[str(here / "tasks")])
    domain, _, state = configured_domain(settings)
    dealt = dealt_roles(domain, state)
    gate = {item.item_id: item for item in dealt.items["gate"]}
    shown = set()
    for number in range(1, len(dealt.items["dev"]) + 1):
        _, out, _ = run("tasks", "show", "toy", "--split", "validation", "--item", str(number), "--json")
        shown.add(json.loads(out)["item"])
    assert shown == {item.item_id for item in dealt.items["dev"]}
    code, out, err = run("tasks", "show", "toy", "--split", "validation", "--item", str(len(shown) + 1))
    assert (code, out) == (2, "")
    assert f"items 1 to {len(shown)} that may be shown" in err
    for item_id, item in list(gate.items())[:3]:
        for split in ("validation", "train", "test"):
            code, out, err = run("tasks", "show", "toy", "--split", split, "--item", item_id)
            assert (code, out) == (2, "")
            assert item.prompt not in err
            assert "no such item that may be shown" in err


def test_a_gate_item_is_not_shown_by_way_of_another_domain(run: Harness, here: Path) -> None:
    """The record of ``toy`` seals items of ``toy_add`` that a deal of ``toy_add`` alone might give to dev."""
    from harness.state.domain import state_folder

    domain, _, state = configured_domain(Settings(domain="toy", guard="", include_path=[str(here / "tasks")]))
    splits = {"validation": domain.items("validation", "dev"), "test": domain.items("test", "test")}
    dealt = state.deal({**splits, "train": domain.items("train", "train_pool")}, salt="another order")
    sealed = {item.item_id for item in dealt.items["gate"]}
    assert (state_folder() / "toy.jsonl").is_file()
    for number in range(1, 41):
        code, out, _ = run("tasks", "show", "toy_add", "--split", "validation", "--item", str(number), "--json")
        if code == 2:
            break
        assert json.loads(out)["item"] not in sealed
    assert number > 1


def test_showing_an_item_records_nothing(run: Harness, state_folder: Path) -> None:
    assert run("tasks", "show", "toy")[0] == 0
    assert run("tasks", "validate", "toy")[0] == 0
    assert list(state_folder.iterdir()) == []


def test_of_data_without_a_split_what_was_cut_from_the_others_is_shown(run: Harness, here: Path) -> None:
    path = here / "tasks" / "toy_add.yaml"
    for line in ("training_split: train\n", "validation_split: validation\n"):
        rewrite(path, line, "")
    roles = {}
    for split in ("train", "validation", "test"):
        code, out, _ = run("tasks", "show", "toy_add", "--split", split, "--json")
        assert code == 0
        roles[split] = json.loads(out)["role"]
    assert roles == {"train": "train_pool", "validation": "dev", "test": "test"}


def test_test_items_are_shown_on_request_alone_and_with_a_warning(run: Harness) -> None:
    code, out, err = run("tasks", "show", "toy", "--split", "test", "--json")
    assert code == 0
    assert json.loads(out)["role"] == "test"
    assert err.startswith("note: an item of test; nothing learnt from it may go into prompts or training")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["nothing_like_it"], "unknown task or domain 'nothing_like_it'"),
        (["toy", "--item", "0"], "--item 0: domain 'toy', train has items 1 to 80 that may be shown"),
        (["toy", "--item", "abc"], "--item abc: domain 'toy', train has no such item"),
        (["toy", "--model", "./nowhere"], "no such folder"),
        (["toy_guard", "--split", "validation"], "no item that may be shown"),
    ],
)
def test_what_cannot_be_shown_is_one_line(run: Harness, args: list[str], says: str) -> None:
    code, out, err = run("tasks", "show", *args)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.splitlines()) == 1


def test_lm_evals_own_task_is_shown_by_name(run: Harness, here: Path) -> None:
    write_rows(here / "rows" / "train.jsonl", gsm_rows(30))
    write_rows(here / "rows" / "test.jsonl", gsm_rows(4, 90))
    write_lm_eval_task(here / "tasks", "gsm8k", here / "rows")
    code, out, _ = run("tasks", "show", "gsm8k")
    assert code == 0
    assert "Question: Ada has " in out
    assert "\nAnswer:<|im_end|>" in out
    assert run("tasks", "validate", "gsm8k")[:2] == (
        0,
        "note: task 'gsm8k': documents have no 'skill'; all its items count as one skill\n"
        "note: task 'gsm8k': documents have no 'cluster'; each item stands for itself, so name what shares a template "
        "or a passage\n"
        "note: there is no validation split: the train items are cut into train pool 62%, dev 19%, gate 19%\n"
        "gsm8k: 1 task, 30 train, 4 test items; 20 gold answers score as right\n",
    )


# --- validate


def findings(run: Harness, *args: str) -> list[str]:
    code, out, _ = run("tasks", "validate", *args)
    assert code == (2 if out and not out.startswith(("note", "toy", "general")) else 0)
    return [line for line in out.splitlines() if not line.startswith("note: ")]


@pytest.mark.parametrize("args", [[], ["toy"], ["tasks"]])
def test_a_sound_domain_has_no_findings(run: Harness, args: list[str]) -> None:
    code, out, err = run("tasks", "validate", *args)
    assert (code, err) == (0, "")
    assert "toy: 2 tasks, 80 train, 80 validation, 40 test items; 40 gold answers score as right" in out.splitlines()


def test_what_ships_is_sound(run: Harness) -> None:
    for name in ("helpdesk", "general"):
        code, out, err = run("tasks", "validate", name)
        assert (code, err) == (0, ""), out
        assert out.splitlines()[-1].startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("doc_to_text: input", "doc_to_txt: input", ":9: unknown field 'doc_to_txt'. Did you mean 'doc_to_text'?"),
        ("  sampler: first_n", "  smapler: first_n",
         ":13: unknown field 'fewshot_config.smapler'. Did you mean 'sampler'?"),
        ("  max_gen_toks: 16", "  max_gen_tok: 16",
         ":16: unknown field 'generation_kwargs.max_gen_tok'. Did you mean 'max_gen_toks'?"),
        ("aggregation: mean", "aggregation: meen", ":19: unknown aggregation 'meen'. Did you mean 'mean'?"),
        ("    higher_is_better", "    higher_is_beter",
         ":20: unknown field 'metric_list.0.higher_is_beter'. Did you mean 'higher_is_better'?"),
        ("output_type: generate_until", "output_type: generate",
         ":8: output_type is 'generate'. Did you mean 'generate_until'?"),
        ("test_split: test", "training_split: train", ":7: 'training_split' is given twice; drop one"),
        ("process_results: !function utils.process_results",
         "filter_list: [{name: a, filter: [{function: takefirst}]}]",
         ":11: unknown filter 'takefirst'. Did you mean 'take_first'?"),
        ("task: toy_add", "task: [toy_add", ":"),
        ("utils.process_results", "utils.proces_results", ":11: utils.py has no 'proces_results'. Did you mean"),
        ("utils.process_results", "utls.process_results",
         ":11: no module 'utls' beside the file or installed. Did you mean 'utils'?"),
        ("utils.process_results", "harness.evaluation.local_rows.lod",
         ":11: local_rows.py has no 'lod'. Did you mean 'load'?"),
        ("utils.process_results", "process_results", ":11: 'process_results' names no module; write !function"),
    ],
)  # fmt: skip
def test_each_field_is_checked_with_its_line(run: Harness, here: Path, old: str, new: str, says: str) -> None:
    rewrite(here / "tasks" / "toy_add.yaml", old, new)
    found = findings(run, "toy")
    assert any(line.startswith(f"{here / 'tasks' / 'toy_add.yaml'}{says}") for line in found), found
    assert [line.replace(f"{here}/", "") for line in found] == findings(run, "tasks")


def test_a_metric_that_lm_eval_lacks_names_the_nearest(run: Harness, here: Path) -> None:
    path = here / "tasks" / "toy_guard.yaml"
    rewrite(path, "metric: acc", "metric: acc_nrom")
    assert findings(run, "toy_guard") == [f"{path}:12: unknown metric 'acc_nrom'. Did you mean 'acc_norm'?"]
    rewrite(path, "metric: acc_nrom", "metric: zzz")
    (line,) = findings(run, "toy_guard")
    assert line.startswith(f"{path}:12: unknown metric 'zzz'. Known: acc, acc_all, ")


def test_a_first_metric_that_process_results_does_not_return_names_the_nearest(run: Harness, here: Path) -> None:
    path = here / "tasks" / "toy_add.yaml"
    rewrite(path, "metric: exact_match", "metric: exact_mtch")
    assert findings(run, "toy_add") == [
        "task 'toy_add': process_results does not return its first metric 'exact_mtch'. Did you mean 'exact_match'?"
    ]


def test_a_metric_that_process_results_does_not_return_is_a_finding(run: Harness, here: Path) -> None:
    with (here / "tasks" / "toy_add.yaml").open("a") as stream:
        stream.write("  - metric: exact_mach\n    aggregation: mean\n    higher_is_better: true\n")
    assert findings(run, "toy_add") == [
        "task 'toy_add': metric_list names 'exact_mach', which process_results does not return. "
        "Did you mean 'exact_match'?"
    ]


def test_a_gold_answer_that_does_not_score_as_right_is_a_finding(run: Harness, here: Path) -> None:
    path = here / "tasks" / "add_train.jsonl"
    docs = [{**doc, "target": f" {doc['target']}"} for doc in toy_docs("add", "train")]
    write_rows(path, docs)
    found = findings(run, "toy")
    assert len(found) == 4
    assert "its own gold answer scores 0 by exact_match" in found[0]
    assert found[3] == "task 'toy_add': 17 more like it"


def test_unknown_keys_under_expects_and_missing_fields_are_findings(run: Harness, here: Path) -> None:
    docs = toy_docs("reverse", "train")
    docs[0] |= {"expects": {"lables": ["a"], "format": "labels"}}
    docs[1:] = [{**doc, "expects": {}} for doc in docs[1:]]
    docs[2].pop("cluster")
    write_rows(here / "tasks" / "reverse_train.jsonl", docs)
    found = findings(run, "toy_reverse")
    assert any(line.endswith("unknown key 'lables' under 'expects'. Did you mean 'labels'?") for line in found), found
    assert any(line.endswith("expects.format is 'labels'. Did you mean 'label'?") for line in found)
    assert any("of 60 documents have no 'cluster'; add it" in line for line in found)


def test_a_split_that_is_not_there_and_code_that_fails_are_one_line_each(run: Harness, here: Path) -> None:
    path = here / "tasks" / "toy_add.yaml"
    for key, line, split, wrong in (
        ("training_split", 5, "train", "trian"), ("validation_split", 6, "validation", "validaton"),
        ("test_split", 7, "test", "tset"),
    ):  # fmt: skip
        rewrite(path, f"{key}: {split}", f"{key}: {wrong}")
        assert findings(run, "toy") == [
            f"{path}:{line}: {key} is '{wrong}', a split that the data lack. Did you mean '{split}'?"
        ]
        rewrite(path, f"{key}: {wrong}", f"{key}: {split}")
    rewrite(here / "tasks" / "utils.py", 'results[0].strip() == doc["target"]', 'results[0].strip() == doc["gold"]')
    assert any("process_results failed: KeyError: 'gold'" in line for line in findings(run, "toy_reverse"))


def test_two_files_that_define_one_task_and_members_that_are_not_there(run: Harness, here: Path) -> None:
    (here / "tasks" / "copy.yaml").write_text((here / "tasks" / "toy_add.yaml").read_text())
    (line,) = findings(run, "tasks")
    assert line == (
        f"{here / 'tasks' / 'toy_add.yaml'}:1: 'toy_add' is defined in {here / 'tasks' / 'copy.yaml'} too; "
        "lm-eval takes one"
    ).replace(str(here) + "/", "")
    (here / "tasks" / "copy.yaml").unlink()
    rewrite(here / "tasks" / "_toy.yaml", "toy_add", "toy_ad")
    assert len(findings(run, "toy")) == 1


def test_hidden_items_are_not_named_by_findings(run: Harness, here: Path) -> None:
    for split in ("validation", "test"):
        docs = [{**doc, "target": f" {doc['target']}"} for doc in toy_docs("add", split)]
        write_rows(here / "tasks" / f"add_{split}.jsonl", docs)
    settings = Settings(domain="toy", guard="", include_path=[str(here / "tasks")])
    domain, _, state = configured_domain(settings)
    dealt = dealt_roles(domain, state, record=False)
    _, out, _ = run("tasks", "validate", "toy", "--json")
    for role in ("gate", "test"):
        assert not [item.item_id for item in dealt.items[role] if item.item_id in out]


def test_an_included_file_is_checked_too(run: Harness, here: Path) -> None:
    (here / "tasks" / "_part.yaml").write_text("num_fewshots: 0\n")
    rewrite(here / "tasks" / "toy_add.yaml", "task: toy_add", "task: toy_add\ninclude: _part.yaml")
    assert findings(run, "toy") == [
        f"{here / 'tasks' / '_part.yaml'}:1: unknown field 'num_fewshots'. Did you mean 'num_fewshot'?"
    ]
    (here / "tasks" / "_part.yaml").unlink()
    (line,) = findings(run, "toy")
    assert line.endswith("which is not there; correct the path")


def test_neither_a_task_nor_a_file_is_bad_usage(run: Harness, here: Path) -> None:
    (here / "empty").mkdir()
    for args, says in ((["empty"], "empty: holds no task files"), (["toyy"], "unknown task or domain 'toyy'")):
        code, out, err = run("tasks", "validate", *args)
        assert code == 2
        assert says in out + err


def test_tasks_lists_the_domains_that_ship(run: Harness) -> None:
    code, out, _ = run("tasks")
    assert code == 0
    listed = dict(line.split(": ") for line in out.splitlines())
    assert set(listed) >= {"general", "helpdesk"}
    assert "helpdesk_routing" in listed["helpdesk"].split(", ")


def test_tasks_path_is_the_folder_for_lm_eval(run: Harness) -> None:
    code, out, _ = run("tasks", "path")
    assert (code, out) == (0, f"{data_folder('tasks')}\n")


def test_a_name_that_is_no_text_to_yaml_is_a_finding(run: Harness, here: Path) -> None:
    path = here / "more" / "a.yaml"
    path.parent.mkdir()
    path.write_text("# a truth value\ntask: no\n")
    assert findings(run, "more") == ["more/a.yaml:2: task is read as False, no text; write the name in quotes"]


def test_aliases_of_aliases_are_read_once(run: Harness, here: Path) -> None:
    path = here / "more" / "a.yaml"
    path.parent.mkdir()
    nested = "".join(f"m{n}: &m{n} [{', '.join([f'*m{n - 1}'] * 10)}]\n" for n in range(1, 12))
    path.write_text(f"m0: &m0 [x]\n{nested}taks: a\n")  # 10 ** 11 values, written out
    assert "more/a.yaml:13: unknown field 'taks'. Did you mean 'task'?" in findings(run, "more")
