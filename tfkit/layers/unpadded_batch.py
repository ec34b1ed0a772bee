"""An unpadded batch, for TensorFlow graphs whose shapes may change from run to run."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from tfkit.layers.padded_batch import mask_bias, scaled_dot_product_attention

# A sequence attends in group i when it is no longer than the longest / 2^i, so that no group but
# the last, where it costs least, can be more than half padding. One sequence needs one group.
_GROUPS = 3


@dataclasses.dataclass(frozen=True)
class _Group:
    """Some of the sequences, padded to `[G, S]`: as long as the longest of them."""

    members: tf.Tensor  # [G], which sequences
    heads: tf.Tensor  # [G, H, S], the query of each head among [N·3·H]; any in an empty slot
    filled: tf.Tensor  # [G, 1, S, 1], whether a token is in the slot
    bias: tf.Tensor  # [G, 1, 1, S], see `mask_bias`


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


class UnpaddedBatch:
    """B sequences of N tokens together, laid end to end: a `PaddedBatch` without the padding.

    Attention pads groups of sequences of about one length, so that a long text does not make all
    short ones pay. `lengths` are the tokens of each, `[B]`; `columns` their places, `[N]`, if they
    have gaps; `length` is T of the padded form; `keys` says which tokens are looked at, bool `[N]`.
    """

    def __init__(self, lengths, num_heads: int, *, columns=None, length=None, keys=None):
        lengths, self._num_heads = tf.cast(lengths, tf.int32), num_heads
        longest = tf.reduce_max(tf.concat([lengths, [0]], 0))
        self._padded = length is not None  # so is what comes in
        self._batch, self._length = tf.shape(lengths)[0], length if self._padded else longest
        self._sequences = tf.repeat(tf.range(self._batch), lengths)  # [N]
        self._starts = tf.cumsum(lengths, exclusive=True)  # [B]
        if columns is None:
            columns = tf.range(tf.shape(self._sequences)[0])
            columns -= tf.gather(self._starts, self._sequences)
        self._columns = columns
        groups = 1 if lengths.shape[0] == 1 else _GROUPS
        halvings = sum(
            (tf.cast(lengths <= longest // 2**i, tf.int32) for i in range(1, groups)),
            tf.zeros_like(lengths),
        )
        self._groups = [
            self._group(tf.where(halvings == number)[:, 0], lengths, keys)
            for number in range(groups)
        ]
        self._slots = self._heads_of_rows()

    @classmethod
    def from_mask(cls, attention_mask, num_heads: int) -> UnpaddedBatch:
        """The tokens of a padded batch where the mask `[B, T]` is not 0, in any places.

        [CLS] is a row even where it is masked, since classifiers read it, and so is every token of
        a sequence that is masked whole; as keys these count as little as in a padded batch.
        """
        real, length = tf.cast(attention_mask, tf.bool), tf.shape(attention_mask)[1]
        kept = real | ~tf.reduce_any(real, axis=1, keepdims=True)
        kept |= tf.range(length) == 0
        places = tf.where(kept)
        return cls(
            tf.reduce_sum(tf.cast(kept, tf.int32), axis=1),
            num_heads,
            columns=tf.cast(places[:, 1], tf.int32),
            length=length,
            keys=tf.gather_nd(real, places),
        )

    def _group(self, members, lengths, keys) -> _Group:
        members = tf.cast(members, tf.int32)
        lengths = tf.gather(lengths, members)[:, None]
        offsets = tf.range(tf.reduce_max(tf.concat([lengths[:, 0], [0]], 0)))
        filled = offsets < lengths  # [G, S]
        rows = tf.where(filled, tf.gather(self._starts, members)[:, None] + offsets, 0)
        bias = mask_bias(filled if keys is None else filled & tf.gather(keys, rows))
        heads = tf.range(self._num_heads)[:, None] + 3 * self._num_heads * rows[:, None]
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
        row = tf.gather(first, self._sequences) + tf.range(tf.shape(self._sequences)[0])
        stride = tf.gather(stride, self._sequences)
        return row[:, None] + stride[:, None] * tf.range(self._num_heads)

    def unpad(self, x):
        """`[B, T, …]` -> `[N, …]`; of a batch made from lengths, `[N, …]` as it is."""
        if not self._padded:
            return tf.reshape(x, (tf.size(self._columns), *x.shape[1:]))  # fails for another N
        return tf.gather(tf.reshape(x, (-1, *x.shape[2:])), self._places())

    def pad(self, x):
        """`[N, …]` -> `[B, T, …]`, zeros where no row is."""
        shape = tf.concat([[self._batch * self._length], tf.shape(x)[1:]], 0)
        flat = tf.scatter_nd(self._places()[:, None], x, shape)
        return tf.reshape(flat, (self._batch, self._length, *x.shape[1:]))

    def first(self, x):
        """The rows of [CLS], token 0: `[N, D]` -> `[B, D]`."""
        return tf.gather(x, self._starts)

    def position_ids(self):
        """The place of each row in its sequence, int32 `[N]`."""
        return self._columns

    def _places(self):
        """Where each row lies among the B·T of the padded form, `[N]`."""
        return self._sequences * self._length + self._columns

    def attend(self, qkv, num_heads: int, *, drop, cls_only: bool = False):
        """As `PaddedBatch.attend`; the weights, scattered over the groups, are None."""
        hidden_size = qkv.shape[-1] // 3
        contexts = []
        for (q, k, v), group in zip(self._deal(qkv, hidden_size // num_heads), self._groups):
            q = q[:, :, :1] if cls_only else q
            values, _ = scaled_dot_product_attention(q, k, v, group.bias, drop)  # [G, H, S, D/H]
            contexts.append(values)
        if cls_only:
            firsts = tf.concat([tf.reshape(part, (-1, hidden_size)) for part in contexts], 0)
            return tf.gather(firsts, self._order), None
        return self._collect(contexts, hidden_size), None

    def _deal(self, qkv, width: int):
        """Rows `[N, 3D]` -> the query, key and value `[G, H, S, D/H]` of each group.

        A row's gradient is read from its slot, where TensorFlow's own would add up all slots.
        """
        num_heads = self._num_heads
        parts = num_heads * tf.range(3)[:, None, None, None]

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
                return tf.reshape(tf.stack(rows, 1), (-1, 3 * num_heads * width))

            return dealt, gradient

        dealt = deal(qkv)
        return zip(dealt[0::3], dealt[1::3], dealt[2::3])

    def _collect(self, contexts, hidden_size: int):
        """The groups' `[G, H, S, D/H]` -> rows `[N, D]`."""
        num_heads, width = self._num_heads, hidden_size // self._num_heads

        @tf.custom_gradient
        def collect(*contexts):
            rows = tf.gather(_end_to_end(contexts, width), self._slots)

            def gradient(rows):
                heads, dealt = tf.reshape(rows, (-1, width)), []
                for group in self._groups:  # from places among [N·3·H] to those among [N·H]
                    row, head = group.heads // (3 * num_heads), group.heads % (3 * num_heads)
                    filled = tf.cast(group.filled, rows.dtype)
                    dealt.append(tf.gather(heads, row * num_heads + head) * filled)
                return dealt

            return tf.reshape(rows, (-1, hidden_size)), gradient

        return collect(*contexts)


def _end_to_end(parts, width: int):
    return tf.concat([tf.reshape(part, (-1, width)) for part in parts], 0)
