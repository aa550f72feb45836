"""Prompt templates: what they make, what they may not do, and that their change is a change of the task."""

from pathlib import Path

import pytest

from harness.evaluation.domain import load_domain
from harness.evaluation.templates import BUILTIN, MAX_OUTPUT, load_template
from harness.exceptions import InputError

TURNS = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good day"}]


def rendered(tmp_path: Path, source: str, **fields: object) -> str:
    path = tmp_path / "prompt.j2"
    path.write_text(source, encoding="utf-8")
    return load_template(path).render(fields)


@pytest.mark.parametrize("name", BUILTIN)
def test_a_built_in_template_asks_with_every_field(name: str) -> None:
    given = {"instruction": "Sort it.", "prompt": "My card is lost.", "context": "A note.", "labels": ["a", "b"]}
    text = load_template(name).render({**given, "turns": TURNS})
    for part in ("Sort it.", "My card is lost.", "A note.", "Answer with one of: a, b", "User: Hello", "Good day"):
        assert part in text


@pytest.mark.parametrize("name", ["plain", "chat"])
def test_a_prompt_alone_stays_as_it_is(name: str) -> None:
    assert load_template(name).render({"prompt": "What is 2 + 2?"}) == "What is 2 + 2?"


def test_plain_and_chat_by_the_letter() -> None:
    fields = {"instruction": "Sort it.", "prompt": "Lost card", "labels": ["a", "b"]}
    assert load_template("plain").render(fields) == "Sort it.\n\nAnswer with one of: a, b\n\nLost card"
    assert load_template("chat").render({"prompt": "Thanks", "turns": TURNS}) == (
        "User: Hello\nAssistant: Good day\nUser: Thanks"
    )


def test_labels_that_the_instruction_lists_are_not_said_twice() -> None:
    text = load_template("plain").render({"instruction": "One of: a, b", "prompt": "x", "labels": ["a", "b"]})
    assert text == "One of: a, b\n\nx"


def test_alpaca_as_stanford_wrote_it() -> None:
    both = load_template("alpaca").render({"instruction": "Add them.", "prompt": "2 and 2"})
    assert both == (
        "Below is an instruction that describes a task, paired with an input that provides further context. "
        "Write a response that appropriately completes the request.\n\n"
        "### Instruction:\nAdd them.\n\n### Input:\n2 and 2\n\n### Response:"
    )
    assert load_template("alpaca").render({"prompt": "Sing."}) == (
        "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
        "### Instruction:\nSing.\n\n### Response:"
    )


def test_dolly_as_databricks_wrote_it() -> None:
    assert load_template("dolly").render({"prompt": "Who?", "context": "Ada wrote it."}) == (
        "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
        "### Instruction:\nWho?\n\nInput:\nAda wrote it.\n\n### Response:"
    )


def test_loops_and_conditions_over_the_fields(tmp_path: Path) -> None:
    source = (
        "{% for label in labels %}{{ loop.index }}. {{ label | upper }}{{ '' if loop.last else ', ' }}{% endfor %}\n\n"
        "{% if context %}{{ context ~ ':' }}{% else %}no context{% endif %}\n\n{{ prompt | trim }}"
    )
    assert rendered(tmp_path, source, labels=["a", "b"], prompt=" x ") == "1. A, 2. B\nno context\nx"


def test_markup_in_a_field_is_text(tmp_path: Path) -> None:
    assert rendered(tmp_path, "{{ prompt }}", prompt="{{ labels }} <b>") == "{{ labels }} <b>"


