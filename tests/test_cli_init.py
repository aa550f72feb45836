"""`harness init`: what it says, what it writes, and that it writes nothing when something is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from init_files import harness, mails, write_rows
from tiny import make_tiny_model

from harness.config import load_settings
from harness.errors.setup import load_taxonomy
from harness.errors.taxonomy import classify
from harness.evaluation.domain import Domain, load_domain
from harness.evaluation.items import Item, ItemResult
from harness.loop.prepare import dealt_roles
from harness.regression.declare import declared

Init = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def init(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> Init:
    """Runs ``harness init`` on rows or a path; the folder is ``tmp_path / "shop"``."""

    def init(source: list[dict[str, Any]] | Path, *options: str) -> tuple[int, str, str]:
        file = source if isinstance(source, Path) else write_rows(tmp_path / "in" / "rows.jsonl", source)
        code = harness("init", tmp_path / "shop", "--from", file, "--model", model, *options)
        out, err = capsys.readouterr()
        return code, out, err

    return init


def domain_of(folder: Path, name: str = "shop") -> Domain:
    return load_domain(name, [folder / "tasks"])


def roles_of(domain: Domain) -> Mapping[Any, tuple[Item, ...]]:
    return dealt_roles(domain, None).items


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "in")


def test_a_file_becomes_a_domain_with_all_that_belongs_to_it(init: Init, tmp_path: Path) -> None:
    code, out, err = init(mails())
    assert (code, err) == (0, "")
    assert "recognised text and label: prompt = text, answer = label; 3 labels" in out
    assert "an answer is right if it is the label itself" in out
    folder = tmp_path / "shop"
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        "harness.yaml", "README.md", ".gitignore", ".github/workflows/gates.yml", "tests/test_gates.py",
        "tasks/shop/shop.yaml", "tasks/shop/utils.py", "tasks/shop/prompt.j2", "tasks/shop/data/test.jsonl",
        "data_card.html", "data_card.json",
    }  # fmt: skip
    assert len((folder / "README.md").read_text().splitlines()) <= 10
    assert left_behind(tmp_path) == ["shop"]
    yaml.safe_load((folder / ".github/workflows/gates.yml").read_text())
    settings = load_settings(folder / "harness.yaml", {})
    assert (settings.domain, settings.include_path) == ("shop", [str(folder / "tasks")])


def test_the_gates_that_are_proposed_can_be_taken_as_they_stand(init: Init, tmp_path: Path) -> None:
    init(mails())
    path = tmp_path / "shop/harness.yaml"
    assert declared(load_settings(path, {})).gates == ()
    lines = path.read_text().splitlines()
    begin = lines.index("# gates:")
    path.write_text("\n".join([*lines[:begin], *(line.removeprefix("# ").removeprefix("#") for line in lines[begin:])]))
    gates = declared(load_settings(path, {})).gates
    assert [gate.kind for gate in gates] == ["metric", "no_regression", "category", "length", "guard"]


def test_the_workflow_runs_the_gates_and_keeps_answers_where_the_harness_does(init: Init, tmp_path: Path) -> None:
    init(mails())
    job = yaml.safe_load((tmp_path / "shop/.github/workflows/gates.yml").read_text())["jobs"]["gates"]
    assert job["steps"][-2] == {"run": "pytest --harness"}
    restored, saved = (step["with"] for step in job["steps"] if step.get("uses", "").startswith("actions/cache/"))
    assert {name: restored[name] for name in saved} == saved
    assert job["steps"][-1]["if"] == "${{ !cancelled() }}"
    cached = restored
    assert job["env"]["HARNESS_CACHE"] == "${{ github.workspace }}/" + cached["path"]
    assert f"{cached['path'].split('/')[0]}/" in (tmp_path / "shop/.gitignore").read_text().splitlines()


def test_the_domain_asks_with_the_labels_and_knows_what_is_right(init: Init, tmp_path: Path) -> None:
    init(mails())
    domain = domain_of(tmp_path / "shop")
    roles = roles_of(domain)
    assert sum(len(items) for items in roles.values()) == 60
    assert min(len(items) for items in roles.values()) >= 5
    item = roles["dev"][0]
    assert item.prompt.startswith("Sort the text into one of the labels below. Answer with the label alone.\nLabels: ")
    assert item.prompt.count("delivery, refund, repair") == 1
    assert item.doc["expects"] == {"format": "label", "labels": ["delivery", "refund", "repair"]}
    task = domain.tasks["shop"].task
    assert task.process_results(dict(item.doc), [item.target]) == {"acc": 1.0}
    assert task.process_results(dict(item.doc), ["something"]) == {"acc": 0.0}


def test_splits_of_files_stay(init: Init, tmp_path: Path) -> None:
    write_rows(tmp_path / "in/train.jsonl", mails(30))
    write_rows(tmp_path / "in/test.jsonl", mails(20, start=100))
    assert init(tmp_path / "in")[0] == 0
    domain = domain_of(tmp_path / "shop")
    assert {split: len(domain.items(split, "dev")) for split in ("train", "validation", "test")} == {
        "train": 30, "validation": 0, "test": 20,
    }  # fmt: skip


def test_what_shares_a_passage_has_one_role(init: Init, tmp_path: Path) -> None:
    passages = [f"In town {n} the bridge {n * 31} was built by {n * 17} masons." for n in range(12)]
    rows = [
        {"context": text, "question": f"What is number {k}?", "answer": text.split()[2 + k]}
        for text in passages
        for k in range(5)
    ]
    init(rows)
    seen: dict[str, str] = {}
    for role, items in roles_of(domain_of(tmp_path / "shop")).items():
        for item in items:
            assert item.doc["expects"]["context"] == item.doc["context"]
            assert seen.setdefault(item.cluster, role) == role
    assert len(seen) == 12


def test_json_answers_are_held_to_their_form(init: Init, tmp_path: Path) -> None:
    rows = [
        {"prompt": f"Order {n} of {n + 2} kettles", "answer": json.dumps({"order": n, "count": n + 2})}
        for n in range(40)
    ]
    code, out, _ = init(rows)
    assert code == 0
    assert "the same JSON value" in out
    domain = domain_of(tmp_path / "shop")
    item = domain.items("test", "dev")[0]
    settings = load_settings(tmp_path / "shop/harness.yaml", {})
    taxonomy = load_taxonomy(settings.classifiers, domain.folders)

    def primary(response: str) -> str | None:
        result = ItemResult(
            item.item_id, item.task, item.skill, item.cluster, item.doc, item.prompt, item.target, response
        )
        return classify(result, taxonomy.classifiers).primary

    assert primary('{"order": 1}') == "invalid_format"
    right = json.loads(item.target)
    assert primary(json.dumps({**right, "count": str(right["count"])})) == "off_schema"
    assert primary(json.dumps({**right, "count": right["order"]})) == "wrong_answer"
    assert primary(item.target + " ") != "off_schema"


def test_off_topic_questions_look_like_the_others_and_want_the_sentence(init: Init, tmp_path: Path) -> None:
    code, out, _ = init(mails(), "--off-topic", "I can only sort mail of the shop.")
    assert code == 0
    assert "questions of other subjects added" in out
    domain = domain_of(tmp_path / "shop")
    roles = roles_of(domain)
    for items in roles.values():
        foreign = [item for item in items if item.skill == "off_topic"]
        assert foreign
        assert {item.target for item in foreign} == {"I can only sort mail of the shop."}
        assert {item.doc["expects"]["refusal"] for item in foreign} == {True}
        assert {item.doc["expects"]["refusal"] for item in items if item.skill == "shop"} == {False}
    subjects = {item.cluster: role for role, items in roles.items() for item in items if item.skill == "off_topic"}
    assert len(subjects) >= 12
    clusters = [(item.cluster, role) for role, items in roles.items() for item in items if item.skill == "off_topic"]
    assert set(clusters) == set(subjects.items())
    taxonomy = load_taxonomy(load_settings(tmp_path / "shop/harness.yaml", {}).classifiers, domain.folders)
    for item, response, category in (
        (next(i for i in roles["dev"] if i.skill == "off_topic"), "refund", "missed_refusal"),
        (next(i for i in roles["dev"] if i.skill == "shop"), "I can only sort mail of the shop.", "needless_refusal"),
    ):
        result = ItemResult(
            item.item_id, item.task, item.skill, item.cluster, item.doc, item.prompt, item.target, response
        )
        assert category in [label.category for label in classify(result, taxonomy.classifiers).labels]


def test_off_topic_questions_come_with_passages_where_all_have_one(init: Init, tmp_path: Path) -> None:
    rows = [
        {
            "context": f"Machine {n} weighs {n * 13} kg.",
            "question": f"How heavy is machine {n}?",
            "answer": f"{n * 13} kg",
        }
        for n in range(40)
    ]
    assert init(rows, "--off-topic", "Not my business.")[0] == 0
    seen: dict[str, str] = {}
    for role, items in roles_of(domain_of(tmp_path / "shop")).items():
        for item in items:
            assert item.doc["context"].startswith("Machine ")
            assert seen.setdefault(item.doc["context"], role) == role


def test_where_prompts_speak_of_everything_nothing_is_off_topic(init: Init, tmp_path: Path) -> None:
    from harness.intake.off_topic import SUBJECTS

    words = [word for known, _ in SUBJECTS.values() for word in known.split()]
    rows = [
        {"prompt": f"Tell me more of {word}, part {n}", "answer": f"{word} {n}"} for n in range(2) for word in words
    ]
    code, _, err = init(rows, "--off-topic", "No.")
    assert (code, left_behind(tmp_path)) == (2, [])
    assert "--off-topic: the prompts speak of 24 of 24 everyday subjects" in err


def test_a_dry_run_shows_the_prompts_of_the_model_and_writes_nothing(init: Init, tmp_path: Path) -> None:
    rows = mails()
    rows[0]["text"] = "refund \x1b[31mnow {{ 7 * 7 }}"
    code, out, _ = init(rows, "--dry-run")
    assert (code, left_behind(tmp_path)) == (0, [])
    assert out.count("<|im_start|>user\nSort the text") == 3
    assert "refund <U+001B>[31mnow {{ 7 * 7 }}<|im_end|>\n<|im_start|>assistant\n" in out
    assert "--- its right answer\nrefund\n" in out
    assert "bytes  tasks/shop/data/test.jsonl" in out


def test_a_template_of_ones_own_is_used_and_kept(init: Init, tmp_path: Path) -> None:
    own = tmp_path / "in" / "own.j2"
    own.parent.mkdir()
    own.write_text("MAIL {{ prompt }} / {{ labels | join('|') }}")
    assert init(mails(), "--template", str(own))[0] == 0
    item = domain_of(tmp_path / "shop").items("test", "dev")[0]
    assert item.prompt == f"MAIL {item.doc['input']} / delivery|refund|repair"
    assert (tmp_path / "shop/tasks/shop/prompt.j2").read_text() == own.read_text()


def test_hostile_labels_and_sentences_stay_text(init: Init, tmp_path: Path) -> None:
    labels = ['"), __import__("os").abort(), ("', "{{ 7 * 7 }}", "a: [b, &c]", "\\N{DASH} \u202e"]
    rows = [{"text": f"mail {n}", "label": labels[n % 4]} for n in range(40)]
    assert init(rows, "--off-topic", '""" + 1/0 #\n{% endif %}')[0] == 0
    items = domain_of(tmp_path / "shop").items("test", "dev")
    assert {item.target for item in items if item.skill == "shop"} == set(labels)


