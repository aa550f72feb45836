"""Answers that are no answers: nothing, always the same redirection, always the commonest label.

A score alone can be fooled by these: always redirecting gets every item right that asks for a redirection, and an error
category such as "too long" is cured by saying nothing. A skill's answers are degenerate when nine in ten of them are
empty or the same, the model before did not do so, and the gold answers do not either.

What follows depends on what it cost. A model that is only beginning to learn does this too: from an untouched model
that gets nothing right in a skill, the first candidates of real runs gave one label to all of its items, lost nothing,
and were rightly promoted for what they had learned elsewhere. So:

- it *blocks* where the model before knew better: of the items that the one answer cannot be right on, it had at least
  one in ten more right. Empty answers where next to no gold is empty block always: nobody learns by way of them.
- else what it brought does not count: the candidate must be better on the items of the other skills alone. A model that
  knew nothing loses nothing, but one answer for all items is no gain either.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.evaluation.choices import GREEDY
from harness.evaluation.items import ItemResult

MOST = 0.9
"""Share of a skill's answers that must be alike."""
GOLDS = 2 / 3
"""Share of golds up to which one answer for all is degenerate; where more of them are alike it is a fair guess."""
COST = 0.1
"""Share of the items that the one answer cannot be right on, net, that the model before had right."""
RARE = 0.1
"""Share of empty golds below which empty answers block whatever they cost."""
FEWEST = 20
"""Items of a skill below which nothing is concluded."""


@dataclass(frozen=True)
class Degenerate:
    """A skill whose answers are no answers.

    Attributes:
        kind: ``empty``, ``redirects`` (a redirection or refusal sentence that the domain declares) or ``constant``.
        answer: what it answers, without case, outer punctuation and repeated spaces.
        n: items of the skill.
        share, before, gold: share of answers that are this one; of the model before that were *its* commonest one
            (for ``empty``: that were empty); of golds that are this one.
        lost: right answers lost, net, among the items that this answer cannot be right on.
        blocks: whether the candidate must be rejected for it; else the skill is left out of what it gained.
    """

    skill: str
    kind: Literal["empty", "redirects", "constant"]
    answer: str
    n: int
    share: float
    before: float
    gold: float
    lost: float
    blocks: bool

    @property
    def reason(self) -> str:
        """One clause for the report."""
        what = {
            "empty": "answers nothing",
            "redirects": f"always redirects ('{self.answer}')",
            "constant": f"always answers '{self.answer}'",
        }[self.kind]
        return (
            f"{what} in {self.skill}: {self.share:.0%} of {self.n} answers "
            f"(before {self.before:.0%}, golds {self.gold:.0%})"
        )


def degenerate(before: Sequence[ItemResult], after: Sequence[ItemResult]) -> list[Degenerate]:
    """The skills in which a candidate's answers are degenerate, by skill.

    Args:
        before: the champion's answers.
        after: the candidate's to the same items, in any order.
    """
    old = {result.item_id: result for result in before}
    sentences = _sentences(after)
    members: dict[str, list[tuple[ItemResult, ItemResult]]] = {}
    for result in after:
        if result.item_id in old and GREEDY not in result.metrics:  # a scored continuation is no answer to repeat
            members.setdefault(result.skill, []).append((old[result.item_id], result))
    found = (_skill(skill, pairs, sentences) for skill, pairs in sorted(members.items()) if len(pairs) >= FEWEST)
    return [each for each in found if each is not None]


def _sentences(results: Iterable[ItemResult]) -> tuple[str, ...]:
    raw = {(result.doc.get("expects") or {}).get("refusal_sentence") for result in results}
    return tuple(sorted(_plain(sentence) for sentence in raw if sentence and _plain(sentence)))


def _plain(text: str) -> str:
    """Without case, repeated spaces and outer punctuation; nothing where there is no letter and no digit."""
    if not any(map(str.isalnum, text)):
        return ""
    return re.sub(r"\s+", " ", text).strip(" .,;:!?\"'`*").casefold()


def _skill(skill: str, pairs: Sequence[tuple[ItemResult, ItemResult]], sentences: tuple[str, ...]) -> Degenerate | None:
    n = len(pairs)

    def answer_of(text: str) -> str:
        plain = _plain(text)
        return next((sentence for sentence in sentences if plain.startswith(sentence)), plain)

    answers = [answer_of(new.response) for _, new in pairs]
    answer, count = Counter(answers).most_common(1)[0]
    if count < MOST * n:
        return None
    earlier = Counter(answer_of(old.response) for old, _ in pairs)
    was = earlier[""] if not answer else max(earlier.values())
    golds = [answer_of(new.target) == answer for _, new in pairs]
    if was >= MOST * n or sum(golds) > GOLDS * n:
        return None
    others = [old.correct - new.correct for (old, new), gold in zip(pairs, golds, strict=True) if not gold]
    lost = sum(others)
    gold = sum(golds) / n
    return Degenerate(
        skill=skill,
        kind="empty" if not answer else "redirects" if answer in sentences else "constant",
        answer=answer[:80],
        n=n,
        share=count / n,
        before=was / n,
        gold=gold,
        lost=lost,
        blocks=lost >= COST * len(others) or (not answer and gold < RARE),
    )
