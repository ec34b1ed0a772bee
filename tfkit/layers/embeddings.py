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
    """Row p, columns 2i and 2i+1: sin and cos of p / 10000^(2i / D).

    Source: Vaswani et al. 2017 (https://arxiv.org/abs/1706.03762), section 3.5.

    Example:

        >>> Sinusoids()((2, 4)).numpy().round(4).tolist()
        [[0.0, 1.0, 0.0, 1.0], [0.8414999842643738, 0.5403000116348267, 0.009999999776482582, 1.0]]
    """

    def __call__(self, shape, dtype=None):
        positions, width = shape
        angles = np.arange(positions)[:, None] / 10000 ** (np.arange(width) // 2 * 2 / width)
        table = np.where(np.arange(width) % 2, np.cos(angles), np.sin(angles))
        return ops.convert_to_tensor(table, dtype=dtype or "float32")


@registered
class Embeddings(ConfiguredLayer):
    """Word plus position embedding, LayerNorm, dropout, for each of N tokens.

    Source: transformers, `models/distilbert/modeling_distilbert.py`, `Embeddings`.

    Example:

        >>> layer = Embeddings(vocab_size=9, hidden_size=4, max_position_embeddings=8,
        ...                    hidden_dropout_prob=0.0, initializer_range=0.02, pad_token_id=0,
        ...                    sinusoidal_pos_embds=False, layer_norm_eps=1e-12)
        >>> tuple(layer(ops.array([1, 2, 3]), position_ids=ops.array([0, 1, 0])).shape)
        (3, 4)
    """

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
        return keras.layers.Embedding(
            rows,
            self.hidden_size,
            embeddings_initializer=initializer,
            name=name,
            dtype=self.dtype_policy,
        )

    def build_parts(self):
        self.word_embeddings.build((None,))
        self.position_embeddings.build((None,))
        self.norm.build((None, self.hidden_size))

    def tables(self) -> tuple:
        """The embeddings of words `[V, D]` and of positions `[P, D]`, of whose sum `norm` is."""
        return self.word_embeddings.embeddings, self.position_embeddings.embeddings

    def call(self, tokens, position_ids, training=None):
        """Args: tokens: ids int32 `[N]`, or their word embeddings `[N, D]`; position_ids: `[N]`.

        Returns: `[N, D]`.
        """
        words = self.word_embeddings(tokens) if len(tokens.shape) == 1 else tokens
        x = words + self.position_embeddings(position_ids)
        return self.drop(self.norm(x), training=training)
