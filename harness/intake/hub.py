"""Rows of a Hugging Face data set, by its id."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any

from harness.exceptions import EnvironmentFault, InputError
from harness.intake.example import Row

_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9_][\w.-]{0,95})?(:[\w.+-]{1,96})?", re.ASCII)
_ENDING = re.compile(r"\.[A-Za-z]{1,7}\d?")
"""Of a file, known or not; versions, as in ``v1.1``, are none."""
_MOST = 1_000_000


def looks_like_id(source: str) -> bool:
    """Whether ``source`` can be ``owner/name`` or ``owner/name:configuration``; a name that ends as files do is not."""
    return bool(_ID.fullmatch(source)) and (":" in source or not _ENDING.fullmatch(PurePath(source).suffix))


def hub_rows(source: str) -> list[Row]:
    """All rows of a data set; its ``train``, ``validation`` and ``test`` keep their splits, labels get their names.

    Args:
        source: ``owner/name``, or ``owner/name:configuration``.

    Raises:
        EnvironmentFault: no such data set in the cache and no way to the hub, or none there.
        InputError: it needs a configuration, runs code, or is no table of texts.
    """
    from datasets import load_dataset

    name, _, configuration = source.partition(":")
    try:
        loaded = load_dataset(name, configuration or None)
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # the hub's client raises many kinds
        raise _explained(name, error) from error
    from harness.intake.read import plain_values, split_of

    rows: list[Row] = []
    named = [(split, table) for split, table in loaded.items() if split_of(split) is not None]
    for split, table in named or list(loaded.items()):
        if len(rows) + len(table) > _MOST:
            raise InputError(f"{source}: more than {_MOST:,} rows; save the part that you mean to a file and give that")
        names = _label_names(table)
        for position, values in enumerate(table, start=1):
            place = f"{source} {split} row {position}"
            plain = plain_values(values, place)
            for column, labels in names.items():
                if isinstance(plain[column], int) and 0 <= plain[column] < len(labels):
                    plain[column] = labels[plain[column]]
            rows.append(Row(plain, place, split_of(split)))
    return rows


def _label_names(table: Any) -> dict[str, list[str]]:
    """Names of the labels of columns that hold their numbers."""
    return {name: list(feature.names) for name, feature in table.features.items() if hasattr(feature, "names")}


def _explained(name: str, error: Exception) -> EnvironmentFault | InputError:
    text = " ".join(str(error).split())
    if "Config name is missing" in text or "BuilderConfig" in text:
        return InputError(f"{name}: has several configurations; give one as {name}:CONFIGURATION ({text[:200]})")
    if "dataset scripts" in text.lower() or "trust_remote_code" in text:
        return InputError(f"{name}: is loaded by code of its own, which is not run here; save it as Parquet first")
    return EnvironmentFault(
        f"{name}: no such file here, and no such data set in the cache or within reach ({type(error).__name__}); where "
        f"there is a network: hf download --repo-type dataset {name} --local-dir FOLDER, then give FOLDER"
    )
