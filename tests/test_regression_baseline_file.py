"""The baseline in the user's repository: written to be read by people, read as if anyone had edited it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gate_answers import IDENTITY, answer, answers, item_id
from hypothesis import given
from hypothesis import strategies as st

from harness.config import Settings, load_settings
from harness.exceptions import EnvironmentFault, InputError
from harness.regression.answers import Answer, AnswerSet
from harness.regression.baseline_file import KEPT, baseline_path, read_baseline, write_baseline


def kept(given: Answer) -> Answer:
    """What a baseline keeps of an answer."""
    metrics = {name: value for name, value in given.metrics.items() if not name.startswith("err_")}
    return replace(
        given,
        metrics=dict(sorted(metrics.items())),
        not_assessed=tuple(sorted(given.not_assessed)),
        prompt="",
        target="",
        response=given.response[:KEPT],
    )


ANSWERS = st.builds(
    Answer,
    item=st.integers(0, 2**64 - 1).map("{:016x}".format),
    task=st.text(min_size=1, max_size=8),
    skill=st.text(min_size=1, max_size=8),
    cluster=st.text(max_size=8),
    correct=st.floats(0, 1),
    role=st.sampled_from(["domain", "guard"]),
    metrics=st.dictionaries(st.text(max_size=6), st.floats(allow_nan=False, allow_infinity=False), max_size=3),
    primary=st.none() | st.text(min_size=1, max_size=8),
    categories=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    not_assessed=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    prompt_sha256=st.sampled_from(["", "0123456789abcdef"]),
    response=st.text(st.characters(), max_size=40),
    new_tokens=st.none() | st.integers(0, 999),
)


@given(st.lists(ANSWERS, min_size=1, max_size=5, unique_by=lambda each: each.item), st.booleans())
def test_what_is_written_is_read_back(tmp_path_factory: Any, some: list[Answer], classified: bool) -> None:
    path = tmp_path_factory.mktemp("baseline") / "b.json"
    written = AnswerSet("now", tuple(some), IDENTITY, 3.0, classified)
    write_baseline(path, written)
    found = read_baseline(path)
    assert found.by_item == {each.item: kept(each) for each in some}
    assert (found.identity, found.source, found.classified, found.seconds) == (IDENTITY, str(path), classified, None)


def test_an_answer_is_a_line_in_an_order_of_its_own(tmp_path: Path) -> None:
    path, some = tmp_path / "b.json", [answer(number, float(number % 2)) for number in range(5)]
    write_baseline(path, answers(some))
    text = path.read_text()
    write_baseline(path, answers(reversed(some)))
    assert path.read_text() == text
    write_baseline(path, answers([replace(some[0], correct=0.25), *some[1:]]))
    changed = [line for line in path.read_text().splitlines() if line not in text.splitlines()]
    assert len(changed) == 1
    assert item_id(0) in changed[0]
    assert sum(item_id(number) in line for number in range(5) for line in text.splitlines()) == 5


def test_what_nobody_can_see_is_written_as_an_escape(tmp_path: Path) -> None:
    path, hostile = tmp_path / "b.json", "a\u202eb\u2028c\x1b[31m\u200b\ud800 \U000e0041 é"
    write_baseline(path, answers([answer(0, response=hostile)]))
    text = path.read_text(encoding="utf-8")
    assert text.isascii() is False
    assert all(char == "\n" or char.isprintable() for char in text)
    assert read_baseline(path).answers[0].response == hostile


def test_error_metrics_and_what_is_no_number_are_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    write_baseline(path, answers([answer(0, metrics={"f1": 0.5, "err_empty": 1.0, "bad": float("nan")})]))
    assert read_baseline(path).answers[0].metrics == {"f1": 0.5}


def test_it_lies_beside_the_settings_named_for_the_domain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert baseline_path(Settings()) == tmp_path / "baselines" / "helpdesk.json"
    project = tmp_path / "project"
    project.mkdir()
    (project / "harness.yaml").write_text("domain: mine\n")
    assert baseline_path(load_settings(project / "harness.yaml", {})) == project / "baselines" / "mine.json"
    (project / "harness.yaml").write_text("baselines: ../kept\n")
    assert baseline_path(load_settings(project / "harness.yaml", {})) == project / "../kept/helpdesk.json"


def test_names_of_domains_cannot_leave_the_folder_or_meet() -> None:
    hostile = ["../../etc/passwd", "a,b", "a_b", "..", ".hidden", "a/b"]
    paths = [baseline_path(replace(Settings(), domain=name)) for name in hostile]
    assert len({path.name for path in paths}) == len(hostile)
    assert {path.parent.name for path in paths} == {"baselines"}
    assert not any(path.name.startswith(".") for path in paths)


def test_a_folder_that_cannot_be_written_is_the_surroundings_fault(tmp_path: Path) -> None:
    (tmp_path / "baselines").write_text("a file")
    with pytest.raises(EnvironmentFault):
        write_baseline(tmp_path / "baselines" / "b.json", answers([answer(0)]))


def test_a_missing_baseline_names_the_flags(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no baseline; write one: .*--harness-update-baseline"):
        read_baseline(tmp_path / "b.json")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A baseline of five items, the first one on line 34."""
    written = tmp_path / "b.json"
    write_baseline(written, answers([answer(number) for number in range(5)]))
    return written


