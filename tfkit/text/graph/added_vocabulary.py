"""Added tokens and combining marks: what the kernels cannot do, with `tf.strings` ops.

* **Added tokens** written in the text ("[MASK]", "[SEP]", tokens of the user) are exchanged for
  markers, private code points that are set apart and that the vocabulary knows. Those of
  normalised text are looked for behind the first kernel, whose spaces are then the reference's;
  what it leaves together is set apart after the search.
* **White space** beside an added token may belong to it (`lstrip`, `rstrip`): it changes offsets
  alone, and counts as in `tokenizers` (`added_vocabulary.rs`): what one token took, the next one
  does not get, and tokens of the text as it is written come first. In normalised text, Chinese
  characters are between spaces that have their offsets: a token that takes such a space shares
  the character's.
"""

from __future__ import annotations

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
_DROPPED = "\ufffd"  # by cleaning
_LONGER = (0x80, 0x800, 0x10000)  # from here on a character has one byte more
_WORD_BEFORE, _WORD_AFTER = "\U0010fff9", "\U0010fffa"  # a word character beside a match
_APART = "\n"  # what sets apart after the search; not in normalised text
_PRIVATE = f"[\\x{{{MARKER_FIRST:X}}}-\\x{{10FFFD}}]"
# `\w` of the reference's regular expressions: letters, marks, digits, connectors, joiners.
_WORD = r"\pL\pM\p{Nd}\p{Nl}\p{Pc}\x{200C}\x{200D}\x{24B6}-\x{24E9}\x{1F130}-\x{1F189}"
# `\s` of them (Unicode's White_Space).
_SPACE = [(0x09, 0x0D), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680)]
_SPACE += [(0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000)]


