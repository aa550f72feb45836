"""What is checked and left out before the first token."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_workbench import FakeWorkbench
from toy import toy_docs, toy_domain, toy_guard, toy_handle

from harness.curation.overlap import prompt_key
from harness.evaluation.domain import Domain
from harness.exceptions import InputError
from harness.loop.prepare import Prepared, prepare
from harness.state.domain import DomainState

Docs = dict[str, list[dict[str, Any]]]


@pytest.fixture
def domain() -> Domain:
    """The toy, its documents free to change."""
    return copy.deepcopy(toy_domain())


def docs(domain: Domain, task: str = "toy_add") -> Docs:
    """A task's documents by split."""
    found: Docs = domain.tasks[task].task.docs
    return found


def done(domain: Domain, guard: Domain | None = None, fewshot: int = 0, **options: Any) -> Prepared:
    """`prepare` with an engine that counts words."""
    limit = options.pop("limit", None)
    return prepare(domain, guard, FakeWorkbench(**options), None, fewshot, limit)


def ids(items: Sequence[Any]) -> set[str]:
    return {item.item_id for item in items}


def test_roles_are_dealt_from_the_splits(domain: Domain) -> None:
    prepared = done(domain, toy_guard())
    sizes = {name: len(getattr(prepared, name)) for name in ("pool", "dev", "gate", "test", "guard", "general")}
    assert sizes == {"pool": 80, "dev": 40, "gate": 40, "test": 40, "guard": 12, "general": 8}
    for name, role in {"pool": "train_pool", "general": "train_pool"}.items():
        assert {item.role for item in getattr(prepared, name)} == {role}
    for name in ("dev", "gate", "test", "guard"):
        assert {item.role for item in getattr(prepared, name)} == {name}
    assert prepared.notices == ()


def test_without_a_guard_there_are_neither_guard_nor_general_items(domain: Domain) -> None:
    prepared = done(domain)
    assert (prepared.guard_domain, prepared.guard, prepared.general) == (None, (), ())


def test_a_guard_without_test_items_gives_its_validation_items(domain: Domain) -> None:
    guard = copy.deepcopy(toy_guard())
    task = guard.tasks["toy_guard"].task
    task.docs = {"validation": task.docs["test"]}
    assert len(done(domain, guard).guard) == 12


@pytest.mark.parametrize(
    ("split", "donor", "sizes"),
    [
        ("train", "validation", {"pool": 48, "dev": 16, "gate": 16, "test": 40}),
        ("validation", "train", {"pool": 48, "dev": 16, "gate": 16, "test": 40}),
        ("test", "validation", {"pool": 80, "dev": 24, "gate": 24, "test": 32}),
    ],
)
@pytest.mark.parametrize("how", ["missing", "empty"])
def test_a_missing_or_empty_split_is_cut_from_another_and_said(
    domain: Domain, split: str, donor: str, sizes: dict[str, int], how: str
) -> None:
    for name in domain.tasks:
        if how == "missing":
            del docs(domain, name)[split]
        else:
            docs(domain, name)[split] = []
    prepared = done(domain)
    assert {role: len(getattr(prepared, role)) for role in sizes} == sizes
    (notice,) = prepared.notices
    assert notice.startswith(f"there is no {split} split: the {donor} items are cut into ")


def test_a_domain_without_items_is_refused(domain: Domain) -> None:
    for name in domain.tasks:
        docs(domain, name).clear()
    with pytest.raises(InputError, match="domain 'toy' has no items in any split"):
        done(domain)


def test_a_domain_too_small_for_every_role_is_refused(domain: Domain) -> None:
    for name in domain.tasks:
        del docs(domain, name)["validation"], docs(domain, name)["test"]
        docs(domain, name)["train"] = docs(domain, name)["train"][:4]  # one cluster
    with pytest.raises(InputError, match="domain 'toy': no dev items; it has too few items or clusters"):
        done(domain)


