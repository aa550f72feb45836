"""``--model harness`` on the embedded model: what ``hf`` answers on the shipped tasks, token for token."""

from __future__ import annotations

from typing import Any

import pytest

import harness.lm_eval
from harness.evaluation.engine import GenerationRequest
from harness.evaluation.lm_eval_engine import hugging_face
from harness.evaluation.pooled_engine import PooledEngine
from harness.locate import data_folder
from harness.models.embedded import ensure_embedded
from harness.models.loading import LoadedModel, load, plan
from harness.models.reference import EMBEDDED, resolve

pytestmark = pytest.mark.model
TASKS = ["helpdesk_extraction", "helpdesk_routing", "helpdesk_grounded", "helpdesk_scope"]


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load(resolve(EMBEDDED), plan(resolve(EMBEDDED), None, "cpu"))


def responses(model: str, pretrained: str, batch_size: int) -> dict[str, Any]:
    import lm_eval
    from lm_eval.tasks import TaskManager

    harness.lm_eval.register()
    outcome = lm_eval.simple_evaluate(
        model=model,
        model_args={"pretrained": pretrained, "dtype": "float32"},
        tasks=TASKS,
        task_manager=TaskManager(include_path=str(data_folder("tasks")), include_defaults=False),
        device="cpu",
        batch_size=batch_size,
        limit=3,
        num_fewshot=2,
        apply_chat_template=True,
        bootstrap_iters=0,
    )
    assert outcome is not None
    return {
        name: [sample["resps"] for sample in sorted(samples, key=lambda s: s["doc_id"])]
        for name, samples in outcome["samples"].items()
    }


def test_helpdesk_is_answered_as_hf_answers_it() -> None:
    ours = responses("harness", EMBEDDED, 64)
    assert set(ours) == set(TASKS)
    assert ours == responses("hf", str(ensure_embedded()), 4)


def test_whole_texts_are_scored_as_hf_scores_them(loaded: LoadedModel) -> None:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    text = "The policy says that unopened goods can be returned within thirty days of delivery, and no later. "
    texts = [text * 12, "What is the capital of France? The capital of France is Paris.", text]
    hf = HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=2, max_length=128, logits_cache=False)
    instances = [Instance("loglikelihood_rolling", {}, (one,), place) for place, one in enumerate(texts)]
    ours = PooledEngine(loaded.model, loaded.tokenizer).loglikelihood_rolling(texts, None, 128)
    assert ours == pytest.approx(hf.loglikelihood_rolling(instances, disable_tqdm=True), rel=1e-4)


def test_sampled_answers_do_not_depend_on_their_company(loaded: LoadedModel) -> None:
    prompt = "<|im_start|>user\nName a fruit.<|im_end|>\n<|im_start|>assistant\n"
    asked = [
        GenerationRequest(prompt + "x" * (place % 2), (), 8, temperature=0.8, top_p=0.95, seed=place // 2)
        for place in range(6)
    ]
    together = PooledEngine(loaded.model, loaded.tokenizer).generate(asked, None)
    assert [PooledEngine(loaded.model, loaded.tokenizer).generate([one], None)[0] for one in asked] == together
    assert len({answer.text for answer in together}) > 2


def test_the_plain_engine_answers_as_the_pooled_one(loaded: LoadedModel) -> None:
    asked = [
        GenerationRequest(f"<|im_start|>user\nWhat is {a} + {a}?<|im_end|>\n<|im_start|>assistant\n", ("\n",), 16)
        for a in range(5)
    ]
    pooled = PooledEngine(loaded.model, loaded.tokenizer).generate(asked, None)
    assert hugging_face(loaded.model, loaded.tokenizer, 4).generate(asked, None) == pooled
