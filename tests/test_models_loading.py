"""Loading: a tiny random model in several architectures, and everything that can be wrong with a folder."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
from tiny import make_tiny_model

from harness.exceptions import EnvironmentFault, InputError
from harness.models.devices import DevicePolicy, choose_policy
from harness.models.loading import (
    expected_adapter,
    is_out_of_memory,
    load,
    materialise,
    offline,
    plan,
    verify_adapter,
)
from harness.models.reference import ModelReference, resolve
from harness.models.weights import ModelSize, model_size

# peft asks for an attribute under its old name: nothing that a user of either can mend.
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")

POLICY = choose_policy("cpu", "lora", 100_000, 8 * 10**9)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def tiny(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "model"))


def edit(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text())
    content.update(changes)
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not None}))


def refused(folder: Path, policy: DevicePolicy = POLICY) -> str:
    with pytest.raises(InputError) as caught:
        load(resolve(str(folder)), policy)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("architecture", ["llama", "mistral", "qwen2"])
def test_a_local_folder_loads_and_generates(tmp_path: Path, architecture: Any) -> None:
    import torch

    reference = resolve(str(make_tiny_model(tmp_path / "model", architecture)))
    loaded = load(reference, POLICY)
    assert loaded.reference == reference
    assert loaded.folder == reference.path
    assert loaded.chat_template
    assert not loaded.model.training
    assert loaded.model.dtype == torch.float32
    assert loaded.model.config._attn_implementation == "sdpa"
    assert loaded.tokenizer.padding_side == "left"
    batch = loaded.tokenizer(["Hello", "Which queue should this go to?"], return_tensors="pt", padding=True)
    assert loaded.model.generate(**batch, max_new_tokens=3, do_sample=False).shape[0] == 2


def test_the_same_files_give_the_same_digest_and_other_weights_another(tmp_path: Path, tiny: Path, made: Path) -> None:
    other = make_tiny_model(tmp_path / "other", seed=1)
    digests = [load(resolve(str(folder)), POLICY).weights_sha256 for folder in (made, tiny, other)]
    assert digests[0] == digests[1] != digests[2]


def test_a_missing_pad_token_becomes_the_end_token(tiny: Path) -> None:
    edit(tiny / "tokenizer_config.json", pad_token=None)
    loaded = load(resolve(str(tiny)), POLICY)
    assert loaded.tokenizer.pad_token_id == loaded.tokenizer.eos_token_id
    assert loaded.model.generation_config.pad_token_id == loaded.tokenizer.eos_token_id


def test_a_model_without_a_chat_template_is_flagged(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "model", chat_template=False)
    assert not load(resolve(str(folder)), POLICY).chat_template


def test_nothing_is_printed_and_log_levels_are_restored(tiny: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from transformers.utils import logging as library

    before = (library.get_verbosity(), library.is_progress_bar_enabled(), logging.getLogger("bitsandbytes").level)
    load(resolve(str(tiny)), POLICY)
    assert capfd.readouterr() == ("", "")
    after = (library.get_verbosity(), library.is_progress_bar_enabled(), logging.getLogger("bitsandbytes").level)
    assert before == after


def test_nf4_on_a_cpu_computes_in_float32_and_stays_near_the_original(tiny: Path) -> None:
    import torch

    plain = load(resolve(str(tiny)), POLICY)
    policy = choose_policy("cpu", "qlora", 100_000, 8 * 10**9)
    packed = load(resolve(str(tiny)), policy)
    layer = packed.model.model.layers[0].mlp.up_proj
    assert type(layer).__name__ == "Linear4bit"
    assert layer.compute_dtype == torch.float32
    batch = plain.tokenizer("Which queue should this go to?", return_tensors="pt")
    with torch.no_grad():
        difference = plain.model(**batch).logits - packed.model(**batch).logits
    assert 0 < difference.abs().max() < 0.1
    assert packed.weights_sha256 == plain.weights_sha256


def test_gradients_through_nf4_are_the_same_after_the_model_was_asked(tiny: Path) -> None:
    import torch

    model = load(resolve(str(tiny)), choose_policy("cpu", "qlora", 100_000, 8 * 10**9)).model
    ids = torch.tensor([[5, 9, 40, 7, 3]])
    found = []
    for _ in range(2):
        model.train()
        inputs = model.get_input_embeddings()(ids).detach().requires_grad_(True)
        model(inputs_embeds=inputs).logits.sin().sum().backward()
        found.append(inputs.grad)
        model.eval()
        with torch.inference_mode():
            model(ids)
    assert found[0].abs().max() > 0
    assert torch.equal(*found)


def test_weights_cut_short_are_named(tiny: Path) -> None:
    weights = tiny / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    assert "model.safetensors" in (message := refused(tiny))
    assert "cut short" in message


def test_pickled_weights_are_refused(tiny: Path) -> None:
    (tiny / "model.safetensors").rename(tiny / "pytorch_model.bin")
    assert "pickled weights" in refused(tiny)


def test_a_folder_without_weights_is_refused(tiny: Path) -> None:
    (tiny / "model.safetensors").unlink()
    assert "no model.safetensors" in refused(tiny)


def test_a_folder_without_a_tokenizer_is_refused(tiny: Path) -> None:
    (tiny / "tokenizer.json").unlink()
    assert "no tokenizer" in refused(tiny)


def test_a_tokenizer_without_an_end_token_is_refused(tiny: Path) -> None:
    edit(tiny / "tokenizer_config.json", eos_token=None)
    assert "no end-of-sequence token" in refused(tiny)


def test_missing_tensors_are_refused_rather_than_drawn_at_random(tiny: Path) -> None:
    edit(tiny / "config.json", num_hidden_layers=3)
    assert "the weights lack 9 tensor(s) of LlamaForCausalLM, first 'model.layers.2." in refused(tiny)


def test_tensors_of_another_shape_are_refused(tiny: Path) -> None:
    edit(tiny / "config.json", intermediate_size=256)
    refused(tiny)


def test_a_tokenizer_larger_than_the_model_is_refused(tiny: Path) -> None:
    content = json.loads((tiny / "tokenizer.json").read_text())
    token = {**content["added_tokens"][0], "id": 5000, "content": "<|more|>"}
    content["added_tokens"].append(token)
    (tiny / "tokenizer.json").write_text(json.dumps(content))
    assert "do not belong together" in refused(tiny)


def test_an_unknown_architecture_is_refused(tiny: Path) -> None:
    edit(tiny / "config.json", model_type="nonsense", architectures=["NonsenseForCausalLM"])
    assert "cannot be loaded" in refused(tiny)


def test_code_from_the_models_repository_is_never_run(tiny: Path) -> None:
    (tiny / "modeling_x.py").write_text("raise SystemExit('ran')\n")
    edit(
        tiny / "config.json",
        model_type="x",
        auto_map={"AutoConfig": "modeling_x.C", "AutoModelForCausalLM": "modeling_x.M"},
    )
    assert "never run" in refused(tiny)


def test_a_config_that_is_not_json_is_refused(tiny: Path) -> None:
    (tiny / "config.json").write_text("{")
    refused(tiny)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError("CUDA error: out of memory"),
    ],
)
def test_running_out_of_memory_is_an_environment_fault(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    import transformers

    def fails(*args: Any, **options: Any) -> Any:
        raise error

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", fails)
    assert is_out_of_memory(error)
    with pytest.raises(EnvironmentFault, match="out of memory on cpu") as caught:
        load(resolve(str(tiny)), POLICY)
    assert caught.value.exit_code == 3


def test_an_ordinary_error_is_not_out_of_memory() -> None:
    assert not is_out_of_memory(RuntimeError("shapes do not match"))


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("true", True), ("0", False), ("", False)])
def test_offline_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    assert offline() is expected


def test_a_hub_model_that_is_not_cached_offline_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(EnvironmentFault, match=r"not in the local cache and HF_HUB_OFFLINE is set; .*hf download a/b"):
        materialise(resolve("a/b"), progress=False)


def hub_error(name: str) -> Exception:
    import httpx2
    from huggingface_hub import errors

    answer = httpx2.Response(403, request=httpx2.Request("GET", "https://huggingface.co/a/b"))
    kind: Any = getattr(errors, name)
    return kind("line one\nline two") if name == "LocalEntryNotFoundError" else kind("one\ntwo", response=answer)


@pytest.mark.parametrize(
    ("name", "fault", "message"),
    [
        ("GatedRepoError", EnvironmentFault, "gated; accept its terms at https://huggingface.co/a/b"),
        ("RepositoryNotFoundError", InputError, "no such model on the hub"),
        ("LocalEntryNotFoundError", EnvironmentFault, "the hub cannot be reached"),
        ("HfHubHTTPError", EnvironmentFault, "cannot be fetched from the hub: one"),
    ],
)
def test_the_hubs_refusals_are_one_line_each(
    monkeypatch: pytest.MonkeyPatch, name: str, fault: type[Exception], message: str
) -> None:
    import huggingface_hub

    def fails(*args: Any, **options: Any) -> Any:
        raise hub_error(name)

    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fails)
    with pytest.raises(fault, match=message) as caught:
        materialise(ModelReference("a/b", "hub"), progress=False)
    assert "\n" not in str(caught.value)


def test_a_model_on_the_hub_is_asked_for_without_pickles_and_subfolders(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub
    from huggingface_hub.utils import filter_repo_objects

    asked: dict[str, Any] = {}

    def serves(name: str, **options: Any) -> str:
        asked.update(options)
        return str(tiny)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", serves)
    assert load(ModelReference("a/b", "hub"), POLICY, progress=False).folder == tiny
    offered = ["model.safetensors", "config.json", "pytorch_model.bin", "onnx/model.safetensors", "modeling.py"]
    offered += ["tokenizer.model", "chat_template.jinja", "merges.txt", "consolidated.safetensors"]
    patterns = {name: asked[name] for name in ("allow_patterns", "ignore_patterns")}
    assert list(filter_repo_objects(offered, **patterns)) == [
        "model.safetensors",
        "config.json",
        "tokenizer.model",
        "chat_template.jinja",
        "merges.txt",
    ]


def test_size_is_read_from_the_header_and_equals_the_loaded_models(tiny: Path) -> None:
    model = load(resolve(str(tiny)), POLICY).model
    embeddings = model.get_input_embeddings().weight.numel()
    assert model_size(tiny) == ModelSize(sum(p.numel() for p in model.parameters()), embeddings)


def test_a_plan_for_this_machine_fits_the_model(tiny: Path) -> None:
    policy = plan(resolve(str(tiny)), "auto", "cpu")
    assert (policy.device, policy.dtype, policy.method, policy.quantisation) == ("cpu", "float32", "lora", "none")


@pytest.fixture
def peft_model(tiny: Path) -> Any:
    from peft import LoraConfig, get_peft_model

    loaded = load(resolve(str(tiny)), POLICY)
    return get_peft_model(loaded.model, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))


def test_an_adapter_that_peft_saved_is_accepted_by_its_model(peft_model: Any, tmp_path: Path) -> None:
    peft_model.save_pretrained(tmp_path / "adapter")
    verify_adapter(tmp_path / "adapter", peft_model)


def test_an_adapter_of_another_rank_is_refused(peft_model: Any, tiny: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    base = load(resolve(str(tiny)), POLICY).model
    other = get_peft_model(base, LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM"))
    other.save_pretrained(tmp_path / "adapter")
    with pytest.raises(InputError, match="has shape"):
        verify_adapter(tmp_path / "adapter", peft_model)


def test_an_adapter_for_fewer_layers_is_refused(peft_model: Any, tiny: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    base = load(resolve(str(tiny)), POLICY).model
    other = get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    other.save_pretrained(tmp_path / "adapter")
    with pytest.raises(InputError, match="lacks"):
        verify_adapter(tmp_path / "adapter", peft_model)


def test_the_expected_layout_names_shapes_and_dtypes(peft_model: Any) -> None:
    layout = expected_adapter(peft_model)
    assert len(layout) == 2 * 7 * 2  # A and B, seven linear layers a block, two blocks
    assert layout["base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"] == ((4, 64), "float32")
