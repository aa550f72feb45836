"""What the rows of a user's file are: which of the usual shapes, and the examples that they hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from harness.exceptions import InputError
from harness.intake.columns import (
    ANSWERS,
    CONTEXTS,
    CONVERSATIONS,
    LABELS,
    PROMPTS,
    SQL,
    Columns,
    check_columns,
    check_ids,
    column_names,
    first,
    is_index,
    needed,
    text_of,
)  # fmt: skip
from harness.intake.conversations import exchanges, is_conversation, read_turns
from harness.intake.example import Example, Row
from harness.intake.findings import shown
from harness.intake.labels import few_labels
from harness.intake.tools import COLUMNS as TOOLS
from harness.intake.tools import call_text, instruction_of, parsed, read_call, read_tools
from harness.storage import sha256_text

Kind = Literal[
    "prompt and answer", "instruction, input and output", "question, context and answer", "text and label",
    "question and SQL", "conversation", "preference pair", "lists of prompts and answers",
]  # fmt: skip
UNANSWERABLE = "The text does not say."
"""The right answer to a question whose list of answers is empty, as in SQuAD 2.0."""
_SHOWN = 12
"""Columns that a message names."""
_SELECT = re.compile(r"\s*(?:select|insert|update|delete|with)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Shape:
    """What a file's rows are.

    Attributes:
        kind: which of the usual shapes.
        prompt, answer: columns of what is asked and of the right answer; the conversation is both.
        instruction, context, rejected, skill, cluster, tools: further columns; ``None`` where there is none.
        further: columns that are told beside the question, such as a table's name and columns.
        labels: the labels of a classification, in alphabetical order; empty where it is none.
        notices: what the user should know of how the columns were taken, one line each.
    """

    kind: Kind
    prompt: str
    answer: str
    instruction: str | None = None
    context: str | None = None
    rejected: str | None = None
    skill: str | None = None
    cluster: str | None = None
    tools: str | None = None
    further: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    def describe(self) -> str:
        """What was recognised, in one line."""
        named: list[tuple[str, str | None]] = []
        if self.prompt != self.answer:
            named = [("prompt", self.prompt), ("answer", self.answer)]
        else:
            named = [("messages", self.prompt)]
        named += [(name, getattr(self, name)) for name in ("instruction", "context", "rejected", "tools")]
        named += [("skill", self.skill), ("cluster", self.cluster), ("beside it", ", ".join(self.further) or None)]
        columns = ", ".join(f"{name} = {column}" for name, column in named if column)
        few = f"; {len(self.labels)} labels, so a classification" if self.labels else ""
        return f"recognised {self.kind}: {columns}{few}"

    def columns(self) -> set[str]:
        """The columns that make the examples."""
        own = (self.prompt, self.answer, self.instruction, self.context, self.rejected)
        return {name for name in (*own, self.skill, self.cluster, self.tools, *self.further) if name is not None}

    def left_out(self, rows: Sequence[Row], examples: Sequence[Example]) -> str:
        """What of ``rows`` is no example, in one line; empty where all of it is.

        Args:
            examples: what `examples` made of them.
        """
        if self.kind == "lists of prompts and answers":
            questions = sum(len(parsed(row.values[self.prompt])) for row in rows)
            if more := questions - len(examples):
                return f"{more:,} of {questions:,} questions take several calls, or one that cannot be read; left out"
            return ""
        more = len(rows) - len({id(example.row) for example in examples})
        return f"{more:,} of {len(rows):,} conversations hold no answer to a user's turn; left out" if more else ""

    def examples(self, rows: Sequence[Row]) -> list[Example]:
        """The examples that ``rows`` hold, in order.

        Raises:
            InputError: a row lacks what the others have; names its place.
        """
        return [self._with_cluster(example) for row in rows for example in self._of_row(row)]

    def _of_row(self, row: Row) -> Iterator[Example]:
        if self.kind == "conversation":
            yield from self._conversation(row, row.values.get(self.prompt))
        elif self.kind == "lists of prompts and answers":
            yield from self._lists(row)
        elif self.kind == "preference pair" and is_conversation(row.values.get(self.answer)):
            *_, last = [None, *self._conversation(row, row.values[self.answer])]
            if last is not None:
                (*_, (turn, _)) = read_turns(row.values.get(self.rejected or ""), row)
                yield replace(last, rejected=turn.content)
        else:
            yield self._single(row)

    def _single(self, row: Row) -> Example:
        may_lack = self.instruction is not None and self.prompt in row.values  # an instruction may say all
        prompt, instruction = text_of(row.values, self.prompt) or "" if may_lack else needed(row, self.prompt), ""
        if self.instruction is not None:
            instruction = text_of(row.values, self.instruction) or ""
            if not prompt:
                prompt, instruction = instruction, ""
        answer, accepted, answerable = _answers(row, self.answer)
        if self.labels:
            answer, accepted, answerable = needed(row, self.answer), (), None
        offered = read_tools(row.values.get(self.tools)) if self.tools else ()
        call = read_call(row.values.get(self.answer)) if offered else None
        return Example(
            prompt=prompt,
            answer=call_text(call) if call else answer,
            row=row,
            instruction=instruction or (instruction_of(offered, or_words=call is None) if offered else ""),
            context=self._beside(row),
            label=bool(self.labels),
            skill=text_of(row.values, self.skill),
            cluster=text_of(row.values, self.cluster),
            rejected=text_of(row.values, self.rejected),
            accepted=accepted,
            answerable=answerable,
            tools=offered if call else (),
        )

    def _conversation(self, row: Row, value: Any) -> Iterator[Example]:
        offered = read_tools(row.values.get(self.tools)) if self.tools else ()
        told = instruction_of(offered, or_words=True) if offered else ""
        own = text_of(row.values, self.cluster) or _hash(str(value))
        for before, prompt, answer, is_call in exchanges(read_turns(value, row)):
            system = [turn.content for turn in before if turn.role == "system"]
            yield Example(
                prompt=prompt,
                answer=answer,
                row=row,
                instruction="\n\n".join([*system, *([told] if told else [])]),
                context=text_of(row.values, self.context) or None,
                skill=text_of(row.values, self.skill) or (_skill(is_call) if self.tools else None),
                cluster=own,
                turns=tuple(turn for turn in before if turn.role != "system"),
                tools=offered if is_call else (),
            )

    def _lists(self, row: Row) -> Iterator[Example]:
        prompts, answers = parsed(row.values.get(self.prompt)), parsed(row.values.get(self.answer))
        if not isinstance(prompts, list) or not isinstance(answers, list) or len(prompts) != len(answers):
            raise InputError(
                f"{row.place}: '{self.prompt}' and '{self.answer}' are not lists of one length; correct it"
            )
        offered = read_tools(row.values.get(self.tools)) if self.tools else ()
        own = text_of(row.values, self.cluster) or _hash(str(prompts))
        for prompt, answer in zip(prompts, answers, strict=True):
            call = read_call(answer) if offered else None
            if offered and call is None:
                continue  # several calls that hang on one another's results, or one that cannot be read
            text = call_text(call) if call else _listed(answer)
            yield Example(
                prompt=str(prompt).strip(),
                answer=text,
                row=row,
                instruction=instruction_of(offered, or_words=False) if offered else "",
                context=text_of(row.values, self.context) or None,
                skill=text_of(row.values, self.skill),
                cluster=own,
                tools=offered,
            )

    def _beside(self, row: Row) -> str | None:
        told = [f"{name}: {_listed(row.values[name])}" for name in self.further if row.values.get(name) is not None]
        return "\n".join(told) or text_of(row.values, self.context) or None

    def _with_cluster(self, example: Example) -> Example:
        """By default, what is asked of one passage or one table, or in the same words, is one cluster."""
        if example.cluster is not None:
            return replace(example, cluster=_hash(example.cluster))
        own = example.context or f"{example.instruction}\n{example.prompt}"
        return replace(example, cluster=_hash(" ".join(own.casefold().split())))


def _skill(is_call: bool) -> str:
    return "calls" if is_call else "replies"


def _hash(text: str) -> str:
    return sha256_text(text)[:12]


def _listed(value: Any) -> str:
    """A cell in words: a list of texts with commas between."""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    return text_of({"": value}, "") or ""


def _answers(row: Row, column: str) -> tuple[str, tuple[str, ...], bool | None]:
    """The right answer, others that are right too, and whether there is one; SQuAD's forms of ``answers`` known."""
    value = row.values.get(column)
    golds: list[Any] | None = None
    if isinstance(value, str) and column.casefold() == "answers" and value.strip()[:1] in ("[", "{"):
        value = parsed(value) or value
    if isinstance(value, Mapping) and isinstance(value.get("text"), list):
        golds = list(value["text"])
    elif isinstance(value, list) and column.casefold() == "answers":
        golds = [gold.get("text") if isinstance(gold, Mapping) else gold for gold in value]
    if golds is None:
        return needed(row, column), (), None
    if not golds:
        return UNANSWERABLE, (), False
    if not all(isinstance(gold, str) for gold in golds):
        raise InputError(f"{row.place}: '{column}' holds what is no text; give a list of texts")
    texts = list(dict.fromkeys(gold.strip() for gold in golds))
    return texts[0], tuple(texts[1:]), True


