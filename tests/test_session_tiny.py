"""Training and swapping on a tiny real model: through trl and peft, two rounds on one base that never changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny import make_tiny_model
from tiny_session import EXAMPLES, PROBE, RECIPE, load_tiny

from harness.exceptions import InputError
from harness.models.loading import LoadedModel, load
from harness.models.session import ModelSession, weights_hash
from harness.training.contract import CANDIDATE, LEARNER, Example, Start, TrainingCrash, TrainResult
from harness.training.recipe import Lora, Recipe
from harness.training.sft import OPTIMISER_STATE, SftTrainer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def loaded(folder: Path) -> LoadedModel:
    return load_tiny(folder)


def session_of(loaded: LoadedModel, recipe: Recipe = RECIPE) -> ModelSession:
    lora = {name: getattr(recipe.lora, name) for name in ("rank", "alpha", "dropout", "targets")}
    return ModelSession(loaded.model, recipe.method, lora, seed=0)


Round = Callable[..., TrainResult]


@pytest.fixture
def session(loaded: LoadedModel) -> ModelSession:
    return session_of(loaded)


@pytest.fixture
def train(loaded: LoadedModel, session: ModelSession) -> Round:
    """Train one round with the fixture's session."""
    trainer = SftTrainer(session, loaded.tokenizer, 1024)

    def go(out: Path, start: Start = Start(), recipe: Recipe = RECIPE, seed: int = 1, **options: Any) -> TrainResult:  # noqa: B008
        return trainer.train(options.get("examples", EXAMPLES), recipe, start, out, seed, options.get("progress"))

    return go


def base_weights(session: ModelSession) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in session.model.named_parameters() if "lora_" not in name}


def logits(session: ModelSession) -> torch.Tensor:
    with session.evaluating() as model, torch.inference_mode():
        return model(PROBE).logits.clone()


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


def test_a_round_lowers_the_loss_and_changes_the_answers(session: ModelSession, train: Round, tmp_path: Path) -> None:
    before = logits(session)
    recipe = replace(RECIPE, optimiser=replace(RECIPE.optimiser, epochs=10))
    result = train(tmp_path, recipe=recipe)
    losses = [loss for _, loss in result.losses]
    assert result.steps == len(losses) == 20
    assert losses[-1] < losses[0] - 0.5
    assert not torch.allclose(logits(session), before)


def test_the_candidate_is_active_after_training(session: ModelSession, train: Round, tmp_path: Path) -> None:
    train(tmp_path)
    trained = logits(session)
    session.activate(None)
    session.activate(tmp_path / CANDIDATE)
    assert torch.equal(logits(session), trained)


def test_the_second_round_goes_on_with_weights_and_optimiser_of_the_first(train: Round, tmp_path: Path) -> None:
    train(tmp_path / "1")
    learner = tmp_path / "1" / LEARNER
    train(tmp_path / "2", Start(learner, learner), seed=2)
    train(tmp_path / "fresh optimiser", Start(learner, None), seed=2)
    state = load_file(tmp_path / "2" / LEARNER / OPTIMISER_STATE)
    assert {float(value) for name, value in state.items() if name.endswith("|step")} == {4.0}
    assert not same(weights(tmp_path / "2" / CANDIDATE), weights(tmp_path / "1" / CANDIDATE))
    assert not same(weights(tmp_path / "2" / CANDIDATE), weights(tmp_path / "fresh optimiser" / CANDIDATE))


def test_two_rounds_of_a_constant_rate_are_one_of_both(loaded: LoadedModel, tmp_path: Path, folder: Path) -> None:
    """Carried optimiser state means: cutting training in two changes nothing but the order of rows."""
    rows = [EXAMPLES[0]] * 8  # one row, so that there is no order
    trainer = SftTrainer(session_of(loaded), loaded.tokenizer, 1024)
    trainer.train(rows, RECIPE, Start(), tmp_path / "1", 1, None)
    learner = tmp_path / "1" / LEARNER
    trainer.train(rows, RECIPE, Start(learner, learner), tmp_path / "2", 2, None)
    trainer.train(rows * 2, RECIPE, Start(), tmp_path / "both", 3, None)
    halves, whole = weights(tmp_path / "2" / CANDIDATE), weights(tmp_path / "both" / CANDIDATE)
    assert all(torch.allclose(halves[name], whole[name], atol=1e-5) for name in whole)


def test_the_same_seed_gives_the_same_bytes(train: Round, tmp_path: Path) -> None:
    hashes = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(tmp_path / name, seed=seed)
        hashes.append(weights_hash(tmp_path / name / CANDIDATE))
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_rate_factor_changes_what_is_learned(train: Round, tmp_path: Path) -> None:
    result = train(tmp_path / "half", Start(rate=0.5))
    assert result.details["learning_rate"] == pytest.approx(0.005)
    train(tmp_path / "full")
    assert weights_hash(tmp_path / "half" / CANDIDATE) != weights_hash(tmp_path / "full" / CANDIDATE)


