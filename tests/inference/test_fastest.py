"""Without a chosen runtime one short text is LiteRT's, and always of the weights as they are."""

from __future__ import annotations

import functools
import threading

import numpy as np
import pytest
import tensorflow as tf

from tfkit import (
    DistilBertConfig,
    DistilBertTokenizer,
    TFDistilBertForSequenceClassification,
    pipeline,
)
from tfkit.inference import fastest

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
SHORT, LONG = "good bad", "bad " * 30
IN_TENSORFLOW = {"one short text": "tensorflow", "texts": "tensorflow"}
IN_LITERT = {"one short text": "litert", "texts": "tensorflow"}


@pytest.fixture(scope="module")
def made():
    config = DistilBertConfig(
        vocab_size=7, dim=8, n_heads=2, n_layers=1, hidden_dim=16, max_position_embeddings=32
    )
    return TFDistilBertForSequenceClassification(config), DistilBertTokenizer(WORDS)


@pytest.fixture(autouse=True)
def soon(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(fastest, "WORTH", 2)
    monkeypatch.setattr(fastest, "LONGEST", 16)


def ask(classify):
    """Until the copy is there, if one is made."""
    for _ in range(fastest.WORTH):
        classify(SHORT)
    for thread in threading.enumerate():
        if thread.name == "tfkit-copy":
            thread.join()
    return classify


def expected(classify, text):
    """What the model says of one text, in no pipeline."""
    batch = classify.tokenizer([text], truncation=True, max_length=32, return_tensors="tf")
    return tf.nn.softmax(classify._model(batch, padding_free=False).logits).numpy()


def test_one_short_text_is_answered_by_a_copy_and_all_else_by_the_model(made, monkeypatch):
    classify = pipeline(model=made[0], tokenizer=made[1])
    assert classify.runtimes == IN_TENSORFLOW
    assert ask(classify).runtimes == IN_LITERT
    asked = []
    run, copy = classify._runtime(None, None), fastest.LiteRTModel.__call__
    monkeypatch.setattr(fastest.LiteRTModel, "__call__", lambda *a: asked.append(1) or copy(*a))
    for texts, by_copy in (([SHORT], 1), ([LONG], 0), ([SHORT, "good"], 0)):
        del asked[:]
        scores = classify.scores(texts)
        assert len(asked) == by_copy
        for text, score in zip(texts, scores):
            np.testing.assert_allclose(score[None], expected(classify, text), atol=1e-6)
    assert run is classify._runtime(None, None)


def in_a_graph(model):
    """A step of somebody's own loop, which no Python of the model's sees."""
    kernel = model.head.classifier.kernel.value
    step = tf.function(lambda: kernel.assign_add(tf.ones_like(kernel) * [[1.0, -1.0]]))
    step.get_concrete_function()
    return step


CHANGES = {
    "in a graph": in_a_graph,
    "one element": lambda model: (
        lambda: model.head.classifier.bias.value.scatter_nd_add([[0]], [1.0])
    ),
    "weights": lambda model: lambda: model.set_weights([-2 * w for w in model.get_weights()]),
}


@pytest.mark.parametrize(
    "name",
    ["in a graph", *(pytest.param(n, marks=pytest.mark.slow) for n in ("one element", "weights"))],
)
def test_a_weight_that_changes_shows_in_the_next_answer(made, name):
    model = TFDistilBertForSequenceClassification(made[0].config)
    model.head.classifier.kernel.assign_add(tf.ones([8, 2]))
    change = CHANGES[name](model)
    classify = ask(pipeline(model=model, tokenizer=made[1]))
    assert classify.runtimes == IN_LITERT
    before = classify.scores([SHORT])
    change()
    after = classify.scores([SHORT])
    assert np.abs(after - before).max() > 1e-3
    np.testing.assert_allclose(after, expected(classify, SHORT), atol=1e-6)
    assert classify.runtimes == IN_TENSORFLOW  # until single texts are asked again
    # Of a variable that one element was written to, TensorFlow gives no view from then on.
    assert (ask(classify).runtimes == IN_LITERT) == (name != "one element")
    np.testing.assert_allclose(classify.scores([SHORT]), after, atol=1e-6)


def test_weights_are_watched_once_somebody_has_the_model(made, tmp_path, monkeypatch):
    for part in made:
        part.save_pretrained(tmp_path / "folder")
    classify = ask(pipeline("text-classification", str(tmp_path / "folder")))
    watched = []
    look = fastest._HeldWeights.are_the_models
    monkeypatch.setattr(
        fastest._HeldWeights, "are_the_models", lambda self: watched.append(1) or look(self)
    )
    before = classify.scores([SHORT])
    assert classify.runtimes == IN_LITERT and not watched
    classify.model.head.classifier.bias.assign([3.0, -3.0])
    assert np.abs(classify.scores([SHORT]) - before).max() > 1e-2 and watched


def test_without_a_copy_that_can_be_made_tensorflow_goes_on(made, monkeypatch):
    def broken(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(fastest, "LiteRTModel", broken)
    classify = pipeline(model=made[0], tokenizer=made[1])
    with pytest.warns(UserWarning, match="No copy of the model .*: out of memory"):
        ask(classify)
    monkeypatch.setattr(threading.Thread, "start", broken)
    for asked in (classify, ask(pipeline(model=made[0], tokenizer=made[1]))):
        assert asked.runtimes == IN_TENSORFLOW
        np.testing.assert_allclose(asked.scores([SHORT]), expected(asked, SHORT), atol=1e-6)


def test_a_chosen_runtime_and_what_has_one_alone_stay_as_they_are(made, monkeypatch):
    chosen = {"runtime": "tensorflow"}, {"runtime": "litert"}, {"precision": "bfloat16"}
    for options in chosen:
        classify = ask(pipeline(model=made[0], tokenizer=made[1], **options))
        assert classify.runtimes == {"texts": options.get("runtime", "tensorflow")}

    class Own(type(made[0])):
        """Which may compute otherwise than its parts do."""

    assert not fastest.FastestRuntime.suits(Own(made[0].config))


def test_there_is_no_copy_where_memory_is_short(made, monkeypatch):
    weights = sum(w.value.numpy().nbytes for w in made[0].backbone.encoder.weights)
    for free, runtimes in ((16 * weights - 1, IN_TENSORFLOW), (16 * weights, IN_LITERT)):
        monkeypatch.setattr(fastest, "available_memory", functools.partial(int, free))
        assert ask(pipeline(model=made[0], tokenizer=made[1])).runtimes == runtimes
