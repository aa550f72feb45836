"""From what was found to what stops the work and what is only said. Thresholds and reasons: docs/data-card.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.evaluation.items import Role
from harness.exceptions import InputError
from harness.intake.balance import Balance
from harness.intake.chat_format import ChatError
from harness.intake.example import Example, Row
from harness.intake.fields import (
    Spelling,
    cut_answers,
    duplicate_ids,
    empty_answers,
    empty_prompts,
    formulas,
    id_columns,
    spellings,
)
from harness.intake.findings import Problem, first, rows_are, shown
from harness.intake.repeats import Conflict, Leak, Repeat, repeating_rows
from harness.intake.secrets import Kind
from harness.intake.tokens import Counted
from harness.reporting.formatting import percent, plural

FEWEST = 20
"""Examples below which no role can be dealt honestly: 3 gate items certify nothing, 4 test items tell 25 points."""
SMALLEST_GATE = 8
"""Gate items below which no look can certify: 8 of 8 better has a one-sided p of .0039, 7 of 7 of .0078, and the first
look is at .00625 (`harness.gate.alpha`)."""
COPIED = 0.5
"""Share of a held-out split that stands in train word for word, from which on it is no held-out split."""
CONTRADICTED = 0.01
"""Share of labelled evaluation examples in conflict from which on the score has a ceiling that training cannot move."""
MAJORITY = 0.8
"""Share of one label from which on always giving it looks like skill."""
MIXED = 0.9
"""Share of the most frequent language below which a file counts as mixed."""

BLANK = "\u2423"
"""The sign of a blank, where one would not be seen."""
CLEAN = "'harness data clean FILE -o OUT'"


@dataclass(frozen=True)
class Evidence:
    """What the checks found; places are positions among ``examples``, the last ``added`` of which are in no row."""

    examples: Sequence[Example]
    rows: Sequence[Row]
    roles: Mapping[Role, frozenset[int]]
    exact: Sequence[Repeat]
    near: Sequence[Repeat]
    near_conflicts: Sequence[Repeat]
    conflicts: Sequence[Conflict]
    leaks: Sequence[Leak]
    balance: Balance | None
    languages: tuple[Mapping[str, int], int]
    private: Mapping[Kind, Sequence[tuple[Row, int]]]
    chat: Mapping[ChatError, Sequence[Row]] | None
    tokens: Counted | None
    context: int | None
    refused: Sequence[tuple[Row, InputError]] = ()
    cluster: str | None = None
    added: int = 0

    @property
    def own(self) -> Sequence[Example]:
        """Examples of the file's rows."""
        return self.examples[: len(self.examples) - self.added]

    @cached_property
    def empty_prompts(self) -> list[Example]:
        """See `harness.intake.fields`."""
        return empty_prompts(self.examples)

    @cached_property
    def empty_answers(self) -> list[Example]:
        """See `harness.intake.fields`."""
        return empty_answers(self.examples)

    @cached_property
    def cut(self) -> tuple[list[Example], str, int] | None:
        """See `harness.intake.fields`."""
        return cut_answers(self.own, self.tokens.answer if self.tokens else None)

    @cached_property
    def formulas(self) -> list[Row]:
        """See `harness.intake.fields`."""
        return formulas(self.rows)

    @cached_property
    def usable(self) -> int:
        """Examples of the file with question and answer."""
        lacking = {id(example) for example in (*self.empty_prompts, *self.empty_answers)}
        return sum(id(example) not in lacking for example in self.own)

    def places(self, positions: Sequence[int]) -> tuple[str, ...]:
        """Where the first of these examples stand."""
        return first(list(dict.fromkeys(self.examples[position].place for position in positions)))


def problems(found: Evidence) -> list[Problem]:
    """Every problem, in the order of the checks."""
    if not found.usable:
        return [_nothing_usable(found), *_chat(found)]
    between = list(_between_splits(found))
    copied = any(problem.check == "identical_splits" for problem in between)
    return [
        *_refused(found),
        *between,
        # What stands in two splits has the role of the more sealed one, so copied splits leave others empty.
        *(problem for problem in _amount(found) if not (copied and problem.check == "empty_role")),
        *_contradictions(found),
        *_labels(found),
        *_ids(found),
        *_chat(found),
        *_repeats(found),
        *_fields(found),
        *_content(found),
    ]