def test_long_answers_say_that_their_threshold_is_a_convention(init: Init, tmp_path: Path) -> None:
    rows = [{"prompt": f"Tell me of {n}", "completion": f"{'word ' * 12}{n}"} for n in range(30)]
    _, out, _ = init(rows)
    assert "does not say when a long answer is right: token F1 of 0.5 or more counts" in out
    assert "0.5 of token F1 is a convention" in (tmp_path / "shop/tasks/shop/shop.yaml").read_text()
    assert "F1_RIGHT = 0.5" in (tmp_path / "shop/tasks/shop/utils.py").read_text()


def test_few_shot_examples_fit_the_model(init: Init, tmp_path: Path) -> None:
    init([{"prompt": f"{'x y ' * 150}{n}", "answer": f"a{n}"} for n in range(30)])
    assert load_settings(tmp_path / "shop/harness.yaml", {}).fewshot < 4


BAD: list[tuple[str, bytes, str]] = [
    (
        "mixed.jsonl",
        b'{"text": "a", "label": "b"}\n' * 2 + b'{"prompt": "a", "answer": "b"}\n',
        "mixed.jsonl:3: 'label'",
    ),
    ("bom.jsonl", b'{"text": "a", "label": "b"}\n\xef\xbb\xbf{"text": "c", "label": "b"}\n', "bom.jsonl:2"),
    ("crlf.csv", b'text,label\r\n"a\r\nb,c\r\n', "crlf.csv:2"),
    ("long.jsonl", b'{"text": "' + b"x" * 10_000_000 + b'", "label": "b"}\n', "long.jsonl:1"),
    ("ids.jsonl", b'{"id": 1, "text": "a", "label": "b"}\n' * 2, "ids.jsonl:2: id '1'"),
    ("case.csv", b"text,label\n" + b"a,Yes\nb,no\nc,yes\n" * 9, "case.csv:4: label 'yes' and 'Yes'"),
    ("one.jsonl", b'{"text": "a", "completion": "b"}\n', "1 usable row: too few to train, choose, certify and test"),
    ("one.jsonl", b'{"text": "a", "label": "b"}\n', "1 usable row: too few to train, choose, certify and test"),
    ("single.csv", b"text,label\n" + b"a,yes\n" * 30 + b"b,no\n", "single.csv:32: label 'no' has this one row"),
    ("latin.csv", b"text,label\na,\xe9\n", "latin.csv:2: byte 0xe9"),
    ("no.parquet", b"PAR1", "no.parquet: cannot be read"),
    ("none.jsonl", b"", "none.jsonl: is empty"),
]


