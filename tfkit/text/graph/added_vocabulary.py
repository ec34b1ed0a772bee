"""What the kernels cannot do and few texts need, with `tf.strings` ops.

* **Added tokens** written in the text ("[MASK]", "[SEP]", tokens of the user) are exchanged for
  markers, private code points that are set apart and that the vocabulary knows. Those of
  normalised text are looked for behind the first kernel, whose spaces are then the reference's
  (`searched` in `tfkit.text.normalization.normalizer`); what it leaves together is set apart
  after the search.
* **Order of combining marks**: see `tfkit.text.normalization.canonical_order`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import tensorflow as tf

from tfkit.text.added_tokens import AddedToken
from tfkit.text.normalization.canonical_order import in_order, may_matter, places
from tfkit.text.normalization.normalizer import (
    MARKER_FIRST,
    MARKERS_MAX,
    NormalizerOptions,
    replacements,
    substitutes,
)
from tfkit.text.normalization.unicode import one_of, unicode_table

_OPEN, _CLOSE = "\U0010fffc", "\U0010fffd"  # around a match, until it is named
_NOTHING = "\ufffd"  # cleaning drops it
_LONGER = (0x80, 0x800, 0x10000)  # from here on a character has one byte more
_WORD_BEFORE, _WORD_AFTER = "\U0010fff9", "\U0010fffa"  # a word character beside a match
_APART = "\n"  # what sets apart after the search; not in normalised text
_OURS = f"[\\x{{{MARKER_FIRST:X}}}-\\x{{10FFFD}}]"
# `\w` of the reference's regular expressions: letters, marks, digits, connectors, joiners.
_WORD = r"\pL\pM\p{Nd}\p{Nl}\p{Pc}\x{200C}\x{200D}\x{24B6}-\x{24E9}\x{1F130}-\x{1F189}"


class RareCases:
    """See the module. `present` says whether a batch needs the others.

    Args:
        added: the added tokens; number `n` has marker `markers[n]`.
        options: the normaliser's.
    """

    def __init__(self, added: Sequence[AddedToken], options: NormalizerOptions):
        if len(added) > MARKERS_MAX:
            raise ValueError(
                f"At most {MARKERS_MAX} added tokens can be told apart. Received {len(added)}."
            )
        self.markers = [chr(MARKER_FIRST + number) for number in range(len(added))]
        self._as_written: list[tuple[str, str, AddedToken]] = []
        self._normalized: list[tuple[str, str, AddedToken]] = []
        for token, marker in zip(added, self.markers):
            content = _for_kernel(token.content, options) if token.normalized else token.content
            stage = self._normalized if token.normalized else self._as_written
            if content:
                stage.append((content, marker, token))
        self._chinese_apart = options.chinese_chars
        self._sorts = options.strip_accents
        signs = [_quote(content) for content, _, _ in self._as_written]
        if self._sorts:
            signs.append(may_matter())
        if self.markers:
            signs.append(_OURS)
        self._sign = f"\\C*(?:{'|'.join(signs)})\\C*" if signs else None

    @property
    def always(self) -> bool:
        """Whether every batch needs the rare cases: the signs are in the normalised text."""
        return bool(self._normalized)

    def present(self, text: tf.Tensor) -> tf.Tensor:
        """Whether any text `[B]` may need them."""
        if self._sign is None:
            return tf.constant(False)
        return tf.reduce_any(tf.strings.regex_full_match(text, self._sign))

    def before(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What to normalise instead of `text`; and for each of its characters, `undo_before`'s."""
        text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
        text = tf.strings.regex_replace(text, _OURS, _NOTHING)
        text = _mark(text, self._as_written)
        return in_order(text) if self._sorts else (text, places(text))

    def after(self, normal: tf.Tensor) -> tf.Tensor:
        """What to split into words instead of the normalised text."""
        if not self._normalized:
            return normal
        table, names = unicode_table(), substitutes(self._chinese_apart)
        letters = [] if self._chinese_apart else [ord(names[point]) for point in table.chinese]
        text = _mark(normal, self._normalized, letters=one_of(letters))
        own = [ord(name) for point, name in names.items() if point in table.punctuation]
        own = one_of([*own, *map(ord, self.markers)])
        return tf.strings.regex_replace(text, f"({own})", rf"{_APART}\1{_APART}")

    # === Offsets: from the text with markers back to the text without ===

    def undo_before(self, number, row, first, last):
        """First and last character of each token `[n]` in the text that `before` was given."""
        if not self._as_written:
            return first, last
        grown = [0] * (len(self.markers) + 1)
        for content, marker, _ in self._as_written:
            grown[ord(marker) - MARKER_FIRST] = len(content) - 1
        grow = tf.gather(tf.constant(grown), tf.where(number < 0, len(self.markers), number))
        total = tf.cumsum(grow, exclusive=True)
        shift = total - tf.gather(total, tf.searchsorted(row, row, side="left"))
        return first + shift, last + shift + grow

    def undo_after(self, text: tf.Tensor, row: tf.Tensor, at: tf.Tensor) -> tf.Tensor:
        """First and last byte `[2, n]` of each token, in the text that `after` was given.

        Args:
            text: what `after` returned, `[B]`.
            row: the text of each token, `[n]`.
            at: first and last byte of each token in `text`, `[2, n]`.
        """
        if not self._normalized:
            return at
        codes = tf.strings.unicode_decode(text, "UTF-8")
        rows, codes = tf.cast(codes.row_splits, tf.int32), codes.flat_values
        longer = [tf.cast(codes >= first, tf.int32) for first in _LONGER]
        sizes = tf.where(codes == ord(_APART), 0, tf.add_n(longer) + 1)
        bytes_of = [len(marker.encode("utf-8")) for marker in self.markers]
        for content, marker, _ in self._normalized:
            bytes_of[ord(marker) - MARKER_FIRST] = len(content.encode("utf-8"))
        marked = codes >= MARKER_FIRST
        of_marker = tf.gather(tf.constant(bytes_of), tf.where(marked, codes - MARKER_FIRST, 0))
        sizes = tf.where(marked, of_marker, sizes)
        begins = tf.cumsum(sizes, exclusive=True)
        edges = tf.concat([begins, [tf.reduce_sum(sizes)]], 0)
        base = tf.gather(edges, tf.gather(rows, row))
        first, last = tf.unstack(character_of(text, row, at))
        return tf.stack([tf.gather(begins, first), tf.gather(begins + sizes, last) - 1]) - base


