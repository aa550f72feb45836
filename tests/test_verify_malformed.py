"""`harness verify` and `harness rescore` of files that hold something else than they should: a line, no traceback."""

from __future__ import annotations

import contextlib
import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from verified_runs import change, change_entry, change_rows, lines, make_good

from harness.cli.main import main
from harness.exceptions import InputError
from harness.loop.phases import signed
from harness.storage import canonical_json, read_json, write_json
from harness.verify.rescore import rescore
from harness.verify.verify import verify_run

DEEP = "@deep@"
VALUES: list[Any] = [[1], 3, "x", None, DEEP]
nested: Any = []
for _ in range(400):
    nested = [nested]
VALUES.append(nested)

BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "an entry nested without end": (lambda run: deep(run / "ledger.jsonl"), "ledger.jsonl:2"),
    "a manifest nested without end": (lambda run: deep(run / "manifest.json"), "manifest.json"),
    "a report's hashes nested without end": (lambda run: deep(run / "report/files.json"), "report/files.json"),
    "a list of files": (lambda run: change_entry(run, "open", lambda d: d.update(files=[1])), "ledger.jsonl:1"),
    "a file without a folder": (
        lambda run: change_entry(run, "open", lambda d: d["files"].update({"rounds/x": "0"})), "rounds/x"),
    "a file without a name": (
        lambda run: change_entry(run, "open", lambda d: d["files"].update({"": "0"})), "ledger.jsonl:1"),
    "a round without a number": (lambda run: change_entry(run, "round", lambda d: d.pop("round")), "ledger.jsonl:5"),
    "a round that is text": (lambda run: change_entry(run, "round", lambda d: d.update(round="x")), "ledger.jsonl:5"),
    "a kind that is a list": (lambda run: change_line(run, 2, kind=["a"]), "ledger.jsonl:3"),
    "data that are text": (lambda run: change_line(run, 2, data="x"), "ledger.jsonl:3"),
    "a report's hash that is a number": (
        lambda run: write_json(run / "report/files.json", signed({"files": {"a": 3}})), "report/files.json"),
    "a phase's result that is a number": (
        lambda run: change(run / "rounds/001/mine.done.json", lambda r: r.update(result=3)),
        "rounds/001/mine.done.json"),
    "bytes that are no text": (
        lambda run: (run / "rounds/001/mine.done.json").write_bytes(b"\xff{}"), "rounds/001/mine.done.json"),
    "bytes that are no text in the ledger": (
        lambda run: (run / "ledger.jsonl").write_bytes(b"\xff\n"), "ledger.jsonl:1"),
}  # fmt: skip


def deep(path: Path) -> None:
    text = "[" * 10_000 + "]" * 10_000
    if path.name == "ledger.jsonl":
        rows = path.read_text().splitlines()
        rows[1] = rows[1].replace('"data":{', f'"data":{{"deep":{text},', 1)
        path.write_text("".join(f"{row}\n" for row in rows))
    else:
        path.write_text(f'{{"deep": {text}}}')


def change_line(run: Path, place: int, **values: Any) -> None:
    path = run / "ledger.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[place] |= values
    path.write_text("".join(canonical_json(row) + "\n" for row in rows))


def cover_up(run: Path) -> None:
    """As far as a forger gets with what cannot be read either."""
    with contextlib.suppress(Exception):
        make_good(run)


@pytest.mark.parametrize("covered", [False, True])
@pytest.mark.parametrize("what", BROKEN)
def test_what_cannot_be_read_is_named(run: Path, what: str, covered: bool, capsys: pytest.CaptureFixture[str]) -> None:
    broken, where = BROKEN[what]
    broken(run)
    if covered:
        cover_up(run)
    assert main(["verify", str(run), "-v"]) == 1
    out = capsys.readouterr()
    assert out.err == ""
    assert f"does not match: {where if covered or where != 'rounds/x' else 'ledger.jsonl:1'}: " in out.out
    with contextlib.suppress(InputError):
        rescore(run)


def paths(value: Any, prefix: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield prefix
    if len(prefix) < 6 and isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*prefix, key))
    elif len(prefix) < 6 and isinstance(value, list):
        for place, inner in enumerate(value[:2]):
            yield from paths(inner, (*prefix, place))


def with_value(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    whole = copy.deepcopy(value)
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return whole


def text_of(value: Any, **layout: Any) -> str:
    return json.dumps(value, **layout).replace(f'"{DEEP}"', "[" * 10_000 + "]" * 10_000)


def mutate(path: Path, rng: random.Random) -> tuple[Any, ...]:
    """Put a value of another kind somewhere into a file of JSON or YAML, of JSON lines, or of a table's JSON."""
    new = rng.choice(VALUES)
    if path.suffix == ".parquet":
        columns = ["doc", "metrics"] if path.name == "responses.parquet" else ["labels", "not_assessed", "reasons"]
        column = rng.choice(columns)

        def edit(frame: Any) -> None:
            place = rng.choice(list(paths(value := json.loads(frame[column][0]))))
            frame.loc[0, column] = text_of(with_value(value, place, new))

        change_rows(path, edit)
        return column, new
    if path.suffix == ".jsonl":
        rows = path.read_text().splitlines()
        number = rng.randrange(len(rows))
        value = json.loads(rows[number])
        place = rng.choice(list(paths(value)))
        rows[number] = text_of(with_value(value, place, new), sort_keys=True, separators=(",", ":"))
        path.write_text("".join(f"{row}\n" for row in rows))
        return number, place, new
    value = yaml.safe_load(path.read_text()) if path.suffix == ".yaml" else read_json(path)
    place = rng.choice(list(paths(value)))
    path.write_text(text_of(with_value(value, place, new), indent=2) + "\n")  # JSON is YAML
    return place, new


def test_no_value_of_another_kind_breaks_the_reader(run: Path) -> None:
    rescore(run)
    names = sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())
    kinds: dict[str, str] = {}
    for name in names:
        if name.endswith((".json", ".jsonl", ".yaml", ".parquet")) and not name.startswith("rescored/b"):
            kinds.setdefault(name if name.endswith(".done.json") else Path(name).name, name)
    assert len(kinds) > 20
    whole = {name: (run / name).read_bytes() for name in names}
    rng = random.Random(0)
    more = {"ledger.jsonl": 30, "certify.done.json": 6, "manifest.json": 8}
    for name in kinds.values():
        for turn in range(more.get(Path(name).name, 2)):
            told = mutate(run / name, rng)
            changed = (run / name).read_bytes() != whole[name]
            if covered := bool(turn % 2):
                cover_up(run)
            try:
                findings = verify_run(run)
            except Exception as error:
                raise AssertionError(f"{name}, {str(told)[:200]}, covered up: {covered}") from error
            assert findings.mismatches or covered or not changed, (name, str(told)[:200])
            for each, content in whole.items():
                if (run / each).read_bytes() != content:
                    (run / each).write_bytes(content)
    assert lines(verify_run(run)) == []