def _nothing_usable(found: Evidence) -> Problem:
    if found.refused:
        return next(_refused(found))
    count, places = len(found.rows), first([row.place for row in found.rows])
    message = f"no row of {count:,} has both a question and an answer" if count else "there is no row"
    return Problem("no_usable_row", True, count, message, "say which columns hold them: --prompt, --answer", places)


def _refused(found: Evidence) -> Iterator[Problem]:
    if found.refused:
        count, places = len(found.refused), [row.place for row, _ in found.refused]
        reasons = [str(error).removeprefix(row.place).lstrip(":, ") for row, error in found.refused]
        others = "" if len(set(reasons)) == 1 else ", the first one"
        message = f"{rows_are(count)} not of the others' form{others}: {shown(reasons[0], 300)}"
        yield Problem("refused_rows", True, count, message, f"correct them, or {CLEAN} drops them", first(places))


def _amount(found: Evidence) -> Iterator[Problem]:
    if found.usable < FEWEST and found.refused:
        return  # more will be usable once they are mended
    if found.usable < FEWEST:
        message = f"{plural(found.usable, 'usable row')}: too few to train, choose, certify and test on different ones"
        remedy = f"collect at least {FEWEST}, better 200 or more"
        yield Problem("too_few_rows", True, found.usable, message, remedy, first([row.place for row in found.rows]))
        return
    empty = [role.replace("_", " ") for role in ("train_pool", "dev", "gate", "test") if not found.roles.get(role)]
    if empty:
        message = f"no row is left for {' and '.join(empty)}: a split has too few rows, or all of them belong together"
        yield Problem("empty_role", True, 0, message, "add rows to that split, or give one file and let it be cut")
    elif len(found.roles["gate"]) < SMALLEST_GATE:
        gate = len(found.roles["gate"])
        message = f"{plural(gate, 'gate item')}: a round can win, but none can be certified below {SMALLEST_GATE}"
        yield Problem("small_gate", False, gate, message, "collect more rows; about 300 gate items see 5 points")


def _between_splits(found: Evidence) -> Iterator[Problem]:
    if not found.leaks:
        return
    copied: dict[str, set[int]] = {}
    for leak in found.leaks:
        if leak.rule == "same text":
            copied.setdefault(found.examples[leak.of].row.split or "", set()).add(leak.of)
    for split, repeated in copied.items():
        size = sum(example.row.split == split for example in found.examples)
        if len(repeated) >= COPIED * size:
            every = "all" if len(repeated) == size else f"{len(repeated):,} of {size:,}"
            message = f"{every} {split} rows stand in another split too: a score on them would measure memory"
            remedy = f"give a {split} file with other rows, or one file alone and let it be cut"
            yield Problem("identical_splits", True, len(repeated), message, remedy, found.places(sorted(repeated)))
            return
    rows = [leak.position for leak in found.leaks]
    same = sum(leak.rule == "same text" for leak in found.leaks)
    repeat = "repeats" if len(rows) == 1 else "repeat"
    message = f"{plural(len(rows), 'training row')} {repeat} a held-out one ({same:,} word for word)"
    remedy = "nothing to do: a run leaves them out of training; drop them to have it in the file"
    yield Problem("leakage", False, len(rows), message, remedy, found.places(rows))


def _contradictions(found: Evidence) -> Iterator[Problem]:
    labelled = [conflict for conflict in found.conflicts if conflict.label]
    if labelled:
        held_out = _held_out(found)
        rows = [position for conflict in labelled for position in conflict.positions]
        judged = [position for position in rows if position in held_out]
        of = sum(found.examples[position].label for position in held_out)
        stops = len(judged) > 1 and len(judged) > CONTRADICTED * of
        message = f"{plural(len(labelled), 'question')} with more than one label"
        if judged:
            message += f", {percent(len(judged) / of)} of the {plural(of, 'row')} that can be evaluated"
        yield Problem(
            "conflicting_labels",
            stops,
            len(rows),
            message,
            f"correct them, or {CLEAN} drops them",
            found.places(judged or rows),
        )
    free = [conflict for conflict in found.conflicts if not conflict.label]
    if free:
        rows = [position for conflict in free for position in conflict.positions]
        message = f"{plural(len(free), 'question')} with different answers, each of which counts the others wrong"
        remedy = f"look whether several are right; {CLEAN} drops them"
        yield Problem("conflicting_answers", False, len(rows), message, remedy, found.places(rows))
    if found.near_conflicts:
        rows = [position for pair in found.near_conflicts for position in (pair.of, pair.position)]
        message = f"{plural(len(found.near_conflicts), 'pair')} of questions nearly alike with different labels"
        yield Problem(
            "near_conflicts",
            False,
            len(set(rows)),
            message,
            "look at them: some may be labelled wrong",
            found.places(rows),
        )


