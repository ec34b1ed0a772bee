"""The promises that only show at DistilBERT's own size: 67 million weights, 30,522 pieces."""

from __future__ import annotations

import pytest

from tfkit import (
    DistilBertConfig,
    DistilBertTokenizer,
    TFDistilBertForSequenceClassification,
    export,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model():
    return TFDistilBertForSequenceClassification(DistilBertConfig())


@pytest.fixture(scope="module")
def tokenizer():
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [*"abcdefghijklmnopqrstuvwxyz"]
    pieces = [*letters, *(f"##{x}" for x in letters)]
    words = [f"word{number}" for number in range(30522 - len(special) - len(pieces))]
    return DistilBertTokenizer([*special, *pieces, *words])


def test_the_saved_model_is_hardly_larger_than_its_weights(model, tokenizer, tmp_path):
    report = export.saved_model(model, tokenizer, tmp_path)
    assert report.bytes <= 1.03 * report.weight_bytes
    assert report.largest_difference < 1e-5
    assert report.serving.memory < 3.5 * report.weight_bytes


@pytest.mark.parametrize(
    "form, quantization, most_bytes",
    [
        ("ids", "dynamic_int8", 68e6),
        ("mediapipe", "dynamic_int8", 68e6),
        ("text", "float16", 136e6),
    ],
)
def test_files_for_phones_are_small(model, tokenizer, tmp_path, form, quantization, most_bytes):
    report = export.tflite(
        model, tokenizer, tmp_path / "m.tflite", form=form, quantization=quantization
    )
    assert report.bytes <= most_bytes
    assert report.agreement.largest_difference < 0.05
