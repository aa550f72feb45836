"""Where the time went: every second is in one row, whether the session is the first or a later one."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_workbench import BETTER, CRASH, WORSE, Clock, FakeWorkbench, open_toy

from harness.evaluation.work import Work
from harness.exceptions import InputError
from harness.loop.iterate import iterate
from harness.loop.profile import PHASES, Cost, Session, phase_costs, phase_of, rows
from harness.reporting.interim import Reports
from harness.storage import read_json, write_json

SCRIPT = (BETTER, WORSE, CRASH)


@pytest.mark.parametrize(
    ("path", "phase"),
    [
        ("baseline/dev.done.json", "baseline"),
        ("baseline/dev_fewshot.done.json", "baseline"),
        ("baseline/guard.done.json", "baseline"),
        ("baseline/test.done.json", "final"),
        ("baseline/test_fewshot.done.json", "final"),
        ("rounds/003/mine.done.json", "mine"),
        ("rounds/003/curate.done.json", "other"),
        ("rounds/003/train.done.json", "train"),
        ("rounds/003/evaluate.done.json", "evaluate"),
        ("final/003/test.done.json", "final"),
        ("final/003/guard_before.done.json", "final"),
    ],
)
def test_a_manifest_belongs_to_a_phase_by_where_it_lies(path: str, phase: str) -> None:
    assert phase_of(Path("run") / path) == phase
    assert phase in PHASES


def play(run_dir: Path, clock: Clock, rounds: int) -> dict[str, Cost]:
    """A session of the loop, profiled."""
    begun = clock()
    run = open_toy(run_dir, FakeWorkbench(SCRIPT), clock=clock)
    reports, session = Reports(run), Session(run_dir, begun, clock)
    iterate(run, rounds, None, reports.interim)
    reports.final()
    return session.costs(reports.seconds)


def test_every_second_of_a_session_is_in_one_row(tmp_path: Path) -> None:
    clock = Clock(tick=1.0)
    costs = play(tmp_path / "run", clock, 3)
    assert list(costs) == list(PHASES)
    assert sum(cost.seconds for cost in costs.values()) == clock.time - 1  # the first look was the beginning
    assert all(cost.seconds > 0 for cost in costs.values())


def test_a_later_session_adds_to_what_is_on_disk(tmp_path: Path) -> None:
    first, second = (Clock(tick=1.0) for _ in range(2))
    before = play(tmp_path / "run", first, 2)
    after = play(tmp_path / "run", second, 3)
    for name in ("mine", "train", "final"):
        assert after[name].seconds > before[name].seconds, name
    assert after["baseline"] == before["baseline"]
    lost = before["start"].seconds + before["report"].seconds + before["other"].seconds
    curated = sum(read_json(path)["seconds"] for path in (tmp_path / "run").glob("rounds/00[12]/curate.done.json"))
    assert sum(cost.seconds for cost in after.values()) == first.time + second.time - 2 - (lost - curated)


def test_prompts_and_answers_of_every_phase_are_counted(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    costs = play(run_dir, Clock(), 3)
    for name in ("baseline", "mine", "evaluate", "final"):
        assert costs[name].work.prompt_tokens > 0, name
        assert costs[name].work.new_tokens > 0, name
    dev = read_json(run_dir / "baseline" / "dev" / "scores.json")["details"]
    manifest = read_json(run_dir / "baseline" / "dev.done.json")["work"]
    assert manifest == {"prompt_tokens": dev["prompt_tokens"], "new_tokens": dev["new_tokens"]}
    trained = [read_json(path)["result"].get("tokens", 0) for path in sorted(run_dir.glob("rounds/*/train.done.json"))]
    assert len(trained) == 3
    assert trained[2] == 0  # crashed
    assert costs["train"].work.prompt_tokens == sum(trained) > 0


def test_training_counts_the_tokens_that_its_result_tells_where_none_were_seen(tmp_path: Path) -> None:
    result = {"crashed": None, "tokens": 100, "details": {"computed_tokens": 60}}
    record = {"phase": "train", "inputs": "", "files": {}, "seconds": 2.0, "result": result}
    write_json(tmp_path / "rounds" / "001" / "train.done.json", record)  # as a run before this version has it
    assert phase_costs(tmp_path) == {"train": Cost(2.0, Work(prompt_tokens=100, train_tokens=60))}
    write_json(
        tmp_path / "rounds" / "001" / "train.done.json",
        {**record, "work": {"train_tokens": 61, "train_logits": 9}},
    )
    assert phase_costs(tmp_path)["train"].work == Work(prompt_tokens=100, train_tokens=61, train_logits=9)


def test_shares_add_up_and_the_floor_is_of_what_was_computed() -> None:
    costs = {
        "start": Cost(1.0),
        "mine": Cost(6.0, Work(prompt_tokens=50, prefill_tokens=20)),
        "evaluate": Cost(3.0, Work(prompt_tokens=50, new_tokens=4)),  # all from the cache
    }
    found = rows(costs, lambda work: work.computed_tokens / 10)
    assert [row.name for row in found] == ["start", "mine", "evaluate", "all"]
    assert [row.share for row in found] == [0.1, 0.6, 0.3, 1.0]
    assert [row.floor for row in found] == [None, 2.0, None, 2.0]
    assert found[-1].cost == Cost(10.0, Work(prompt_tokens=100, new_tokens=4, prefill_tokens=20))
    assert all(row.floor is None for row in rows(costs, None))
    assert rows({"start": Cost()}, None)[-1].share == 0.0


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    (tmp_path / "rounds" / "001").mkdir(parents=True)
    (tmp_path / "rounds" / "001" / "mine.done.json").write_text("{")
    with pytest.raises(InputError, match=r"001/mine\.done\.json:1: not valid JSON"):
        phase_costs(tmp_path)
