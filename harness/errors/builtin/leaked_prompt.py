"""leaked_prompt: the response shows what stands behind the conversation: chat markup, roles, the system's text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.errors.contract import ErrorLabel
from harness.errors.runs import Run, longest_run
from harness.errors.text import quote
from harness.evaluation.items import ItemResult

HEAD = 20_000  # characters looked at
MOST_LABELS = 10
SYSTEM_WORDS = 8  # of the system's text in a row; all of it where it has fewer

# Marks that no prose has, from the chat templates of ChatML, Llama 2 and 3, Gemma, Phi, Mistral and DeepSeek.
_MARKUP = re.compile(
    r"<\|[a-zA-Z][\w ]{0,40}\|>|<\uff5c[^\uff5c<>\n]{1,40}\uff5c>|\[/?INST\]|<</?SYS>>|</?start_of_turn>|<end_of_turn>"
    r"|\[/?(?:AVAILABLE_TOOLS|TOOL_CALLS|SYSTEM_PROMPT)\]|(?<![<\w])</?s>(?=\s|\Z|\[|<)"
)
# Headings of instruction sets, and roles at the beginning of a line. "System:" may be a heading of an honest answer.
_HEADING = re.compile(
    r"^[ \t]*+#{2,4}[ \t]*+(?:Instructions?|Response|Input|System|User|Assistant|Human|Output)[ \t]*+:?[ \t]*+$"
    r"|^[ \t]*+#{2,4}[ \t]*+(?:Instruction|Response|Input|System|User|Assistant|Human)[ \t]*+:",
    re.MULTILINE | re.IGNORECASE,
)
_ROLE = re.compile(r"^[ \t]*+(?:system|user|assistant|human)[ \t]*+(?::|$)", re.MULTILINE | re.IGNORECASE)
_CERTAIN, _HEADED, _ONE_ROLE, _TURNS = 1.0, 0.9, 0.6, 0.9


class LeakedPrompt:
    """Sees chat markup, instruction headings, role lines and the system's text; excuses what the target shows too."""

    name = "leaked_prompt"
    version = "1"
    categories: tuple[str, ...] = ("leaked_prompt",)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label a mark, at most ten, and one for the system's text."""
        response = item.response[:HEAD]
        labels = [label for label in _marks(response) if not _excused(label, item)][:MOST_LABELS]
        shown = _system_text(response, item)
        if shown is not None:
            reason = f"{shown.words} words of the system's text: {quote(response[shown.start : shown.end])}"
            labels.append(ErrorLabel("leaked_prompt", _CERTAIN, (shown.start, shown.end), reason))
        return labels


def _marks(response: str) -> Iterator[ErrorLabel]:
    for pattern, what, confidence in ((_MARKUP, "chat markup", _CERTAIN), (_HEADING, "heading", _HEADED)):
        for match in pattern.finditer(response):
            yield ErrorLabel("leaked_prompt", confidence, match.span(), f"{what} {quote(match.group().strip())}")
    roles = list(_ROLE.finditer(response))
    confidence = _TURNS if len({match.group().strip(" \t:").lower() for match in roles}) > 1 else _ONE_ROLE
    for match in roles:
        yield ErrorLabel("leaked_prompt", confidence, match.span(), f"role {quote(match.group().strip())}")


def _excused(label: ErrorLabel, item: ItemResult) -> bool:
    """Whether the target has the mark too; and markup that the prompt is about, as it names it itself."""
    assert label.span is not None
    mark = item.response[label.span[0] : label.span[1]].strip()
    return mark in item.target or (label.confidence == _CERTAIN and mark in item.prompt)


def _system_text(response: str, item: ItemResult) -> Run | None:
    system = item.expectation.system
    if not system:
        return None
    return longest_run(response, system, at_least=SYSTEM_WORDS, unless_in=(item.target, item.prompt))
