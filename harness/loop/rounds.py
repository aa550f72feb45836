"""One round: mine, curate (with the diagnosis), train, evaluate, decide, record. Each phase resumable by itself."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.curation.choose import Curation, curate, uniform
from harness.curation.overlap import find_overlaps
from harness.curation.rows import TrainRow
from harness.diagnosis import Cell, Target, broken_cells, cell_counts, cell_trials, diagnose, failing_cells
from harness.errors.contract import ErrorRecord
from harness.evaluated import Evaluation, load_evaluation, save_evaluation
from harness.evaluation.items import Item, ItemResult
from harness.evaluation.respond import gold_logprobs, respond
from harness.gate.cells import ANY, cell_tests, lost_skills
from harness.gate.certify import Tiers
from harness.gate.degenerate import Degenerate, degenerate
from harness.gate.paired import pair
from harness.gate.promotion import PromotionEvidence, broken_pins, decide, needs_loglikelihood
from harness.gate.signflip import sign_flip
from harness.gate.verdict import FutilityStop, Paired, Verdict
from harness.ledger import Entry
from harness.loop.certify import second_tier
from harness.loop.early import until_futile
from harness.loop.phases import phase_files, run_phase, sealed
from harness.loop.run import PARTIAL, RULES, Run, alike, categories
from harness.loop.state import LoopState, replay_share, trial_data
from harness.storage import read_json, read_jsonl, sha256_text, write_json, write_jsonl
from harness.training.contract import CANDIDATE, LEARNER, Example, NonFiniteWeights, Start, TrainingCrash, TrainResult

TRAIN_ROWS = "train.jsonl"


def run_round(run: Run) -> Entry:
    """Run (or finish) the next round and record it.

    Raises:
        HarnessError: what the round cannot absorb (disk, memory, damaged files); the ledger is untouched by it.
    """
    state = run.state
    number = state.done + 1
    folder = run.round_dir(number)
    folder.mkdir(parents=True, exist_ok=True)
    champion, identity = run.champion_dev(state), phase_identity(state)
    seconds = {"mine": 0.0, "train": 0.0, "evaluate": 0.0, "other": 0.0}
    begun = run.clock()

    run.listener.phase(number, run.rounds_asked, "mine")
    mined = run_phase(folder, "mine", run.key("mine", number, identity), ["mine"],
                      lambda: _mine(run, state, folder), run.clock)  # fmt: skip
    seconds["mine"] = mined["seconds"]
    run.listener.phase(number, run.rounds_asked, "curate")
    curated = run_phase(folder, "curate", run.key("curate", number, identity), [TRAIN_ROWS, "curation.json"],
                        lambda: _curate(run, state, folder, champion), run.clock)  # fmt: skip
    targets = [Target(Cell(*raw["cell"]), raw["share"], raw["cost"], raw["reason"]) for raw in curated["targets"]]
    rows = [TrainRow(**raw) for raw in read_jsonl(folder / TRAIN_ROWS)]

    trained: dict[str, Any] = {}
    evaluated: dict[str, Any] = {}
    if not curated["overlaps"]:
        run.listener.phase(number, run.rounds_asked, "train")
        trained = run_phase(folder, "train", run.key("train", number, identity), [CANDIDATE, LEARNER],
                            lambda: _train(run, state, folder, rows), run.clock)  # fmt: skip
        seconds["train"] = trained["seconds"]
        if trained["crashed"] is None:
            run.listener.phase(number, run.rounds_asked, "evaluate")
            again = f"dev_champion_{state.champion:03d}"
            evaluated = run_phase(folder, "evaluate", run.key("evaluate", number, identity),
                                  ["dev", f"dev{PARTIAL}", again, "loglikelihood.json"],
                                  lambda: _evaluate(run, state, folder), run.clock)  # fmt: skip
            seconds["evaluate"] = evaluated["seconds"]

    futility = evaluated.get("futility")
    candidate = run.load(folder / "dev") if evaluated and not futility else None
    champion = run.champion_dev(state)
    verdict = decide_round(curated["overlaps"], trained, champion, candidate, folder, futility, run.settings.must_pass)
    tiers, tier = Tiers(state.anchor, state.champion), None
    if verdict.decision == "promote" and candidate is not None:
        verdict, tiers, tier = second_tier(run, state, folder, verdict, candidate, identity)
        seconds["evaluate"] += tier.pop("seconds")
    write_json(folder / "verdict.json", verdict.as_dict())
    # Of an evaluation that was broken off the champion's answers to the same items are what compares.
    answers = load_evaluation(folder / f"dev{PARTIAL}") if futility else candidate
    met = champion.only(answers.correctness()) if answers else champion
    before = failing_cells(met.results, met.errors, run.taxonomy.may_trigger)
    after = failing_cells(answers.results, answers.errors, run.taxonomy.may_trigger) if answers else before
    sizes = {skill: score.n for skill, score in met.by_skill().items()}
    # A cell of which no failing item was asked could not have shown an improvement: that is no trial of it.
    tried = [target.cell for target in targets if not futility or target.cell in before.values()] if answers else []
    # What phases took when they ran, also those of an interrupted earlier attempt; the rest is "other".
    spent = run.clock() - begun
    seconds["other"] = max(curated["seconds"], spent - sum(seconds.values()))
    return run.ledger.append(
        "round",
        {
            "round": number,
            "recipe": run.recipe.name,
            "targets": [str(target.cell) for target in targets],
            "target_details": [{**asdict(target), "cell": str(target.cell)} for target in targets],
            "train_rows": len(rows) - len(trained.get("skipped", [])),
            "train_tokens": trained.get("tokens", 0),
            "dev": candidate.score.as_dict() if candidate else None,
            "decision": verdict.decision,
            "certified": verdict.certified,
            "rule": verdict.rule,
            "reason": verdict.reason,
            "champion": tiers.head,
            "anchor": tiers.anchor,
            "tier": tier,
            "seconds": seconds,
            "peak_memory_bytes": run.peak_memory(),
            "learner": trained.get("learner", {}),
            "adapter_sha256": trained.get("adapter_sha256"),
            "losses": trained.get("losses", []),
            "categories": categories(candidate) if candidate else {},
            "futility": futility,
            "trials": [trial_data(trial) for trial in cell_trials(number, tried, before, after, sizes)],
            "broken": mined_first(broken_cells(before, after), tier),
            "verdict_sha256": sha256_text(json.dumps(verdict.as_dict(), sort_keys=True)),
            "rules": RULES,
            "files": sealed(run.run_dir, *phase_files(folder), folder / "verdict.json"),
        },
        run.now(),
    )


def mined_first(cells: Sequence[Cell], tier: Mapping[str, Any] | None) -> list[list[str]]:
    """The cells to mine first: those that the candidate broke, and those that look harmed against the anchor."""
    watched = [Cell(*raw) for raw in tier["watch"]] if tier else []
    return [[cell.skill, cell.category] for cell in dict.fromkeys([*cells, *watched]) if cell.category != ANY]


def phase_identity(state: LoopState) -> str:
    """What of the state a round's phases depend on."""
    return repr((
        state.done, state.champion, state.anchor, state.learner, state.rate, state.extra_replay, state.broken,
        state.trials,
    ))  # fmt: skip


