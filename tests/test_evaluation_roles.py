"""Roles are dealt by hash: disjoint, cluster by cluster, even within each skill, whatever the order."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.evaluation.items import Item, Role
from harness.evaluation.roles import EXTENSION, SALT, SHARES, deal, roles_of_splits, subset

# (skill, cluster) of each item; a cluster name may recur in another skill, and is another cluster there.
ITEMS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 12)), max_size=60)


def make(pairs: list[tuple[str, int]]) -> list[Item]:
    """Items, named by their position."""
    return [
        Item(f"{place:016d}", f"task_{skill}", skill, str(cluster), "dev", {}, "", "")
        for place, (skill, cluster) in enumerate(pairs)
    ]


def halves(items: list[Item], salt: str = SALT) -> tuple[list[Item], list[Item]]:
    """What validation items are dealt into."""
    dealt = deal({"validation": items}, salt=salt, given={"validation": ("dev", "gate")})
    return list(dealt.items["dev"]), list(dealt.items["gate"])


def ids(items: list[Item]) -> set[str]:
    return {item.item_id for item in items}


@given(pairs=ITEMS)
def test_dev_and_gate_are_disjoint_and_together_everything(pairs: list[tuple[str, int]]) -> None:
    items = make(pairs)
    dev, gate = halves(items)
    assert not ids(dev) & ids(gate)
    assert ids(dev) | ids(gate) == ids(items)
    assert {item.role for item in dev} <= {"dev"}
    assert {item.role for item in gate} <= {"gate"}


@given(pairs=ITEMS)
def test_a_cluster_is_never_split(pairs: list[tuple[str, int]]) -> None:
    dev, gate = halves(make(pairs))
    assert not {(i.task, i.cluster) for i in dev} & {(i.task, i.cluster) for i in gate}


@given(pairs=ITEMS)
def test_each_skill_is_halved_as_evenly_as_its_clusters_allow(pairs: list[tuple[str, int]]) -> None:
    items = make(pairs)
    dev, gate = halves(items)
    for skill in "ab":
        largest = max(Counter(i.cluster for i in items if i.skill == skill).values(), default=0)
        sizes = [sum(i.skill == skill for i in half) for half in (dev, gate)]
        assert abs(sizes[0] - sizes[1]) <= largest


@given(pairs=ITEMS, data=st.data())
def test_the_order_of_the_items_decides_nothing(pairs: list[tuple[str, int]], data: st.DataObject) -> None:
    items = make(pairs)
    shuffled = data.draw(st.permutations(items))
    assert [ids(half) for half in halves(shuffled)] == [ids(half) for half in halves(items)]


@given(pairs=ITEMS)
def test_items_keep_their_order_within_a_role(pairs: list[tuple[str, int]]) -> None:
    for half in halves(make(pairs)):
        names = [item.item_id for item in half]
        assert names == sorted(names)


def test_another_salt_deals_otherwise() -> None:
    items = make([("a", cluster) for cluster in range(40)])
    assert ids(halves(items)[0]) != ids(halves(items, salt="other")[0])


def test_the_deal_of_these_items_is_pinned() -> None:
    """The role map outlives any one run: a change here would show sealed items to the trainer."""
    dev, _ = halves(make([("a", cluster) for cluster in range(12)]))
    assert [item.cluster for item in dev] == ["0", "2", "5", "6", "7", "10"]


def unit_sizes(items: list[Item]) -> dict[str, int]:
    """Items that a subset takes together with each item: a cluster of two stays whole."""
    sizes = Counter((i.skill, i.cluster) for i in items)
    return {i.item_id: 2 if sizes[i.skill, i.cluster] == 2 else 1 for i in items}


@given(pairs=ITEMS, limit=st.integers(1, 70))
def test_a_subset_has_an_even_share_a_skill(pairs: list[tuple[str, int]], limit: int) -> None:
    items = make(pairs)
    chosen = subset(items, limit)
    slack = max(unit_sizes(items).values(), default=1) - 1
    assert min(limit, len(items)) - slack <= len(chosen) <= max(min(limit, len(items)), 1 + slack)
    assert [i.item_id for i in chosen] == sorted(ids(chosen))
    sizes = Counter(item.skill for item in items)
    got = Counter(item.skill for item in chosen)
    for skill, other in (("a", "b"), ("b", "a")):
        if got[skill] < sizes[skill]:  # a skill that has more to give is not behind the other
            assert got[skill] >= got[other] - 1 - slack


@given(pairs=ITEMS, limit=st.integers(1, 70))
def test_a_subset_never_parts_a_cluster_of_two(pairs: list[tuple[str, int]], limit: int) -> None:
    items = make(pairs)
    chosen = ids(subset(items, limit))
    sizes = unit_sizes(items)
    inside = Counter((i.skill, i.cluster) for i in items if i.item_id in chosen and sizes[i.item_id] == 2)
    assert set(inside.values()) <= {2}


@given(groups=st.lists(st.integers(0, 12), min_size=1, max_size=40), limit=st.integers(1, 45))
def test_a_subset_never_parts_paraphrases(groups: list[int], limit: int) -> None:
    items = [
        Item(f"{place:016d}", "task", "a", str(place), "dev", {"expects": {"group": group}}, "", "")
        for place, group in enumerate(groups)
    ]
    chosen = {groups[int(item.item_id)] for item in subset(items, limit)}
    assert len(subset(items, limit)) == sum(group in chosen for group in groups)


@given(pairs=ITEMS, limit=st.integers(1, 70), data=st.data())
def test_a_subset_hangs_on_the_items_alone(pairs: list[tuple[str, int]], limit: int, data: st.DataObject) -> None:
    items = make(pairs)
    assert ids(subset(data.draw(st.permutations(items)), limit)) == ids(subset(items, limit))


def test_a_smaller_subset_is_part_of_a_larger_one() -> None:
    items = make([("ab"[number % 2], number) for number in range(30)])
    assert ids(subset(items, 8)) < ids(subset(items, 12))


def test_no_limit_keeps_all() -> None:
    items = make([("a", 1), ("b", 2)])
    assert subset(items, None) == items


ALL = ("train_pool", "dev", "gate", "test")


@pytest.mark.parametrize(
    ("present", "given_roles"),
    [
        ({"train", "validation", "test"}, {"train": ALL[:1], "validation": ("dev", "gate"), "test": ("test",)}),
        ({"train"}, {"train": ALL}),
        ({"validation"}, {"validation": ALL}),
        ({"test"}, {"test": ALL}),
        ({"train", "test"}, {"train": ("train_pool", "dev", "gate"), "test": ("test",)}),
        ({"train", "validation"}, {"train": ("train_pool",), "validation": ("dev", "gate", "test")}),
        ({"validation", "test"}, {"validation": ("train_pool", "dev", "gate"), "test": ("test",)}),
        ({"test", EXTENSION}, {"test": ALL, EXTENSION: ("dev", "gate")}),
        (set(), {}),
    ],
)
def test_what_a_missing_split_is_cut_from(present: set[str], given_roles: dict[str, tuple[Role, ...]]) -> None:
    assert roles_of_splits(present) == given_roles


def roles(splits: dict[str, list[Item]], **options: Any) -> dict[str, Role]:
    """Role by item id."""
    return {i.item_id: role for role, items in deal(splits, **options).items.items() for i in items}


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_one_split_alone_is_cut_in_the_documented_shares_within_each_skill(split: str) -> None:
    dealt = deal({split: make([("ab"[number % 2], number) for number in range(400)])})
    for skill in "ab":
        for role, share in SHARES.items():
            assert sum(i.skill == skill for i in dealt.items[role]) == pytest.approx(200 * share, abs=2)
    (notice,) = dealt.notices
    assert notice.endswith(f"the {split} items are cut into train pool 50%, dev 15%, gate 15%, test 20%")


def test_train_and_test_alone_leave_test_whole() -> None:
    train, test = make([("a", n) for n in range(160)]), make([("a", n) for n in range(160, 200)])
    test = [replace(item, item_id="t" + item.item_id) for item in test]
    dealt = deal({"train": train, "test": test})
    assert ids(list(dealt.items["test"])) == ids(test)
    assert [len(dealt.items[role]) for role in ("train_pool", "dev", "gate")] == [100, 30, 30]
    assert dealt.notices == (
        "there is no validation split: the train items are cut into train pool 62%, dev 19%, gate 19%",
    )


def test_with_all_splits_nothing_is_cut_but_validation() -> None:
    items = make([("a", n) for n in range(60)])
    dealt = deal({"train": items[:20], "validation": items[20:40], "test": items[40:]})
    assert ids(list(dealt.items["train_pool"])) == ids(items[:20])
    assert ids(list(dealt.items["test"])) == ids(items[40:])
    assert (list(dealt.items["dev"]), list(dealt.items["gate"])) == halves(items[20:40])
    assert dealt.notices == ()


@given(pairs=ITEMS)
def test_no_cluster_is_parted_where_one_split_is_cut(pairs: list[tuple[str, int]]) -> None:
    items = make(pairs)
    of = roles({"train": items})
    assert of.keys() == ids(items)
    seen: dict[tuple[str, str], Role] = {}
    for item in items:
        assert seen.setdefault((item.skill, item.cluster), of[item.item_id]) == of[item.item_id]


@given(pairs=ITEMS, joins=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), max_size=20))
def test_near_duplicates_share_a_role_where_one_split_is_cut(
    pairs: list[tuple[str, int]], joins: list[tuple[int, int]]
) -> None:
    items = make(pairs)
    joins = [pair for pair in joins if max(pair) < len(items)]
    of = roles({"test": items}, alike=lambda _: joins)
    assert all(of[items[one].item_id] == of[items[other].item_id] for one, other in joins)


def test_paraphrases_of_different_clusters_share_a_role() -> None:
    items = [Item(f"{n:016d}", "task", "a", str(n), "dev", {"expects": {"group": n // 2}}, "", "") for n in range(60)]
    of = roles({"train": items})
    assert all(of[items[n].item_id] == of[items[n + 1].item_id] for n in range(0, 60, 2))
    assert set(of.values()) == set(ALL)


@given(pairs=ITEMS, data=st.data())
def test_the_order_decides_nothing_where_one_split_is_cut(pairs: list[tuple[str, int]], data: st.DataObject) -> None:
    items = make(pairs)
    joins = [(0, len(items) - 1)] if items else []
    shuffled = data.draw(st.permutations(items))
    place = {item.item_id: n for n, item in enumerate(shuffled)}
    moved = [(place[items[a].item_id], place[items[b].item_id]) for a, b in joins]
    assert roles({"train": items}, alike=lambda _: joins) == roles({"train": shuffled}, alike=lambda _: moved)


@given(pairs=ITEMS, more=ITEMS, salt=st.sampled_from(["", "other"]), split=st.sampled_from(["train", "validation"]))
def test_known_roles_stay_whatever_is_added_and_whatever_the_salt(
    pairs: list[tuple[str, int]], more: list[tuple[str, int]], salt: str, split: str
) -> None:
    items = make(pairs)
    before = roles({split: items})
    added = [replace(item, item_id="n" + item.item_id) for item in make(more)]
    dealt = deal({split: [*added, *items]}, known=before, salt=salt)
    after = {i.item_id: role for role, found in dealt.items.items() for i in found}
    assert {item_id: after[item_id] for item_id in before} == before
    assert dealt.new.keys() == after.keys() - before.keys()
    for item_id, other in dealt.kin.items():
        assert after[item_id] == before[other]
    # A new item of a known cluster never lands on the other side of it.
    of_cluster = {(i.skill, i.cluster): before[i.item_id] for i in items}
    assert all(after[i.item_id] == of_cluster.get((i.skill, i.cluster), after[i.item_id]) for i in added)


def test_an_item_that_was_test_stays_test_where_it_now_stands_in_train() -> None:
    items = make([("a", n) for n in range(8)])
    dealt = deal({"train": items[:3], "validation": items[3:6], "test": items[6:]}, known={items[0].item_id: "test"})
    assert items[0].item_id in ids(list(dealt.items["test"]))
    assert dealt.notices == ("1 train items were test in an earlier run and stay so",)


def test_a_document_in_two_splits_is_what_the_more_sealed_one_makes_it() -> None:
    items = make([("a", n) for n in range(8)])
    dealt = deal({"train": items[:3], "validation": items[2:6], "test": items[5:]})
    assert ids(list(dealt.items["train_pool"])) == ids(items[:2])
    assert ids(list(dealt.items["test"])) == ids(items[5:])
    assert len(dealt.notices) == 2


def test_an_extension_is_cut_into_dev_and_gate_beside_the_clusters_that_are_there() -> None:
    items = make([("a", n) for n in range(40)])
    added = [replace(item, item_id="n" + item.item_id) for item in make([("a", n) for n in range(30, 60)])]
    splits = {"train": items[:10], "validation": items[10:36], "test": items[36:]}
    before = roles(splits)
    dealt = deal({**splits, EXTENSION: added}, known=before)
    after = {i.item_id: role for role, found in dealt.items.items() for i in found}
    assert {after[item.item_id] for item in added} == {"dev", "gate"}
    for item, kin in zip(added[:6], items[30:36], strict=True):  # clusters 30 to 35 are in validation
        assert after[item.item_id] == before[kin.item_id]
        assert dealt.kin[item.item_id] == kin.item_id
    assert abs(sum(after[i.item_id] == "dev" for i in added[6:]) - 12) <= 2
