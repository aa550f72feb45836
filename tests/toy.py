"""A toy domain whose answers a program knows: sums and words written backwards, and a guard of even numbers.

In memory for the loop's tests, and as real lm-eval tasks (`write_toy_tasks`) where lm-eval itself is part of the test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from harness.evaluation.domain import Domain, DomainTask

SKILLS = ("add", "reverse")
SIZES = {"train": 40, "validation": 40, "test": 20}  # items of a skill; half of validation is dev
GUARD_SIZES = {"train": 8, "test": 12}
LETTERS = "abcdefghijklmnop"

TOY_YAML = """\
task: toy_{skill}
custom_dataset: !function utils.load
dataset_kwargs:
  skill: {skill}
training_split: train
validation_split: validation
test_split: test
output_type: generate_until
doc_to_text: input
doc_to_target: target
process_results: !function utils.process_results
fewshot_config:
  sampler: first_n
generation_kwargs:
  until: ["\\n"]
  max_gen_toks: 16
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
"""
TOY_GUARD_YAML = """\
task: toy_guard
custom_dataset: !function utils.load
dataset_kwargs:
  skill: even
training_split: train
test_split: test
output_type: multiple_choice
doc_to_text: input
doc_to_target: target
doc_to_choice: ["no", "yes"]
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
"""
TOY_UTILS = """\
from pathlib import Path

from harness.storage import read_jsonl


def load(skill, **_):
    from datasets import Dataset

    files = sorted(Path(__file__).parent.glob(f"{skill}_*.jsonl"))
    return {path.stem.rpartition("_")[2]: Dataset.from_list(read_jsonl(path)) for path in files}


def process_results(doc, results):
    return {"exact_match": float(results[0].strip() == doc["target"])}
"""


def toy_docs(skill: str, split: str) -> list[dict[str, Any]]:
    """Documents of one skill; those of different splits never ask the same, and every four share a cluster."""
    start = {"train": 0, "validation": 1000, "test": 2000}[split]
    docs: list[dict[str, Any]] = []
    for number in range(start, start + (GUARD_SIZES if skill == "even" else SIZES)[split]):
        doc: dict[str, Any] = {"skill": skill, "cluster": f"{skill}-{split}-{number // 4}"}
        if skill == "add":
            doc |= {
                "tag": "extraction",
                "input": f"What is {number} + {number % 7}?",
                "target": str(number + number % 7),
            }
        elif skill == "reverse":
            word = "".join(LETTERS[(number >> shift) & 15] for shift in (8, 4, 0))
            doc |= {"tag": "expansion", "input": f"Write backwards: {word}", "target": word[::-1]}
        else:
            doc |= {"input": f"Is {number} even?", "target": int(number % 2 == 0)}
        docs.append(doc)
    return docs


def write_toy_tasks(folder: Path) -> Path:
    """The toy as real lm-eval tasks: group ``toy`` and guard ``toy_guard``. Returns ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "utils.py").write_text(TOY_UTILS)
    (folder / "_toy.yaml").write_text("group: toy\ntask:\n" + "".join(f"  - toy_{skill}\n" for skill in SKILLS))
    (folder / "toy_guard.yaml").write_text(TOY_GUARD_YAML)
    for skill in SKILLS:
        (folder / f"toy_{skill}.yaml").write_text(TOY_YAML.format(skill=skill))
    for skill, splits in [*((skill, SIZES) for skill in SKILLS), ("even", GUARD_SIZES)]:
        for split in splits:
            lines = "".join(json.dumps(doc) + "\n" for doc in toy_docs(skill, split))
            (folder / f"{skill}_{split}.jsonl").write_text(lines)
    return folder


class ToyTask:
    """What the harness uses of an lm-eval task, without importing lm-eval (which takes seconds)."""

    def __init__(self, docs: Mapping[str, Sequence[Mapping[str, Any]]], choices: Sequence[str] = ()) -> None:
        self.docs = docs
        self.choices = list(choices)
        self.config = SimpleNamespace(target_delimiter=" ", gen_prefix=None)

    def __getattr__(self, name: str) -> Callable[[], Any]:
        for prefix, split in (("training", "train"), ("validation", "validation"), ("test", "test")):
            if name == f"has_{prefix}_docs":
                return lambda: split in self.docs
            if name == f"{prefix}_docs":
                return lambda: self.docs[split]
        raise AttributeError(name)

    def doc_to_text(self, doc: Mapping[str, Any]) -> str:
        return str(doc["input"])

    def doc_to_target(self, doc: Mapping[str, Any]) -> Any:
        return doc["target"]

    def doc_to_choice(self, doc: Mapping[str, Any]) -> list[str]:
        return self.choices

    def doc_to_prefix(self, doc: Mapping[str, Any]) -> None:
        return None

    def set_fewshot_seed(self, seed: int) -> None:
        """The toy's examples are the first of the train split, whatever the seed."""

    def fewshot_context(self, doc: Mapping[str, Any], num_fewshot: int, **_: Any) -> str:
        shown = "".join(f"{d['input']} {d['target']}\n\n" for d in self.docs.get("train", ())[:num_fewshot])
        return shown + self.doc_to_text(doc)

    def construct_requests(self, doc: Mapping[str, Any], ctx: str, **_: Any) -> list[Any]:
        return [SimpleNamespace(args=(ctx, f" {choice}")) for choice in self.choices]

    def process_results(self, doc: Mapping[str, Any], results: Sequence[Any]) -> dict[str, float]:
        if self.choices:
            scores = [score for score, _ in results]
            return {"acc": float(scores.index(max(scores)) == doc["target"])}
        return {"exact_match": float(results[0].strip() == doc["target"])}


def toy_handle(name: str, task: ToyTask) -> DomainTask:
    """A `DomainTask` over a `ToyTask`."""
    metric, kind = ("acc", "choice") if task.choices else ("exact_match", "generate")
    return DomainTask(name, kind, metric, ("\n",), 16, f"config of {name}", task)  # type: ignore[arg-type]


def toy_domain() -> Domain:
    """Two skills, in memory."""
    tasks = {f"toy_{skill}": ToyTask({split: toy_docs(skill, split) for split in SIZES}) for skill in SKILLS}
    return Domain("toy", {name: toy_handle(name, task) for name, task in tasks.items()})


def toy_guard() -> Domain:
    """Multiple choice, in memory."""
    task = ToyTask({split: toy_docs("even", split) for split in GUARD_SIZES}, ["no", "yes"])
    return Domain("toy_guard", {"toy_guard": toy_handle("toy_guard", task)})


def skill_of(question: str) -> str:
    """The skill that a question asks for: ``add``, ``reverse`` or ``even``."""
    return {"What": "add", "Write": "reverse", "Is": "even"}[question.split()[0]]


def gold(question: str) -> str:
    """The right answer to a question."""
    words = question.rstrip("?").split()
    if words[0] == "What":
        return str(int(words[2]) + int(words[4]))
    if words[0] == "Write":
        return words[-1][::-1]
    return "yes" if int(words[1]) % 2 == 0 else "no"
