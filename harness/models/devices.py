"""Which device, which dtype, which quantisation: pure rules, and one function that gathers the facts they need."""

from __future__ import annotations

import importlib.util
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.exceptions import EnvironmentFault, InputError, did_you_mean
from harness.models.fit import BYTES, BYTES_QUANTISED, Setup, need, overhead
from harness.models.fit import weights as weight_bytes
from harness.models.shapes import Shape, typical_shape

Dtype = Literal["float32", "bfloat16", "float16"]
Quantisation = Literal["none", "nf4", "int8"]
Method = Literal["lora", "qlora", "sft"]

COMFORTABLE = 0.7  # of the free memory; the rest is for evaluation, the optimiser's temporaries and other people


@dataclass(frozen=True)
class DeviceFacts:
    """What the machine offers. Gathered by :func:`probe`; plain data, so that the rules can be tested without it.

    Args:
        device: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        name: for people: the processor or the GPU.
        memory_bytes: free now, on the device (CPU: what this process may still take, container limit included).
        bf16: whether the device multiplies bfloat16 in hardware.
        bitsandbytes: whether the quantisation library is installed.
    """

    device: str
    name: str
    memory_bytes: int
    bf16: bool
    bitsandbytes: bool


@dataclass(frozen=True)
class DevicePolicy:
    """How a model is loaded and trained.

    Args:
        device: where it lies.
        dtype: of weights that are not quantised, and of the arithmetic.
        quantisation: of the linear layers' weights.
        why: the choice and its reason, one line, printed.
        method: how it is trained, ``auto`` decided; None when it is only evaluated.
    """

    device: str
    dtype: Dtype
    quantisation: Quantisation
    why: str
    method: Method | None = None


def pick_device(asked: str | None, cuda_devices: int, mps: bool) -> str:
    """The device that ``asked`` means, given what there is; the first of CUDA, MPS, CPU where nothing is asked.

    Raises:
        InputError: no device has this name.
        EnvironmentFault: the device is not there.
    """
    wanted = (asked or "auto").strip().lower()
    if wanted == "auto":
        return "cuda" if cuda_devices else "mps" if mps else "cpu"
    if wanted == "cpu":
        return wanted
    if wanted == "mps":
        if not mps:
            raise EnvironmentFault(
                "device 'mps': not available here (it needs macOS on Apple silicon); use --device cpu"
            )
        return wanted
    match = re.fullmatch(r"cuda(?::(\d{1,3}))?", wanted, re.ASCII)
    if match is None:
        raise InputError(f"device {asked!r}: unknown.{did_you_mean(wanted, ['auto', 'cpu', 'cuda', 'cuda:0', 'mps'])}")
    if not cuda_devices:
        raise EnvironmentFault(
            f"device {wanted!r}: this torch sees no CUDA GPU (driver, or the CPU build of torch); use --device cpu"
        )
    if match[1] is not None and int(match[1]) >= cuda_devices:
        raise EnvironmentFault(
            f"device {wanted!r}: there are {cuda_devices} CUDA GPU(s), the last is cuda:{cuda_devices - 1}"
        )
    return wanted


def choose_device(asked: str | None = None) -> str:
    """The device to use on this machine; see :func:`pick_device`.

    Args:
        asked: ``cpu``, ``cuda``, ``cuda:N``, ``mps``, or None or ``auto`` for the best there is.
    """
    if asked is not None and asked.strip().lower() == "cpu":
        return "cpu"  # without importing torch
    import torch

    mps = torch.backends.mps.is_available()
    return pick_device(asked, torch.cuda.device_count() if torch.cuda.is_available() else 0, mps)