def character_of(text: tf.Tensor, row: tf.Tensor, byte: tf.Tensor) -> tf.Tensor:
    """Which character each byte position belongs to, counted over all texts.

    `row` says which text a position is in.
    """
    sizes = tf.strings.length(text)
    base = tf.cumsum(sizes, exclusive=True)
    _, offsets = tf.strings.unicode_decode_with_offsets(text, "UTF-8")
    splits = tf.cast(offsets.row_splits, tf.int32)
    text_of = tf.repeat(tf.range(tf.size(sizes)), splits[1:] - splits[:-1])
    begins = tf.cast(offsets.flat_values, tf.int32) + tf.gather(base, text_of)
    at = tf.reshape(byte + tf.gather(base, row), [-1])
    index = tf.searchsorted(begins, at, side="right") - 1
    return tf.reshape(index, tf.shape(byte))


def _for_kernel(text: str, options: NormalizerOptions) -> str:
    """What the normaliser makes of a text, without the kernel."""
    changed = _changes(options)
    return "".join(changed.get(ord(character), character) for character in text)


@functools.cache
def _changes(options: NormalizerOptions) -> dict[int, str]:
    return replacements(options, searched=True)


def _mark(
    text: tf.Tensor,
    tokens: list[tuple[str, str, AddedToken]],
    *,
    letters: str = "",
) -> tf.Tensor:
    """Exchanges the leftmost longest matches for their markers.

    Args:
        text: strings `[B]`.
        tokens: what to look for, and the markers.
        letters: a class of characters that are word characters too.
    """
    if not tokens:
        return text

    def exchange(pattern: str, by: str) -> None:
        nonlocal text
        text = tf.strings.regex_replace(text, pattern, by)

    longest_first = sorted((content for content, _, _ in tokens), key=len, reverse=True)
    exchange(f"({'|'.join(map(_quote, longest_first))})", rf"{_OPEN}\1{_CLOSE}")
    alone = [_quote(content) for content, _, token in tokens if token.single_word]
    if alone:
        word = f"[{_WORD}{letters.strip('[]')}]"
        exchange(f"({word}{_CLOSE}?){_OPEN}", rf"\1{_WORD_BEFORE}{_OPEN}")
        exchange(f"{_CLOSE}({_WORD_BEFORE}?{_OPEN}?{word})", rf"{_CLOSE}{_WORD_AFTER}\1")
        exchange(f"{_WORD_BEFORE}{_OPEN}({'|'.join(alone)}){_CLOSE}", r"\1")
        exchange(f"{_OPEN}({'|'.join(alone)}){_CLOSE}{_WORD_AFTER}", r"\1")
        exchange(f"[{_WORD_BEFORE}{_WORD_AFTER}]", "")
    for content, marker, _ in tokens:
        exchange(f"{_OPEN}{_quote(content)}{_CLOSE}", marker)
    return text


def _quote(text: str) -> str:
    """A regular expression (RE2) that matches the text."""
    return "".join(c if c.isalnum() or not c.isascii() else f"\\x{ord(c):02X}" for c in text)
