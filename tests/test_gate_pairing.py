"""Two lists of outcomes: matched by document, compared by the test that fits them."""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, permutation_test

from harness.exceptions import InputError
from harness.gate.mcnemar import midp
from harness.gate.pairing import Outcome, compare, pair_outcomes
from harness.gate.power import detectable, minimum_detectable_effect, power_line
from harness.gate.promotion import PromotionEvidence, decide
from harness.gate.signflip import sign_flip


def outcomes(scores: dict[str, float], cluster: str | None = None) -> list[Outcome]:
    return [Outcome(item, score, cluster) for item, score in scores.items()]


def test_by_hand_for_independent_items() -> None:
    # fixed 3, broken 1 of 8: mid-p (1 + 4/2) / 16, the exact p (1 + 4) / 16
    found = compare([0, 0, 0, 1, 1, 1, 0, 0], [1, 1, 1, 0, 1, 1, 0, 0])
    assert (found.n, found.fixed, found.broken, found.delta, found.clusters) == (8, 3, 1, 0.25, 8)
    assert (found.p, found.p_worse, found.test) == (3 / 16, 13 / 16, "mid-p")
    assert found.stderr == pytest.approx(math.sqrt(3 * 0.75**2 + 1.25**2 + 4 * 0.25**2) / 8)


def test_the_worked_example_of_the_documentation() -> None:
    before = [1.0] * 19 + [0.0] * 21
    after = [1.0] * 17 + [0.0] * 14 + [1.0] * 9
    found = compare(before, after)
    assert (found.n, found.fixed, found.broken, found.delta) == (40, 9, 2, 0.175)
    assert [round(100 * end, 1) for end in found.ci95] == [1.7, 33.3]
    assert (round(found.p, 4), round(found.mde or 0, 3)) == (0.0193, 0.201)


def test_by_hand_for_clusters() -> None:
    # cluster sums 2, 1, -1, total 2; of the eight sign patterns 2+1+1 exceeds it, 2+1-1 and 2-1+1 tie: (1 + 2/2) / 8
    found = compare([0, 0, 0, 1], [1, 1, 1, 0], ["a", "a", "b", "c"])
    assert (found.p, found.p_worse, found.test, found.clusters) == (2 / 8, 6 / 8, "sign-flip p", 3)
    assert found.midp == midp(3, 1)


def test_items_that_stand_alone_and_are_right_or_wrong_are_tested_by_midp_others_by_sign_flips() -> None:
    before, after = [0.0, 0.0, 1.0, 0.0], [1.0, 1.0, 0.0, 1.0]
    assert compare(before, after).test == compare(before, after, [4, 3, 2, 1]).test == "mid-p"
    assert compare(before, after, ["a", "a", "b", "c"]).test == "sign-flip p"
    assert compare(before, [1.0, 1.0, 0.0, 0.5]).test == "sign-flip p"
    # one item a cluster and nothing partial: both tests are the same test
    assert sign_flip([1.0, 1.0, -1.0, 1.0], ["a", "b", "c", "d"]) == compare(before, after).p


def test_sign_flips_of_partial_credit_agree_with_scipy() -> None:
    rng = random.Random(8)
    before, after = ([round(rng.random(), 2) for _ in range(80)] for _ in range(2))
    after = [min(1.0, score + 0.07) for score in after]
    expected = permutation_test(
        ([new - old for old, new in zip(before, after, strict=True)],), lambda x, axis: x.mean(axis=axis),
        permutation_type="samples", alternative="greater", n_resamples=9_999, vectorized=True, rng=1,
    ).pvalue  # fmt: skip
    assert compare(before, after).p == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize("clusters", [None, ["a", "a", "b"], ["a", "a", "a"]])
def test_all_ties_are_evidence_of_nothing(clusters: list[str] | None) -> None:
    found = compare([1, 0, 0.5], [1, 0, 0.5], clusters)
    assert (found.fixed, found.broken, found.delta, found.ci95) == (0, 0, 0.0, (0.0, 0.0))
    assert found.p >= 0.5
    assert found.p_worse >= 0.5
    assert decide(PromotionEvidence(0, True, True, found)).decision == "reject"


