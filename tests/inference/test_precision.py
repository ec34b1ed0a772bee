"""Answers in other precisions are the Keras model's, but for what rounding costs."""

from __future__ import annotations

import csv
import functools
import sys

import numpy as np
import pytest

import tfkit
from tfkit import AutoTokenizer, TFAutoModelForSequenceClassification, pipeline
from tfkit.demo.shipped import small_model
from tfkit.inference import cache as cached
from tfkit.inference import litert, text_model
from tfkit.inference.litert import convert

WORDS = [*"abcdefghij", "a", "film", "that", "seems", "endless", ",", "wonderful", "talk"]
# Texts of all lengths, in no order: empty, of one token, and longer than the model's 128.
TEXTS = [" ".join((WORDS * 20)[n % 7 :][:n]) for n in (9, 0, 300, 1, 40, 2, 127, 16, 200, 3, 90)]
PAIRS = [{"text": one, "text_pair": two} for one, two in zip(TEXTS, TEXTS[::-1])]
REDUCED = ("bfloat16", "int8")
# Of a probability of the small model, on these texts and on SST-2.
TOLERANCE = {"bfloat16": 0.02, "int8": 0.04}


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Converted files are kept here, and not in the cache of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder / "tfkit"


@pytest.fixture(scope="module")
def classify():
    return pipeline(model=small_model())


@functools.cache
def plain():
    folder = small_model()
    model = TFAutoModelForSequenceClassification.from_pretrained(folder)
    return model, AutoTokenizer.from_pretrained(folder)


def keras_scores(texts):
    """Of the plain path, one text at a time."""
    model, tokenizer = plain()
    rows = []
    for text in texts:
        pair = (text["text"], text["text_pair"]) if isinstance(text, dict) else (text,)
        batch = tokenizer(*([part] for part in pair), truncation=True, return_tensors="tf")
        logits = model(batch, padding_free=False).logits.numpy()[0]
        rows.append(np.exp(logits) / np.exp(logits).sum())
    return np.array(rows)


FEW = [pytest.param(texts, marks=pytest.mark.slow) for texts in (TEXTS, TEXTS[:1], ["", "", ""])]


@pytest.mark.parametrize("precision", REDUCED)
@pytest.mark.parametrize("texts", [PAIRS, *FEW])
def test_equals_the_keras_model_in_the_order_of_the_texts(classify, precision, texts):
    scores = classify.scores(texts, precision=precision)
    assert np.abs(scores - keras_scores(texts)).max() < TOLERANCE[precision]


def test_a_text_is_answered_alike_whatever_it_is_packed_with(classify):
    """Attention does not leak from one text of a row into another."""
    classify.scores(TEXTS, precision="int8")
    together = classify.scores(TEXTS * 3, precision="int8")
    for place, text in enumerate(TEXTS):
        alone = classify.scores([text], precision="int8")
        assert np.abs(together[place :: len(TEXTS)] - alone).max() < 1e-4


def test_a_thousand_texts_keep_their_order(classify):
    texts = [" ".join(WORDS[n % 5 :][: n % 17]) for n in range(1500)]
    few = sorted(set(texts))
    known = dict(zip(few, classify.scores(few, precision="int8")))
    scores = classify.scores(texts, precision="int8")
    assert np.abs(scores - [known[text] for text in texts]).max() < 1e-4
    assert classify.scores([], precision="int8").shape == (0, 2)


