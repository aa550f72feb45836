"""The figures of `harness.metrics` beside those of sacrebleu, scikit-learn, rouge_score, statsmodels and by hand."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.metrics.labels import NO_LABEL, confusion, macro, macro_figures, named_label
from harness.metrics.overlap import bleu, chrf
from harness.metrics.perplexity import gold_perplexity, text_perplexities
from harness.metrics.structure import (
    read_call,
    same_schema,
    tool_call_accuracy,
    tool_name_accuracy,
    valid_json,
    valid_schema,
)
from harness.metrics.text import common_subsequence, exact_match, f1, rouge_l, squad_normalise
from harness.metrics.values import RESAMPLES, clustered_mean, corpus_figure

WORDS = [
    *("the", "cat", "sat", "on", "a", "mat", "and", "it", "was", "red"),
    *("Dog,", "ran", "off:", "No.", "9", "(late)"),
]


def sentences(n: int, seed: int) -> list[str]:
    """Made-up lines of 0 to 12 words."""
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(0, 12))) for _ in range(n)]


def own(n: int) -> list[str]:
    return [str(place) for place in range(n)]


# --- standard errors


def test_the_error_of_a_mean_is_statsmodels_cluster_robust_one() -> None:
    from statsmodels.api import OLS

    rng = np.random.default_rng(3)
    groups = np.sort(rng.integers(0, 17, size=90))
    values = rng.random(90) + groups / 20
    found = clustered_mean("m", values.tolist(), [str(g) for g in groups])
    options: dict[str, Any] = {"groups": groups, "use_correction": False}
    oracle = OLS(values, np.ones(90)).fit(cov_type="cluster", cov_kwds=options)
    assert found.value == pytest.approx(float(oracle.params[0]))
    assert found.stderr == pytest.approx(float(oracle.bse[0]))
    assert (found.n, found.clusters, found.method) == (90, len(set(groups)), "clustered")


def test_the_bootstrap_of_a_mean_agrees_with_its_closed_form_within_its_own_noise() -> None:
    rng = np.random.default_rng(5)
    clusters = [str(place // 3) for place in range(150)]
    shifts = np.repeat(rng.normal(size=50), 3)
    values = (shifts + rng.normal(size=150)).tolist()
    drawn = corpus_figure("m", [[value, 1] for value in values], clusters, lambda sums: sums[:, 0] / sums[:, 1])
    closed = clustered_mean("m", values, clusters)
    assert drawn.value == pytest.approx(closed.value)
    assert closed.stderr is not None
    # A bootstrapped standard error is off by about 1 / sqrt(2 * draws) of itself: three of these.
    assert drawn.stderr == pytest.approx(closed.stderr, rel=3 / math.sqrt(2 * RESAMPLES))
    assert drawn.method == "bootstrap"


def test_clusters_are_drawn_whole() -> None:
    values = [0.0] * 40 + [1.0] * 40
    counts = [[value, 1] for value in values]
    alone = corpus_figure("m", counts, own(80), lambda sums: sums[:, 0] / sums[:, 1])
    tied = corpus_figure("m", counts, [str(i // 20) for i in range(80)], lambda sums: sums[:, 0] / sums[:, 1])
    assert alone.stderr == pytest.approx(0.5 / math.sqrt(80), rel=0.1)
    assert tied.stderr == pytest.approx(0.5 / math.sqrt(4), rel=0.1)


def test_the_same_items_give_the_same_error_every_time() -> None:
    counts = [[value, 1] for value in np.random.default_rng(0).random(30)]
    first, second = (corpus_figure("m", counts, own(30), lambda sums: sums[:, 0] / sums[:, 1]) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("n", [1, 4])
def test_one_cluster_tells_nothing_of_the_error(n: int) -> None:
    mean = clustered_mean("m", [0.5] * n, ["a"] * n)
    figure = corpus_figure("m", [[1.0]] * n, ["a"] * n, lambda sums: sums[:, 0])
    assert (mean.stderr, mean.method) == (figure.stderr, figure.method) == (None, "none")


# --- answers as text


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("The  Cat!", "cat"),
        ("an apple a day", "apple day"),
        ("theatre", "theatre"),
        ("don't -- stop", "dont stop"),
        ("", ""),
        ("1,000.50", "100050"),
    ],
)
def test_normalising_is_squads(text: str, normalised: str) -> None:
    assert squad_normalise(text) == normalised


@pytest.mark.parametrize(
    ("response", "references", "value"),
    [
        ("the red cat", ["a red cat"], 1.0),
        ("red cat sat", ["red cat"], 0.8),  # 2 of 3 and 2 of 2
        ("red red", ["red"], 2 / 3),  # one red of two counts
        ("dog", ["cat"], 0.0),
        ("", ["cat"], 0.0),
        ("the", [""], 1.0),  # both empty once normalised
        ("dog", ["cat", "the dog"], 1.0),
    ],
)
def test_token_f1_by_hand(response: str, references: list[str], value: float) -> None:
    assert f1(response, references) == pytest.approx(value)


def test_exact_match_is_strict_but_for_outer_spaces() -> None:
    assert exact_match(" Paris\n", ["Lyon", "Paris"]) == 1.0
    assert exact_match("paris", ["Paris"]) == 0.0
    assert exact_match("Paris.", ["Paris"]) == 0.0


def test_rouge_l_is_the_one_of_rouge_score() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    for response, reference in zip(sentences(120, 1), sentences(120, 2), strict=True):
        assert rouge_l(response, [reference]) == pytest.approx(scorer.score(reference, response)["rougeL"].fmeasure)
    assert rouge_l("a b c", ["x", "c b a", "a c"]) == pytest.approx(0.8)


def subsequence_by_table(first: Sequence[str], second: Sequence[str]) -> int:
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, one in enumerate(first):
        for j, two in enumerate(second):
            table[i + 1][j + 1] = table[i][j] + 1 if one == two else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


@given(st.lists(st.sampled_from("abcd"), max_size=40), st.lists(st.sampled_from("abcd"), max_size=40))
def test_the_longest_common_subsequence_is_the_tables(first: list[str], second: list[str]) -> None:
    assert common_subsequence(first, second) == subsequence_by_table(first, second)


# --- BLEU and chrF


@pytest.mark.parametrize("references", [1, 3])
@pytest.mark.parametrize("n", [1, 60])
def test_bleu_and_chrf_are_sacrebleus(n: int, references: int) -> None:
    import sacrebleu

    responses = sentences(n, 7)
    own_references = [[*group] for group in zip(*(sentences(n, 20 + k) for k in range(references)), strict=True)]
    streams = [[group[k] for group in own_references] for k in range(references)]
    found = bleu(responses, own_references, own(n)), chrf(responses, own_references, own(n))
    assert found[0].value == pytest.approx(sacrebleu.corpus_bleu(responses, streams).score)
    assert found[1].value == pytest.approx(sacrebleu.corpus_chrf(responses, streams).score)
    assert {value.unit for value in found} == {"points"}


def test_the_errors_of_bleu_and_chrf_are_those_of_sacrebleus_bootstrap() -> None:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    references = sentences(200, 11)
    responses = [" ".join(w for i, w in enumerate(r.split()) if i % 3) or "none" for r in references]
    for ours, theirs in ((bleu, BLEU()), (chrf, CHRF())):
        found = ours(responses, [[reference] for reference in references], own(200))
        bootstrapped = theirs.corpus_score(responses, [references], n_bootstrap=1000)
        half: float = bootstrapped._ci  # half of the middle 95% of its draws
        assert found.stderr is not None
        assert 1.96 * found.stderr == pytest.approx(half, rel=0.15)


def test_a_perfect_corpus_has_a_hundred_points_and_no_error() -> None:
    lines = [line + " end of line here" for line in sentences(20, 4)]
    for value in (bleu(lines, [[x] for x in lines], own(20)), chrf(lines, [[x] for x in lines], own(20))):
        assert value.value == pytest.approx(100.0)
        assert value.stderr == pytest.approx(0.0, abs=1e-9)


def test_responses_without_a_word_score_nothing_and_break_nothing() -> None:
    for value in (bleu(["", " "], [["a b"], ["c"]], own(2)), chrf(["", " "], [["a b"], ["c"]], own(2))):
        assert (value.value, value.stderr) == (0.0, 0.0)


# --- labels


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("refund", "refund"),
        (" Refund. \n", "refund"),
        ("refunds", NO_LABEL),
        ("", NO_LABEL),
        ("It is refund", NO_LABEL),
    ],
)
def test_a_response_names_a_label_or_none(response: str, label: str) -> None:
    assert named_label(response, ["refund", "repair"]) == label


def labelled(n: int, seed: int) -> tuple[list[str], list[str]]:
    """Gold and answered labels, a fifth of the answers no label; ``rare`` is never gold."""
    rng = random.Random(seed)
    gold = [rng.choice("abc") for _ in range(n)]
    answered = [g if rng.random() < 0.5 else rng.choice(["a", "b", "c", "rare", NO_LABEL]) for g in gold]
    return gold, answered


@pytest.mark.parametrize("seed", range(5))
def test_macro_figures_are_scikit_learns(seed: int) -> None:
    from sklearn.metrics import precision_recall_fscore_support

    gold, answered = labelled(60, seed)
    there = sorted({*gold, *answered} - {NO_LABEL})
    oracle = precision_recall_fscore_support(gold, answered, labels=there, average="macro", zero_division=0)[:3]
    assert macro_figures(list(zip(gold, answered, strict=True))) == pytest.approx(tuple(map(float, oracle)))
    values = macro(gold, answered, own(60))
    assert [value.name for value in values] == ["macro_precision", "macro_recall", "macro_f1"]
    assert [value.value for value in values] == pytest.approx(list(map(float, oracle)))


def test_the_error_of_macro_f1_is_that_of_a_bootstrap_done_by_hand() -> None:
    from sklearn.metrics import f1_score

    gold, answered = labelled(80, 9)
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(300):
        chosen = rng.integers(0, 80, size=80)
        pairs = [gold[i] for i in chosen], [answered[i] for i in chosen]
        there = sorted({*pairs[0], *pairs[1]} - {NO_LABEL})
        drawn.append(float(f1_score(*pairs, labels=there, average="macro", zero_division=0)))
    found = macro(gold, answered, own(80))[2].stderr
    assert found == pytest.approx(float(np.std(drawn, ddof=1)), rel=0.2)


def test_a_confusion_matrix_by_hand() -> None:
    gold = ["a", "a", "b", "b", "b"]
    answered = ["a", "b", "b", NO_LABEL, "c"]
    found = confusion(gold, answered, ["c", "b", "a", "never"])
    assert found.as_dict() == {
        "labels": ["c", "b", "a"],
        "counts": {"b": {"c": 1, "b": 1, NO_LABEL: 1}, "a": {"b": 1, "a": 1}},
    }


# --- JSON and calls


@pytest.mark.parametrize(
    ("response", "json", "schema"),
    [
        ('{"a": 1, "b": null}', 1, 1),
        (' {"b": 2, "a": 1}\n', 1, 1),
        ('{"a": 1}', 1, 0),
        ('{"a": 1, "b": 2, "c": 3}', 1, 0),
        ('{"a": 1, "b": 2, "a": 3}', 1, 0),
        ("[1, 2]", 1, 0),
        ('Here: {"a": 1, "b": 2}', 0, 0),
        ('```json\n{"a": 1, "b": 2}\n```', 0, 0),
        ('{"a": 1, "b": ', 0, 0),
        ("", 0, 0),
        ("12", 0, 0),
        ("[" * 5000, 0, 0),
    ],
)
def test_valid_json_and_the_schema(response: str, json: int, schema: int) -> None:
    assert valid_json(response) == json
    assert valid_schema(response, ["a", "b"]) == schema
    assert same_schema(response, '{"b": 0, "a": 0}') == schema


def test_a_reference_that_is_no_object_has_no_schema() -> None:
    assert same_schema("{}", "prose") == 0.0


CALL = '{"name": "refund", "arguments": {"order": "48213", "amount": 5, "tags": ["x", {"y": true}]}}'


@pytest.mark.parametrize(
    ("response", "name", "call"),
    [
        (CALL, 1, 1),
        ('{"arguments": {"amount": 5.0, "tags": ["x", {"y": true}], "order": "48213"}, "name": "refund"}', 1, 1),
        (CALL.replace("true", "1"), 1, 0),
        (CALL.replace('"48213"', "48213"), 1, 0),
        (CALL.replace('"amount": 5, ', ""), 1, 0),
        (CALL.replace('"x", ', ""), 1, 0),
        (CALL.replace("refund", "repair"), 0, 0),
        (CALL[:-1], 0, 0),
        (CALL[:-1] + ', "id": 1}', 0, 0),
        ('{"name": "refund", "arguments": []}', 0, 0),
        ('{"name": 1, "arguments": {}}', 0, 0),
        ("refund(order=48213)", 0, 0),
        ("", 0, 0),
    ],
)
def test_tool_calls(response: str, name: int, call: int) -> None:
    assert tool_name_accuracy(response, CALL) == name
    assert tool_call_accuracy(response, CALL) == call


def test_a_call_of_no_tool_is_a_call() -> None:
    none = '{"name": "none", "arguments": {}}'
    assert read_call(none) == ("none", {})
    assert tool_call_accuracy(none, none) == 1.0
    assert tool_call_accuracy(CALL, none) == 0.0


# --- perplexity


def test_the_perplexity_of_golds_is_by_token() -> None:
    value = gold_perplexity([-2.0, -6.0], [1, 3], own(2))
    assert value.value == pytest.approx(math.exp(2.0))
    assert (value.unit, value.better, value.n) == ("perplexity", "lower", 2)
    assert value.stderr == pytest.approx(0.0)  # both have the same rate: no draw differs


def test_the_error_of_a_perplexity_is_that_of_its_linearised_ratio() -> None:
    rng = np.random.default_rng(2)
    tokens = rng.integers(1, 12, size=400)
    logprobs = -tokens * rng.uniform(0.5, 1.5, size=400)
    found = gold_perplexity(logprobs.tolist(), tokens.tolist(), own(400))
    rate = -logprobs.sum() / tokens.sum()
    residuals = -logprobs - rate * tokens
    linear = math.exp(rate) * math.sqrt((residuals**2).sum()) / tokens.sum()
    assert found.stderr == pytest.approx(linear, rel=0.1)


def test_perplexities_of_text_are_lm_evals() -> None:
    from lm_eval.api.metrics import bits_per_byte, weighted_perplexity

    texts = ["Der Kessel ist heiß .\n", "one two  three"]
    logprobs = [-20.0, -9.5]
    values = {value.name: value for value in text_perplexities(texts, logprobs)}
    words, sizes = [6, 3], [len(text.encode()) for text in texts]  # lm-eval counts what follows the line end, too
    assert values["word_perplexity"].value == pytest.approx(
        weighted_perplexity(list(zip(logprobs, words, strict=True)))
    )
    assert values["byte_perplexity"].value == pytest.approx(
        weighted_perplexity(list(zip(logprobs, sizes, strict=True)))
    )
    assert values["bits_per_byte"].value == pytest.approx(bits_per_byte(list(zip(logprobs, sizes, strict=True))))
    assert text_perplexities(texts[:1], logprobs[:1])[0].stderr is None


def test_a_hopeless_model_has_a_finite_perplexity() -> None:
    value = gold_perplexity([-1e6, -9e5], [1, 1], own(2))
    assert math.isfinite(value.value)
    assert value.stderr is not None
    assert math.isfinite(value.stderr)
