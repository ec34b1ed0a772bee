"""A batch computed in parts, so that its memory has a bound."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

# Attention scores of each head that are held at a time: those of 4 texts of 512 tokens, or of 64
# of 128. Larger parts are not faster.
_SCORES = 2**20


def rows_of(longest):
    """How many rows of up to `longest` tokens are computed at a time; of ints or tensors."""
    return _SCORES // longest**2


def in_parts(
    function: Callable[[dict], tf.Tensor], batch: Mapping[str, tf.Tensor], width: int
) -> tf.Tensor:
    """`function(batch)`, a float32 tensor `[B,width]`, computed for some rows after the other.

    Longest first: a part of n rows, the longest of L tokens, has n·L² scores, at most `_SCORES`,
    unless one row alone has more. Short texts are one part, whatever long ones they came with.

    Args:
        function: of tensors as those of `batch`, one row by itself.
        batch: `attention_mask` `[B,T]`, 0 for padding, and others with a first dimension B.
        width: of what `function` gives.
    """
    lengths = tf.reduce_sum(batch["attention_mask"], 1)
    order = tf.argsort(lengths, direction="DESCENDING")
    lengths, batch = tf.nest.map_structure(lambda x: tf.gather(x, order), (lengths, dict(batch)))

    def part(begin, done):
        rows = tf.maximum(rows_of(tf.maximum(lengths[begin], 1)), 1)
        end = tf.minimum(begin + rows, tf.size(order))
        now = function({name: value[begin:end] for name, value in batch.items()})
        return end, tf.concat([done, now], 0)

    _, done = tf.while_loop(
        lambda begin, _: begin < tf.size(order),
        part,
        [0, tf.zeros([0, width])],
        shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, width])],
        parallel_iterations=1,
    )
    return tf.gather(done, tf.math.invert_permutation(order))
