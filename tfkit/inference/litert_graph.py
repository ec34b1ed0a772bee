"""Encoder and head for texts laid end to end, as a LiteRT file."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfkit.models.weights_only import weights_only

# Added to the scores of keys of another text: it absorbs any score.
_FAR = -1e9


class PackedRow:
    """N tokens of several texts, end to end: every one real, each text blind to the others.

    What `tfkit.layers.padded_batch.PaddedBatch` does, in operators that LiteRT runs at any N.

    Args:
        bias: what is added to the attention scores, float32 `[1, 1, N, N]`, see `row_bias`.
        firsts: which tokens begin a text, int32 `[B]`.
    """

    def __init__(self, bias, firsts):
        self._bias, self._firsts = bias, firsts

    def first(self, x):
        """The rows of the texts' first tokens: `[N, D]` -> `[B, D]`."""
        return tf.gather(x, self._firsts)

    def attend(self, qkv, n_heads: int, *, drop, cls_only: bool = False):
        """As `PaddedBatch.attend`, without the weights; nothing is dropped."""
        width = qkv.shape[-1] // (3 * n_heads)
        heads = tf.transpose(tf.reshape(qkv, (1, -1, 3 * n_heads, width)), (0, 2, 1, 3))
        q, k, v = tf.split(heads, 3, axis=1)  # [1, H, N, D/H]
        scores = tf.matmul(q * width**-0.5, k, transpose_b=True) + self._bias
        mixed = tf.transpose(tf.matmul(tf.nn.softmax(scores), v), (0, 2, 1, 3))
        mixed = tf.reshape(mixed, (-1, n_heads * width))
        return self.first(mixed) if cls_only else mixed, None


def row_bias(lengths: np.ndarray) -> np.ndarray:
    """How texts of these lengths, end to end, are kept apart: float32 `[1, 1, N, N]`.

    Example:

        >>> (row_bias(np.array([1, 2])) < 0).astype(int)[0, 0].tolist()
        [[0, 1, 1], [1, 0, 0], [1, 0, 0]]
    """
    text = np.repeat(np.arange(len(lengths)), lengths)
    return np.where(text[:, None] == text, np.float32(0), np.float32(_FAR))[None, None]


def convert(model, precision: str) -> bytes:
    """The file: `x` `[N,D]`, the sums of embeddings, `bias` `[1,1,N,N]` and `firsts` int32 `[B]` ->
    `logits` `[B,C]`.

    In "int8", weights have a scale an output channel, and activations are quantised as they come,
    a scale a token; "float32" changes nothing. The last block computes the first tokens alone.
    """

    def classify(x, bias, firsts):
        row = PackedRow(bias, firsts)
        x = model.distilbert.embeddings.norm(x)
        states, _ = model.distilbert.transformer(x, batch=row, cls_only=True, training=False)
        return {"logits": model.head(states[-1][:, None], training=False)}

    signature = [
        tf.TensorSpec([None, model.config.dim], tf.float32, name="x"),
        tf.TensorSpec([1, 1, None, None], tf.float32, name="bias"),
        tf.TensorSpec([None], tf.int32, name="firsts"),
    ]
    function = tf.function(classify, input_signature=signature, autograph=False)
    function = function.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], weights_only(model))
    if precision == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter.convert()
