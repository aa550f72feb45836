"""Keeping freed memory: what the C library is told, and when it is left alone."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from harness.models import allocator


class Library:
    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []

    def mallopt(self, name: int, value: int) -> int:
        self.told.append((name, value))
        return 1


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    made = Library()
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: made)
    monkeypatch.setattr(sys, "platform", "linux")
    for name in [name for name in allocator.os.environ if name.startswith(("MALLOC_", "GLIBC_TUNABLES"))]:
        monkeypatch.delenv(name)
    return made


def test_thresholds_are_raised(library: Library) -> None:
    allocator.keep_freed_memory()
    assert library.told == [(-3, 32 * 1024 * 1024), (-1, 2**31 - 1)]


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "MALLOC_ARENA_MAX", "GLIBC_TUNABLES"])
def test_a_users_own_setting_stands(library: Library, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    allocator.keep_freed_memory()
    assert library.told == []


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_freed_pages_are_handed_back_though_others_beside_them_are_held() -> None:
    """400 MB in blocks of 4 MB, every other one dropped: held while kept, the system's again when handed back."""
    script = """
import torch
from harness.models.allocator import hand_back_freed_memory, keep_freed_memory
def held():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
keep_freed_memory()
blocks = [torch.ones(1_000_000) for _ in range(100)]
full = held()
del blocks[::2]
kept = held()
hand_back_freed_memory()
print(full, kept, held())
"""
    environment = {name: value for name, value in allocator.os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    full, kept, then = map(float, done.stdout.split())
    assert kept > full - 50
    assert then < full - 150


def test_within_the_block_large_blocks_go_back_and_are_kept_again_after_it(library: Library) -> None:
    with allocator.freed_memory_goes_back():
        assert library.told == [(-3, 1024 * 1024)]
    assert library.told[1:] == [(-3, 32 * 1024 * 1024), (-1, 2**31 - 1)]


def test_elsewhere_nothing_is_done(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    allocator.keep_freed_memory()
    assert library.told == []


def test_a_c_library_without_it_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    bare: Any = object()
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: bare)
    allocator.keep_freed_memory()


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_pages_are_not_fetched_anew() -> None:
    """Page faults of 50 blocks of 8 MB, each dropped before the next: as it is, then with the blocks kept."""
    script = """
import resource, sys, torch
from harness.models.allocator import keep_freed_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        torch.ones(2_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
first = faults()
keep_freed_memory()
torch.ones(2_000_000)
print(first, faults())
"""
    environment = {name: value for name, value in allocator.os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    first, then = map(int, done.stdout.split())
    assert first < 1_000 or then < first / 10  # few at first where the system hands out huge pages
