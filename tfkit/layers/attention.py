"""Multi-head self-attention."""

from __future__ import annotations

from keras import ops

from tfkit.layers.base import Brick
from tfkit.layers.grid import Grid


class SelfAttention(Brick):
    """Every token looks at every real token of its sequence, in H heads.

    The query, key and value projections are one Dense of width 3·D (`qkv`), in this order.
    Softmax is in float32 whatever the dtype policy says.

    Source: Vaswani et al. 2017 (https://arxiv.org/abs/1706.03762), section 3.2; transformers,
    `models/distilbert/modeling_distilbert.py`, `DistilBertSelfAttention`.

    Example:

        >>> layer = SelfAttention(dim=8, n_heads=2, attention_dropout=0.0, initializer_range=0.02)
        >>> context, weights = layer(ops.ones((6, 8)), grid=Grid(2, 3))
        >>> tuple(context.shape), tuple(weights.shape)
        ((6, 8), (2, 2, 3, 3))
    """

    arguments = ("dim", "n_heads", "attention_dropout", "initializer_range")

    def __init__(self, **options):
        super().__init__(**options)
        self.qkv = self.dense(3 * self.dim, "qkv")
        self.drop = self.dropout_layer(self.attention_dropout, "drop")
        self.out = self.dense(self.dim, "out")

    def build(self, x_shape):
        self.qkv.build((None, self.dim))
        self.out.build((None, self.dim))
        self.built = True

    def call(self, x, grid: Grid, training=None):
        """Args: x: `[N, D]`; grid: how the rows lie.

        Returns: the mixed values `[N, D]` and the attention weights `[B, H, T, T]`.
        """
        width = self.dim // self.n_heads
        qkv = grid.grid(self.qkv(x))  # [B, T, 3D]
        qkv = ops.reshape(qkv, (grid.batch, grid.length, 3, self.n_heads, width))
        q, k, v = (qkv[:, :, part] for part in range(3))  # [B, T, H, D/H] each
        q = ops.transpose(q * width**-0.5, (0, 2, 1, 3))  # [B, H, T, D/H]
        scores = ops.matmul(q, ops.transpose(k, (0, 2, 3, 1)))  # [B, H, T, T]
        scores = ops.cast(scores, "float32")
        if grid.bias is not None:
            scores = scores + grid.bias
        weights = ops.cast(ops.softmax(scores, axis=-1), self.compute_dtype)
        weights = self.drop(weights, training=training)
        mixed = ops.matmul(weights, ops.transpose(v, (0, 2, 1, 3)))  # [B, H, T, D/H]
        mixed = ops.transpose(mixed, (0, 2, 1, 3))  # [B, T, H, D/H]
        return self.out(ops.reshape(mixed, (-1, self.dim))), weights
