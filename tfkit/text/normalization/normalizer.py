"""BERT's normalisation as a replacement for each code point, from the facts in `unicode.json`.

What becomes of a code point is what the Rust library `tokenizers` makes of it (`BertNormalizer`,
cleaning on). `tfkit.text.normalization.normalizer_model` compiles it for tensorflow-text's kernel.

Three things go beyond a table of replacements:

* The WordPiece kernel splits on punctuation by Unicode tables of its own. Where they and the
  reference's differ, the code point is exchanged for a private one, in text and vocabulary alike:
  private code points are letters to every kernel, and cannot come from text, since cleaning
  drops them. `substitutes` is that exchange.
* Bytes that are not UTF-8 are dropped: Python's `errors="replace"` makes each ill-formed sequence
  U+FFFD, which cleaning drops.
* Private code points from `MARKER_FIRST` on stand for added tokens found in the text (see
  `tfkit.text.added_tokens`); they become words of their own.
"""

from __future__ import annotations

import dataclasses
import functools

from tfkit.text.normalization.unicode import unicode_table

SUBSTITUTE_FIRST = 0xF0000
MARKER_FIRST, MARKERS_MAX = 0x10F000, 4000


@dataclasses.dataclass(frozen=True)
class NormalizerOptions:
    """The options of `BertNormalizer` that change what happens to a code point."""

    lowercase: bool = True
    strip_accents: bool = True
    chinese_chars: bool = True


@functools.cache
def substitutes(chinese_chars: bool = True) -> dict[int, str]:
    """Code points -> the private code points that stand for them in text and vocabulary."""
    table = unicode_table()
    points = set(table.disputed)
    if not chinese_chars:  # the kernel would split on them
        points |= table.chinese
    return {point: chr(SUBSTITUTE_FIRST + i) for i, point in enumerate(sorted(points))}


def words_of_their_own(options: NormalizerOptions) -> frozenset[int]:
    """The code points that the reference splits the text at, and keeps."""
    table = unicode_table()
    return table.punctuation | (table.chinese if options.chinese_chars else frozenset())


def replacements(
    options: NormalizerOptions, markers: int = 0, *, searched: bool = False
) -> dict[int, str]:
    """Code points that normalisation changes -> what they become.

    Args:
        options: the options of `BertNormalizer`.
        markers: how many private code points from `MARKER_FIRST` on to make words of their own.
        searched: the result is searched for added tokens, so its spaces are to be those of the
            reference: Chinese characters have theirs, private code points have none.

    Example:

        >>> changed = replacements(NormalizerOptions())
        >>> changed[ord("É")], changed[0x00], changed.get(ord("a"))
        ('e', '', None)
    """
    table = unicode_table()
    swap = substitutes(options.chinese_chars)
    lower = table.lowercase if options.lowercase else {}
    split = frozenset() if searched else words_of_their_own(options)

    def spell(text: str) -> str:
        if not lower.keys().isdisjoint(map(ord, text)):
            text = "".join(lower.get(ord(x), x) for x in text)
        if not swap.keys().isdisjoint(map(ord, text)):
            text = "".join(_isolated(x, swap, split) for x in text)
        return text

    changed: dict[int, str] = {}
    if options.strip_accents:
        changed.update((point, spell(text)) for point, text in table.decomposed.items())
        changed.update((point, "") for point in table.stripped)
    for point in table.lowercase.keys() if options.lowercase else ():
        if point not in changed:
            changed[point] = spell(chr(point))
    for point in swap:
        if point not in changed:
            changed[point] = spell(chr(point))
    if options.chinese_chars:
        # A compatibility ideograph is set apart before it is decomposed.
        for point in table.chinese if searched else table.chinese & changed.keys():
            if (text := changed.get(point, chr(point)).strip(" ")) != chr(point) or searched:
                changed[point] = set_apart(text)
    changed.update((point, "") for point in table.removed)
    changed.update((point, " ") for point in table.space)
    for point in range(MARKER_FIRST, MARKER_FIRST + markers):
        changed[point] = chr(point) if searched else set_apart(chr(point))
    return changed


def normalize(text: str, options: NormalizerOptions) -> str:
    """What `BertNormalizer` makes of a text, without a kernel and without private code points.

    Example:

        >>> normalize("É中!", NormalizerOptions())
        'e 中 !'
    """
    table = unicode_table()
    result = []
    for character in text:
        point = ord(character)
        if point in table.removed:
            continue
        if point in table.space:
            character = " "
        elif options.strip_accents:
            character = "" if point in table.stripped else table.decomposed.get(point, character)
        if options.lowercase:
            character = "".join(table.lowercase.get(ord(x), x) for x in character)
        apart = options.chinese_chars and point in table.chinese
        result.append(set_apart(character) if apart else character)
    return "".join(result)


def _isolated(character: str, swap: dict[int, str], split: frozenset[int]) -> str:
    private = swap.get(ord(character), character)
    return set_apart(private) if private != character and ord(character) in split else private


def set_apart(text: str) -> str:
    """A text that becomes a word of its own."""
    return f" {text} "