@pytest.mark.slow
def test_sst2_loses_no_accuracy_to_speak_of(classify, shared):
    with shared("data/sst2/dev.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    texts, labels = zip(*rows)
    plain, labels = classify.scores(texts), np.array(labels, int)
    for precision in REDUCED:
        scores = classify.scores(texts, precision=precision)
        assert np.abs(scores - plain).max() < TOLERANCE[precision]
        assert (scores.argmax(1) == plain.argmax(1)).mean() > 0.99
        lost = (plain.argmax(1) == labels).mean() - (scores.argmax(1) == labels).mean()
        assert lost < 0.005


@pytest.mark.parametrize(
    "precision",
    [*(pytest.param(name, marks=pytest.mark.slow) for name in ("float32", "bfloat16")), "int8"],
)
def test_the_argument_of_the_constructor_is_that_of_a_call(classify, precision):
    made = pipeline(model=small_model(), precision=precision)
    np.testing.assert_array_equal(made.scores(TEXTS), classify.scores(TEXTS, precision=precision))
    assert made(TEXTS[0]) == classify(TEXTS[0], precision=precision)
    assert made.model.dtype_policy.name == text_model.PRECISIONS[precision]


@pytest.mark.parametrize("texts", [PAIRS, *FEW])
def test_float32_in_litert_is_the_keras_model_to_rounding(classify, texts):
    scores = classify.scores(texts, precision="float32", runtime="litert")
    np.testing.assert_allclose(scores, keras_scores(texts), atol=2e-6)
    assert not np.array_equal(scores, classify.scores(texts, precision="int8"))


def test_the_runtime_of_the_constructor_is_that_of_a_call(classify):
    made = pipeline(model=small_model(), runtime="litert")
    expected = classify.scores(TEXTS, runtime="litert")
    np.testing.assert_array_equal(made.scores(TEXTS), expected)
    assert isinstance(made._runtime(None, "litert"), litert.LiteRTModel)


@pytest.mark.slow
@pytest.mark.parametrize(
    "activation",
    ["gelu_new", *(pytest.param(name, marks=pytest.mark.slow) for name in ("relu", "silu"))],
)
def test_any_model_converts(tiny_config, activation):
    config = tiny_config.replace(activation=activation)
    model = tfkit.TFDistilBertForSequenceClassification(config)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh"]
    pipe = pipeline(model=model, tokenizer=tfkit.DistilBertTokenizer(words))
    texts = ["a b c", "", "h g f e d c b a " * 4]
    np.testing.assert_allclose(pipe.scores(texts, precision="int8"), pipe.scores(texts), atol=2e-3)


def test_the_converted_file_is_kept_until_the_weights_change(classify, cache, monkeypatch):
    classify.scores(["good"], precision="int8")
    made = []
    monkeypatch.setattr(litert, "convert", lambda *args: made.append(args) or convert(*args))
    model = TFAutoModelForSequenceClassification.from_pretrained(small_model())
    litert.LiteRTModel(model, "int8")
    assert not made and len(list(cache.iterdir())) >= 1
    model.head.classifier.bias.assign([9.0, -9.0])
    changed = pipeline(model=model, tokenizer=classify.tokenizer, precision="int8")
    assert len(made) == 1 and changed("good")[0]["label"] == "negative"


def test_of_kept_files_the_last_few_stay(tiny_model, cache, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "few"))
    monkeypatch.setattr(cached, "MOST", 2)
    for value in range(4):
        tiny_model.head.classifier.bias.assign([value] * 4)
        assert (
            cached.converted(tiny_model, "int8", lambda *_, value=value: b"%d" % value)
            == b"%d" % value
        )
    assert len(list((cache / "few" / "tfkit").iterdir())) == 2
    assert cached.converted(tiny_model, "int8", None) == b"3"


def test_a_kept_file_that_is_not_whole_is_made_anew(tiny_model, cache, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "damaged"))
    make = lambda *_: b"content"  # noqa: E731
    assert cached.converted(tiny_model, "int8", make) == b"content"
    (path,) = (cache / "damaged" / "tfkit").iterdir()
    whole = path.read_bytes()
    for damaged in (whole[:-3], b"", b"content", whole + b"x", None):
        path.unlink() if damaged is None else path.write_bytes(damaged)
        assert cached.converted(tiny_model, "int8", make) == b"content"
        assert path.read_bytes() == whole
    path.unlink()
    path.mkdir()
    assert cached.converted(tiny_model, "int8", make) == b"content" and path.is_file()


def test_a_cache_that_cannot_be_written_is_no_error(tiny_model, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cached.converted(tiny_model, "int8", lambda *_: b"content") == b"content"


def test_bad_requests_are_one_clear_error(classify, monkeypatch):
    with pytest.raises(ValueError, match="one of float32, bfloat16, int8. Received: 'int4'"):
        pipeline(model=small_model(), precision="int4")
    with pytest.raises(ValueError, match="'tensorflow' has: float32 or bfloat16. Received: 'int8'"):
        pipeline(model=small_model(), precision="int8", runtime="tensorflow")
    with pytest.raises(ValueError, match="one of tensorflow, litert. Received: 'onnx'"):
        pipeline(model=small_model(), runtime="onnx")
    quantised = TFAutoModelForSequenceClassification.from_pretrained(small_model())
    quantised.quantize("int8")
    with pytest.raises(ValueError, match="Received one that Keras has quantised"):
        pipeline(model=quantised, tokenizer=classify.tokenizer, precision="int8")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(ImportError, match="extra `mobile`"):
        pipeline(model=small_model(), precision="int8")


def test_bfloat16_on_a_processor_without_it_says_so(monkeypatch):
    monkeypatch.setattr(text_model, "has_bfloat16", lambda: False)
    with pytest.warns(UserWarning, match="no bfloat16 arithmetic"):
        pipe = pipeline(model=small_model(), precision="bfloat16")
    assert pipe("a wonderful film")[0]["label"] == "positive"
