"""Near-duplicates: the four rules, what is mere instruction, and that time is linear."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.curation.near import COMMON, NearIndex, Wording, grams

VOCABULARY = [f"w{number}" for number in range(5000)]


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def near(one: str, other: str) -> tuple[str, float] | None:
    """Rule and score of two texts, ``None`` where they are not near."""
    found = next(NearIndex([words(one)]).search([words(other)], 5))
    return (found[0].rule, found[0].score) if found else None


def test_a_common_run_of_thirteen_words_is_found_in_texts_that_are_otherwise_different() -> None:
    run = " ".join(VOCABULARY[:13])
    one = " ".join(VOCABULARY[100:200]) + " " + run
    other = run + " " + " ".join(VOCABULARY[300:400])
    found = near(one, other)
    assert found is not None
    assert found[0] == "13-gram"
    assert near(one, " ".join(VOCABULARY[:12]) + " " + " ".join(VOCABULARY[300:400])) is None


def test_a_text_half_of_whose_8_grams_stand_in_another_is_found() -> None:
    long = " ".join(VOCABULARY[:200])
    # 12 words, 5 8-grams; with the first 10 words in common 3 of them are.
    assert near(long, " ".join([*VOCABULARY[:10], "x", "y"])) == ("8-grams", pytest.approx(3 / 5))
    assert near(long, " ".join([*VOCABULARY[:9], "x", "y", "z"])) is None  # 2 of 5


def test_containment_is_of_the_shorter_text_whichever_it_is() -> None:
    short, long = " ".join(VOCABULARY[:9]), " ".join([*VOCABULARY[20:40], *VOCABULARY[:9]])
    assert near(short, long) == near(long, short) == ("8-grams", 1.0)


def test_short_texts_are_compared_by_their_3_grams() -> None:
    assert near("how do i change my pin", "how do i change my pin") == ("MinHash", 1.0)
    assert near("how do i change my pin", "how do i change my card") is None  # 3 of 5
    one, other = "rate the current book a zero of 6", "give the current book a zero of 6"
    assert near(one, other) == ("MinHash", pytest.approx(5 / 7))
    assert near("rate it", "rate it") is None  # too short for anything but the exact rule


@given(
    st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=12), min_size=1, max_size=8),
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=12),
)
def test_what_minhash_finds_is_what_comparing_everything_finds(texts: list[list[str]], asked: list[str]) -> None:
    """The pairs are found by sketches but each is verified, and none at the threshold is lost on these."""
    index = NearIndex(texts)
    found = {hit.position: hit for hit in next(index.search([asked], 100))}
    for position, text in enumerate(texts):
        own, other = grams(asked, 3), grams(text, 3)
        jaccard = len(own & other) / len(own | other) if own and other else 0.0
        eight, theirs = grams(asked, 8), grams(text, 8)
        contained = len(eight & theirs) / min(len(eight), len(theirs)) if eight and theirs else 0.0
        assert (position in found) == (jaccard >= 0.7 or contained >= 0.5)


def test_wording_that_very_many_texts_share_contains_nothing() -> None:
    shared = VOCABULARY[:10]
    texts = [(*shared, f"a{n}", f"b{n}") for n in range(COMMON + 1)]
    assert next(NearIndex(texts).search([(*shared, "x", "y")], 5)) == []
    assert next(NearIndex(texts[:50]).search([(*shared, "x", "y")], 5)) != []


def test_instructions_at_both_ends_are_not_the_text() -> None:
    texts = [words(f"sort the message {n} {n + 1} answer with one word") for n in range(10)]
    wording = Wording.of([texts])
    assert wording.own(texts[3]) == ("3", "4")
    assert wording.own(words("something else entirely")) == words("something else entirely")
    assert wording.own(words("sort the message")) == words("sort the message")  # nothing else would be left


def test_an_instruction_that_an_odd_item_lacks_is_still_one() -> None:
    texts = [words(f"sort the message {n} x") for n in range(20)] + [words("no instruction here at all")]
    assert Wording.of([texts]).own(texts[0]) == ("0",)


def test_a_beginning_that_some_items_share_is_no_instruction() -> None:
    texts = [words(f"passage one question {n}") for n in range(10)] + [
        words(f"passage two question {n}") for n in range(10)
    ]
    assert Wording.of([texts]).own(words("passage one question 3")) == words("one question 3")


def test_a_text_that_turns_off_early_is_rid_of_the_instruction_before_it() -> None:
    texts = [words(f"answer the question i need {number}") for number in range(9)]
    texts += [words("answer the question who is it")]
    wording = Wording.of([texts])
    assert wording.own(texts[0]) == ("0",)
    assert wording.own(texts[-1]) == words("who is it")


def test_of_few_texts_nothing_is_taken_to_be_an_instruction() -> None:
    texts = [words(f"the very same long beginning {n}") for n in range(7)]
    assert Wording.of([texts]).own(texts[0]) == texts[0]


@pytest.mark.parametrize("nearly", [False, True], ids=["unlike", "alike"])
def test_four_thousand_against_twelve_hundred_take_seconds(nearly: bool) -> None:
    draw = random.Random(0)
    protected = [[draw.choice(VOCABULARY) for _ in range(60)] for _ in range(1200)]
    asked = [[draw.choice(VOCABULARY) for _ in range(60)] for _ in range(4000)]
    if nearly:  # each one a protected text with three words changed
        asked = [list(protected[n % 1200]) for n in range(4000)]
        for text in asked:
            for _ in range(3):
                text[draw.randrange(60)] = "changed"
    begun = time.process_time()
    found = [bool(hits) for hits in NearIndex(protected).search(asked, 5)]
    seconds = time.process_time() - begun
    assert all(found) if nearly else not any(found)
    assert seconds < 20  # about two here; generous, for a busy machine
