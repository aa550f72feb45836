"""``harness tasks show``: one item as the model gets it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.exceptions import InputError, did_you_mean

if TYPE_CHECKING:
    from harness.config import Settings
    from harness.evaluation.domain import Domain, DomainTask
    from harness.evaluation.items import Item, Role

OPEN = ("train_pool", "dev")
"""Roles whose items may be shown; test only where it is asked for, gate never (docs/roles.md)."""


def shown(
    name: str | None, item: str, split: str, fewshot: int, model: str | None, config: Path | None, as_json: bool
) -> None:
    """Print the item; arguments as the command has them.

    Raises:
        InputError: no such task, split, item or model, or the item may not be shown.
    """
    from harness.cli.main import one_line
    from harness.cli.session import quiet_libraries
    from harness.config import load_settings

    quiet_libraries()
    settings = load_settings(config, {"domain": name, "model": model})
    domain, items = visible_items(settings, split)
    found = _chosen(items, item, f"domain '{domain.name}', {split}")
    handle = domain.tasks[found.task]
    if found.role == "test":
        click.echo("note: an item of test; nothing learnt from it may go into prompts or training", err=True)
    facts, prompt = _rendered(settings, domain, found, fewshot)
    facts = {"task": found.task, "item": found.item_id, "split": split, "role": found.role, "skill": found.skill,
             "cluster": found.cluster, "expects": found.doc.get("expects"), "kind": handle.kind,
             "metric": handle.metric, **facts}  # fmt: skip
    endings = [str(text) for text in handle.task.doc_to_choice(dict(found.doc))] if handle.kind == "choice" else []
    if as_json:
        click.echo(json.dumps({**facts, "prompt": prompt, "endings": endings, "answer": found.target}, indent=2))
        return
    for key, value in facts.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        click.echo(one_line(f"{key.replace('_', ' ')}: {text}"))
    _section("prompt", prompt)
    for place, ending in enumerate(endings):
        _section(f"ending {place + 1}{' (gold)' if ending == found.target else ''}", ending)
    if not endings:
        _section("gold answer", found.target)


def _section(title: str, text: str) -> None:
    from harness.reporting.escape import visible

    click.echo(f"--- {title}\n{visible(text)}")


def visible_items(settings: Settings, split: str) -> tuple[Domain, list[Item]]:
    """The domain, and the items of ``split`` that may be shown, in order; nothing is recorded.

    Raises:
        InputError: the domain or its record cannot be read.
    """
    from harness.cli.session import configured_domain
    from harness.loop.prepare import dealt_roles
    from harness.state.domain import state_folder
    from harness.state.sealed import gate_items

    domain, _, state = configured_domain(replace(settings, guard=""))
    dealt = dealt_roles(domain, state, record=False)
    sealed = gate_items(state_folder(settings.state))  # also those of another domain that holds the same task
    role_of = {item.item_id: item.role for items in dealt.items.values() for item in items}
    allowed = ("test",) if split == "test" else OPEN
    wanted = [split, *(["train_file"] if split == "train" else []), *(["extension"] if split == "validation" else [])]
    found: dict[str, Item] = {}
    for part in wanted:
        for item in domain.items(part, "dev"):  # type: ignore[arg-type]
            role = role_of.get(item.item_id)
            if role is not None and role in allowed and item.item_id not in sealed:
                found.setdefault(item.item_id, replace(item, role=role))
    if not found and split != "test":  # data without this split: its role is cut from another one
        stands_for: Role = "train_pool" if split == "train" else "dev"
        found = {item.item_id: item for item in dealt.items[stands_for] if item.item_id not in sealed}
    return domain, list(found.values())


def _chosen(items: Sequence[Item], wanted: str, of: str) -> Item:
    if not items:
        raise InputError(f"{of}: no item that may be shown; try another --split (gate items never are, docs/roles.md)")
    if wanted.isdecimal() and len(wanted) < 16:
        number = int(wanted)
        if not 1 <= number <= len(items):
            raise InputError(f"--item {number}: {of} has items 1 to {len(items):,} that may be shown")
        return items[number - 1]
    for item in items:
        if item.item_id == wanted:
            return item
    hint = did_you_mean(wanted, [item.item_id for item in items]) if len(items) < 50 else ""
    raise InputError(f"--item {wanted[:40]}: {of} has no such item that may be shown.{hint}")


def _rendered(settings: Settings, domain: Domain, item: Item, fewshot: int) -> tuple[dict[str, Any], str]:
    """Hashes and size of what makes the prompt, and the prompt."""
    from harness.evaluation.decoding import encode_prompt
    from harness.models.chat import chat_template_of
    from harness.models.loading import load_tokenizer
    from harness.models.reference import resolve
    from harness.storage import canonical_json, sha256_text

    tokenizer = load_tokenizer(resolve(settings.model), progress=False)
    chat = chat_template_of(tokenizer)
    prompt = domain.context(item, chat, fewshot)
    raw = getattr(tokenizer, "chat_template", None)
    return {
        **template_hashes(domain.tasks[item.task]),
        "model": settings.model,
        "chat_template": f"sha256 {sha256_text(canonical_json(raw))[:16]}" if chat is not None else "none",
        "prompt_tokens": len(encode_prompt(tokenizer, prompt)),
    }, prompt


def template_hashes(handle: DomainTask) -> Mapping[str, Any]:
    """The hash that a run's manifest has of the task, and those of the prompt templates that are part of it."""
    from harness.evaluation.domain import template_files
    from harness.storage import sha256_file

    hashes: dict[str, Any] = {"task_hash": handle.config_hash}
    own = template_files(handle.folder)
    if own and handle.folder is not None:
        names = [f"{path.relative_to(handle.folder).as_posix()} sha256 {sha256_file(path)[:16]}" for path in own]
        hashes["templates"] = ", ".join(names)
    return hashes
