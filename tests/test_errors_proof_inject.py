"""Fault injection: every fault on the items on which it makes sense, and on no other; the same for the same seed."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from proof_items import ITEMS, LABELS, answer

from harness.errors.proof import edits
from harness.errors.proof.case import Case, Fault, make_pool
from harness.errors.proof.consequences import CONSEQUENCES, consequences
from harness.errors.proof.harmless import HARMLESS
from harness.errors.proof.inject import FAULTS, inject
from harness.errors.proof.labelled import CATEGORIES
from harness.errors.proof.wording import LANGUAGES
from harness.evaluation.items import Item
from harness.exceptions import InputError

BY_NAME = {fault.name: fault for fault in FAULTS}
BY_ITEM = {item.cluster: item for item in ITEMS}


def made(fault: str, name: str, seed: int = 0) -> Case | None:
    """The case of one fault on one item; ``None`` where it makes no sense."""
    found = inject([BY_ITEM[name]], answer, make_pool(ITEMS), [BY_NAME[fault]], seed)
    return found[0] if found else None


def everything(seed: int = 0, items: Sequence[Item] = ITEMS) -> list[Case]:
    return inject(items, answer, make_pool(ITEMS), seed=seed)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_makes_a_case_of_some_item(fault: Fault) -> None:
    if fault.name in ("harmless: curly apostrophe", "harmless: synonym"):
        assert any("doesn't" in item.target for item in ITEMS)
    cases = [case for seed in range(5) for case in inject(ITEMS, answer, make_pool(ITEMS), [fault], seed)]
    assert cases
    assert {case.kind for case in cases} == {fault.name}
    assert all(case.due == ({fault.category} if fault.category else set()) for case in cases)


def test_every_category_but_toxicity_of_ones_own_is_injected_and_has_a_rule() -> None:
    assert {fault.category for fault in FAULTS} - {None} == set(CATEGORIES) == set(CONSEQUENCES)


def test_the_same_seed_gives_the_same_cases_in_any_order_of_items_and_another_seed_others() -> None:
    first = {case.item.item_id: case for case in everything()}
    again = {case.item.item_id: case for case in everything(items=ITEMS[::-1])}
    other = {case.item.item_id: case for case in everything(seed=1)}
    assert first == again
    assert first != other


def test_cases_have_ids_of_their_own() -> None:
    cases = everything()
    assert len({case.item.item_id for case in cases}) == len(cases)


def test_a_fault_is_never_the_right_answer_itself() -> None:
    for case in everything():
        if case.due:
            assert (case.item.response, case.item.finish_reason) != (case.item.target, "stop")


def test_what_the_task_counts_as_right_is_no_fault_of_content() -> None:
    def lenient(item: Item, text: str, finish_reason: str) -> object:
        return replace(answer(item, text, "stop"), correct=1.0)

    cases = inject(ITEMS, lenient, make_pool(ITEMS))  # type: ignore[arg-type]
    due = {category for case in cases for category in case.due}
    assert "too_long" in due
    assert due.isdisjoint({"wrong_answer", "hallucinated", "missed_refusal", "wrong_tool", "inconsistent"})
    assert all(case.primary is None for case in cases)


def test_harmless_changes_leave_nothing_to_report_but_a_wrong_score() -> None:
    for case in inject(ITEMS, answer, make_pool(ITEMS), HARMLESS):
        if not case.due:
            assert case.allowed == (set() if case.item.correct == 1.0 else {"wrong_answer"})
            assert case.primary is None


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("typos: one", "route a"),
        ("typos: one", "fields a"),
        ("JSON: missing key", "route a"),
        ("JSON: missing key", "call a"),
        ("label: two of them", "short a"),
        ("refuses in the skill's words", "short c"),
        ("refuses in the skill's words", "fields a"),
        ("off topic, answered with another item's answer", "short d"),
        ("unanswerable, answered with another item's answer", "short c"),
        ("language: de", "sum a"),
        ("invented number", "sum a"),
        ("wrong calculation", "short a"),
        ("contradicts its paraphrases", "twice c"),
        ("contradicts its paraphrases", "route a"),
        ("call: another tool", "call b"),
        ("call: a tool where none fits", "call a"),
        ("constraint: too many words", "short a"),
        ("cut end", "route a"),
        ("runs on", "short c"),
        ("harmless: casing", "reply a"),
        ("harmless: full stop", "fields a"),
        ("leaked: system prompt", "short a"),
    ],
)
def test_a_fault_is_left_out_where_it_makes_no_sense(fault: str, name: str) -> None:
    assert all(made(fault, name, seed) is None for seed in range(5))


def test_what_a_fault_may_bring_about_depends_on_the_item() -> None:
    empty_json, empty_refusal = made("empty: nothing", "fields a"), made("empty: nothing", "short c")
    assert empty_json is not None
    assert empty_refusal is not None
    assert empty_json.allowed == {"invalid_format", "wrong_answer"}
    assert empty_refusal.allowed == {"missed_refusal", "wrong_answer"}


def test_consequences_are_only_those_that_are_possible() -> None:
    short = answer(BY_ITEM["short a"], "57", "stop")
    assert consequences(short, ["repetitive"]) == {"ungrammatical"}
    long = answer(BY_ITEM["short a"], "57 days " * 20, "length")
    assert consequences(long, ["repetitive"]) == {"ungrammatical", "too_long", "truncated"}
    assert consequences(long, ["repetitive", "too_long"]) == {"ungrammatical", "truncated"}


def test_a_paraphrase_group_is_the_cases_own() -> None:
    case = made("contradicts its paraphrases", "twice a")
    assert case is not None
    (companion,) = case.companions
    assert companion.response == "Graz"
    assert case.item.response != "Graz"
    groups = {result.doc["expects"]["group"] for result in (case.item, companion)}
    assert len(groups) == 1
    assert groups != {"g1"}
    alone = made("empty: nothing", "twice a")
    assert alone is not None
    assert alone.item.doc["expects"]["group"] is None


def test_typos_make_no_word_that_the_items_know_and_spare_names_and_numbers() -> None:
    rng, known = Random(0), make_pool(ITEMS).vocabulary
    text = "Dear Ms Osei, your technician will collect order AB1234 in Graz on Monday, see www.example.org/repair."
    for share in (0.0, 0.2):
        for _ in range(200):
            changed = edits.misspell(text, rng, share, known)
            assert changed is not None
            kept = ("Dear", "Ms", "Osei", "AB1234", "Graz", "Monday", "www.example.org/repair")
            assert all(part in changed for part in kept)
            new = set(re.findall(r"[a-z]+", changed.casefold())) - set(re.findall(r"[a-z]+", text.casefold()))
            assert len(new) == (1 if share == 0.0 else round(share * len(text.split())))
            assert not new & known


def test_a_share_of_typos_that_comes_to_one_word_is_not_made_twice() -> None:
    assert edits.misspell("five words are not many", Random(0), 0.2, set()) is None


def test_grammar_is_broken_where_there_is_something_to_break() -> None:
    rng = Random(0)
    assert edits.break_agreement("the tank is empty", rng) == "the tank are empty"
    assert edits.break_agreement("15 months", rng) is None
    assert edits.break_verb_form("The policy does not say.", rng) == "The policy does not saying."
    assert edits.drop_articles("The policy is on the table now.") == "Policy is on table now."
    assert edits.drop_articles("No articles are here at all.") is None
    assert edits.drop_articles("My mother finds the buttons too small.") is None
    assert edits.wrong_article("It is a toaster.", rng) == "It is an toaster."
    assert edits.double_word("Ask me.", rng) == "Ask me me."
    assert edits.swap_words("Go to town.", rng) == "Go town to."


def test_invented_facts_stand_nowhere() -> None:
    rng = Random(0)
    for _ in range(100):
        assert edits.other_number("57", rng, "57 14 30") not in "57 14 30"
        assert re.fullmatch(r"[A-Z]{2}\d{4}", edits.other_identifier("SR4471", rng, "SR4471"))
    assert edits.numbers_of("Order 48213, AB12, 3.5 and 3.5 times") == ["48213", "3.5"]
    assert edits.names_of("Ask Anna Berger. She is in Graz.") == ["Anna Berger", "Graz"]


def test_broken_json_is_broken_and_harmless_json_says_the_same() -> None:
    for case in everything():
        if case.kind.startswith("JSON:") and case.kind not in (
            "JSON: missing key", "JSON: key too many", "JSON: renamed key", "JSON: in a list",
        ):  # fmt: skip
            with pytest.raises(ValueError, match=r"."):
                json.loads(case.item.response)
        if case.kind in ("harmless: other order of keys", "harmless: indented JSON", "harmless: dense JSON"):
            assert json.loads(case.item.response) == json.loads(case.item.target)


def test_a_label_that_is_not_there_is_not_there() -> None:
    case = made("label: one that is not there", "route a")
    assert case is not None
    assert case.item.response not in LABELS


def test_the_sentences_of_other_languages_are_that() -> None:
    assert len(LANGUAGES) == 5
    assert all(len(sentence.split()) >= 8 for sentences in LANGUAGES.values() for sentence in sentences)


def test_two_faults_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="two faults are called 'empty: nothing'"):
        inject(ITEMS, answer, None, [BY_NAME["empty: nothing"]] * 2)
