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
from tfkit.layers import unpadded_batch
from tfkit.layers.padded_batch import PaddedBatch
from tfkit.layers.unpadded_batch import UnpaddedBatch

LENGTH = 23


def masks():
    """Every way in which tokens can be missing, 30 sequences each but for the last two."""
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
        "one sequence": rng.random((1, LENGTH)) < 0.5,
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


# "holes" has most in it; the other ways are parts of that. One sequence goes its own way.
FAST = ("holes", "one sequence")


@pytest.mark.parametrize(
    "way, dtype",
    [
        pytest.param(
            way,
            dtype,
            marks=() if dtype is np.int32 and way in FAST else pytest.mark.slow,
        )
        for way in masks()
        for dtype in (np.int32, np.float32, bool)
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
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


def unpadded(ids, mask):
    """Ids `[N]` and lengths `[B]` of the real tokens."""
    return {"input_ids": ids[mask > 0], "lengths": mask.sum(axis=1, dtype=np.int32)}


@pytest.mark.parametrize(
    "way",
    [
        "on the right",
        *(pytest.param(way, marks=pytest.mark.slow) for way in ("nothing missing", "no sequences")),
    ],
)
def test_tokens_laid_end_to_end_give_the_logits_and_gradients_of_padded_ones(model, way):
    mask = masks()[way].astype(np.int32)
    ids = np.random.default_rng(6).integers(0, TINY["vocab_size"], mask.shape)
    expected, slopes = answer(model, ids, mask, padding_free=False)
    graph = tf.function(answer, reduce_retracing=True)
    for run, options in ((answer, {}), (graph, {}), (answer, {"padding_free": False})):
        logits, gradients = run(model, unpadded(ids, mask), None, **options)
        np.testing.assert_allclose(logits, expected, atol=2e-5)
        for gradient, slope in zip(gradients, slopes):
            scale = np.abs(slope).max(initial=1e-3)
            np.testing.assert_allclose(gradient / scale, slope / scale, atol=1e-4)


def test_states_and_attentions_of_tokens_laid_end_to_end_are_padded(model):
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0]])
    ids = 5 * mask
    asked = {"output_hidden_states": True, "output_attentions": True}
    expected = model(ids, attention_mask=mask, **asked)
    outputs = model(unpadded(ids, mask), **asked)
    for ours, plain in zip(outputs.attentions, expected.attentions):
        np.testing.assert_allclose(ours, plain, atol=2e-5)
    states = model(unpadded(ids, mask), output_hidden_states=True).hidden_states
    for ours, plain in zip(states, expected.hidden_states):
        np.testing.assert_allclose(ours, plain * mask[..., None], atol=2e-5)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"attention_mask": np.ones((2, 3), int)}, r"attention_mask.* \[N"),
        ({"position_ids": np.ones(5, int)}, r"position_ids.* \[N"),
        ({"lengths": np.array([[2, 3]])}, "`lengths`"),
        ({"lengths": None}, "shape .B,T."),
        ({"lengths": np.array([4, 300])}, "at most"),
        ({"labels": np.array([1])}, "`labels`"),
    ],
)
def test_lengths_and_what_does_not_go_with_them(model, changes, words):
    batch = {"input_ids": np.arange(5), "lengths": np.array([2, 3])}
    with pytest.raises(ValueError, match=words):
        model(
            tf.nest.map_structure(
                tf.constant, {k: v for k, v in {**batch, **changes}.items() if v is not None}
            )
        )


def test_lengths_of_another_number_of_tokens_are_no_answer(model):
    for lengths in ([2, 2], [1], [3, 3]):
        with pytest.raises((tf.errors.OpError, ValueError)):
            model({"input_ids": tf.range(5), "lengths": tf.constant(lengths)})


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
    tokens = UnpaddedBatch.from_mask(
        tf.constant([[1, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]]), num_heads=2
    )
    places = tf.reshape(tf.range(12), (3, 4))
    assert tokens.unpad(places).numpy().tolist() == [0, 1, 4, 5, 7, 8, 9, 10, 11]
    assert tokens.position_ids().numpy().tolist() == [0, 1, 0, 1, 3, 0, 1, 2, 3]
    assert tokens.first(tokens.unpad(places)).numpy().tolist() == [0, 4, 8]
    kept = tokens.pad(tokens.unpad(places + 1)).numpy().tolist()
    assert kept == [[1, 2, 0, 0], [5, 6, 0, 8], [9, 10, 11, 12]]


def test_no_sequence_is_padded_to_twice_its_length(monkeypatch):
    shapes = []

    def spy(q, *others, attention=unpadded_batch.scaled_dot_product_attention):
        shapes.append(tuple(q.shape))
        return attention(q, *others)

    monkeypatch.setattr(unpadded_batch, "scaled_dot_product_attention", spy)
    lengths = np.array([40, 21, 20, 11, 10, 3])
    tokens = UnpaddedBatch.from_mask(tf.constant(np.arange(40) < lengths[:, None]), num_heads=2)
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
    made = UnpaddedBatch.__init__
    monkeypatch.setattr(
        UnpaddedBatch, "__init__", lambda self, *v, **kw: taken.append(1) or made(self, *v, **kw)
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


@pytest.mark.slow
def test_a_step_that_xla_compiles_takes_the_plain_path(tiny_config):
    model = TFDistilBertForSequenceClassification(tiny_config.replace(n_layers=1))
    batch = {"input_ids": np.ones((4, 6), int), "attention_mask": np.eye(4, 6, dtype=int)}
    model.compile(keras.optimizers.SGD(0.1), jit_compile=True)
    history = model.fit(batch, np.array([0, 1, 2, 3]), batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_rows_of_a_batch_and_its_padded_form():
    padded, mask = [[7, 8, 9], [5, 0, 0]], tf.constant([[1, 1, 1], [1, 0, 0]])
    for batch in (UnpaddedBatch(tf.constant([3, 1]), 2), UnpaddedBatch.from_mask(mask, 2)):
        assert batch.position_ids().numpy().tolist() == [0, 1, 2, 0]
        assert batch.pad(tf.constant([7, 8, 9, 5])).numpy().tolist() == padded
    assert batch.unpad(tf.constant(padded)).numpy().tolist() == [7, 8, 9, 5]
    batch = PaddedBatch(2, 3)
    assert batch.position_ids().numpy().tolist() == [0, 1, 2, 0, 1, 2]
    assert batch.unpad(tf.zeros((2, 3, 4))).shape == (6, 4)
    assert batch.pad(tf.zeros((6, 4))).shape == (2, 3, 4)
