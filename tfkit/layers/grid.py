"""The two forms of a batch: rows of tokens, and the grid that attention needs."""

from __future__ import annotations

from keras import ops


class Grid:
    """B sequences of T tokens each, and the way between the two forms of a tensor on them.

    Embeddings, projections, LayerNorms and the feed-forward block treat each token alone: they
    work on rows `[N, …]`, where a projection is one matrix product. Only attention looks along
    a sequence: it works on the grid `[B, T, …]`. Here N = B·T, padding included.

    Args:
        batch: B, an int where it is known.
        length: T, an int where it is known.
        attention_mask: `[B, T]`, 1 for real tokens and 0 for padding; None means all are real.

    Attributes:
        bias: float32 `[B, 1, 1, T]`, added to attention scores: 0 for a real key, about −1e9 for
            padding; None without a mask.

    Example:

        >>> grid = Grid(2, 3)
        >>> tuple(grid.rows(ops.zeros((2, 3, 4))).shape), tuple(grid.grid(ops.zeros((6, 4))).shape)
        ((6, 4), (2, 3, 4))
        >>> grid.position_ids().numpy().tolist()
        [0, 1, 2, 0, 1, 2]
    """

    def __init__(self, batch, length, attention_mask=None):
        self.batch, self.length = batch, length
        self.bias = None if attention_mask is None else _bias(attention_mask)

    def rows(self, x):
        """`[B, T, …]` -> `[N, …]`."""
        return ops.reshape(x, (-1, *x.shape[2:]))

    def grid(self, x):
        """`[N, …]` -> `[B, T, …]`."""
        return ops.reshape(x, (self.batch, self.length, *x.shape[1:]))

    def position_ids(self):
        """The place of each row in its sequence, int32 `[N]`."""
        places = ops.expand_dims(ops.arange(self.length, dtype="int32"), 0)
        return self.rows(ops.broadcast_to(places, (self.batch, self.length)))


def _bias(attention_mask):
    """Large enough to absorb any score, so that a sequence without one real token gets equal
    weights, as in the reference, and not NaN. In two factors, since float16 runtimes would hold
    −1e9 as −inf, and −inf · 0 is NaN.
    """
    bias = (ops.cast(attention_mask, "float32") - 1.0) * 3e4 * 3e4
    return ops.expand_dims(ops.expand_dims(bias, 1), 1)