def recognise(rows: Sequence[Row], columns: Columns | None = None, *, judge: bool = True) -> Shape:
    """Say what ``rows`` are.

    Args:
        rows: all rows, at least one.
        columns: what the user says; it wins over the names.
        judge: refuse ids and labels that cannot be used; the data card lists them all instead.

    Raises:
        InputError: no shape fits, a named column is missing, two rows have one id, labels are not usable; one line
            that names what there is.
    """
    said = columns or Columns()
    names = column_names(rows)
    check_columns(said, names)
    if judge:
        check_ids(rows, said.cluster)
    shape = replace(
        _by_columns(rows, names, said), skill=said.skill, cluster=said.cluster, tools=_tools_column(rows, names)
    )
    if shape.prompt == shape.answer and shape.kind not in ("conversation", "preference pair"):
        raise InputError(f"'{shape.prompt}' is taken for the prompt and for the answer; name the other one")
    labels, why = few_labels(rows, shape, said.label, judge=judge)
    notices = [why] if why else []
    if left := [name for name in names if name not in shape.columns()]:
        notices.append(_unused(left))
    labelled = replace(shape, labels=labels, notices=tuple(notices))
    if labelled.kind == "text and label" and not labelled.labels:
        return replace(labelled, kind="prompt and answer")
    return labelled


