"""A padded batch, seen as rows of tokens `[N, …]` and as sequences `[B, T, …]`."""

from __future__ import annotations

from keras import ops


class PaddedBatch:
    """B sequences padded to T tokens each, and the way between the two forms of a tensor on them.

    Embeddings, projections, LayerNorms and the feed-forward block treat each token alone: they
    work on rows `[N, …]`, where a projection is one matrix product. Only attention looks along
    a sequence: it works on `[B, T, …]`. Here N = B·T, padding included;
    `tfkit.layers.unpadded_batch.UnpaddedBatch` has the same methods and leaves the padding out.

    Args:
        batch: B, an int where it is known.
        length: T, an int where it is known.
        attention_mask: `[B, T]`, 0 for padding and anything else for real tokens; None means all
            are real.

    Example:

        >>> batch = PaddedBatch(2, 3)
        >>> batch.unpad(ops.zeros((2, 3, 4))).shape, batch.pad(ops.zeros((6, 4))).shape
        (TensorShape([6, 4]), TensorShape([2, 3, 4]))
        >>> batch.position_ids().numpy().tolist()
        [0, 1, 2, 0, 1, 2]
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
        """Multi-head attention within each sequence.

        Args:
            qkv: queries, keys and values side by side, `[N, 3D]`.
            num_heads: H.
            drop: the dropout of the weights, a function.
            cls_only: queries of [CLS] only.

        Returns: the context `[N, D]` (of [CLS] only, `[B, D]`) and the attention weights
            `[B, H, T, T]` (or `[B, H, 1, T]`).
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
    """Scaled dot-product attention; softmax is in float32 whatever the dtype policy says.

    Args: q: `[B, H, Q, D/H]`; k, v: `[B, H, T, D/H]`; bias: `[B, 1, 1, T]` or None.

    Returns: the context `[B, H, Q, D/H]` and the weights `[B, H, Q, T]`.

    Source: Vaswani et al. 2017 (https://arxiv.org/abs/1706.03762), section 3.2.1.
    """
    scores = ops.matmul(q * q.shape[-1] ** -0.5, ops.transpose(k, (0, 1, 3, 2)))
    scores = ops.cast(scores, "float32")
    if bias is not None:
        scores = scores + bias
    weights = drop(ops.cast(ops.softmax(scores, axis=-1), v.dtype))
    return ops.matmul(weights, v), weights


def mask_bias(attention_mask):
    """What is added to the scores: `[B, T]` -> float32 `[B, 1, 1, T]`, 0 for a real key.

    A key is real where the mask is not 0, as in the reference. About −3e13 for padding: large
    enough to absorb any score, so that a sequence without one real token gets equal weights, as
    in the reference, and not NaN. In three factors, since float16 runtimes would hold it as −inf,
    and −inf · 0 is NaN.
    """
    real = ops.cast(ops.cast(attention_mask, "bool"), "float32")
    bias = (real - 1.0) * 3e4 * 3e4 * 3e4
    return ops.expand_dims(ops.expand_dims(bias, 1), 1)
