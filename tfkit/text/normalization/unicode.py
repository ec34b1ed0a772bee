"""The Unicode facts of BERT's normalisation, read from `unicode.json`.

`tools/make_unicode_table.py` writes that file from the reference. Nothing here asks the Unicode
tables of the Python that runs.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from pathlib import Path

# Hangul syllables decompose by arithmetic (The Unicode Standard, section 3.12).
_HANGUL_FIRST, _LEADING, _VOWEL, _TRAILING = 0xAC00, 0x1100, 0x1161, 0x11A7
_VOWELS, _TRAILINGS, _SYLLABLES = 21, 28, 11172


class _code_points(functools.cached_property):
    """A set of code points that the table has as ranges, under the attribute's name."""

    def __init__(self):
        super().__init__(lambda table: _members(table.ranges(self.attrname)))


class UnicodeTable:
    """What the reference does to each code point; sets are worked out when first asked for."""

    def __init__(self, raw: dict):
        self._raw = raw

    def ranges(self, *names: str) -> list[tuple[int, int]]:
        """First and last code points of the runs of the named sets."""
        return [_range(entry) for name in names for entry in self._raw[name]]

    removed = _code_points()  # by text cleaning (controls, formats, private use, U+FFFD)
    space = _code_points()  # white space, which text cleaning turns into U+0020
    punctuation = _code_points()  # words of their own
    chinese = _code_points()  # words of their own where `tokenize_chinese_chars` is on
    disputed = _code_points()  # split on by tensorflow-text or by the reference, not by both
    stripped = _code_points()  # accents, dropped where `strip_accents` is on

    @functools.cached_property
    def composed(self) -> dict[int, str]:
        """Code point -> canonical decomposition without accents, Hangul syllables left out."""
        return _strings(self._raw["decomposed"])

    @functools.cached_property
    def decomposed(self) -> dict[int, str]:
        """Code point -> canonical decomposition without accents."""
        return _hangul() | self.composed

    @functools.cached_property
    def lowercase(self) -> dict[int, str]:
        return _strings(self._raw["lowercase"])

    @functools.cached_property
    def combining(self) -> tuple[list[tuple[int, int]], ...]:
        """Combining marks, as ranges, one entry a combining class, in the order of the classes."""
        return tuple([_range(entry) for entry in group] for group in self._raw["combining"])


def _range(entry: str) -> tuple[int, int]:
    first, _, last = entry.partition("-")
    return int(first, 16), int(last or first, 16)


def _members(ranges: Iterable[tuple[int, int]]) -> frozenset[int]:
    return frozenset(point for first, last in ranges for point in range(first, last + 1))


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


def char_class(ranges: Iterable[tuple[int, int]], point: str = r"\x{%X}") -> str:
    """A regular expression's class of characters; RE2's spelling of code points by default."""
    return "[" + "".join(f"{point % first}-{point % last}" for first, last in ranges) + "]"


def ranges_of(points: Iterable[int]) -> list[list[int]]:
    """Some code points as first and last ones of runs."""
    runs: list[list[int]] = []
    for point in sorted(points):
        if runs and runs[-1][1] == point - 1:
            runs[-1][1] = point
        else:
            runs.append([point, point])
    return runs


def one_of(points: Iterable[int]) -> str:
    """RE2's class of some code points."""
    return char_class(ranges_of(points))


@functools.cache
def unicode_table() -> UnicodeTable:
    """The table, read once."""
    path = Path(__file__).with_name("unicode.json")
    return UnicodeTable(json.loads(path.read_text(encoding="ascii")))