def mining_sample(pool: Sequence[Item], seed: int, number: int, size: int, before: int) -> list[Item]:
    """The round's fresh items: each skill's own seeded order, taken up where the last round left off.

    Args:
        size: items of this round over all skills, shared in proportion to the skills' sizes.
        before: items that all earlier rounds took together; past the end of the pool it starts over.
    """
    queues: dict[str, list[Item]] = {}
    for item in sorted(pool, key=lambda item: sha256_text(f"{seed}\0mine\0{item.item_id}")):
        queues.setdefault(item.skill, []).append(item)
    chosen: list[Item] = []
    for skill in sorted(queues):
        queue = queues[skill]
        first = round(before * len(queue) / len(pool))
        last = round((before + size) * len(queue) / len(pool))
        chosen += [queue[place % len(queue)] for place in range(first, min(last, first + len(queue)))]
    return chosen


def _mine_sizes(run: Run, number: int) -> tuple[int, int]:
    """Items to mine in this round, and in all rounds before it."""
    data = run.recipe.data
    first = max(data.mine, data.first_rows)
    return (first, 0) if number == 1 else (data.mine, first + (number - 2) * data.mine)


def _mine(run: Run, state: LoopState, folder: Path) -> dict[str, Any]:
    number = state.done + 1
    size, before = _mine_sizes(run, number)
    sample = mining_sample(run.prepared.pool, run.settings.seed, number, size, before)
    if run.recipe.data.select == "uniform":
        write_jsonl(folder / "mine" / "items.jsonl", [{"item_id": item.item_id} for item in sample])
        return {"mined": len(sample), "failing": None}
    # What the last candidate broke, its own answers show: where training goes on from it, a third of the sample in
    # the broken skills is answered by it and not by the champion, which gets such items right.
    broken = {cell.skill for cell in state.broken}
    learner_answers = (
        {item.item_id for item in sample[::3] if item.skill in broken}
        if broken and state.learner == state.done != state.champion
        else set()
    )
    parts = [
        (run.adapter(state.champion), [item for item in sample if item.item_id not in learner_answers]),
        (run.adapter(state.learner), [item for item in sample if item.item_id in learner_answers]),
    ]
    results: list[ItemResult] = []
    errors: list[ErrorRecord] = []
    cached = 0
    begun = run.clock()
    for adapter, items in parts:
        if not items:
            continue
        run.workbench.activate(adapter)
        with run.workbench.asking() as engine:
            answered = respond(
                run.prepared.domain, items, engine, run.workbench.chat_template,
                progress=lambda done, total: run.listener.step(done, total, "mine"),
                drafts={item.item_id: item.target for item in items},
            )  # fmt: skip
            cached += getattr(engine, "hits", 0)
        results += answered
        errors += run.taxonomy.classify_all(answered)  # of one model at a time: answers are compared with each other
    evaluation = Evaluation("mine", tuple(results), tuple(errors), run.clock() - begun, {"cached": cached})
    save_evaluation(folder / "mine", evaluation)
    return {"mined": len(results), "failing": sum(r.correct < 1 for r in results), "by_learner": len(learner_answers)}


