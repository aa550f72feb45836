"""Prompt templates: Jinja files that turn the parts of a question into the text that the model is asked.

A template is data that may come from a stranger, so it is rendered by Jinja's immutable sandbox and may use a small
part of the language alone (see `_ALLOWED`): text, the fields, ``if``, ``for``, ``set``, filters that cannot grow a
text beyond bounds, and no calls. It reaches no file, and its work and its output are bounded.

Example, beside a task's YAML (a change of the file changes the task's hash, see `harness.evaluation.domain`)::

    _TEMPLATE = load_template(Path(__file__).with_name("prompt.j2"))


    def doc_to_text(doc):
        return _TEMPLATE.render({"prompt": doc["question"], "context": doc["passage"]})
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from harness.exceptions import InputError, at, did_you_mean
from harness.locate import data_folder

BUILTIN = ("plain", "chat", "alpaca", "dolly")
FIELDS: Mapping[str, Any] = {"instruction": "", "prompt": "", "context": "", "labels": (), "turns": ()}
"""What a template may use, with the value that stands for "there is none"; ``turns`` have ``role`` and ``content``."""
MAX_SOURCE = 64_000
"""Bytes of a template."""
MAX_OUTPUT = 1_000_000
"""Characters that may come out, and that any text on the way may have."""
MAX_LOOPS = 20_000
"""Passes of all loops of one rendering together."""

_ALLOWED = frozenset({
    "Template", "Output", "TemplateData", "Const", "Name", "If", "For", "Assign", "With", "CondExpr", "Filter",
    "Test", "Compare", "Operand", "And", "Or", "Not", "Neg", "Add", "Sub", "Concat", "Getattr", "Getitem", "Slice",
    "List", "Tuple", "Keyword",
})  # fmt: skip
_FILTERS = frozenset({
    "capitalize", "count", "d", "default", "first", "int", "join", "last", "length", "list", "lower", "max", "min",
    "reject", "rejectattr", "replace", "reverse", "select", "selectattr", "sort", "title", "trim", "unique", "upper",
    "wordcount",
})  # fmt: skip
_LEFT: ContextVar[list[int]] = ContextVar("harness_template_loops")


class _TooMuch(Exception):
    """A bound was met; the text says which."""


def _bounded(text: str) -> str:
    if len(text) > MAX_OUTPUT:
        raise _TooMuch(f"makes a text of more than {MAX_OUTPUT:,} characters")
    return text


def _counted(values: Iterable[Any]) -> Iterator[Any]:
    """``values``, each counted against what is left of `MAX_LOOPS`."""
    left = _LEFT.get()
    for value in values:
        left[0] -= 1
        if left[0] < 0:
            raise _TooMuch(f"loops more than {MAX_LOOPS:,} times")
        yield value


def _join(values: Iterable[Any], separator: str = "", attribute: str | None = None) -> str:
    pieces = []
    size = 0
    for value in _counted(values):
        piece = str(_printable(value if attribute is None else value[attribute]))
        size += len(piece) + len(separator)
        if size - len(separator) > MAX_OUTPUT:
            raise _TooMuch(f"makes a text of more than {MAX_OUTPUT:,} characters")
        pieces.append(piece)
    return str(separator).join(pieces)


def _replace(text: str, old: str, new: str) -> str:
    text, old, new = str(text), str(old), str(new)
    if len(text) + (text.count(old) * (len(new) - len(old))) > MAX_OUTPUT:
        raise _TooMuch(f"makes a text of more than {MAX_OUTPUT:,} characters")
    return text.replace(old, new)


def _printable(value: Any) -> Any:
    """Texts and numbers; a list or a function in a prompt is a mistake."""
    if isinstance(value, jinja2.Undefined):
        return value  # says which field it is when it is printed
    if isinstance(value, (str, int, float)):
        return value
    raise _TooMuch(f"prints a {type(value).__name__}; print texts alone, a list with '| join(\", \")'")


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with the filters that cannot grow a text, and additions that are bounded."""

    intercepted_binops = frozenset({"+"})

    def __init__(self) -> None:
        super().__init__(
            undefined=jinja2.StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_printable,
            loader=None,
        )
        self.globals.clear()
        own: dict[str, Callable[..., Any]] = {"join": _join, "replace": _replace}
        self.filters = {name: own.get(name, self.filters[name]) for name in _FILTERS}
        self.filters |= {"_counted": _counted, "_join": _join}

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if isinstance(left, str) and isinstance(right, str):
            return _bounded(left[: MAX_OUTPUT + 1] + right[: MAX_OUTPUT + 1])
        if isinstance(left, (int, float)) and isinstance(right, (int, float)):
            return left + right
        raise _TooMuch(f"adds {type(left).__name__} and {type(right).__name__}; join texts with '~'")


