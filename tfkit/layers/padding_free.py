"""The padding-free form of a batch, for TensorFlow graphs whose shapes may change from run to run.

The plain form, of the same numbers, is `tfkit.layers.grid.Grid`.
"""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from tfkit.layers.grid import mask_bias, mix

# A sequence attends in group i when it is no longer than the longest / 2^i, so that no group but
# the last, where it costs least, can be more than half padding.
_GROUPS = 3


@dataclasses.dataclass(frozen=True)
class _Group:
    """Some of the sequences, on a grid `[G, S]` as long as the longest of them.

    Attributes:
        members: which sequences, `[G]`.
        heads: where head h of each slot's query lies among the `[N·3·H]` heads of queries, keys
            and values, `[G, H, S]`; any of them where the slot is empty.
        filled: whether a token is in the slot, `[G, 1, S, 1]`.
        bias: `[G, 1, 1, S]`, see `mask_bias`.
    """

    members: tf.Tensor
    heads: tf.Tensor
    filled: tf.Tensor
    bias: tf.Tensor


def shapes_may_change() -> bool:
    """False inside a function that XLA compiles, `tf.function(jit_compile=True)`."""
    graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
    while graph is not None:
        context = graph._get_control_flow_context()
        while context is not None:
            if context.IsXLAContext():
                return False
            context = context.outer_context
        graph = getattr(graph, "outer_graph", None)
    return True


