"""Strings -> tokens without padding, and the batches to answer them in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf


class Tokens(NamedTuple):
    """Tokens of B texts, special tokens included, laid end to end.

    Attributes:
        ids: int32 `[N]`.
        lengths: int32 `[B]`, of the texts in their order; none is 0.
    """

    ids: np.ndarray
    lengths: np.ndarray

    def take(self, places: np.ndarray) -> Tokens:
        """The texts at these places, in this order."""
        ends = np.cumsum(self.lengths)
        rows = [self.ids[ends[place] - self.lengths[place] : ends[place]] for place in places]
        return Tokens(np.concatenate(rows), self.lengths[places])


class Tokenize:
    """A tokenizer as one graph from strings to tokens without padding.

    Args:
        tokenizer: a `DistilBertTokenizer`.
        max_length: tokens after which a text is cut.
        pairs: whether two texts belong together.
    """

    def __init__(self, tokenizer, max_length: int, pairs: bool):
        layer = tokenizer.as_layer(max_length=max_length, padding="longest", pairs=pairs)

        def tokens(*texts):
            batch = layer(texts if pairs else texts[0])
            real = batch["attention_mask"]
            return tf.boolean_mask(batch["input_ids"], real > 0), tf.reduce_sum(real, axis=1)

        signature = [tf.TensorSpec([None], tf.string)] * (2 if pairs else 1)
        function = tf.function(tokens, input_signature=signature, autograph=False)
        self._function = function.get_concrete_function()

    def __call__(self, columns: Sequence[Sequence[bytes]]) -> Tokens:
        """Texts, and the second texts of pairs, in UTF-8 -> tokens. At least one text."""
        ids, lengths = self._function(*map(tf.constant, columns))
        return Tokens(ids.numpy(), lengths.numpy())


def batches(lengths: np.ndarray, tokens: int, texts: int | None = None) -> Iterator[np.ndarray]:
    """Parts texts, those of about one length together, into batches of bounded size.

    Args:
        lengths: int `[B]`.
        tokens: the most tokens of a batch; a longer text is a batch of its own.
        texts: the most texts of a batch.

    Returns: the places of each batch's texts.

    Example:

        >>> [places.tolist() for places in batches(np.array([3, 9, 2, 4]), tokens=7)]
        [[2, 0], [3], [1]]
    """
    begin = total = 0
    order = np.argsort(lengths, kind="stable")
    for place, length in enumerate(lengths[order].tolist()):
        if place > begin and (total + length > tokens or place - begin == texts):
            yield order[begin:place]
            begin, total = place, 0
        total += length
    if begin < len(order):
        yield order[begin:]
