"""`evaluate` gives one set of figures for texts in memory and for a stream of the same."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tfkit import DistilBertConfig, DistilBertTokenizer, TFDistilBertForSequenceClassification
from tfkit.data import read, stream
from tfkit.data import streams as stream_module
from tfkit.evaluation import evaluate, predict_logits

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
ROWS = {
    "single_label_classification": [("good", "x"), ("bad", "y"), ("bad good", "y"), ("", "x")],
    "multi_label_classification": [("good", ["x"]), ("bad", ["x", "y"]), ("bad", []), ("", ["y"])],
    "regression": [("good", 1.5), ("bad", -2.0), ("bad bad", 0.25), ("good bad", 0.0)],
}


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.slow if "label" in kind else ()) for kind in ROWS],
)
def test_a_stream_is_evaluated_as_what_is_read(kind, monkeypatch):
    monkeypatch.setattr(stream_module, "_ROWS_AT_ONCE", 3)
    rows = ROWS[kind] * 3
    examples, streamed = (make(rows, problem_type=kind) for make in (read, stream))
    parts = _parts(examples)
    expected, found = (evaluate(*parts, each, batch_size=2) for each in (examples, streamed))
    assert type(expected) is type(found) and found.examples == 12
    expected, found = map(dataclasses.asdict, (expected, found))
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-5) if _is_number(value) else True
    np.testing.assert_allclose(
        predict_logits(*parts, streamed), predict_logits(*parts, examples), atol=1e-5
    )


@pytest.mark.slow
def test_a_score_that_is_no_number_is_found_by_its_place_in_the_stream(monkeypatch):
    monkeypatch.setattr(stream_module, "_ROWS_AT_ONCE", 3)
    streamed = stream([("good", "x"), ("", "y"), ("good", "y"), ("good", "x"), ("bad", "x")])
    model, tokenizer = _parts(streamed)
    words = model.get_input_embeddings().weights[0]
    words.assign(np.where(np.arange(7)[:, None] == tokenizer.vocab["bad"], np.nan, words))
    with pytest.raises(ValueError, match="Received nan for class 0 of text 5, 'bad'"):
        evaluate(model, tokenizer, streamed)


def _parts(examples):
    sizes = {"dim": 8, "n_heads": 2, "n_layers": 1, "hidden_dim": 16, "initializer_range": 1.0}
    config = DistilBertConfig(vocab_size=7, **sizes, **examples.model_options)
    return TFDistilBertForSequenceClassification(config), DistilBertTokenizer(WORDS)


def _is_number(value) -> bool:
    return isinstance(value, (int, float))
