"""Dev asked in a few large blocks, with the rest left out once a candidate can no longer be worth it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from harness.evaluated import Evaluation
from harness.evaluation.items import Item, ItemResult
from harness.gate.futility import Capital, next_look
from harness.gate.verdict import FutilityStop
from harness.storage import sha256_text

Asked = TypeVar("Asked", Item, ItemResult)
Ask = Callable[[Sequence[Item], int], list[ItemResult]]
"""Answers some items; the number is how many were asked before, for the progress bar."""
Environment = Callable[[], Mapping[str, Any]]
"""What answers are made in now, as it stands in an evaluation's details."""
Early = Callable[[Ask, Environment], tuple[list[ItemResult], FutilityStop | None]]
"""Decides what is asked, in which order and how much of it."""


def asking_order(items: Sequence[Asked], seed: int, number: int) -> list[Asked]:
    """The items in the random order of round ``number``.

    Each round draws its own, so that nothing that an earlier round decided can depend on it.
    """
    return sorted(items, key=lambda item: sha256_text(f"{seed}\0dev\0{number}\0{item.item_id}"))


def until_futile(items: Sequence[Item], champion: Evaluation, seed: int, number: int) -> Early:
    """Ask ``items`` in blocks until `harness.gate.futility` gives the candidate of round ``number`` up.

    Where the champion's answers were made in another environment nothing can be compared yet, and all are asked.

    Returns:
        What `harness.loop.run.Run.evaluate` takes as ``early``: results in the order of ``items``, those left out
        missing, and the stop if there was one.
    """
    order = asking_order(items, seed, number)
    right = champion.correctness()
    champions = [right[item.item_id] for item in order]

    def run(ask: Ask, environment: Environment) -> tuple[list[ItemResult], FutilityStop | None]:
        results: dict[str, ItemResult] = {}
        capital, stop = Capital(), None
        while len(results) < len(order) and stop is None:
            comparable = environment() == champion.details.get("environment")
            made_in = environment()
            begin, end = capital.asked, next_look(capital, champions) if comparable else len(order)
            block = order[begin:end]
            # A block that is the whole is asked in the items' own order, as every other evaluation is.
            results |= {result.item_id: result for result in ask(items if len(block) == len(items) else block, begin)}
            if begin and environment() != made_in:
                # Memory ran out and the batch was halved: one evaluation is made at one size, so from the start again.
                return ask(items, 0), None
            capital = capital.after(results[item.item_id].correct - right[item.item_id] for item in block)
            if end < len(order) and capital.futile and environment() == champion.details.get("environment"):
                stop = FutilityStop(capital.asked, len(order), capital.e, capital.delta)
        return [results[item.item_id] for item in items if item.item_id in results], stop

    return run
