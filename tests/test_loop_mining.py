"""The items that each round mines: fresh until the pool is used up, in the pool's mix, the same for a seed."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.evaluation.items import Item
from harness.loop.rounds import mining_sample


def pool(**sizes: int) -> list[Item]:
    """Items of skills of given sizes."""
    return [
        Item(f"{skill}{number:04d}", "task", skill, str(number), "train_pool", {}, f"{skill} {number}", "")
        for skill, size in sizes.items()
        for number in range(size)
    ]


def ids(items: list[Item]) -> list[str]:
    return [item.item_id for item in items]


def rounds(items: list[Item], size: int, count: int, seed: int = 0) -> list[list[str]]:
    """The samples of ``count`` rounds of ``size``."""
    return [ids(mining_sample(items, seed, number + 1, size, number * size)) for number in range(count)]


def test_every_item_is_mined_once_before_any_is_mined_again() -> None:
    items = pool(a=50, b=30)
    samples = rounds(items, 10, 16)
    first, second = (list(chain.from_iterable(part)) for part in (samples[:8], samples[8:]))
    assert sorted(first) == sorted(second) == sorted(ids(items))


def test_a_sample_has_the_pools_mix_of_skills() -> None:
    for sample in rounds(pool(a=60, b=30, c=10), 20, 5):
        assert Counter(name[0] for name in sample) == {"a": 12, "b": 6, "c": 2}


def test_a_sample_hangs_on_the_seed_and_not_on_the_order_of_the_pool() -> None:
    items = pool(a=40, b=40)
    assert rounds(items, 16, 3) == rounds(items[::-1], 16, 3)
    assert rounds(items, 16, 3) != rounds(items, 16, 3, seed=1)


def test_a_larger_first_round_does_not_repeat_items_later() -> None:
    items = pool(a=100, b=100)
    first = ids(mining_sample(items, 0, 1, 80, 0))
    second = ids(mining_sample(items, 0, 2, 20, 80))
    assert len(first) == 80
    assert len(second) == 20
    assert not set(first) & set(second)


def test_a_sample_larger_than_the_pool_is_the_pool() -> None:
    items = pool(a=7, b=5)
    assert sorted(ids(mining_sample(items, 0, 1, 500, 0))) == sorted(ids(items))


@pytest.mark.parametrize("before", [0, 3, 11, 250])
def test_no_item_stands_twice_in_a_sample(before: int) -> None:
    sample = ids(mining_sample(pool(a=7, b=5), 0, 2, 12, before))
    assert len(sample) == len(set(sample))


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    size=st.integers(1, 60),
    before=st.integers(0, 500),
    seed=st.integers(0, 5),
)
def test_sizes_and_mix_hold_for_any_pool(sizes: list[int], size: int, before: int, seed: int) -> None:
    items = pool(**{f"s{place}": count for place, count in enumerate(sizes)})
    sample = mining_sample(items, seed, 1, size, before)
    assert len(ids(sample)) == len(set(ids(sample)))
    counts = Counter(item.skill for item in sample)
    for place, count in enumerate(sizes):
        fair = min(size * count / len(items), count)
        assert abs(counts[f"s{place}"] - fair) <= 1
