"""What the kernels cannot do and few texts need, with `tf.strings` ops.

* **Added tokens** written in the text ("[MASK]", "[SEP]", tokens of the user) are exchanged for
  markers, private code points that the normaliser sets apart and the vocabulary knows.
* **Order of combining marks**: see `tfkit.text.canonical_order`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import tensorflow as tf

from tfkit.text.added_tokens import AddedToken
from tfkit.text.canonical_order import in_order, may_matter, places
from tfkit.text.normalizer import (
    MARKER_FIRST,
    MARKERS_MAX,
    NormalizerOptions,
    replacements,
    substitutes,
)
from tfkit.text.unicode import one_of, unicode_table

_OPEN, _CLOSE = "\U0010fffc", "\U0010fffd"  # around a match, until it is named
_NOTHING = "\ufffd"  # cleaning drops it
_WORD_BEFORE, _WORD_AFTER = "\U0010fff9", "\U0010fffa"  # a word character beside a match
_APART = "\U0010fffb"  # where normalised text of the reference has a space
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
        self._lengths = []
        self._as_written: list[tuple[str, str, AddedToken]] = []
        self._normalized: list[tuple[str, str, AddedToken]] = []
        for token, marker in zip(added, self.markers):
            content = _for_kernel(token.content, options) if token.normalized else token.content
            self._lengths.append(len(content.encode("utf-8") if token.normalized else content))
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
        chinese = unicode_table().chinese
        if not any(token.single_word for _, _, token in self._normalized):
            return _mark(normal, self._normalized, around=" ")
        if self._chinese_apart:
            return _mark(normal, self._normalized, around=" ", apart=one_of(chinese))
        names = substitutes(chinese_chars=False)
        letters = one_of(ord(names[point]) for point in chinese)
        return _mark(normal, self._normalized, around=" ", letters=letters)

    # === Offsets: from the text with markers back to the text without ===

    def undo_before(self, number, row, first, last):
        """First and last character of each token `[n]` in the text that `before` was given."""
        return self._undo(number, row, first, last, normalized=False)

    def undo_after(self, number, row, first, last):
        """First and last byte of each token `[n]`, in the text that `after` was given."""
        return self._undo(number, row, first, last, normalized=True)

    def _undo(self, number, row, first, last, *, normalized: bool):
        stage = self._normalized if normalized else self._as_written
        if not stage:
            return first, last
        # What stands in the text for the token: the marker, with spaces in normalised text.
        left = int(normalized)
        here = len(self.markers[0].encode("utf-8")) + 2 if normalized else 1
        grown, ours = [0] * len(self.markers), [0] * len(self.markers)
        for _, marker, _ in stage:
            index = ord(marker) - MARKER_FIRST
            grown[index], ours[index] = self._lengths[index] - here, 1
        index = tf.maximum(number, 0)
        ours = tf.where(number < 0, 0, tf.gather(tf.constant(ours), index))
        grow = tf.where(number < 0, 0, tf.gather(tf.constant(grown), index))
        total = tf.cumsum(grow, exclusive=True)
        shift = total - tf.gather(total, tf.searchsorted(row, row, side="left"))
        begin = first + shift - left * ours
        return begin, tf.where(ours > 0, begin + here + grow - 1, last + shift)


def _for_kernel(text: str, options: NormalizerOptions) -> str:
    """What the normaliser makes of a text, without the kernel."""
    changed = _changes(options)
    return "".join(changed.get(ord(character), character) for character in text)


@functools.cache
def _changes(options: NormalizerOptions) -> dict[int, str]:
    return replacements(options)


def _mark(
    text: tf.Tensor,
    tokens: list[tuple[str, str, AddedToken]],
    *,
    around: str = "",
    letters: str = "",
    apart: str = "",
) -> tf.Tensor:
    """Exchanges the leftmost longest matches for their markers.

    Args:
        text: strings `[B]`.
        tokens: what to look for, and the markers.
        around: what to put around a marker.
        letters, apart: classes of characters that are word characters too, and that the reference
            has spaces around.
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
        if apart:
            exchange(f"({apart}){_OPEN}", rf"\1{_APART}{_OPEN}")
            exchange(f"{_CLOSE}({apart})", rf"{_CLOSE}{_APART}\1")
        word = f"[{_WORD}{letters.strip('[]')}]"
        exchange(f"({word}{_CLOSE}?){_OPEN}", rf"\1{_WORD_BEFORE}{_OPEN}")
        exchange(f"{_CLOSE}({_WORD_BEFORE}?{_OPEN}?{word})", rf"{_CLOSE}{_WORD_AFTER}\1")
        exchange(f"{_WORD_BEFORE}{_OPEN}({'|'.join(alone)}){_CLOSE}", r"\1")
        exchange(f"{_OPEN}({'|'.join(alone)}){_CLOSE}{_WORD_AFTER}", r"\1")
        exchange(f"[{_APART}{_WORD_BEFORE}{_WORD_AFTER}]", "")
    for content, marker, _ in tokens:
        exchange(f"{_OPEN}{_quote(content)}{_CLOSE}", f"{around}{marker}{around}")
    return text


def _quote(text: str) -> str:
    """A regular expression (RE2) that matches the text."""
    return "".join(c if c.isalnum() or not c.isascii() else f"\\x{ord(c):02X}" for c in text)
