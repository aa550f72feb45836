"""Documents that come from elsewhere than a task's own data set, brought to the form that its loader gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.exceptions import HarnessError, InputError

if TYPE_CHECKING:
    from harness.evaluation.domain import DomainTask

HOOK = "complete_doc"
"""Function beside a task's loader (``custom_dataset``) that adds to a document what the loader adds: ``doc -> doc``."""


def as_loaded(handle: DomainTask, docs: Sequence[Mapping[str, Any]], came: str) -> list[dict[str, Any]]:
    """``docs`` as the task would have loaded them: completed by its `HOOK` and processed by its ``process_docs``.

    Args:
        came: how they came, for a message, e.g. ``the items that were added to it``.

    Raises:
        InputError: the task's own code refuses a document.
    """
    config = handle.task.config
    hook = getattr(getattr(config, "custom_dataset", None), "__globals__", {}).get(HOOK)
    process = getattr(config, "process_docs", None)
    try:
        rows = [dict(hook(doc)) if hook is not None else dict(doc) for doc in docs]
        if process is not None:
            from datasets import Dataset

            rows = [dict(row) for row in process(Dataset.from_list(rows))]
    except HarnessError:
        raise
    except Exception as error:  # a task's own code may raise anything
        raise InputError(
            f"task '{handle.name}': cannot load {came}: {type(error).__name__}: {error}; "
            "give them in the form of the task's own data"
        ) from error
    return rows
