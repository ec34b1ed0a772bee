"""From token ids to model inputs, in the graph: special tokens, pairs, truncation, padding.

Core ops only, and those TFLite has: one table of positions, one gather.
"""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from tfkit.text.graph.kernels import Pieces

SIDES = ("right", "left")
STRATEGIES = ("longest_first", "only_first", "only_second")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Frame:
    """How a row is laid out: `[CLS] A [SEP]`, or `[CLS] A [SEP] B [SEP]`.

    Attributes:
        cls_id, sep_id, pad_id: ids of the special tokens.
        max_length: T at most; rows are truncated to it.
        width: T, if fixed; otherwise the longest row of the batch.
        multiple: T is rounded up to a multiple of this.
        truncation: which text of a pair gives way.
        truncation_side, padding_side: the side that is cut, and the side that is filled.
    """

    cls_id: int
    sep_id: int
    pad_id: int
    max_length: int
    width: int | None = None
    multiple: int = 1
    truncation: str = "longest_first"
    truncation_side: str = "right"
    padding_side: str = "right"

    @property
    def static_width(self) -> int | None:
        """T, if known before there is a batch."""
        return None if self.width is None else -(-self.width // self.multiple) * self.multiple


def assemble(
    frame: Frame, first: Pieces, second: Pieces | None = None, *, padded: bool = True
) -> dict[str, tf.Tensor]:
    """Lays out a batch.

    Args:
        frame: the layout.
        first, second: tokens of the texts, and of the second texts of pairs.
        padded: False lays the texts end to end.

    Returns:
        `input_ids` and `attention_mask`, int32 `[B, T]`; unpadded, `input_ids` int32 `[N]` and
        `lengths` int32 `[B]`. Where the pieces have offsets, `offset_mapping`, int32 `[B, T, 2]`
        or `[N, 2]`.

    Example:

        >>> frame = Frame(cls_id=1, sep_id=2, pad_id=0, max_length=5)
        >>> two_texts = Pieces(tf.constant([7, 8, 9, 6]), tf.constant([0, 1, 4]))
        >>> assemble(frame, two_texts)["input_ids"].numpy().tolist()
        [[1, 7, 2, 0, 0], [1, 8, 9, 6, 2]]
    """
    parts = [first] if second is None else [first, second]
    room = frame.max_length - 1 - len(parts)
    lengths = [part.splits[1:] - part.splits[:-1] for part in parts]
    kept = _kept(lengths, room, frame.truncation)
    total = tf.add_n(kept) + 1 + len(parts)

    left = padded and frame.padding_side == "left"
    if padded:
        width = frame.static_width
        if width is None:
            width = tf.maximum(tf.reduce_max(total), 1 + len(parts))
            if frame.multiple > 1:
                width = -(-width // frame.multiple) * frame.multiple
        shape, column = [tf.size(total), width], tf.expand_dims(tf.range(width), 0)
        if left:
            column -= tf.expand_dims(width - total, 1)
    else:
        text = tf.repeat(tf.range(tf.size(total)), total)  # [N]
        shape = tf.shape(text)
        column = tf.range(tf.size(text)) - tf.gather(tf.cumsum(total, exclusive=True), text)

    def spread(values):
        """`[B]` -> a value per column of each text."""
        return tf.expand_dims(values, 1) if padded else tf.gather(values, text)

    specials = [frame.pad_id, frame.cls_id, frame.sep_id]
    pad, cls, sep, tokens = 0, 1, 2, 3
    # From the right: what a column holds if it is not past the end of an earlier part.
    source = tf.fill(shape, pad)
    end = total
    for part, length, keep in reversed(list(zip(parts, lengths, kept))):
        begin = end - 1 - keep
        at = part.splits[:-1] - begin + tokens
        if part is not first:
            at += tf.size(first.ids)
        if frame.truncation_side == "left":
            at += length - keep
        separator = spread(end - 1)
        source = tf.where(column == separator, sep, source)
        source = tf.where(column < separator, spread(at) + column, source)
        end = begin
    source = tf.where(column < 1, cls, source)
    if left:
        source = tf.where(column < 0, pad, source)
    table = tf.concat([specials, *(part.ids for part in parts)], 0)
    batch = {"input_ids": tf.gather(table, source)}
    if padded:
        real = column < tf.expand_dims(total, 1)
        if left:
            real = tf.logical_and(real, column >= 0)
        batch["attention_mask"] = tf.cast(real, tf.int32)
    else:
        batch["lengths"] = total
    if first.starts is not None:
        spans = [tf.stack([part.starts, part.ends], 1) for part in parts]
        table = tf.concat([tf.zeros([len(specials), 2], tf.int32), *spans], 0)
        batch["offset_mapping"] = tf.gather(table, source)
    return batch


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