@dataclass(frozen=True)
class Template:
    """A prompt template that was read and checked.

    Attributes:
        name: the built-in name, or the file's name.
        sha256: 64 hex digits, of the file's bytes.
        path: the file.
    """

    name: str
    sha256: str
    path: Path
    _compiled: jinja2.Template = field(repr=False, compare=False)

    def render(self, fields: Mapping[str, Any]) -> str:
        """The text that the model is asked, before its own chat template.

        Args:
            fields: of `FIELDS`; what is left out, or ``None``, counts as empty. Turns are mappings, or objects, with
                ``role`` and ``content``.

        Raises:
            InputError: a field that there is not; the template uses what a turn lacks, does what the sandbox forbids,
                or makes too long a text. Names file and line.
        """
        if unknown := [name for name in fields if name not in FIELDS]:
            raise InputError(f"{self.path}: a template has no field '{unknown[0]}'.{did_you_mean(unknown[0], FIELDS)}")
        values = {name: fields[name] if fields.get(name) is not None else empty for name, empty in FIELDS.items()}
        values["labels"] = [str(label) for label in values["labels"]]
        values["turns"] = [_turn(turn) for turn in values["turns"]]
        left = _LEFT.set([MAX_LOOPS])
        pieces, size = [], 0
        stream: Any = self._compiled.generate(values)
        try:
            for piece in stream:
                size += len(piece)
                if size > MAX_OUTPUT:
                    raise _TooMuch(f"makes a text of more than {MAX_OUTPUT:,} characters")
                pieces.append(piece)
        except Exception as error:  # whatever a template does to its fields
            raise InputError(f"{at(self.path, self._line(error, stream))}: the template {_reason(error)}") from error
        finally:
            _LEFT.reset(left)
        return "".join(pieces)

    def _line(self, error: Exception, stream: Any) -> int | None:
        """The line at which ``error`` came up, or at which the stream of text was left."""
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(self.path)]
        if frames:
            return frames[-1].lineno
        inner = stream.gi_yieldfrom
        return self._compiled.get_corresponding_lineno(inner.gi_frame.f_lineno) if inner is not None else None


def template_path(name_or_path: str | Path) -> Path:
    """The file of a built-in template, or the path itself.

    Raises:
        InputError: a bare name that no built-in template has; the nearest is named.
    """
    text = str(name_or_path)
    if text in BUILTIN:
        return data_folder("tasks") / "_templates" / f"{text}.j2"
    path = Path(text)
    if isinstance(name_or_path, str) and not path.suffix and path.name == text and not path.is_file():
        raise InputError(f"unknown prompt template '{text}'.{did_you_mean(text, BUILTIN)} A file of your own: FILE.j2")
    return path


def load_template(name_or_path: str | Path) -> Template:
    """Read and check a template.

    Args:
        name_or_path: one of `BUILTIN`, or the path of a file.

    Raises:
        InputError: no such template, or it is no UTF-8 text, too long, malformed, uses an unknown field or what
            prompt templates may not use; one line with file and line.
    """
    path = template_path(name_or_path)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_SOURCE + 1)
        if len(data) > MAX_SOURCE:
            raise InputError(f"{path}: a prompt template has at most {MAX_SOURCE:,} bytes; shorten it")
        source = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: the template cannot be read: {error}; give a built-in name or a UTF-8 file"
        ) from error
    name = str(name_or_path) if str(name_or_path) in BUILTIN else path.name
    return Template(name, sha256(data).hexdigest(), path, _compiled(path, source))


