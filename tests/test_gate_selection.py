"""Choosing the best of several: what the choice is worth is never estimated on the items that made it."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from harness.exceptions import InputError
from harness.gate.selection import select

ITEMS = [f"i{n:03d}" for n in range(120)]
ALONE = {item: item for item in ITEMS}
ONE_GROUP = dict.fromkeys(ITEMS, "g")
Scores = dict[str, dict[str, float]]


def noise(seed: int, share: float = 0.5, items: list[str] = ITEMS) -> dict[str, float]:
    rng = random.Random(seed)
    return {item: float(rng.random() < share) for item in items}


def test_the_best_is_chosen_on_all_items_of_its_group() -> None:
    groups = {item: "a" if place < 60 else "b" for place, item in enumerate(ITEMS)}
    scores: Scores = {
        "default": noise(0, 0.3),
        "good for a": {item: 1.0 if groups[item] == "a" else 0.0 for item in ITEMS},
        "good for b": {item: 0.0 if groups[item] == "a" else 1.0 for item in ITEMS},
    }
    found = select(scores, groups, ALONE)
    assert found.chosen == {"a": "good for a", "b": "good for b"}
    failing = sum(value < 1 for value in scores["default"].values())
    for paired in (found.naive, found.honest):  # both halves choose the same: nothing to be optimistic about
        assert (paired.n, paired.fixed, paired.broken) == (120, failing, 0)
    assert found.optimism == 0.0


def test_of_equally_good_ones_the_first_is_chosen() -> None:
    scores = {"default": noise(1), "same": noise(1), "again": noise(1)}
    found = select(scores, ONE_GROUP, ALONE)
    assert found.chosen == {"g": "default"}
    assert (found.naive.delta, found.honest.delta) == (0.0, 0.0)


def test_alone_the_default_is_chosen_and_brings_nothing() -> None:
    found = select({"default": noise(1)}, ONE_GROUP, ALONE)
    assert (found.chosen, found.honest.delta) == ({"g": "default"}, 0.0)


def mean_gains(candidates: int, runs: int, bonus: float = 0.0) -> tuple[float, float]:
    """Mean naive and honest gain over many draws; the last candidate is truly better by ``bonus``."""
    naive = honest = 0.0
    for run in range(runs):
        scores: Scores = {"default": noise(1000 * run)}
        for number in range(1, candidates):
            scores[f"p{number}"] = noise(1000 * run + number, 0.5 + (bonus if number == candidates - 1 else 0.0))
        found = select(scores, ONE_GROUP, ALONE)
        naive += found.naive.delta / runs
        honest += found.honest.delta / runs
    return naive, honest


def test_among_equals_the_naive_figure_rises_and_the_honest_one_does_not() -> None:
    naive, honest = mean_gains(candidates=8, runs=150)
    assert naive > 0.04
    assert abs(honest) < 0.02  # its own error over 150 draws is about .005


def test_what_is_truly_better_shows_in_the_honest_figure() -> None:
    _, honest = mean_gains(candidates=4, runs=60, bonus=0.3)
    assert 0.25 < honest < 0.33


def test_no_cluster_is_on_both_sides() -> None:
    # A candidate that is right on one cluster alone can be chosen by the half that holds it, never judged on it.
    clusters = {item: f"c{place // 20}" for place, item in enumerate(ITEMS)}
    scores: Scores = {"default": dict.fromkeys(ITEMS, 0.0)}
    for cluster in sorted(set(clusters.values())):
        scores[cluster] = {item: float(clusters[item] == cluster) for item in ITEMS}
    found = select(scores, ONE_GROUP, clusters)
    assert found.naive.fixed == 20
    assert found.honest.fixed == 0


def test_halves_are_even() -> None:
    clusters = {item: f"c{place // 4}" for place, item in enumerate(ITEMS)}
    judged: list[str] = []

    class Watched(dict[str, float]):
        def __getitem__(self, item: str) -> float:
            judged.append(item)
            return super().__getitem__(item)

    select({"default": noise(0), "p": Watched(noise(1))}, ONE_GROUP, clusters)
    first = judged[120 : 120 + 60]  # after the choice on all, each half is looked through by itself
    assert len(set(first)) == 60
    assert {clusters[item] for item in first}.isdisjoint({clusters[item] for item in set(ITEMS) - set(first)})


def test_a_candidate_need_not_cover_every_group() -> None:
    groups = {item: "a" if place < 60 else "b" for place, item in enumerate(ITEMS)}
    only_a = {item: 1.0 for item in ITEMS if groups[item] == "a"}
    found = select({"default": noise(3), "only a": only_a}, groups, ALONE)
    assert found.chosen == {"a": "only a", "b": "default"}
    assert found.naive.n == 120


def test_the_reference_may_be_another_than_the_first_candidate() -> None:
    worse: Mapping[str, float] = dict.fromkeys(ITEMS, 0.0)
    found = select({"few-shot": dict.fromkeys(ITEMS, 1.0)}, ONE_GROUP, ALONE, worse)
    assert (found.naive.fixed, found.honest.fixed) == (120, 120)


def test_a_group_of_one_cluster_takes_the_first_candidate_on_trust() -> None:
    scores = {"default": dict.fromkeys(ITEMS[:4], 0.0), "better": dict.fromkeys(ITEMS[:4], 1.0)}
    found = select(scores, ONE_GROUP, dict.fromkeys(ITEMS[:4], "same"))
    assert found.chosen == {"g": "better"}
    assert (found.naive.fixed, found.honest.fixed) == (4, 0)  # nothing else could have chosen it


def test_no_items_are_refused() -> None:
    with pytest.raises(InputError, match="there are no items to compare"):
        select({"default": {}}, {}, {})
