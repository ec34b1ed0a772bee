"""From token ids to model inputs, in the graph: special tokens, pairs, truncation, padding.

Core ops only, and those TFLite has: one table of positions, one gather.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfkit.text.graph.kernels import RaggedTokens

STRATEGIES = ("longest_first", "only_first", "only_second")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PostProcessor:
    """Makes `[CLS] A [SEP]`, or `[CLS] A [SEP] B [SEP]`, of tokens, T at most `max_length`. Padded,
    T is `width`, or else that of the longest row of the batch, rounded up to a `multiple`.
    """

    special: tuple[int, int, int]  # the ids of [PAD], [CLS] and [SEP]
    max_length: int
    width: int | None = None
    multiple: int = 1
    truncation: str = "longest_first"
    truncation_side: str = "right"
    padding_side: str = "right"
    token_type_ids: bool = False

    @property
    def static_width(self) -> int | None:
        return None if self.width is None else -(-self.width // self.multiple) * self.multiple

    def __call__(self, *parts: RaggedTokens) -> dict[str, tf.Tensor]:
        """A padded batch: int32 `[B, T]`, and, if tokens have them, offsets `[B, T, 2]`."""
        kept, total = self._truncated(parts)
        width = self.static_width
        if width is None:
            width = tf.maximum(tf.reduce_max(total), 1 + len(parts))
            if self.multiple > 1:
                width = -(-width // self.multiple) * self.multiple
        column = tf.expand_dims(tf.range(width), 0)
        real = column < tf.expand_dims(total, 1)
        if self.padding_side == "left":
            column -= tf.expand_dims(width - total, 1)
            real = column >= 0
        batch = self._filled(parts, kept, total, column, real, lambda each: tf.expand_dims(each, 1))
        return batch | {"attention_mask": tf.cast(real, tf.int32)}

    def unpadded(self, *parts: RaggedTokens) -> dict[str, tf.Tensor]:
        """The same tokens laid end to end, int32 `[N]`; `lengths` `[B]` counts them per text."""
        kept, total = self._truncated(parts)
        row = tf.repeat(tf.range(tf.size(total)), total)
        column = tf.range(tf.size(row)) - tf.gather(tf.cumsum(total, exclusive=True), row)
        batch = self._filled(
            parts, kept, total, column, tf.constant(True), lambda each: tf.gather(each, row)
        )
        return batch | {"lengths": total}

    def unpadded_rows(self, rows: Sequence[list[int]]) -> dict[str, np.ndarray]:
        """`unpadded` of single texts, without TensorFlow: the ids of each."""
        _, cls, sep = self.special
        room, left = self.max_length - 2, self.truncation_side == "left"
        kept = [row[max(len(row) - room, 0) :] if left else row[:room] for row in rows]
        ids = [index for row in kept for index in (cls, *row, sep)]
        batch = {"input_ids": np.array(ids, np.int32)}
        if self.token_type_ids:
            batch["token_type_ids"] = np.zeros(len(ids), np.int32)
        return batch | {"lengths": np.array([len(row) + 2 for row in kept], np.int32)}

    def _truncated(self, parts: Sequence[RaggedTokens]) -> tuple[list[tf.Tensor], tf.Tensor]:
        """How many tokens of each text stay, and the length of each row `[B]`."""
        specials = 1 + len(parts)
        kept = _kept(list(map(_lengths, parts)), self.max_length - specials, self.truncation)
        return kept, tf.add_n(kept) + specials

    def _filled(
        self,
        parts: Sequence[RaggedTokens],
        kept: list[tf.Tensor],
        total: tf.Tensor,
        column: tf.Tensor,
        real: tf.Tensor,
        spread: Callable[[tf.Tensor], tf.Tensor],
    ) -> dict[str, tf.Tensor]:
        """What stands at each place (`real`: a token), `column` of its row, negative before it.
        `kept` and `total` count the tokens of each text and row; `spread`: per row -> per place.
        """
        pad, cls, sep, tokens = range(4)
        # From the right: what a place holds if it is not past the end of an earlier part.
        source, end = pad, total
        for part, keep in reversed(list(zip(parts, kept))):
            begin = end - 1 - keep
            at = part.splits[:-1] - begin + tokens
            if part is not parts[0]:
                at += tf.size(parts[0].ids)
                second = tf.logical_and(column >= spread(begin), real)
            if self.truncation_side == "left":
                at += _lengths(part) - keep
            separator = spread(end - 1)
            source = tf.where(column == separator, sep, source)
            source = tf.where(column < separator, spread(at) + column, source)
            end = begin
        source = tf.where(column < 1, cls, source)
        if self.padding_side == "left":
            source = tf.where(column < 0, pad, source)
        table = tf.concat([self.special, *(part.ids for part in parts)], 0)
        batch = {"input_ids": tf.gather(table, source)}
        if self.token_type_ids:
            types = tf.zeros_like(source) if len(parts) == 1 else tf.cast(second, tf.int32)
            batch["token_type_ids"] = types
        if parts[0].starts is not None:
            spans = [tf.stack([part.starts, part.ends], 1) for part in parts]
            table = tf.concat([tf.zeros([tokens, 2], tf.int32), *spans], 0)
            batch["offset_mapping"] = tf.gather(table, source)
        return batch


def _lengths(part: RaggedTokens) -> tf.Tensor:
    return part.splits[1:] - part.splits[:-1]


def _kept(lengths: list[tf.Tensor], room: int, truncation: str) -> list[tf.Tensor]:
    """How many tokens of each text stay, as `tokenizers`' `truncate_encodings` counts."""
    if len(lengths) == 1:
        return [tf.minimum(lengths[0], room)]
    one, two = lengths
    if truncation == "only_first":
        two = tf.minimum(two, room)
        return [tf.minimum(one, room - two), two]
    if truncation == "only_second":
        one = tf.minimum(one, room)
        return [one, tf.minimum(two, room - one)]
    short, long = tf.minimum(one, two), tf.maximum(one, two)
    fits = one + two <= room
    tight = short > room - short  # the shorter alone takes more than its half
    short_kept = tf.where(tight, room // 2, short)
    long_kept = tf.where(tight, room - room // 2, tf.minimum(long, room - short))
    first_is_long = one > two
    return [
        tf.where(fits, one, tf.where(first_is_long, long_kept, short_kept)),
        tf.where(fits, two, tf.where(first_is_long, short_kept, long_kept)),
    ]
