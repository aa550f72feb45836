"""What works on this machine: each check says what it found and, where all is not well, the remedy."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.exceptions import HarnessError, InputError

if TYPE_CHECKING:
    from harness.models.devices import DeviceFacts, Method
    from harness.models.reference import ModelReference
    from harness.models.shapes import Shape
    from harness.plugins import Plugin

State = Literal["pass", "warn", "fail"]
LEAST_RUN = 200_000_000
"""Bytes of free disk below which `harness iterate` does not start."""
COMFORTABLE_DISK = 2_000_000_000


@dataclass(frozen=True)
class Check:
    """One line of the doctor.

    Attributes:
        name: what was looked at.
        state: ``warn``: it works, but not as it could, or not yet; ``fail``: a run would not work.
        found: what is there.
        remedy: what to do; empty where all is well.
    """

    name: str
    state: State
    found: str
    remedy: str = ""


def known_versions() -> dict[str, dict[str, str]]:
    """``{"torch": {"range": ">=2.6", "tested": "2.13.0"}, ...}``: what the code needs, and what it was tested with."""
    found: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("tested.json").read_text("utf-8"))
    return found


def check_python(version: Sequence[int] = sys.version_info[:3]) -> Check:
    """Python 3.11 or later; 3.11 is what everything was tested with."""
    text = ".".join(map(str, version))
    if tuple(version[:2]) < (3, 11):
        return Check("python", "fail", text, "install Python 3.11 or later")
    if tuple(version[:2]) > (3, 11):
        return Check("python", "warn", f"{text}, tested with 3.11", "take 3.11 if something does not work")
    return Check("python", "pass", text)


def installed_version(name: str) -> str | None:
    """Version of an installed distribution; ``None`` where it is not there."""
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def check_libraries(
    known: Mapping[str, Mapping[str, str]], version_of: Callable[[str], str | None] = installed_version
) -> list[Check]:
    """Every library of the package against its range, and against the version that was tested."""
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion, Version

    checks, same, others = [], 0, []
    for name, wanted in sorted(known.items()):
        found = version_of(name)
        try:
            inside = found is not None and SpecifierSet(wanted["range"]).contains(found, prereleases=True)
            like = found is not None and Version(found).public == Version(wanted["tested"]).public
        except InvalidVersion:
            inside = like = False
        if not inside:
            remedy = f"pip install '{name}{wanted['range']}' (tested: {name}=={wanted['tested']})"
            checks.append(Check(f"library {name}", "fail", found or "not installed", remedy))
        elif like:
            same += 1
        else:
            others.append(f"{name} {found} (tested {wanted['tested']})")
    if others:
        remedy = "if something does not work: pip install -c constraints.txt lm-eval-ratchet"
        checks.append(Check("library versions", "warn", "in range, but not as tested: " + ", ".join(others), remedy))
    if same:
        checks.append(Check("libraries", "pass", f"{same} of {len(known)} are as tested"))
    return checks


def check_lm_eval() -> Check:
    """Whether lm-eval imports, and finds the domains that ship."""
    try:
        from harness.evaluation.find import find_tasks
        from harness.locate import data_folder

        shipped = data_folder("tasks")
        names = [path.name for path in sorted(shipped.iterdir()) if (path / f"_{path.name}.yaml").is_file()]
        for name in names:
            find_tasks(name, [shipped])
        from importlib.metadata import version

        return Check("lm-eval", "pass", f"{version('lm-eval')}, finds the domains {', '.join(names)}")
    except Exception as error:  # a library that is broken may raise anything when it is imported
        return Check("lm-eval", "fail", _first(error), "reinstall it: pip install --force-reinstall lm-eval")


def check_device(asked: str | None = None) -> tuple[Check, DeviceFacts | None]:
    """The device that runs would use, and what it multiplies in."""
    try:
        from harness.models.devices import choose_device, probe

        facts = probe(choose_device(asked))
    except HarnessError as error:
        return Check("device", "fail", str(error), "use --device cpu"), None
    except Exception as error:  # a broken torch may raise anything
        return Check("device", "fail", f"torch: {_first(error)}", "reinstall torch"), None
    if facts.device == "cpu":
        from harness.models.linear import multiplies_bfloat16

        half = "lora trains with bfloat16 products" if multiplies_bfloat16() else "no bfloat16 units"
        kind = f"float32, {half}, {os.cpu_count()} cores"
    else:
        kind = "bfloat16" if facts.bf16 else "float32"
    return Check("device", "pass", f"{facts.device} ({facts.name}): {kind}"), facts


def check_memory(facts: DeviceFacts, shape: Shape, half: bool) -> Check:
    """Free memory against what the model needs."""
    from harness.models.devices import run_bytes

    free = facts.memory_bytes
    needs = {method: run_bytes(shape, method, facts.device, facts.bf16, half) for method in (None, "qlora", "lora")}
    found = f"{_gb(free)} free; the model needs {_gb(needs['lora'])} for lora, {_gb(needs['qlora'])} for qlora"
    if free < needs[None]:
        return Check("memory", "fail", found, "close other programs, or take a smaller model")
    if free < needs["lora"]:
        return Check("memory", "warn", found, "close other programs, or train with --recipe qlora")
    return Check("memory", "pass", found)


def check_quantisation(device: str) -> Check:
    """Whether bitsandbytes multiplies with NF4 weights on this device: by doing it."""
    remedy = "qlora does not work without it: pip install --upgrade bitsandbytes, or train with --recipe lora"
    try:
        import bitsandbytes.nn
        import torch

        kinds: Any = bitsandbytes.nn
        layer = kinds.Linear4bit(64, 64, bias=False, quant_type="nf4", compute_dtype=torch.float32)
        weight = layer.weight.data.clone()
        layer = layer.to(device)
        x = torch.linspace(-1, 1, 128).view(2, 64)
        gap = (layer(x.to(device)).float().cpu() - x @ weight.T).abs().max()
        if not bool(gap < 0.5 * (x @ weight.T).abs().max()):
            return Check("quantisation", "warn", f"NF4 products on {device} are wrong by {float(gap):.2g}", remedy)
    except Exception as error:  # no such library, no such kernel, an old driver
        return Check("quantisation", "warn", f"bitsandbytes on {device}: {_first(error)}", remedy)
    return Check("quantisation", "pass", f"bitsandbytes {installed_version('bitsandbytes')}: NF4 works on {device}")


def check_model(reference: ModelReference) -> tuple[Check, Path | None]:
    """Whether the model is on this disk, whole; never asks a network."""
    from harness.models.embedded import DISK_NEEDED, embedded_folder, is_ready
    from harness.models.loading import offline
    from harness.models.weights import read_header, weight_files

    name = f"model {reference.name}"
    if reference.kind == "embedded":
        if is_ready():
            return Check(name, "pass", f"in the cache: {embedded_folder()}"), embedded_folder()
        found = f"not in the cache yet: 93 MB are fetched at first use, {_gb(DISK_NEEDED)} of disk meanwhile"
        return Check(name, "warn", found, "run any command once with a network, or see docs/models.md"), None
    folder = reference.path if reference.kind == "folder" else _cached(reference.name)
    if folder is None:
        state: State = "fail" if offline() else "warn"
        why = " and HF_HUB_OFFLINE is set" if offline() else ""
        return Check(name, state, f"not in the hub's cache{why}", f"hf download {reference.name}"), None
    try:
        for path in weight_files(folder):
            read_header(path)
    except InputError as error:
        return Check(name, "fail", str(error), "fetch or save it again"), folder
    return Check(name, "pass", f"on this disk: {folder}"), folder


def _cached(name: str) -> Path | None:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except Exception:  # whatever it raises, it is not there
        return None


def check_folder(name: str, folder: Path, remedy: str) -> Check:
    """Whether ``folder`` can be made and written, and how much room its disk has."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".harness-doctor-") as stream:
            stream.write(b"x" * 4096)
            stream.flush()
        free = shutil.disk_usage(there).free
    except OSError as error:
        return Check(name, "fail", f"{folder}: cannot be written: {error.strerror or error}", remedy)
    found = f"{folder}: {_gb(free)} free"
    if free < LEAST_RUN:
        return Check(name, "fail", found, f"free some space, or {remedy}")
    if free < COMFORTABLE_DISK:
        return Check(name, "warn", found, "full models (recipe sft) take 0.5 GB a round and more; free some space")
    return Check(name, "pass", found)


