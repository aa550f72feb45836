"""Error migration: what counts as a cure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.exceptions import InputError
from harness.gate.migration import RIGHT, migrations

BEFORE = {"a": "long", "b": "long", "c": "long", "d": RIGHT, "e": RIGHT, "f": "form"}
AFTER = {"a": RIGHT, "b": "empty", "c": "empty", "d": "empty", "e": RIGHT, "f": "form"}


def test_the_matrix_by_hand() -> None:
    (found,) = migrations(BEFORE, AFTER, dict.fromkeys(BEFORE, "s"))
    assert found.states == (RIGHT, "empty", "form", "long")
    assert found.counts == ((1, 1, 0, 0), (0, 0, 0, 0), (0, 0, 1, 0), (1, 2, 0, 0))
    assert found.items("long", "empty") == 2
    assert found.items("long", "unheard of") == 0


def test_too_long_cured_by_saying_nothing_is_no_cure() -> None:
    (found,) = migrations(dict.fromkeys("abcd", "long"), dict.fromkeys("abcd", "empty"), dict.fromkeys("abcd", "s"))
    assert (found.cured("long"), found.moved("long"), found.improved("long")) == (0, 4, False)


def test_a_category_improves_by_items_that_become_right_less_those_that_fall_into_it() -> None:
    (found,) = migrations(BEFORE, AFTER, dict.fromkeys(BEFORE, "s"))
    assert (found.cured("long"), found.broken("long"), found.improved("long")) == (1, 0, True)
    assert (found.cured("empty"), found.broken("empty"), found.improved("empty")) == (0, 1, False)
    assert not found.improved("form")


def test_each_skill_has_its_own_matrix() -> None:
    found = migrations(BEFORE, AFTER, {item: "s" if item < "d" else "r" for item in BEFORE})
    assert [(each.skill, sum(map(sum, each.counts))) for each in found] == [("r", 3), ("s", 3)]
    assert migrations({}, {}, {}) == []


def test_unlike_items_are_refused() -> None:
    with pytest.raises(InputError, match="item z is not in both"):
        migrations(BEFORE, {**AFTER, "z": RIGHT}, dict.fromkeys(BEFORE, "s"))


STATES = st.sampled_from([RIGHT, "long", "empty", "form"])


@given(st.lists(st.tuples(STATES, STATES, st.sampled_from("rs")), max_size=40))
def test_every_item_is_counted_once(rows: list[tuple[str, str, str]]) -> None:
    items = [str(k) for k in range(len(rows))]
    before, after, skills = ({item: row[k] for item, row in zip(items, rows, strict=True)} for k in range(3))
    found = migrations(before, after, skills)
    assert sum(sum(map(sum, each.counts)) for each in found) == len(rows)
    for each in found:
        for category in set(each.states) - {RIGHT}:
            was = sum(row[0] == category and row[2] == each.skill for row in rows)
            assert each.cured(category) + each.moved(category) + each.items(category, category) == was
