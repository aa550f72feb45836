"""Evaluation of helpdesk's dev items: this harness against transformers, lm-eval and the arithmetic floor.

    python benchmarks/evaluation.py --adapter runs/helpdesk/rounds/003/adapter

Greedy answers of the model with a trained adapter, the same prompts for all:

- ``generate``: transformers in this process, prompts sorted by length and padded on the left, at its best batch size;
- ``HFLM``: lm-eval's own model class in this process, at its best batch size;
- ``harness``: the engine of this project through the workbench, merging of the adapter included;
- ``lm_eval run``: the command in a fresh process on a merged copy of the model, at its best batch size;
- the floor: operations that cannot be avoided at the speed of this machine's matrix product.

The first two and the command get the adapter merged beforehand, without the clock. Every answer is compared with that
of ``generate``; where one differs, the two highest logits at the first differing token say whether it was a tie.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import Contender, Timed, best_of, numbers, parser, peak_matmul, race, ratio, report, say, table
from subjects import (
    domain_items,
    environment,
    generation_requests,
    linear_shapes,
    lm_eval_command,
    load_model,
    logged_answers,
    merged_model,
    open_workbench,
    quiet,
    scratch,
    write_task,
)

GENERATE, HFLM, OURS, COMMAND = "generate", "HFLM", "harness", "lm_eval run"
TIE = 1e-4
"""Logits nearer to one another than this are a tie: summing in another order decides between them."""


@dataclass(frozen=True)
class Floor:
    """The work that no engine is spared.

    Attributes:
        prompt_tokens: all prompts' tokens as they stand.
        unique_tokens: the same with every shared beginning counted once.
        decoded_tokens: answer tokens that go through the model (an answer's last one does not).
        answer_tokens: tokens chosen, one product with the head each.
        operations: of it all, two a multiply-add; attention itself is left out, which only lowers the floor.
    """

    prompt_tokens: int
    unique_tokens: int
    decoded_tokens: int
    answer_tokens: int
    operations: float

    def seconds(self, peak: float) -> float:
        """At ``peak`` operations a second."""
        return self.operations / peak


def floor(
    prompts: Sequence[Sequence[int]], answers: Sequence[int], layer_parameters: int, head_parameters: int
) -> Floor:
    """The `Floor` of answering ``prompts`` (token ids each) with ``answers`` tokens each.

    Args:
        layer_parameters: weights that every token is multiplied with: all linear layers but the head.
        head_parameters: weights of the head.
    """
    from harness.evaluation.prefix import Row, pack

    rows = [Row(index, tuple(prompt), len(prompt) - 1) for index, prompt in enumerate(prompts)]
    unique = len(pack(rows, 0).tokens)
    chosen = sum(answers)
    decoded = chosen - len(answers)
    return Floor(
        prompt_tokens=sum(map(len, prompts)),
        unique_tokens=unique,
        decoded_tokens=decoded,
        answer_tokens=chosen,
        operations=2.0 * layer_parameters * (unique + decoded) + 2.0 * head_parameters * chosen,
    )


def generate(model: Any, tokenizer: Any, requests: Sequence[Any], batch: int) -> list[tuple[str, list[int]]]:
    """Text and tokens of each greedy answer by ``model.generate``.

    As one who knows transformers would write it: requests with the same stop strings and limit together, the longest
    first, so that little is padding and memory shows its limit at once; rows stop one by one.
    """
    import torch
    from transformers import StoppingCriteria, StoppingCriteriaList

    from harness.evaluation.decoding import cut, encode_prompt

    class Stops(StoppingCriteria):
        def __init__(self, until: Sequence[str], width: int) -> None:
            self.until, self.width = until, width

        def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
            # The last tokens are enough to see a stop string end; decoding all of each answer would be waste.
            texts = tokenizer.batch_decode(input_ids[:, max(self.width, input_ids.shape[1] - 4) :])
            return torch.tensor([any(stop in text for stop in self.until) for text in texts])

    kinds: dict[tuple[tuple[str, ...], int], list[int]] = {}
    encoded = [encode_prompt(tokenizer, request.prompt) for request in requests]
    for index, request in enumerate(requests):
        kinds.setdefault((request.until, request.max_new_tokens), []).append(index)
    answers: dict[int, tuple[str, list[int]]] = {}
    ends = {tokenizer.eos_token_id, tokenizer.pad_token_id}
    for (until, limit), members in kinds.items():
        members.sort(key=lambda index: -len(encoded[index]))
        for start in range(0, len(members), batch):
            part = members[start : start + batch]
            width = max(len(encoded[index]) for index in part)
            padding = [width - len(encoded[index]) for index in part]
            ids = torch.tensor(
                [[tokenizer.pad_token_id] * pad + encoded[i] for i, pad in zip(part, padding, strict=True)]
            )
            mask = torch.tensor([[0] * pad + [1] * (width - pad) for pad in padding])
            with torch.inference_mode():
                output = model.generate(
                    input_ids=ids,
                    attention_mask=mask,
                    max_new_tokens=limit,
                    do_sample=False,
                    pad_token_id=tokenizer.pad_token_id,
                    stopping_criteria=StoppingCriteriaList([Stops(until, width)]) if until else None,
                )
            for index, tokens in zip(part, output[:, width:].tolist(), strict=True):
                length = next((place for place, token in enumerate(tokens) if token in ends), len(tokens))
                text = tokenizer.decode(tokens[:length], skip_special_tokens=True, clean_up_tokenization_spaces=False)
                answers[index] = (cut(text, until)[0], tokens[: length + 1])
    return [answers[index] for index in range(len(requests))]


def hflm_answers(model: Any, tokenizer: Any, requests: Sequence[Any], batch: int) -> list[str]:
    """The same by lm-eval's ``HFLM.generate_until``."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch, device="cpu")
    instances = [
        Instance(
            "generate_until",
            {},
            (
                request.prompt,
                {"until": list(request.until), "max_gen_toks": request.max_new_tokens, "do_sample": False},
            ),
            index,
        )
        for index, request in enumerate(requests)
    ]
    return [str(text) for text in lm.generate_until(instances, disable_tqdm=True)]


def our_answers(wb: Any, adapter: Path, requests: Sequence[Any]) -> list[Any]:
    """The same by the engine that ``harness iterate`` evaluates with."""
    wb.activate(adapter)
    with wb.asking() as engine:
        return list(engine.generate(requests, None))


def command_answers(model: Path, tasks: Path, batch: int, out: Path) -> dict[str, str]:
    """The same by ``lm_eval run``; answers by item id."""
    command = lm_eval_command(model, tasks, ["benchmark_dev"], batch, out)
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"lm_eval run failed:\n{done.stderr[-3000:]}")
    return logged_answers(out)


