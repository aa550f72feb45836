"""What is kept across runs: roles, looks and openings, whatever salt, seed, order, crash or second process."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from state_driver import GATE

from harness.evaluation.items import Item, Role
from harness.evaluation.roles import EXTENSION
from harness.exceptions import EnvironmentFault, InputError
from harness.gate.alpha import LOOKS, TOTAL_ALPHA, next_alpha
from harness.state.domain import DomainState, state_folder
from harness.state.kept import WORN, GateLook

SHARE = TOTAL_ALPHA / LOOKS
Splits = dict[str, list[Item]]


def now() -> str:
    return "2026-01-01T00:00:00+00:00"


def opened(folder: Path, domain: str = "toy") -> DomainState:
    return DomainState.open(folder, domain, now)


def make(numbers: Sequence[int], mark: str = "") -> list[Item]:
    """Items of one skill whose prompt and id hang on their number; a mark changes the id alone."""
    return [
        Item(f"{number:015x}{mark or '0'}", "task", "a", str(number), "dev", {}, f"question {number}", "x")
        for number in numbers
    ]


def splits(validation: Sequence[Item], train: Sequence[Item] = (), test: Sequence[Item] = ()) -> Splits:
    return {
        "train": list(train) or make(range(10_000, 10_004)),
        "validation": list(validation),
        "test": list(test) or make(range(20_000, 20_004)),
    }


def roles(state: DomainState, given: Splits, **options: Any) -> dict[str, Role]:
    dealt = state.deal(given, **options)
    return {i.item_id: role for role, items in dealt.items.items() for i in items}


def gate(state: DomainState, given: Splits) -> list[str]:
    return [item_id for item_id, role in roles(state, given).items() if role == "gate"]


NUMBERS = st.lists(st.integers(0, 60), unique=True, max_size=40)
FUNCTION_SCOPED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)


@FUNCTION_SCOPED
@given(first=NUMBERS, second=NUMBERS, salt=st.sampled_from(["", "b", "c"]), data=st.data())
def test_an_item_that_had_a_role_keeps_it(
    tmp_path_factory: pytest.TempPathFactory, first: list[int], second: list[int], salt: str, data: st.DataObject
) -> None:
    """In another order, among other items, with another salt, in another process."""
    folder = tmp_path_factory.mktemp("state")
    before = roles(opened(folder), splits(make(first)))
    given_again = data.draw(st.permutations([*first, *(n for n in second if n not in first)]))
    after = roles(opened(folder), splits(make(given_again)), salt=salt)
    assert {item_id: after[item_id] for item_id in before} == before
    assert roles(opened(folder), splits(make(first)), salt="yet another") == before


def test_roles_that_are_not_to_be_recorded_leave_no_trace(tmp_path: Path) -> None:
    state = opened(tmp_path / "state")
    state.deal(splits(make(range(20))), record=False)
    assert not (tmp_path / "state").exists()


def test_without_a_record_and_with_one_roles_are_dealt_alike(tmp_path: Path) -> None:
    given_items = splits(make(range(40)))
    assert roles(opened(tmp_path / "a"), given_items, record=False) == roles(opened(tmp_path / "b"), given_items)


def test_gate_never_becomes_train_and_test_never_anything_else(tmp_path: Path) -> None:
    state, items = opened(tmp_path), make(range(40))
    before = roles(state, splits(items[:30], test=items[30:]))
    # The user deals the splits anew: what was validation and test is now train.
    after = roles(state, splits(make(range(100, 110)), train=items))
    assert {i: after[i] for i in before if i in after} == {i: before[i] for i in before if i in after}
    assert Counter(after[item.item_id] for item in items)["train_pool"] == 0


def test_an_edited_item_is_known_by_its_prompt(tmp_path: Path) -> None:
    state = opened(tmp_path)
    before = roles(state, splits(make(range(30))))
    edited = make(range(30), mark="e")
    after = roles(state, splits(edited), salt="other")
    assert [after[item.item_id] for item in edited] == [before[item.item_id] for item in make(range(30))]
    assert len(state.groups([i for i, role in after.items() if role == "gate"])) == 1


def test_an_edited_test_item_cannot_be_trained_on(tmp_path: Path) -> None:
    state = opened(tmp_path)
    roles(state, splits(make(range(30)), test=make(range(50, 60))))
    dealt = state.deal(splits(make(range(30)), train=make(range(50, 70), mark="e")))
    assert {int(i.item_id[:15], 16) for i in dealt.items["train_pool"]} == set(range(60, 70))
    assert dealt.notices == ("10 train items ask what was test in an earlier run and are left out",)


def test_near_duplicates_share_a_role_where_one_split_is_cut(tmp_path: Path) -> None:
    text = "the blue kettle number {} that my aunt sent from Porto last week boils over whenever the lid is closed {}"
    items = [replace(i, prompt=text.format(n // 2, "now" if n % 2 else "then")) for n, i in enumerate(make(range(40)))]
    of = roles(opened(tmp_path), {"train": items, "validation": [], "test": []})
    assert all(of[items[n].item_id] == of[items[n + 1].item_id] for n in range(0, 40, 2))


def test_the_file_says_which_domain_it_is_of(tmp_path: Path) -> None:
    roles(opened(tmp_path), splits(make(range(4))))
    (tmp_path / "toy.jsonl").rename(tmp_path / "other.jsonl")
    with pytest.raises(InputError, match="is not the record of domain 'other'"):
        opened(tmp_path, "other")


def test_domains_whose_names_make_the_same_file_name_have_files_of_their_own(tmp_path: Path) -> None:
    first, second = opened(tmp_path, "a/b"), opened(tmp_path, "a_b")
    assert first.path != second.path
    assert first.path.parent == tmp_path


# Looks


def looks_made(state: DomainState, items: Sequence[str], verdicts: Sequence[bool]) -> list[GateLook]:
    made = []
    for number, verdict in enumerate(verdicts, start=1):
        look = state.debit(items, "run", number)
        assert look is not None
        state.settle(look.number, verdict)
        made.append(look)
    return made


def test_looks_are_debited_at_the_level_of_the_rule(tmp_path: Path) -> None:
    state = opened(tmp_path)
    items = gate(state, splits(make(range(40))))
    made = looks_made(state, items, [False, True, True, False])
    assert [look.alpha for look in made] == pytest.approx([SHARE, SHARE, 2 * SHARE, 3 * SHARE])
    (group,) = state.groups(items)
    assert group.alpha == pytest.approx(next_alpha([look.spent() for look in group.looks]))


def test_eight_looks_and_no_more_over_all_runs_seeds_and_salts(tmp_path: Path) -> None:
    given_items = splits(make(range(40)))
    for run in range(LOOKS):
        state = opened(tmp_path)
        items = [i for i, role in roles(state, given_items, salt=f"salt {run}").items() if role == "gate"]
        assert state.debit(items, f"run {run}", 1) is not None
    before = state.path.read_bytes()
    assert state.debit(items, "another run", 1) is None
    assert state.group(items) is None
    assert state.path.read_bytes() == before


def test_a_look_without_a_verdict_is_spent_and_not_certified(tmp_path: Path) -> None:
    state = opened(tmp_path)
    items = gate(state, splits(make(range(40))))
    state.debit(items, "run", 1)
    again = opened(tmp_path)
    cut_short = again.look_of("run", 1)
    assert cut_short is not None
    assert cut_short.certified is None
    look = again.debit(items, "run", 1)
    assert look is not None
    assert (look.number, look.alpha) == (2, pytest.approx(SHARE))


def test_a_verdict_that_comes_after_the_next_look_hands_nothing_on(tmp_path: Path) -> None:
    state = opened(tmp_path)
    items = gate(state, splits(make(range(40))))
    first, second = state.debit(items, "a", 1), state.debit(items, "b", 1)
    assert first is not None
    assert second is not None
    state.settle(first.number, True)
    third = state.debit(items, "a", 2)
    assert third is not None
    assert [look.alpha for look in (first, second, third)] == pytest.approx([SHARE] * 3)
    assert state.kept.looks[0].certified is True  # what it certified stays certified


def test_a_verdict_is_final(tmp_path: Path) -> None:
    state = opened(tmp_path)
    items = gate(state, splits(make(range(40))))
    look = state.debit(items, "run", 1)
    assert look is not None
    state.settle(look.number, False)
    before = state.path.read_bytes()
    state.settle(look.number, False)
    assert state.path.read_bytes() == before
    with pytest.raises(InputError, match="already has the other verdict"):
        state.settle(look.number, True)
    with pytest.raises(InputError, match="there is no look 9"):
        state.settle(9, True)


@pytest.mark.parametrize("wrong", ["none", "dev too", "unknown"])
def test_a_look_takes_gate_items_of_one_group_alone(tmp_path: Path, wrong: str) -> None:
    state = opened(tmp_path)
    of = roles(state, splits(make(range(40))))
    items = {"none": [], "dev too": list(of), "unknown": ["f" * 16]}[wrong]
    with pytest.raises(InputError, match="a look takes gate items of one group"):
        state.debit(items, "run", 1)


def test_items_added_before_any_look_join_the_group(tmp_path: Path) -> None:
    state = opened(tmp_path)
    gate(state, splits(make(range(40))))
    items = gate(state, splits(make(range(60))))
    (group,) = state.groups(items)
    assert (group.number, len(group.items), group.looks) == (1, len(items), ())


def test_items_added_after_a_look_have_their_own_alpha_and_leave_the_old_one_as_it_was(tmp_path: Path) -> None:
    state = opened(tmp_path)
    old = gate(state, splits(make(range(300))))
    looks_made(state, old, [False, False, False])
    every = gate(state, splits(make(range(350))))
    first, second = state.groups(every)
    assert (set(first.items), len(first.looks)) == (set(old), 3)
    assert (set(second.items), second.looks) == (set(every) - set(old), ())
    with pytest.raises(InputError, match="of 2 groups"):  # old and new together would be a fresh start on the old
        state.debit(every, "run", 4)
    chosen = state.group(every)
    assert chosen is not None
    assert chosen.number == 1  # the largest with looks left
    looks_made(state, old, [False] * (LOOKS - 3))
    chosen = state.group(every)
    assert chosen is not None
    assert (chosen.number, chosen.alpha) == (2, pytest.approx(SHARE))


def test_fewer_of_the_same_gate_items_continue_the_same_looks(tmp_path: Path) -> None:
    state = opened(tmp_path)
    items = gate(state, splits(make(range(40))))
    looks_made(state, items, [False] * LOOKS)
    assert state.debit(items[:5], "run", 9) is None


def test_a_new_item_of_a_cluster_that_was_looked_at_brings_no_alpha(tmp_path: Path) -> None:
    state = opened(tmp_path)
    given_items = make(range(40))
    items = gate(state, splits(given_items))
    looks_made(state, items, [False])
    twins = [replace(i, item_id=f"{i.item_id[:15]}t", prompt=f"{i.prompt} again") for i in given_items]
    every = gate(state, splits([*given_items, *twins]))
    (group,) = state.groups(every)
    assert (len(group.items), len(group.looks)) == (2 * len(items), 1)


def test_extensions_are_dealt_and_kept_like_validation_items(tmp_path: Path) -> None:
    state = opened(tmp_path)
    old = gate(state, splits(make(range(40))))
    looks_made(state, old, [False])
    given_items = {**splits(make(range(40))), EXTENSION: make(range(100, 120))}
    of = roles(state, given_items)
    new = [of[item.item_id] for item in given_items[EXTENSION]]
    assert Counter(new) == {"dev": 10, "gate": 10}
    assert [len(group.items) for group in state.groups(of)] == [len(old), 10]
    assert roles(state, given_items, salt="other") == of


# Crashes, damage, other processes


def test_a_kill_at_any_byte_of_a_debit_gains_no_look(tmp_path: Path) -> None:
    """Gate is read only after ``debit`` returned, so after its line is whole on disk: readings never exceed looks."""
    state = opened(tmp_path)
    items = gate(state, splits(make(range(12))))
    looks_made(state, items, [True])
    before = state.path.read_bytes()
    look = state.debit(items, "run", 2)
    assert look is not None
    whole = state.path.read_bytes()
    assert whole.startswith(before)
    for end in range(len(before), len(whole) + 1):
        state.path.write_bytes(whole[:end])
        returned = end == len(whole)
        after = opened(tmp_path)
        assert len(after.kept.looks) == 1 + returned
        readings = 1 + returned
        if end - len(before) in (0, 1, 100, len(whole) - len(before) - 1, len(whole) - len(before)):
            while after.debit(items, "run", 3) is not None:
                readings += 1
            assert readings == len(opened(tmp_path).kept.looks) == LOOKS


def test_a_kill_at_any_byte_of_a_verdict_leaves_the_look_spent(tmp_path: Path) -> None:
    state = opened(tmp_path)
    items = gate(state, splits(make(range(12))))
    look = state.debit(items, "run", 1)
    assert look is not None
    before = state.path.read_bytes()
    state.settle(look.number, True)
    whole = state.path.read_bytes()
    for end in range(len(before), len(whole) + 1):
        state.path.write_bytes(whole[:end])
        (kept,) = opened(tmp_path).kept.looks
        assert kept.certified is (True if end == len(whole) else None)
        (group,) = opened(tmp_path).groups(items)
        assert group.alpha == pytest.approx(2 * SHARE if end == len(whole) else SHARE)


def test_a_changed_line_is_named(tmp_path: Path) -> None:
    state = opened(tmp_path)
    items = gate(state, splits(make(range(12))))
    state.debit(items, "run", 1)
    raw = state.path.read_bytes()
    state.path.write_bytes(raw.replace(b'"kind":"look"', b'"kind":"luck"'))
    with pytest.raises(InputError, match=r"toy.jsonl:3: ledger chain broken"):
        opened(tmp_path)


def test_two_processes_at_once_get_eight_looks_between_them(tmp_path: Path) -> None:
    items = [Item(i, "task", "a", i, "dev", {}, f"question {i}", "x") for i in GATE]
    state = opened(tmp_path)
    roles(state, splits(items))
    script = Path(__file__).with_name("state_driver.py")
    running = [
        subprocess.Popen([sys.executable, str(script), str(tmp_path), run], stdout=subprocess.PIPE, text=True)
        for run in ("one", "two")
    ]
    numbers = [int(line) for process in running for line in process.communicate(timeout=300)[0].split()]
    assert [process.returncode for process in running] == [0, 0]
    assert sorted(numbers) == list(range(1, LOOKS + 1))
    kept = opened(tmp_path).kept
    assert len(kept.looks) == LOOKS
    assert all(look.certified is not None for look in kept.looks)
    next_alpha([look.spent() for look in kept.looks])  # the levels are those of the rule


# Openings of test


def test_openings_are_counted_for_the_items_over_all_runs(tmp_path: Path) -> None:
    items = [item.item_id for item in make(range(20))]
    assert [opened(tmp_path).open_test(items, f"run {n}", 10) for n in range(1, 5)] == [1, 2, 3, WORN]
    assert opened(tmp_path).openings(items) == 4
    assert opened(tmp_path).openings(items[:3]) == 4
    assert opened(tmp_path).openings(["0" * 16 + "f"]) == 0


def test_a_run_that_was_cut_short_opens_test_again_without_being_counted_again(tmp_path: Path) -> None:
    items = [item.item_id for item in make(range(20))]
    state = opened(tmp_path)
    assert [state.open_test(items, "run", 10), state.open_test(items, "run", 10)] == [1, 1]
    assert state.open_test(items, "run", 20) == 2


def test_items_that_are_new_to_test_do_not_make_the_others_new(tmp_path: Path) -> None:
    state = opened(tmp_path)
    old, new = [i.item_id for i in make(range(20))], [i.item_id for i in make(range(20, 30))]
    for number in range(3):
        state.open_test(old, f"run {number}", 1)
    assert state.open_test(new, "run 3", 1) == 1
    assert state.open_test([*old, *new], "run 4", 1) == 4


# Where


def test_the_variable_comes_before_the_setting_and_the_setting_before_the_users_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HARNESS_STATE", str(tmp_path / "variable"))
    assert state_folder(str(tmp_path / "setting")) == tmp_path / "variable"
    monkeypatch.delenv("HARNESS_STATE")
    assert state_folder(str(tmp_path / "setting")) == tmp_path / "setting"
    assert state_folder().name == "state"
    assert "lm-eval-ratchet" in str(state_folder())


def test_a_folder_that_cannot_be_made_is_an_environment_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFault, match=r"set HARNESS_STATE, or state: in harness\.yaml"):
        opened(tmp_path / "file" / "state").deal(splits(make(range(4))))
