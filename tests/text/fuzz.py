"""Seeded strings that try a tokenizer: scripts, marks, controls, emoji, broken UTF-8."""

from __future__ import annotations

import random
import sys
import unicodedata
from collections.abc import Iterator

CODE_POINTS = [c for c in range(sys.maxunicode + 1) if not 0xD800 <= c <= 0xDFFF]
MARKS = [chr(c) for c in CODE_POINTS if unicodedata.category(chr(c)) in ("Mn", "Mc", "Me")]
SPECIAL = ["[MASK]", "[SEP]", "[CLS]", "[PAD]", "[UNK]", "[mask]", "[ MASK ]", "[MASK", "MASK]"]
WORDS = "the of un ##ing don't Hello WORLD naïve Straße İstanbul ﬁne ǅ Ω Ὀδυσσεύς".split()  # noqa: SIM905

_RANGES = {
    "latin": (0x20, 0x24F),
    "greek": (0x370, 0x3FF),
    "cyrillic": (0x400, 0x52F),
    "hebrew": (0x590, 0x5FF),
    "arabic": (0x600, 0x6FF),
    "devanagari": (0x900, 0x97F),
    "thai": (0xE00, 0xE7F),
    "khmer": (0x1780, 0x17FF),
    "balinese": (0x1B00, 0x1B7F),
    "extended": (0x1DC0, 0x1EFF),
    "greek extended": (0x1F00, 0x1FFF),
    "punctuation": (0x2000, 0x206F),
    "kana": (0x3040, 0x30FF),
    "cjk": (0x4E00, 0x9FFF),
    "cjk b": (0x2B700, 0x2CEFF),
    "hangul": (0xAC00, 0xD7A3),
    "jamo": (0x1100, 0x11FF),
    "private": (0xE000, 0xF8FF),
    "compatibility": (0xF900, 0xFAFF),
    "half and full": (0xFF00, 0xFFFF),
    "music": (0x1D150, 0x1D1FF),
    "emoji": (0x1F300, 0x1F9FF),
    "tags": (0xE0000, 0xE01FF),
    "private planes": (0xF0000, 0x10FFFF),
    "controls": (0x00, 0x1F),
    "high controls": (0x7F, 0x9F),
}


def text(rng: random.Random) -> str:
    """One string."""
    return "".join(_piece(rng) for _ in range(rng.randint(1, 12)))


def broken(rng: random.Random) -> bytes:
    """One string of bytes that is probably not UTF-8."""
    raw = bytearray(text(rng).encode("utf-8"))
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(raw) + 1)
        action = rng.random()
        if action < 0.4:
            raw[at:at] = bytes([rng.randrange(256)])
        elif action < 0.7:
            del raw[at : at + 1]
        else:
            raw[at:at] = rng.choice([b"\xed\xa0\x80", b"\xc0\x80", b"\xf0\x9f\x98", b"\xe2\x82"])
    return bytes(raw)


def texts(count: int, seed: int) -> Iterator[str]:
    """`count` strings."""
    rng = random.Random(seed)
    return (text(rng) for _ in range(count))


def _piece(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.35:
        first, last = _RANGES[rng.choice(list(_RANGES))]
        return "".join(chr(rng.randint(first, last)) for _ in range(rng.randint(1, 6)))
    if kind < 0.50:
        base = chr(rng.choice(CODE_POINTS[:0x3000]))
        return base + "".join(rng.choices(MARKS, k=rng.randint(1, 4)))
    if kind < 0.60:
        return rng.choice(WORDS)
    if kind < 0.68:
        return rng.choice(SPECIAL)
    if kind < 0.76:
        people = rng.choices(
            ["👩", "👨", "🏽", "❤️", "🏳️", "🌈", "🇰🇷", "🇺", "#️⃣"], k=rng.randint(1, 4)
        )
        return "\u200d".join(people)
    if kind < 0.88:
        return rng.choice([" ", "  ", "\t", "\n", "\u00a0", "\u3000", "\u2028", "\x00", "\ufeff"])
    if kind < 0.93:
        return rng.choice("aбก中가́") * rng.choice([99, 100, 101, 400])
    return "".join(chr(rng.choice(CODE_POINTS)) for _ in range(rng.randint(1, 3)))