def differences(
    model: Any,
    tokenizer: Any,
    requests: Sequence[Any],
    reference: Sequence[tuple[str, list[int]]],
    texts: Sequence[str],
) -> list[dict[str, Any]]:
    """Where ``texts`` differ from the reference: both answers, and the top two logits where they part."""
    import torch

    from harness.evaluation.decoding import encode_prompt
    from harness.evaluation.prefix import common

    found = []
    for index, ((text, tokens), other) in enumerate(zip(reference, texts, strict=True)):
        if text == other:
            continue
        theirs = [*tokenizer.encode(other, add_special_tokens=False), tokenizer.eos_token_id]
        place = common(tokens, theirs, min(len(tokens), len(theirs)) - 1)
        ids = [*encode_prompt(tokenizer, requests[index].prompt), *tokens[:place]]
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([ids]), logits_to_keep=1).logits[0, -1].float()
        top = logits.topk(2)
        margin = float(top.values[0] - top.values[1])
        pair = {tokens[place], theirs[place]} == set(top.indices.tolist())
        found.append(
            {
                "item": index,
                "generate": text,
                "answer": other,
                "token": place,
                "margin": margin,
                "tie": pair and margin < TIE,
            }
        )
    return found


def identical(found: Sequence[Mapping[str, Any]], total: int) -> str:
    """How many answers are those of the reference, and how many of the rest are ties."""
    ties = sum(bool(entry["tie"]) for entry in found)
    return f"{total - len(found)} of {total}" + (f", {ties} ties" if ties else "")


