"""The padding-free path against the plain one, and where each is taken.

That both give the reference's numbers is shown in tests/parity/test_models.py.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import TINY
from tfkit import TFDistilBertForSequenceClassification, TFDistilBertModel
from tfkit.layers import padding_free
from tfkit.layers.padding_free import RealTokens

LENGTH = 23


def masks():
    """Every way in which tokens can be missing, 30 sequences each."""
    rng = np.random.default_rng(5)
    lengths = rng.integers(1, LENGTH + 1, (30, 1))
    places = np.arange(LENGTH)
    return {
        "nothing missing": np.ones((30, LENGTH)),
        "on the right": places < lengths,
        "on the left": places >= LENGTH - lengths,
        "holes": rng.random((30, LENGTH)) < 0.3,
        "whole sequences": (places < lengths) & (rng.random((30, 1)) < 0.5),
        "everything": np.zeros((30, LENGTH)),
        "no sequences": np.ones((0, LENGTH)),
    }


@pytest.fixture
def model(tiny_config):
    """Large weights, so that a token that is mixed in by mistake shows."""
    return TFDistilBertForSequenceClassification(tiny_config.replace(initializer_range=0.4))


def answer(model, ids, mask, **options):
    """Logits, and the gradient of something that all of them enter."""
    with tf.GradientTape() as tape:
        logits = model(ids, attention_mask=mask, **options).logits
        target = tf.reduce_sum(tf.sin(3 * logits))
    gradients = tape.gradient(target, [weight.value for weight in model.trainable_weights])
    return logits, [tf.convert_to_tensor(gradient) for gradient in gradients]


@pytest.mark.parametrize("way", masks())
@pytest.mark.parametrize("dtype", [np.int32, np.float32, bool], ids=lambda dtype: dtype.__name__)
def test_logits_and_gradients_are_those_of_the_plain_path(model, way, dtype):
    mask = masks()[way].astype(dtype)
    ids = np.random.default_rng(6).integers(0, TINY["vocab_size"], mask.shape)
    graph = tf.function(answer, reduce_retracing=True)
    expected, slopes = answer(model, ids, mask, padding_free=False)
    for run in (answer, graph):
        logits, gradients = run(model, ids, mask, padding_free=True)
        np.testing.assert_allclose(logits, expected, atol=2e-5)
        for gradient, slope in zip(gradients, slopes):
            scale = np.abs(slope).max(initial=1e-3)
            np.testing.assert_allclose(gradient / scale, slope / scale, atol=1e-4)


def test_the_last_block_computes_token_0_alone(model):
    ids, mask = np.full((3, 5), 7), np.ones((3, 5), np.int32)
    seen = []
    last = model.distilbert.transformer.layer[-1].ffn
    last.call = lambda x, training=None, call=last.call: (
        seen.append(tuple(x.shape)) or call(x, training=training)
    )
    model(ids, attention_mask=mask)
    model(ids, attention_mask=mask, padding_free=False)
    model(ids, attention_mask=mask, output_hidden_states=True)
    assert seen == [(3, 12), (3, 12), (15, 12)]


def test_only_real_tokens_are_rows():
    tokens = RealTokens(tf.constant([[1, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]]), n_heads=2)
    places = tf.reshape(tf.range(12), (3, 4))
    assert tokens.rows(places).numpy().tolist() == [0, 1, 4, 5, 7, 8, 9, 10, 11]
    assert tokens.position_ids().numpy().tolist() == [0, 1, 0, 1, 3, 0, 1, 2, 3]
    assert tokens.first(tokens.rows(places)).numpy().tolist() == [0, 4, 8]
    kept = tokens.grid(tokens.rows(places + 1)).numpy().tolist()
    assert kept == [[1, 2, 0, 0], [5, 6, 0, 8], [9, 10, 11, 12]]


def test_no_sequence_attends_on_a_grid_twice_its_length(monkeypatch):
    shapes = []

    def spy(q, k, v, bias, drop, mix=padding_free.mix):
        shapes.append(tuple(q.shape))
        return mix(q, k, v, bias, drop)

    monkeypatch.setattr(padding_free, "mix", spy)
    lengths = np.array([40, 21, 20, 11, 10, 3])
    tokens = RealTokens(tf.constant(np.arange(40) < lengths[:, None]), n_heads=2)
    tokens.attend(tf.random.normal((lengths.sum(), 12)), 2, drop=lambda weights: weights)
    assert shapes == [(2, 2, 40, 2), (2, 2, 20, 2), (2, 2, 10, 2)]


@pytest.mark.parametrize(
    "switch, options, expected",
    [
        (None, {}, True),
        (False, {}, False),
        (None, {"padding_free": False}, False),
        (None, {"output_hidden_states": True}, False),
        (None, {"output_attentions": True}, False),
        (True, {"output_hidden_states": True}, True),
        (True, {"output_attentions": True}, False),
    ],
)
def test_the_switch(model, monkeypatch, switch, options, expected):
    taken = []
    made = RealTokens.__init__
    monkeypatch.setattr(
        RealTokens, "__init__", lambda self, *values: taken.append(1) or made(self, *values)
    )
    model.padding_free = switch
    model(np.ones((2, 3), int), attention_mask=np.ones((2, 3), int), **options)
    assert bool(taken) is expected


def test_forced_in_a_bare_encoder_padding_has_zeros(tiny_config):
    model = TFDistilBertModel(tiny_config)
    ids, mask = np.full((2, 4), 5), np.array([[1, 1, 1, 1], [1, 1, 0, 0]])
    plain = model(ids, attention_mask=mask).last_hidden_state
    states = model(ids, attention_mask=mask, padding_free=True).last_hidden_state
    np.testing.assert_allclose(states, plain * mask[..., None], atol=1e-6)
    assert np.abs(plain[1, 2:]).min() > 0


def test_a_step_that_xla_compiles_takes_the_plain_path(model):
    batch = {"input_ids": np.ones((4, 6), int), "attention_mask": np.eye(4, 6, dtype=int)}
    model.compile(keras.optimizers.SGD(0.1), jit_compile=True)
    history = model.fit(batch, np.array([0, 1, 2, 3]), batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
