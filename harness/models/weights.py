"""Weights on disk, read without torch: headers, sizes, digests, and the checks an adapter must pass.

Only safetensors are ever read: a pickled checkpoint can run code while it loads.
Format: https://github.com/huggingface/safetensors (eight bytes of header length, JSON header, raw little-endian data).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.exceptions import InputError
from harness.models.cache import cached_sha256
from harness.storage import read_json, sha256_text

if TYPE_CHECKING:
    import numpy as np

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
ADAPTER = "adapter_model.safetensors"
Layout = Mapping[str, tuple[tuple[int, ...], str]]

_MAX_HEADER = 100_000_000  # bytes; the format's own limit
_ITEM_SIZE = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
_TORCH_NAME = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


@dataclass(frozen=True)
class TensorEntry:
    """One tensor of a file: its ``dtype`` code (``F32``), ``shape``, and the bytes ``[begin, end)`` of its data."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class ModelSize:
    """How large a model is: all ``parameters``, and those of them in ``embeddings``, which no quantisation touches."""

    parameters: int
    embeddings: int


def read_header(path: Path) -> tuple[dict[str, TensorEntry], int]:
    """Read a safetensors header and check it against the file's length.

    Returns:
        The tensors by name, and the offset in bytes where their data begins.

    Raises:
        InputError: the file is missing, truncated or malformed.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= min(_MAX_HEADER, size - 8):
                raise InputError(f"{path}: not a safetensors file, or cut short; fetch or save it again")
            header = json.loads(stream.read(length))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a safetensors file (its header is no JSON); fetch or save it again") from error
    start = 8 + length
    tensors: dict[str, TensorEntry] = {}
    try:
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            shape = tuple(int(length) for length in entry["shape"])
            tensors[name] = TensorEntry(str(entry["dtype"]), shape, int(begin), int(end))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: malformed safetensors header; fetch or save it again") from error
    needed = start + max((tensor.end for tensor in tensors.values()), default=0)
    if needed != size:
        raise InputError(f"{path}: {size} bytes where its header promises {needed}: cut short; fetch or save it again")
    return tensors, start


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model, as ``from_pretrained`` picks them: one file, else the shards of the index.

    Raises:
        InputError: there are none, or a shard is missing; says so where only pickled weights are there.
    """
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        index = read_json(folder / INDEX)
        table = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(table, dict) or not table:
            raise InputError(f"{folder / INDEX}: no weight_map; fetch or save the model again")
        names = sorted({str(name) for name in table.values()})
        for name in names:
            if Path(name).name != name or not (folder / name).is_file():
                raise InputError(f"{folder / INDEX}: shard {name!r} is not beside it; fetch or save the model again")
        return [folder / name for name in names]
    pickled = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt") for path in folder.glob(pattern))
    if pickled:
        raise InputError(
            f"{folder}: only pickled weights ({pickled[0]}), which can run code and are not loaded;"
            " save the model again with safe_serialization=True"
        )
    raise InputError(f"{folder}: no {WEIGHTS}; give a model folder as save_pretrained writes it")


def weights_digest(files: Iterable[Path]) -> str:
    """One SHA-256 for a model's weights, remembered in the cache folder.

    A single file gives its own digest, as ``sha256sum`` prints it; several give that of ``sha256sum``'s output over
    them in order of name.
    """
    ordered = sorted(files, key=lambda path: path.name)
    if len(ordered) == 1:
        return cached_sha256(ordered[0])
    return sha256_text("".join(f"{cached_sha256(path)}  {path.name}\n" for path in ordered))


def model_size(folder: Path) -> ModelSize:
    """Count a model's parameters from the headers of its files, in milliseconds.

    Raises:
        InputError: there are no safetensors, or they are damaged.
    """
    parameters = embeddings = 0
    for path in weight_files(folder):
        for name, tensor in read_header(path)[0].items():
            count = math.prod(tensor.shape)
            parameters += count
            if any(part in name for part in ("embed", "wte", "wpe", "lm_head")):
                embeddings += count
    return ModelSize(parameters, embeddings)


def check_adapter(path: Path, expected: Layout) -> None:
    """Refuse adapter weights that are not exactly what the model takes.

    Args:
        path: the adapter's folder, or its safetensors file.
        expected: shape and dtype (``float32``) of every tensor by its name in the file.

    Raises:
        InputError: no safetensors (pickled ones do not count), a key too many or too few, another shape or dtype, or a
            value that is not finite.
    """
    file = path / ADAPTER if path.is_dir() else path
    if path.is_dir() and not file.is_file():
        pickled = (path / "adapter_model.bin").exists()
        reason = "pickled weights are not loaded" if pickled else "no adapter in this folder"
        raise InputError(f"{path}: no {ADAPTER} ({reason}); train the round again")
    if file.suffix != ".safetensors":
        raise InputError(f"{file}: adapters are loaded from safetensors only; pickled files can run code")
    tensors, start = read_header(file)
    lacking, extra = expected.keys() - tensors.keys(), tensors.keys() - expected.keys()
    for kind, names in (("lacks", lacking), ("has unexpected", extra)):
        if names:
            raise InputError(
                f"{file}: {kind} {len(names)} tensor(s), first {min(names)!r}: made for another model or recipe"
            )
    for name in sorted(expected):
        shape, dtype = expected[name]
        tensor = tensors[name]
        if tensor.shape != tuple(shape):
            raise InputError(
                f"{file}: {name!r} has shape {tensor.shape}, expected {tuple(shape)}: made for another model"
            )
        if _TORCH_NAME.get(tensor.dtype, tensor.dtype) != dtype:
            raise InputError(f"{file}: {name!r} is {tensor.dtype}, expected {dtype}; save it in the trained dtype")
        if tensor.end - tensor.begin != math.prod(tensor.shape) * _ITEM_SIZE.get(tensor.dtype, 0):
            raise InputError(
                f"{file}: {name!r} has offsets that do not match its shape; damaged, train the round again"
            )
    with file.open("rb") as stream:
        for name in sorted(expected):
            stream.seek(start + tensors[name].begin)
            data = stream.read(tensors[name].end - tensors[name].begin)
            if not _all_finite(data, tensors[name].dtype):
                raise InputError(f"{file}: {name!r} holds values that are not finite; the training diverged")


def _all_finite(data: bytes, dtype: str) -> bool:
    """Whether raw little-endian tensor data holds neither NaN nor infinity; integers always are finite."""
    import numpy as np

    if dtype == "BF16":  # numpy has no bfloat16: NaN and infinity are the values whose eight exponent bits are all set
        bits = np.frombuffer(data, dtype="<u2")
        return bool(np.all((bits & 0x7F80) != 0x7F80))
    kind = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}.get(dtype)
    if kind is None:
        return True
    values: np.ndarray[tuple[int], np.dtype[np.floating]] = np.frombuffer(data, dtype=kind)
    return bool(np.isfinite(values).all())
