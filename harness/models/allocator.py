"""Memory that a CPU pass frees is kept for the next one, and handed back when the passes are over."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_LARGEST = 32 * 1024 * 1024  # what glibc allows for the second
_LARGE = 1024 * 1024


def keep_freed_memory() -> None:
    """Have glibc keep freed blocks of up to 32 MB instead of handing them back to the system.

    A pass over 2,000 tokens makes and drops some hundred blocks of 4 to 12 MB; by default each is fetched from the
    system anew, page by page, which is a tenth of the pass. The process then holds its peak until
    `hand_back_freed_memory`. Nothing is done where the user has set thresholds of their own
    (``MALLOC_MMAP_THRESHOLD_``, ``MALLOC_TRIM_THRESHOLD_``), or where the C library has none.
    """
    mallopt = _mallopt()
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)


@contextmanager
def freed_memory_goes_back() -> Iterator[None]:
    """Within the block, blocks above 1 MB go back to the system when they are freed; `keep_freed_memory` after it.

    For training layers as transformers makes them: each frees as much as it keeps for the backward pass, and glibc
    does not put an aligned block into a gap of its own size, so the gaps add up over the layers (NF4, 30 layers,
    1,024 tokens: about 1 GB).
    """
    mallopt = _mallopt()
    if mallopt is None:
        yield
        return
    mallopt(_MMAP_THRESHOLD, _LARGE)
    try:
        yield
    finally:
        keep_freed_memory()


def _mallopt() -> Any:
    """glibc's function; ``None`` where there is none, or where the user has set thresholds of their own."""
    if sys.platform != "linux" or any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return None
    return getattr(ctypes.CDLL(None), "mallopt", None)


def hand_back_freed_memory() -> None:
    """Hand all freed pages back to the system, those in the middle of the heap too (``malloc_trim``).

    Between training and evaluating: blocks of one do not fit the gaps that the other left, so a process that keeps both
    grows from round to round (ten rounds of SmolLM2-135M: 4.1 to 7.1 GB). Nothing is done where the C library cannot.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