class AddedVocabulary:
    """See the module. Token `n` has `markers[n]`. `in_normalized`: some token is looked for in
    normalised text, of which `needed` cannot tell.
    """

    def __init__(self, added: Sequence[AddedToken], options: NormalizerOptions):
        if len(added) > MARKERS_MAX:
            raise ValueError(
                f"At most {MARKERS_MAX} added tokens can be told apart. Received {len(added)}."
            )
        self._added, self._options = added, options
        self.markers = [chr(MARKER_FIRST + number) for number in range(len(added))]
        self._of_text: list[tuple[str, str, AddedToken]] = []
        self._of_normalized: list[tuple[str, str, AddedToken]] = []
        for token, marker in zip(added, self.markers):
            content, stage = token.content, self._of_text
            if token.normalized:  # as the kernel normalises, without it
                content = content.translate(replacements(options, searched=True))
                stage = self._of_normalized
            if content:
                stage.append((content, marker, token))
        self.in_normalized = bool(self._of_normalized)
        signs = [_quote(content) for content, _, _ in self._of_text]
        if options.strip_accents:
            signs.append(may_matter())
        if self.markers:
            signs.append(_PRIVATE)
        self._sign = f"\\C*(?:{'|'.join(signs)})\\C*" if signs else None

    def needed(self, text: tf.Tensor) -> tf.Tensor:
        """Whether any text `[B]` may hold added tokens or marks whose order matters."""
        if self._sign is None:
            return tf.constant(False)
        return tf.reduce_any(tf.strings.regex_full_match(text, self._sign))

    def mark_text(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What to normalise in place of `text`, and the place in `text` of its characters."""
        text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
        text = tf.strings.regex_replace(text, _PRIVATE, _DROPPED)
        text = _mark(text, self._of_text)
        return in_order(text) if self._options.strip_accents else (text, places(text))

    def mark_normalized(self, normal: tf.Tensor) -> tf.Tensor:
        """What to split into words in place of the normalised text."""
        if not self._of_normalized:
            return normal
        table, chinese = unicode_table(), self._options.chinese_chars
        names = substitutes(chinese)
        letters = [] if chinese else [ord(names[point]) for point in table.chinese]
        text = _mark(normal, self._of_normalized, letters=one_of(letters))
        own = [ord(name) for point, name in names.items() if point in table.punctuation]
        own = one_of([*own, *map(ord, self.markers)])
        return tf.strings.regex_replace(text, f"({own})", rf"{_APART}\1{_APART}")

    # === Offsets: from the text with markers back to the text without ===

    def offsets_in_text(self, text, number, row, first, last) -> tuple[tf.Tensor, tf.Tensor]:
        """First and last character of each token `[N]`, its white space included, in `text` `[B]`.

        `first` and `last` count in what `mark_text` made; `number` is that of an added token, else
        negative; `row` says which text a token is in.
        """
        if self._of_text:
            grown = [0] * (len(self.markers) + 1)
            for content, marker, _ in self._of_text:
                grown[ord(marker) - MARKER_FIRST] = len(content) - 1
            grow = tf.gather(tf.constant(grown), self._number(number))
            total = tf.cumsum(grow, exclusive=True)
            shift = total - tf.gather(total, tf.searchsorted(row, row, side="left"))
            first, last = first + shift, last + shift + grow
        if any(token.lstrip or token.rstrip for token in self._added):
            return self._with_white_space(text, number, row, first, last)
        return first, last

    def _number(self, number: tf.Tensor) -> tf.Tensor:
        return tf.where(number < 0, len(self._added), number)

    def bytes_in_normalized(self, text: tf.Tensor, row: tf.Tensor, at: tf.Tensor) -> tf.Tensor:
        """First and last byte `[2, N]` of tokens in what was marked, `at` being those in `text`."""
        if not self._of_normalized:
            return at
        codes = tf.strings.unicode_decode(text, "UTF-8")
        rows, codes = tf.cast(codes.row_splits, tf.int32), codes.flat_values
        longer = [tf.cast(codes >= first, tf.int32) for first in _LONGER]
        sizes = tf.where(codes == ord(_APART), 0, tf.add_n(longer) + 1)
        bytes_of = [len(marker.encode("utf-8")) for marker in self.markers]
        for content, marker, _ in self._of_normalized:
            bytes_of[ord(marker) - MARKER_FIRST] = len(content.encode("utf-8"))
        marked = codes >= MARKER_FIRST
        of_marker = tf.gather(tf.constant(bytes_of), tf.where(marked, codes - MARKER_FIRST, 0))
        sizes = tf.where(marked, of_marker, sizes)
        begins = tf.cumsum(sizes, exclusive=True)
        edges = tf.concat([begins, [tf.reduce_sum(sizes)]], 0)
        base = tf.gather(edges, tf.gather(rows, row))
        first, last = tf.unstack(character_of(text, row, at))
        return tf.stack([tf.gather(begins, first), tf.gather(begins + sizes, last) - 1]) - base

    def _with_white_space(self, text, number, row, first, last):
        codes = tf.strings.unicode_decode(text, "UTF-8")
        edges = tf.cast(codes.row_splits, tf.int32)
        base, limit = tf.gather(edges, row), tf.gather(edges[1:], row)
        begin, end = first + base, last + 1 + base
        same_row = tf.equal(row[1:], row[:-1])
        chinese = unicode_table().ranges("chinese") if self._options.chinese_chars else []
        chinese = _within(codes.flat_values, chinese)
        written = tf.constant([*(not token.normalized for token in self._added), False])
        written = tf.gather(written, self._number(number))
        table = unicode_table()
        vanishing = ["removed", "stripped"] if self._options.strip_accents else ["removed"]
        # Tokens of the text as written, then of the normalised: white space, and what vanishes.
        passes = [
            (False, _SPACE, []),
            (True, [*table.ranges("space"), (0x20, 0x20)], table.ranges(*vanishing)),
        ]
        for normalized, spaces, through in passes:
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

    def _is(self, side: str, normalized: bool, number: tf.Tensor) -> tf.Tensor:
        wanted = [getattr(t, side) and t.normalized == normalized for t in self._added]
        return tf.gather(tf.constant([*wanted, False]), self._number(number))


def character_of(text: tf.Tensor, row: tf.Tensor, byte: tf.Tensor) -> tf.Tensor:
    """Which character each byte position is in, counted over all texts; `row` has their texts."""
    sizes = tf.strings.length(text)
    base = tf.cumsum(sizes, exclusive=True)
    _, offsets = tf.strings.unicode_decode_with_offsets(text, "UTF-8")
    splits = tf.cast(offsets.row_splits, tf.int32)
    text_of = tf.repeat(tf.range(tf.size(sizes)), splits[1:] - splits[:-1])
    begins = tf.cast(offsets.flat_values, tf.int32) + tf.gather(base, text_of)
    at = tf.reshape(byte + tf.gather(base, row), [-1])
    index = tf.searchsorted(begins, at, side="right") - 1
    return tf.reshape(index, tf.shape(byte))


def _mark(
    text: tf.Tensor, tokens: list[tuple[str, str, AddedToken]], *, letters: str = ""
) -> tf.Tensor:
    """Exchanges the leftmost longest matches for their markers; `letters` is a class of others."""
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
