"""Tools, rewrite, reply, arithmetic, paraphrase and dialogue: each gold answer follows from its item."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from importlib import resources
from typing import Any

import pytest
from helpdesk_domain import DOMAIN, SPLITS, Doc, domain_docs, module, words


def docs(skill: str) -> list[Doc]:
    return [doc for split in SPLITS for doc in domain_docs()[skill, split]]


def split_of(doc: Doc) -> str:
    return str(doc["id"].split("-")[1])


# Tools


def test_a_call_is_one_that_the_documentation_allows_with_values_from_the_message() -> None:
    for doc in docs("tools"):
        call, message = doc["expects"]["call"], doc["input"].partition("\nMessage: ")[2]
        assert json.loads(doc["target"]) == (call or {"name": "none", "arguments": {}})
        if call is None:
            continue
        (tool,) = (tool for tool in doc["expects"]["tools"] if tool["name"] == call["name"])
        schema = tool["parameters"]
        assert list(call["arguments"]) == schema["required"] == list(schema["properties"])
        for key, value in call["arguments"].items():
            assert schema["properties"][key]["type"] == {int: "integer", str: "string"}[type(value)]
            assert re.search(rf"(?<!\w){re.escape(str(value))}(?!\w)", message), doc["id"]


def test_every_tool_is_documented_in_the_item_and_no_other() -> None:
    for doc in docs("tools"):
        shown = re.findall(r"^- (\w+)\((.*)\): (.+)$", doc["input"], flags=re.M)
        declared = [
            (tool["name"], [f"{key}: {kind['type']}" for key, kind in tool["parameters"]["properties"].items()])
            for tool in doc["expects"]["tools"]
        ]
        assert [(name, parameters.split(", ")) for name, parameters, _ in shown] == declared
        assert [text for *_, text in shown] == [tool["description"] for tool in doc["expects"]["tools"]]
        assert len(shown) in (3, 4)


@pytest.mark.parametrize("split", SPLITS)
def test_no_tool_fits_a_known_share_of_the_messages(split: str) -> None:
    part = domain_docs()["tools", split]
    without = [doc for doc in part if doc["expects"]["call"] is None]
    assert len(without) / len(part) == pytest.approx(0.15, abs=0.01)
    for doc in without:  # the tool that the message asks for is in its cluster's name
        assert doc["cluster"].split("-")[2] not in [tool["name"] for tool in doc["expects"]["tools"]]


def test_no_tool_is_in_two_splits() -> None:
    found = {
        split: {t["name"] for doc in domain_docs()["tools", split] for t in doc["expects"]["tools"]} for split in SPLITS
    }
    assert len(set().union(*found.values())) == sum(map(len, found.values())) == 42


def test_where_the_called_tool_stands_tells_nothing() -> None:
    places = Counter(
        [tool["name"] for tool in doc["expects"]["tools"]].index(doc["expects"]["call"]["name"])
        for doc in docs("tools")
        if doc["expects"]["call"]
    )
    assert max(places[place] for place in range(3)) < 1.3 * min(places[place] for place in range(3))


# Rewrite


def test_typos_are_in_words_of_lower_case_and_nothing_else_is_touched() -> None:
    for doc in docs("rewrite"):
        given, wanted = doc["input"].removeprefix("Message: ").split(), doc["target"].split()
        changed = [(bad, good) for bad, good in zip(given, wanted, strict=True) if bad != good]
        assert 2 <= len(changed) <= 4, doc["id"]
        for bad, good in changed:
            assert re.fullmatch(r"[a-z]{4,}[.,?]?", good), doc["id"]
            assert re.fullmatch(r"[a-z]{3,}[.,?]?", bad), doc["id"]


def test_names_and_numbers_that_a_rewriting_must_keep_are_declared() -> None:
    declared = 0
    for doc in docs("rewrite"):
        kept = doc["expects"].get("constraints", {}).get("must_contain", [])
        declared += bool(kept)
        assert all(part in doc["input"] and part in doc["target"] for part in kept)
        assert set(re.findall(r"\w*\d\w*", doc["target"])) <= set(words(" ".join(kept))), doc["id"]
    assert declared > 0.4 * len(docs("rewrite"))


def test_every_kind_of_typo_occurs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOMAIN))
    by_ear = module(DOMAIN / "wording" / "typos.py", "helpdesk_typos").BY_EAR
    seen: Counter[str] = Counter()
    for doc in docs("rewrite"):
        for bad, good in zip(words(doc["input"].removeprefix("Message: ")), words(doc["target"]), strict=True):
            if bad != good:
                seen["ear" if by_ear.get(good) == bad else kind_of_typo(bad, good)] += 1
    assert set(seen) == {"swap", "drop", "double", "neighbour", "ear"}
    assert min(seen.values()) > 0.05 * sum(seen.values())


def kind_of_typo(bad: str, good: str) -> str:
    places = range(len(good))
    if any(bad == good[:n] + good[n + 1 : n + 2] + good[n : n + 1] + good[n + 2 :] for n in places):
        return "swap"
    if any(bad == good[: n + 1] + good[n:] for n in places):
        return "double"
    if any(bad == good[:n] + good[n + 1 :] for n in places):
        return "drop"
    differing = sum(one != other for one, other in zip(bad, good, strict=False))
    return "neighbour" if len(bad) == len(good) and differing == 1 else "none"


def test_no_typo_is_a_word_of_its_own() -> None:
    pytest.importorskip("symspellpy")
    lines = resources.files("symspellpy").joinpath("frequency_dictionary_en_82_765.txt").read_text("utf-8-sig")
    known = {line.split()[0] for line in lines.splitlines()}
    for doc in docs("rewrite"):
        for bad, good in zip(words(doc["input"].removeprefix("Message: ")), words(doc["target"]), strict=True):
            assert bad == good or bad not in known, (doc["id"], bad)
            assert bad == good or good in known, (doc["id"], good)


# Reply


def test_the_constraints_of_a_reply_are_told_in_its_item_and_kept_by_its_gold_answer() -> None:
    for doc in docs("reply"):
        fields = dict(line.split(": ", 1) for line in doc["input"].splitlines())
        constraints = doc["expects"]["constraints"]
        facts = fields["Facts"].split("; ")
        assert constraints["must_contain"] == [f"Dear {fields['To']}", *facts, "Kind regards", "Norrvale"]
        assert constraints["must_not_contain"] == ([fields["Internal"]] if "Internal" in fields else []) + ["["]
        assert fields["Limit"] == f"{constraints['max_words']} words"
        assert doc["target"].startswith(f"Dear {fields['To']}, ")
        assert doc["target"].endswith(" Kind regards, Norrvale")
        assert all(part in doc["target"] for part in facts)
        assert len(doc["target"].split()) <= constraints["max_words"] <= len(doc["target"].split()) + 4


@pytest.mark.parametrize("split", SPLITS)
def test_some_limits_leave_room_for_a_courtesy_and_some_facts_are_internal(split: str) -> None:
    part = domain_docs()["reply", split]
    thanks = sum("thank" in doc["target"] for doc in part) / len(part)
    internal = sum("\nInternal: " in doc["input"] for doc in part) / len(part)
    assert thanks == pytest.approx(0.5, abs=0.01)
    assert internal == pytest.approx(0.3, abs=0.01)


# Arithmetic


def worked_out(kind: str, question: str) -> str:
    """The answer to a question of a known kind, from the two numbers in it, read independently of the generator."""
    plain = re.sub(r"\b[A-Z]\w+ \d\b(?! [A-Z])|\b\d{5}\b", "", question)  # models and orders
    first, second = (int(number) for number in re.findall(r"\d+", plain))
    low, high = sorted((first, second))
    months = set(re.findall(r"\d ([A-Z]\w+)", plain))
    if kind == "after":
        return f"{first + second} {months.pop()}"
    if kind in ("between", "left"):
        return f"{high - low} days"
    part = first * second // 100
    return f"{ {'minus': high - low, 'plus': low + high, 'times': low * high, 'part': part}[kind] } euros"


def test_every_sum_and_date_is_right() -> None:
    for doc in docs("arithmetic"):
        kind = doc["cluster"].split("-")[2]
        assert doc["target"] == worked_out(kind, doc["input"].removeprefix("Question: ")), doc["id"]
        if kind == "part":
            first, second = re.findall(r"(\d+)(?= euros| per cent)", doc["input"])
            assert math.gcd(int(first) * int(second), 100) == 100


def test_results_are_sums_of_money_days_and_dates_within_a_month() -> None:
    forms = Counter(re.sub(r"[A-Z]\w+", "date", doc["target"]).split()[1] for doc in docs("arithmetic"))
    assert set(forms) == {"euros", "days", "date"}
    assert min(forms.values()) > 0.1 * sum(forms.values())
    for doc in docs("arithmetic"):
        assert 2 <= int(doc["target"].split()[0]) <= (28 if "cluster-after" in doc["cluster"] else 999)


# Paraphrase


def test_the_items_of_a_group_say_one_thing_in_two_ways_and_have_one_answer() -> None:
    groups: dict[str, list[Doc]] = {}
    for doc in docs("paraphrase"):
        groups.setdefault(doc["expects"]["group"], []).append(doc)
    for group, (first, second) in groups.items():
        assert split_of(first) == split_of(second)
        assert first["cluster"] == second["cluster"] == group
        assert first["target"] == second["target"]
        assert first["expects"] == second["expects"]
        desks, messages = zip(*(doc["input"].split("\nMessage: ") for doc in (first, second)), strict=True)
        assert desks[0] == desks[1]
        assert messages[0] != messages[1]
        assert re.findall(r"(\w+):", desks[0].removeprefix("Desks: ")) == first["expects"]["labels"]


def test_no_need_occurs_twice_in_validation_or_test() -> None:
    for split in ("validation", "test"):
        duties = [
            re.findall(rf"{doc['target']}: ([^;\n]+)", doc["input"])[0] for doc in domain_docs()["paraphrase", split]
        ]
        assert set(Counter(duties).values()) == {2}


# Dialogue


def test_the_first_turn_decides_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOMAIN))
    exchanges: dict[str, Any] = module(DOMAIN / "making" / "dialogue.py", "helpdesk_dialogue").EXCHANGES
    for split in SPLITS:
        for first, second, third, options in exchanges[split]:
            assert "{own}" in first
            assert not any(slot in second + third for slot in ("{own}", "{other}"))
            assert len({name for name, *_ in options}) == len({answer for _, answer, *_ in options}) == 2


def test_the_answer_is_the_desks_and_the_customers_case_is_told_in_the_first_turn() -> None:
    for doc in docs("dialogue"):
        customer, desk, _ = (line.partition(": ")[2] for line in doc["input"].splitlines())
        forms = [doc["target"], *doc["accepted"]]
        assert any(set(words(form)) <= set(words(desk)) for form in forms), doc["id"]
        assert not set(words(doc["target"])) <= set(words(customer)), doc["id"]
        assert doc["expects"]["context"] == doc["input"].rpartition("\nCustomer:")[0]


@pytest.mark.parametrize("split", SPLITS)
def test_the_order_in_which_the_desk_tells_things_says_nothing(split: str) -> None:
    first = sum(
        doc["input"].splitlines()[1].find(doc["target"].split()[-1]) < 40 for doc in domain_docs()["dialogue", split]
    )
    assert 0.2 < first / len(domain_docs()["dialogue", split]) < 0.8
