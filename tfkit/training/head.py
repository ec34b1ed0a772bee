"""`fit_head`: a new head begins where the states of the encoder, as they are, tell most."""

from __future__ import annotations

import math
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from tfkit.data.pipeline import Epochs
from tfkit.training.trainer import own_errors

# Rows that a head is fitted to: more change it little.
_MOST_ROWS = 10_000
# C of a logistic regression, on inputs of variance 1, which dropout keeps from being too sure: for
# 8 to 500 texts of 2 to 77 classes nothing tried was better, from C = 0.03 to 1 and dropout to 0.5.
_STRENGTH, _DROPOUT = 0.1, 0.3
_STEPS = 200


def fit_head(
    model,
    batches: Epochs,
    loss: Callable,
    *,
    batch_size: int,
    seed: int,
    dropout: float = _DROPOUT,
) -> None:
    """Fits the classifier of a model that reads [CLS] to what the encoder says of the texts, which
    stays as it is: a logistic regression on `head.features`, or what it is for another loss.

    An encoder that is trained below a random head changes at first to suit that head, and forgets.

    Source: Kumar et al. 2022, Fine-Tuning can Distort Pretrained Features and Underperform
    Out-of-Distribution (https://arxiv.org/abs/2202.10054).

    Args:
        batches: with labels; those of the first pass, of at most 10,000 rows, are read.
        loss: labels and logits -> the loss `[B]`.
        seed: of what is dropped.
        dropout: fraction of the features that a step does not see.

    Raises:
        ValueError: the states are not finite; the file of a `Stream` changed, also OSError.
    """
    classifier = model.head.classifier

    @tf.function(reduce_retracing=True, autograph=False)
    def read(features):
        outputs = model(features, training=False, output_hidden_states=True, padding_free=True)
        pooled = model.pooled(outputs.hidden_states[-1])
        return tf.cast(model.head.features(pooled, training=False), tf.float32)

    steps = min(batches.steps, math.ceil(_MOST_ROWS / batch_size))
    with own_errors(batches):
        rows = [(read(features), labels) for features, labels in batches.dataset().take(steps)]
    inputs, labels = (tf.concat(column, axis=0) for column in zip(*rows))
    if not np.isfinite(inputs).all():
        raise ValueError(
            "Expected finite states of the encoder. Received NaN or infinite ones: its weights may "
            "hold such, or be too large for a half precision. Load other weights, or train in "
            "float32."
        )
    scale = 1 / tf.maximum(tf.math.reduce_std(inputs), 1e-6)
    inputs *= scale
    count = tf.cast(tf.shape(inputs)[0], tf.float32)
    kernel, bias = (tf.Variable(tf.zeros(w.shape)) for w in (classifier.kernel, classifier.bias))
    rate = keras.optimizers.schedules.CosineDecay(0.1, _STEPS)
    optimizer = keras.optimizers.Adam(rate)

    @tf.function(autograph=False)
    def step(number):
        seen = tf.nn.experimental.stateless_dropout(inputs, dropout, seed=[seed, number])
        with tf.GradientTape() as tape:
            losses = tf.reduce_mean(loss(labels, seen @ kernel + bias))
            total = losses + tf.nn.l2_loss(kernel) / (_STRENGTH * count)
        optimizer.apply(tape.gradient(total, [kernel, bias]), [kernel, bias])
        return total

    for number in tf.range(_STEPS):
        step(number)
    classifier.set_weights([kernel * scale, bias])
