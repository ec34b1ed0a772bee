"""How sure a model should be: the temperature of its scores, as a Keras metric."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfkit.utils.keras_backend import keras, ops


class CalibratedLoss(keras.metrics.Metric):
    """The loss of logits that are divided by the temperature that suits them best: what is left of
    it where scores are neither too sure nor too unsure.

    Args:
        loss: labels and logits -> the loss float `[B]`, as of a `Task`.

    Attributes: `temperature`, the most likely of `temperatures`, float32; above 1 the model is too
        sure. Its logarithm is taken to be normally distributed with variance 1/2 before any text is
        seen, or it would tend to 0 for a few texts that are all answered rightly.

    Source: Guo et al. 2017 (https://arxiv.org/abs/1706.04599), section 4.2, temperature scaling.

    Example:

        >>> metric = CalibratedLoss(
        ...     lambda labels, logits: keras.losses.sparse_categorical_crossentropy(
        ...         labels, logits, from_logits=True))
        >>> metric.update_state(tf.constant([0, 0, 1]), tf.constant([[9.0, 0], [9, 0], [9, 0]]))
        >>> round(float(metric.result()), 3), round(float(metric.temperature), 1)
        (0.984, 3.2)
    """

    temperatures = np.geomspace(0.25, 16, 61, dtype=np.float32)

    def __init__(self, loss: Callable):
        super().__init__(name="calibrated_loss", dtype="float32")
        self._loss = loss
        self._sums = self.add_variable(self.temperatures.shape, "zeros", name="sums")
        self._texts = self.add_variable((), "zeros", name="texts")

    def update_state(self, y_true, y_pred, sample_weight=None):
        def loss(temperature):
            return ops.sum(self._loss(y_true, y_pred / temperature))

        self._sums.assign_add(tf.map_fn(loss, tf.constant(self.temperatures)))
        self._texts.assign_add(ops.cast(ops.shape(y_pred)[0], "float32"))

    def result(self):
        return ops.take(self._sums, self._best) / ops.maximum(self._texts, 1.0)

    @property
    def temperature(self):
        return ops.take(self.temperatures, self._best)

    @property
    def _best(self):
        return ops.argmin(self._sums + np.log(self.temperatures) ** 2)
