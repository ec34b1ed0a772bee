"""The Keras model as a TensorFlow graph, in whatever dtype it computes."""

from __future__ import annotations

import numpy as np
import tensorflow as tf


class InGraph:
    """Answers with the model as it is at each call: weights may change in between.

    Args:
        model: a `TFDistilBertForSequenceClassification`.
    """

    # Of a batch. Fewer leave the matrix products short, more leave the caches: on two cores,
    # of sentences and of mixed texts, 512 to 4,096 were within a tenth of this.
    tokens = 1024

    def __init__(self, model):
        def logits(ids, lengths):
            batch = {
                "input_ids": tf.RaggedTensor.from_row_lengths(ids, lengths, validate=False),
                "attention_mask": tf.sequence_mask(lengths, dtype=tf.int32),
            }
            batch["input_ids"] = batch["input_ids"].to_tensor()
            return model(batch, training=False).logits

        signature = [tf.TensorSpec([None], tf.int32)] * 2
        self._function = tf.function(logits, input_signature=signature)

    def logits(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Tokens laid end to end, int32 `[N]`, and how many each text has, `[B]` -> `[B,C]`."""
        return self._function(ids, lengths).numpy()