def line_of(path: Path, what: str) -> int:
    return next(n for n, line in enumerate(path.read_text().splitlines(), 1) if what in line)


@pytest.mark.parametrize("marker", ["<<<<<<< HEAD", "=======", ">>>>>>> main", "||||||| base"])
def test_a_merge_conflict_is_named_with_its_line(path: Path, marker: str) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-3], marker, *lines[-3:]]))
    with pytest.raises(InputError, match=rf"b.json:{len(lines) - 2}: a merge conflict is in it; resolve it"):
        read_baseline(path)


def test_a_torn_file_is_named_with_its_line(path: Path) -> None:
    path.write_text(path.read_text()[:-40])
    with pytest.raises(InputError, match=r"b.json:\d+: not valid JSON: .*; write it anew: "):
        read_baseline(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfe", "cannot be read"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[]", "names no schema"),
        (b'{"schema": "lm-eval-ratchet/baseline/9"}', "its schema is 'lm-eval-ratchet/baseline/9'"),
        (b'{"schema": "lm-eval-ratchet/baseline/1"}', "damaged: answers is None"),
        (b'{"schema": "lm-eval-ratchet/baseline/1", "answers": []}', "there are no answers"),
        (b'{"schema": "lm-eval-ratchet/baseline/1", "answers": [1]}', "damaged: answer 1 is 1"),
        (b'{"schema": "lm-eval-ratchet/baseline/1", "answers": [], "tasks": {"a": 1}}', "damaged: tasks is"),
        (b'{"schema": "lm-eval-ratchet/baseline/1", "answers": [], "settings": 1}', "damaged: settings is 1"),
        (b'{"schema": "lm-eval-ratchet/baseline/1", "answers": [], "model": 1}', "damaged: model is 1"),
        (b'{"schema": "lm-eval-ratchet/baseline/1", "answers": [], "classified": 1}', "damaged: classified is 1"),
        (b'{"schema": "lm-eval-ratchet/baseline/1", "answers": NaN}', "NaN is no number of JSON"),
    ],
)
def test_what_is_no_baseline_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "b.json").write_bytes(content)
    with pytest.raises(InputError) as error:
        read_baseline(tmp_path / "b.json")
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("item", 1), ("item", "two words"), ("item", "x" * 65), ("task", 1), ("task", ""), ("skill", None),
        ("cluster", 1),
        ("correct", 1.5), ("correct", "1"), ("correct", True), ("correct", None), ("metrics", []),
        ("metrics", {"a": "b"}), ("metrics", {"a": 10**400}), ("role", "test"), ("categories", "empty"),
        ("not_assessed", [1]), ("new_tokens", -1), ("new_tokens", 1.5), ("response", 1), ("prompt", 1), ("primary", 1),
    ],
)  # fmt: skip
def test_a_damaged_answer_is_named_with_its_line(path: Path, field: str, value: Any) -> None:
    raw = json.loads(path.read_text())
    row = {**raw["answers"][2], field: value}
    lines = path.read_text().splitlines()
    at = line_of(path, item_id(2))
    lines[at - 1] = json.dumps(row) + ","
    path.write_text("\n".join(lines))
    with pytest.raises(InputError) as error:
        read_baseline(path)
    assert f"{field} of {item_id(2)}" in str(error.value) or field == "item"
    if field != "item":
        assert f"b.json:{at}: damaged: " in str(error.value)


def test_a_document_that_is_there_twice_is_refused(path: Path) -> None:
    path.write_text(path.read_text().replace(item_id(1), item_id(0)))
    with pytest.raises(InputError, match="1 documents are there twice"):
        read_baseline(path)


@given(st.binary(max_size=60), st.integers(0, 10_000))
def test_a_file_with_foreign_bytes_in_it_is_read_or_refused_in_one_line(
    tmp_path_factory: Any, junk: bytes, place: int
) -> None:
    path = tmp_path_factory.mktemp("baseline") / "b.json"
    write_baseline(path, answers([answer(number) for number in range(3)]))
    whole = path.read_bytes()
    place %= len(whole)
    path.write_bytes(whole[:place] + junk + whole[place + len(junk) :])
    said = ""
    try:
        read_baseline(path)
    except InputError as error:
        said = str(error)
    assert said == "" or said.startswith(str(path))