def _held_out(found: Evidence) -> set[int]:
    """Examples that can be evaluated: of the held-out splits; where there are none, any."""
    held = {place for place, example in enumerate(found.examples) if example.row.split in ("validation", "test")}
    return held or set(range(len(found.examples)))


def _labels(found: Evidence) -> Iterator[Problem]:
    if found.balance is None:
        return
    for spelling in _worst(spellings(found.examples)):
        ways = ", ".join(f"'{_with_blanks(way)}' {count:,}" for way, count in spelling.written[:4])
        message = f"one label is written in {len(spelling.written)} ways: {ways}"
        message += f" ({BLANK} is a blank)" if BLANK in ways else ""
        remedy = f"write it in one way, or {CLEAN} takes the most frequent one"
        places = first([row.place for row in spelling.rows])
        stops = len({way.strip() for way, _ in spelling.written}) > 1  # blanks around a label are not read
        yield Problem("label_spelling", stops, len(spelling.rows), message, remedy, places)
    counts = found.balance.counts
    if found.usable < FEWEST:
        return  # of so few rows nothing else can be said
    if len(counts) == 1:
        message = f"every row has the label '{shown(next(iter(counts)), 40)}': there is nothing to tell apart"
        yield Problem("one_class", True, found.balance.examples, message, "add rows of other labels, or name --answer")
        return
    if rare := found.balance.rare:
        of_rare = [example.place for example in found.examples if example.label and example.answer in rare]
        named = ", ".join(f"'{shown(label, 40)}'" for label in rare[:3])
        more = f" and {len(rare) - 3:,} more" if len(rare) > 3 else ""
        one = len(rare) == 1
        message = f"{'the label' if one else 'labels'} {named}{more} {'has' if one else 'have'} a single row"
        message += f"{'' if one else ' each'}, which cannot be both trained and judged"
        stops = len(counts) - len(rare) < 2
        remedy = (
            "add rows of it, or join it with another label" if one else "add rows of them, or join them with others"
        )
        yield Problem("rare_class", stops, len(rare), message, remedy, first(of_rare))
    if found.balance.majority >= MAJORITY:
        label, count = next(iter(counts.items()))
        message = f"{percent(found.balance.majority)} of the rows have the label '{shown(label, 40)}'"
        remedy = "read macro F1 and the scores by label, not the share right"
        yield Problem("majority_class", False, count, message, remedy)


def _worst(found: list[Spelling]) -> list[Spelling]:
    """One to tell of; rather one that stops than one that differs in blanks around it alone."""
    return sorted(found, key=lambda one: (len({way.strip() for way, _ in one.written}) < 2, -len(one.rows)))[:1]


def _with_blanks(label: str) -> str:
    """A label with the blanks that cannot be seen: those around it, and all but one of several within."""
    text = label.strip()
    before, after = (BLANK * len(part) for part in label.split(text, 1)) if text else (BLANK * len(label), "")
    within = re.sub(r"\s\s+|[^\S ]", lambda blanks: BLANK * len(blanks[0]), text)
    return f"{before}{shown(within, 40)}{after}"


def _ids(found: Evidence) -> Iterator[Problem]:
    for column in id_columns(found.rows):
        repeated, distinct = duplicate_ids(found.rows, column)
        if not repeated or column == found.cluster:
            continue
        groups = 2 * distinct < len(found.rows)
        message = f"{rows_are(len(repeated))} under a '{shown(column, 40)}' that another row has"
        remedy = f"give each row an id of its own, drop the column, or say --cluster {shown(column, 40)} if it groups"
        if groups:
            message, remedy = (
                f"{message}: it seems to name groups",
                f"if it does, say so: --cluster {shown(column, 40)}",
            )
        yield Problem(
            "duplicate_ids", not groups, len(repeated), message, remedy, first([row.place for row in repeated])
        )


