"""Energy by the counters of the devices themselves: processors and their memory by RAPL, NVIDIA cards by NVML.

RAPL is what Linux shows under ``/sys/class/powercap`` (Documentation/power/powercap/powercap.rst), often to root alone.
NVML's counter is `nvmlDeviceGetTotalEnergyConsumption`, of Volta cards and later.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

POWERCAP = Path("/sys/class/powercap")
EVERY = 60.0
"""Seconds between two readings of RAPL, whose counters begin again at 0, a busy server's after some 20 minutes."""

KINDS = ("processor", "memory", "gpu")
_ZONES = {"package": "processor", "dram": "memory"}  # cores and uncore are part of a package, psys holds it


@dataclass
class Energy:
    """What a block took.

    Attributes:
        joules: by kind of device, of `KINDS`, and of the whole device, whoever used it; a kind that does not tell is
            left out.
    """

    joules: Mapping[str, float] = field(default_factory=dict)


class _Zone:
    """A counter of RAPL, in microjoules."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.kind, self.taken = kind, 0
        self._counter = folder / "energy_uj"
        self._range = int((folder / "max_energy_range_uj").read_text())
        self._last = int(self._counter.read_text())

    def read(self) -> None:
        """Add what was taken since the last time; the counter may have begun again once."""
        now = int(self._counter.read_text())
        self.taken += now - self._last if now >= self._last else now - self._last + self._range
        self._last = now


class _Zones:
    """All counters of RAPL, read every minute by a thread of its own."""

    def __init__(self) -> None:
        self._zones: list[_Zone] | None = list(_found())
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="energy", daemon=True)
        if self._zones:
            self._thread.start()

    def _sample(self) -> None:
        while not self._ended.wait(EVERY):
            self._read()

    def _read(self) -> None:
        try:
            for zone in self._zones or ():
                zone.read()
        except (OSError, ValueError):
            self._zones = None  # a sum with a hole is none

    def joules(self) -> dict[str, float]:
        """By kind; the readings end."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._read()
        taken: dict[str, float] = {}
        for zone in self._zones or ():
            taken[zone.kind] = taken.get(zone.kind, 0.0) + zone.taken / 1e6
        return taken


def _found() -> Iterator[_Zone]:
    for folder in sorted(POWERCAP.glob("intel-rapl:*")):  # AMD's processors are there under the same name
        with contextlib.suppress(OSError, ValueError):
            kind = _ZONES.get((folder / "name").read_text().strip().partition("-")[0])
            if kind:
                yield _Zone(folder, kind)


@contextmanager
def metering() -> Iterator[Energy]:
    """Read the counters before and after the block; nothing that they do or fail to do reaches it.

    Example::

        with metering() as energy:
            train()
        sum(energy.joules.values()) / 3.6e6  # kWh
    """
    zones, before, energy = _Zones(), _cards(), Energy()
    try:
        yield energy
    finally:
        after = _cards()
        spent = sum(after[card] - before[card] for card in before if card in after)
        energy.joules = zones.joules() | ({"gpu": spent} if before and before.keys() <= after.keys() else {})


def _cards() -> dict[str, float]:
    """Joules since its driver was loaded of each card that this process keeps memory on, by UUID."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    try:
        import pynvml

        used = [place for place in range(torch.cuda.device_count()) if torch.cuda.memory_reserved(place) > 0]
        names = [f"GPU-{torch.cuda.get_device_properties(place).uuid}" for place in used]
        pynvml.nvmlInit()
        try:
            handles = {name: pynvml.nvmlDeviceGetHandleByUUID(name) for name in names}
            return {name: pynvml.nvmlDeviceGetTotalEnergyConsumption(each) / 1e3 for name, each in handles.items()}
        finally:
            pynvml.nvmlShutdown()
    except Exception:  # no driver, no such card (MIG, ROCm), no counter, an odd build: the card does not tell
        return {}
