"""``summary.json``: the machine's view of a run, derived from its ledger and saved evaluations alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.evaluated import Evaluation
from harness.ledger import BY_HAND, Ledger
from harness.loop.run import categories
from harness.reporting.standing import place
from harness.state.kept import WORN

SCHEMA = 1
_ROUND_KEYS = (
    "round",
    "recipe",
    "targets",
    "train_rows",
    "train_tokens",
    "dev",
    "decision",
    "certified",
    "reason",
    "seconds",
)


def build_summary(
    ledger: Ledger, baseline_dev: Evaluation, champion_dev: Evaluation, champion: int, worn: bool = False
) -> dict[str, Any]:
    """The object of ``summary.json``; keys and meanings are stable (``docs/run-directory.md``).

    Args:
        ledger: of the run, with at least its ``open`` and ``baseline`` entries.
        baseline_dev, champion_dev: for the counts by category.
        champion: the champion's round.
        worn: whether a test result is given that has been chosen by.
    """
    opened = ledger.of_kind("open")[0].data
    base = ledger.of_kind("baseline")[0].data
    rounds = [entry.data for entry in ledger.of_kind("round")]
    asked = ledger.of_kind("asked")
    finals = ledger.of_kind("final")
    final: Mapping[str, Any] = finals[-1].data if finals else {}
    openings = final.get("openings")
    shown = worn or (openings or 0) < WORN
    seconds = base["seconds"] + sum(sum(data["seconds"].values()) for data in rounds)
    test = final.get("test") if shown else None
    return {
        "schema": SCHEMA,
        "run": opened["run"],
        "status": status(ledger),
        "model": opened["model"],
        "domain": opened["domain"],
        "rounds_asked": asked[-1].data["rounds"] if asked else 0,
        "rounds_done": len(rounds),
        "seconds": seconds + sum(entry.data["seconds"] for entry in finals),
        "baseline": {"dev": base["dev"], "dev_fewshot": base["dev_fewshot"]},
        "champion": {"round": champion, "dev": champion_dev.score.as_dict()},
        "certified_round": ledger.anchor or None,
        "looks": _looks(rounds),
        "test": test,
        "test_certified": final.get("test_certified") if shown else None,
        "test_openings": openings,
        "optimism_gap": optimism_gap(champion_dev.score.value - base["dev"]["value"], champion, test),
        "guard": {key: value for key, value in final["guard"].items() if key not in ("p_worse", "finding")}
        if final.get("guard")
        else None,
        "categories": _categories(baseline_dev, champion_dev),
        "tags": _tags(baseline_dev, champion_dev),
        "not_assessed": _not_assessed(baseline_dev, champion_dev),
        "rounds": [{key: data[key] for key in _ROUND_KEYS} for data in rounds],
        "by_hand": [
            {
                "action": "promote" if entry.kind == BY_HAND[0] else "rollback",
                "after_round": entry.data["round"],
                "champion": entry.data["champion"],
                "instead_of": entry.data["instead_of"],
                "reason": entry.data["reason"],
                "time": entry.time,
            }
            for entry in ledger.of_kind(*BY_HAND)
        ],
    }


def optimism_gap(dev_gain: float, champion: int, test: Mapping[str, Any] | None) -> float | None:
    """The champion's gain on dev over that on test, both zero-shot against the untouched model, -2 to 2.

    Args:
        dev_gain: difference of the dev scores, -1 to 1.
        champion: its round.
        test: the object ``test``.

    Returns:
        ``None`` where the champion is the untouched model, or no test result of it is shown.
    """
    return dev_gain - test["delta"] if test and champion and test["round"] == champion else None


def _looks(rounds: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The looks at gate that this run made: level and bit, and nothing else of what was seen there."""
    looked = [(data, data["tier"]) for data in rounds if data.get("tier") and data["tier"]["look"]]
    return [
        {"round": data["round"], "number": tier["look"]["number"], "place": place(tier["look"]),
         "alpha": tier["look"]["alpha"], "certified": tier["certified"]}
        for data, tier in looked
    ]  # fmt: skip


def status(ledger: Ledger) -> str:
    """``running`` until the last thing recorded is that the run stopped."""
    return "running" if ledger.ending is None else str(ledger.ending.data["status"])


def _categories(before: Evaluation, after: Evaluation) -> list[dict[str, Any]]:
    counts_before, counts_after = categories(before), categories(after)
    sizes = {skill: value.n for skill, value in before.by_skill().items()}
    rows = []
    for name in sorted(set(counts_before) | set(counts_after)):
        skill, _, category = name.rpartition("/")
        rows.append(
            {
                "skill": skill,
                "category": category,
                "before": counts_before.get(name, 0),
                "after": counts_after.get(name, 0),
                "n": sizes[skill],
            }
        )
    return rows


def _tags(before: Evaluation, after: Evaluation) -> list[dict[str, Any]]:
    scores_before, scores_after = before.by_tag(), after.by_tag()
    return [
        {"tag": tag, "before": value.as_dict(), "after": scores_after[tag].as_dict()}
        for tag, value in scores_before.items()
        if tag in scores_after
    ]


def _not_assessed(before: Evaluation, after: Evaluation) -> list[dict[str, Any]]:
    counts_before, counts_after = before.not_assessed(), after.not_assessed()
    return [
        {
            "category": name,
            "before": counts_before.get(name, 0),
            "after": counts_after.get(name, 0),
            "n": len(after.results),
        }
        for name in sorted({*counts_before, *counts_after})
    ]
