"""The optional learned head: trained, saved, read back and asked, on an encoder of a few thousand weights."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from errors_items import make_item

from harness.config import ClassifierSettings
from harness.errors.hallucination_model import Missing, best_threshold, load_learned, main, measure, read_rows
from harness.errors.setup import load_taxonomy
from harness.exceptions import InputError

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "what", "colour", "is", "it", "red", "blue", "green", "a", "unicorn"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like that of MiniLM's package, with random weights."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=300,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows in HaluEval's form, where a unicorn is always made up."""
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    lines = []
    for number in range(120):
        made_up = number % 3 == 0
        answer = "it is a unicorn" if made_up else f"it is {('red', 'blue', 'green')[number % 4 % 3]}"
        label = "yes" if made_up else "no"
        lines.append({"user_query": "what colour is it", "chatgpt_response": answer, "hallucination": label})
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


@pytest.fixture(scope="module")
def trained(encoder: Path, rows: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "head"
    assert main([str(rows), str(out), "--base", str(encoder), "--epochs", "40"]) == 0
    return out


def test_training_keeps_what_it_reached_on_rows_held_out(trained: Path) -> None:
    note = json.loads((trained / "hallucination.json").read_text())
    assert note["rows"] == 72
    assert note["held_out"]["n"] == 24
    assert note["held_out"]["f1"] == 1.0
    assert note["version"].startswith("learned-")


def test_the_learned_head_labels_through_the_settings(trained: Path) -> None:
    taxonomy = load_taxonomy(ClassifierSettings(hallucination_model=str(trained), only=["hallucinated_learned"]))
    made_up, sound = taxonomy.classify_all(
        [make_item(each, prompt="what colour is it") for each in ("it is a unicorn", "it is red")]
    )
    assert made_up.primary == "hallucinated"
    assert made_up.labels[0].span == (0, 15)
    assert made_up.labels[0].confidence >= 0.5
    assert sound.primary == "wrong_answer"
    assert taxonomy.identity()["classifiers"]["hallucinated_learned"].startswith("learned-")


def test_a_missing_model_is_not_assessed_and_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        classifier = load_learned(tmp_path / "absent")
    assert isinstance(classifier, Missing)
    assert len(caplog.records) == 1
    assert "the hallucination model in absent cannot be used" in caplog.text
    (label,) = classifier.classify(make_item("x"))
    assert not label.assessed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"prompt": "a", "response": "b"}', ":1: expected prompt, response and hallucination"),
        ('{"prompt": "a", "response": "b", "hallucination": true}', "too few rows"),
    ],
)
def test_rows_that_cannot_be_learned_from_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_rows(path)
    assert main([str(path), str(tmp_path / "out")]) == 2


def test_the_threshold_is_where_f1_is_highest() -> None:
    scored = [(0.9, True), (0.8, False), (0.7, True), (0.2, False)]
    assert best_threshold(scored) == 0.7
    assert measure(scored, 0.7) == {
        "n": 4, "hallucinated": 2, "seen": 3, "precision": pytest.approx(2 / 3), "recall": 1.0, "f1": pytest.approx(0.8)
    }  # fmt: skip
    assert measure([(0.1, False)], 0.5)["f1"] == 0.0
