"""What lm-eval needs of the helpdesk domain: the documents, the prompt, the scoring.

lm-eval loads this file by its path, so it imports the installed package only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import classify_response_metrics
from harness.exceptions import InputError, did_you_mean
from harness.storage import read_jsonl

DATA = Path(__file__).resolve().parent / "data"
SPLITS = ("train", "validation", "test")
SKILLS = ("extraction", "routing", "grounded", "scope")

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
}

# Which error categories can occur and be judged: no fixed sentence to miss in the first two, no form to break in the
# others. `truncated` needs the finish reason, which lm-eval does not hand over.
_ALWAYS = ("wrong_answer", "empty", "too_long", "repetitive")
CATEGORIES = {
    "extraction": (*_ALWAYS, "invalid_format"),
    "routing": (*_ALWAYS, "invalid_format"),
    "grounded": (*_ALWAYS, "missed_refusal", "needless_refusal"),
    "scope": (*_ALWAYS, "missed_refusal", "needless_refusal"),
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
    found = {}
    for split in SPLITS:
        docs = read_jsonl(DATA / f"{skill}_{split}.jsonl")
        if skill == "routing":  # the same 24 names for each item stand once, here
            docs = [{**doc, "expects": {**doc["expects"], "labels": list(QUEUES)}} for doc in docs]
        found[split] = Dataset.from_list(docs)
    return found


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


def _fields(text: str) -> dict[str, Any] | None:
    """The one JSON object that ``text`` is, its strings stripped; None for anything else."""

    def no_key_twice(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError("a key is given more than once")
        return {key: value.strip() if isinstance(value, str) else value for key, value in pairs}

    try:
        value = json.loads(text.strip(), object_pairs_hook=no_key_twice)
    except (ValueError, RecursionError):  # responses are hostile input: a thousand opening brackets, too
        return None
    return value if isinstance(value, dict) else None


def score(doc: Mapping[str, Any], response: str) -> float:
    """1.0 for a right response, else 0.0.

    ``json``: the same object (order of keys and outer spaces of strings apart); ``label``: the same label (case, outer
    spaces and a closing full stop apart); ``text``: the target or one of ``accepted`` after `normalise`.
    """
    form, target = doc["expects"]["format"], doc["target"]
    if form == "json":
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
    errors = classify_response_metrics(f"helpdesk_{skill}", doc, doc_to_text(doc), doc["target"], response, correct)
    return {"exact_match": correct, **{f"err_{name}": errors[f"err_{name}"] for name in CATEGORIES[skill]}}
