"""Roles are dealt by hash: disjoint, cluster by cluster, even within each skill, whatever the order."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from harness.evaluation.items import Item
from harness.evaluation.roles import split_validation, subset

# (skill, cluster) of each item; a cluster name may recur in another skill, and is another cluster there.
ITEMS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 12)), max_size=60)


def make(pairs: list[tuple[str, int]]) -> list[Item]:
    """Items, named by their position."""
    return [
        Item(f"{place:016d}", f"task_{skill}", skill, str(cluster), "dev", {}, "", "")
        for place, (skill, cluster) in enumerate(pairs)
    ]


def ids(items: list[Item]) -> set[str]:
    return {item.item_id for item in items}


@given(pairs=ITEMS)
def test_dev_and_gate_are_disjoint_and_together_everything(pairs: list[tuple[str, int]]) -> None:
    items = make(pairs)
    dev, gate = split_validation(items)
    assert not ids(dev) & ids(gate)
    assert ids(dev) | ids(gate) == ids(items)
    assert {item.role for item in dev} <= {"dev"}
    assert {item.role for item in gate} <= {"gate"}


@given(pairs=ITEMS)
def test_a_cluster_is_never_split(pairs: list[tuple[str, int]]) -> None:
    dev, gate = split_validation(make(pairs))
    assert not {(i.task, i.cluster) for i in dev} & {(i.task, i.cluster) for i in gate}


@given(pairs=ITEMS)
def test_each_skill_is_halved_as_evenly_as_its_clusters_allow(pairs: list[tuple[str, int]]) -> None:
    items = make(pairs)
    dev, gate = split_validation(items)
    for skill in "ab":
        largest = max(Counter(i.cluster for i in items if i.skill == skill).values(), default=0)
        sizes = [sum(i.skill == skill for i in half) for half in (dev, gate)]
        assert abs(sizes[0] - sizes[1]) <= largest


@given(pairs=ITEMS, data=st.data())
def test_the_order_of_the_items_decides_nothing(pairs: list[tuple[str, int]], data: st.DataObject) -> None:
    items = make(pairs)
    shuffled = data.draw(st.permutations(items))
    assert [ids(half) for half in split_validation(shuffled)] == [ids(half) for half in split_validation(items)]


@given(pairs=ITEMS)
def test_items_keep_their_order_within_a_role(pairs: list[tuple[str, int]]) -> None:
    for half in split_validation(make(pairs)):
        names = [item.item_id for item in half]
        assert names == sorted(names)


def test_another_salt_deals_otherwise() -> None:
    items = make([("a", cluster) for cluster in range(40)])
    assert ids(split_validation(items)[0]) != ids(split_validation(items, salt="other")[0])


def test_the_deal_of_these_items_is_pinned() -> None:
    """The role map outlives any one run: a change here would show sealed items to the trainer."""
    dev, _ = split_validation(make([("a", cluster) for cluster in range(12)]))
    assert [item.cluster for item in dev] == ["0", "2", "5", "6", "7", "10"]


@given(pairs=ITEMS, limit=st.integers(1, 70))
def test_a_subset_has_an_even_share_a_skill(pairs: list[tuple[str, int]], limit: int) -> None:
    items = make(pairs)
    chosen = subset(items, limit)
    assert len(chosen) == min(limit, len(items))
    assert [i.item_id for i in chosen] == sorted(ids(chosen))
    sizes = Counter(item.skill for item in items)
    got = Counter(item.skill for item in chosen)
    for skill, other in (("a", "b"), ("b", "a")):
        if got[skill] < sizes[skill]:  # a skill that has more to give is not behind the other
            assert got[skill] >= got[other] - 1


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
