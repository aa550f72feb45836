"""The second tier of a round recomputed: what it was compared with, the look and its level, the bit, the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.config import Settings
from harness.evaluated import Evaluation
from harness.exceptions import HarnessError
from harness.gate.alpha import Look, next_alpha
from harness.gate.certify import Tiers
from harness.gate.verdict import Verdict
from harness.ledger import Entry
from harness.loop.certify import PHASE, kept_like
from harness.loop.judge import UNLIKE, Shown, after_look, asked_for, judge, paired
from harness.loop.run import BASELINE, alike, run_name
from harness.loop.state import LoopState
from harness.state.domain import DomainState, state_folder
from harness.state.kept import Kept
from harness.verify.evaluations import Evaluations
from harness.verify.files import CONFIG, LEDGER, RunFiles
from harness.verify.findings import Findings
from harness.yamlfile import read_yaml


class TierCheck:
    """Recomputes the phase `PHASE` of one round.

    Args:
        state: the loop's before the round.
        past: the ledger's entries before the round's own.
        kept: the domain's record, where it is at hand (`record_at_hand`).
    """

    def __init__(
        self,
        root: Path,
        files: RunFiles,
        evaluations: Evaluations,
        findings: Findings,
        state: LoopState,
        past: Sequence[Entry],
        kept: Kept | None,
    ) -> None:
        self._root, self._files, self._evaluations, self._findings = root, files, evaluations, findings
        self._state, self._past, self._kept = state, past, kept
        self._number = state.done + 1
        self._where = f"rounds/{self._number:03d}"
        self._place = f"{self._where}/{PHASE}.done.json"

    def run(
        self, verdict: Verdict, candidate: Evaluation, may_trigger: frozenset[str] | None, weights: str | None
    ) -> tuple[Verdict, Tiers, Mapping[str, Any]]:
        """Verdict, standing and the phase's result as they follow from the evaluations and the looks before.

        Args:
            verdict: of the promotion tier.
            candidate: its dev evaluation.
            weights: hash of the candidate's weights.

        Raises:
            KeyError: the phase is not finished, though the candidate was promoted.
        """
        record = self._files.phase(self._where, PHASE)
        result: Mapping[str, Any] = record["result"]
        present = {name.partition("/")[0] for name in record["files"]}
        look = result["look"]
        looks = None if result["looks"] is None else [Look(*each) for each in result["looks"]]
        rule = result["rule"] if looks is None else ""
        shown, used = self._shown(candidate, present)
        level = next_alpha(looks) if looks is not None else None
        expected = {
            "anchor": self._state.anchor,
            "against": used,
            **judge(shown, looks, rule, level if look else None, may_trigger),
        }
        equal = self._findings.equal
        equal("second tiers", self._place, "result", expected, result, only=expected)
        together = [alike(each[-1], other) for each in (shown.guard, shown.gate) if each for other in each]
        equal("second tiers", self._place, "compared in one environment", True, all(together))
        unlike = (not alike(*shown.dev), rule == UNLIKE.rule)
        equal("second tiers", self._place, "dev in another environment", *unlike)
        first = asked_for(paired(*shown.dev), looks, rule)
        asked = {
            "guard": self._files.has(BASELINE, "guard") and (first.alpha is not None or "guard" in present),
            "gate": expected["rule"] == "look",
            "look": expected["rule"] == "look",
        }
        found = {"guard": "guard" in present, "gate": "gate" in present, "look": look is not None}
        equal("second tiers", self._place, "what was asked", asked, found)
        if look is not None and looks is not None:
            self._look(look, looks, level, result["certified"], weights)
        expected |= {"look": look, "looks": result["looks"]}
        return *after_look(verdict, Tiers(self._state.anchor, self._state.champion), self._number, expected), expected

    def _shown(self, candidate: Evaluation, present: set[str]) -> tuple[Shown, dict[str, str]]:
        """The evaluations that were compared, found by the loop's own rule, and where the anchor's lie."""
        rounds = [entry.data for entry in self._past if entry.kind == "round"]
        folder, anchor = self._root / self._where, self._state.anchor
        load = self._evaluations.load
        used: dict[str, str] = {}

        def of(model: int, name: str, like: Evaluation, again: str) -> Evaluation:
            found = kept_like(self._root, rounds, name, model, self._number, like, load)
            used[again] = (found[0] if found else folder / again).relative_to(self._root).as_posix()
            return found[1] if found else load(folder / again)

        before, guard, gate = of(anchor, "dev", candidate, "anchor_dev"), None, None
        if "guard" in present:
            head = load(folder / "guard")
            base = of(0, "guard", head, "base_guard")
            guard = (base, of(anchor, "guard", head, "anchor_guard") if anchor else base, head)
        if "gate" in present:
            head = load(folder / "gate")
            gate = (of(anchor, "gate", head, "anchor_gate"), head)
        return Shown((before, candidate), guard, gate), used

    def _look(
        self, look: Mapping[str, Any], looks: Sequence[Look], level: float | None, bit: bool, weights: str | None
    ) -> None:
        """The look's level by the looks before it, and its entries in the ledger and in the domain's record."""
        findings = self._findings
        findings.equal("looks", self._place, "level of the look", level, look["alpha"])
        findings.equal("looks", self._place, "place of the look", len(looks) + 1, look["place"])
        entries = [entry for entry in self._past if entry.kind == "look" and entry.data["look"] == look["number"]]
        noted = {"round": self._number, "look": look["number"], "group": look["group"], "alpha": look["alpha"],
                 "adapter_sha256": weights}  # fmt: skip
        if len(entries) != 1:
            findings.mismatch(self._place, "entries of the look in the ledger", 1, len(entries))
        for entry in entries:
            findings.equal("looks", f"{LEDGER}:{entry.seq + 1}", "look", noted, entry.data, only=noted)
        given = [[each.alpha, each.certified] for each in looks]
        if self._kept is None:
            findings.note("not compared: looks at gate with the domain's record, which is not at hand")
            self._own(look, given)
            return
        group = self._kept.of_group(look["group"])
        before = [[each.alpha, each.spent().certified] for each in group if each.number < look["number"]]
        findings.equal("looks", self._place, "looks before, by the domain's record", before, given)
        kept = next((each for each in group if each.number == look["number"]), None)
        saved = None if kept is None else (kept.round, kept.alpha, kept.certified)
        findings.equal("looks", self._place, "look, by the domain's record", saved, (self._number, look["alpha"], bit))

    def _own(self, look: Mapping[str, Any], given: Sequence[Sequence[Any]]) -> None:
        """This run's earlier looks at the same items are among those before, in order."""
        rest = iter(given)
        for data in (entry.data for entry in self._past if entry.kind == "round"):
            tier = data.get("tier")
            if not tier or not tier["look"] or tier["look"]["group"] != look["group"]:
                continue
            own = tier["look"]["alpha"], tier["certified"]
            # A look whose verdict came after the next one was debited hands nothing on, and is kept as without one.
            if not any(alpha == own[0] and bit in (own[1], None) for alpha, bit in rest):
                self._findings.mismatch(self._place, "looks before", f"that of round {data['round']}", "another")