@pytest.mark.parametrize(("before", "after", "p"), [(0, 1, 0.25), (1, 0, 0.75), (1, 1, 0.5)])
def test_one_item(before: int, after: int, p: float) -> None:
    found = compare([before], [after])
    assert (found.n, found.p, found.mde) == (1, p, 1.0)
    assert found.stderr is None
    assert found.ci95 == ((-1.0, 1.0) if before != after else (0.0, 0.0))


@pytest.mark.parametrize("size", [1, 1_000])
def test_clusters_of_one_and_of_a_thousand(size: int) -> None:
    rng = np.random.default_rng(size)
    before = (rng.random(20_000) < 0.5).astype(float)
    after = np.where(rng.random(20_000) < 0.2, 1 - before, before)
    clusters = (np.arange(20_000) // size).tolist()
    found = compare(before.tolist(), after.tolist(), clusters)
    assert found.clusters == 20_000 // size
    expected = binomtest(found.fixed, found.fixed + found.broken, alternative="greater").pvalue
    assert found.p == pytest.approx(expected, abs=0.01 if size == 1 else 0.5)
    assert 0 < found.p < 1


def test_a_cluster_of_a_thousand_counts_as_one_observation() -> None:
    before, after = [0.0] * 3_000, [1.0] * 3_000
    assert compare(before, after, [k // 1_000 for k in range(3_000)]).p == 0.5 / 2**3
    assert compare(before, after, ["one"] * 3_000).p == 0.25


@pytest.mark.parametrize("per_cluster", [1, 5])
def test_a_million_items_take_less_than_two_seconds(per_cluster: int) -> None:
    rng = np.random.default_rng(1)
    before = (rng.random(1_000_000) < 0.6).astype(float)
    after = np.where(rng.random(1_000_000) < 0.15, rng.random(1_000_000) < 0.62, before).astype(float).tolist()
    clusters = [f"c{k // per_cluster}" for k in range(1_000_000)]
    begun = time.process_time()
    verdict = decide(PromotionEvidence(0, True, True, compare(before.tolist(), after, clusters)))
    assert time.process_time() - begun < 2
    assert verdict.decision == "promote"


def test_documents_are_matched_by_hash_whatever_their_order() -> None:
    rng = random.Random(4)
    rows = [(f"d{k}", float(rng.random() < 0.4), float(rng.random() < 0.6), f"c{k // 3}") for k in range(90)]
    before = [Outcome(item, old, cluster) for item, old, _, cluster in rows]
    after = [Outcome(item, new, cluster) for item, _, new, cluster in rows]
    expected = compare([row[1] for row in rows], [row[2] for row in rows], [row[3] for row in rows])
    found = pair_outcomes(rng.sample(before, 90), rng.sample(after, 90))
    assert dataclasses.replace(found, stderr=0.0) == dataclasses.replace(expected, stderr=0.0, ci95=found.ci95)
    assert found.ci95 == pytest.approx(expected.ci95)
    assert found.test == "sign-flip p"


def test_documents_without_a_cluster_stand_alone_even_beside_clusters_of_their_name() -> None:
    before = [Outcome("a", 0.0), Outcome("b", 0.0, "a"), Outcome("c", 0.0, "a")]
    assert pair_outcomes(before, [Outcome(item, 1.0, cluster) for item, _, cluster in before]).clusters == 2


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (outcomes({}), outcomes({}), "there are no items to compare; the split is empty"),
        (
            outcomes({"a": 1, "b": 1, "c": 1, "d": 0, "e": 0}),
            outcomes({"e": 1}),
            r"4 of 5 items are missing after \(a, b, c, \.\.\.\); evaluate both on the same items",
        ),
        (outcomes({"a": 1}), outcomes({"a": 1, "z": 1, "y": 0}), r"2 of 3 items are missing before \(y, z\)"),
        (outcomes({"a": 1}), outcomes({}), r"1 of 1 items are missing after \(a\)"),
        (
            outcomes({"a": 1, "b": 0}),
            outcomes({"x": 1, "y": 0}),
            r"no item is on both sides \(before: a, b; after: x, y\); these are answers to other documents",
        ),
        (
            outcomes({"a": 1, "b": 0}) * 2,
            outcomes({"a": 1, "b": 0}),
            r"2 items occur more than once before \(a, b\)",
        ),
        (outcomes({"a": 1}), outcomes({"a": 1}) * 3, r"1 items occur more than once after \(a\)"),
        (outcomes({"a": math.nan}), outcomes({"a": 1}), "item a has score nan, outside 0 to 1"),
        (outcomes({"a": 0, "b": 1}), outcomes({"b": math.inf, "a": 1}), "item b has score inf, outside 0 to 1"),
        (outcomes({"a": 0}, "p"), outcomes({"a": 0}, "q"), r"1 items are in another cluster after \(a\)"),
    ],
)
def test_what_cannot_be_paired_is_refused_in_one_line(
    before: list[Outcome], after: list[Outcome], message: str
) -> None:
    with pytest.raises(InputError, match=message) as refused:
        pair_outcomes(before, after)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("before", "after", "clusters", "message"),
    [
        ([], [], None, "there are no items"),
        ([1], [1, 0], None, "1 scores before, 2 after; they must be of one length"),
        ([1], [0], ["a", "b"], "1 scores before, 1 after and 2 clusters"),
        ([1, -0.1], [0, 0], None, r"item at position 1 has score -0\.1"),
    ],
)
def test_lists_that_do_not_fit_are_refused(
    before: list[float], after: list[float], clusters: list[str] | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        compare(before, after, clusters)


SCORES = st.lists(
    st.tuples(st.sampled_from([0.0, 0.25, 1.0]), st.sampled_from([0.0, 0.25, 1.0]), st.integers(0, 5)),
    min_size=1,
    max_size=12,
)


@given(SCORES)
def test_the_p_is_that_of_listing_every_flip_of_the_clusters(rows: list[tuple[float, float, int]]) -> None:
    sums: dict[int, float] = {}
    for old, new, cluster in rows:
        sums[cluster] = sums.get(cluster, 0.0) + new - old
    found = compare([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])
    changed = [value for value in sums.values() if value]
    if found.test == "sign-flip p" and changed:
        totals = [
            sum(sign * value for sign, value in zip(signs, changed, strict=True))
            for signs in itertools.product((1, -1), repeat=len(changed))
        ]
        above = sum(total > sum(changed) for total in totals)
        tied = sum(total == sum(changed) for total in totals)
        assert found.p == (above + tied / 2) / len(totals)


@given(SCORES, st.randoms(use_true_random=False))
def test_neither_the_order_nor_the_names_of_clusters_matter(
    rows: list[tuple[float, float, int]], rng: random.Random
) -> None:
    def result(rows: list[tuple[float, float, int]], names: list[str]) -> tuple[float, ...]:
        found = compare([row[0] for row in rows], [row[1] for row in rows], [names[row[2]] for row in rows])
        return found.p, found.p_worse, found.delta, *found.ci95

    there = result(rows, ["a", "b", "c", "d", "e", "f"])
    assert result(rng.sample(rows, len(rows)), ["v", "u", "z", "y", "x", "w"]) == pytest.approx(there)


def test_the_minimum_detectable_effect_is_mcnemars_or_the_clustered_errors_whichever_is_larger() -> None:
    assert detectable(2_000, 300, 0.008) == pytest.approx(minimum_detectable_effect(2_000, 0.15))
    assert detectable(2_000, 300, 0.02) == pytest.approx((1.6449 + 0.8416) * 0.02, rel=1e-4)
    assert detectable(2_000, 300, 0.9) == detectable(2_000, 300, None) == 1.0


def test_too_few_items_for_the_effect_that_matters_are_called_underpowered() -> None:
    few = compare([0, 1] * 50, [1, 0] * 5 + [0, 1] * 45)
    assert few.mde == pytest.approx(0.0783, abs=2e-3)
    assert power_line(few.mde, 0.1) == f"minimum detectable effect {100 * few.mde:.1f} points"
    assert power_line(few.mde, 0.02) == (
        f"minimum detectable effect {100 * few.mde:.1f} points: UNDERPOWERED, a true gain of 2 points is missed more "
        "often than one time in five; add items"
    )
    assert "a true gain of 1 point is" in power_line(0.08, 0.01)
