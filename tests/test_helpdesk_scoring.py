"""The scoring of helpdesk: every gold answer is right, every wrong one is not, and errors are named."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest
from helpdesk_domain import SKILLS, Doc, all_docs, domain_docs, domain_utils


@pytest.fixture(scope="module")
def utils() -> ModuleType:
    return domain_utils()


@pytest.fixture(scope="module")
def docs() -> dict[tuple[str, str], list[Doc]]:
    return domain_docs()


@pytest.fixture(scope="module")
def everything() -> list[Doc]:
    return all_docs()


def test_every_gold_answer_is_right_and_shows_no_error(everything: list[Doc], utils: ModuleType) -> None:
    for doc in everything:
        for answer in (doc["target"], *doc["accepted"], f"  {doc['target']}\n"):
            metrics = utils.process_results(doc, [answer])
            assert metrics.pop("exact_match") == 1.0, (doc["id"], answer)
            assert metrics == dict.fromkeys(metrics, 0.0), (doc["id"], answer)


def wrong_answers(doc: Doc, queues: tuple[str, ...]) -> list[str]:
    target, expects = doc["target"], doc["expects"]
    wrong = ["", "I'm sorry, I can't help with that.", "..."]
    if doc["skill"] == "reply":
        return wrong + wrong_replies(target, expects["constraints"])
    wrong.append(target + " and more")
    if doc["skill"] == "rewrite":
        misspelt = doc["input"].removeprefix("Message: ")
        return [*wrong, misspelt, target[:-1], target.upper(), f"Message: {target}", f'"{target}"']
    if expects["format"] == "json":
        fields = json.loads(target)
        for key, value in fields.items():
            wrong.append(json.dumps({**fields, key: "none" if value is None else None}))
            wrong.append(json.dumps({other: fields[other] for other in fields if other != key}))
        wrong += [json.dumps({**fields, "city": None}), json.dumps([fields]), f"```json\n{target}\n```", target[:-1]]
        wrong.append(target[:-1] + ', "name": null}')
        if doc["skill"] == "tools":
            wrong += wrong_calls(fields, expects["tools"])
    elif expects["format"] == "label":
        wrong += [label for label in expects["labels"] if label != target]
        wrong += [f"Queue: {target}", target.replace("-", " ") + " queue", " ".join(expects["labels"])]
    elif expects.get("refusal_sentence"):
        wrong.append("No." if expects["refusal"] else expects["refusal_sentence"])
    elif doc["skill"] == "arithmetic":
        number = int("".join(c for c in target if c.isdigit()))
        wrong += [target.replace(str(number), str(number + step)) for step in (-1, 1, 10)]
    return wrong


def wrong_calls(call: dict[str, Any], tools: list[dict[str, Any]]) -> list[str]:
    """A call of another tool, with another value, or with a value of another type."""
    calls = [{**call, "name": tool["name"]} for tool in tools if tool["name"] != call["name"]]
    if call["name"] != "none":
        calls.append({"name": "none", "arguments": {}})
    for key, value in call["arguments"].items():
        other = str(value) if isinstance(value, int) else value + "0"
        calls += [{**call, "arguments": {**call["arguments"], key: changed}} for changed in (other, None, True)]
        calls.append({**call, "arguments": {k: v for k, v in call["arguments"].items() if k != key}})
    calls.append({**call, "arguments": {**call["arguments"], "note": "x"}})
    return [json.dumps(one) for one in calls]


def wrong_replies(target: str, constraints: dict[str, Any]) -> list[str]:
    """A reply that is too long, lacks something, tells what it must not, or is left as a form to fill in."""
    room = constraints["max_words"] - len(target.split()) + 1
    wrong = [target + " more" * room, target.replace("Norrvale", "[Name]"), f"{target} [Your Name]"]
    wrong += [target.replace(part, "") for part in constraints["must_contain"]]
    return wrong + [f"{part} {target}" for part in constraints["must_not_contain"]]


def test_every_wrong_variant_scores_nothing(everything: list[Doc], utils: ModuleType) -> None:
    for doc in everything:
        for answer in wrong_answers(doc, utils.QUEUES):
            assert utils.score(doc, answer) == 0.0, (doc["id"], answer)


@pytest.mark.parametrize(
    ("skill", "answer", "changed"),
    [
        ("extraction", '{"a": "x", "b": null}', ' {"b" : null,"a":" x "}'),
        ("routing", "spare-parts", " Spare-Parts. "),
        ("grounded", "the red tabs", "Red  Tabs!"),
        ("tools", '{"name": "a", "arguments": {"b": "x", "c": 1}}', '{"arguments": {"c":1,"b":" x"}, "name": "a"}'),
        ("rewrite", "The lid is gone.", "The  lid\nis gone."),
        ("arithmetic", "7 April", "7 april."),
        ("paraphrase", "Lyon", " lyon. "),
    ],
)
def test_outward_differences_do_not_count(utils: ModuleType, skill: str, answer: str, changed: str) -> None:
    form = {"extraction": "json", "tools": "json", "routing": "label", "paraphrase": "label"}.get(skill, "text")
    doc = {"skill": skill, "target": answer, "accepted": [], "expects": {"format": form}}
    assert utils.score(doc, changed) == 1.0


def test_any_reply_that_keeps_to_its_constraints_is_right(utils: ModuleType) -> None:
    constraints = {
        "max_words": 12, "must_contain": ["Dear Ines Berg", "in Lyon", "Kind regards", "Norrvale"],
        "must_not_contain": ["pays late", "["],
    }  # fmt: skip
    doc = {"skill": "reply", "target": "", "accepted": [], "expects": {"format": "text", "constraints": constraints}}
    assert utils.score(doc, "dear Ines Berg,\nit is IN LYON now.\nKind\nregards,\nNorrvale") == 1.0
    assert utils.score(doc, "Dear Ines Berg, all is well in Lyon by now. Kind regards, Norrvale") == 0.0  # 13 words
    assert utils.score(doc, "Dear Ines, it is in Lyon. Kind regards, Norrvale") == 0.0
    assert utils.score(doc, "Dear Ines Berg, in Lyon he Pays Late. Kind regards, Norrvale") == 0.0


@pytest.mark.parametrize("response", ["[" * 100_000, '{"a": ' * 50_000, "\ud800", '{"a": NaN', "\x00", "9" * 10_000])
def test_hostile_responses_are_merely_wrong(everything: list[Doc], utils: ModuleType, response: str) -> None:
    for skill in SKILLS:
        doc = next(doc for doc in everything if doc["skill"] == skill)
        assert utils.score(doc, response) == 0.0


def test_errors_are_named_where_they_occur(docs: dict[tuple[str, str], list[Doc]], utils: ModuleType) -> None:
    def errors(skill: str, refusal: bool | None, response: str) -> set[str]:
        doc = next(doc for doc in docs[skill, "test"] if doc["expects"].get("refusal") is refusal)
        return {name for name, value in utils.process_results(doc, [response]).items() if value}

    assert "err_invalid_format" in errors("extraction", None, "The order is 4711.")
    assert "err_invalid_format" in errors("routing", None, "complaints")
    assert "err_empty" in errors("routing", None, " ")
    assert "err_needless_refusal" in errors("grounded", False, "The policy does not say.")
    assert "err_missed_refusal" in errors("scope", True, "It has three bridges.")
    rambling = "You will be glad to hear that it is so, and that is all there is to say about it from our side today."
    assert "err_too_long" in errors("scope", False, rambling)
    assert "err_unsupported_answer" in errors("grounded", True, "On Sunday.")
    assert "err_invalid_format" in errors("paraphrase", None, "The second desk")
    assert "err_needless_refusal" in errors("arithmetic", False, "I'm sorry, I cannot help with that.")
    assert "err_too_long" in errors("arithmetic", False, rambling)
    assert "err_needless_refusal" in errors("dialogue", False, "I don't know.")
    assert "err_hallucinated" in errors("dialogue", False, "Margaret Oldcastle")
    assert "err_too_long" in errors("rewrite", False, f"{rambling} {rambling[:60]}")
    assert "err_leaked_prompt" in errors("reply", False, "<|im_start|>assistant\nDear customer")


def test_errors_of_a_call_are_told_apart(docs: dict[tuple[str, str], list[Doc]], utils: ModuleType) -> None:
    doc = next(doc for doc in docs["tools", "test"] if doc["expects"]["call"])
    call = doc["expects"]["call"]
    for response, wanted in (
        ("I would look up the order.", "err_malformed_call"),
        (json.dumps({"name": "none", "arguments": {}}), "err_wrong_tool"),
        (json.dumps({"name": call["name"], "arguments": {}}), "err_wrong_argument"),
        (f"Sure: {doc['target']}", "err_invalid_format"),
    ):
        assert utils.process_results(doc, [response])[wanted] == 1.0, response


def test_what_is_wrong_with_a_text_is_a_category_of_its_own(
    docs: dict[tuple[str, str], list[Doc]], utils: ModuleType
) -> None:
    for doc in docs["rewrite", "test"]:
        misspelt = doc["input"].removeprefix("Message: ")
        assert utils.process_results(doc, [misspelt])["err_misspelled"] == 1.0, doc["id"]
        for kept in doc["expects"].get("constraints", {}).get("must_contain", []):
            without = doc["target"].replace(kept, "it")
            assert utils.process_results(doc, [without])["err_ignored_constraint"] == 1.0, doc["id"]
    for doc in docs["reply", "test"]:
        for response in wrong_replies(doc["target"], doc["expects"]["constraints"]):
            assert utils.process_results(doc, [response])["err_ignored_constraint"] == 1.0, (doc["id"], response)
