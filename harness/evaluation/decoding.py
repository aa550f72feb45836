"""What every engine over a transformers model does alike: tokenising, and knowing when an answer has ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.evaluation.engine import GenerationRequest, ScoringRequest
from harness.evaluation.items import FinishReason


def encode_prompt(tokenizer: Any, text: str) -> list[int]:
    """Token ids of a prompt, at least one; special tokens as lm-eval's HFLM adds them.

    The tokenizer's own (a BOS, for models that have one), unless the chat template has already written it. A prompt
    without a token becomes the tokenizer's first (or else last) token.
    """
    return _encode(tokenizer, text) or _first(tokenizer)


def encode_pair(tokenizer: Any, context: str, continuation: str) -> tuple[list[int], int]:
    """Token ids of context and continuation, and how many of them are the continuation's, at least one.

    Split as lm-eval does (its ``TemplateLM._encode_pair``): trailing spaces of the context move to the continuation,
    and the pair is tokenised as one text. Where nothing stands before the continuation, the tokenizer's first (or else
    last) token does, so that the first token of the continuation has a probability too.
    """
    trailing = len(context) - len(context.rstrip())
    if trailing:
        context, continuation = context[:-trailing], context[-trailing:] + continuation
    whole, head = _encode(tokenizer, context + continuation), _encode(tokenizer, context)
    if not head:
        head = _first(tokenizer)
        whole = whole if whole[:1] == head else head + whole
    answer = max(1, len(whole) - len(head))
    return (whole if len(whole) > answer else _first(tokenizer) + whole), answer


def windows(
    tokenizer: Any, texts: Sequence[str], max_length: int
) -> tuple[list[int], list[tuple[list[int], list[int]]]]:
    """Texts cut into (context, continuation) windows as lm-eval's ``loglikelihood_rolling`` cuts them.

    Each token is predicted once; the windows are disjoint but for one token of context, the last one reaches back as
    far as it fits.

    Returns:
        for each window the place of its text, and the windows; a text without a token has none.
    """
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

    owners, cut = [], []
    for place, text in enumerate(texts):
        for pair in get_rolling_token_windows(_encode(tokenizer, text), _first(tokenizer)[0], max_length, 1):
            owners.append(place)
            cut.append(make_disjoint_window(pair))
    return owners, cut


def encode_request(tokenizer: Any, request: GenerationRequest | ScoringRequest) -> tuple[list[int], int]:
    """`Engine.encode`: a prompt has no scored tokens, a pair those of its continuation."""
    if isinstance(request, GenerationRequest):
        return encode_prompt(tokenizer, request.prompt), 0
    return encode_pair(tokenizer, request.context, request.continuation)


def _encode(tokenizer: Any, text: str) -> list[int]:
    begun = bool(tokenizer.bos_token) and text.startswith(tokenizer.bos_token)
    return list(tokenizer.encode(text, add_special_tokens=not begun))


def _first(tokenizer: Any) -> list[int]:
    bos = tokenizer.bos_token_id
    return [tokenizer.eos_token_id if bos is None else bos]


def context_length(config: Any) -> int:
    """Longest sequence in tokens that a model's configuration allows; a very large number where it does not say."""
    return int(getattr(config.get_text_config(), "max_position_embeddings", None) or 1 << 30)


class Decoder:
    """Turns token ids into answers and says when one has ended.

    Args:
        model: its generation configuration names end tokens.
        tokenizer: its own end token ends an answer too.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        named = getattr(model.generation_config, "eos_token_id", None)
        ends = named if isinstance(named, list) else [named]
        self._special = dict(zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True))
        self.ends = {token for token in [*ends, tokenizer.eos_token_id] if token is not None}

    def finished(self, tokens: Sequence[int], until: Sequence[str], limit: int) -> tuple[str, FinishReason] | None:
        """The answer and its finish reason, or ``None`` while it goes on.

        Args:
            tokens: the answer so far, at least one.
            until: stop strings; the answer ends before the first that occurs.
            limit: most tokens of an answer, end token included.
        """
        if tokens[-1] in self.ends or tokens[-1] in self._stops(until):
            return cut(self._text(tokens[:-1]), until)[0], "stop"
        full = len(tokens) >= limit
        if until or full:
            text, stopped = cut(self._text(tokens), until)
            if stopped:
                return text, "stop"
            if full:
                return text, "length"
        return None

    def _stops(self, until: Sequence[str]) -> set[int]:
        """Special tokens among the stop strings: they never show in an answer's text."""
        return {self._special[stop] for stop in until if stop in self._special}

    def _text(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False))


def cut(text: str, until: Sequence[str]) -> tuple[str, bool]:
    """``text`` before the first stop string, and whether there was one."""
    places = [place for place in (text.find(stop) for stop in until if stop) if place >= 0]
    return (text[: min(places)], True) if places else (text, False)
