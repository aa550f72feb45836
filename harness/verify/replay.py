"""The ledger replayed: each entry against what follows from the saved evaluations and the state before it.

The decisions are made by the loop's own functions (`harness.gate`, `harness.loop.state`, `harness.loop.rounds`) on
evidence that is read from the disk, so a new rule is checked as soon as the loop has it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.evaluated import Evaluation
from harness.ledger import BY_HAND, CLOSED, Entry
from harness.loop.final import CERTIFIED, guard_result, test_result
from harness.loop.hand import anchor_behind, champions
from harness.loop.iterate import CERTIFIED as CERTIFIED_LINK
from harness.loop.iterate import CHAMPION, link_target
from harness.loop.run import BASELINE, GUARDS, alike, categories, champion_folder
from harness.loop.state import LoopState, step
from harness.storage import read_json
from harness.training.recipe import Recipe
from harness.verify.evaluations import Evaluations
from harness.verify.files import CONFIG, LEDGER, RunFiles
from harness.verify.findings import Findings, common
from harness.verify.rounds import RoundCheck
from harness.verify.tiers import TierCheck, check_all_looks, openings_so_far, record_at_hand

STATUSES = ("finished", "converged", "stopped", "failed")
ALL_RIGHT = "nothing fails on dev any more after round {}"
"""What `harness.loop.iterate.should_stop` gives as the reason where every dev item is right."""
_FORMER: Mapping[str, Mapping[str, None]] = {
    "test": dict.fromkeys(("p", "model")),
    "guard": dict.fromkeys(("p_worse", "finding")),
}
"""What an older version reckoned otherwise in a final result."""


class Replay:
    """Goes through a run's ledger entry by entry.

    Attributes:
        state: the loop's state after the entries so far.
    """

    def __init__(
        self, root: Path, manifest: Mapping[str, Any], files: RunFiles, evaluations: Evaluations, findings: Findings
    ) -> None:
        self._root, self._files, self._evaluations, self._findings = root, files, evaluations, findings
        self._identity = manifest["identity"]
        self._recipe = Recipe.from_dict(self._identity["recipe"])
        self._fewshot = self._identity["settings"]["fewshot"]
        self.state = LoopState()
        self._past: list[Entry] = []
        self._asked: int | None = None
        self.kept = record_at_hand(root, findings)

    def run(self, entries: Sequence[Entry]) -> None:
        """Check ``entries``, the ledger from its first line on."""
        handlers = {
            "open": self._open, "baseline": self._baseline, "round": self._round, "test_opened": self._test_opened,
            "look": self._look, "asked": self._rounds_asked,
            "final": self._final, "stop": self._stop, **dict.fromkeys(BY_HAND, self._by_hand), CLOSED: self._closed,
        }  # fmt: skip
        for entry in entries:
            where = f"{LEDGER}:{entry.seq + 1}"
            if entry.kind in ("round", *BY_HAND, CLOSED) and any(past.kind == CLOSED for past in self._past):
                self._findings.mismatch(where, "entry", "nothing that follows the closing of the run", entry.kind)
            if entry.kind in handlers:
                with self._findings.attempt(where, f"entry '{entry.kind}'"):
                    handlers[entry.kind](where, entry)
            with self._findings.attempt(where, "state of the loop"):
                self.state = step(self.state, entry, self._recipe)
                for name, number in (("champion", self.state.champion), ("anchor", self.state.anchor)):
                    if name in entry.data:
                        self._findings.equal(f"{name}s", where, name, number, entry.data[name])
            self._past.append(entry)
        with self._findings.attempt(".", "links"):
            self._links()
        with self._findings.attempt(LEDGER, "looks at gate"):
            check_all_looks(self._root, entries, self.state.done, self.kept, self._findings)

    def _open(self, where: str, entry: Entry) -> None:
        settings = self._identity["settings"]
        expected = {
            "model": settings["model"], "domain": settings["domain"], "guard": settings["guard"],
            "recipe": self._recipe.name, "seed": settings["seed"],
        }  # fmt: skip
        found = {key: entry.data[key] for key in expected}
        self._findings.equal("openings", where, "run", expected, found)

    def _baseline(self, where: str, entry: Entry) -> None:
        scores: dict[str, Any] = {}
        seconds = 0.0
        for name in ("dev", "dev_fewshot", *GUARDS):
            if self._files.has(BASELINE, name):
                seconds += self._files.phase(BASELINE, name)["seconds"]
                scores[name] = self._evaluations.load(self._root / BASELINE / name).score.as_dict()
        expected = {
            **{name: scores.get(name) for name in ("dev", "dev_fewshot", "guard")},
            "categories": categories(self._evaluations.load(self._root / BASELINE / "dev")),
            "seconds": seconds,
        }
        self._findings.equal("baselines", where, "baseline", expected, entry.data, only=expected)

    def _round(self, where: str, entry: Entry) -> None:
        common = (self._files, self._evaluations, self._findings, self.state)
        tier = TierCheck(self._root, *common, self._past, self.kept)
        RoundCheck(self._root, self._identity, self._recipe, *common, tier).run(where, entry.data)

    def _look(self, where: str, entry: Entry) -> None:
        self._findings.equal("looks", where, "round", self.state.done + 1, entry.data["round"])

    def _test_opened(self, where: str, entry: Entry) -> None:
        self._findings.equal("test openings", where, "round", self.state.done, entry.data["round"])

    def _final(self, where: str, entry: Entry) -> None:
        base, folder = BASELINE, f"final/{self.state.done:03d}"
        champion = self.state.champion
        named = [(base, "test"), *([(base, "test_fewshot")] if self._fewshot else [])]
        if champion:
            named += [(folder, "test"), *((folder, name) for name in GUARDS if self._files.has(base, name))]
        named += [(folder, f"{name}_before") for name in ("test", *GUARDS) if self._files.has(folder, f"{name}_before")]
        if self._files.has(folder, CERTIFIED):
            named.append((folder, CERTIFIED))
        few = self._load(base, "test_fewshot") if self._fewshot else None
        guard = self._files.has(base, "guard")
        before, after = self._before_and_after("test")
        certified = None
        if self.state.anchor not in (0, champion):
            again = self._load(folder, CERTIFIED)
            anchor = self.state.anchor
            certified = test_result(before, again, few, anchor, anchor) if alike(before, again) else None
        expected = {
            "round": self.state.done,
            "champion": champion,
            "openings": self._openings(before, entry.data["openings"]),
            "test": test_result(before, after, few, champion, self.state.anchor),
            "test_certified": certified,
            "guard": guard_result(*self._before_and_after("guard")) if guard else None,
            "seconds": sum(self._files.phase(where, name)["seconds"] for where, name in named),
        }
        found = entry.data
        if "test_certified" not in found:
            self._findings.note("not recomputed: p of final results made before there was a second tier")
            found = {**found, **{key: {**found[key], **_FORMER[key]} for key in _FORMER if found[key]}}
            expected |= {key: {**expected[key], **_FORMER[key]} for key in _FORMER if expected[key]}
            del expected["test_certified"]
        self._findings.checked["paired tests"] += 1 + guard + (certified is not None)
        self._findings.equal("test results", where, "final result", expected, found, only=expected)

    def _openings(self, test: Evaluation, found: int) -> int:
        """How often test was opened, over all runs as far as the domain's record is at hand."""
        own = self.state.opened_test
        if self.kept is not None:
            items = list(test.correctness())
            own = openings_so_far(self._root, self.state.done, items, self.kept)
            # Another run may have opened it while this one was interrupted between opening and result.
            return found if own <= found <= self.kept.opened(items) else own
        if found > own:
            self._findings.note("not compared: openings of test by other runs, whose record is not at hand")
        return max(own, found)

    def _before_and_after(self, name: str) -> tuple[Evaluation, Evaluation]:
        folder = f"final/{self.state.done:03d}"
        again = f"{name}_before"
        before = self._load(folder, again) if self._files.has(folder, again) else self._load(BASELINE, name)
        return before, self._load(folder if self.state.champion else BASELINE, name)

    def _load(self, folder: str, name: str) -> Evaluation:
        return self._evaluations.load(self._root / folder / name)

    def _rounds_asked(self, where: str, entry: Entry) -> None:
        self._asked = entry.data["rounds"]

    def _stop(self, where: str, entry: Entry) -> None:
        """Why the run ended; budgets, interruptions and faults are taken as they stand."""
        status, reason = entry.data["status"], str(entry.data["reason"])
        equal = self._findings.equal
        equal("endings", where, "round", self.state.done, entry.data["round"])
        if status == "finished" and self._asked is not None:
            found = (reason, self.state.done >= self._asked)
            equal("endings", where, "reason", (f"all {self._asked} rounds done", True), found)
        elif status == "converged":
            champion = champion_folder(self._root, self.state.champion, self.state.done)
            right = all(result.correct >= 1.0 for result in self._evaluations.load(champion).results)
            rejected = f"{self.state.rejections} rounds in a row brought no promotion (stop_after "
            if right:
                equal("endings", where, "reason", ALL_RIGHT.format(self.state.done), reason)
            elif not self.state.rejections or not reason.startswith(rejected):
                self._findings.mismatch(where, "reason", f"{rejected}...", reason)
        elif status not in STATUSES:
            self._findings.mismatch(where, "status", f"one of {', '.join(STATUSES)}", status)

    def _by_hand(self, where: str, entry: Entry) -> None:
        chosen = entry.data["champion"]
        expected = {"round": self.state.done, "instead_of": self.state.champion}
        self._findings.equal("choices by hand", where, "entry", expected, entry.data, only=expected)
        if entry.kind == BY_HAND[1]:
            earlier = champions(self._past, self._recipe)[:-1]
            if chosen not in earlier:
                self._findings.mismatch(where, "champion", f"an earlier one (of {earlier})", chosen)
            elif "anchor" in entry.data:
                anchor = anchor_behind(self._past, self._recipe, chosen)
                self._findings.equal("choices by hand", where, "anchor", anchor, entry.data["anchor"])
            return
        rounds = {past.data["round"]: past.data for past in self._past if past.kind == "round"}
        if rounds.get(chosen, {}).get("dev") is None:
            self._findings.mismatch(where, "champion", "a round whose dev items were all asked", chosen)

    def _closed(self, where: str, entry: Entry) -> None:
        groups = sorted({past.data["group"] for past in self._past if past.kind == "look"})
        expected = {"round": self.state.done, "groups": groups}
        self._findings.equal("closings", where, "entry", expected, entry.data, only=expected)
        if self.state.done not in self.state.finals:
            after = f"after the final evaluation of round {self.state.done}"
            self._findings.mismatch(where, "place of the entry", after, "before it")
        if self.kept is not None and not set(entry.data["groups"]) <= self.kept.shown:
            self._findings.mismatch(where, "gate groups opened in the domain's record", groups, sorted(self.kept.shown))

    def _links(self) -> None:
        for name, number in ((CHAMPION, self.state.champion), (CERTIFIED_LINK, self.state.anchor)):
            link = self._root / name
            if link.is_symlink():
                expected = link_target(number) if number else "no link"
                self._findings.equal("links", name, "target of the link", expected, os.readlink(link))
            elif link.exists():
                self._findings.note(f"{name} is no link any more (a copy?); nothing reads it")


