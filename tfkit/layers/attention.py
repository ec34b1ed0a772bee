"""Multi-head self-attention (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, 3.2)."""

from __future__ import annotations

import functools

from tfkit.layers.base import ConfiguredLayer, registered
from tfkit.layers.padded_batch import PaddedBatch


@registered
class SelfAttention(ConfiguredLayer):
    """H heads; queries, keys and values come of one projection to `[N, 3D]`, in this order."""

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
        """`[N, D]` -> the context and weights of `batch.attend`."""
        drop = functools.partial(self.drop, training=training)
        context, weights = batch.attend(
            self.qkv(x), self.num_attention_heads, drop=drop, cls_only=cls_only
        )
        return self.out(context), weights
