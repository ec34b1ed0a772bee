"""The Unicode facts of BERT's normalisation, read from `unicode.json`.

`tools/make_unicode_table.py` writes that file from the reference. Nothing here asks the Unicode
tables of the Python that runs.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path

# Hangul syllables decompose by arithmetic (The Unicode Standard, section 3.12).
_HANGUL_FIRST, _LEADING, _VOWEL, _TRAILING = 0xAC00, 0x1100, 0x1161, 0x11A7
_VOWELS, _TRAILINGS, _SYLLABLES = 21, 28, 11172


@dataclasses.dataclass(frozen=True)
class UnicodeTable:
    """What the reference does to each code point; see `tools/make_unicode_table.py`.

    Attributes:
        removed: dropped by text cleaning (controls, formats, private use, U+FFFD).
        space: white space, which text cleaning turns into U+0020.
        punctuation: words of their own in the reference.
        chinese: words of their own where `tokenize_chinese_chars` is on.
        disputed: what tensorflow-text splits on and the reference does not, or the reverse.
        stripped: accents, dropped where `strip_accents` is on.
        decomposed: code point -> canonical decomposition without accents.
        lowercase: code point -> lower case.
        reordered: combining marks that accent stripping keeps, in the order of their combining
            classes: canonical decomposition sorts them within a run of combining marks.
        reordered_then_stripped: the other combining marks, which a run may contain.
    """

    removed: frozenset[int]
    space: frozenset[int]
    punctuation: frozenset[int]
    chinese: frozenset[int]
    disputed: frozenset[int]
    stripped: frozenset[int]
    decomposed: dict[int, str]
    lowercase: dict[int, str]
    reordered: tuple[frozenset[int], ...]
    reordered_then_stripped: frozenset[int]


def _members(ranges: list[str]) -> frozenset[int]:
    points: set[int] = set()
    for entry in ranges:
        first, _, last = entry.partition("-")
        points.update(range(int(first, 16), int(last or first, 16) + 1))
    return frozenset(points)


def _strings(mapping: dict[str, str]) -> dict[int, str]:
    return {
        int(point, 16): "".join(chr(int(x, 16)) for x in text.split())
        for point, text in mapping.items()
    }


def _hangul() -> dict[int, str]:
    table = {}
    for index in range(_SYLLABLES):
        leading, rest = divmod(index, _VOWELS * _TRAILINGS)
        vowel, trailing = divmod(rest, _TRAILINGS)
        jamo = chr(_LEADING + leading) + chr(_VOWEL + vowel)
        table[_HANGUL_FIRST + index] = jamo + (chr(_TRAILING + trailing) if trailing else "")
    return table


@functools.cache
def unicode_table() -> UnicodeTable:
    """The table, read once."""
    path = Path(__file__).with_name("unicode.json")
    raw = json.loads(path.read_text(encoding="ascii"))
    sets = ("removed", "space", "punctuation", "chinese", "disputed", "stripped")
    return UnicodeTable(
        **{name: _members(raw[name]) for name in sets},
        decomposed=_hangul() | _strings(raw["decomposed"]),
        lowercase=_strings(raw["lowercase"]),
        reordered=tuple(_members(group) for group in raw["reordered"]),
        reordered_then_stripped=_members(raw["reordered_then_stripped"]),
    )
