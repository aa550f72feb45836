"""What looks private is found by form and check digits, and no mask leaves any of it."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.intake.secrets import MASKS, find_private, is_iban, luhn, mask, mask_value

A32 = "0123456789abcdef" * 2
FOUND = [
    ("email", "jane.doe+news@mail.example.co.uk"),
    ("email", "jörg@müller.de"),
    ("phone", "+49 (0)30 1234-5678"),
    ("phone", "+14155550123"),
    ("phone", "(212) 555-0123"),
    ("phone", "212-555-0123"),
    ("iban", "DE89 3704 0044 0532 0130 00"),
    ("iban", "GB29NWBK60161331926819"),
    ("iban", "nl91 abna 0417 1643 00"),
    ("credit_card", "4111 1111 1111 1111"),
    ("credit_card", "5500-0000-0000-0004"),
    ("credit_card", "378282246310005"),
    ("ip_address", "8.8.4.4"),
    ("ip_address", "2606:4700:4700::1111"),
    ("api_key", "sk-proj-abcDEF1234567890abcDEF1234567890"),
    ("api_key", "ghp_" + "a1B2" * 9),
    ("api_key", "AKIAIOSFODNN7EXAMPLE"),
    ("api_key", "AIza" + "Sy0-_" * 7),
    ("api_key", "xoxb-123456789012-abcdefghijkl"),
    ("api_key", "hf_" + "aB3" * 11),
    ("api_key", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"),
    ("private_key", "-----BEGIN RSA PRIVATE KEY-----\nMIIEow==\nabc/+\n-----END RSA PRIVATE KEY-----"),
    ("private_key", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk"),
]


@pytest.mark.parametrize(("kind", "secret"), FOUND)
def test_each_kind_is_found_and_masked(kind: str, secret: str) -> None:
    text = f"Please use {secret} for it."
    assert [private.kind for private in find_private(text)] == [kind]
    assert secret not in mask(text)
    assert MASKS[kind] in mask(text)  # type: ignore[index]
    assert mask(text).startswith("Please use ")


def test_the_password_of_an_address_is_masked_and_the_rest_stays() -> None:
    assert mask("postgres://app:hunter2@db.intern/x") == "postgres://app:[PASSWORD]@db.intern/x"


@pytest.mark.parametrize(
    "text",
    [
        "Version 8.8.4.4 is out",
        "127.0.0.1 and 10.0.0.7 and 192.168.1.1",
        "the numbers 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
        "order 4111 1111 1111 1112",  # Luhn fails
        "DE89 3704 0044 0532 0130 01",  # check digits fail
        "std::vector<int> a::b",
        "a task-management-and-planning-something",
        "sk-learn-based-model-with-something-else",
        "in 1998-2004, 12.5 percent of 1,234,567",
        "@mention me at noon",
        "https://example.org/a:b/c@d",
        "2024-01-15T10:22:33",
        "DE is a code, IT too",
    ],
)
def test_what_only_resembles_it_is_left(text: str) -> None:
    assert find_private(text) == []
    assert mask(text) is text


def test_checksums() -> None:
    assert luhn("4111111111111111")
    assert not luhn("4111111111111112")
    assert is_iban("DE89370400440532013000")
    assert not is_iban("DE8937040044053201300")  # a digit short
    assert not is_iban("XX89370400440532013000")


_SECRETS = st.sampled_from([secret for _, secret in FOUND] + ["https://u:pa55w0rd@h.example/x"])
_TEXT = st.text(st.sampled_from(string.ascii_letters + " \n,;()'\u200bé"), max_size=20)


@given(st.lists(st.tuples(_TEXT, _SECRETS), max_size=4), _TEXT)
def test_no_secret_is_left_and_masking_again_changes_nothing(parts: list[tuple[str, str]], end: str) -> None:
    text = "".join(f"{before} {secret} " for before, secret in parts) + end
    masked = mask(text)
    assert all(secret not in masked for _, secret in parts)
    assert mask(masked) == masked
    assert find_private(masked) == []


@given(st.text(st.sampled_from('+0123456789 -().@:/[]abEYJ.eyJsk_-{}"\n')))
def test_any_text_is_masked_once_and_for_all(text: str) -> None:
    masked = mask(text)
    assert find_private(masked) == []


def test_values_are_masked_inside_and_unchanged_ones_stay_the_same_object() -> None:
    value = {"messages": [{"content": "a@example.org"}, {"content": "none"}], "n": 4111111111111111}
    masked = mask_value(value)
    assert masked == {"messages": [{"content": "[EMAIL]"}, {"content": "none"}], "n": 4111111111111111}
    assert mask_value(masked) is masked


def test_a_hostile_line_takes_no_time_that_grows_faster_than_it() -> None:
    for piece in (
        "+1",
        "a@",
        "sk-1-",
        "1 1",
        "(1",
        "eyJaaaaaaaaaa-",
        "a:b@",
        "http://a:",
        "DE89 ",
        "1.",
        "-----BEGIN PRIVATE KEY-----",
    ):
        assert find_private(mask(piece * 20_000)) == []