def test_roles_that_are_kept_are_those_of_every_later_run(domain: Domain, tmp_path: Path) -> None:
    state = DomainState.open(tmp_path, "toy", lambda: "now")
    before = prepare(domain, None, FakeWorkbench(), None, 0, None, state=state)
    for name in domain.tasks:  # what was test is now to be trained on
        docs(domain, name)["train"] = [*docs(domain, name)["train"], *docs(domain, name).pop("test")]
    after = prepare(domain, None, FakeWorkbench(), None, 0, None, state=state)
    assert {role: ids(getattr(after, role)) for role in ("pool", "dev", "gate", "test")} == {
        role: ids(getattr(before, role)) for role in ("pool", "dev", "gate", "test")
    }
    assert any(notice == "40 train items were test in an earlier run and stay so" for notice in after.notices)


def test_a_guard_without_items_is_refused(domain: Domain) -> None:
    guard = copy.deepcopy(toy_guard())
    guard.tasks["toy_guard"].task.docs = {"train": []}
    with pytest.raises(InputError, match="guard 'toy_guard' has neither test nor validation items"):
        done(domain, guard)


def test_the_same_document_twice_is_one_item(domain: Domain) -> None:
    before = done(domain)
    for split in ("train", "validation", "test"):
        docs(domain)[split] += docs(domain)[split][:3]
    again = done(domain)
    assert (ids(again.pool), ids(again.dev), ids(again.test)) == (ids(before.pool), ids(before.dev), ids(before.test))
    assert len(again.pool) == 80


@pytest.mark.parametrize("role", ["dev", "gate", "test"])
def test_train_items_that_are_evaluated_too_are_left_out_and_said(domain: Domain, role: str) -> None:
    protected = getattr(done(domain), role)[0]
    copied = {**protected.doc, "input": f"  {protected.doc['input'].upper()} "}  # the same question, otherwise written
    docs(domain, protected.task)["train"].append(copied)
    prepared = done(domain)
    assert len(prepared.pool) == 80
    assert not {prompt_key(item.prompt) for item in prepared.pool} & set(prepared.protected)
    (notice,) = prepared.notices
    assert notice.startswith("1 train items stand in dev, gate, test or guard too and are left out, e.g. ")
    # Of a gate item no id: next to a training text that is its own it would tell what it asks.
    assert notice.endswith(" = a gate item" if role == "gate" else f" = {role} {protected.item_id}")


def test_general_items_that_stand_in_the_guard_are_left_out_and_said(domain: Domain) -> None:
    guard = copy.deepcopy(toy_guard())
    task = guard.tasks["toy_guard"].task
    task.docs["train"] = [*task.docs["train"], *task.docs["test"][:2]]
    prepared = done(domain, guard)
    assert len(prepared.general) == 8
    assert prepared.notices[0].startswith("2 general items stand in dev, gate, test or guard too")


def long_doc(words: int) -> dict[str, Any]:
    return {**toy_docs("add", "train")[0], "input": "What is 1 + 1? " + "please " * words}


@pytest.mark.parametrize(("split", "name"), [("train", "train"), ("test", "test")])
def test_items_too_long_for_the_model_are_counted_named_and_left_out(domain: Domain, split: str, name: str) -> None:
    docs(domain)[split] += [long_doc(100), long_doc(101)]
    prepared = done(domain)
    kept = prepared.pool if split == "train" else prepared.test
    assert all("please" not in item.prompt for item in kept)
    (notice,) = prepared.notices
    assert notice.startswith(f"2 {name} items exceed the model's 64 tokens and are left out: ")
    assert len(notice.rpartition(": ")[2].split(", ")) == 2


def test_gate_items_that_are_too_long_are_counted_and_not_named(domain: Domain) -> None:
    docs(domain)["validation"] += [{**long_doc(100 + n), "cluster": f"long-{n}"} for n in range(6)]
    prepared = done(domain)
    assert all("please" not in item.prompt for item in (*prepared.dev, *prepared.gate))
    notices = sorted(notice.split(" ", 1)[1].partition(":")[0] for notice in prepared.notices)
    told = "items exceed the model's 64 tokens and are left out"
    assert notices == [f"dev {told}", f"gate {told}"]
    assert ":" not in next(notice for notice in prepared.notices if " gate items " in notice)


def test_of_many_long_items_the_first_five_are_named(domain: Domain) -> None:
    docs(domain)["train"] += [long_doc(100 + number) for number in range(7)]
    (notice,) = done(domain).notices
    assert notice.startswith("7 train items exceed")
    assert notice.endswith(", ...")
    assert notice.count(",") == 5