def _curate(run: Run, state: LoopState, folder: Path, champion: Evaluation) -> dict[str, Any]:
    """Diagnose on dev counts, choose rows, check them against everything protected."""
    number, data = state.done + 1, run.recipe.data
    rows = data.first_rows if number == 1 else data.rows
    counts = cell_counts(champion.results, champion.errors, may_trigger=run.taxonomy.may_trigger)
    targets = diagnose(counts, state.trials, data.targets, dev_items=len(champion.results))
    general = [TrainRow(item.item_id, "general", item.prompt, item.target, "general") for item in run.prepared.general]
    seed = run.settings.seed * 10_007 + number
    if data.select == "uniform":
        by_id = {item.item_id: item for item in run.prepared.pool}
        chosen_items = [by_id[row["item_id"]] for row in read_jsonl(folder / "mine" / "items.jsonl")]
        targets = []
        curation = uniform(chosen_items, rows=rows, general=data.general, general_rows=general, seed=seed)
    else:
        mined = load_evaluation(folder / "mine")
        curation = curate(
            mined.results,
            mined.errors,
            targets,
            rows=rows,
            replay=_replay(run, state),
            general=data.general,
            general_rows=general,
            broken_cells=state.broken,
            seed=seed,
            may_trigger=run.taxonomy.may_trigger,
        )
    chosen = _with_earlier(run, state, curation)
    overlaps = find_overlaps(chosen, run.prepared.protected)
    write_jsonl(folder / TRAIN_ROWS, [row.as_dict() for row in chosen])
    write_json(
        folder / "curation.json",
        {**curation.summary(), "overlaps": [asdict(overlap) for overlap in overlaps]},
    )
    return {
        "targets": [{**asdict(t), "cell": [t.cell.skill, t.cell.category]} for t in targets],
        "overlaps": len(overlaps),
    }