def _unused(names: Sequence[str]) -> str:
    """Columns that no item has anything of."""
    index = [name or "the one without a name" for name in names if is_index(name)]
    others = [f"'{shown(name, 40)}'" for name in names if not is_index(name)]
    told = [f"{index[0]} (the numbers of rows, as pandas writes them)"] if index else []
    more = [f"and {len(others) - _SHOWN:,} more"] if len(others) > _SHOWN else []
    return f"columns not used: {', '.join([*told, *others[:_SHOWN], *more])}"


def _tools_column(rows: Sequence[Row], names: Sequence[str]) -> str | None:
    """The first column that holds tools in some row."""
    known = [name for name in names if name.casefold() in TOOLS]
    return next((name for name in known if any(read_tools(row.values.get(name)) for row in rows)), None)


def _by_columns(rows: Sequence[Row], every: Sequence[str], said: Columns) -> Shape:
    counts = Counter(name for row in rows for name in row.values)
    names = [name for name in every if 2 * counts[name] >= len(rows)]  # what few rows have is theirs, not the file's
    sample = rows[0].values
    if not (said.answer or said.label):
        talk = said.prompt or first(CONVERSATIONS, names)
        if talk is not None and any(is_conversation(row.values.get(talk)) for row in rows):
            return Shape("conversation", talk, talk, context=said.context)
    chosen, rejected = first(("chosen",), names), first(("rejected",), names)
    if chosen and rejected and (said.answer in (None, chosen)) and not said.label:
        asked = said.prompt or first(PROMPTS, names, (chosen, rejected)) or chosen
        if asked == chosen and not is_conversation(sample.get(chosen)):
            raise _no_column("prompt", names)
        return replace(_fields("preference pair", asked, chosen, every, said), rejected=rejected)
    if lists := _parallel(sample, names, said):
        return Shape("lists of prompts and answers", *lists, context=said.context)
    sql = said.answer or first(SQL, names)
    if sql and not said.label and isinstance(sample.get(sql), str) and _SELECT.match(sample[sql]):
        question = said.prompt or first(PROMPTS, names, (sql,))
        if question is None:
            raise _no_column("prompt", names)
        context = said.context or first((*CONTEXTS, "schema", "create_table", "ddl"), names, (question, sql))
        beside = tuple(name for name in names if name.casefold() in ("table", "columns", "header", "db_id"))
        return Shape("question and SQL", question, sql, context=context, further=() if context else beside)
    answer = said.answer or (None if said.label else first(ANSWERS, names, (said.prompt, said.context)))
    label = said.label or (None if answer else first(LABELS, names, (said.prompt, said.context)))
    gold = answer or label
    if gold is None:
        raise _no_column("answer", names)
    taken = (gold, said.context)
    prompt = said.prompt or first(PROMPTS, names, (*taken, said.skill, said.cluster)) or first(PROMPTS, names, taken)
    if prompt is None:
        raise _no_column("prompt", names)
    return _fields("text and label" if label else "prompt and answer", prompt, gold, every, said)