def test_few_shot_examples_count_towards_the_length(domain: Domain) -> None:
    with pytest.raises(InputError) as caught:
        done(domain, fewshot=30)
    assert str(caught.value).startswith("every dev item is longer than the model's 64 tokens (the first has ")
    assert str(caught.value).endswith("use a model with a longer context, shorter items or fewer few-shot examples")


@pytest.mark.parametrize("name", ["dev", "test"])
def test_nothing_that_fits_is_refused(domain: Domain, name: str) -> None:
    split = {"dev": "validation", "test": "test"}[name]
    for task in domain.tasks:
        docs(domain, task)[split] = [long_doc(100 + number) for number in range(8)]
    with pytest.raises(InputError, match=f"every {name} item is longer than the model's 64 tokens"):
        done(domain)


def test_a_validation_split_of_one_cluster_leaves_gate_empty_and_dev_whole(domain: Domain) -> None:
    for task in domain.tasks:
        docs(domain, task)["validation"] = docs(domain, task)["validation"][:4]
    prepared = done(domain)
    assert (len(prepared.dev), len(prepared.gate)) == (8, 0)


def test_a_limit_cuts_dev_test_and_guard_but_not_the_pool(domain: Domain) -> None:
    prepared = done(domain, toy_guard(), limit=6)
    assert (len(prepared.dev), len(prepared.test), len(prepared.guard)) == (6, 6, 6)
    assert (len(prepared.pool), len(prepared.gate)) == (80, 40)


def test_items_that_a_limit_leaves_out_stay_protected(domain: Domain) -> None:
    assert done(domain, limit=6).protected == done(domain).protected


def test_a_pool_of_nothing_but_evaluated_items_is_refused(domain: Domain) -> None:
    for task in domain.tasks:
        docs(domain, task)["train"] = docs(domain, task)["test"]
    with pytest.raises(InputError) as caught:
        done(domain)
    assert str(caught.value) == (
        "domain 'toy': no train item is left, all stand in dev, gate, test or guard too; add others"
    )


def test_the_description_tells_other_data_apart(domain: Domain) -> None:
    before = done(domain).describe()
    docs(domain)["test"][0] = {**docs(domain)["test"][0], "target": "0"}
    after = done(domain).describe()
    changed = {role for role in before["items_sha256"] if before["items_sha256"][role] != after["items_sha256"][role]}
    assert changed == {"test"}


def test_the_description_tells_another_task_configuration_apart(domain: Domain) -> None:
    tasks: Mapping[str, Any] = {
        name: replace(handle, config_hash="other") if name == "toy_add" else handle
        for name, handle in domain.tasks.items()
    }
    assert done(domain).describe()["tasks"] != done(Domain("toy", tasks)).describe()["tasks"]


def test_each_item_is_rendered_by_its_own_domain(domain: Domain) -> None:
    prepared = done(domain, toy_guard())
    assert prepared.domain_of(prepared.dev[0]) is prepared.domain
    assert prepared.domain_of(prepared.guard[0]) is prepared.guard_domain
    assert prepared.domain_of(prepared.general[0]) is prepared.guard_domain
    with pytest.raises(KeyError):
        done(domain).domain_of(prepared.guard[0])


def test_a_task_without_a_test_split_adds_none(domain: Domain) -> None:
    tasks = dict(domain.tasks)
    bare = copy.deepcopy(tasks["toy_add"].task)
    del bare.docs["test"]
    tasks["toy_add"] = toy_handle("toy_add", bare)
    assert {item.task for item in done(Domain("toy", tasks)).test} == {"toy_reverse"}


def test_train_items_that_are_nearly_evaluated_ones_are_left_out_and_said(domain: Domain) -> None:
    story = "My aunt in Porto has {} apples in a blue basket and buys 17 more on a rainy market day, how many is that?"
    docs(domain)["test"].append({**docs(domain)["test"][0], "cluster": "story", "input": story.format("five")})
    docs(domain)["train"].append({**docs(domain)["train"][0], "cluster": "story", "input": story.format("nine")})
    prepared = done(domain)
    assert len(prepared.pool) == 80
    (notice,) = prepared.notices
    assert notice.startswith("1 train items stand in dev, gate, test or guard too and are left out, e.g. ")
    assert " ~ (13-gram) test " in notice