@pytest.mark.parametrize(("name", "content", "says"), BAD)
def test_bad_input_is_one_line_exit_2_and_nothing_is_written(
    name: str, content: bytes, says: str, init: Init, tmp_path: Path
) -> None:
    path = tmp_path / "in" / name
    path.parent.mkdir()
    path.write_bytes(content)
    code, _, err = init(path)
    assert (code, left_behind(tmp_path)) == (2, [])
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert len(err) < 500
    assert says in err


def test_formulas_in_a_csv_stay_the_text_that_they_are(init: Init, tmp_path: Path) -> None:
    path = tmp_path / "in" / "mails.csv"
    path.parent.mkdir()
    path.write_text("text,label\n" + "".join(f'"=cmd({n})",yes\n+{n},no\n' for n in range(20)))
    assert init(path)[0] == 0
    inputs = {item.doc["input"] for item in domain_of(tmp_path / "shop").items("test", "dev")}
    assert {"=cmd(3)", "+3"} <= inputs


def test_training_and_test_that_are_the_same_are_refused(init: Init, tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_rows(tmp_path / f"in/{split}.jsonl", mails(30))
    code, _, err = init(tmp_path / "in")
    assert (code, left_behind(tmp_path)) == (2, [])
    assert "all test rows stand in another split too" in err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--prompt", "txt"], "Did you mean 'text'?"),
        (["--name", "My Shop"], "'My Shop' is no name of a domain"),
        (["--name", "helpdesk"], "a task 'helpdesk' ships with the package"),
        (["--off-topic", " "], "the sentence is empty"),
        (["--off-topic", "caf\udce9"], "--off-topic: the sentence is not UTF-8"),
        (["--template", "alpacca"], "Did you mean 'alpaca'?"),
        (["--prompt", "text", "--answer", "text"], "--prompt and --answer both name 'text'"),
        (["--model", "no-such-model"], "no-such-model"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_2(options: list[str], says: str, init: Init, tmp_path: Path) -> None:
    code, _, err = init(mails(), *options)
    assert (code, left_behind(tmp_path)) == (2, [])
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", ["no", "null"])
def test_a_domain_may_be_called_what_yaml_takes_for_another_value(init: Init, tmp_path: Path, name: str) -> None:
    from harness.config import load_settings

    code, _, err = init(mails(), "--name", name)
    assert (code, err) == (0, "")
    assert load_settings(tmp_path / "shop/harness.yaml", {}).domain == name
    assert list(domain_of(tmp_path / "shop", name).tasks) == [name]


def test_a_folder_that_holds_something_is_left_alone(init: Init, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/mine.txt").write_text("keep")
    code, _, err = init(mails())
    assert code == 2
    assert "is not empty" in err
    assert [path.name for path in (tmp_path / "shop").iterdir()] == ["mine.txt"]


def test_what_fails_while_it_is_written_leaves_nothing(
    init: Init, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.evaluation.domain.load_domain", fail)
    code, _, err = init(mails())
    assert (code, left_behind(tmp_path)) == (3, [])
    assert "disk full" in err


def test_the_same_file_gives_the_same_items_wherever_its_rows_stand(init: Init, tmp_path: Path) -> None:
    init(mails())
    first = {item.item_id for item in domain_of(tmp_path / "shop").items("test", "dev")}
    (tmp_path / "shop").rename(tmp_path / "in" / "before")
    init(mails()[::-1])
    assert {item.item_id for item in domain_of(tmp_path / "shop").items("test", "dev")} == first