def _chat(found: Evidence) -> Iterator[Problem]:
    if not found.chat:
        return
    rows = list({id(row): row for where in found.chat.values() for row in where}.values())
    broken = list({id(row): row for error in _NO_TURN for row in found.chat.get(error, ())}.values())
    kinds = ", ".join(f"{error} {len(where):,}" for error, where in found.chat.items())
    message = f"{plural(len(rows), 'conversation')} with formatting errors: {kinds}"
    stops = 2 * len(broken) > len(found.rows)
    remedy = "correct them; see docs/data-card.md for each" if not stops else "correct them: most rows teach nothing"
    places = first([row.place for row in broken or rows])
    yield Problem("chat_format", stops, len(rows), message, remedy, places)


_NO_TURN: tuple[ChatError, ...] = ("missing_messages_list", "example_missing_assistant_message", "missing_user_message")


def _repeats(found: Evidence) -> Iterator[Problem]:
    if rows := repeating_rows(found.examples, found.exact):
        message = f"{rows_are(len(rows))} there twice: counted twice, they weigh twice"
        places = first([row.place for row in rows])
        yield Problem("exact_duplicates", False, len(rows), message, f"{CLEAN} drops them", places)
    if rows := repeating_rows(found.examples, found.near):
        message = f"{rows_are(len(rows))} nearly the same as an earlier one"
        places = first([row.place for row in rows])
        remedy = "they stay in one role; 'harness data clean FILE -o OUT --near' drops them"
        yield Problem("near_duplicates", False, len(rows), message, remedy, places)


def _fields(found: Evidence) -> Iterator[Problem]:
    used = {id(example.row) for example in found.examples}
    unused = [row.place for row in found.rows if id(row) not in used]
    if len(unused) > len(found.refused):
        message = f"{plural(len(unused), 'row')} of {len(found.rows):,} gave no example"
        yield Problem(
            "unusable_rows", False, len(unused), message, "fill in what they lack, or drop them", first(unused)
        )
    for check, lacking, what in (
        ("empty_prompt", found.empty_prompts, "question"),
        ("empty_answer", found.empty_answers, "answer"),
    ):
        if lacking:
            message = f"{plural(len(lacking), 'row')} without {'an' if what == 'answer' else 'a'} {what}"
            places = first([example.place for example in lacking])
            yield Problem(check, True, len(lacking), message, f"fill them in, or {CLEAN} drops the rows", places)  # type: ignore[arg-type]
    if found.cut:
        cut, unit, limit = found.cut
        message = (
            f"{plural(len(cut), 'answer')} end{'s' if len(cut) == 1 else ''} mid-sentence at {limit:,} {unit}: cut off"
        )
        remedy = "export them anew without the limit; a model learns to stop there"
        yield Problem("cut_answers", False, len(cut), message, remedy, first([example.place for example in cut]))
    if found.tokens and found.context:
        over = [place for place, length in enumerate(found.tokens.whole) if length > found.context]
        if over:
            message = f"{rows_are(len(over))} longer than the model's {found.context:,} tokens"
            remedy = "shorten them, drop them, or take a model with a longer context"
            yield Problem("over_context", False, len(over), message, remedy, found.places(over))


def _content(found: Evidence) -> Iterator[Problem]:
    if found.private:
        rows = list({id(row): row for where in found.private.values() for row, _ in where}.values())
        kinds = ", ".join(f"{kind.replace('_', ' ')} {len(where):,}" for kind, where in found.private.items())
        message = f"{plural(len(rows), 'row')} with what looks private: {kinds}"
        remedy = f"{CLEAN} masks it; revoke keys that are real"
        yield Problem("private_data", False, len(rows), message, remedy, first([row.place for row in rows]))
    if found.formulas:
        message = f"{plural(len(found.formulas), 'row')} with a cell that a spreadsheet would run as a formula"
        places = first([row.place for row in found.formulas])
        yield Problem("formulas", False, len(found.formulas), message, "do not open the file in a spreadsheet", places)
    counts, of = found.languages
    known = {code: count for code, count in counts.items() if len(code) == 2}
    total = sum(known.values())
    if len(known) > 1 and max(known.values()) < MIXED * total:
        mixed = ", ".join(f"{code} {percent(count / total)}" for code, count in list(known.items())[:4])
        message = f"the prompts are in several languages: {mixed} (of {of:,} looked at)"
        remedy = "if that is not meant, sort them out; if it is, name the language's column with --skill"
        yield Problem("languages", False, total - max(known.values()), message, remedy)
