"""An engine that asks the model only what the cache does not hold."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from harness.evaluation.cache import ResponseCache
from harness.evaluation.engine import (
    ENGINE_VERSION,
    Engine,
    Generation,
    GenerationRequest,
    Progress,
    Scoring,
    ScoringRequest,
)
from harness.exceptions import InputError
from harness.storage import canonical_json

_Request = GenerationRequest | ScoringRequest
_Answer = TypeVar("_Answer", Generation, Scoring)
# Fields of a request that are not in its key: texts, for which their exact tokens stand, and hints that change speed
# alone. Whatever field a request is given later is in the key, unless it is named here.
_TEXTS = {"prompt", "context", "continuation"}
_HINTS = {"group", "draft"}
_FIELDS: dict[type[Any], dict[str, Any]] = {kind: typing.get_type_hints(kind) for kind in (Generation, Scoring)}
_SIZES = ("batch_size", "chunk")  # of the inner engine: part of the measurement, halved when memory runs out


class CachedEngine:
    """An `Engine` that gives the answers of ``engine``, those that it gave before from the cache.

    The answer to a request must follow from its fields: one that samples needs its seed in them. Which rows share a
    batch depends on what is missing, so an answer may differ from the one without a cache in ties within rounding.

    Args:
        engine: asked for what is missing, in one call.
        scope: everything but the request that an answer depends on, as plain data: weights, adapter, dtype, ...
            The engine's kind, version and sizes are added to it.
        weights, name: the base model's hash and what its user calls it, for ``harness cache``.

    Attributes:
        hits: requests answered from the cache so far.
    """

    def __init__(self, engine: Engine, cache: ResponseCache, scope: Mapping[str, Any], weights: str, name: str) -> None:
        self.engine = engine
        self.hits = 0
        self._cache = cache
        self._scope = dict(scope)
        self._weights, self._name = weights, name

    @property
    def context_length(self) -> int:
        """The inner engine's."""
        return self.engine.context_length

    @property
    def batch_size(self) -> int | None:
        """The inner engine's, as memory has left it; ``None`` where it has none."""
        return getattr(self.engine, "batch_size", None)

    def count_tokens(self, text: str) -> int:
        """Tokens of ``text`` as a prompt."""
        return self.engine.count_tokens(text)

    def encode(self, request: _Request) -> tuple[list[int], int]:
        """As the inner engine does."""
        return self.engine.encode(request)

    def generate(self, requests: Sequence[GenerationRequest], progress: Progress | None) -> list[Generation]:
        """Greedy answers, in the order of ``requests``; what the inner engine raises comes out."""
        return self._answers(requests, Generation, self.engine.generate, progress)

    def loglikelihood(self, requests: Sequence[ScoringRequest], progress: Progress | None) -> list[Scoring]:
        """Log-probabilities, in the order of ``requests``; what the inner engine raises comes out."""
        return self._answers(requests, Scoring, self.engine.loglikelihood, progress)

    def loglikelihood_rolling(self, texts: Sequence[str], progress: Progress | None) -> list[float]:
        """Log-probability of each whole text in nats, from the inner engine each time.

        Raises:
            InputError: the inner engine scores no texts.
        """
        rolling = getattr(self.engine, "loglikelihood_rolling", None)
        if rolling is None:
            raise InputError("this engine cannot score plain text; use auto, harness or hf")
        found: list[float] = rolling(texts, progress)
        return found

    def _answers(
        self,
        requests: Sequence[Any],
        kind: type[_Answer],
        ask: Callable[[Sequence[Any], Progress | None], list[_Answer]],
        progress: Progress | None,
    ) -> list[_Answer]:
        digests = [request_digest(request, *self.engine.encode(request)) for request in requests]
        first: dict[bytes, Any] = {}
        for digest, request in zip(digests, requests, strict=True):
            first.setdefault(digest, request)  # the same request twice is asked once
        known: dict[bytes, _Answer] = {}
        asked: set[bytes] = set()
        while len(known) < len(first):
            scope = self._scope_digest()
            known |= self._look_up([digest for digest in first if digest not in known], scope, kind)
            missing = [digest for digest in first if digest not in known]
            answered = len(requests) - len(missing)
            if progress is not None and answered:
                progress(answered, len(requests))
            if not missing:
                break
            step = _behind(answered, len(requests), progress)
            answers = dict(zip(missing, ask([first[digest] for digest in missing], step), strict=True))
            # Memory ran out and the batch was halved: what was known is of another size, and one evaluation is made
            # at one size. It is looked up and asked again; what was just asked was begun again by the engine itself.
            if self._scope_digest() != scope:
                known, asked, scope = {}, set(), self._scope_digest()
            known |= answers
            asked |= answers.keys()
            payloads = {_key(digest, scope): _payload(answer) for digest, answer in answers.items()}
            self._cache.put({k: v for k, v in payloads.items() if v}, self._weights, self._name)
        self.hits += sum(digest not in asked for digest in digests)
        return [known[digest] for digest in digests]

    def _scope_digest(self) -> bytes:
        sizes = {name: getattr(self.engine, name, None) for name in _SIZES}
        whole = {"scope": self._scope, "engine": type(self.engine).__name__, "version": ENGINE_VERSION, "sizes": sizes}
        return hashlib.sha256(canonical_json(whole).encode("utf-8", "surrogatepass")).digest()

    def _look_up(self, digests: Sequence[bytes], scope: bytes, kind: type[_Answer]) -> dict[bytes, _Answer]:
        keys = {_key(digest, scope): digest for digest in digests}
        found = ((keys[key], _answer(payload, kind)) for key, payload in self._cache.get(list(keys)).items())
        return {digest: answer for digest, answer in found if answer is not None}


def request_digest(request: _Request, tokens: Sequence[int], scored: int) -> bytes:
    """SHA-256 of all of ``request`` that its answer depends on; ``tokens`` and ``scored`` stand for its texts."""
    fields = {k: v for k, v in dataclasses.asdict(request).items() if k not in _TEXTS | _HINTS}
    head = canonical_json([type(request).__name__, fields, scored, len(tokens)])
    digest = hashlib.sha256(head.encode("utf-8", "surrogatepass"))
    digest.update(b"\0" + array("q", tokens).tobytes())  # canonical JSON holds no NUL: where it ends is beyond doubt
    return digest.digest()


def _behind(answered: int, total: int, progress: Progress | None) -> Progress | None:
    return None if progress is None else lambda done, _: progress(answered + done, total)


def _key(digest: bytes, scope: bytes) -> bytes:
    return hashlib.sha256(scope + digest).digest()


def _payload(answer: Generation | Scoring) -> bytes:
    """JSON in UTF-8, lone surrogates kept; nothing for an answer that is not worth keeping."""
    values = dataclasses.asdict(answer)
    if not all(_fits(value, _FIELDS[type(answer)][name]) for name, value in values.items()):
        return b""  # NaN, of broken weights or a fault of the moment: asked again
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _answer(payload: bytes, kind: type[_Answer]) -> _Answer | None:
    """What ``payload`` says, or ``None`` where it is not exactly an answer of this kind."""
    try:
        values = json.loads(payload.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return None
    hints = _FIELDS[kind]
    if not isinstance(values, dict) or values.keys() != hints.keys():
        return None
    if not all(_fits(value, hints[name]) for name, value in values.items()):
        return None
    return kind(**values)


def _fits(value: Any, hint: Any) -> bool:
    if typing.get_origin(hint) is typing.Literal:
        return value in typing.get_args(hint)
    if hint is int:  # counts
        return type(value) is int and value >= 0
    return type(value) is hint and value == value  # no NaN
