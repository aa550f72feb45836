"""On the embedded model: a real gain is certified, and an adapter that loses one skill while the mean rises is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.cli.progress import TerminalListener
from harness.cli.session import opened
from harness.config import Settings
from harness.evaluated import load_evaluation
from harness.loop.rounds import run_round
from harness.loop.run import Run, baseline
from harness.storage import read_json
from harness.training.contract import Example
from harness.verify.verify import verify_run

pytestmark = [pytest.mark.model, pytest.mark.e2e]

VICTIM = "paraphrase"
OTHERS = ("dialogue", "scope")
GROUP = "group: small_desk\ntask: [{}]\n"
EVASIONS = ("Ask me tomorrow.", "That depends.", "Who can say?")
RECIPE = """
method: lora
optimiser: {learning_rate: 1.0e-3, batch_size: 8}
data: {mine: 8, rows: 8, first_rows: 8, general: 0}
"""


def sabotage(run: Run) -> None:
    """Let the real trainer have rows of ours: first the victim's, then the others' and wrong ones of the victim."""
    domain, template, train = run.prepared.domain, run.workbench.chat_template, run.workbench.train
    rows: dict[str, list[Example]] = {}
    for item in run.prepared.pool:
        rows.setdefault(item.skill, []).append(Example(domain.context(item, template), domain.answer(item, template)))
    # Several answers in turn: one for all would be rejected as no answer, which is another rule.
    wrong = [Example(row.prompt, EVASIONS[place % 3]) for place, row in enumerate(rows[VICTIM][112:160])]
    second = [row for several in zip(*(rows[skill] for skill in OTHERS), wrong, strict=False) for row in several]
    chosen = iter((rows[VICTIM][:112], second))
    run.workbench.train = lambda _, *rest: train(next(chosen), *rest)  # type: ignore[method-assign]


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hidden")
    tasks = ", ".join(f"helpdesk_{skill}" for skill in (VICTIM, *OTHERS))
    (folder / "tasks").mkdir()
    (folder / "tasks" / "small_desk.yaml").write_text(GROUP.format(tasks))
    (folder / "recipe.yaml").write_text(RECIPE)
    settings = Settings(
        domain="small_desk", guard="", recipe=str(folder / "recipe.yaml"), fewshot=0, cache=False,
        include_path=[str(folder / "tasks")], state=str(folder / "state"), futility=False,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("HARNESS_STATE", raising=False)
        with opened(settings, folder / "run", TerminalListener()) as run:
            sabotage(run)
            baseline(run)
            for _ in range(2):
                run_round(run)
    return folder / "run"


def by_skill(folder: Path) -> dict[str, float]:
    return {skill: score.value for skill, score in load_evaluation(folder / "dev").by_skill().items()}


def decided(run_dir: Path, number: int) -> dict[str, Any]:
    verdict: dict[str, Any] = read_json(run_dir / f"rounds/{number:03d}/verdict.json")
    return verdict


def test_a_real_gain_on_one_skill_is_certified_by_one_look(run_dir: Path) -> None:
    assert (decided(run_dir, 1)["decision"], decided(run_dir, 1)["certified"]) == ("promote", True)
    tier = read_json(run_dir / "rounds/001/certify.done.json")["result"]
    assert (tier["look"]["place"], tier["look"]["alpha"]) == (1, pytest.approx(0.05 / 8))


def test_losing_one_skill_while_the_mean_rises_is_rejected_with_its_name(run_dir: Path) -> None:
    before, after = by_skill(run_dir / "rounds/001"), by_skill(run_dir / "rounds/002")
    assert sum(after.values()) > sum(before.values()) + 0.2  # the mean of three skills rises by more than six points
    assert after[VICTIM] < before[VICTIM] - 0.2
    verdict = decided(run_dir, 2)
    assert (verdict["decision"], verdict["rule"]) == ("reject", "lost-skill")
    assert VICTIM in verdict["reason"]
    assert not any(skill in verdict["reason"] for skill in OTHERS)


def test_the_run_verifies(run_dir: Path) -> None:
    assert verify_run(run_dir).mismatches == []
