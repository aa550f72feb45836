"""Units: what shares a cluster or a group of paraphrases counts once, whatever joins it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from harness.evaluated import Evaluation
from harness.evaluation.items import Item, ItemResult
from harness.evaluation.units import units
from harness.gate.paired import pair


def item(place: int, cluster: str, group: str | None = None, task: str = "t") -> Item:
    doc = {"expects": {"group": group}} if group is not None else {}
    return Item(f"{place:016x}", task, "skill", cluster, "dev", doc, "", "")


def test_cluster_group_and_pairs_join_and_tasks_part() -> None:
    items = [
        item(0, "a"), item(1, "b", "g"), item(2, "c", "g"), item(3, "a"), item(4, "c"), item(5, "a", task="other"),
        item(6, "x", "g", task="other"), item(7, "alone"),
    ]  # fmt: skip
    assert units(items) == [0, 1, 1, 0, 1, 5, 6, 7]
    assert units(items, [(7, 3)]) == [0, 1, 1, 0, 1, 5, 6, 0]


@given(st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(0, 3)), max_size=30), st.randoms())
def test_a_unit_is_whole_and_the_order_decides_nothing(given: list[tuple[int, int | None]], rng: object) -> None:
    items = [item(n, str(cluster), None if group is None else str(group)) for n, (cluster, group) in enumerate(given)]
    found = units(items)
    for one, first in zip(items, found, strict=True):
        for other, second in zip(items, found, strict=True):
            if one.cluster == other.cluster:
                assert first == second
    shuffled = list(items)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    place = {each.item_id: unit for each, unit in zip(shuffled, units(shuffled), strict=True)}
    assert len(set(found)) == len(set(place.values()))
    for each, unit in zip(items, found, strict=True):
        assert place[each.item_id] == place[items[unit].item_id]


def test_paraphrases_without_a_cluster_are_counted_as_one_in_a_paired_test() -> None:
    """Sixty questions of five paraphrases each: what changes, changes together."""
    base = ItemResult(
        item_id="", task="t", skill="s", cluster="", doc={}, prompt="", target="", response="", finish_reason="stop",
        correct=0.0, metrics={}, prompt_tokens=1, new_tokens=1,
    )  # fmt: skip

    def evaluation(right: range) -> Evaluation:
        results = [
            replace(base, item_id=f"{n}", cluster=f"{n}", doc={"expects": {"group": str(n // 5)}},
                    correct=float(n // 5 in right))
            for n in range(300)
        ]  # fmt: skip
        return Evaluation("gate", tuple(results), (), 0.0, {})

    before, after = evaluation(range(0, 8)), evaluation(range(8, 24))
    found = pair(before.correctness(), after.correctness(), after.clusters())
    assert (found.fixed, found.broken, found.clusters) == (80, 40, 60)
    assert found.midp < 0.001 < 0.05 < found.p
