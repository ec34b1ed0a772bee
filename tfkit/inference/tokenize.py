"""Strings -> tokens without padding, as a graph."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfkit.inference.batching import Tokens
from tfkit.utils.processes import check_threads


class Tokenize:
    """A tokenizer as one graph from strings to tokens without padding.

    Args:
        tokenizer: a `DistilBertTokenizer`.
        max_length: tokens after which a text is cut.
        pairs: whether two texts belong together.
    """

    def __init__(self, tokenizer, max_length: int, pairs: bool):
        layer = tokenizer.as_layer(max_length=max_length, pairs=pairs)

        def tokens(*texts):
            batch = layer.unpadded(texts if pairs else texts[0])
            return batch["input_ids"], batch["lengths"]

        signature = [tf.TensorSpec([None], tf.string)] * (2 if pairs else 1)
        function = tf.function(tokens, input_signature=signature, autograph=False)
        self.function = function.get_concrete_function()

    def __call__(self, columns: Sequence[Sequence[bytes]]) -> Tokens:
        """Texts, and the second texts of pairs, in UTF-8 -> tokens. At least one text."""
        check_threads()
        ids, lengths = self.function(*map(tf.constant, columns))
        return Tokens(ids.numpy(), lengths.numpy())
