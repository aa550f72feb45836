"""What a loaded model's answers depend on, beside the request: the part of a kept answer's key that is the model's."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.models.cache import cached_sha256

if TYPE_CHECKING:
    from harness.models.loading import LoadedModel

# Equal weights under another configuration are another model (the frequencies of positions, the activation, the end
# tokens), and a tokenizer turns equal tokens into text.
_FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "spiece.model",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
)


def fingerprint(loaded: LoadedModel, libraries: Iterable[str]) -> dict[str, Any]:
    """Plain data that differs wherever the model without an adapter may answer equal tokens differently.

    Args:
        loaded: the model in memory; its files are hashed as they are now.
        libraries: distributions whose version is part of it.

    Raises:
        OSError: a file of the model cannot be read.
    """
    policy = loaded.policy
    return {
        "weights_sha256": loaded.weights_sha256,
        "files": {name: cached_sha256(loaded.folder / name) for name in _FILES if (loaded.folder / name).is_file()},
        "dtype": policy.dtype,
        "quantisation": policy.quantisation,
        "device": _device(policy.device),
        "versions": library_versions(libraries),
    }


def adapter_hash(folder: Path) -> str:
    """`harness.models.session.weights_hash`, remembered while the folder's files are the same.

    Raises:
        EnvironmentFault: there are no trained weights.
    """
    marks = []
    for path in sorted(folder.glob("*.safetensors")):
        status = path.stat()
        marks.append((path.name, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino))
    return _remembered(folder, tuple(marks))


@functools.lru_cache(maxsize=64)
def _remembered(folder: Path, marks: tuple[tuple[str | int, ...], ...]) -> str:
    from harness.models.session import weights_hash  # brings torch, which versions and kept answers do without

    return weights_hash(folder)


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Versions of those distributions that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = version(name.replace("_", "-"))
        except PackageNotFoundError:
            continue
    return found


def _device(device: str) -> str:
    """The kind of device and of its arithmetic units: unlike ones round differently."""
    import torch

    kind = device.partition(":")[0]
    if kind == "cuda":
        return f"cuda {torch.cuda.get_device_name(device)}"
    return f"cpu {torch.backends.cpu.get_cpu_capability()}" if kind == "cpu" else kind
