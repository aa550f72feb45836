"""The fast engine: greedy decoding and scoring where a set of prompts is one piece of work.

Long beginnings that prompts share are computed once (`harness.evaluation.prefix`); prompts are run packed, without
padding, in chunks that stay within the processor's caches; rows that have finished leave, and waiting ones take their
slots. Answers are those of greedy decoding one row at a time, but for ties within rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch

from harness.evaluation.decoding import Decoder, context_length, encode_pair, encode_prompt, encode_request
from harness.evaluation.engine import Generation, GenerationRequest, Progress, Scoring, ScoringRequest
from harness.evaluation.pooled_attention import Block, Decode, Prefill, Slots, TrunkCache, forward
from harness.evaluation.prefix import Row, Segment, Trunk, segments, trunks
from harness.exceptions import EnvironmentFault, is_out_of_memory

_Result = TypeVar("_Result")
_Finished = Callable[[int, _Result], None]
CHUNK = 2_048
"""Tokens of prompts run together: beyond 2,500 a CPU spends its time on memory."""
_LEAST_CHUNK = 64
_SEGMENT = 256  # tokens that attend to one another in one product; larger ones waste work on what they may not see
_SLOT_TOKENS = 32_768  # tokens for which slots are held at most, where more than one row fits
_SCORED = 512  # positions whose logits are held at a time, where more than one segment fits


@dataclass
class _Live:
    """A row that is being decoded; its place in the list of live rows is its slot."""

    row: Row
    trunk: TrunkCache
    length: int  # tokens in its slot
    new: list[int] = field(default_factory=list)


class PooledEngine:
    """An `Engine` over one causal model of transformers that `answers_alike` accepts.

    Args:
        model: a causal language model, or a PEFT wrapper of one.
        tokenizer: its tokenizer.
        batch_size: most rows decoded together.
        chunk: tokens of prompts run together.
        on_notice: told in one line when memory forced smaller numbers.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        batch_size: int = 64,
        chunk: int = CHUNK,
        on_notice: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.chunk = chunk
        self.on_notice = on_notice
        self._decoder = Decoder(model, tokenizer)

    @property
    def context_length(self) -> int:
        """Longest prompt plus answer in tokens."""
        return context_length(self.model.config)

    def count_tokens(self, text: str) -> int:
        """Tokens of ``text`` as a prompt."""
        return len(encode_prompt(self.tokenizer, text))

    def encode(self, request: GenerationRequest | ScoringRequest) -> tuple[list[int], int]:
        """Token ids of ``request``, and how many of them are scored."""
        return encode_request(self.tokenizer, request)

    def generate(self, requests: Sequence[GenerationRequest], progress: Progress | None) -> list[Generation]:
        """Greedy answers, in the order of ``requests``.

        Raises:
            EnvironmentFault: memory runs out even with one row at a time.
        """
        rows = []
        for index, request in enumerate(requests):
            tokens = encode_prompt(self.tokenizer, request.prompt)
            rows.append(Row(index, tuple(tokens), len(tokens) - 1))
        return self._until_done(rows, lambda finished: self._decode_all(rows, requests, finished), progress)

    def loglikelihood(self, requests: Sequence[ScoringRequest], progress: Progress | None) -> list[Scoring]:
        """Log-probabilities, in the order of ``requests``; split as `encode_pair` does.

        Raises:
            EnvironmentFault: memory runs out even with one row at a time.
        """
        rows, answers = [], []
        for index, request in enumerate(requests):
            whole, answer = encode_pair(self.tokenizer, request.context, request.continuation)
            rows.append(Row(index, tuple(whole), len(whole) - answer - 1))
            answers.append(answer)
        return self._until_done(rows, lambda finished: self._score_all(rows, answers, finished), progress)

    def _until_done(
        self, rows: list[Row], work: Callable[[_Finished[_Result]], None], progress: Progress | None
    ) -> list[_Result]:
        """The results of ``work``, which is done again with half the rows and tokens when memory runs out.

        From the start again, since the sizes are part of the measurement.
        """
        while True:
            done: dict[int, _Result] = {}

            def finished(index: int, result: _Result, done: dict[int, _Result] = done) -> None:
                done[index] = result
                if progress is not None:
                    progress(len(done), len(rows))

            try:
                with torch.inference_mode():
                    work(finished)
                return [done[index] for index in range(len(rows))]
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(error)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _halve(self, error: BaseException) -> None:
        if self.batch_size == 1 and self.chunk <= _LEAST_CHUNK:
            raise EnvironmentFault(
                "out of memory with one item at a time; use a smaller model, qlora or shorter items"
            ) from error
        self.batch_size = max(1, self.batch_size // 2)
        self.chunk = max(_LEAST_CHUNK, self.chunk // 2)
        self.on_notice(f"out of memory: evaluation batch halved to {self.batch_size}")

    # Answers

    def _decode_all(
        self, rows: list[Row], requests: Sequence[GenerationRequest], finished: _Finished[Generation]
    ) -> None:
        plan = list(self._plan(rows))
        below = [(row, len(row.tokens) - len(trunk.tokens)) for trunk in plan for row in trunk.rows]
        need = max((own + requests[row.index].max_new_tokens for row, own in below), default=1)
        count = max(1, min(len(rows), self.batch_size, _SLOT_TOKENS // need))
        slots = Slots(count, need)
        caches = _Trunks(self.model, self.chunk)
        queue = self._queue(plan, count)
        live: list[_Live] = []
        while queue or live:
            if queue and len(live) <= count // 2:
                chosen = _admit(queue, self.chunk, count - len(live), lambda segment: len(segment.rows))
                if chosen:
                    live += self._enter(chosen, caches, slots, len(live))
                    self._leave(live, slots, requests, finished)
                    continue
            run = Decode(slots, [one.length for one in live], [one.trunk for one in live], self.model.device)
            tokens = [one.new[-1] for one in live]
            positions = [one.trunk.length + one.length for one in live]
            picked = forward(self.model, run, tokens, positions, range(len(live))).argmax(-1).tolist()
            for one, token in zip(live, picked, strict=True):
                one.length += 1
                one.new.append(token)
            self._leave(live, slots, requests, finished)

    def _enter(self, chosen: Sequence[tuple[Trunk, Segment]], caches: _Trunks, slots: Slots, first: int) -> list[_Live]:
        """Run prompts into the slots from ``first`` on, and pick each row's first token."""
        blocks, tokens, positions = _blocks(chosen, caches, first)
        ends = [b.start + path[-1] for b, (_, s) in zip(blocks, chosen, strict=True) for path in s.paths]
        picked = iter(forward(self.model, Prefill(blocks, slots), tokens, positions, ends).argmax(-1).tolist())
        return [
            _Live(row, block.trunk, len(path), [next(picked)])
            for block, (_, segment) in zip(blocks, chosen, strict=True)
            for row, path in zip(segment.rows, segment.paths, strict=True)
        ]

    def _leave(
        self,
        live: list[_Live],
        slots: Slots,
        requests: Sequence[GenerationRequest],
        finished: _Finished[Generation],
    ) -> None:
        """Take finished rows out; the last ones move into their slots."""
        for place in range(len(live) - 1, -1, -1):
            one = live[place]
            request = requests[one.row.index]
            outcome = self._decoder.finished(one.new, request.until, request.max_new_tokens)
            if outcome is None:
                continue
            text, reason = outcome
            last = live.pop()
            if last is not one:
                slots.move(len(live), place, last.length)
                live[place] = last
            finished(one.row.index, Generation(text, reason, len(one.row.tokens), len(one.new)))

    # Scores

    def _score_all(self, rows: list[Row], answers: Sequence[int], finished: _Finished[Scoring]) -> None:
        queue = self._queue(self._plan(rows), None)
        caches = _Trunks(self.model, self.chunk)
        while queue:
            chosen = _admit(queue, self.chunk, _SCORED, lambda segment: sum(answers[row.index] for row in segment.rows))
            chosen = chosen or [queue.pop()]
            blocks, tokens, positions = _blocks(chosen, caches, None)
            places = [
                [block.start + place for place in path[-answers[row.index] - 1 : -1]]
                for block, (_, segment) in zip(blocks, chosen, strict=True)
                for row, path in zip(segment.rows, segment.paths, strict=True)
            ]
            keep = sorted({place for path in places for place in path})
            at = {place: number for number, place in enumerate(keep)}
            logprobs = forward(self.model, Prefill(blocks), tokens, positions, keep).log_softmax(-1)
            for row, path in zip((row for _, segment in chosen for row in segment.rows), places, strict=True):
                answer = answers[row.index]
                own = logprobs[[at[place] for place in path]]  # (answer, vocabulary)
                targets = torch.tensor(row.tokens[-answer:], device=own.device)
                score = float(own.gather(1, targets[:, None]).sum())
                greedy = bool((own.argmax(-1) == targets).all())
                finished(row.index, Scoring(score, greedy, answer, len(row.tokens) - answer))

    # Prompts

    def _plan(self, rows: list[Row]) -> Iterator[Trunk]:
        """Trunks with their rows; a row with more than a chunk below its trunk gets one of its own, run in parts."""
        for trunk in trunks(rows):
            depth = len(trunk.tokens)
            short = tuple(row for row in trunk.rows if len(row.tokens) - depth <= self.chunk)
            if short:
                yield Trunk(trunk.tokens, short, trunk.parent)
            above = Trunk(trunk.tokens, (), trunk.parent) if trunk.tokens else None
            for row in trunk.rows:
                if len(row.tokens) - depth > self.chunk:
                    yield Trunk(row.tokens[: row.shareable], (row,), above)

    def _queue(self, plan: Iterable[Trunk], most: int | None) -> list[tuple[Trunk, Segment]]:
        """All segments, the first one last, with ``most`` rows at most."""
        size = min(_SEGMENT, self.chunk)
        return [(trunk, segment) for trunk in plan for segment in segments(trunk, size, most)][::-1]


class _Trunks:
    """The trunks' keys and values, computed when they are first asked for."""

    def __init__(self, model: Any, chunk: int) -> None:
        self._model = model
        self._chunk = chunk
        self._held: dict[tuple[int, ...], TrunkCache] = {}

    def __call__(self, trunk: Trunk) -> TrunkCache:
        """A trunk's cache; one that a single row has belongs to that row and is not held."""
        if trunk.tokens in self._held:
            return self._held[trunk.tokens]
        cache = TrunkCache()
        if trunk.parent is not None:
            above = self(trunk.parent)
            cache.length, cache.keys, cache.values = above.length, dict(above.keys), dict(above.values)
        for start in range(cache.length, len(trunk.tokens), self._chunk):
            part = trunk.tokens[start : start + self._chunk]
            block = Block(0, len(part), cache, range(-1, len(part) - 1), range(len(part)))
            positions = range(start, start + len(part))
            forward(self._model, Prefill([block], grow=cache), part, positions, [len(part) - 1])
            cache.length += len(part)
        if len(trunk.rows) != 1:
            self._held[trunk.tokens] = cache
        return cache


def _admit(
    queue: list[tuple[Trunk, Segment]], tokens: int, room: int, cost: Callable[[Segment], int]
) -> list[tuple[Trunk, Segment]]:
    """Take segments from the end of ``queue`` while they keep within ``tokens`` and, by ``cost``, within ``room``.

    The first one may have any number of tokens.
    """
    chosen: list[tuple[Trunk, Segment]] = []
    while queue:
        segment = queue[-1][1]
        tokens -= len(segment.tokens)
        room -= cost(segment)
        if room < 0 or (chosen and tokens < 0):
            break
        chosen.append(queue.pop())
    return chosen


def _blocks(
    chosen: Sequence[tuple[Trunk, Segment]], caches: _Trunks, slot: int | None
) -> tuple[list[Block], list[int], list[int]]:
    """Blocks, tokens and positions of the ``chosen`` segments; rows get the slots from ``slot`` on."""
    blocks: list[Block] = []
    tokens: list[int] = []
    positions: list[int] = []
    for trunk, segment in chosen:
        cache = caches(trunk)
        writes = []
        if slot is not None:
            writes = [(slot + number, torch.tensor(path)) for number, path in enumerate(segment.paths)]
            slot += len(writes)
        blocks.append(
            Block(len(tokens), len(tokens) + len(segment.tokens), cache, segment.parents, segment.depths, writes)
        )
        tokens.extend(segment.tokens)
        positions.extend(cache.length + depth for depth in segment.depths)
    return blocks, tokens, positions
