"""Tokens that training hides."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


def token_dropout(tokenizer, share: float, seed: int) -> Callable:
    """A change of `Epochs.dataset` that puts [MASK] in place of a share of the words' tokens.

    What is hidden depends on the seed and the batch's number alone.

    Args:
        tokenizer: whose tokens they are; special tokens stay.
        share: from 0 to 1.
        seed: of the choice.

    Returns: a function `(number, features) -> features`.
    """
    special = [tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id]

    def hide(number, features):
        ids = features["input_ids"]
        is_word = tf.reduce_all(ids[..., None] != special, axis=-1)
        place = tf.stack([tf.constant(seed, tf.int64), tf.cast(number, tf.int64)])
        hidden = is_word & (tf.random.stateless_uniform(tf.shape(ids), place) < share)
        return {**features, "input_ids": tf.where(hidden, tokenizer.mask_token_id, ids)}

    return hide