def _with_earlier(run: Run, state: LoopState, curation: Curation) -> list[TrainRow]:
    """With ``start: base`` each round trains afresh on the rows of all rounds so far."""
    if run.recipe.start != "base":
        return list(curation.rows)
    rows: dict[str, TrainRow] = {}
    for number in range(1, state.done + 1):
        for raw in read_jsonl(run.round_dir(number) / TRAIN_ROWS):
            rows.setdefault(raw["row_id"], TrainRow(**raw))
    return list({**rows, **{row.row_id: row for row in curation.rows}}.values())


def _replay(run: Run, state: LoopState) -> float:
    """Share of replay rows: the recipe's, and more after each return to the champion."""
    return replay_share(run.recipe, state)


def _start(run: Run, state: LoopState) -> Start:
    """What this round goes on from, by the recipe's ``start``."""
    if run.recipe.start == "base":
        return Start(rate=state.rate)
    source = state.learner if run.recipe.start == "latest" else state.champion
    if source == 0:
        return Start(rate=state.rate)
    if run.recipe.start == "champion":
        return Start(run.adapter(source), None, state.rate)
    learner = run.round_dir(source) / LEARNER
    if not learner.is_dir():  # a champion chosen by hand, whose learner's state was deleted long ago
        return Start(run.adapter(source), None, state.rate)
    return Start(learner, learner, state.rate)


def _train(run: Run, state: LoopState, folder: Path, rows: Sequence[TrainRow]) -> dict[str, Any]:
    from harness.models.session import weights_hash  # brings torch, which `harness verify` does without

    number = state.done + 1
    items = {item.item_id: item for item in (*run.prepared.pool, *run.prepared.general)}
    template = run.workbench.chat_template
    examples = []
    for row in rows:
        item = items[row.row_id]
        domain = run.prepared.domain_of(item)
        examples.append(Example(domain.context(item, template), domain.answer(item, template)))
    start = _start(run, state)
    learner = {
        "start": run.recipe.start,
        "from_round": state.champion if run.recipe.start == "champion" else state.learner,
        "rate": run.recipe.optimiser.learning_rate * state.rate,
        "replay": _replay(run, state),
    }
    if run.recipe.start == "base":
        learner["from_round"] = 0
    try:
        result: TrainResult = run.workbench.train(
            examples, run.recipe, start, folder, (run.settings.seed * 1_000_003 + number) % 2**32,
            lambda step, steps, loss: run.listener.step(step, steps, f"loss {loss:.3f}"),
        )  # fmt: skip
    except TrainingCrash as crash:
        return {"crashed": str(crash), "finite": not isinstance(crash, NonFiniteWeights), "learner": learner}
    return {
        "crashed": None,
        "tokens": result.tokens,
        "steps": result.steps,
        "losses": [[step, loss] for step, loss in result.losses],
        "skipped": list(result.skipped),
        "details": dict(result.details),
        "learner": learner,
        "adapter_sha256": weights_hash(folder / CANDIDATE),
    }


