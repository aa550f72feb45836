"""What a model reference means, and what is said when it means nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.exceptions import InputError
from harness.models.reference import EMBEDDED, resolve


def test_the_embedded_name_is_the_embedded_model() -> None:
    reference = resolve(f" {EMBEDDED} ")
    assert (reference.name, reference.kind, reference.path) == (EMBEDDED, "embedded", None)


def test_a_folder_with_a_config_is_a_local_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    reference = resolve(str(tmp_path))
    assert (reference.kind, reference.path) == ("folder", tmp_path.resolve())


def test_a_relative_folder_wins_over_a_hub_id_of_the_same_spelling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "org" / "name").mkdir(parents=True)
    (tmp_path / "org" / "name" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert resolve("org/name").kind == "folder"


@pytest.mark.parametrize("name", ["HuggingFaceTB/SmolLM2-360M-Instruct", "a/b", "org_1/name.v2-x"])
def test_owner_slash_name_is_a_hub_id(name: str) -> None:
    reference = resolve(name)
    assert (reference.kind, reference.path) == ("hub", None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("smollm-135m-instruct", "Did you mean 'smollm2-135m-instruct'?"),
        ("SmolLM2-135M-Instruct", "Did you mean 'smollm2-135m-instruct'?"),
        ("gpt2", "neither a folder nor a Hugging Face id (owner/name)"),
        ("a/b/c", "unknown"),
        ("org/na..me", "unknown"),
        ("org/na--me", "unknown"),
        ("./nowhere", "no such folder"),
        ("/no/where", "no such folder"),
        ("~nobody-of-this-name/x", "model '~nobody"),
        ("bad\0path", "unknown"),
        ("", "empty reference"),
        ("x" * 5000, "model 'xxx"),
    ],
)
def test_anything_else_is_refused_in_one_line(name: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve(name)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_folder_without_config_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"folder without config\.json"):
        resolve(str(tmp_path))


def test_an_adapter_folder_is_told_from_a_model(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match="is an adapter, not a model"):
        resolve(str(tmp_path))


def test_a_file_is_told_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="is a file; give the folder"):
        resolve(str(tmp_path / "model.safetensors"))


def test_the_light_modules_import_no_heavy_package() -> None:
    script = (
        "import sys; import harness.models.reference, harness.models.embedded, harness.models.devices,"
        " harness.models.loading; print(sorted({'torch', 'transformers', 'peft', 'numpy', 'pandas',"
        " 'huggingface_hub'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
