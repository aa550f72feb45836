"""What rows are taken for, and the examples that come out of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from harness.exceptions import InputError
from harness.intake.columns import Columns
from harness.intake.example import Example, FileSplit, Row, Turn
from harness.intake.form import infer_form, new_tokens
from harness.intake.shapes import UNANSWERABLE, Shape, recognise

Values = Mapping[str, Any]
SPLITS: tuple[FileSplit, ...] = ("train", "test")


def rows(*values: Values) -> list[Row]:
    return [Row(value, f"f.jsonl:{line}") for line, value in enumerate(values, start=1)]


def read(values: Sequence[Values], columns: Columns | None = None) -> tuple[Shape, list[Example]]:
    found = rows(*values)
    shape = recognise(found, columns)
    return shape, shape.examples(found)


def refusal(values: Sequence[Values], columns: Columns | None = None) -> str:
    with pytest.raises(InputError) as caught:
        infer_form(*read(values, columns))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def mails(labels: Sequence[Any], column: str = "label") -> list[Values]:
    return [{"text": f"mail {number}", column: label} for number, label in enumerate(labels)]


@pytest.mark.parametrize(
    ("row", "kind", "prompt", "answer"),
    [
        ({"prompt": "p", "completion": "c"}, "prompt and answer", "p", "c"),
        ({"Question": "p", "Answer": 3}, "prompt and answer", "p", "3"),
        ({"id": 1, "input": "p", "target": "c"}, "prompt and answer", "p", "c"),
        ({"instruction": "do", "input": "p", "output": "c"}, "instruction, input and output", "p", "c"),
        ({"context": "x", "question": "p", "answer": "c"}, "question, context and answer", "p", "c"),
        ({"instruction": "p", "context": "x", "response": "c"}, "question, context and answer", "p", "c"),
        ({"question": "p", "sql": "SELECT a FROM t"}, "question and SQL", "p", "SELECT a FROM t"),
        ({"prompt": "p", "chosen": "c", "rejected": "d"}, "preference pair", "p", "c"),
    ],
)
def test_columns_are_known_by_their_names(row: Values, kind: str, prompt: str, answer: str) -> None:
    shape, (example,) = read([row])
    assert (shape.kind, example.prompt, example.answer) == (kind, prompt, answer)
    assert shape.kind in shape.describe()
    assert "\n" not in shape.describe()


def test_what_the_user_says_wins_over_names() -> None:
    row = {
        "question": "no",
        "answer": "no",
        "ask": "p",
        "gold": "c",
        "passage": "no",
        "doc": "x",
        "kind": "s",
        "who": "w",
    }
    columns = Columns(prompt="ask", answer="gold", context="doc", skill="kind", cluster="who")
    _, (example,) = read([row], columns)
    assert (example.prompt, example.answer, example.context, example.skill) == ("p", "c", "x", "s")


def test_a_column_that_there_is_not_is_named_with_the_nearest() -> None:
    assert "--prompt questoin: there is no such column. Did you mean 'question'?" in refusal(
        [{"question": "p", "answer": "c"}], Columns(prompt="questoin")
    )
    assert "--answer and --label" in refusal([{"a": "p", "b": "c"}], Columns(answer="a", label="b"))


def test_without_a_known_name_the_option_is_named() -> None:
    assert "recognised as the answer; name it with --answer (columns: frage, antwort)" in refusal(
        [{"frage": "p", "antwort": "c"}]
    )
    assert "recognised as the prompt; name it with --prompt" in refusal([{"frage": "p", "answer": "c"}])


def test_an_instruction_without_input_is_the_prompt() -> None:
    _, (with_input, without) = read(
        [{"instruction": "do", "input": "p", "output": "c"}, {"instruction": "say hi", "input": "", "output": "hi"}]
    )
    assert (with_input.instruction, with_input.prompt) == ("do", "p")
    assert (without.instruction, without.prompt) == ("", "say hi")
    _, (_, null) = read(
        [{"instruction": "do", "input": "p", "output": "c"}, {"instruction": "say hi", "input": None, "output": "hi"}]
    )
    assert (null.instruction, null.prompt) == ("", "say hi")


def test_squads_answers_are_all_right_and_none_is_an_answer_too() -> None:
    _, (found, none, nested) = read(
        [
            {"context": "x", "question": "p", "answers": {"text": ["a", "b", "a"], "answer_start": [1, 2, 3]}},
            {"context": "x", "question": "q", "answers": {"text": [], "answer_start": []}},
            {"context": "y", "question": "r", "answers": [{"text": "c", "answer_start": 1}]},
        ]
    )
    assert (found.answer, found.accepted, found.answerable) == ("a", ("b",), True)
    assert (none.answer, none.answerable) == (UNANSWERABLE, False)
    assert nested.answer == "c"
    assert found.cluster == none.cluster != nested.cluster


def test_the_same_prompt_and_the_same_named_cluster_stay_together() -> None:
    _, (one, two, three) = read([{"prompt": p, "answer": "c"} for p in ("Ask  me", "ask me", "other")])
    assert one.cluster == two.cluster != three.cluster
    _, (one, two) = read([{"prompt": p, "answer": "c", "who": "w"} for p in "ab"], Columns(cluster="who"))
    assert one.cluster == two.cluster


def test_few_labels_make_a_classification() -> None:
    shape, examples = read(mails(["refund", "voucher"] * 5, "intent"))
    assert (shape.kind, shape.labels) == ("text and label", ("refund", "voucher"))
    assert all(example.label for example in examples)
    form = infer_form(shape, examples)
    assert form.scoring == "label"


def test_answers_that_repeat_are_labels_without_the_name_too() -> None:
    shape, _ = read([{"prompt": f"p{n}", "answer": "yes" if n % 2 else "no"} for n in range(20)])
    assert shape.labels == ("no", "yes")
    shape, _ = read([{"prompt": f"p{n}", "answer": f"answer {n}"} for n in range(20)])
    assert shape.labels == ()


def test_a_label_with_a_value_for_nearly_each_row_is_an_answer() -> None:
    shape, _ = read(mails([f"title {n}" for n in range(20)], "category"))
    assert (shape.kind, shape.labels) == ("prompt and answer", ())


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (["Refund", "refund", "voucher"] * 4, "f.jsonl:2: label 'refund' and 'Refund' (f.jsonl:1) differ by case"),
        (["a"] * 9 + ["b"], "f.jsonl:10: label 'b' has this one row"),
        (["a"] * 9, "one label only, 'a'"),
        (["a", "b", ""] * 4, "f.jsonl:3: 'label' is empty"),
    ],
)
def test_labels_that_cannot_be_judged_are_refused_with_their_rows(labels: list[str], says: str) -> None:
    assert says in refusal(mails(labels))


def test_a_rare_label_among_several_is_kept() -> None:
    shape, _ = read(mails(["a"] * 5 + ["b"] * 5 + ["c"]))
    assert shape.labels == ("a", "b", "c")


def numbered(answer: str, count: int = 11) -> list[Values]:
    return [{"prompt": f"p{n}", "answer": answer.replace("N", str(n))} for n in range(count)]


LAST = {"prompt": "z", "answer": "3"}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([*numbered("c", 1), {"prompt": "q"}], "f.jsonl:2: 'answer', which other rows have, is missing"),
        ([*numbered("c", 1), {"prompt": None, "answer": "c"}], "f.jsonl:2: 'prompt', which other rows have, is null"),
        ([*numbered("c", 1), {"prompt": "q", "answer": " "}], "f.jsonl:2: its answer is empty"),
        ([{"id": 7, "prompt": n, "answer": "c"} for n in "pq"], "f.jsonl:2: id '7' is that of f.jsonl:1 too"),
        ([*numbered('{"a": N}'), LAST], "f.jsonl:12: its answer is no JSON object or list"),
        ([*numbered("#### N"), LAST], "f.jsonl:12: its answer is no final number"),
        ([*numbered("SELECT N"), LAST], "f.jsonl:12: its answer is no SQL query"),
        ([{"messages": [{"role": "robot", "content": "x"}]}], "f.jsonl:1, message 1: unknown role 'robot'"),
        ([{"messages": [{"role": "user", "content": [{"type": "image"}]}]}], "f.jsonl:1, message 1: holds a picture"),
        (
            [{"instructions": ["a"], "outputs": ["b"]}, {"instructions": ["a"], "outputs": []}],
            "f.jsonl:2: 'instructions' and 'outputs' are not lists of one length",
        ),
    ],
)
def test_a_row_that_is_not_as_the_others_is_named(values: list[Values], says: str) -> None:
    assert says in refusal(values)


def test_each_answer_to_a_user_is_an_example_of_a_conversation() -> None:
    talk = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": [{"type": "text", "text": "Bye"}]},
        {"role": "assistant", "content": "So long"},
    ]
    shape, (first, second) = read([{"messages": talk}])
    assert shape.kind == "conversation"
    assert (first.prompt, first.answer, first.instruction, first.turns) == ("Hi", "Hello", "Be brief.", ())
    assert (second.prompt, second.answer) == ("Bye", "So long")
    assert second.turns == (Turn("user", "Hi"), Turn("assistant", "Hello"))
    assert first.cluster == second.cluster


def test_calls_of_sharegpt_become_calls_and_tools_are_told() -> None:
    tool = {"name": "rate", "description": "Rates.", "parameters": {"type": "object", "properties": {}}}
    talk = [
        {"from": "human", "value": "Rate it 5"},
        {"from": "function_call", "value": json.dumps({"name": "rate", "arguments": {"stars": 5}})},
        {"from": "observation", "value": "done"},
        {"from": "gpt", "value": "I did."},
        {"from": "human", "value": "Thanks"},
        {"from": "gpt", "value": "Welcome"},
    ]
    shape, (call, reply) = read([{"conversations": talk, "tools": json.dumps([tool])}])
    assert json.loads(call.answer) == {"name": "rate", "arguments": {"stars": 5}}
    assert (call.skill, reply.skill) == ("calls", "replies")
    assert json.dumps(tool) in call.instruction == reply.instruction
    assert [turn.role for turn in reply.turns] == ["user", "assistant", "tool", "assistant"]
    form = infer_form(shape, [call, reply])
    assert (form.scoring_of(call), form.scoring_of(reply), form.calls) == ("call", "short", 1)


def test_openais_tool_calls_are_calls() -> None:
    call = {"type": "function", "function": {"name": "rate", "arguments": '{"stars": 5}'}}
    talk = [{"role": "user", "content": "Rate it"}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    tools = [{"type": "function", "function": {"name": "rate", "parameters": {}}}]
    _, (example,) = read([{"messages": talk, "tools": tools}])
    assert json.loads(example.answer) == {"name": "rate", "arguments": {"stars": 5}}


def test_lists_in_one_row_are_taken_apart_and_stay_together() -> None:
    row = {
        "Instructions": ["one", "two", "three"],
        "Golden_Answers": [
            [{"Action": "get", "Action_Input": '{"a": 1}'}],
            [{"Action": "get", "Action_Input": "{}"}, {"Action": "put", "Action_Input": "{}"}],
            [{"Action": "get", "Action_Input": '{"a": ${from get}}'}],
        ],
        "Function_Description": {"get": 'Gets.\nParameters: {"a": "Required. integer. Which."}\nOutput: x'},
    }
    shape, examples = read([row])
    assert [json.loads(example.answer) for example in examples] == [{"name": "get", "arguments": {"a": 1}}]
    assert examples[0].tools[0]["parameters"]["properties"]["a"]["type"] == "integer"
    assert shape.left_out(rows(row), examples).startswith("2 of 3 questions")
    _, plain = read([{"prompts": ["a", "b"], "answers": ["c", "d"]}])
    assert [(e.prompt, e.answer) for e in plain] == [("a", "c"), ("b", "d")]
    assert plain[0].cluster == plain[1].cluster


def test_a_pair_of_whole_conversations_keeps_the_last_answers() -> None:
    def talk(answer: str) -> list[dict[str, str]]:
        return [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": answer}]

    _, (example,) = read([{"chosen": talk("Hello"), "rejected": talk("What")}])
    assert (example.prompt, example.answer, example.rejected) == ("Hi", "Hello", "What")


@pytest.mark.parametrize(
    ("answers", "scoring", "asks"),
    [
        ([f"SELECT a FROM t{n}" for n in range(9)], "sql", "SQL query"),
        ([f'{{"a": {n}}}' for n in range(9)], "json", "Its keys: a."),
        ([f"so\n#### {n}" for n in range(9)], "number", "####"),
        ([f"word {n}" for n in range(9)], "short", "few words"),
        ([f"{'word ' * 20}{n}" for n in range(9)], "long", ""),
    ],
)
def test_the_form_of_the_answers_says_how_they_are_scored(answers: list[str], scoring: str, asks: str) -> None:
    form = infer_form(*read([{"prompt": f"p{n}", "answer": answer} for n, answer in enumerate(answers)]))
    assert form.scoring == scoring
    assert asks in form.instruction
    assert bool(form.instruction) == bool(asks)


def test_rows_with_instructions_of_their_own_get_no_other() -> None:
    values = [{"instruction": f"do {n}", "input": f"p{n}", "output": f"out {n}"} for n in range(9)]
    assert infer_form(*read(values)).instruction == ""


def test_length_follows_the_right_answers() -> None:
    assert new_tokens([3, 4], "label") == 16
    assert new_tokens([90], "sql") == 120
    assert new_tokens([5000], "json") == 512
    assert new_tokens([10] * 99 + [5000], "long") == 16


def test_ids_that_name_groups_are_accepted_where_the_user_says_so() -> None:
    values = [{"id": n // 3, "prompt": f"p{n}", "answer": f"c{n}"} for n in range(9)]
    assert "where ids name groups, add --cluster id" in refusal(values)
    _, examples = read(values, Columns(cluster="id"))
    assert [len({example.cluster for example in examples[n : n + 3]}) for n in (0, 3, 6)] == [1, 1, 1]
    assert len({example.cluster for example in examples}) == 3


def test_ids_may_begin_anew_in_each_split() -> None:
    found = [Row({"id": n, "prompt": f"{split} {n}", "answer": "c"}, "f", split) for split in SPLITS for n in range(3)]
    assert recognise(found).prompt == "prompt"


def test_ids_and_labels_that_are_private_are_masked_in_messages() -> None:
    line = refusal([{"id": "jane@example.org", "prompt": n, "answer": "c"} for n in "pq"])
    assert "id '[EMAIL]' is that of f.jsonl:1 too" in line
    for labels in (["Jane@example.org", "jane@example.org", "b"] * 3, ["a"] * 9 + ["jane@example.org"]):
        line = refusal(mails(labels))
        assert "[EMAIL]" in line
        assert "ane@" not in line


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        (Columns(prompt="text", answer="text"), "--prompt and --answer both name 'text'"),
        (Columns(prompt="text", label="text"), "--prompt and --label both name 'text'"),
        (Columns(context="label", label="label"), "--label and --context both name 'label'"),
        (Columns(prompt="sql"), "'sql' is taken for the prompt and for the answer"),
    ],
)
def test_one_column_cannot_be_two_things(columns: Columns, says: str) -> None:
    rows = [{"text": f"t{n}", "label": "ab"[n % 2], "sql": "SELECT a"} for n in range(8)]
    assert says in refusal(rows, columns)


def test_a_column_may_be_the_skill_or_the_cluster_too() -> None:
    _, examples = read(mails(["a", "b"] * 5), Columns(skill="label", cluster="text"))
    assert {example.skill for example in examples} == {"a", "b"}


def test_more_labels_than_an_instruction_should_list_are_taken_where_the_user_calls_them_so() -> None:
    values = mails([f"intent {n % 101:03}" for n in range(404)])
    shape, _ = read(values)
    assert shape.labels == ()
    assert shape.notices == (
        "'label' has 101 values, more than 100: taken as free answers, not as labels (--label label overrules that)",
    )
    shape, examples = read(values, Columns(label="label"))
    assert (len(shape.labels), shape.notices) == (101, ())
    assert infer_form(shape, examples).scoring == "label"


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ([f"title {n}" for n in range(20)], "'label' has 20 values in 20 rows"),
        (["a\nb", "c"] * 10, "'label' has values of several lines (f.jsonl:1)"),
        ([["a"], ["b"]] * 10, "'label' holds lists, not labels"),
    ],
)
def test_why_there_is_no_classification_is_said(labels: list[Any], why: str) -> None:
    shape, _ = read(mails(labels), Columns(label="label"))
    assert shape.labels == ()
    assert shape.notices[0].startswith(why)


@pytest.mark.parametrize("name", ["body", "Description", "ISSUE"])
def test_the_prompts_of_a_service_desk_are_known(name: str) -> None:
    shape, _ = read([{"subject": "s", name: f"p{n}", "queue": "ab"[n % 2]} for n in range(8)])
    assert (shape.prompt, shape.labels) == (name, ("a", "b"))
    assert shape.notices == ("columns not used: 'subject'",)


@pytest.mark.parametrize("index", ["", "Unnamed: 0", "__index_level_0__"])
def test_the_numbers_of_rows_that_pandas_writes_are_ignored_with_a_line(index: str) -> None:
    shape, _ = read([{index: n, "text": f"t{n}", "label": "ab"[n % 2]} for n in range(8)])
    assert (shape.prompt, shape.answer) == ("text", "label")
    named = index or "the one without a name"
    assert shape.notices == (f"columns not used: {named} (the numbers of rows, as pandas writes them)",)


def test_a_conversation_is_recognised_though_its_first_row_is_broken() -> None:
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    assert recognise(rows({"messages": []}, {"messages": talk})).kind == "conversation"
