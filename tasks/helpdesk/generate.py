"""Write the items of the helpdesk domain: ``python tasks/helpdesk/generate.py [--out DIR]``.

Needs the standard library only. The same source gives the same bytes on every machine: each item has a random stream of
its own, named by seed, skill, split and number (see `wording.draw`), and no set or clock is ever iterated.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from making.answers import grounded_doc, scope_doc
from making.arithmetic import arithmetic_doc
from making.common import SEED, Doc
from making.dialogue import dialogue_doc
from making.extraction import extraction_doc
from making.paraphrase import paraphrase_docs
from making.reply import reply_doc
from making.rewrite import rewrite_doc
from making.routing import routing_doc
from making.tools import documentation, tools_doc
from wording.draw import Draw
from wording.shared import SPLITS, Ids

COUNTS = {"train": 400, "validation": 60, "test": 60}  # items a skill
FEWSHOT_HEAD = 8  # the first train items, from which lm-eval takes its few-shot examples: one of each kind in turn


@dataclass(frozen=True)
class Skill:
    """A skill of the domain.

    Attributes:
        make: an item, or several that belong together, from split, number, random stream and the ids given out so far.
        tag: ``extraction`` where the answer has fewer words than what it is made from, else ``expansion``.
    """

    make: Callable[[str, int, Draw, Ids], Doc | list[Doc]]
    tag: Literal["extraction", "expansion"] = "extraction"


SKILLS: Mapping[str, Skill] = {
    "extraction": Skill(extraction_doc),
    "routing": Skill(routing_doc),
    "grounded": Skill(grounded_doc),
    "scope": Skill(scope_doc),
    "tools": Skill(tools_doc),
    "rewrite": Skill(rewrite_doc, "expansion"),
    "reply": Skill(reply_doc, "expansion"),
    "arithmetic": Skill(arithmetic_doc),
    "paraphrase": Skill(paraphrase_docs),
    "dialogue": Skill(dialogue_doc),
}


def normalise(text: str) -> str:
    """Text by which duplicates are told: case, punctuation and spacing do not count."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def kinds_in_turn(docs: Sequence[Doc]) -> list[Doc]:
    """``docs`` with the first `FEWSHOT_HEAD` of them of different kinds and clusters, the kinds taking turns."""
    kinds = list(dict.fromkeys(doc["kind"] for doc in docs))
    head: list[Doc] = []
    for place in range(FEWSHOT_HEAD):
        wanted = kinds[place % len(kinds)]
        taken = {doc["cluster"] for doc in head}
        head.append(next(doc for doc in docs if doc["kind"] == wanted and doc["cluster"] not in taken))
    return head + [doc for doc in docs if all(doc is not other for other in head)]


def build() -> dict[tuple[str, str], list[Doc]]:
    """All items by skill and split; no input occurs twice, not even in two splits."""
    ids = Ids()
    built: dict[tuple[str, str], list[Doc]] = {}
    for name, skill in SKILLS.items():
        seen: set[str] = set()
        for split in SPLITS:
            docs: list[Doc] = []
            attempt = 0
            while len(docs) < COUNTS[split]:
                made = skill.make(split, len(docs), Draw(f"{SEED}/{name}/{split}/{len(docs)}/{attempt}"), ids)
                made = made if isinstance(made, list) else [made]
                inputs = [normalise(doc["input"]) for doc in made]
                attempt += 1
                if not seen.intersection(inputs) and len(set(inputs)) == len(inputs):
                    seen.update(inputs)
                    docs += made
                    attempt = 0
            docs = Draw(f"{SEED}/{name}/{split}/order").shuffled(docs)
            if split == "train":
                docs = kinds_in_turn(docs)
            built[name, split] = [
                {
                    "id": f"{name}-{split}-{number:04d}", "skill": name, "tag": skill.tag,
                    **{key: value for key, value in doc.items() if key != "kind"},
                }
                for number, doc in enumerate(docs)
            ]  # fmt: skip
    return built


def write(folder: Path) -> None:
    """Write ``<skill>_<split>.jsonl`` for every skill and split, and ``tools.jsonl``, into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {f"{skill}_{split}": docs for (skill, split), docs in build().items()}
    for name, rows in {**files, "tools": documentation()}.items():
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_bytes(lines.encode())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the items of the helpdesk domain.")
    here = Path(__file__).resolve().parent
    parser.add_argument("--out", type=Path, default=here / "data", help="folder to write into")
    write(parser.parse_args().out)