def test_the_base_is_bit_identical_after_training_and_many_swaps(
    session: ModelSession, train: Round, tmp_path: Path
) -> None:
    before, untouched = base_weights(session), logits(session)
    train(tmp_path)
    for place in [tmp_path / CANDIDATE, None, tmp_path / LEARNER] * 5:
        session.activate(place)
        logits(session)
    assert same(base_weights(session), before)
    session.activate(None)
    assert torch.equal(logits(session), untouched)


def test_an_evaluation_that_fails_leaves_the_models_own_layers(
    session: ModelSession, train: Round, tmp_path: Path
) -> None:
    train(tmp_path)
    before, replaced = base_weights(session), 0

    def fail() -> None:
        nonlocal replaced
        with session.evaluating():
            replaced = sum("forward" in module.__dict__ for module in session.model.modules())
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert replaced == 3  # two decoder layers and the head
    assert not any("forward" in module.__dict__ for module in session.model.modules())
    assert same(base_weights(session), before)


def test_without_memory_for_copies_the_model_is_asked_as_it_is(
    session: ModelSession,
    train: Round,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    train(tmp_path)
    expected = logits(session)

    def full(*_: Any) -> Any:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")

    for name in ("fused", "product"):
        monkeypatch.setattr(f"harness.models.session.{name}", full)
    torch.testing.assert_close(logits(session), expected, rtol=1e-4, atol=1e-5)
    assert "no memory for copies" in caplog.text


@pytest.mark.filterwarnings("ignore:Model has .tie_word_embeddings")
def test_an_adapter_on_the_embeddings_is_saved_and_comes_back(loaded: LoadedModel, tmp_path: Path) -> None:
    lora = {"rank": 4, "alpha": 8, "dropout": 0.0, "targets": ["q_proj", "embed_tokens"]}
    session = ModelSession(open_again(loaded), "lora", lora)
    with torch.no_grad():
        for parameter in session.trainable().values():
            parameter.fill_(0.25)
    session.save(tmp_path / "adapter")
    session.activate(None)
    session.activate(tmp_path / "adapter")
    assert all(bool((p == 0.25).all()) for p in session.trainable().values())


def open_again(loaded: LoadedModel) -> Any:
    """The same model, untouched by other adapters."""
    return load(loaded.reference, loaded.policy, progress=False).model


def test_merged_and_unmerged_answers_agree(session: ModelSession, train: Round, tmp_path: Path) -> None:
    train(tmp_path)
    merged = logits(session)
    session.model.eval()
    with torch.inference_mode():
        assert torch.allclose(session.model(PROBE).logits, merged, atol=1e-4)


def test_saved_weights_come_back_bit_for_bit(session: ModelSession, train: Round, tmp_path: Path) -> None:
    train(tmp_path)
    before = {name: p.detach().clone() for name, p in session.trainable().items()}
    session.save(tmp_path / "copy")
    session.activate(None)
    session.activate(tmp_path / "copy")
    assert same({name: p.detach() for name, p in session.trainable().items()}, before)
    assert weights_hash(tmp_path / "copy") == weights_hash(tmp_path / CANDIDATE)


def test_peft_itself_loads_a_candidate(session: ModelSession, train: Round, tmp_path: Path, folder: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    train(tmp_path)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder), tmp_path / CANDIDATE).eval()
    with torch.inference_mode():
        assert torch.allclose(model(PROBE).logits, logits(session), atol=1e-4)


def test_a_running_mean_makes_the_candidate_and_the_learner_keeps_the_last_weights(
    train: Round, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, optimiser=replace(RECIPE.optimiser, average=0.9, epochs=3))
    train(tmp_path / "mean", recipe=recipe)
    train(tmp_path / "last", recipe=replace(recipe, optimiser=replace(recipe.optimiser, average=0.0)))
    assert same(weights(tmp_path / "mean" / LEARNER), weights(tmp_path / "last" / LEARNER))
    assert same(weights(tmp_path / "last" / CANDIDATE), weights(tmp_path / "last" / LEARNER))
    assert not same(weights(tmp_path / "mean" / CANDIDATE), weights(tmp_path / "mean" / LEARNER))


@pytest.mark.parametrize(("start", "kept"), [("latest", True), ("champion", False), ("base", False)])
def test_a_learner_is_kept_only_where_a_later_round_can_go_on_from_it(
    train: Round, tmp_path: Path, start: Any, kept: bool
) -> None:
    train(tmp_path, recipe=replace(RECIPE, start=start))
    assert (tmp_path / LEARNER).exists() == kept


def test_a_non_finite_loss_is_a_crash_and_the_session_goes_on(
    session: ModelSession, train: Round, tmp_path: Path
) -> None:
    before, untouched = base_weights(session), logits(session)
    hot = replace(RECIPE, optimiser=replace(RECIPE.optimiser, learning_rate=1e30, epochs=3))
    with pytest.raises(TrainingCrash, match=r"non-finite loss at step \d of 6; lower the recipe's learning_rate"):
        train(tmp_path, recipe=hot)
    assert not (tmp_path / CANDIDATE).exists()
    assert not (tmp_path / LEARNER).exists()
    session.activate(None)
    assert same(base_weights(session), before)
    assert torch.equal(logits(session), untouched)
    train(tmp_path / "next")


