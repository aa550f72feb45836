"""The gates of a project: answers are made once, whatever comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config import Settings
from harness.exceptions import EnvironmentFault
from harness.regression.gating import Gating


def test_an_evaluation_that_fails_is_not_made_again_for_the_next_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def ask(self: Gating, guard: bool = False, timed: bool = False) -> None:
        asked.append(guard)
        raise EnvironmentFault("out of memory")

    monkeypatch.setattr(Gating, "ask", ask)
    gating = Gating(Settings())
    for _ in range(3):
        with pytest.raises(EnvironmentFault, match="out of memory"):
            _ = gating.answers
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("own", "asked", "says"),
    [("toy", "toy", "'pytest --harness-update-baseline'"), ("toy", "toy_add", "--domain toy_add")],
)
def test_where_no_baseline_is_the_command_that_writes_it_is_named(
    tmp_path: Path, own: str, asked: str, says: str
) -> None:
    from gated import save_answers

    from harness.config import load_settings
    from harness.regression.read import read_answers

    (tmp_path / "harness.yaml").write_text(f"domain: {own}\n")
    settings = load_settings(tmp_path / "harness.yaml", {"domain": asked})
    answers = read_answers(save_answers(tmp_path / "good", lambda number: True, items=4))
    found, why = Gating(settings).comparable_with(answers)
    assert found is None
    assert says in why
