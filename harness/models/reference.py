"""What ``--model`` can name: the embedded model, a local folder, a Hugging Face id."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.exceptions import InputError, did_you_mean

EMBEDDED = "smollm2-135m-instruct"
Kind = Literal["embedded", "folder", "hub"]

# The hub's own rule: one slash, parts of letters, digits, '-', '_' and '.', at most 96 characters each.
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)


@dataclass(frozen=True)
class ModelReference:
    """A model by name.

    Args:
        name: as the user wrote it.
        kind: ``embedded`` (fetched from the package index), ``folder`` (on this disk) or ``hub`` (huggingface.co).
        path: the folder's absolute path; None for the other kinds.
    """

    name: str
    kind: Kind
    path: Path | None = None


def resolve(reference: str) -> ModelReference:
    """Say what a model reference means. Looks at the disk, never at the network.

    ``smollm2-135m-instruct`` is the embedded model, an existing folder with a ``config.json`` is a local model, and
    ``owner/name`` is a Hugging Face id. A folder wins over an id of the same spelling.

    Raises:
        InputError: none of the three; suggests the nearest name.
    """
    name = reference.strip()
    if not name:
        raise InputError(f"model: empty reference; use {EMBEDDED}, a local folder or a Hugging Face id (owner/name)")
    if name == EMBEDDED:
        return ModelReference(name, "embedded")
    try:
        path = Path(name).expanduser()
        exists = path.exists()
    except (OSError, RuntimeError, ValueError) as error:  # name too long, no such user, embedded NUL
        raise InputError(f"model {name!r}: not a usable path: {error}") from error
    if exists:
        return _folder(name, path)
    looks_like_path = name.startswith((".", "~", "/")) or "\\" in name or path.is_absolute()
    if looks_like_path:
        raise InputError(f"model {name!r}: no such folder; give a folder that holds config.json and *.safetensors")
    if _HUB_ID.fullmatch(name) and ".." not in name and "--" not in name:
        return ModelReference(name, "hub")
    raise InputError(
        f"model {name!r}: unknown; neither a folder nor a Hugging Face id (owner/name)."
        f"{did_you_mean(name.lower(), [EMBEDDED])}"
    )


def _folder(name: str, path: Path) -> ModelReference:
    """A reference to an existing path, refused with the likely reason when it holds no model."""
    if not path.is_dir():
        raise InputError(f"model {name!r}: is a file; give the folder that holds config.json and *.safetensors")
    if (path / "config.json").is_file():
        return ModelReference(name, "folder", path.resolve())
    if (path / "adapter_config.json").is_file():
        raise InputError(f"model {name!r}: is an adapter, not a model; give the base model that it was trained on")
    raise InputError(f"model {name!r}: folder without config.json; give one as save_pretrained writes it")
