"""The folder of a new domain: written whole or not at all."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.exceptions import InputError
from harness.intake.documents import SPLITS, Document, document, fields, lean
from harness.intake.example import Example, FileSplit
from harness.intake.form import Form, check_golds, infer_form, new_tokens
from harness.intake.off_topic import off_topic
from harness.intake.repeats import answer_key
from harness.intake.scoring import F1_RIGHT
from harness.intake.shapes import Shape
from harness.locate import data_folder
from harness.storage import atomic_directory, canonical_json, sha256_text, writing

if TYPE_CHECKING:
    from harness.evaluation.templates import Template

LEAST_EXAMPLES = 20
"""Fewer cannot give training, dev, gate and test something each."""
SAME_SHARE = 0.5
"""Of a split's prompts that may stand in the training split too."""
FEWSHOT = (4, 2, 1)
_FITS = 0.95
_SAMPLE = 2000
"""Prompts whose length decides how many solved examples fit."""
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SCAFFOLD = Path(__file__).resolve().parent / "scaffold"
_FILES = {
    "harness.yaml.j2": "harness.yaml",
    "task.yaml.j2": "tasks/{name}/{name}.yaml",
    "utils.py.j2": "tasks/{name}/utils.py",
    "test_gates.py.j2": "tests/test_gates.py",
    "gates.yml.j2": ".github/workflows/gates.yml",
    "gitignore.j2": ".gitignore",
    "README.md.j2": "README.md",
}


@dataclass(frozen=True)
class Choices:
    """What the user chooses of a new domain.

    Attributes:
        name: of the domain, its lm-eval task and its folder below ``tasks``.
        model: what ``harness.yaml`` shall name.
        template: prompt template, a built-in name or a path; ``None`` for ``chat`` where there is a conversation and
            ``plain`` where there is none.
        sentence: the answer to what is off topic; ``None`` for no such rows.
    """

    name: str
    model: str
    template: str | None = None
    sentence: str | None = None


@dataclass(frozen=True)
class Plan:
    """A new domain, not yet written.

    Attributes:
        files: relative path to content.
        form: what its answers look like.
        counts: items by split.
        notices: what the user should know, one line each.
        first: the documents of the file's first examples.
    """

    files: Mapping[str, str]
    form: Form
    counts: Mapping[str, int]
    notices: tuple[str, ...]
    first: tuple[Document, ...]


def domain_name(given: str | None, folder: Path) -> str:
    """The name of the domain: ``given``, else made from the folder's name.

    Raises:
        InputError: no usable name, or that of a task that ships with the package.
    """
    name = given or re.sub(r"[^a-z0-9]+", "_", folder.resolve().name.lower()).strip("_")
    if not _NAME.fullmatch(name):
        raise InputError(f"'{name}' is no name of a domain; give one in lower-case letters, digits and '_' with --name")
    shipped = {path.stem.lstrip("_") for path in data_folder("tasks").rglob("*.yaml")}
    if name in shipped:
        raise InputError(f"a task '{name}' ships with the package; choose another name with --name")
    return name