def _compiled(path: Path, source: str) -> jinja2.Template:
    environment = _Sandbox()
    try:
        tree = environment.parse(source, filename=str(path))
        _check(path, tree)
        _bound(environment, tree)
        code = environment.compile(tree, filename=str(path))
    except jinja2.TemplateSyntaxError as error:
        raise InputError(f"{at(path, error.lineno)}: the template is malformed: {error.message}; correct it") from error
    except RecursionError as error:
        raise InputError(f"{path}: the template is nested too deeply; simplify it") from error
    return jinja2.Template.from_code(environment, code, {})


def _check(path: Path, tree: nodes.Template) -> None:
    """Refuse what is not in `_ALLOWED`, unknown fields and unknown filters."""
    names = {name.name for name in tree.find_all(nodes.Name) if name.ctx in ("store", "param")} | {*FIELDS, "loop"}
    for node in tree.find_all(nodes.Node):
        place = f"{at(path, node.lineno)}: the template"
        kind = type(node).__name__
        if kind == "Call":
            raise InputError(f"{place} calls a function; use a filter, such as '| trim'")
        if kind not in _ALLOWED or (isinstance(node, nodes.For) and node.recursive):
            raise InputError(f"{place} uses '{kind.lower()}', which prompt templates may not; keep to if, for and set")
        if isinstance(node, nodes.Name) and node.name not in names:
            raise InputError(f"{place} uses an unknown field '{node.name}'.{did_you_mean(node.name, FIELDS)}")
        if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
            raise InputError(f"{place} uses an unknown filter '{node.name}'.{did_you_mean(node.name, _FILTERS)}")
        hidden = node.attr if isinstance(node, nodes.Getattr) else ""
        if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
            hidden = str(node.arg.value)
        if hidden.startswith("_"):
            raise InputError(f"{place} reaches for '{hidden}', which is not for templates; use the fields")
        # Lists of lists of themselves would grow without a loop.
        items = node.items if isinstance(node, (nodes.List, nodes.Tuple)) else []
        if isinstance(node, nodes.Tuple) and node.ctx == "store":  # for role, content in ...
            items = []
        if not all(isinstance(item, nodes.Const) for item in items):
            raise InputError(f"{place} makes a list of fields; a list holds fixed texts and numbers alone")


def _bound(environment: jinja2.Environment, tree: nodes.Template) -> None:
    """Let every loop count its passes, and ``~`` the length of what it makes."""
    for loop in tree.find_all(nodes.For):
        loop.iter = nodes.Filter(loop.iter, "_counted", [], [], None, None, lineno=loop.lineno)
    for node in list(tree.find_all(nodes.Node)):
        for name, value in list(node.iter_fields()):
            if isinstance(value, nodes.Concat):
                setattr(node, name, _joined(value))
            elif isinstance(value, list):
                value[:] = [_joined(item) if isinstance(item, nodes.Concat) else item for item in value]
    tree.set_environment(environment)


def _joined(node: nodes.Concat) -> nodes.Filter:
    pieces = nodes.List([_joined(n) if isinstance(n, nodes.Concat) else n for n in node.nodes], lineno=node.lineno)
    return nodes.Filter(pieces, "_join", [], [], None, None, lineno=node.lineno)


def _turn(turn: Any) -> dict[str, str]:
    known = turn if isinstance(turn, Mapping) else {"role": turn.role, "content": turn.content}
    return {name: str(known[name]) for name in ("role", "content") if name in known}


def _reason(error: Exception) -> str:
    if isinstance(error, _TooMuch):
        return f"{error}"
    if isinstance(error, jinja2.UndefinedError):
        return f"uses what is not there: {error.message}"
    text = " ".join(str(error).split())[:200]
    return f"cannot be rendered: {type(error).__name__}: {text}"
