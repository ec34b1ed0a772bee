"""Word and position embeddings."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from tfkit.layers.base import ConfiguredLayer, registered


class ZeroRow(keras.initializers.RandomNormal):
    """Normal, but for one row of zeros: the padding token's (torch's `padding_idx`)."""

    def __init__(self, row=None, **options):
        super().__init__(**options)
        self.row = row

    def __call__(self, shape, dtype=None):
        values = super().__call__(shape, dtype)
        if self.row is None:
            return values
        return ops.where(ops.expand_dims(ops.arange(shape[0]) == self.row, 1), 0.0, values)

    def get_config(self):
        return {**super().get_config(), "row": self.row}


class Sinusoids(keras.initializers.Initializer):
    """Row p, columns 2i and 2i+1: sin and cos of p / 10000^(2i / D) (Vaswani et al. 2017, 3.5)."""

    def __call__(self, shape, dtype=None):
        positions, width = shape
        angles = np.arange(positions)[:, None] / 10000 ** (np.arange(width) // 2 * 2 / width)
        table = np.where(np.arange(width) % 2, np.cos(angles), np.sin(angles))
        return ops.convert_to_tensor(table, dtype=dtype or "float32")


@registered
class Embeddings(ConfiguredLayer):
    """Word plus position embedding, LayerNorm, dropout, for each of N tokens."""

    arguments = (
        "vocab_size",
        "hidden_size",
        "max_position_embeddings",
        "hidden_dropout_prob",
        "initializer_range",
        "pad_token_id",
        "sinusoidal_pos_embds",
        "layer_norm_eps",
    )

    def __init__(self, **options):
        super().__init__(**options)
        words = ZeroRow(row=self.pad_token_id, stddev=self.initializer_range)
        self.word_embeddings = self._table(self.vocab_size, words, "word_embeddings")
        positions = Sinusoids() if self.sinusoidal_pos_embds else self.normal()
        self.position_embeddings = self._table(
            self.max_position_embeddings, positions, "position_embeddings"
        )
        self.position_embeddings.trainable = not self.sinusoidal_pos_embds
        self.norm = self.layer_norm("norm")
        self.drop = self.dropout_layer(self.hidden_dropout_prob, "drop")

    def _table(self, rows: int, initializer, name: str):
        options = {"embeddings_initializer": initializer, "name": name, "dtype": self.dtype_policy}
        return keras.layers.Embedding(rows, self.hidden_size, **options)

    def build_parts(self):
        self.word_embeddings.build((None,))
        self.position_embeddings.build((None,))
        self.norm.build((None, self.hidden_size))

    @property
    def tables(self) -> dict:
        """Input per token -> the layer that embeds it; `norm` is of the sum."""
        return {"input_ids": self.word_embeddings, "position_ids": self.position_embeddings}

    def call(self, tokens, training=None, **inputs):
        """Token ids `[N]`, or their word embeddings `[N, D]`, and further `inputs` `[N]`, named as
        in `tables` and each of them there -> `[N, D]`.
        """
        x = self.word_embeddings(tokens) if len(tokens.shape) == 1 else tokens
        for name, table in [*self.tables.items()][1:]:
            x = x + table(inputs[name])
        return self.drop(self.norm(x), training=training)


@registered
class TypedEmbeddings(Embeddings):
    """As `Embeddings`, plus the embedding of the token's type."""

    arguments = (*Embeddings.arguments, "type_vocab_size")

    def __init__(self, **options):
        super().__init__(**options)
        self.token_type_embeddings = self._table(
            self.type_vocab_size, self.normal(), "token_type_embeddings"
        )

    def build_parts(self):
        super().build_parts()
        self.token_type_embeddings.build((None,))

    @property
    def tables(self) -> dict:
        return {**super().tables, "token_type_ids": self.token_type_embeddings}
