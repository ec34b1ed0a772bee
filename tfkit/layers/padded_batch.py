"""A padded batch, seen as rows of tokens `[N, …]` and as sequences `[B, T, …]`."""

from __future__ import annotations

from keras import ops


class PaddedBatch:
    """B sequences of T tokens: rows `[N, …]` for layers that treat each token alone (N = B·T), and
    `[B, T, …]` for attention. `attention_mask` `[B, T]` is 0 for padding; None means no padding.
    """

    def __init__(self, batch, length, attention_mask=None):
        self.batch, self.length = batch, length
        self._bias = None if attention_mask is None else mask_bias(attention_mask)

    def unpad(self, x):
        """`[B, T, …]` -> `[N, …]`."""
        return ops.reshape(x, (-1, *x.shape[2:]))

    def pad(self, x):
        """`[N, …]` -> `[B, T, …]`."""
        return ops.reshape(x, (self.batch, self.length, *x.shape[1:]))

    def first(self, x):
        """The rows of [CLS], token 0: `[N, D]` -> `[B, D]`."""
        return ops.reshape(self.pad(x)[:, :1], (-1, *x.shape[1:]))

    def position_ids(self):
        """The place of each row in its sequence, int32 `[N]`."""
        places = ops.expand_dims(ops.arange(self.length, dtype="int32"), 0)
        return self.unpad(ops.broadcast_to(places, (self.batch, self.length)))

    def attend(self, qkv, num_heads: int, *, drop, cls_only: bool = False):
        """Attention within each sequence, with the dropout `drop` on its weights.

        qkv `[N, 3D]` -> the context `[N, D]` and the weights `[B, H, T, T]`; with `cls_only`,
        queries of [CLS] alone: `[B, D]` and `[B, H, 1, T]`.
        """
        width = qkv.shape[-1] // (3 * num_heads)
        heads = ops.reshape(qkv, (self.batch, self.length, 3, num_heads, width))
        heads = ops.transpose(heads, (2, 0, 3, 1, 4))  # [3, B, H, T, D/H]
        # LiteRT's fast kernels take no slice that drops an axis, as heads[0] is.
        q, k, v = (ops.squeeze(part, 0) for part in ops.split(heads, 3, axis=0))
        q = q[:, :, :1] if cls_only else q
        context, weights = scaled_dot_product_attention(q, k, v, self._bias, drop)
        context = ops.transpose(context, (0, 2, 1, 3))  # [B, T, H, D/H]
        return ops.reshape(context, (-1, num_heads * width)), weights


def scaled_dot_product_attention(q, k, v, bias, drop):
    """The context `[B, H, Q, D/H]` and the weights `[B, H, Q, T]`, a softmax in float32 always."""
    scores = ops.matmul(q * q.shape[-1] ** -0.5, ops.transpose(k, (0, 1, 3, 2)))
    scores = ops.cast(scores, "float32")
    if bias is not None:
        scores = scores + bias
    weights = drop(ops.cast(ops.softmax(scores, axis=-1), v.dtype))
    return ops.matmul(weights, v), weights


def mask_bias(attention_mask):
    """What is added to the scores: `[B, T]` -> float32 `[B, 1, 1, T]`, 0 for a real key.

    About −3e13 for padding absorbs any score, so that a sequence without a real token gets equal
    weights, as in the reference. In three factors: float16 runtimes would hold one as −inf, and
    −inf · 0 is NaN.
    """
    real = ops.cast(ops.cast(attention_mask, "bool"), "float32")
    bias = (real - 1.0) * 3e4 * 3e4 * 3e4
    return ops.expand_dims(ops.expand_dims(bias, 1), 1)
