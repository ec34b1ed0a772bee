"""Multi-head self-attention."""

from __future__ import annotations

import functools

from tfkit.layers.base import ConfiguredLayer, registered
from tfkit.layers.padded_batch import PaddedBatch


@registered
class SelfAttention(ConfiguredLayer):
    """Every token looks at every real token of its sequence, in H heads.

    The query, key and value projections are one Dense of width 3·D (`qkv`), in this order.

    Source: Vaswani et al. 2017 (https://arxiv.org/abs/1706.03762), section 3.2; transformers,
    `models/distilbert/modeling_distilbert.py`, `DistilBertSelfAttention`.

    Example:

        >>> from keras import ops
        >>> layer = SelfAttention(hidden_size=8, num_attention_heads=2, initializer_range=0.02,
        ...                       attention_probs_dropout_prob=0.0)
        >>> context, weights = layer(ops.ones((6, 8)), batch=PaddedBatch(2, 3))
        >>> tuple(context.shape), tuple(weights.shape)
        ((6, 8), (2, 2, 3, 3))
    """

    arguments = (
        "hidden_size",
        "num_attention_heads",
        "attention_probs_dropout_prob",
        "initializer_range",
    )

    def __init__(self, **options):
        super().__init__(**options)
        self.qkv = self.dense(3 * self.hidden_size, "qkv")
        self.drop = self.dropout_layer(self.attention_probs_dropout_prob, "drop")
        self.out = self.dense(self.hidden_size, "out")

    def build_parts(self):
        self.qkv.build((None, self.hidden_size))
        self.out.build((None, self.hidden_size))

    def call(self, x, batch: PaddedBatch, cls_only=False, training=None):
        """Args: x: `[N, D]`; batch: how the rows lie; cls_only: queries of [CLS] only.

        Returns: the context `[N, D]` (of [CLS] only, `[B, D]`) and the attention weights
            `[B, H, T, T]` (or `[B, H, 1, T]`), None of an unpadded batch.
        """
        drop = functools.partial(self.drop, training=training)
        context, weights = batch.attend(
            self.qkv(x), self.num_attention_heads, drop=drop, cls_only=cls_only
        )
        return self.out(context), weights