def check_folders(state: Path, runs: Path) -> list[Check]:
    """Runs, cache and record."""
    from harness.models.cache import CACHE_VARIABLE, cache_root

    return [
        check_folder("runs", runs, "work in another folder, or give --out"),
        check_folder("cache", cache_root(), f"set {CACHE_VARIABLE} to a folder that can be written"),
        check_folder("record", state, "set HARNESS_STATE to a folder that can be written"),
    ]


def check_network(cached: bool) -> Check:
    """Whether a network is needed at all; it is never asked for here."""
    if cached:
        return Check("network", "pass", "not needed: the model is on this disk")
    return Check("network", "warn", "needed once, to fetch the model", "see docs/models.md, Without a network")


def check_plugins(found: Iterable[Plugin]) -> Check:
    """What other packages bring, and what of it is broken."""
    every = list(found)
    foreign = [each for each in every if not each.builtin]
    broken = [each for each in every if each.error]
    if broken:
        words = "; ".join(each.error for each in broken)
        return Check("plugins", "warn", f"{len(broken)} of {len(foreign)} do not work: {words}", "see harness plugins")
    return Check("plugins", "pass", f"{len(foreign)} from other packages" if foreign else "none from other packages")


def examine(model: str, plugins: Iterable[Plugin], device: str | None = None) -> list[Check]:
    """Every check, in the order in which they matter.

    Args:
        model: as ``--model`` names it.
        plugins: as the registries' surveys give them.
        device: asked for; the best there is where left out.

    Raises:
        InputError: ``model`` means nothing.
    """
    from harness.locate import state_folder
    from harness.models.linear import multiplies_bfloat16
    from harness.models.reference import resolve

    reference = resolve(model)
    checks = [check_python(), *check_libraries(known_versions()), check_lm_eval()]
    of_device, facts = check_device(device)
    of_model, folder = check_model(reference)
    checks.append(of_device)
    if facts is not None:
        shape = shape_or_none(folder)
        if shape is not None:
            checks.append(check_memory(facts, shape, multiplies_bfloat16()))
        checks.append(check_quantisation(facts.device))
    checks += [of_model, check_network(folder is not None)]
    checks += check_folders(state_folder(), Path("runs").absolute())
    checks.append(check_plugins(plugins))
    return checks


