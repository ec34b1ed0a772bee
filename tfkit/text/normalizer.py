"""Compiles BERT's normalisation into the model of tensorflow-text's FastBertNormalize kernel.

The kernel replaces each code point by a string that it looks up in a double-array trie. The model
is a flatbuffer (`fast_bert_normalizer_model.fbs` in tensorflow/text); the trie has the layout of
darts-clone (https://github.com/s-yata/darts-clone). Both are written here, with numpy, from the
facts in `unicode.json`, so that the kernel does to every code point what the Rust library
`tokenizers` does (`BertNormalizer`, cleaning on).

Three things go beyond a table of replacements:

* The WordPiece kernel splits on punctuation by Unicode tables of its own. Where they and the
  reference's differ, the code point is exchanged for a private one, in text and vocabulary alike:
  private code points are letters to every kernel, and cannot come from text, since cleaning
  drops them. `Substitutes` is that exchange.
* Bytes that are not UTF-8 are dropped: Python's `errors="replace"` makes each ill-formed sequence
  U+FFFD, which cleaning drops.
* Private code points from `MARKER_FIRST` on stand for added tokens found in the text (see
  `tfkit.text.added_tokens`); they become words of their own.
"""

from __future__ import annotations

import dataclasses
import functools

import flatbuffers
import numpy as np

from tfkit.text.double_array import double_array
from tfkit.text.unicode import unicode_table

SUBSTITUTE_FIRST = 0xF0000
MARKER_FIRST, MARKERS_MAX = 0x10F000, 4094

_CHANGED = 0x40000000  # bit of a trie value: the replacement differs from the code point
_LENGTH_BITS = 6  # low bits of a trie value: bytes of the replacement


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


def replacements(options: NormalizerOptions, markers: int = 0) -> dict[int, str]:
    """Code points that normalisation changes -> what they become.

    Args:
        options: the options of `BertNormalizer`.
        markers: how many private code points from `MARKER_FIRST` on to make words of their own.

    Example:

        >>> changed = replacements(NormalizerOptions())
        >>> changed[ord("É")], changed[0x00], changed.get(ord("a"))
        ('e', '', None)
    """
    table = unicode_table()
    swap = substitutes(options.chinese_chars)
    lower = table.lowercase if options.lowercase else {}
    split = table.punctuation | (table.chinese if options.chinese_chars else frozenset())

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
        for point in table.chinese & changed.keys():
            if (text := changed[point].strip(" ")) != chr(point):
                changed[point] = f" {text} "
    changed.update((point, "") for point in table.removed)
    changed.update((point, " ") for point in table.space)
    for point in range(MARKER_FIRST, MARKER_FIRST + markers):
        changed[point] = f" {chr(point)} "
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
        result.append(f" {character} " if apart else character)
    return "".join(result)


def _isolated(character: str, swap: dict[int, str], split: frozenset[int]) -> str:
    private = swap.get(ord(character), character)
    return f" {private} " if private != character and ord(character) in split else private


@functools.cache
def normalizer_model(options: NormalizerOptions, markers: int = 0) -> np.ndarray:
    """The kernel's model: a flatbuffer, as uint8; it knows the first `markers` markers."""
    pool, values = _string_pool(replacements(options, markers))
    trie = double_array(values, dropped=_CHANGED)
    builder = flatbuffers.Builder(trie.nbytes + pool.nbytes + 1024)
    pool_at = builder.CreateNumpyVector(pool)
    trie_at = builder.CreateNumpyVector(trie)
    builder.StartObject(4)
    builder.PrependBoolSlot(0, options.lowercase and options.strip_accents, False)
    builder.PrependUOffsetTRelativeSlot(1, trie_at, 0)
    builder.PrependInt32Slot(2, _CHANGED, 0)  # U+0000 is dropped
    builder.PrependUOffsetTRelativeSlot(3, pool_at, 0)
    builder.Finish(builder.EndObject())
    return np.frombuffer(bytes(builder.Output()), np.uint8)


def _string_pool(changed: dict[int, str]) -> tuple[np.ndarray, np.ndarray]:
    """The replacements in one byte pool, and the trie value of every code point (0: unchanged)."""
    pool = bytearray()
    start_of: dict[str, int] = {"": 0}
    # Longest first: a string is often the beginning of a longer one.
    for text in sorted(set(changed.values()), key=len, reverse=True):
        if text not in start_of:
            for end in range(1, len(text) + 1):
                start_of.setdefault(text[:end], len(pool))
            pool += text.encode("utf-8")
    value_of = {
        text: _CHANGED | start_of[text] << _LENGTH_BITS | len(text.encode("utf-8"))
        for text in set(changed.values())
    }
    value_of[""] = _CHANGED
    values = np.zeros(0x110000, np.uint32)
    points = np.fromiter(changed.keys(), np.int64, len(changed))
    values[points] = np.fromiter((value_of[t] for t in changed.values()), np.uint32, len(changed))
    return np.frombuffer(bytes(pool), np.uint8), values
