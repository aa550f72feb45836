"""The items that were asked against those that the manifest speaks of: none may be dropped, added or asked twice."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from harness.loop.certify import PHASE
from harness.loop.run import PARTIAL
from harness.state.kept import Kept
from harness.storage import sha256_text
from harness.verify.evaluations import Evaluations
from harness.verify.files import RunFiles
from harness.verify.findings import Findings

_ROLE = re.compile(
    r"(?:anchor_|base_)?(dev|test|guard|guard_means|gate)(?:_fewshot|_before|_certified|_champion_\d+|" + PARTIAL + ")?"
)
"""Names of evaluations; what was mined is a part of the pool, of which the items lie nowhere."""


def check_items(
    root: Path,
    data: Mapping[str, Any],
    folders: Sequence[str],
    files: RunFiles,
    evaluations: Evaluations,
    kept: Kept | None,
    findings: Findings,
) -> None:
    """Compare the ids in each of ``folders`` with the hash of all ids of their role, in their order.

    Answers that were broken off are some of dev's; a look asks one group of gate items, whose number is compared.

    Args:
        data: the identity's ``data``.
        kept: the record of the run's domain, where it is at hand.
    """
    for folder in folders:
        where, found = PurePosixPath(folder), _ROLE.fullmatch(PurePosixPath(folder).name)
        role = found[1] if found else None
        if role is None:
            continue
        with findings.attempt(folder, "items"):
            ids = [result.item_id for result in evaluations.load(root / folder).results]
            whole = int(data["items"][role])
            if where.name.endswith(PARTIAL):
                all_ids = {result.item_id for result in evaluations.load(root / "baseline" / role).results}
                strangers = [item for item in ids if item not in all_ids]
                findings.equal("sets of items", folder, f"items that are none of {role}", [], strangers)
            elif role == "gate" and len(ids) != whole:
                _check_group(folder, ids, whole, files, kept, findings)
            else:
                expected = {"n": whole, "sha256": data["items_sha256"][role]}
                asked = {"n": len(ids), "sha256": sha256_text("\n".join(ids))}
                findings.equal("sets of items", folder, f"{role} items", expected, asked)


def _check_group(
    folder: str, ids: Sequence[str], whole: int, files: RunFiles, kept: Kept | None, findings: Findings
) -> None:
    """Gate items of one group: those that the domain's record puts into it, but for those that this run left out."""
    if kept is None:
        findings.note("not compared: items of looks at a part of gate, with the domain's record, which is not at hand")
        return
    look = files.phase(str(PurePosixPath(folder).parent), PHASE)["result"]["look"]
    group = {item for item, number in kept.groups.items() if number == look["group"]}
    others = len(kept.groups) - len(group)
    asked = set(ids)
    fits = asked <= group and len(asked) == len(ids) and len(ids) >= whole - others
    findings.equal("sets of items", folder, "gate items of the look's group", True, fits)
