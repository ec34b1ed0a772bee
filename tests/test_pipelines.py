"""`pipeline` answers in Hugging Face's format, in the order of the texts."""

from __future__ import annotations

import numpy as np
import pytest

from tfkit import DistilBertConfig, DistilBertTokenizer, TFDistilBertForSequenceClassification
from tfkit.pipelines import pipeline

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
TEXTS = ["good", "bad bad bad", "", "good bad", "bad", "good " * 40]


@pytest.fixture(scope="module")
def parts():
    config = DistilBertConfig(
        vocab_size=7, dim=8, n_heads=2, n_layers=1, hidden_dim=16, num_labels=3,
        initializer_range=1.0, max_position_embeddings=16,
    )  # fmt: skip
    return TFDistilBertForSequenceClassification(config), DistilBertTokenizer(WORDS)


def test_one_text_and_many(parts):
    classify = pipeline("text-classification", *parts)
    many = classify(TEXTS)
    assert [set(answer) for answer in many] == [{"label", "score"}] * len(TEXTS)
    assert classify(TEXTS[1])[0]["label"] == many[1]["label"]
    assert len({answer["score"] for answer in many}) > 1


def test_top_k(parts):
    classify = pipeline("sentiment-analysis", *parts)
    best = classify(TEXTS, top_k=2)
    assert [len(answer) for answer in best] == [2] * len(TEXTS)
    everything = classify("good", top_k=None)
    assert sorted(answer["label"] for answer in everything) == ["LABEL_0", "LABEL_1", "LABEL_2"]
    assert sum(answer["score"] for answer in everything) == pytest.approx(1.0)
    assert [a["score"] for a in everything] == sorted(a["score"] for a in everything)[::-1]


@pytest.mark.parametrize("batch_size", [1, 4, 32])
def test_scores_are_the_models_whatever_the_batches(parts, batch_size):
    model, tokenizer = parts
    scores = pipeline(model=model, tokenizer=tokenizer, batch_size=batch_size).scores(TEXTS)
    for text, row in zip(TEXTS, scores):
        batch = tokenizer([text], truncation=True, max_length=16, return_tensors="tf")
        logits = model(batch).logits.numpy()[0]
        np.testing.assert_allclose(row, np.exp(logits) / np.exp(logits).sum(), atol=1e-5)


def test_equals_transformers(parts, tmp_path):
    transformers = pytest.importorskip("transformers", reason="extra `parity` is not installed")
    for part in parts:
        part.save_pretrained(tmp_path)
    theirs = transformers.pipeline("text-classification", model=str(tmp_path))
    ours = pipeline("text-classification", model=tmp_path)
    texts = TEXTS[:5]
    for our, their in zip(ours(texts), theirs(texts)):
        assert our["label"] == their["label"]
        assert our["score"] == pytest.approx(their["score"], abs=1e-5)
    for arguments in ({"top_k": None}, {"top_k": 1}, {"top_k": 2}):
        for call in ("good", texts):
            our, their = ours(call, **arguments), theirs(call, **arguments)
            assert [len(a) for a in our] == [len(a) for a in their]


def test_ill_formed_characters_are_dropped(parts):
    classify = pipeline("text-classification", *parts)
    plain, odd = classify.scores(["good bad", "go\x00od\ud800 \udfffbad"])
    np.testing.assert_array_equal(odd, plain)


def test_bad_input_is_one_clear_error(parts):
    with pytest.raises(ValueError, match="Expected one of the tasks.*'translation'"):
        pipeline("translation")
    with pytest.raises(ValueError, match="Expected the model's tokenizer too"):
        pipeline("text-classification", parts[0])
    with pytest.raises(ValueError, match="`max_length` must be .* to 16.*received 17"):
        pipeline("text-classification", *parts, max_length=17)
    with pytest.raises(TypeError, match="Received a NoneType: None"):
        pipeline("text-classification", *parts)(["good", None])
    with pytest.raises(FileNotFoundError, match="neither a folder|not a folder"):
        pipeline("text-classification", model="no-such-model")