def choose_policy(
    device: str,
    recipe_method: Literal["lora", "qlora", "sft", "auto"] | None,
    parameters: int,
    memory_bytes: int,
    *,
    bf16: bool = False,
    bitsandbytes: bool = True,
    embeddings: int = 0,
    shape: Shape | None = None,
    half: bool = False,
    dtype: Dtype | None = None,
    quantisation: Quantisation | None = None,
) -> DevicePolicy:
    """Choose dtype, quantisation and training method. Pure: every fact is an argument.

    ``auto`` takes lora where a run by it (`run_bytes`) fills no more than 70% of the free memory, and qlora where it
    does not, or on a CUDA GPU, where quantised kernels are fast.

    Args:
        device: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        recipe_method: what the recipe asks for; None when the model is only evaluated.
        parameters: of the model.
        memory_bytes: free on the device.
        bf16: whether the device multiplies bfloat16 in hardware.
        bitsandbytes: whether it is installed.
        embeddings: how many of the parameters no quantisation touches.
        shape: of the model; where left out, one that is typical for so many parameters.
        half: whether the CPU multiplies frozen weights in bfloat16 while LoRA trains.
        dtype: asked for by the user; None for the device's own.
        quantisation: asked for by the user; None for the method's own.

    Raises:
        InputError: method and quantisation contradict each other, or a name is unknown.
        EnvironmentFault: the device cannot do what is asked, or the weights alone exceed the free memory.
    """
    if recipe_method not in (None, "lora", "qlora", "sft", "auto"):
        known = did_you_mean(str(recipe_method), ["auto", "lora", "qlora", "sft"])
        raise InputError(f"method {recipe_method!r}: unknown.{known}")
    number, reason = _choose_dtype(device, recipe_method, bf16, dtype)

    shape = shape or typical_shape(parameters, embeddings)

    def taken(method: Method | None, kind: Quantisation) -> float:
        return run_bytes(shape, method, device, bf16, half, dtype=dtype, quantisation=kind)

    method = recipe_method
    if method == "auto":
        plain: Quantisation = quantisation or "none"
        fits = taken("lora", plain) <= COMFORTABLE * memory_bytes
        wanted = (not fits or device.startswith("cuda")) and quantisation != "none"
        method = "qlora" if plain != "none" or (wanted and bitsandbytes) else "lora"
        reason += f"; auto took {method}: {_auto_reason(device, fits, method, taken('lora', 'none'), memory_bytes)}"
    kind: Quantisation = quantisation or ("nf4" if method == "qlora" else "none")
    _check_combination(method, kind, bitsandbytes)
    total = taken(method, kind)
    least = weight_bytes(shape, Setup(device, number, kind))
    if least > memory_bytes:
        raise EnvironmentFault(
            f"the weights need {_gb(least)}, {device} has {_gb(memory_bytes)} free;"
            f" {'take a smaller model' if kind != 'none' else 'use the recipe qlora or a smaller model'}"
        )
    fit = "" if total <= memory_bytes else ": it may run out of memory"
    packed = f"{number} weights" if kind == "none" else f"{kind} weights, {number} arithmetic"
    why = f"{device}: {packed} ({reason}); needs about {_gb(total)} of {_gb(memory_bytes)} free{fit}"
    return DevicePolicy(device, number, kind, why, method)


def run_bytes(
    shape: Shape,
    method: Method | None,
    device: str,
    bf16: bool,
    half: bool,
    *,
    dtype: Dtype | None = None,
    quantisation: Quantisation | None = None,
) -> float:
    """Bytes that a run takes at its peak, libraries included (`harness.models.fit`).

    Args:
        method: how it is trained; ``None`` where it is only evaluated.
        bf16, half, dtype, quantisation: as in `choose_policy`.
    """
    number, _ = _choose_dtype(device, method, bf16, dtype)
    kind = quantisation or ("nf4" if method == "qlora" else "none")
    return need(shape, method, Setup(device, number, kind, half and method == "lora")).total + overhead(device)


def _choose_dtype(device: str, method: str | None, bf16: bool, asked: Dtype | None) -> tuple[Dtype, str]:
    """The dtype, and the reason in a few words."""
    if asked is not None:
        if asked not in BYTES:
            raise InputError(f"dtype {asked!r}: unknown.{did_you_mean(str(asked), BYTES)}")
        if asked == "bfloat16" and not bf16:
            raise EnvironmentFault(
                f"dtype bfloat16: {device} has no bfloat16 units, it would crawl; leave the dtype out"
            )
        if asked == "float16" and device == "cpu":
            raise EnvironmentFault("dtype float16: CPUs have no float16 arithmetic; leave the dtype out")
        return asked, "as asked"
    if device == "cpu":
        return "float32", "the dtype every CPU is fast in"
    if device == "mps":
        return "float32", "half precision on MPS trains unreliably"
    if method == "sft":
        # Steps of 1e-5 of a weight are below bfloat16's resolution of 2^-8 and would be rounded away.
        return "float32", "training all weights needs more than half precision"
    if bf16:
        return "bfloat16", "the GPU has bfloat16"
    if method is None:
        return "float16", "the GPU has no bfloat16"
    return "float32", "the GPU has no bfloat16, and float16 gradients underflow"


