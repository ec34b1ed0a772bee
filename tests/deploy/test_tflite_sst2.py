"""What quantisation costs the small model, on labelled sentences."""

from __future__ import annotations

import numpy as np
import pytest

from tfkit import AutoTokenizer, TFAutoModelForSequenceClassification, data, export
from tfkit.demo.shipped import small_model

pytestmark = pytest.mark.slow


def test_float16_changes_no_label_and_int8_less_than_a_third_of_a_point(shared, tmp_path):
    model = TFAutoModelForSequenceClassification.from_pretrained(small_model())
    tokenizer = AutoTokenizer.from_pretrained(small_model())
    examples = data.read(
        shared("data/sst2/dev.tsv"), text="sentence", label="label", names=model.config.id2label
    )
    labels = {}
    for quantization in (None, "float16", "dynamic_int8", "dynamic_int8_per_tensor"):
        path = tmp_path / "model.tflite"
        export.tflite(model, tokenizer, path, quantization=quantization, max_length=64)
        labels[quantization] = export.Classifier(path).scores(examples.texts).argmax(-1)
    accuracy = {name: np.mean(given == examples.labels) for name, given in labels.items()}
    assert (labels["float16"] == labels[None]).all()
    assert abs(accuracy["dynamic_int8"] - accuracy[None]) <= 0.003
    assert abs(accuracy["dynamic_int8_per_tensor"] - accuracy[None]) <= 0.003
