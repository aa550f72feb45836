"""copied_prompt: the response gives the prompt back, word for word, where an answer is due."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from harness.errors.contract import ErrorLabel
from harness.errors.runs import HEAD, Run, shared_runs
from harness.errors.text import WORD, count_words, quote, sentence_spans
from harness.evaluation.items import ItemResult

RUN = 8  # words in a row that count as copied
RUN_OF_TARGET = 2  # words in a row that the target takes from the prompt
TAKEN = 0.5  # share of the target's words that stand in such runs, from which it is the prompt put otherwise
COPIED = 8  # copied words that the target does not take too, at least
UNCHANGED = 0.95  # share of the response's words that stand in such runs, from which a text to be changed is not
SHARE = 0.5  # of the response's words
LONG = 40  # copied words that are too many, whatever their share


_HEADING = re.compile(r"\s*\w+:\s")  # such as "Message: "


class CopiedPrompt:
    """Sees whole sentences of the prompt given back; excuses what the target repeats and the answer's own sentence."""

    name = "copied_prompt"
    version = "2"
    categories: tuple[str, ...] = ("copied_prompt",)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label over the longest run; confidence .5 to 1 with the share of the response that is copied."""
        if item.correct >= 1.0:
            return []
        runs = shared_runs(item.response, item.prompt, RUN)
        if not runs:
            return []
        total = max(1, count_words(item.response[:HEAD]))
        taken = _counted(item.target, shared_runs(item.target, item.prompt, RUN_OF_TARGET))
        put_otherwise = taken.total() >= TAKEN * count_words(item.target)
        if item.expectation.format == "label" or (
            put_otherwise and taken.total() >= RUN and _is_unchanged(max(run.words for run in runs), total)
        ):
            runs = [] if _is_excused(item) else runs
        else:
            sentences = list(_word_ranges(item.prompt[:HEAD]))
            runs = [run for run in runs if _is_a_copy(run, sentences, item)]
        words = _counted(item.response, runs)
        copied = words.total()
        if put_otherwise and not _is_unchanged(copied, total):
            copied = (words - taken).total()
        if copied < COPIED or (copied < SHARE * total and copied < LONG):
            return []
        longest = max(runs, key=lambda run: (run.words, -run.start))
        shown = quote(item.response[longest.start : longest.end])
        reason = f"{copied} of {total} words are copied from the prompt: {shown}"
        share = min(1.0, copied / total)
        return [ErrorLabel("copied_prompt", round(0.5 + 0.5 * share, 3), (longest.start, longest.end), reason)]


def _word_ranges(prompt: str) -> Iterator[tuple[int, int]]:
    """For each sentence of the prompt, where its first word begins and its last one ends."""
    for start, end in sentence_spans(prompt):
        heading = _HEADING.match(prompt, start, end)
        words = list(WORD.finditer(prompt, heading.end() if heading else start, end))
        if words:
            yield words[0].start(), words[-1].end()


def _is_excused(item: ItemResult) -> bool:
    """Whether the response is the target, or a part of the passage or of the refusal sentence.

    Where a label is asked for, or a text that was to be changed comes back unchanged, nothing else excuses so many
    words of the prompt in a row.
    """
    text = item.response.strip(" .!?\n").casefold()
    excused = (item.expectation.context, item.expectation.refusal_sentence, item.target)
    return any(text in (other or "").casefold() for other in excused)


def _is_unchanged(copied: int, total: int) -> bool:
    return copied >= UNCHANGED * total


def _is_a_copy(run: Run, sentences: list[tuple[int, int]], item: ItemResult) -> bool:
    """Whether a run is more than an answer in the question's words: at least one sentence of the prompt, whole.

    One sentence alone is an answer, though a long one, where it holds the target or is one of the passage.
    """
    whole = [(start, end) for start, end in sentences if run.source_start <= start and end <= run.source_end]
    if len(whole) != 1:
        return len(whole) > 1
    piece = item.prompt[whole[0][0] : whole[0][1]]
    target = item.target.strip(" .!?\n").casefold()
    context = item.expectation.context
    return not (target and target in piece.casefold()) and not (context is not None and piece in context)


def _counted(text: str, runs: list[Run]) -> Counter[str]:
    return Counter(match.group().casefold() for run in runs for match in WORD.finditer(text, run.start, run.end))