def shape_or_none(folder: Path | None) -> Shape | None:
    """The shape of the model in ``folder``; of the embedded model where it is not here yet; ``None`` where unknown."""
    from harness.models.shapes import KNOWN, shape_of_folder

    if folder is None:
        return KNOWN["SmolLM2-135M"]
    try:
        return shape_of_folder(folder)
    except InputError:
        return None


def fit_table(shapes: Mapping[str, Shape], facts: DeviceFacts, half: bool) -> list[dict[str, Any]]:
    """Bytes that each model takes by each method, and whether they fit into what is free.

    Returns:
        ``{"model", "parameters", "needs": {method: {"bytes", "fits"}}}``; ``fits`` is ``yes``, ``tight`` (over 70% of
        what is free) or ``no``.
    """
    from harness.models.devices import COMFORTABLE, run_bytes

    ways: dict[str, Method | None] = {"inference": None, "lora": "lora", "qlora": "qlora", "full": "sft"}
    rows = []
    for name, shape in shapes.items():
        needs = {}
        for label, method in ways.items():
            size = run_bytes(shape, method, facts.device, facts.bf16, half)
            free = facts.memory_bytes
            fits = "yes" if size <= COMFORTABLE * free else "tight" if size <= free else "no"
            needs[label] = {"bytes": round(size), "fits": fits}
        rows.append({"model": name, "parameters": shape.parameters, "needs": needs})
    return rows


def failed(checks: Iterable[Check]) -> bool:
    """Whether a run would not work."""
    return any(check.state == "fail" for check in checks)


def _gb(amount: float) -> str:
    return f"{amount / 1e9:.1f} GB"


def _first(error: BaseException) -> str:
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