def _evaluate(run: Run, state: LoopState, folder: Path) -> dict[str, Any]:
    """Dev answers of the candidate, as far as they are needed; the golds' log-likelihood where those cannot tell."""
    dev, number = run.prepared.dev, state.done + 1
    champion = run.champion_dev(state)
    early = until_futile(dev, champion, run.settings.seed, number) if run.settings.futility else None
    drafts = {result.item_id: result.response for result in champion.results}  # most answers stay as they were
    head = run.evaluate("dev", dev, run.adapter(number), folder / "dev", early=early, drafts=drafts)
    if "futility" in head:
        return {"score": None, "futility": head["futility"]}
    candidate = run.load(folder / "dev")
    if not alike(champion, candidate):
        run.listener.notice("the environment changed (batch size or a library): the champion is evaluated again")
        again = folder / f"dev_champion_{state.champion:03d}"
        run.evaluate("dev", dev, run.adapter(state.champion), again)
        champion = run.load(again)
    paired = pair(champion.correctness(), candidate.correctness(), candidate.clusters())
    if needs_loglikelihood(paired, _degenerate(champion, candidate)[1]):
        logprobs = {}
        for name, adapter in (("candidate", run.adapter(number)), ("champion", run.adapter(state.champion))):
            run.workbench.activate(adapter)
            with run.workbench.asking() as engine:
                logprobs[name] = gold_logprobs(
                    run.prepared.domain, dev, engine, run.workbench.chat_template,
                    lambda done, total: run.listener.step(done, total, "log-likelihood"),
                )  # fmt: skip
        write_json(folder / "loglikelihood.json", {"items": [item.item_id for item in dev], **logprobs})
    return {"score": head["score"]}


def decide_round(
    overlaps: int,
    trained: Mapping[str, Any],
    champion: Evaluation,
    candidate: Evaluation | None,
    folder: Path,
    futility: Mapping[str, Any] | None,
    must_pass: Collection[str] = (),
) -> Verdict:
    """Gather the evidence from what is on disk and ask the gate.

    Args:
        must_pass: ids of dev items that no candidate may break, beside those whose document says ``pin: true``.
    """
    if futility is not None:
        return decide(PromotionEvidence(overlaps, True, True, futility=FutilityStop(**futility)))
    if candidate is None:
        finite = trained.get("finite", True)
        return decide(PromotionEvidence(overlaps, finite, True, crashed=trained.get("crashed") if finite else None))
    found, rest, counted = _degenerate(champion, candidate)
    p = None
    path = folder / "loglikelihood.json"
    if path.exists():
        raw, clusters = read_json(path), candidate.clusters()
        rows = [row for row in zip(raw["items"], raw["candidate"], raw["champion"], strict=True) if row[0] in counted]
        p = sign_flip([after - before for _, after, before in rows], [clusters[item] for item, *_ in rows])
    before, after, skills = champion.correctness(), candidate.correctness(), candidate.skills()
    pinned = {result.item_id for result in candidate.results if result.doc.get("pin") is True}.union(must_pass)
    was, now = (failing_cells(each.results, each.errors) for each in (champion, candidate))
    return decide(
        PromotionEvidence(
            overlaps, True, alike(champion, candidate), pair(before, after, candidate.clusters()), p,
            broken_pins=broken_pins(before, after, pinned),
            degenerate=found, rest=rest,
            lost_skills=tuple(lost_skills(cell_tests(was, now, skills, candidate.clusters()))),
        )
    )  # fmt: skip


def _degenerate(
    champion: Evaluation, candidate: Evaluation
) -> tuple[tuple[Degenerate, ...], Paired | None, Collection[str]]:
    """Skills whose answers are no answers, the comparison on the others' items where there are any, what counts."""
    found = tuple(degenerate(champion.results, candidate.results))
    spoiled, skills = {each.skill for each in found}, candidate.skills()
    left = {item: score for item, score in candidate.correctness().items() if skills[item] not in spoiled}
    if not found or not left:
        return found, None, skills
    before = champion.correctness()
    return found, pair({item: before[item] for item in left}, left, candidate.clusters()), left