def record_at_hand(root: Path, findings: Findings) -> Kept | None:
    """The record of the run's domain, where the run is in it; else ``None``."""
    try:
        settings: Settings = read_yaml(root / CONFIG).build(Settings)
        kept = DomainState.open(state_folder(settings.state), settings.domain, str).kept
    except (HarnessError, OSError) as error:
        findings.note(f"not compared: the domain's record, which cannot be read ({error})")
        return None
    run = run_name(root)
    known = {look.run for look in kept.looks} | {opening.run for opening in kept.openings}
    return kept if run in known else None


def check_all_looks(root: Path, entries: Sequence[Entry], done: int, kept: Kept | None, findings: Findings) -> None:
    """Each look of the run that the domain's record holds is in the ledger; one of an unfinished round may not be."""
    told = {entry.data["look"] for entry in entries if entry.kind == "look"}
    for look in kept.looks if kept else ():
        if look.run == run_name(root) and look.round <= done and look.number not in told:
            findings.mismatch(LEDGER, "looks at gate", f"look {look.number} of round {look.round}", "nothing")


def openings_so_far(root: Path, number: int, items: Sequence[str], kept: Kept) -> int:
    """The opening of the test ``items`` that the record counted when the run opened them after round ``number``."""
    run = run_name(root)
    upto = next((n for n, o in enumerate(kept.openings, start=1) if (o.run, o.round) == (run, number)), 0)
    return Kept(openings=kept.openings[:upto]).opened(items)