def plan(
    shape: Shape,
    examples: Sequence[Example],
    choices: Choices,
    count_tokens: Callable[[Sequence[str]], list[int]],
    context_length: int,
    added: Sequence[Example] = (),
) -> Plan:
    """Everything that a domain of ``examples`` consists of.

    Args:
        added: of `redirections`, where the choices have a sentence.
        count_tokens: tokens of each text, for the model's tokenizer.
        context_length: tokens that the model takes.

    Raises:
        InputError: too few examples, an answer that cannot be scored, training and test that are the same, or a
            template that cannot be used; names the row where there is one.
    """
    if len(examples) < LEAST_EXAMPLES:
        raise InputError(
            f"{examples[0].place if examples else 'the file'}: {len(examples):,} "
            f"example{'s' * (len(examples) != 1)} in all; training, dev, gate and test need {LEAST_EXAMPLES} at least"
        )
    form = _form(shape, examples, choices)
    by_split = _by_split(examples)
    _check_splits(by_split)
    notices = []
    if form.scoring == "long":
        notices.append(
            f"the file does not say when a long answer is right: token F1 of {F1_RIGHT:g} or more counts as right here"
        )
    for split, more in _by_split(added).items():
        by_split[split] += more
        notices.append(f"{len(more)} questions of other subjects added{f' to {split}' if split else ''}")
    placed = [(split, example) for split, group in by_split.items() for example in group]
    whole = [document(example, form, choices.name, choices.sentence) for _, example in placed]
    check_golds([(example.place, doc) for (_, example), doc in zip(placed, whole, strict=True)])
    trimmed = lean(whole)
    docs: dict[str, list[Document]] = {}
    for (split, _), doc in zip(placed, trimmed, strict=True):
        docs.setdefault(_split_name(split, by_split), []).append(doc)
    template = _template(choices.template, examples)
    files = {f"tasks/{choices.name}/data/{split}.jsonl": _lines(docs[split]) for split in SPLITS if split in docs}
    files[f"tasks/{choices.name}/prompt.j2"] = template.path.read_text(encoding="utf-8-sig")
    if form.schema is not None:
        files[f"tasks/{choices.name}/schema.json"] = json.dumps(form.schema, indent=2, ensure_ascii=False) + "\n"
    answers = count_tokens([doc["target"] for doc in trimmed])
    sample = trimmed[:: max(1, len(trimmed) // _SAMPLE)]
    prompts = count_tokens([template.render(fields(doc, form.instruction, shape.labels)) for doc in sample])
    most = new_tokens(answers, form.scoring)
    shots = _fewshot(prompts, answers, most, context_length)
    skills = sorted({doc["skill"] for doc in trimmed if doc["scoring"] == "json"})
    values = {
        "name": choices.name,
        "model": choices.model,
        "fewshot": shots,
        "fewshot_why": "" if shots == FEWSHOT[0] else ": more would not fit the model's context",
        "schema": form.schema is not None,
        "skills": skills if len({doc["skill"] for doc in trimmed}) > len(skills) else [],
        "splits": [split for split in SPLITS if split in docs],
        "scoring_line": form.describe()[0].upper() + form.describe()[1:],
        "long": form.scoring == "long",
        "f1_right": F1_RIGHT,
        "stop": form.stop,
        "max_tokens": most,
        "tokens_line": _tokens_line(answers, most),
        "instruction": form.instruction,
        "labels": shape.labels,
        "sentence": choices.sentence,
        "counts": ", ".join(f"{len(docs[split]):,} {split} items" for split in SPLITS if split in docs),
    }
    files |= {target.format(name=choices.name): _rendered(name, values) for name, target in _FILES.items()}
    return Plan(files, form, {split: len(found) for split, found in docs.items()}, tuple(notices), tuple(trimmed[:3]))


def redirections(shape: Shape, examples: Sequence[Example], sentence: str) -> list[Example]:
    """Questions of other subjects for a domain of ``examples``, each answered with ``sentence``; see `off_topic`."""
    found = off_topic(_by_split(examples), sentence, shape.instruction is not None)
    return [example for added in found.values() for example in added]


def prompts_of(
    shape: Shape, examples: Sequence[Example], choices: Choices | None = None, added: Sequence[Example] = ()
) -> list[str] | None:
    """What is asked of each example in a domain that `plan` makes, before the model's chat template.

    Args:
        added: of `redirections`.

    Returns:
        Shape (examples + added,); ``None`` where `plan` refuses the examples, and says why.

    Raises:
        InputError: the template cannot be used, or does not ask what the rows ask.
    """
    choices = choices or Choices("", "")
    template = _template(choices.template, examples)
    try:
        form = _form(shape, examples, choices)
    except InputError:
        return None
    every = [*examples, *added]
    known = [
        fields(document(example, form, choices.name, choices.sentence), form.instruction, shape.labels)
        for example in every
    ]
    prompts = [template.render(each) for each in known]
    if choices.template is not None and every:
        _check_template(template, every, known, prompts)
    return prompts


def _check_template(
    template: Template, examples: Sequence[Example], known: Sequence[Mapping[str, Any]], prompts: Sequence[str]
) -> None:
    """Refuse a template that leaves the question out, or what tells two rows with different answers apart."""
    if template.render({**known[0], "prompt": "one"}) == template.render({**known[0], "prompt": "another"}):
        raise InputError(f"{template.path}: never uses 'prompt', the question; put {{{{ prompt }}}} where it belongs")
    seen: dict[str, int] = {}
    for place, prompt in enumerate(prompts):
        if (of := seen.setdefault(prompt, place)) == place:
            continue
        differ = [name for name in known[of] if _folded(known[of][name]) != _folded(known[place][name])]
        if differ and answer_key(examples[of].answer) != answer_key(examples[place].answer):
            raise InputError(
                f"{template.path}: makes the same text of {examples[of].place} and {examples[place].place}, whose "
                f"answers differ; let it use {', '.join(repr(name) for name in differ)}"
            )


def _folded(value: object) -> str:
    return " ".join(str(value).casefold().split())


def _by_split(examples: Sequence[Example]) -> dict[FileSplit | None, list[Example]]:
    found: dict[FileSplit | None, list[Example]] = {}
    for example in examples:
        found.setdefault(example.row.split, []).append(example)
    return found


def _form(shape: Shape, examples: Sequence[Example], choices: Choices) -> Form:
    form = infer_form(shape, examples)
    if choices.sentence is None:
        return form
    return replace(form, instruction=_redirecting(form.instruction, choices, bool(shape.labels)))


def _template(name: str | None, examples: Sequence[Example]) -> Template:
    from harness.evaluation.templates import load_template

    return load_template(name or ("chat" if any(example.turns for example in examples) else "plain"))


def _split_name(split: FileSplit | None, by_split: Mapping[FileSplit | None, Sequence[Example]]) -> str:
    # lm-eval wants a test or a validation split; whatever stands alone is cut by the harness (docs/roles.md).
    return "test" if split is None or len(by_split) == 1 else split


def _redirecting(instruction: str, choices: Choices, labels: bool) -> str:
    if labels:
        return f"{instruction} If the text is about something else, answer exactly: {choices.sentence}"
    asked = f"Answer only what belongs to the subject of {choices.name}. To anything else, answer exactly: "
    return "\n".join(part for part in (instruction, asked + str(choices.sentence)) if part)


def _check_splits(by_split: Mapping[FileSplit | None, Sequence[Example]]) -> None:
    seen: dict[str, Example] = {}
    for example in by_split.get("train", ()):
        seen.setdefault(_said(example), example)
    judged: tuple[FileSplit, ...] = ("validation", "test")
    for split in judged:
        own = by_split.get(split, ())
        again = [example for example in own if _said(example) in seen]
        if own and len(again) > SAME_SHARE * len(own):
            raise InputError(
                f"{again[0].place}: is in the training split too ({seen[_said(again[0])].place}), as are "
                f"{len(again):,} of {len(own):,} {split} examples; what was trained on judges nothing: give others"
            )


def _said(example: Example) -> str:
    return " ".join(f"{example.instruction} {example.context or ''} {example.prompt}".casefold().split())


def _lines(docs: Sequence[Document]) -> str:
    ordered = sorted(docs, key=lambda doc: sha256_text(canonical_json(doc)))
    return "".join(json.dumps(doc, ensure_ascii=False, allow_nan=False) + "\n" for doc in ordered)


def _fewshot(prompts: Sequence[int], answers: Sequence[int], most: int, context_length: int) -> int:
    """Most solved examples with which nineteen in twenty questions still fit the model."""

    def high(values: Sequence[int]) -> int:
        return sorted(values)[int(_FITS * (len(values) - 1))]

    each = high(prompts) + 16  # what a chat template puts around a turn
    fitting = (k for k in FEWSHOT if (k + 1) * each + k * (high(answers) + 16) + most <= context_length)
    return next(fitting, 0)


def _tokens_line(answers: Sequence[int], most: int) -> str:
    longer = sum(count >= most for count in answers)
    cut = f"; {longer:,} of {len(answers):,} are longer than this and cannot be given whole" if longer else ""
    return f"the longest right answer has {max(answers):,} token{'s' * (max(answers) != 1)}{cut}"


def _rendered(name: str, values: Mapping[str, Any]) -> str:
    import jinja2

    # Every value goes through `json` or `py`, or is a number or a name that was checked.
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters |= {"json": json.dumps, "py": _literal, "name": _yaml_name}
    source = (_SCAFFOLD / name).read_text(encoding="utf-8")
    return environment.from_string(source).render(values)


def _yaml_name(name: str) -> str:
    """A domain's name as YAML text: ``no`` or ``null`` alone would be another value."""
    import yaml

    return name if yaml.safe_load(name) == name else json.dumps(name)


def _literal(value: object) -> str:
    """Python source of a text, ``None`` or a tuple of texts, in lines of at most 120 characters where words allow."""
    if isinstance(value, tuple):
        lines, line = [], "   "
        for item in map(_quoted, value):
            if len(line) + len(item) > 118:
                lines.append(line)
                line = "   "
            line += f" {item},"
        return "(\n" + "\n".join([*lines, line]) + "\n)  # fmt: skip" if value else "()"
    if not isinstance(value, str):
        return repr(value)
    pieces = [""]
    for word in re.findall(r"\s*\S+|\s+", value):
        if len(pieces[-1]) + len(word) > 100 or pieces[-1].endswith("\n"):
            pieces.append("")
        pieces[-1] += word
    if len(pieces) < 2:
        return _quoted(value)
    return "(\n" + "".join(f"    {_quoted(piece)}\n" for piece in pieces) + ")"


def _quoted(text: str) -> str:
    return (
        json.dumps(text, ensure_ascii=False) if text.isprintable() or text.rstrip("\n").isprintable() else ascii(text)
    )


def write_plan(folder: Path, files: Mapping[str, str], check: Callable[[Path], None]) -> None:
    """Write a new domain to ``folder``, all of it or nothing.

    Args:
        check: is given the folder before it has its name; where it raises, nothing is left.

    Raises:
        InputError: ``folder`` holds something already, or is no folder.
        EnvironmentFault: it cannot be written.
    """
    check_folder(folder)
    with atomic_directory(folder.resolve()) as temporary:
        for name, content in files.items():
            path = temporary / name
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content, encoding="utf-8")
        check(temporary)
        for compiled in [*temporary.rglob("__pycache__")]:  # of the check
            shutil.rmtree(compiled)


def check_folder(folder: Path) -> None:
    """Refuse a folder that a new domain cannot have; errors as for `write_plan`."""
    if folder.resolve() == Path().resolve():
        raise InputError(f"{folder}: is the folder that you are in; name a new one, such as {folder / 'mydomain'}")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; name a new folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder}: is not empty; name a new folder, or remove this one first")
