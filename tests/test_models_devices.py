"""The device rules, as a table: nothing here looks at the machine except the last tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.exceptions import EnvironmentFault, InputError
from harness.models.devices import (
    choose_device,
    choose_policy,
    cpu_flags,
    free_memory,
    has_bf16,
    pick_device,
    probe,
)

GB = 10**9
SMOLLM2 = 134_515_008
SEVEN_B = 7 * 10**9


@pytest.mark.parametrize(
    ("asked", "cuda", "mps", "device"),
    [
        (None, 0, False, "cpu"),
        (None, 2, False, "cuda"),
        (None, 0, True, "mps"),
        (None, 1, True, "cuda"),
        ("auto", 0, False, "cpu"),
        ("cpu", 4, True, "cpu"),
        ("CUDA:1", 2, False, "cuda:1"),
        ("cuda", 1, False, "cuda"),
        ("mps", 0, True, "mps"),
    ],
)
def test_device_asked_or_best(asked: str | None, cuda: int, mps: bool, device: str) -> None:
    assert pick_device(asked, cuda, mps) == device


@pytest.mark.parametrize(
    ("asked", "cuda", "message"),
    [
        ("cuda", 0, "sees no CUDA GPU"),
        ("cuda:0", 0, "sees no CUDA GPU"),
        ("cuda:3", 2, "the last is cuda:1"),
        ("mps", 0, "not available here"),
    ],
)
def test_a_device_that_is_not_there_is_an_environment_fault(asked: str, cuda: int, message: str) -> None:
    with pytest.raises(EnvironmentFault, match=message) as caught:
        pick_device(asked, cuda, mps=False)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("asked", ["gpu", "cuda:x", "cuda:-1", "cdua", "cpu:0"])
def test_a_device_without_meaning_is_an_input_error(asked: str) -> None:
    with pytest.raises(InputError, match="unknown"):
        pick_device(asked, 8, mps=True)


@pytest.mark.parametrize(
    ("device", "method", "parameters", "free", "bf16", "expected"),
    [
        # device, recipe, parameters, free bytes, bf16 units -> dtype, quantisation, method
        ("cpu", "auto", SMOLLM2, 8 * GB, False, ("float32", "none", "lora")),
        ("cpu", "auto", SMOLLM2, 8 * GB, True, ("float32", "none", "lora")),
        ("cpu", "auto", SMOLLM2, 2 * GB, False, ("float32", "nf4", "qlora")),
        ("cpu", "auto", SEVEN_B, 30 * GB, False, ("float32", "nf4", "qlora")),
        ("cpu", "auto", SEVEN_B, 128 * GB, False, ("float32", "none", "lora")),
        ("cpu", "lora", SMOLLM2, 8 * GB, True, ("float32", "none", "lora")),
        ("cpu", "qlora", SMOLLM2, 8 * GB, False, ("float32", "nf4", "qlora")),
        ("cpu", "sft", SMOLLM2, 8 * GB, True, ("float32", "none", "sft")),
        ("cpu", None, SMOLLM2, 8 * GB, True, ("float32", "none", None)),
        ("cuda", "auto", SMOLLM2, 80 * GB, True, ("bfloat16", "nf4", "qlora")),
        ("cuda:1", "auto", SEVEN_B, 80 * GB, True, ("bfloat16", "nf4", "qlora")),
        ("cuda", "lora", SEVEN_B, 80 * GB, True, ("bfloat16", "none", "lora")),
        ("cuda", "sft", SMOLLM2, 80 * GB, True, ("float32", "none", "sft")),
        ("cuda", "lora", SMOLLM2, 16 * GB, False, ("float32", "none", "lora")),
        ("cuda", None, SMOLLM2, 16 * GB, True, ("bfloat16", "none", None)),
        ("cuda", None, SMOLLM2, 16 * GB, False, ("float16", "none", None)),
        ("mps", "auto", SMOLLM2, 16 * GB, True, ("float32", "none", "lora")),
    ],
)
def test_policy_table(
    device: str, method: str, parameters: int, free: int, bf16: bool, expected: tuple[str, str, str | None]
) -> None:
    policy = choose_policy(device, method, parameters, free, bf16=bf16)
    assert (policy.dtype, policy.quantisation, policy.method) == expected
    assert policy.device == device
    assert "\n" not in policy.why
    assert policy.dtype in policy.why


@given(
    method=st.sampled_from(["lora", "qlora", "sft", "auto", None]),
    parameters=st.integers(10**5, 10**11),
    free=st.integers(10**12, 10**14),
    bf16=st.booleans(),
)
def test_a_cpu_never_gets_half_precision_unasked(method: str, parameters: int, free: int, bf16: bool) -> None:
    assert choose_policy("cpu", method, parameters, free, bf16=bf16).dtype == "float32"


@given(parameters=st.integers(10**5, 10**11), free=st.integers(10**9, 10**12), more=st.integers(0, 10**12))
def test_more_memory_never_turns_lora_into_qlora(parameters: int, free: int, more: int) -> None:
    def method(memory: int) -> str | None:
        try:
            return choose_policy("cpu", "auto", parameters, memory).method
        except EnvironmentFault:
            return None

    if method(free) == "lora":
        assert method(free + more) == "lora"


def test_auto_without_bitsandbytes_stays_with_lora_and_says_why() -> None:
    policy = choose_policy("cuda", "auto", SMOLLM2, GB, bf16=True, bitsandbytes=False)
    assert (policy.method, policy.quantisation) == ("lora", "none")
    assert "for want of bitsandbytes" in policy.why
    assert "may run out of memory" in policy.why


def test_auto_obeys_the_quantisation_asked_for() -> None:
    assert choose_policy("cpu", "auto", SMOLLM2, 8 * GB, quantisation="int8").method == "qlora"
    assert choose_policy("cuda", "auto", SMOLLM2, 8 * GB, bf16=True, quantisation="none").method == "lora"


def test_bfloat16_on_a_cpu_that_has_it_when_asked() -> None:
    assert choose_policy("cpu", "lora", SMOLLM2, 8 * GB, bf16=True, dtype="bfloat16").dtype == "bfloat16"


@pytest.mark.parametrize(
    ("arguments", "options", "fault", "message"),
    [
        (("cpu", "lora"), {"dtype": "bfloat16"}, EnvironmentFault, "no bfloat16 units"),
        (("cpu", "lora"), {"dtype": "float16"}, EnvironmentFault, "no float16 arithmetic"),
        (("cpu", "lora"), {"dtype": "fp32"}, InputError, "dtype 'fp32': unknown"),
        (("cpu", "sft"), {"quantisation": "nf4"}, InputError, "cannot have them quantised"),
        (("cpu", "qlora"), {"quantisation": "none"}, InputError, "needs quantised weights"),
        (("cpu", "qlora"), {"bitsandbytes": False}, EnvironmentFault, "pip install bitsandbytes"),
        (("cpu", "lora"), {"quantisation": "nf5"}, InputError, "Did you mean 'nf4'"),
        (("cpu", "qlorra"), {}, InputError, "Did you mean 'qlora'"),
    ],
)
def test_contradictions_and_unknown_names_are_refused(
    arguments: tuple[str, str], options: dict[str, object], fault: type[Exception], message: str
) -> None:
    with pytest.raises(fault, match=message):
        choose_policy(*arguments, SMOLLM2, 8 * GB, **options)


def test_weights_larger_than_the_memory_are_refused_before_loading() -> None:
    with pytest.raises(
        EnvironmentFault, match=r"the weights need 28\.0 GB, cpu has 16\.0 GB free; use the recipe qlora"
    ):
        choose_policy("cpu", "lora", SEVEN_B, 16 * GB)
    with pytest.raises(EnvironmentFault, match="take a smaller model"):
        choose_policy("cpu", "qlora", 10 * SEVEN_B, 16 * GB)


def test_embeddings_are_counted_unquantised() -> None:
    policy = choose_policy("cpu", "qlora", SMOLLM2, 8 * GB, embeddings=28_311_552)
    # 28.3 M x 4 + 106.2 M x 0.5625 = 173 MB of weights, twice the head, .1 GB of adapters, 1.5 GB for the backward
    # pass, .7 GB for the libraries
    assert "needs about 2.7 GB of 8.0 GB" in policy.why


@pytest.mark.parametrize(
    ("flags", "bf16"),
    [
        ("fpu avx2 avx512f", False),
        ("fpu avx512_bf16", True),
        ("amx_bf16 amx_tile", True),
        ("asimd bf16", True),
        ("", False),
    ],
)
def test_bf16_is_read_from_the_flags(tmp_path: Path, flags: str, bf16: bool) -> None:
    listing = tmp_path / "cpuinfo"
    listing.write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: avx512_bf16\n")
    assert has_bf16(cpu_flags(listing)) is bf16


def test_no_list_of_flags_means_no_bf16(tmp_path: Path) -> None:
    assert not has_bf16(cpu_flags(tmp_path / "absent"))


def test_a_containers_limit_counts(tmp_path: Path) -> None:
    unlimited = free_memory(tmp_path)
    (tmp_path / "memory.max").write_text("3000000\n")
    (tmp_path / "memory.current").write_text("2500000\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 100000\n")
    assert free_memory(tmp_path) == 600_000
    assert unlimited > 600_000


def test_an_unlimited_container_counts_as_the_machine(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1\n")
    (tmp_path / "memory.stat").write_text("inactive_file 0\n")
    assert free_memory(tmp_path) > 10_000_000


def test_probing_the_cpu_gives_facts_that_a_policy_can_use() -> None:
    facts = probe("cpu")
    assert facts.memory_bytes > 0
    assert facts.device == choose_device("cpu") == "cpu"
    assert choose_policy("cpu", "lora", 1000, facts.memory_bytes, bf16=facts.bf16).dtype == "float32"
