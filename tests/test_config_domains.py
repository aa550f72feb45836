"""Several domains, and the file of training rows, in ``harness.yaml`` and on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config import Settings, load_settings
from harness.exceptions import InputError


def settings(tmp_path: Path, text: str, **options: object) -> Settings:
    (tmp_path / "harness.yaml").write_text(text)
    return load_settings(tmp_path / "harness.yaml", options)


@pytest.mark.parametrize(
    "text", ["domain: [gsm8k, arc_easy]", "domain: arc_easy,gsm8k", "domain: [gsm8k, arc_easy, gsm8k]"]
)
def test_several_domains_are_one_in_whatever_order(tmp_path: Path, text: str) -> None:
    assert settings(tmp_path, text).domain == "arc_easy,gsm8k"


def test_the_command_line_names_several_too(tmp_path: Path) -> None:
    assert settings(tmp_path, "domain: x", domain="gsm8k, arc_easy").domain == "arc_easy,gsm8k"


def test_no_name_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="domain is empty"):
        settings(tmp_path, "domain: []")
    with pytest.raises(InputError, match=r"harness\.yaml:1: field 'domain' is \['a', 1\]; expected str"):
        settings(tmp_path, "domain: [a, 1]")


def test_the_file_of_rows_is_found_from_the_settings_folder_and_is_no_part_of_the_identity(tmp_path: Path) -> None:
    found = settings(tmp_path, "train_from: more/rows.jsonl")
    assert found.train_from == str(tmp_path / "more" / "rows.jsonl")
    assert "train_from" not in found.identity()
    assert settings(tmp_path, "train_from: a.jsonl", train_from="b.jsonl").train_from == "b.jsonl"
