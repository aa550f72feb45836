"""YAML to dataclasses: every complaint has its line."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.exceptions import InputError
from harness.yamlfile import YamlFile, read_yaml


@dataclass(frozen=True)
class Inner:
    rate: float = 1.0
    kind: Literal["plain", "fancy"] = "plain"


@dataclass(frozen=True)
class Outer:
    name: str = "none"
    count: int = 0
    folder: Path | None = None
    either: str | list[str] = "all"
    flag: bool = False
    doubt: Literal["pass", "fail"] | None = None
    inner: Inner = field(default_factory=Inner)


def read(folder: Path, text: str | bytes) -> YamlFile:
    path = folder / "file.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_yaml(path)


def test_a_file_becomes_a_dataclass(tmp_path: Path) -> None:
    text = "count: 3\nfolder: /a\neither: [x, y]\nflag: yes\ninner:\n  rate: 2\n  kind: fancy\n"
    assert read(tmp_path, text).build(Outer) == Outer(
        "none", 3, Path("/a"), ["x", "y"], True, inner=Inner(2.0, "fancy")
    )


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "inner:\n", "---\n"])
def test_what_is_left_out_keeps_its_default(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text).build(Outer) == Outer()


@pytest.mark.parametrize("number", ["3e-4", "3.0e-4", "0.0003", "'3e-4'"])
def test_a_number_may_be_written_as_people_do(tmp_path: Path, number: str) -> None:
    assert read(tmp_path, f"inner: {{rate: {number}}}").build(Outer).inner.rate == 3e-4


def test_null_is_a_value_where_it_is_allowed(tmp_path: Path) -> None:
    assert read(tmp_path, "folder: null\n").build(Outer).folder is None


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbfcount: 2\n").build(Outer).count == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("count: 1\nnmae: x\n", ":2: unknown field 'nmae'. Did you mean 'name'?"),
        ("inner:\n  rate: 1\n  knd: plain\n", ":3: unknown field 'inner.knd'. Did you mean 'kind'?"),
        ("zzz: 1\n", ":1: unknown field 'zzz'. Known: count, doubt, either, flag, folder, inner, name."),
        ("1: x\n", ":1: unknown field '1'. Known: count, doubt, either, flag, folder, inner, name."),
        ("inner:\n  kind: fance\n", ":2: field 'inner.kind' is 'fance'. Did you mean 'fancy'?"),
        ("inner:\n  rate: fast\n", ":2: field 'inner.rate' is 'fast'; expected float"),
        ("inner:\n  rate: null\n", ":2: field 'inner.rate' is None; expected float"),
        ("inner: 3\n", ":1: expected fields below 'inner'"),
        ("inner: []\n", ":1: expected fields below 'inner'"),
        ("inner: false\n", ":1: expected fields below 'inner'"),
        ("doubt: maybe\n", ":1: field 'doubt' is 'maybe'; expected pass, fail or null"),
        ("either: 3\n", ":1: field 'either' is 3; expected str or list of str"),
        ("count: '3'\n", ":1: field 'count' is '3'; expected int"),
        ("name: 3\n", ":1: field 'name' is 3; expected str"),
        ("folder: 3\n", ":1: field 'folder' is 3; expected Path or null"),
        ("name: null\n", ":1: field 'name' is None; expected str"),
    ],
)
def test_a_wrong_field_is_refused_at_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text).build(Outer)
    assert str(caught.value) == f"{tmp_path / 'file.yaml'}{message}"


@pytest.mark.parametrize("number", ["0", "11", ".nan", ".inf"])
def test_a_number_out_of_range_is_refused(tmp_path: Path, number: str) -> None:
    with pytest.raises(InputError, match=r"file\.yaml:2: field 'inner\.rate' is .*; it must lie from 1 to 10"):
        read(tmp_path, f"inner:\n  rate: {number}\n").build(Outer, ranges={"inner.rate": (1, 10)})


def test_a_field_that_is_given_may_not_be_in_the_file(tmp_path: Path) -> None:
    assert read(tmp_path, "count: 1\n").build(Outer, given={"name": "given"}) == Outer("given", 1)
    with pytest.raises(InputError, match=r"file\.yaml:1: unknown field 'name'"):
        read(tmp_path, "name: own\n").build(Outer, given={"name": "given"})


@pytest.mark.parametrize(
    ("text", "line"),
    [("a: 1\nb: [1, 2\n", 3), ("a: 1\n\tb: 2\n", 2), ("a: 'x\n", 2), ("a: b: c\n", 1), ("? [a, b]\n: 1\n", 1)],
)
def test_malformed_yaml_is_refused_at_its_line(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(InputError, match=rf"file\.yaml:{line}: not valid YAML: \S"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "problem"), [("since: 2026-02-31\n", "day is out of range"), ("[" * 20_000, "nested too deeply")]
)
def test_what_the_parser_itself_does_not_catch_is_refused_too(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InputError, match=rf"file\.yaml: not valid YAML: {problem}.*; correct the file"):
        read(tmp_path, text)


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text\n", "3\n"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"file\.yaml:1: expected 'field: value' lines, found (list|str|int)"):
        read(tmp_path, text)


def test_code_in_yaml_is_never_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"file\.yaml:1: not valid YAML: could not determine a constructor"):
        read(tmp_path, "a: !!python/object/apply:os.system ['true']\n")


@pytest.mark.parametrize("data", [b"\xff\xfe\xfa", b"a: \x80"])
def test_bytes_that_are_no_text_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InputError, match=r"file\.yaml: cannot be read"):
        read(tmp_path, data)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.yaml: cannot be read"):
        read_yaml(tmp_path / "absent.yaml")


def test_lines_are_known_by_dotted_key_and_by_the_nearest_parent(tmp_path: Path) -> None:
    document = read(tmp_path, "a: 1\nb:\n  c:\n    d: 2\n")
    assert [document.line(key) for key in ("a", "b.c.d", "b.c.x.y", "nothing")] == [1, 4, 3, None]


def test_lines_of_a_list_are_known_by_place(tmp_path: Path) -> None:
    document = read(tmp_path, "a:\n  - b: 1\n    c: 2\n  - [x,\n     y]\n")
    assert [document.line(key) for key in ("a.0", "a.0.c", "a.1.1", "a.7")] == [2, 3, 5, 1]


def test_an_alias_to_what_it_lies_in_has_lines_too(tmp_path: Path) -> None:
    document = read(tmp_path, "a: &a\n  b: *a\nc: &c\n  - *c\nd: 1\n")
    assert [document.line(key) for key in ("a.b", "c.0", "d")] == [2, 3, 5]


@given(text=st.text(alphabet="ab:-[]{}'\"#&*!|>%@`\n\t ,0?", max_size=30))
def test_whatever_a_file_holds_it_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text)
    try:
        outcome: Any = read_yaml(path).build(Outer)
    except InputError as error:
        outcome = str(error)
    assert isinstance(outcome, Outer) or outcome.startswith(str(path))
