"""A model's chat template, as lm-eval calls it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.evaluation.domain import ChatTemplate


def chat_template_of(tokenizer: Any) -> ChatTemplate | None:
    """The tokenizer's chat template as a function of messages; ``None`` where it has none."""
    return functools.partial(_render, tokenizer) if getattr(tokenizer, "chat_template", None) else None


def _render(tokenizer: Any, messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
    # As lm-eval's HFLM.apply_chat_template does, so that both render the same prompt.
    return str(
        tokenizer.apply_chat_template(
            messages,
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            continue_final_message=not add_generation_prompt,
        )
    )
