"""What is measured: the model, its items as requests, and the same items as an lm-eval task for the bare command."""

from __future__ import annotations

import inspect
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import ROOT, say

if TYPE_CHECKING:
    from harness.evaluation.domain import Domain
    from harness.evaluation.engine import GenerationRequest
    from harness.evaluation.items import Item
    from harness.loop.local import LocalWorkbench
    from harness.models.loading import LoadedModel
    from harness.training.recipe import Recipe

_MODEL_FILES = ("models", "digests", "downloads", "locks")


def quiet() -> None:
    """The libraries' bars and warnings would mix with the table."""
    from harness.cli.session import quiet_libraries

    quiet_libraries()
    os.environ.setdefault("TQDM_DISABLE", "1")


def load_model(name: str, method: str = "lora") -> LoadedModel:
    """A model as the harness loads it for ``method``, on the CPU."""
    from harness.models.loading import load, plan
    from harness.models.reference import resolve

    reference = resolve(name)
    return load(reference, plan(reference, method, "cpu"))


def open_workbench(loaded: LoadedModel, recipe: Recipe, seed: int = 0) -> LocalWorkbench:
    """The workbench that ``harness iterate`` uses, without a cache of responses: what is timed must be computed."""
    from harness.config import Settings
    from harness.loop.local import LocalWorkbench

    arguments: list[Any] = [loaded, recipe, Settings().batch_size, seed, lambda text: say(f"note: {text}")]
    uncached = {name: None for name in inspect.signature(LocalWorkbench).parameters if "cache" in name}
    return LocalWorkbench(*arguments, **uncached)


def domain_items(domain: str, wb: LocalWorkbench, limit: int | None) -> tuple[Domain, list[Item]]:
    """A domain and its dev items, as ``harness iterate`` deals them."""
    from harness.evaluation.domain import load_domain
    from harness.loop.prepare import prepare

    loaded = load_domain(domain, [data_folder()])
    with wb.asking() as engine:
        return loaded, list(prepare(loaded, None, engine, wb.chat_template, 0, limit).dev)


def data_folder() -> Path:
    """The tasks that ship with the harness."""
    from harness.locate import data_folder as folder

    return folder("tasks")


def generation_requests(domain: Domain, items: Sequence[Item], template: Any) -> list[GenerationRequest]:
    """The requests that `respond` makes of ``items``."""
    from harness.evaluation.engine import GenerationRequest

    return [
        GenerationRequest(
            domain.context(item, template),
            domain.tasks[item.task].until,
            domain.tasks[item.task].max_new_tokens,
            item.task,
        )
        for item in items
    ]


def choice_instances(domain: Domain, items: Sequence[Item], template: Any) -> list[Any]:
    """lm-eval's own instances for the endings of ``items``, item after item."""
    made: list[Any] = []
    for item in items:
        made += domain.tasks[item.task].task.construct_requests(
            doc=dict(item.doc),
            ctx=domain.context(item, template),
            metadata=(item.task, len(made), 1),
            apply_chat_template=template is not None,
            chat_template=template,
        )
    return made


def merged_model(loaded: LoadedModel, adapter: Path | None) -> Any:
    """A plain transformers model with ``adapter`` merged into its weights once."""
    if adapter is None:
        return loaded.model.eval()
    from peft import PeftModel

    return PeftModel.from_pretrained(loaded.model, str(adapter)).merge_and_unload().eval()


def linear_shapes(model: Any) -> list[tuple[int, int]]:
    """``(out, in)`` of every linear layer but the head."""
    import torch

    head = model.get_output_embeddings()
    return [
        (module.out_features, module.in_features)
        for module in model.modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    ]


# The same items for the bare command

_LOADER = '''"""Documents of a benchmark; written by benchmarks/subjects.py."""

import json
from pathlib import Path


def load(file, **_):
    from datasets import Dataset

    lines = (Path(__file__).parent / file).read_text(encoding="utf-8").splitlines()
    return {"test": Dataset.from_list([json.loads(line) for line in lines])}
'''


def write_task(folder: Path, domain: Domain, items: Sequence[Item], group: str, suffix: str) -> str:
    """Write lm-eval tasks of exactly ``items`` and a group of them; return the group's name.

    Each task includes the original YAML (prompt, metrics, stops, scoring) and replaces its documents alone, so that
    ``lm_eval run --include_path FOLDER --tasks GROUP`` asks what the loop asks.
    """
    from harness.storage import write_jsonl

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "documents.py").write_text(_LOADER, encoding="utf-8")
    names = []
    for task in domain.tasks:
        own = [item for item in items if item.task == task]
        if not own:
            continue
        source = next(path for path in data_folder().rglob(f"{task}.yaml"))
        name = f"{task}{suffix}"
        write_jsonl(folder / f"{name}.jsonl", [dict(item.doc) for item in own])
        (folder / f"{name}.yaml").write_text(
            f"include: {source}\ntask: {name}\ncustom_dataset: !function documents.load\n"
            f"dataset_kwargs:\n  file: {name}.jsonl\n"
            "training_split: null\nvalidation_split: null\ntest_split: test\nfewshot_split: test\n",
            encoding="utf-8",
        )
        names.append(name)
    (folder / f"{group}.yaml").write_text(
        f"group: {group}\ntask:\n" + "".join(f"  - {name}\n" for name in names), encoding="utf-8"
    )
    return group


def lm_eval_command(model: Path, tasks: Path, names: Sequence[str], batch: int, out: Path) -> list[str]:
    """``lm_eval run`` of a fresh process, as its documentation has it, on the CPU."""
    command = [sys.executable, "-m", "lm_eval", "run", "--model", "hf", "--device", "cpu"]
    command += ["--model_args", f"pretrained={model},dtype=float32", "--batch_size", str(batch)]
    command += ["--include_path", str(tasks), "--tasks", ",".join(names), "--apply_chat_template"]
    return [*command, "--log_samples", "--output_path", str(out)]


def logged_answers(out: Path) -> dict[str, str]:
    """Responses by item id, from the ``samples_*.jsonl`` that ``lm_eval run`` wrote."""
    import json

    from harness.evaluation.items import item_id

    answers = {}
    for path in out.rglob("samples_*.jsonl"):
        task = path.name.removeprefix("samples_").rpartition("_20")[0]
        for line in path.read_text(encoding="utf-8").splitlines():
            sample = json.loads(line)
            answers[item_id(original(task), sample["doc"])] = sample["resps"][0][0]
    return answers


def original(task: str) -> str:
    """The name of the task that a benchmark's task was made of: without its suffix."""
    return task.partition("__")[0]


def environment() -> dict[str, str]:
    """For child processes: this tree first, no hub, no bars."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


@contextmanager
def scratch(keep: Path | None = None) -> Iterator[Path]:
    """A folder for models and logs, gone afterwards unless ``keep`` names one."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="harness-benchmark-") as folder:
        yield Path(folder)


def private_cache(folder: Path) -> Path:
    """A cache folder with this machine's models and nothing else: no response that an earlier run has kept."""
    from harness.models.cache import cache_root

    shared = cache_root()
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for name in _MODEL_FILES:
        if (shared / name).exists():
            (folder / name).symlink_to(shared / name)
    return folder