def check_config(root: Path, manifest: Mapping[str, Any], findings: Findings) -> None:
    """``config.yaml`` against the settings in the manifest, as far as those are part of the run's identity."""
    from harness.config import Settings
    from harness.yamlfile import read_yaml

    with findings.attempt(CONFIG, "settings"):
        recorded = manifest["identity"]["settings"]
        settings: Settings = read_yaml(root / CONFIG).build(Settings)
        found = json.loads(json.dumps(settings.identity()))
        findings.equal("settings", CONFIG, "settings", recorded, found, only=set(recorded) & set(found))


def check_perplexity(root: Path, files: RunFiles, evaluations: Evaluations, findings: Findings) -> None:
    """Figures of gold answers from their log-probabilities; of plain text only the figures are kept."""
    from harness.loop.perplexity import GOLD, TEXT, gold_figures

    if files.has(BASELINE, GOLD):
        with findings.attempt(f"{BASELINE}/{GOLD}.json", "perplexity"):
            dev = evaluations.load(root / BASELINE / "dev")
            figures = gold_figures(dev.results, read_json(root / BASELINE / f"{GOLD}.json"))
            result = files.phase(BASELINE, GOLD)["result"]
            findings.equal("perplexities", f"{BASELINE}/{GOLD}.done.json", "figures", figures, result["figures"])
    if any(name.startswith(f"{BASELINE}/{TEXT}") for name in files.phases):
        findings.note("not recomputed: perplexities of plain text, which need the model")


