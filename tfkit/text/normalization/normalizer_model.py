"""The model of tensorflow-text's FastBertNormalize kernel, for BERT's normalisation.

The kernel replaces each code point by a string that it looks up in a double-array trie. The model
is a flatbuffer (`fast_bert_normalizer_model.fbs` in tensorflow/text); the trie has the layout of
darts-clone (https://github.com/s-yata/darts-clone). Both are written here, with numpy, from
`tfkit.text.normalization.normalizer.replacements`.

That takes longer than all the rest of making a tokenizer, and the result depends on nothing but
the options: for those of most checkpoints it is in `normalizers.npz`, which
`tools/make_unicode_table.py` writes, and which the tests compare with what is compiled anew.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path

import flatbuffers
import numpy as np

from tfkit.text.normalization.double_array import double_array
from tfkit.text.normalization.normalizer import (
    MARKER_FIRST,
    NormalizerOptions,
    replacements,
    set_apart,
)

SHIPPED = {
    "uncased": NormalizerOptions(),
    "uncased, accents kept": NormalizerOptions(strip_accents=False),
    "cased": NormalizerOptions(lowercase=False, strip_accents=False),
}
SHIPPED_MARKERS = 16
FILE = Path(__file__).with_name("normalizers.npz")

_CHANGED = 0x40000000  # bit of a trie value: the replacement differs from the code point
_LENGTH_BITS = 6  # low bits of a trie value: bytes of the replacement
_IS_VALUE = 1 << 31  # bit of a trie unit


@functools.cache
def normalizer_model(
    options: NormalizerOptions, markers: int = 0, *, searched: bool = False
) -> np.ndarray:
    """The kernel's model: a flatbuffer, as uint8; see `replacements` for the arguments."""
    names = {shipped: name for name, shipped in SHIPPED.items()}
    if options in names and markers <= SHIPPED_MARKERS and not searched:
        with np.load(FILE) as file:
            pool, trie = (file[f"{names[options]}: {part}"] for part in ("pool", "trie"))
        trie = _forget(pool, trie, range(markers, SHIPPED_MARKERS))
    else:
        pool, trie = compile_tables(options, markers, searched=searched)
    return _flatbuffer(
        pool, trie, zero=_CHANGED, strips=options.lowercase and options.strip_accents
    )


def keep_only(characters: Iterable[str], other: str) -> np.ndarray:
    """A model that makes `other` of all characters, and ill-formed bytes, but the given ones."""
    pool = np.frombuffer(other.encode("utf-8"), np.uint8)
    changed = _value(0, pool.tobytes())
    values = np.full(0x110000, changed, np.uint32)
    values[[ord(character) for character in characters]] = 0
    return _flatbuffer(pool, double_array(values, dropped=changed), zero=changed, strips=False)


def _flatbuffer(pool: np.ndarray, trie: np.ndarray, *, zero: int, strips: bool) -> np.ndarray:
    """The model: `zero` is the value of U+0000, `strips` what the kernel says of itself."""
    builder = flatbuffers.Builder(trie.nbytes + pool.nbytes + 1024)
    pool_at = builder.CreateNumpyVector(pool)
    trie_at = builder.CreateNumpyVector(trie)
    builder.StartObject(4)
    builder.PrependBoolSlot(0, strips, False)
    builder.PrependUOffsetTRelativeSlot(1, trie_at, 0)
    builder.PrependInt32Slot(2, zero, 0)
    builder.PrependUOffsetTRelativeSlot(3, pool_at, 0)
    builder.Finish(builder.EndObject())
    return np.frombuffer(bytes(builder.Output()), np.uint8)


def compile_tables(
    options: NormalizerOptions, markers: int, *, searched: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The string pool (uint8) and the trie (uint32) of the model."""
    pool, values = _string_pool(replacements(options, markers, searched=searched))
    return pool, double_array(values, dropped=_CHANGED)


def _string_pool(changed: dict[int, str]) -> tuple[np.ndarray, np.ndarray]:
    """The replacements in one byte pool, and the trie value of every code point (0: unchanged)."""
    pool = bytearray()
    start_of: dict[str, int] = {"": 0}
    # Longest first: a string is often the beginning of a longer one.
    for text in sorted(set(changed.values()), key=lambda text: (-len(text), text)):
        if text not in start_of:
            for end in range(1, len(text) + 1):
                start_of.setdefault(text[:end], len(pool))
            pool += text.encode("utf-8")
    value_of = {
        text: _value(start_of[text], text.encode("utf-8")) for text in set(changed.values())
    }
    value_of[""] = _CHANGED
    values = np.zeros(0x110000, np.uint32)
    points = np.fromiter(changed.keys(), np.int64, len(changed))
    values[points] = np.fromiter((value_of[t] for t in changed.values()), np.uint32, len(changed))
    return np.frombuffer(bytes(pool), np.uint8), values


def _value(start: int, text: bytes) -> int:
    return _CHANGED | start << _LENGTH_BITS | len(text)


def _forget(pool: np.ndarray, trie: np.ndarray, markers: range) -> np.ndarray:
    """The trie without some markers: they are dropped, as all private code points are."""
    strings = pool.tobytes()
    words = [set_apart(chr(MARKER_FIRST + number)).encode("utf-8") for number in markers]
    values = [_value(strings.index(word), word) | _IS_VALUE for word in words]
    return np.where(
        np.isin(trie, np.array(values, np.uint32)), np.uint32(_CHANGED | _IS_VALUE), trie
    )