class RealTokens:
    """B sequences of T tokens, of which N are real; only these are rows.

    What `Grid` does, without the padding: everything but attention sees `[N, …]`. Attention puts
    sequences of about one length together, each group on a grid as long as its longest, so that
    one long text does not make all short ones pay.

    Token 0 is a row even where it is masked, since classifiers read it, and so is every token of
    a sequence that is masked whole; as keys these count as little as on the plain grid.

    Args:
        attention_mask: `[B, T]`, 0 for padding, in any places, and anything else for real tokens.
        n_heads: H.

    Example:

        >>> tokens = RealTokens(tf.constant([[1, 1, 1], [1, 0, 0]]), n_heads=2)
        >>> tokens.rows(tf.constant([[7, 8, 9], [5, 0, 0]])).numpy().tolist()
        [7, 8, 9, 5]
        >>> tokens.position_ids().numpy().tolist()
        [0, 1, 2, 0]
    """

    def __init__(self, attention_mask, n_heads: int):
        self._shape, self._n_heads = tf.shape(attention_mask), n_heads
        real = tf.cast(attention_mask, tf.bool)
        kept = real | ~tf.reduce_any(real, axis=1, keepdims=True)
        kept |= tf.range(self._shape[1]) == 0
        self._places = tf.cast(tf.where(tf.reshape(kept, [-1]))[:, 0], tf.int32)  # [N]
        counts = tf.reduce_sum(tf.cast(kept, tf.int32), axis=1)  # [B]
        self._starts = tf.cumsum(counts, exclusive=True)  # [B]
        mask = self.rows(real)
        longest = tf.reduce_max(tf.concat([counts, [0]], 0))
        halvings = sum(tf.cast(counts <= longest // 2**i, tf.int32) for i in range(1, _GROUPS))
        self._groups = [
            self._group(tf.where(halvings == number)[:, 0], counts, mask)
            for number in range(_GROUPS)
        ]
        self._slots = self._heads_of_rows()

    def _group(self, members, counts, mask) -> _Group:
        members = tf.cast(members, tf.int32)
        counts = tf.gather(counts, members)[:, None]
        offsets = tf.range(tf.reduce_max(tf.concat([counts[:, 0], [0]], 0)))
        filled = offsets < counts  # [G, S]
        rows = tf.where(filled, tf.gather(self._starts, members)[:, None] + offsets, 0)
        bias = mask_bias(filled & tf.gather(mask, rows))
        heads = tf.range(self._n_heads)[:, None] + 3 * self._n_heads * rows[:, None]
        return _Group(members, heads, filled[:, None, :, None], bias)

    def _heads_of_rows(self):
        """Where head h of row n lies when all groups' `[G, H, S]` are laid end to end, `[N, H]`."""
        begin, firsts, strides = 0, [], []
        for group in self._groups:
            members, heads, slots = tf.unstack(tf.shape(group.heads))
            firsts.append(begin + tf.range(members) * (heads * slots))
            strides.append(tf.fill([members], slots))
            begin += members * heads * slots
        self._order = tf.math.invert_permutation(tf.concat([g.members for g in self._groups], 0))
        first = tf.gather(tf.concat(firsts, 0), self._order) - self._starts  # [B]
        stride = tf.gather(tf.concat(strides, 0), self._order)
        sequence = self._places // self._shape[1]  # [N]
        row = tf.gather(first, sequence) + tf.range(tf.shape(sequence)[0])
        return row[:, None] + tf.gather(stride, sequence)[:, None] * tf.range(self._n_heads)

    def rows(self, x):
        """`[B, T, …]` -> `[N, …]`."""
        return tf.gather(tf.reshape(x, (-1, *x.shape[2:])), self._places)

    def grid(self, x):
        """`[N, …]` -> `[B, T, …]`, zeros where no row is."""
        shape = tf.concat([[self._shape[0] * self._shape[1]], tf.shape(x)[1:]], 0)
        flat = tf.scatter_nd(self._places[:, None], x, shape)
        return tf.reshape(flat, (self._shape[0], self._shape[1], *x.shape[1:]))

    def first(self, x):
        """The rows of token 0: `[N, D]` -> `[B, D]`."""
        return tf.gather(x, self._starts)

    def position_ids(self):
        """The place of each row in its sequence, int32 `[N]`."""
        return self._places % self._shape[1]

    def attend(self, qkv, n_heads: int, *, drop, first_only: bool = False):
        """As `Grid.attend`; the weights, scattered over the groups, are None."""
        dim = qkv.shape[-1] // 3
        mixed = []
        for (q, k, v), group in zip(self._deal(qkv, dim // n_heads), self._groups):
            q = q[:, :, :1] if first_only else q
            mixed.append(mix(q, k, v, group.bias, drop)[0])  # [G, H, S, D/H]
        if first_only:
            firsts = tf.concat([tf.reshape(part, (-1, dim)) for part in mixed], 0)
            return tf.gather(firsts, self._order), None
        return self._collect(mixed, dim), None

    def _deal(self, qkv, width: int):
        """Rows `[N, 3D]` -> the query, key and value `[G, H, S, D/H]` of each group.

        A slot is a row or nothing, so the gradient of each row is read from its slot, where
        TensorFlow's own would add up all slots.
        """
        n_heads = self._n_heads
        parts = n_heads * tf.range(3)[:, None, None, None]

        @tf.custom_gradient
        def deal(qkv):
            heads = tf.reshape(qkv, (-1, width))
            dealt = [
                part
                for group in self._groups
                for part in tf.unstack(tf.gather(heads, group.heads + parts), 3)
            ]

            def gradient(*dealt):
                rows = [
                    tf.gather(_end_to_end(dealt[part::3], width), self._slots) for part in range(3)
                ]
                return tf.reshape(tf.stack(rows, 1), (-1, 3 * n_heads * width))

            return dealt, gradient

        dealt = deal(qkv)
        return zip(dealt[0::3], dealt[1::3], dealt[2::3])

    def _collect(self, mixed, dim: int):
        """The groups' `[G, H, S, D/H]` -> rows `[N, D]`."""
        width = dim // self._n_heads

        @tf.custom_gradient
        def collect(*mixed):
            rows = tf.gather(_end_to_end(mixed, width), self._slots)

            def gradient(rows):
                heads = tf.reshape(rows, (-1, width))
                return [
                    tf.gather(heads, _own_head(group.heads, self._n_heads))
                    * tf.cast(group.filled, rows.dtype)
                    for group in self._groups
                ]

            return tf.reshape(rows, (-1, dim)), gradient

        return collect(*mixed)


def _end_to_end(parts, width: int):
    return tf.concat([tf.reshape(part, (-1, width)) for part in parts], 0)


def _own_head(heads, n_heads: int):
    """Places among the `[N·3·H]` query heads -> places among `[N·H]` heads."""
    return heads // (3 * n_heads) * n_heads + heads % (3 * n_heads)