def check_prompts(root: Path, files: RunFiles, evaluations: Evaluations, findings: Findings) -> None:
    """``baseline/prompts.json`` from the evaluations of its prompts."""
    from harness.evaluation.prompts import DEFAULT
    from harness.loop.prompts import FEW, FOLDER, ZERO, compare_prompts, prompts_file
    from harness.verify.files import written

    path = prompts_file(root)
    if not path.is_file():
        return
    where = path.relative_to(root).as_posix()
    with findings.attempt(where, "comparison of prompts"):
        raw = path.read_bytes()
        found = json.loads(raw)
        names = list(dict.fromkeys(row["prompt"] for row in found["scores"] if row["prompt"] != DEFAULT))
        scored = {
            arm: {
                DEFAULT: evaluations.load(root / BASELINE / arm),
                **{name: evaluations.load(root / BASELINE / FOLDER / name / arm) for name in names},
            }
            for arm in (ZERO, *([FEW] if found["fewshot"] else []))
        }
        expected = json.loads(json.dumps(compare_prompts(scored, found["fewshot"])))
        expected = expected if files.sealed else common(expected, found)
        if findings.equal("comparisons of prompts", where, "content", expected, found) and raw != written(found):
            findings.mismatch(where, "bytes", "as it was written", "other white space or escapes")