def _fields(kind: Kind, prompt: str, gold: str, names: Sequence[str], said: Columns) -> Shape:
    """A shape of one column each, with what stands beside prompt and answer."""
    instruction = None
    task = first(("instruction",), names)
    entry = first(("input",), names, (gold,))
    if said.prompt is None and task is not None and entry is not None:
        prompt, instruction = entry, task
    elif said.prompt is not None and task is not None and task not in (prompt, gold, said.context):
        instruction = task
    context = said.context or first(CONTEXTS, names, (prompt, gold, instruction))
    if kind == "prompt and answer" and context:
        kind = "question, context and answer"
    elif kind == "prompt and answer" and instruction:
        kind = "instruction, input and output"
    return Shape(kind, prompt, gold, instruction, context)


def _parallel(sample: Mapping[str, Any], names: Sequence[str], said: Columns) -> tuple[str, str] | None:
    """Columns of lists of prompts and of their answers: ``Instructions`` and ``Golden_Answers``, say."""
    lists = [name for name in names if isinstance(sample.get(name), list)]
    prompt = said.prompt or first([f"{name}s" for name in PROMPTS] + ["queries"], lists)
    answers = [f"{name}s" for name in ANSWERS if not name.endswith("s")]
    answer = said.answer or first([*(f"golden_{name}" for name in answers), *answers], lists, (prompt,))
    if prompt is None or answer is None or prompt not in lists or answer not in lists:
        return None
    return prompt, answer


def _no_column(what: str, names: Sequence[str]) -> InputError:
    there = ", ".join(
        [*(name or "one without a name" for name in names[:_SHOWN]), *(["..."] if names[_SHOWN:] else [])]
    )
    return InputError(f"no column is recognised as the {what}; name it with --{what} (columns: {there})")