@pytest.mark.parametrize(
    ("source", "line", "says"),
    [
        ("a\n{{ promt }}", 2, "unknown field 'promt'. Did you mean 'prompt'?"),
        ("a\n\n{% if prompt %}", 3, "malformed"),
        ("{{ prompt | uper }}", 1, "unknown filter 'uper'. Did you mean 'upper'?"),
        ("{{ prompt.__class__.__mro__ }}", 1, "reaches for '__"),
        ("{{ prompt['__class__'] }}", 1, "reaches for '__class__'"),
        ("{{ prompt | attr('__class__') }}", 1, "unknown filter 'attr'"),
        ("\n{% include '/etc/passwd' %}", 2, "uses 'include'"),
        ("{% import 'x' as y %}", 1, "uses 'import'"),
        ("{% extends 'x' %}", 1, "uses 'extends'"),
        ("{{ prompt.format(1) }}", 1, "calls a function"),
        ("{{ range(10 ** 9) }}", 1, "the template"),
        ("{{ 'a' * 1000000000 }}", 1, "uses 'mul'"),
        ("{{ 'a' % 1 }}", 1, "uses 'mod'"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", 1, "the template"),
        ("{% set x = [turns, turns] %}{{ x }}", 1, "makes a list of fields"),
        ("{{ lipsum() }}", 1, "the template"),
        ("{% for x in turns recursive %}{% endfor %}", 1, "uses 'for'"),
    ],
)
def test_what_a_template_may_not_is_refused_with_its_line(tmp_path: Path, source: str, line: int, says: str) -> None:
    with pytest.raises(InputError) as caught:
        rendered(tmp_path, source)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'prompt.j2'}:{line}: ")
    assert says in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("\n{{ labels }}", "prints a list"),
        ("\n{{ turns[0].speaker }}", "uses what is not there"),
        (
            "\n{% for a in prompt %}{% for b in prompt %}{% for c in prompt %}{% endfor %}{% endfor %}{% endfor %}",
            "loops",
        ),
        ("{% set x = prompt %}\n" + "{% set x = x ~ x %}" * 40 + "{{ x }}", "more than"),
        ("{% set x = prompt %}\n" + "{% set x = x + x %}" * 40 + "{{ x }}", "more than"),
        ("{% set x = prompt %}\n" + "{% set x = x | replace('a', x) %}" * 9 + "{{ x }}", "more than"),
        ("\n" + "{{ prompt }}{{ prompt }}" * 600, "more than"),
        ("\n{{ prompt + 1 }}", "adds str and int"),
    ],
    ids=["list", "turn", "loops", "concat", "add", "replace", "output", "mixed"],
)
def test_what_shows_only_in_rendering_is_refused_with_its_line(tmp_path: Path, source: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        rendered(tmp_path, source, prompt="a" * 1_000, labels=["a"], turns=TURNS)
    assert str(caught.value).startswith(f"{tmp_path / 'prompt.j2'}:2: the template ")
    assert says in str(caught.value)


def test_a_long_prompt_fits_below_the_bound(tmp_path: Path) -> None:
    assert rendered(tmp_path, "{{ prompt }}", prompt="a" * MAX_OUTPUT) == "a" * MAX_OUTPUT


def test_a_field_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no field 'labls'\. Did you mean 'labels'"):
        rendered(tmp_path, "x", labls=["a"])


@pytest.mark.parametrize("source", [b"\xff\xfe", b"a" * 64_001])
def test_no_text_and_too_long_a_file_are_refused(tmp_path: Path, source: bytes) -> None:
    (tmp_path / "x.j2").write_bytes(source)
    with pytest.raises(InputError, match=r"x\.j2: "):
        load_template(tmp_path / "x.j2")


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"unknown prompt template 'alpacca'\. Did you mean 'alpaca'"):
        load_template("alpacca")
    with pytest.raises(InputError, match=r"missing\.j2: the template cannot be read"):
        load_template("missing.j2")


def test_name_and_hash_are_those_of_the_file(tmp_path: Path) -> None:
    from harness.storage import sha256_file

    (tmp_path / "mine.j2").write_text("{{ prompt }}")
    own = load_template(str(tmp_path / "mine.j2"))
    assert (own.name, own.sha256) == ("mine.j2", sha256_file(tmp_path / "mine.j2"))
    assert load_template("alpaca").name == "alpaca"


def written_task(folder: Path, template: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "prompt.j2").write_text(template)
    (folder / "data.jsonl").write_text('{"question": "2 + 2", "answer": "4"}\n')
    (folder / "utils.py").write_text(
        "from pathlib import Path\n"
        "from datasets import Dataset\n"
        "from harness.evaluation.templates import load_template\n"
        "from harness.storage import read_jsonl\n"
        "HERE = Path(__file__).parent\n"
        "TEMPLATE = load_template(HERE / 'prompt.j2')\n"
        "def load(**_):\n"
        "    return {'test': Dataset.from_list(read_jsonl(HERE / 'data.jsonl'))}\n"
        "def doc_to_text(doc):\n"
        "    return TEMPLATE.render({'prompt': doc['question']})\n"
    )
    (folder / "sums.yaml").write_text(
        "task: sums\ncustom_dataset: !function utils.load\ntest_split: test\noutput_type: generate_until\n"
        "doc_to_text: !function utils.doc_to_text\ndoc_to_target: answer\n"
        "metric_list:\n  - metric: exact_match\n    aggregation: mean\n    higher_is_better: true\n"
    )


def test_a_change_of_the_template_changes_the_tasks_hash(tmp_path: Path) -> None:
    hashes = []
    for number, template in enumerate(("{{ prompt }} =", "{{ prompt }} =", "What is {{ prompt }}?")):
        folder = tmp_path / str(number)
        written_task(folder, template)
        domain = load_domain("sums", [folder])
        hashes.append(domain.tasks["sums"].config_hash)
        assert domain.items("test", "test")[0].prompt in ("2 + 2 =", "What is 2 + 2?")
    assert hashes[0] == hashes[1] != hashes[2]
