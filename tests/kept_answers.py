"""Answers to keep, and who is told: for the tests of the cache."""

from __future__ import annotations

import sys

import pytest

from harness.evaluation.cache import ResponseCache

WEIGHTS, NAME = "a" * 64, "tiny"
LIMITED = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits and signals")


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


class Notices(list[str]):
    """Collects what the user is told."""

    def __call__(self, text: str) -> None:
        self.append(text)


def put(cache: ResponseCache, payloads: dict[bytes, bytes], weights: str = WEIGHTS, name: str = NAME) -> None:
    cache.put(payloads, weights, name)