def test_weights_that_are_not_finite_after_the_last_step_are_a_crash_too(
    session: ModelSession, train: Round, tmp_path: Path
) -> None:
    def poison(step: int, steps: int, loss: float) -> None:
        if step == steps:
            next(iter(session.trainable().values())).data.fill_(float("inf"))

    with pytest.raises(TrainingCrash, match="a trained weight is not finite; lower the recipe's learning_rate"):
        train(tmp_path, progress=poison)
    assert not (tmp_path / LEARNER).exists()


def test_training_leaves_the_models_forward_as_it_was(session: ModelSession, train: Round, tmp_path: Path) -> None:
    for number in range(2):
        train(tmp_path / str(number))
        assert "forward" not in vars(session.base)
        assert "forward" not in vars(session.model)
        assert not session.model.training


def test_examples_that_do_not_fit_are_left_out_and_told(
    loaded: LoadedModel, session: ModelSession, tmp_path: Path
) -> None:
    trainer = SftTrainer(session, loaded.tokenizer, 40)
    long = Example("word " * 60, "x")
    result = trainer.train([EXAMPLES[0], long, EXAMPLES[1], long], RECIPE, Start(), tmp_path, 1, None)
    assert result.skipped == (1, 3)
    lengths = [len(trainer.tokenise(0, example).tokens) for example in EXAMPLES[:2]]
    assert result.tokens == sum(lengths)
    with pytest.raises(TrainingCrash, match="no training row fits the model's context"):
        trainer.train([long], RECIPE, Start(), tmp_path / "none", 1, None)


def test_loss_is_on_the_answer_and_its_end_alone(loaded: LoadedModel, session: ModelSession) -> None:
    trainer = SftTrainer(session, loaded.tokenizer, 1024)
    row = trainer.tokenise(3, Example("What is 1? ", "It is 7."))
    assert row.index == 3
    assert loaded.tokenizer.decode(row.tokens[row.shareable :]) == f"It is 7.{loaded.tokenizer.eos_token}"
    assert loaded.tokenizer.decode(row.tokens[: row.shareable]) == "What is 1? "


def test_progress_is_told_after_each_step(train: Round, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    train(tmp_path, progress=lambda step, steps, loss: seen.append((step, steps)))
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.parametrize("damage", ["missing", "other rank", "not finite", "cut short"])
def test_weights_that_do_not_fit_are_refused(
    loaded: LoadedModel, session: ModelSession, train: Round, tmp_path: Path, damage: str
) -> None:
    from safetensors.torch import save_file

    train(tmp_path)
    path = tmp_path / CANDIDATE / "adapter_model.safetensors"
    tensors = load_file(path)
    if damage == "missing":
        path.unlink()
    elif damage == "cut short":
        path.write_bytes(path.read_bytes()[:-8])
    else:
        first = min(tensors)
        tensors[first] = tensors[first][:-1].clone() if damage == "other rank" else tensors[first] * float("nan")
        save_file(tensors, path)
    with pytest.raises(InputError, match=r"adapter"):
        session.activate(tmp_path / CANDIDATE)


def test_unknown_target_modules_are_named(loaded: LoadedModel) -> None:
    with pytest.raises(InputError, match=r"recipe field 'lora\.targets': "):
        session_of(loaded, replace(RECIPE, lora=Lora(targets=["no_such_layer"])))


def test_sft_trains_all_weights_and_transformers_loads_the_candidate(loaded: LoadedModel, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    recipe = replace(RECIPE, method="sft", start="champion")
    session = session_of(loaded, recipe)
    untouched = logits(session)
    before = {name: p.detach().clone() for name, p in session.trainable().items()}
    trainer = SftTrainer(session, loaded.tokenizer, 1024)
    trainer.train(EXAMPLES, recipe, Start(), tmp_path, 1, None)
    assert all(not torch.equal(p, before[name]) for name, p in session.trainable().items())
    trained = logits(session)
    with torch.inference_mode():
        model = AutoModelForCausalLM.from_pretrained(tmp_path / CANDIDATE).eval()
        assert torch.allclose(model(PROBE).logits, trained, atol=1e-5)
    session.activate(None)
    assert torch.equal(logits(session), untouched)
    session.activate(tmp_path / CANDIDATE)
    assert torch.equal(logits(session), trained)
    assert len(weights_hash(tmp_path / CANDIDATE)) == 64


def test_padded_batches_train_to_the_losses_of_packed_steps(
    loaded: LoadedModel, session: ModelSession, tmp_path: Path
) -> None:
    """What a model trains on whose attention cannot be replaced."""
    packed, padded = (
        SftTrainer(session, loaded.tokenizer, 1024, packed=way).train(
            EXAMPLES, RECIPE, Start(), tmp_path / str(way), 1, None
        )
        for way in (True, False)
    )
    assert [step for step, _ in padded.losses] == [step for step, _ in packed.losses]
    assert [loss for _, loss in padded.losses] == pytest.approx([loss for _, loss in packed.losses], rel=1e-4)