def main(argv: Sequence[str] | None = None) -> int:
    options = parser(__doc__)
    options.add_argument("--adapter", type=Path, required=True, help="a trained LoRA adapter of the model")
    options.add_argument("--domain", default="helpdesk", help="the task or group whose dev items are asked")
    options.add_argument("--batches", type=numbers, default=[8, 16, 32, 64], help="batch sizes tried in process")
    options.add_argument("--command-batches", type=numbers, default=[16, 32, 64], help="those tried for the command")
    options.add_argument("--without", nargs="*", default=[], choices=[HFLM, COMMAND], help="contenders to leave out")
    asked = options.parse_args(argv)
    quiet()
    from harness.evaluation.decoding import encode_prompt
    from harness.training.recipe import load_recipe

    adapter = asked.adapter.resolve()
    loaded = load_model(asked.model)
    wb = open_workbench(loaded, load_recipe("lora"))
    domain, items = domain_items(asked.domain, wb, asked.items)
    requests = generation_requests(domain, items, wb.chat_template)
    other = load_model(asked.model)
    model, tokenizer = merged_model(other, adapter), other.tokenizer
    shapes = linear_shapes(model)
    say(f"{len(items)} items; measuring the matrix product")
    peak = peak_matmul(shapes)

    with scratch() as folder:
        if COMMAND not in asked.without:
            model.save_pretrained(folder / "merged")
            tokenizer.save_pretrained(folder / "merged")
            write_task(folder / "tasks", domain, items, "benchmark_dev", "__dev")

        def by_generate(batch: int) -> Contender:
            return Contender(GENERATE, lambda: generate(model, tokenizer, requests, batch))

        def by_hflm(batch: int) -> Contender:
            return Contender(HFLM, lambda: hflm_answers(model, tokenizer, requests, batch))

        def by_command(batch: int) -> Contender:
            def clean() -> Path:
                import shutil

                shutil.rmtree(folder / "out", ignore_errors=True)
                return folder / "out"

            work = lambda out: command_answers(folder / "merged", folder / "tasks", batch, out)  # noqa: E731
            return Contender(COMMAND, work, prepare=clean)

        generate(model, tokenizer, requests[:2], 2)  # what is built at first use is nobody's time
        our_answers(wb, adapter, requests[:2])
        batches: dict[str, int] = {GENERATE: best_of(GENERATE, asked.batches, by_generate)}
        contenders = [by_generate(batches[GENERATE])]
        if HFLM not in asked.without:
            batches[HFLM] = best_of(HFLM, asked.batches, by_hflm)
            contenders.append(by_hflm(batches[HFLM]))
        contenders.append(Contender(OURS, lambda: our_answers(wb, adapter, requests)))
        if COMMAND not in asked.without:
            batches[COMMAND] = best_of(COMMAND, asked.command_batches, by_command)
            contenders.append(by_command(batches[COMMAND]))
        times = race(contenders, asked.repeats)
    peak = max(peak, peak_matmul(shapes))

    reference = times[GENERATE].result
    texts = {OURS: [answer.text for answer in times[OURS].result]}
    if HFLM in times:
        texts[HFLM] = times[HFLM].result
    if COMMAND in times:
        texts[COMMAND] = [times[COMMAND].result[item.item_id] for item in items]
    found = {name: differences(model, tokenizer, requests, reference, answers) for name, answers in texts.items()}
    prompts = [encode_prompt(tokenizer, request.prompt) for request in requests]
    head = model.get_output_embeddings().weight.numel()
    least = floor(prompts, [len(tokens) for _, tokens in reference], sum(a * b for a, b in shapes), head)
    text, data = summary(times, batches, found, least, peak)
    report("evaluation", text, {"items": len(items), "adapter": str(asked.adapter), **data}, asked.results)
    return 0


def summary(
    times: Mapping[str, Timed],
    batches: Mapping[str, int],
    found: Mapping[str, Sequence[Mapping[str, Any]]],
    least: Floor,
    peak: float,
) -> tuple[str, dict[str, Any]]:
    """The table with its differing answers as Markdown, and the same as data."""
    ours, total = times[OURS].median, len(times[GENERATE].result)
    rows: list[list[Any]] = []
    for name, timed in times.items():
        same = "reference" if name == GENERATE else identical(found[name], total)
        rows.append([name, batches.get(name), timed.median, spread(timed), ratio(timed.median, ours), same])
    bound = least.seconds(peak)
    rows.append(["arithmetic floor", None, bound, None, ratio(bound, ours), None])
    text = table(["", "batch", "seconds, median", "runs", "times harness", "answers as generate"], rows)
    text += (
        f"\n\nharness takes {ratio(ours, bound)} times the floor: {least.unique_tokens} of {least.prompt_tokens} "
        f"prompt tokens and {least.decoded_tokens} decoded ones, {least.operations / 1e9:.0f} GFLOP "
        f"at {peak / 1e9:.0f} GFLOP/s."
    )
    for name, entries in found.items():
        for entry in entries:
            kind = "a tie" if entry["tie"] else "NOT a tie"
            text += (
                f"\n{name}, item {entry['item']}: {entry['answer']!r} for {entry['generate']!r}; at token "
                f"{entry['token']} the two highest logits differ by {entry['margin']:.1e}: {kind}"
            )
    data = {
        "contenders": {
            name: {
                "seconds": timed.seconds,
                "median": timed.median,
                "batch": batches.get(name),
                "over_harness": timed.median / ours,
            }
            for name, timed in times.items()
        },
        "floor": {**least.__dict__, "peak_flops": peak, "seconds": bound, "harness_over_floor": ours / bound},
        "differences": {name: list(entries) for name, entries in found.items()},
    }
    return text, data


def spread(timed: Timed) -> str:
    """All runs' seconds, in order."""
    return " ".join(f"{seconds:.1f}" for seconds in timed.seconds)


if __name__ == "__main__":
    raise SystemExit(main())
