"""The Keras model as a TensorFlow graph, in whatever dtype it computes."""

from __future__ import annotations

import functools

import numpy as np
import tensorflow as tf

from tfkit.inference.batching import TOKENS
from tfkit.utils.processes import check_threads


class InGraph:
    """Answers with the model as it is at each call: weights may change in between.

    Args:
        model: a `TFDistilBertForSequenceClassification`.
    """

    tokens = TOKENS

    def __init__(self, model):
        signature = [tf.TensorSpec([None], tf.int32)] * 2
        logits = functools.partial(logits_of, model)
        self._function = tf.function(logits, input_signature=signature)

    def logits(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Tokens laid end to end, int32 `[N]`, and how many each text has, `[B]` -> `[B,C]`."""
        check_threads()
        return self._function(ids, lengths).numpy()


def logits_of(model, ids, lengths):
    """Tokens laid end to end, int32 `[N]`, and how many each text has, `[B]` -> `[B,C]`."""
    return model({"input_ids": ids, "lengths": lengths}, training=False).logits
