"""Everything that can be checked before the first token: tasks, splits, roles, overlaps, lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.curation.overlap import Protected, alike
from harness.curation.rows import TrainRow
from harness.evaluation.domain import ChatTemplate, Domain, Split
from harness.evaluation.engine import Engine
from harness.evaluation.guards import general_rows, guard_items
from harness.evaluation.items import Item, Role
from harness.evaluation.respond import too_long
from harness.evaluation.roles import Dealt, deal, subset
from harness.evaluation.task_metrics import metric_notices
from harness.exceptions import InputError
from harness.state.domain import DomainState
from harness.storage import sha256_text

_FROM: dict[Split, Role] = {
    "train": "train_pool", "validation": "dev", "test": "test", "extension": "dev",
    "train_file": "train_pool",
}  # fmt: skip
"""A role for the items of each split until they are dealt theirs."""


@dataclass(frozen=True)
class Prepared:
    """Items by role, ready to be asked.

    Attributes:
        domain, guard_domain: ``guard_domain`` is ``None`` without a guard.
        pool: train-pool items, without those that stand in dev, gate, test or guard too.
        dev, gate, test, guard: ``gate`` is asked at a look alone (`harness.loop.certify`).
        general: train items of the guard's tasks, for general rows.
        guard_means: guard items whose score is a share and not right or wrong: carried as means, never tested.
        protected: prompt keys that no training row may repeat, of items left out of a trial run too.
        notices: what was left out and why, one line each.
    """

    domain: Domain
    guard_domain: Domain | None
    pool: tuple[Item, ...]
    dev: tuple[Item, ...]
    gate: tuple[Item, ...]
    test: tuple[Item, ...]
    guard: tuple[Item, ...]
    general: tuple[Item, ...]
    protected: Mapping[str, str]
    notices: tuple[str, ...] = ()
    guard_means: tuple[Item, ...] = ()

    def domain_of(self, item: Item) -> Domain:
        """The domain that renders and scores ``item``."""
        if item.task in self.domain.tasks:
            return self.domain
        if self.guard_domain is None:
            raise KeyError(item.task)
        return self.guard_domain

    def describe(self) -> dict[str, Any]:
        """Counts and hashes for the manifest."""
        domains = [self.domain, *([self.guard_domain] if self.guard_domain else [])]
        roles = ("pool", "dev", "gate", "test", "guard", "general", *(["guard_means"] if self.guard_means else []))
        return {
            "tasks": {name: task.config_hash for d in domains for name, task in d.tasks.items()},
            "items": {role: len(getattr(self, role)) for role in roles},
            "items_sha256": {
                role: sha256_text("\n".join(item.item_id for item in getattr(self, role))) for role in roles
            },
            "notices": list(self.notices),
        }


def prepare(
    domain: Domain,
    guard_domain: Domain | None,
    engine: Engine,
    chat_template: ChatTemplate | None,
    fewshot: int,
    limit: int | None,
    guard_limit: int | None = None,
    state: DomainState | None = None,
) -> Prepared:
    """Deal out roles and leave out what must not or cannot be used, saying so.

    Args:
        limit: most items of dev, test and guard each.
        guard_limit: most items of each guard that ``guard_domain`` holds.
        state: keeps the roles across runs; where left out, they are dealt afresh.

    Raises:
        InputError: a role is left without items, or no item fits the model's context.
    """
    dealt = dealt_roles(domain, state)
    notices = [*dealt.notices, *metric_notices(domain), *(metric_notices(guard_domain) if guard_domain else [])]
    pool, dev, gate, test = (list(dealt.items[role]) for role in ("train_pool", "dev", "gate", "test"))
    guard: list[Item] = []
    means: list[Item] = []
    general: list[Item] = []
    if guard_domain is not None:
        guard, means, left_out = guard_items(guard_domain, guard_limit)
        notices += left_out
        general = _distinct(general_rows(guard_domain))
    for name, items in (("dev", dev), ("test", test)):
        if not items:
            raise InputError(
                f"domain '{domain.name}': no {name} items; it has too few items or clusters to give each role some"
            )
    guard, means = _distinct(guard), _distinct(means)
    # A trial run asks fewer items, but trains on none of the others either.
    protected = Protected([*dev, *gate, *test, *guard, *means], [*pool, *general])
    dev, test, guard, means = (subset(items, limit) for items in (dev, test, guard, means))
    asked = {item.item_id for item in dev}
    pinned = {item.item_id for items in dealt.items.values() for item in items if item.doc.get("pin") is True} - asked
    if pinned:
        notices.append(f"{len(pinned)} items with pin: true are not asked on dev and bind no candidate (docs/roles.md)")
    for name, items in (("train", pool), ("general", general)):
        rows = [TrainRow(item.item_id, item.skill, item.prompt, item.target, "uniform") for item in items]
        if hits := protected.overlaps(rows):
            first = hits[0]
            notices.append(
                f"{len(hits)} {name} items stand in dev, gate, test or guard too and are left out, "
                f"e.g. {first.row_id} {'=' if first.rule == 'same text' else f'~ ({first.rule})'} {first.where}"
            )
            gone = {hit.row_id for hit in hits}
            items[:] = [item for item in items if item.item_id not in gone]

    def fitting(name: str, items: list[Item], owner: Domain, shots: int) -> list[Item]:
        found = too_long(owner, items, engine, chat_template, shots)
        if not found:
            return items
        if len(found) == len(items):
            raise InputError(
                f"every {name} item is longer than the model's {found[0].limit} tokens (the first has "
                f"{found[0].tokens}); use a model with a longer context, shorter items or fewer few-shot examples"
            )
        named = ", ".join(item.item_id for item in found[:5]) + (", ..." if len(found) > 5 else "")
        hidden = name == "gate"
        notices.append(
            f"{len(found)} {name} items exceed the model's {found[0].limit} tokens and are left out"
            + ("" if hidden else f": {named}")
        )
        gone = {item.item_id for item in found}
        return [item for item in items if item.item_id not in gone]

    dev = fitting("dev", dev, domain, fewshot)
    gate = fitting("gate", gate, domain, 0)
    test = fitting("test", test, domain, fewshot)
    if not pool:
        raise InputError(
            f"domain '{domain.name}': no train item is left, all stand in dev, gate, test or guard too; add others"
        )
    pool = fitting("train", pool, domain, 0)
    if guard_domain is not None:
        guard = fitting("guard", guard, guard_domain, 0)
        means = fitting("guard", means, guard_domain, 0)
        general = fitting("general", general, guard_domain, 0) if general else []
    return Prepared(
        domain,
        guard_domain,
        tuple(pool),
        tuple(dev),
        tuple(gate),
        tuple(test),
        tuple(guard),
        tuple(general),
        protected,
        tuple(notices),
        tuple(means),
    )


def dealt_roles(domain: Domain, state: DomainState | None, record: bool = True) -> Dealt:
    """The domain's items by role, as ``state`` keeps them.

    Args:
        record: whether the roles of new items are kept in ``state``.

    Raises:
        InputError: the domain has no items, or one cannot be rendered.
    """
    splits: dict[str, list[Item]] = {split: domain.items(split, role) for split, role in _FROM.items()}
    if not any(splits.values()):
        raise InputError(f"domain '{domain.name}' has no items in any split")
    dealt = state.deal(splits, record=record) if state is not None else deal(splits, alike=alike)
    domain.keep_examples_from({item.item_id for role in ("dev", "gate", "test") for item in dealt.items[role]})
    return dealt


def _distinct(items: Sequence[Item]) -> list[Item]:
    """The first of each id: the same document twice is one item."""
    seen: dict[str, Item] = {}
    for item in items:
        seen.setdefault(item.item_id, item)
    return list(seen.values())
