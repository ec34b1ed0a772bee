"""Labels and weights that do not go with the texts: an error, where TensorFlow would broadcast."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from tests.conftest import TINY
from tfkit import DistilBertConfig, TFDistilBertForSequenceClassification
from tfkit.distillation.loss import hidden_state_loss

IDS = np.arange(1, 19).reshape(3, 6)


def compiled(num_labels, **options):
    config = DistilBertConfig(**{**TINY, "n_layers": 1, "num_labels": num_labels})
    model = TFDistilBertForSequenceClassification(config)
    model.compile("sgd", **options)
    return model


@pytest.mark.parametrize("loss", [None, pytest.param("mse", marks=pytest.mark.slow)])
def test_one_label_or_weight_is_not_broadcast_over_texts(loss):
    model, labels = compiled(1, loss=loss), np.ones(3, "float32")
    for wrong in ((labels[:1],), (labels, np.ones(1)), (labels, np.ones((1, 1)))):
        for ask in (model.train_on_batch, model.test_on_batch):
            with pytest.raises(ValueError, match="one row per text, 3.*Received shape"):
                ask(IDS, *wrong)
    assert np.isfinite(model.train_on_batch(IDS, labels, np.ones(3)))


def test_nor_where_shapes_are_unknown():
    batch = (IDS, np.ones(3, "float32"), np.ones(1, "float32"))
    signature = tuple(tf.TensorSpec([None, *part.shape[1:]], part.dtype) for part in batch)
    rows = tf.data.Dataset.from_generator(lambda: iter([batch]), output_signature=signature)
    with pytest.raises(tf.errors.InvalidArgumentError, match="one row per text"):
        compiled(1).fit(rows, verbose=0)


@pytest.mark.parametrize(
    "jit, error, words",
    [
        (False, tf.errors.InvalidArgumentError, "label with a fraction"),
        (True, ValueError, "integer class ids"),
    ],
)
def test_a_class_id_with_a_fraction_is_an_error(jit, error, words):
    model = compiled(3, jit_compile=jit)
    with pytest.raises(error, match=words):
        model.fit(IDS, np.array([0.0, 1.5, 1.0]), verbose=0)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_hidden_states_of_real_tokens_count_once():
    states = ops.array(np.random.default_rng(0).normal(size=(2, 1, 3, 4)))
    ones, others = np.array([[1, 1, 0]]), np.array([[1, 2, 0]])
    assert hidden_state_loss(*states, ones) == hidden_state_loss(*states, others)


@pytest.mark.parametrize("padding_free", [True, False])
@pytest.mark.parametrize(
    "shape",
    [
        (1, 6),
        *(
            pytest.param(s, marks=pytest.mark.slow)
            for s in ((3, 2), (2, 9), (2, 6), (3, 1), (6, 3), (18, 1))
        ),
    ],
)
def test_a_mask_of_another_shape_is_an_error_where_shapes_are_unknown(shape, padding_free):
    model = compiled(2)
    model.padding_free = padding_free
    unknown = [tf.TensorSpec([None, None], tf.int32)] * 2
    logits = tf.function(lambda ids, mask: model(ids, mask).logits, input_signature=unknown)
    ids = tf.constant(IDS, tf.int32)
    words = "ncompatible shapes|requested shape has"
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        logits(ids, tf.ones(shape, tf.int32))
    np.testing.assert_allclose(logits(ids, tf.ones_like(ids)), model(IDS).logits, atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 2), (1, 6), (2, 6)])
def test_predict_refuses_a_mask_of_another_shape(shape):
    batch = {"input_ids": IDS, "attention_mask": np.ones(shape, int)}
    with pytest.raises(ValueError, match="Expected `attention_mask` of shape"):
        compiled(2).predict(batch, verbose=0)