def _auto_reason(device: str, fits: bool, method: str, need: float, memory_bytes: int) -> str:
    if method == "qlora":
        if not fits:
            return f"lora needs {_gb(need)}, over {COMFORTABLE:.0%} of {_gb(memory_bytes)}"
        return (
            "quantised kernels are fast on a GPU" if device.startswith("cuda") else "the weights are quantised as asked"
        )
    if not fits:
        return "tight, but unquantised as asked or for want of bitsandbytes"
    return "the model fits comfortably"


def _check_combination(method: Method | None, kind: Quantisation, bitsandbytes: bool) -> None:
    """Refuse what cannot be trained together, and quantisation without its library."""
    if kind not in ("none", *BYTES_QUANTISED):
        raise InputError(f"quantisation {kind!r}: unknown.{did_you_mean(str(kind), ['none', *BYTES_QUANTISED])}")
    if method == "sft" and kind != "none":
        raise InputError(f"method sft trains all weights and cannot have them quantised ({kind}); use qlora, or none")
    if method == "qlora" and kind == "none":
        raise InputError("method qlora needs quantised weights (nf4 or int8); use lora for unquantised ones")
    if kind != "none" and not bitsandbytes:
        raise EnvironmentFault(
            f"quantisation {kind}: bitsandbytes is not installed; `pip install bitsandbytes`, or use lora"
        )


def _gb(amount: float) -> str:
    return f"{amount / 1e9:.1f} GB"


def probe(device: str) -> DeviceFacts:
    """Gather the facts about ``device`` on this machine.

    Raises:
        EnvironmentFault: the GPU does not answer.
    """
    library = importlib.util.find_spec("bitsandbytes") is not None
    if device.startswith("cuda"):
        import torch

        try:
            free, _ = torch.cuda.mem_get_info(device)
            name = torch.cuda.get_device_name(device)
            # Below compute capability 8.0 bfloat16 is emulated, which torch counts as supported.
            bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        except (RuntimeError, AssertionError) as error:
            raise EnvironmentFault(f"device {device!r}: {str(error).splitlines()[0]}; use --device cpu") from error
        return DeviceFacts(device, name, free, bf16, library)
    flags = cpu_flags()
    bf16 = device == "cpu" and has_bf16(flags)
    return DeviceFacts(device, platform.processor() or platform.machine(), free_memory(), bf16, library)


def has_bf16(flags: Iterable[str]) -> bool:
    """Whether a CPU with these flags multiplies bfloat16 in hardware (AVX-512 BF16, AMX; on Arm, BF16)."""
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags)


def cpu_flags(path: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """The first processor's feature flags; empty where Linux's list is not there, which errs to the slower dtype."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    match = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return frozenset(match[1].split()) if match else frozenset()


def free_memory(control_group: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes this process may still take: what the machine has free or the container's limit leaves, the smaller."""
    import psutil

    free = int(psutil.virtual_memory().available)
    # Version 2 of control groups, then version 1; "max", or a number near 2^63, means that there is no limit.
    for limit, used, cached in (
        ("memory.max", "memory.current", "memory.stat"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
    ):
        try:
            room = int((control_group / limit).read_text()) - int((control_group / used).read_text())
            # Files read a while ago count as used, but give way when memory is asked for.
            found = re.search(r"^(?:total_)?inactive_file (\d+)$", (control_group / cached).read_text(), re.MULTILINE)
        except (OSError, ValueError):
            continue
        return max(0, min(free, room + (int(found[1]) if found else 0)))
    return free
