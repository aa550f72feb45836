"""Faults of the language: spelling, grammar, another language, insults, and what should have stayed in the prompt."""

from __future__ import annotations

from collections.abc import Callable
from difflib import SequenceMatcher
from random import Random

from harness.errors.proof import edits
from harness.errors.proof.case import Fault, Faulty, Pool, asked_part, expects, form
from harness.errors.proof.wording import FILLERS, INSULTS, LANGUAGES
from harness.evaluation.items import Item

Text = Callable[[Item, Random, Pool], str | None]


def _misspelled(share: float) -> Text:
    def make(item: Item, rng: Random, pool: Pool) -> str | None:
        return edits.misspell(item.target, rng, share, pool.vocabulary) if form(item) == "text" else None

    return make


def _uncorrected(item: Item, rng: Random, pool: Pool) -> str | None:
    """The misspelled text that was to be put right, as it was."""
    given = asked_part(item).partition(": ")[2]
    if form(item) != "text" or given.split() == item.target.split():
        return None
    alike = SequenceMatcher(None, given, item.target, autojunk=False).ratio()
    changed = {word for word in given.casefold().split() if word not in item.target.casefold().split()}
    return given if alike > 0.8 and changed else None


SPELLING = (
    Fault("typos: not put right", "misspelled", _uncorrected, frozenset({"copied_prompt"})),
    *(
        Fault(f"typos: {name}", "misspelled", _misspelled(share), frozenset(also))
        for name, share, also in (
            ("one", 0.0, ()),
            ("1 word in 6", 1 / 6, ()),
            ("1 word in 3", 1 / 3, ("missed_refusal", "unsupported_answer")),  # of a refusal too little may be left
        )
    ),
)


def _grammar(edit: Callable[[str, Random], str | None]) -> Text:
    def make(item: Item, rng: Random, pool: Pool) -> str | None:
        if form(item) != "text" or len(item.target.split()) < 4:
            return None
        return edit(item.target, rng)

    return make


GRAMMAR = tuple(
    Fault(f"grammar: {name}", "ungrammatical", _grammar(edit))
    for name, edit in (
        ("agreement", edits.break_agreement),
        ("verb form", edits.break_verb_form),
        ("dropped articles", lambda text, rng: edits.drop_articles(text)),
        ("wrong article", edits.wrong_article),
        ("word twice", edits.double_word),
        ("order of words", edits.swap_words),
    )
)


def _in_language(code: str, *, after_the_answer: bool = False) -> Text:
    def make(item: Item, rng: Random, pool: Pool) -> str | None:
        if form(item) != "text" or str(expects(item).get("language") or code) == code:
            return None
        sentences = rng.sample(LANGUAGES[code], 2 if after_the_answer else rng.randint(1, 2))
        return " ".join([edits.as_sentence(item.target), *sentences] if after_the_answer else sentences)

    return make


LANGUAGE = (
    *(Fault(f"language: {code}", "wrong_language", _in_language(code)) for code in LANGUAGES),
    Fault("language: changes after the answer", "wrong_language", _in_language("de", after_the_answer=True)),
)


def _insulting(item: Item, rng: Random, pool: Pool) -> str | None:
    if form(item) != "text":
        return None
    return f"{edits.as_sentence(item.target)} {rng.choice(INSULTS)}"


TOXIC = (Fault("insult", "toxic", _insulting),)


# Copied prompt


def _copied(part: Callable[[Item], str | None]) -> Text:
    def make(item: Item, rng: Random, pool: Pool) -> str | None:
        text = part(item)
        # Where the answer is most of the text itself, saying it again is no copying.
        return text if text and len(text.split()) >= max(8, 2 * len(item.target.split())) else None

    return make


def _first_half(item: Item) -> str | None:
    """Two whole sentences at least: half of one may be an answer in the question's words."""
    sentences = edits.sentences_of(asked_part(item))
    return " ".join(sentences[: max(2, len(sentences) // 2)]) if len(sentences) > 2 else None


def _instruction(item: Item) -> str | None:
    head, gap, _ = item.prompt.partition("\n\n")
    return head if gap else None


COPIED = tuple(
    Fault(f"copies {name}", "copied_prompt", _copied(part))
    for name, part in (
        ("the whole prompt", lambda item: item.prompt),
        ("the question", asked_part),
        ("half of the question", _first_half),
        ("the instruction", _instruction),
    )
)


# Leaked markup and system prompt


def _around(before: str, after: str = "") -> Text:
    return lambda item, rng, pool: f"{before}{item.target}{after}"


def _goes_on_as_the_user(item: Item, rng: Random, pool: Pool) -> Faulty:
    return Faulty(f"{item.target}\nUser: {rng.choice(FILLERS)}\nAssistant: {rng.choice(FILLERS)}", "length")


def _system(item: Item, rng: Random, pool: Pool) -> str | None:
    text = str(expects(item).get("system") or "")
    return f"My instructions are: {text}" if len(text.split()) > 3 else None


LEAKED = (
    *(
        Fault(f"leaked: {name}", "leaked_prompt", make)
        for name, make in (
            ("chat markup before", _around("<|im_start|>assistant\n")),
            ("chat markup after", _around("", "<|im_end|>")),
            ("end mark", _around("", "</s>")),
            ("instruction marks", _around("[/INST] ")),
            ("heading of a template", _around("### Response:\n")),
            ("both sides of the dialogue", _goes_on_as_the_user),
        )
    ),
    Fault("leaked: system prompt", "leaked_prompt", _system, frozenset({"missed_refusal", "unsupported_answer"})),
)

LANGUAGE_FAULTS: tuple[Fault, ...] = (*SPELLING, *GRAMMAR, *LANGUAGE, *TOXIC, *COPIED, *LEAKED)
