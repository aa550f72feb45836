"""New items from a file: which task they are of, what is refused, that they are kept and loaded."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from toy import toy_docs, toy_domain

from harness.curation.overlap import CANARY
from harness.evaluation.domain import Domain, load_domain
from harness.exceptions import InputError
from harness.locate import data_folder
from harness.loop.prepare import dealt_roles
from harness.state.domain import DomainState
from harness.state.extension import read_extension, with_extension


def new_docs(count: int, skill: str = "add") -> list[dict[str, Any]]:
    """Documents like the toy's that no split has."""
    return [
        {
            "skill": skill,
            "tag": "extraction",
            "cluster": f"new-{n // 4}",
            "input": f"What is {n} + 1?",
            "target": str(n + 1),
        }
        for n in range(5000, 5000 + count)
    ]


def write(path: Path, docs: list[Any]) -> Path:
    path.write_text("".join(json.dumps(doc) + "\n" for doc in docs))
    return path


@pytest.fixture
def domain() -> Domain:
    return copy.deepcopy(toy_domain())


def test_items_go_to_the_task_of_their_skill_and_carry_the_canary(domain: Domain, tmp_path: Path) -> None:
    added = read_extension(domain, write(tmp_path / "new.jsonl", new_docs(3)))
    assert [(line.line, line.item.task, line.item.target) for line in added] == [
        (1, "toy_add", "5001"), (2, "toy_add", "5002"), (3, "toy_add", "5003"),
    ]  # fmt: skip
    assert all(line.item.doc["canary"] == CANARY for line in added)
    extended = with_extension(domain, [line.document for line in added])
    assert [item.item_id for item in extended.items("extension", "dev")] == [line.item.item_id for line in added]
    assert domain.items("extension", "dev") == []
    assert len(extended.items("validation", "dev")) == len(domain.items("validation", "dev"))


def test_a_document_may_name_its_task(domain: Domain, tmp_path: Path) -> None:
    (doc,) = new_docs(1, "unheard-of")
    added = read_extension(domain, write(tmp_path / "new.jsonl", [{**doc, "task": "toy_reverse"}]))
    assert added[0].item.task == "toy_reverse"
    assert "task" not in added[0].document["doc"]


