"""What comparing prompts brought, in words and rows: where to start from, and how much of the failing it cures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.evaluation.prompts import DEFAULT
from harness.reporting.formatting import integer, interval, percent, plural, points


@dataclass(frozen=True)
class PromptRow:
    """A prompt of one skill.

    Attributes:
        zero_shot, few_shot: `Score` objects; ``few_shot`` is ``None`` where the arm was left out.
        chosen: whether it is the best zero-shot prompt of its skill.
    """

    skill: str
    prompt: str
    zero_shot: Mapping[str, Any]
    few_shot: Mapping[str, Any] | None
    chosen: bool


def prompt_rows(prompts: Mapping[str, Any]) -> list[PromptRow]:
    """Each skill's prompts, the default first."""
    chosen: dict[str, set[str]] = {}
    for task, name in prompts["zero_shot"]["chosen"].items():
        chosen.setdefault(prompts["skills"][task], set()).add(name)
    scores = {(row["skill"], row["prompt"], row["shots"] > 0): row for row in prompts["scores"]}
    rows = [
        PromptRow(skill, name, score, scores.get((skill, name, True)), name in chosen.get(skill, ()))
        for (skill, name, few), score in scores.items()
        if not few
    ]
    return sorted(rows, key=lambda row: row.skill)


def setting(prompts: Mapping[str, Any]) -> str:
    """The line of ``harness.yaml`` that starts from the best zero-shot prompts; empty where these are the defaults."""
    chosen: Mapping[str, str] = prompts["zero_shot"]["chosen"]
    others = {task: name for task, name in chosen.items() if name != DEFAULT}
    if not others:
        return ""
    if len(set(chosen.values())) == 1:
        return f"prompt: {next(iter(others.values()))}"
    return f"prompt: {{{', '.join(f'{task}: {name}' for task, name in others.items())}}}"


def sentences(prompts: Mapping[str, Any]) -> list[str]:
    """What was found, one sentence each, the advice first."""
    line = setting(prompts)
    found = [
        f"Start from '{line}' in harness.yaml: the best prompt of each skill, zero-shot."
        if line
        else "Start from the default prompts: none of the others does better zero-shot."
    ]
    if line:
        found += _worth("The best zero-shot prompts", prompts["zero_shot"])
    best = prompts.get("any")
    if best is not None and set(best["chosen"].values()) == {DEFAULT}:
        found.append(f"Nor does any prompt with {plural(prompts['fewshot'], 'example')}.")
    elif best is not None:
        shots = plural(prompts["fewshot"], "example")
        found += _worth(f"The best prompts with or without {shots}", best)
        found.append("Training has to beat that: prompting and examples cost no training.")
    return found


def _worth(what: str, choice: Mapping[str, Any]) -> list[str]:
    """What a choice brings over the default prompts, and how far the naive figure is from it."""
    honest, naive, failing = choice["honest"], choice["naive"], choice["failing"]
    share = f" ({percent(honest['fixed'] / failing)})" if failing else ""
    return [
        f"{what}: {points(honest['delta'])} points over the default zero-shot ones (95% interval "
        f"{interval(honest['ci95'])}), judged on items that did not choose them; they cure "
        f"{integer(honest['fixed'])} of {plural(failing, 'failing item')}{share}, and break "
        f"{integer(honest['broken'])}.",
        f"On the items that chose them they show {points(naive['delta'])} points: the best of many looks better than "
        f"it is, here by {points(choice['optimism'])}.",
    ]
