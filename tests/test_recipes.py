"""Every shipped recipe is valid; what is wrong in one's own is named with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.exceptions import InputError
from harness.locate import data_folder
from harness.training.recipe import Recipe, load_recipe, recipe_names
from harness.yamlfile import read_yaml

SHIPPED = sorted(data_folder("trainers").rglob("*.yaml"))


def write(folder: Path, text: str) -> str:
    path = folder / "own.yaml"
    path.write_text(text)
    return str(path)


def test_every_recipe_file_is_one_that_can_be_named() -> None:
    assert [path.stem for path in SHIPPED] == recipe_names()
    assert {"auto", "lora", "qlora", "sft", "uniform"} <= set(recipe_names())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.stem))
def test_a_shipped_recipe_is_valid_and_begins_with_its_launch_command(path: Path) -> None:
    recipe = load_recipe(path.stem)
    assert recipe.name == path.stem
    assert path.read_text().startswith(f"# harness iterate --recipe {path.stem}")
    assert read_yaml(path).values["method"] == recipe.method


@pytest.mark.parametrize(("name", "method"), [("auto", "auto"), ("lora", "lora"), ("qlora", "qlora"), ("sft", "sft")])
def test_a_recipe_named_after_a_method_uses_it(name: str, method: str) -> None:
    assert load_recipe(name).method == method


def test_lora_and_qlora_differ_in_nothing_else() -> None:
    lora, qlora = load_recipe("lora").as_dict(), load_recipe("qlora").as_dict()
    assert {key for key in lora if lora[key] != qlora[key]} == {"name", "method"}


def test_a_recipe_of_ones_own_is_named_after_its_file(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, "method: lora\noptimiser:\n  learning_rate: 1e-4\n"))
    assert recipe.name == "own"
    assert recipe.optimiser.learning_rate == 1e-4
    assert recipe.lora == Recipe().lora


def test_an_unknown_recipe_suggests_the_nearest() -> None:
    with pytest.raises(InputError) as caught:
        load_recipe("qlorra")
    assert str(caught.value) == "unknown recipe 'qlorra'. Did you mean 'qlora'?"


def test_a_missing_recipe_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_recipe(str(tmp_path / "absent.yaml"))
    assert str(caught.value) == f"{tmp_path / 'absent.yaml'}: no such recipe file"


@pytest.mark.parametrize("reference", ["../secret", "", "auto/../lora/x"])
def test_a_name_that_is_no_recipe_is_refused(reference: str) -> None:
    with pytest.raises(InputError, match="unknown recipe"):
        load_recipe(reference)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("methd: lora\n", ":1: unknown field 'methd'. Did you mean 'method'?"),
        ("method: lorra\n", ":1: field 'method' is 'lorra'. Did you mean 'lora'?"),
        ("name: mine\n", ":1: unknown field 'name'. "),
        ("optimiser:\n  rate: 1\n", ":2: unknown field 'optimiser.rate'. "),
        (
            "method: lora\noptimiser:\n  learning_rate: 0\n",
            ":3: field 'optimiser.learning_rate' is 0; it must lie from 1e-09 to 1",
        ),
        ("lora:\n  rank: 0\n", ":2: field 'lora.rank' is 0; it must lie from 1 to 4096"),
        ("data:\n  replay: 1.5\n", ":2: field 'data.replay' is 1.5; it must lie from 0 to 0.9"),
        (
            "data:\n  replay: 0.6\n  general: 0.4\n",
            ":1: replay and general together take every row; let them add up to less than 1",
        ),
        ("patience: 0\n", ":1: field 'patience' is 0; it must lie from 1 to 1000"),
        ("start: lastest\n", ":1: field 'start' is 'lastest'. Did you mean 'latest'?"),
        ("method: 'lora\n", ":2: not valid YAML: found unexpected end of stream; correct the file"),
    ],
)
def test_a_bad_recipe_is_refused_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_recipe(path)
    assert str(caught.value).startswith(f"{path}{message}")


def test_a_uniform_recipe_must_draw_as_many_rows_as_it_trains_on(tmp_path: Path) -> None:
    path = write(tmp_path, "data:\n  select: uniform\n  mine: 10\n  rows: 20\n")
    with pytest.raises(InputError, match=r"own\.yaml:3: data\.mine is 10, fewer than the 20 rows"):
        load_recipe(path)


def test_a_recipe_is_plain_data_for_the_manifest() -> None:
    plain = load_recipe("auto").as_dict()
    assert plain["lora"]["targets"] == "all-linear"
    assert isinstance(plain["data"], dict)
