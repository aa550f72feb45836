"""What lm-eval needs of the helpdesk domain: the documents, the prompt, the scoring.

lm-eval loads this file by its path, so it imports the installed package only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.curation.overlap import CANARY
from harness.errors import classify_response_metrics
from harness.errors.text import count_words
from harness.exceptions import InputError, did_you_mean
from harness.storage import read_jsonl

DATA = Path(__file__).resolve().parent / "data"
SPLITS = ("train", "validation", "test")
SKILLS = (
    "extraction", "routing", "grounded", "scope", "tools", "rewrite", "reply", "arithmetic", "paraphrase", "dialogue",
)  # fmt: skip

QUEUES = (
    "refund-status", "refund-request", "exchange", "return-label", "delivery-tracking", "delivery-missing",
    "delivery-damage", "delivery-address", "wrong-item", "missing-part", "order-cancel", "order-change",
    "payment-failed", "double-charge", "invoice", "voucher", "warranty-claim", "paid-repair", "spare-parts",
    "setup-help", "fault-diagnosis", "safety", "account-access", "privacy",
)  # fmt: skip

INSTRUCTIONS = {
    "extraction": (
        "Read the message to the Norrvale support desk. Answer with one JSON object and nothing else. Its keys: name "
        "(the customer whose order it is), order (number of the order in question), product (its model), serial (of "
        "that product), wants (refund, replacement or repair). Use null for what the message does not tell."
    ),
    "routing": (
        "Sort the message to the Norrvale support desk into one queue. Answer with the name of the queue alone.\n"
        f"Queues: {', '.join(QUEUES)}"
    ),
    "grounded": (
        "Answer the question from the policy alone, in a few words taken from it. If the policy does not say, answer "
        "exactly: {sentence}"
    ),
    "scope": (
        "You are the support desk of Norrvale. Answer a question about Norrvale's products and service in a few words "
        "from the note. To any other question, answer exactly: {sentence}"
    ),
    "tools": (
        "Choose the tool that does what the message to the Norrvale support desk asks for. Answer with one JSON object "
        'and nothing else: {{"name": the tool, "arguments": {{its parameters with their values from the message}}}}. '
        'If no tool does it, answer {{"name": "none", "arguments": {{}}}}.'
    ),
    "rewrite": (
        "Correct the spelling of the message to the Norrvale support desk. Change nothing else, and answer with the "
        "corrected message alone."
    ),
    "reply": (
        "Write a polite reply from the Norrvale support desk. Begin with Dear and the customer's name, give each fact "
        "word for word, and end with Kind regards, Norrvale. Never tell what is internal. Stay within the limit."
    ),
    "arithmetic": (
        "Work out what a customer of Norrvale asks for. Answer with the result alone: a sum like 7 euros, a number of "
        "days like 7 days, or a date like 7 April."
    ),
    "paraphrase": (
        "Each desk of Norrvale has a duty. Answer with the city of the desk that the message is for, and nothing else."
    ),
    "dialogue": (
        "Read the talk of a customer with the Norrvale support desk. Answer the customer's last question in a few "
        "words taken from the talk."
    ),
}

# What the answer must stand on, by the label of the line at which that ends; added on loading.
_CONTEXT_ENDS = {"grounded": "\nQuestion:", "scope": "\nQuestion:", "dialogue": "\nCustomer:"}

# Which error categories can occur and be judged. `truncated` needs the finish reason and `inconsistent` the other item
# of the pair: lm-eval hands over neither.
_ALWAYS = ("wrong_answer", "empty", "too_long", "repetitive", "leaked_prompt", "copied_prompt")
_WORDS = ("hallucinated", "misspelled")
_WRITTEN = (*_ALWAYS, *_WORDS, "needless_refusal", "wrong_language", "ignored_constraint")
CATEGORIES = {
    "extraction": (*_ALWAYS, "invalid_format", "hallucinated"),
    "routing": (*_ALWAYS, "invalid_format"),
    "grounded": (*_ALWAYS, *_WORDS, "needless_refusal", "unsupported_answer"),
    "scope": (*_ALWAYS, *_WORDS, "needless_refusal", "missed_refusal"),
    "tools": (*_ALWAYS, "invalid_format", "malformed_call", "wrong_tool", "wrong_argument"),
    "rewrite": _WRITTEN,
    "reply": _WRITTEN,
    "arithmetic": (*_ALWAYS, "needless_refusal"),
    "paraphrase": (*_ALWAYS, "invalid_format"),
    "dialogue": (*_ALWAYS, *_WORDS, "needless_refusal"),
}


def load(skill: str, **_: object) -> dict[str, Any]:
    """The three splits of a skill as `datasets.Dataset`; the target of ``custom_dataset`` in the task files.

    Args:
        skill: one of `SKILLS`, from the task file's ``dataset_kwargs``.
        _: what lm-eval adds of its own (the task's metadata, and the model arguments of the command line).

    Raises:
        InputError: unknown skill, or a data file that is malformed.
    """
    from datasets import Dataset

    if skill not in SKILLS:
        raise InputError(f"helpdesk has no skill '{skill}'.{did_you_mean(skill, SKILLS)}")
    complete = _completed(skill)
    found = {}
    for split in SPLITS:
        docs = [complete(doc) for doc in read_jsonl(DATA / f"{skill}_{split}.jsonl")]
        if split != "train":  # no part of the prompt: training text that holds it was made from these documents
            docs = [{**doc, "canary": CANARY} for doc in docs]
        # A table has one set of keys for all rows; as text, each document keeps its own.
        rows = [{**doc, "expects": json.dumps(doc["expects"])} for doc in docs]
        found[split] = Dataset.from_list(rows).with_transform(_documents)
    return found


def _documents(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Columns of the table as columns of documents."""
    return {**batch, "expects": [json.loads(text) for text in batch["expects"]]}


def _completed(skill: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """What adds to a line of data that which stands once for all: labels, documentation of tools, the context."""
    tools = {tool["name"]: tool for tool in read_jsonl(DATA / "tools.jsonl")} if skill == "tools" else {}

    def complete(doc: Mapping[str, Any]) -> dict[str, Any]:
        expects = dict(doc["expects"])
        if skill == "routing":
            expects["labels"] = list(QUEUES)
        if skill == "tools":
            expects["tools"] = [tools[name] for name in expects["tools"]]
        if skill in _CONTEXT_ENDS:
            expects["context"] = doc["input"].rpartition(_CONTEXT_ENDS[skill])[0]
        if skill == "grounded":
            expects["answerable"] = not expects["refusal"]
        return {**doc, "expects": expects}

    return complete


def complete_doc(doc: Mapping[str, Any]) -> dict[str, Any]:
    """A line of data as `load` would have it; the hook of ``harness data extend``."""
    if doc.get("skill") not in SKILLS:
        raise InputError(f"helpdesk has no skill '{doc.get('skill')}'.{did_you_mean(str(doc.get('skill')), SKILLS)}")
    return _completed(doc["skill"])(doc)


def doc_to_text(doc: Mapping[str, Any]) -> str:
    """The user's turn: the instruction that the whole skill shares, then the item."""
    sentence = doc["expects"].get("refusal_sentence")
    return f"{INSTRUCTIONS[doc['skill']].format(sentence=sentence)}\n\n{doc['input']}"


def normalise(text: str) -> str:
    """Short answers are compared without case, spacing, closing punctuation and a leading article."""
    words = text.casefold().split()
    if len(words) > 1 and words[0] in ("a", "an", "the"):
        words = words[1:]
    return " ".join(words).rstrip(" .,;:!?")


def _fields(text: str) -> str | None:
    """The one JSON object that ``text`` is, in canonical form and its strings stripped; None for anything else."""

    def no_key_twice(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError("a key is given more than once")
        return {key: value.strip() if isinstance(value, str) else value for key, value in pairs}

    try:
        value = json.loads(text.strip(), object_pairs_hook=no_key_twice)
        return json.dumps(value, sort_keys=True) if isinstance(value, dict) else None  # as text, 1 and true differ
    except (ValueError, RecursionError):  # responses are hostile input: a thousand opening brackets, too
        return None


def keeps(constraints: Mapping[str, Any], response: str) -> bool:
    """Whether ``response`` keeps to an item's constraints; case and line breaks in its text do not count."""
    text = " ".join(response.split()).casefold()
    return (
        count_words(response) <= constraints["max_words"]
        and all(" ".join(part.split()).casefold() in text for part in constraints["must_contain"])
        and not any(part.casefold() in text for part in constraints["must_not_contain"])
    )


def score(doc: Mapping[str, Any], response: str) -> float:
    """1.0 for a right response, else 0.0.

    reply: all of its constraints hold (`keeps`); rewrite: the target, spacing apart; else by the item's format:
    ``json``, the same object (order of keys and outer spaces of strings apart); ``label``, the same label (case, outer
    spaces and a closing full stop apart); ``text``, the target or one of ``accepted`` after `normalise`.
    """
    form, target = doc["expects"]["format"], doc["target"]
    if doc["skill"] == "reply":
        right = keeps(doc["expects"]["constraints"], response)
    elif doc["skill"] == "rewrite":
        right = response.split() == target.split()
    elif form == "json":
        fields = _fields(response)
        right = fields is not None and fields == _fields(target)
    elif form == "label":
        right = response.strip().casefold().removesuffix(".").rstrip() == target.casefold()
    else:
        right = normalise(response) in {normalise(form) for form in (target, *doc["accepted"])}
    return float(right)


def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """lm-eval's hook: ``exact_match`` and ``err_<category>`` for the categories of the skill, each 0.0 or 1.0."""
    skill, response = doc["skill"], results[0]
    correct = score(doc, response)
    errors = classify_response_metrics(
        f"helpdesk_{skill}", doc, doc_to_text(doc), doc["target"], response, correct, categories=CATEGORIES[skill]
    )
    return {"exact_match": correct, **errors}
