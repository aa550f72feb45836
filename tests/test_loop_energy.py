"""Energy by the counters of devices: RAPL's files made by hand, a stand-in for NVML; few machines have either."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
import torch

from harness.loop import energy
from harness.loop.energy import metering
from harness.loop.phases import run_phase
from harness.loop.profile import phase_costs
from harness.storage import read_json

RANGE = 1_000_000


def zone(root: Path, place: str, name: str, counter: int) -> Path:
    """A zone of the powercap tree; returns its counter."""
    folder = root / f"intel-rapl:{place}"
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "max_energy_range_uj").write_text(f"{RANGE}\n")
    (folder / "energy_uj").write_text(f"{counter}\n")
    return folder / "energy_uj"


@pytest.fixture(autouse=True)
def powercap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(energy, "POWERCAP", tmp_path / "powercap")
    return tmp_path / "powercap"


def test_a_machine_that_does_not_tell_is_left_out() -> None:
    with metering() as taken:
        pass
    assert taken.joules == {}


def test_packages_and_memory_are_added_up_and_what_they_hold_or_are_held_by_is_not(powercap: Path) -> None:
    counters = [zone(powercap, str(place), f"package-{place}", 100) for place in range(2)]
    memory, core, psys = (
        zone(powercap, "0:0", "dram", 0),
        zone(powercap, "0:1", "core", 0),
        zone(powercap, "2", "psys", 0),
    )
    with metering() as taken:
        for counter in (*counters, core, psys):
            counter.write_text("500100")
        memory.write_text("250000")
    assert taken.joules == {"processor": 1.0, "memory": 0.25}


def test_a_counter_that_begins_again_is_followed(powercap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "EVERY", 0.001)
    counter = zone(powercap, "0", "package-0", 900_000)
    read = energy._Zone.read
    seen: list[int] = []

    def noted(self: energy._Zone) -> None:
        read(self)
        seen.append(self._last)

    monkeypatch.setattr(energy._Zone, "read", noted)
    with metering() as taken:
        for value in (100_000, 800_000, 50_000):  # by then it has begun again twice
            counter.with_name("next").write_text(str(value))
            counter.with_name("next").replace(counter)
            deadline = time.monotonic() + 30
            while value not in seen and time.monotonic() < deadline:
                time.sleep(0.001)
    assert taken.joules == {"processor": pytest.approx(0.2 + 0.7 + 0.25)}


@pytest.mark.parametrize("broken", ["", "not a number", None])
def test_a_counter_that_breaks_tells_nothing_and_stops_nothing(powercap: Path, broken: str | None) -> None:
    counter = zone(powercap, "0", "package-0", 100)
    with metering() as taken:
        counter.unlink()
        if broken is not None:
            counter.write_text(broken)
    assert taken.joules == {}


def test_what_the_block_raises_comes_through(powercap: Path) -> None:
    zone(powercap, "0", "package-0", 100)
    with pytest.raises(KeyError), metering():
        raise KeyError


class Card:
    """Stands for NVML and the card that torch uses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.millijoules, self.reserved = 5_000, {0: 0, 1: 1}
        nvml = ModuleType("pynvml")
        vars(nvml).update(
            nvmlInit=lambda: None,
            nvmlShutdown=lambda: None,
            nvmlDeviceGetHandleByUUID=lambda name: name,
            nvmlDeviceGetTotalEnergyConsumption=self.read,
        )
        monkeypatch.setitem(sys.modules, "pynvml", nvml)
        monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(torch.cuda, "memory_reserved", self.reserved.__getitem__)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda place: type("Card", (), {"uuid": f"u{place}"}))

    def read(self, name: str) -> int:
        assert name == "GPU-u1"  # the other card is somebody else's
        if self.millijoules < 0:
            raise OSError("NVML_ERROR_NOT_SUPPORTED")
        return self.millijoules


def test_of_cards_the_ones_that_are_used_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    card = Card(monkeypatch)
    with metering() as taken:
        card.millijoules += 1_500
    assert taken.joules == {"gpu": 1.5}
    with metering() as taken:
        card.millijoules = -1
    assert taken.joules == {}


def test_a_phase_keeps_what_it_took_and_one_without_counters_says_nothing(tmp_path: Path, powercap: Path) -> None:
    folder, ticks = tmp_path / "run" / "rounds" / "001", iter(range(0, 40, 10))

    def phase(name: str) -> None:
        run_phase(folder, name, "", [], dict, lambda: float(next(ticks)))

    folder.mkdir(parents=True)
    phase("mine")
    counter = zone(powercap, "0", "package-0", 0)

    def body() -> dict[str, object]:
        counter.write_text("400000")
        return {"tokens": 3}

    run_phase(folder, "train", "", [], body, lambda: float(next(ticks)))
    assert "joules" not in read_json(folder / "mine.done.json")
    costs = phase_costs(tmp_path / "run")
    assert (costs["mine"].joules, costs["mine"].metered) == ({}, 0.0)
    assert (costs["train"].joules, costs["train"].metered) == ({"processor": 0.4}, 10.0)
    whole = costs["mine"] + costs["train"]
    assert (whole.joules, whole.metered, whole.seconds) == ({"processor": 0.4}, 10.0, 20.0)
