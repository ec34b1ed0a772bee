"""The Keras model as a TensorFlow graph, in whatever dtype it computes."""

from __future__ import annotations

import functools

import numpy as np
import tensorflow as tf

from tfkit.answering import TOKENS


class InGraph:
    """Answers with the model as it is at each call: weights may change in between.

    Args:
        model: a `TFDistilBertForSequenceClassification`.
    """

    tokens = TOKENS

    def __init__(self, model):
        vector = tf.TensorSpec([None], tf.int32)
        logits = functools.partial(logits_of, model)
        self._together = tf.function(logits, input_signature=[vector, vector])
        # Alone, a text has no padding to leave out: it is a millisecond or two sooner without.
        alone = lambda ids: model({"input_ids": ids[None]}, training=False).logits  # noqa: E731
        self._alone = tf.function(alone, input_signature=[vector])

    def logits(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Tokens laid end to end, int32 `[N]`, and how many each text has, `[B]` -> `[B,C]`."""
        found = self._alone(ids) if len(lengths) == 1 else self._together(ids, lengths)
        return found.numpy()


def logits_of(model, ids, lengths):
    """Tokens laid end to end, int32 `[N]`, and how many each text has, `[B]` -> `[B,C]`."""
    batch = {
        "input_ids": tf.RaggedTensor.from_row_lengths(ids, lengths, validate=False).to_tensor(),
        "attention_mask": tf.sequence_mask(lengths, dtype=tf.int32),
    }
    return model(batch, training=False).logits
