"""On the embedded model: a real gain is certified, and an adapter that loses one skill while the mean rises is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from harness.cli.progress import TerminalListener
from harness.cli.session import opened
from harness.config import Settings
from harness.evaluated import load_evaluation
from harness.evaluation.domain import ChatTemplate
from harness.evaluation.engine import Engine
from harness.loop.rounds import run_round
from harness.loop.run import Run, baseline
from harness.loop.workbench import Workbench
from harness.storage import read_json
from harness.training.contract import Example, Start, TrainProgress, TrainResult
from harness.training.recipe import Recipe
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


class Saboteur:
    """The real workbench, with training rows of its own: the victim first, then the others and the victim wrongly."""

    def __init__(self, run: Run) -> None:
        self._real: Workbench = run.workbench
        domain, template = run.prepared.domain, run.workbench.chat_template
        self._rows: dict[str, list[Example]] = {}
        for item in run.prepared.pool:
            row = Example(domain.context(item, template), domain.answer(item, template))
            self._rows.setdefault(item.skill, []).append(row)
        self._trained = 0

    @property
    def identity(self) -> Mapping[str, Any]:
        return self._real.identity

    @property
    def chat_template(self) -> ChatTemplate | None:
        return self._real.chat_template

    @property
    def batch_size(self) -> int:
        return self._real.batch_size

    def activate(self, adapter: Path | None) -> None:
        self._real.activate(adapter)

    def asking(self) -> AbstractContextManager[Engine]:
        return self._real.asking()

    def train(
        self,
        examples: Sequence[Example],
        recipe: Recipe,
        start: Start,
        out_dir: Path,
        seed: int,
        progress: TrainProgress | None,
    ) -> TrainResult:
        self._trained += 1
        victim = self._rows[VICTIM]
        if self._trained == 1:
            rows = victim[:112]
        else:
            # Several answers in turn: one for all would be rejected as no answer, which is another rule.
            wrong = [Example(row.prompt, EVASIONS[place % 3]) for place, row in enumerate(victim[112:160])]
            rows = [
                row for several in zip(*(self._rows[skill] for skill in OTHERS), wrong, strict=False) for row in several
            ]
        return self._real.train(rows, recipe, start, out_dir, seed, progress)


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
            run.workbench = Saboteur(run)
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
