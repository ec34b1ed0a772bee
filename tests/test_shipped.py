"""The small model that comes with tfkit is what its card says."""

from __future__ import annotations

import re

import pytest

from tfkit import AutoTokenizer, TFAutoModelForSequenceClassification, data, pipeline
from tfkit.demo.shipped import small_model
from tfkit.training import evaluate


def test_accuracy_on_sst2_dev_is_the_cards(shared):
    card = (small_model() / "README.md").read_text(encoding="utf-8")
    (stated,) = re.findall(r"^\| Keras, float32 \| (0\.\d{4}) \|$", card, flags=re.MULTILINE)
    model = TFAutoModelForSequenceClassification.from_pretrained(small_model())
    names = model.config.id2label
    dev = data.read(shared("data/sst2/dev.tsv"), text="sentence", names=names)
    figures = evaluate(model, AutoTokenizer.from_pretrained(small_model()), dev)
    assert figures.accuracy == pytest.approx(float(stated), abs=2 / 872)
    assert figures.accuracy >= 0.8


def test_tells_a_good_film_from_a_bad_one():
    classify = pipeline("sentiment-analysis", model=small_model())
    answers = classify(["A moving, funny and brilliant film.", "A dull and pointless mess."])
    assert [answer["label"] for answer in answers] == ["positive", "negative"]
