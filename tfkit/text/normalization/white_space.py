"""White space that belongs to added tokens (`lstrip`, `rstrip`): their offsets take it in.

Such a token is found, and the text around it is split, as if it had neither: white space gives no
tokens. So this is about offsets only, and it counts as `tokenizers` does (`added_vocabulary.rs`):
what one token took, the next one does not get, and tokens found in the text as it is written come
first. In normalised text, Chinese characters are between spaces that have their offsets: a token
that takes such a space shares the character's.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfkit.text.added_tokens import AddedToken
from tfkit.text.normalization.normalizer import NormalizerOptions
from tfkit.text.normalization.unicode import unicode_table

# White space of regular expressions (Unicode's White_Space), in text as it is written.
_WRITTEN = [(0x09, 0x0D), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680)]
_WRITTEN += [(0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F)]
_WRITTEN += [(0x3000, 0x3000)]


class WhiteSpace:
    """Stretches the offsets of added tokens; `any` says whether some token asks for it."""

    def __init__(self, added: Sequence[AddedToken], options: NormalizerOptions):
        self._added = added
        self.any = any(token.lstrip or token.rstrip for token in added)
        self._options = options

    def take(self, text, number, row, first, last) -> tuple[tf.Tensor, tf.Tensor]:
        """First and last character of each token `[n]`, with the white space that belongs to it.

        Args:
            text: strings `[B]`.
            number: of the added token, negative for all others.
            row: the text of the token.
            first, last: characters.
        """
        codes = tf.strings.unicode_decode(text, "UTF-8")
        edges = tf.cast(codes.row_splits, tf.int32)
        base, limit = tf.gather(edges, row), tf.gather(edges[1:], row)
        begin, end = first + base, last + 1 + base
        same_row = tf.equal(row[1:], row[:-1])
        chinese = unicode_table().ranges("chinese") if self._options.chinese_chars else []
        chinese = _within(codes.flat_values, chinese)
        written = tf.constant([*(not token.normalized for token in self._added), False])
        written = tf.gather(written, tf.where(number < 0, len(self._added), number))
        for normalized, spaces, through in self._passes():
            space = _within(codes.flat_values, spaces)
            solid = _indices(~(space | _within(codes.flat_values, through)))
            space = _indices(space)
            next_one = tf.concat([tf.where(same_row, begin[1:], limit[:-1]), limit[-1:]], 0)
            beyond = _value_at(solid, tf.searchsorted(solid, end), limit)
            after = tf.searchsorted(space, tf.minimum(beyond, next_one)) - 1
            after = tf.maximum(_value_at(space, after, end - 1) + 1, end)
            if normalized:
                shared = (beyond == next_one) & (beyond < limit) & _at(chinese, beyond)
                shared &= ~tf.concat([written[1:], [False]], 0)[: tf.size(row)]
                after = tf.where(shared, beyond + 1, after)
            end = tf.where(self._is("rstrip", normalized, number), after, end)
            one_before = tf.concat([base[:1], tf.where(same_row, end[:-1], base[1:])], 0)
            beyond = _value_at(solid, tf.searchsorted(solid, begin) - 1, base - 1)
            before = tf.searchsorted(space, tf.maximum(beyond + 1, one_before))
            before = tf.minimum(_value_at(space, before, begin), begin)
            if normalized:
                shared = (beyond + 1 == one_before) & (beyond >= base) & _at(chinese, beyond)
                shared &= tf.concat([[False], number[:-1] < 0], 0)[: tf.size(row)]
                before = tf.where(shared, beyond, before)
            begin = tf.where(self._is("lstrip", normalized, number), before, begin)
        return begin - base, end - 1 - base

    def _passes(self):
        """For tokens of the text as written, then of the normalised: white space, what vanishes."""
        table = unicode_table()
        vanishing = ["removed", "stripped"] if self._options.strip_accents else ["removed"]
        yield False, _WRITTEN, []
        yield True, [*table.ranges("space"), (0x20, 0x20)], table.ranges(*vanishing)

    def _is(self, side: str, normalized: bool, number: tf.Tensor) -> tf.Tensor:
        wanted = [getattr(t, side) and t.normalized == normalized for t in self._added]
        return tf.gather(tf.constant([*wanted, False]), tf.where(number < 0, len(wanted), number))


def _within(codes: tf.Tensor, ranges: list[tuple[int, int]]) -> tf.Tensor:
    bounds = [bound for first, last in sorted(ranges) for bound in (first, last + 1)]
    place = tf.searchsorted(tf.constant(bounds, tf.int32), codes, side="right")
    return tf.equal(place % 2, 1)


def _at(mask: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """`mask[index]`, False where the index is outside."""
    return _value_at(tf.cast(mask, tf.int32), index, tf.zeros_like(index)) > 0


def _indices(mask: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.reshape(tf.where(mask), [-1]), tf.int32)


def _value_at(values: tf.Tensor, index: tf.Tensor, otherwise: tf.Tensor) -> tf.Tensor:
    """`values[index]`, or `otherwise` where the index is outside."""
    inside = (index >= 0) & (index < tf.size(values))
    place = tf.where(inside, index, tf.size(values))
    return tf.where(inside, tf.gather(tf.concat([values, [0]], 0), place), otherwise)
