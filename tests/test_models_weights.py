"""Weights on disk: headers, digests, and an adapter that is not what the model takes."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.exceptions import InputError
from harness.models.cache import cached_sha256
from harness.models.weights import check_adapter, model_size, read_header, weight_files, weights_digest

LAYOUT = {
    "a.lora_A.weight": ((2, 3), "float32"),
    "a.lora_B.weight": ((3, 2), "float32"),
    "b.scale": ((4,), "bfloat16"),
}


def tensors() -> dict[str, Any]:
    import torch

    return {name: torch.ones(shape, dtype=getattr(torch, dtype)) for name, (shape, dtype) in LAYOUT.items()}


def save(folder: Path, content: dict[str, Any], name: str = "adapter_model.safetensors") -> Path:
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file(content, folder / name)
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("harness.models.cache._SMALL", 0)
    return tmp_path / "cache"


def test_an_adapter_as_expected_passes(tmp_path: Path) -> None:
    folder = save(tmp_path / "adapter", tensors())
    check_adapter(folder, LAYOUT)
    check_adapter(folder / "adapter_model.safetensors", LAYOUT)


def test_a_missing_and_an_extra_tensor_are_named(tmp_path: Path) -> None:
    lacking = tensors()
    del lacking["b.scale"]
    with pytest.raises(InputError, match=r"lacks 1 tensor\(s\), first 'b\.scale'"):
        check_adapter(save(tmp_path / "lacking", lacking), LAYOUT)
    with pytest.raises(InputError, match=r"has unexpected 1 tensor\(s\), first 'c'"):
        check_adapter(save(tmp_path / "extra", {**tensors(), "c": tensors()["b.scale"]}), LAYOUT)


def test_another_shape_is_refused(tmp_path: Path) -> None:
    content = {**tensors(), "a.lora_A.weight": tensors()["a.lora_A.weight"].reshape(3, 2).clone()}
    with pytest.raises(InputError, match=r"has shape \(3, 2\), expected \(2, 3\)"):
        check_adapter(save(tmp_path / "adapter", content), LAYOUT)


def test_another_dtype_is_refused(tmp_path: Path) -> None:
    content = {**tensors(), "a.lora_A.weight": tensors()["a.lora_A.weight"].half()}
    with pytest.raises(InputError, match="is F16, expected float32"):
        check_adapter(save(tmp_path / "adapter", content), LAYOUT)


@pytest.mark.parametrize("name", ["a.lora_B.weight", "b.scale"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_not_finite_are_refused(tmp_path: Path, name: str, value: float) -> None:
    content = tensors()
    content[name].view(-1)[-1] = value
    with pytest.raises(InputError, match=f"'{name}' holds values that are not finite"):
        check_adapter(save(tmp_path / "adapter", content), LAYOUT)


def test_the_largest_finite_values_pass(tmp_path: Path) -> None:
    import torch

    content = tensors()
    content["b.scale"].fill_(torch.finfo(torch.bfloat16).max)
    content["a.lora_A.weight"].fill_(-torch.finfo(torch.float32).max)
    check_adapter(save(tmp_path / "adapter", content), LAYOUT)


def test_pickled_adapters_are_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "adapter_model.bin").write_bytes(b"not even a pickle")
    with pytest.raises(InputError, match="pickled weights are not loaded"):
        check_adapter(tmp_path, LAYOUT)
    with pytest.raises(InputError, match="safetensors only"):
        check_adapter(tmp_path / "adapter_model.bin", LAYOUT)


def test_an_empty_adapter_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no adapter in this folder"):
        check_adapter(tmp_path, LAYOUT)


@given(kept=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_short_anywhere_is_refused(kept: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = save(tmp_path_factory.mktemp("cut"), tensors())
    file = folder / "adapter_model.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(InputError):
        check_adapter(folder, LAYOUT)


@given(data=st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_as_input(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("noise") / "x.safetensors"
    file.write_bytes(data)
    with pytest.raises(InputError):
        check_adapter(file, LAYOUT)


@pytest.mark.parametrize(
    "header",
    [b"[]", b"{", b'{"a": 1}', b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}}', b'"text"', b"\xff\xfe"],
)
def test_a_malformed_header_is_an_input_error(tmp_path: Path, header: bytes) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(InputError):
        read_header(file)


def test_offsets_that_contradict_the_shape_are_refused(tmp_path: Path) -> None:
    header = json.dumps({"x": {"dtype": "F32", "shape": [4], "data_offsets": [0, 8]}}).encode()
    file = tmp_path / "x.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with pytest.raises(InputError, match="offsets that do not match"):
        check_adapter(file, {"x": ((4,), "float32")})


def test_the_digest_of_one_file_is_its_sha256(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", tensors(), "model.safetensors")
    data = (folder / "model.safetensors").read_bytes()
    assert weights_digest(weight_files(folder)) == hashlib.sha256(data).hexdigest()


def test_the_digest_of_shards_is_that_of_sha256sums_output(tmp_path: Path) -> None:
    content = tensors()
    names = ["model-1-of-2.safetensors", "model-2-of-2.safetensors"]
    save(tmp_path, {"a.lora_A.weight": content["a.lora_A.weight"]}, names[0])
    save(tmp_path, {"b.scale": content["b.scale"]}, names[1])
    index = {"weight_map": {"a.lora_A.weight": names[0], "b.scale": names[1]}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    files = weight_files(tmp_path)
    listing = "".join(f"{hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
    assert weights_digest(reversed(files)) == hashlib.sha256(listing.encode()).hexdigest()
    assert model_size(tmp_path).parameters == 10


@pytest.mark.parametrize("shard", ["absent.safetensors", "../outside.safetensors"])
def test_a_shard_that_is_not_in_the_folder_is_refused(tmp_path: Path, shard: str) -> None:
    (tmp_path / "model").mkdir()
    save(tmp_path, tensors(), "outside.safetensors")
    index = tmp_path / "model" / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"x": shard}}))
    with pytest.raises(InputError, match="is not beside it"):
        weight_files(tmp_path / "model")


def test_pickled_weights_are_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(InputError, match=r"only pickled weights \(pytorch_model\.bin\).*safe_serialization=True"):
        weight_files(tmp_path)


def test_a_digest_is_computed_once(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"content")
    first = cached_sha256(file)
    assert first == hashlib.sha256(b"content").hexdigest()
    monkeypatch.setattr("harness.models.cache.sha256_file", lambda path: pytest.fail("read again"))
    assert cached_sha256(file) == first


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_read_again(tmp_path: Path) -> None:
    file, other = tmp_path / "file", tmp_path / "other"
    file.write_bytes(b"content")
    cached_sha256(file)
    status = file.stat()
    other.write_bytes(b"CONTENT")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.replace(other, file)
    assert cached_sha256(file) == hashlib.sha256(b"CONTENT").hexdigest()


def test_a_spoilt_note_is_ignored(tmp_path: Path, cache: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"content")
    cached_sha256(file)
    (note,) = (cache / "digests").iterdir()
    note.write_text("abc")
    assert cached_sha256(file) == hashlib.sha256(b"content").hexdigest()


def test_a_cache_that_cannot_be_written_still_gives_digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "blocked").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "blocked" / "below"))
    assert cached_sha256(tmp_path / "blocked") == hashlib.sha256(b"").hexdigest()