def test_a_domain_of_one_task_needs_no_skill(domain: Domain, tmp_path: Path) -> None:
    single = Domain("toy_add", {"toy_add": domain.tasks["toy_add"]})
    path = write(tmp_path / "new.jsonl", [{"input": "What is 1 + 1?", "target": "2"}])
    assert read_extension(single, path)[0].item.task == "toy_add"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "holds no items"),
        (
            [{"skill": "none", "input": "a", "target": "b"}],
            "new.jsonl:1: which task is it of? Give it a 'task': toy_add",
        ),
        ([*new_docs(1), *new_docs(1)], "new.jsonl:2: the same document as line 1; remove one"),
        ([{"skill": "add", "target": "b"}], "new.jsonl:1: task 'toy_add', extension item 0: cannot be rendered"),
        ([{"skill": "add", "input": "What?", "target": " "}], "new.jsonl:1: its answer is empty"),
        ([{"skill": "add", "input": "", "target": "1"}], "new.jsonl:1: its prompt is empty"),
        ([3], "new.jsonl:1: expected a JSON object, found int"),
    ],
)
def test_what_cannot_be_an_item_is_refused_with_its_line(
    domain: Domain, tmp_path: Path, lines: list[Any], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        read_extension(domain, write(tmp_path / "new.jsonl", lines))
    assert message in str(caught.value)


def test_lines_are_counted_with_the_blank_ones(domain: Domain, tmp_path: Path) -> None:
    path = tmp_path / "new.jsonl"
    path.write_text("\n" + json.dumps(new_docs(1)[0]) + "\n\n" + json.dumps({"skill": "add"}) + "\n")
    with pytest.raises(InputError, match=r"new.jsonl:4: "):
        read_extension(domain, path)


def test_the_loaders_hook_and_process_docs_are_applied(domain: Domain, tmp_path: Path) -> None:
    def complete_doc(doc: dict[str, Any]) -> dict[str, Any]:
        return {**doc, "input": doc["input"].upper()}

    namespace: dict[str, Any] = {"complete_doc": complete_doc}
    exec("def load(**_):\n    return {}", namespace)
    task = domain.tasks["toy_add"].task
    task.config = SimpleNamespace(
        target_delimiter=" ", gen_prefix=None, custom_dataset=namespace["load"],
        process_docs=lambda rows: rows.map(lambda row: {"input": row["input"] + "!"}),
    )  # fmt: skip
    (added,) = read_extension(domain, write(tmp_path / "new.jsonl", new_docs(1)))
    assert added.item.prompt == "WHAT IS 5000 + 1?!"
    assert added.document["doc"]["input"] == "What is 5000 + 1?"  # kept as it was given


def test_lines_of_helpdesk_are_completed_by_its_own_hook(tmp_path: Path) -> None:
    helpdesk = load_domain("helpdesk", [data_folder("tasks")])
    line = {
        "id": "new-1", "skill": "routing", "tag": "extraction", "cluster": "new-1",
        "input": "Message: My coupon is refused.", "target": "voucher", "accepted": [], "expects": {"format": "label"},
    }  # fmt: skip
    (added,) = read_extension(helpdesk, write(tmp_path / "new.jsonl", [line]))
    assert added.item.task == "helpdesk_routing"
    assert added.item.prompt.endswith("\n\nMessage: My coupon is refused.")
    assert "voucher" in added.item.doc["expects"]["labels"]
    assert {*added.item.doc} == {*helpdesk.items("validation", "dev")[0].doc}
    assert CANARY not in added.item.prompt
    with pytest.raises(InputError, match=r"new.jsonl:1: which task is it of"):
        read_extension(helpdesk, write(tmp_path / "new.jsonl", [{**line, "skill": "rooting"}]))


def test_a_task_that_is_gone_is_named(domain: Domain) -> None:
    with pytest.raises(InputError, match="domain 'toy' has no task 'gone', which items were added to"):
        with_extension(domain, [{"task": "gone", "doc": {}}])


def test_added_items_are_kept_with_the_record_and_get_roles(domain: Domain, tmp_path: Path) -> None:
    state = DomainState.open(tmp_path, "toy", lambda: "now")
    before = dealt_roles(domain, state)
    gate = [item.item_id for item in before.items["gate"]]
    assert state.debit(gate, "run", 1) is not None
    added = read_extension(domain, write(tmp_path / "new.jsonl", new_docs(40)))
    state.extend([line.document for line in added], "new.jsonl")
    again = DomainState.open(tmp_path, "toy", lambda: "now")
    after = dealt_roles(with_extension(domain, again.documents()), again)
    new = {line.item.item_id for line in added}
    counts = {role: len(new & {i.item_id for i in items}) for role, items in after.items.items()}
    assert counts == {"train_pool": 0, "dev": 20, "gate": 20, "test": 0}
    first, second = again.groups([item.item_id for item in after.items["gate"]])
    assert (len(first.looks), len(second.looks), len(second.items)) == (1, 0, 20)
    for role, items in before.items.items():
        assert [i for i in after.items[role] if i.item_id not in new] == list(items)


def test_a_file_of_added_items_that_was_changed_is_refused(domain: Domain, tmp_path: Path) -> None:
    state = DomainState.open(tmp_path, "toy", lambda: "now")
    state.extend([{"task": "toy_add", "doc": new_docs(1)[0]}], "new.jsonl")
    (file,) = (tmp_path / "toy").iterdir()
    file.write_text(file.read_text().replace("5001", "5002"))
    with pytest.raises(InputError, match="missing or changed since its items were added"):
        state.documents()
    file.unlink()
    with pytest.raises(InputError, match="missing or changed"):
        state.documents()


def test_few_shot_examples_are_never_items_cut_from_the_same_split(domain: Domain) -> None:
    class Sampler:
        df: list[dict[str, Any]]

        def replace_df(self, df: list[dict[str, Any]]) -> None:
            self.df = df

    for name in domain.tasks:
        task = domain.tasks[name].task
        task.docs = {"train": [doc for split in ("train", "validation", "test") for doc in toy_docs(name[4:], split)]}
        task.sampler = Sampler()
        task.sampler.df = list(task.docs["train"])
    dealt = dealt_roles(domain, None)
    shown = [doc for handle in domain.tasks.values() for doc in handle.task.sampler.df]
    assert sorted(doc["input"] for doc in shown) == sorted(item.prompt for item in dealt.items["train_pool"])
