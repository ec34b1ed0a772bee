"""BERT's normalisation as a replacement for each code point, and tensorflow-text's model of it.

What becomes of a code point is what the Rust library `tokenizers` makes of it (`BertNormalizer`,
cleaning on), from the facts in `unicode.json`. Three things go beyond a table of replacements:

* The WordPiece kernel splits on punctuation by Unicode tables of its own. Where they and the
  reference's differ, the code point is exchanged for a private one, in text and vocabulary alike:
  private code points are letters to every kernel, and cannot come from text, since cleaning
  drops them. `substitutes` is that exchange.
* Bytes that are not UTF-8 are dropped: Python's `errors="replace"` makes each ill-formed sequence
  U+FFFD, which cleaning drops.
* Private code points from `MARKER_FIRST` on stand for added tokens found in the text (see
  `tfkit.text.graph.added_vocabulary`); they become words of their own.

The kernel FastBertNormalize looks a code point's replacement up in a double-array trie. Its model
is a flatbuffer (`fast_bert_normalizer_model.fbs` in tensorflow/text); the trie has the layout of
darts-clone (https://github.com/s-yata/darts-clone, `darts.h`). Compiling it takes longer than all
the rest of making a tokenizer, and the result depends on nothing but the options: for those of
most checkpoints it is in `normalizers.npz`, which `tools/make_unicode_table.py` writes, and which
the tests compare with what is compiled anew.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable
from pathlib import Path

import flatbuffers
import numpy as np

from tfkit.text.normalization.unicode import unicode_table

SUBSTITUTE_FIRST = 0xF0000
MARKER_FIRST, MARKERS_MAX = 0x10F000, 4000

_CHANGED = 0x40000000  # bit of a trie value: the replacement differs from the code point
_LENGTH_BITS = 6  # low bits of a trie value: bytes of the replacement
_HAS_VALUE, _IS_VALUE = 1 << 8, 1 << 31  # bits of a trie unit
_RUN = 64  # continuation bytes of UTF-8


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


@functools.cache
def replacements(
    options: NormalizerOptions, markers: int = 0, *, searched: bool = False
) -> dict[int, str]:
    """Code points that normalisation changes -> what they become.

    `markers` private code points from `MARKER_FIRST` on become words of their own. `searched`: the
    result is searched for added tokens, so its spaces are to be those of the reference: Chinese
    characters have theirs, private code points have none.
    """
    table = unicode_table()
    swap = substitutes(options.chinese_chars)
    lower = table.lowercase if options.lowercase else {}
    split = frozenset() if searched else words_of_their_own(options)
    private = {point: set_apart(name) if point in split else name for point, name in swap.items()}

    def spell(text: str) -> str:
        return text.translate(lower).translate(private)

    changed: dict[int, str] = {}
    if options.strip_accents:
        changed.update((point, spell(text)) for point, text in table.decomposed.items())
        changed.update((point, "") for point in table.stripped)
    for point in (*lower, *swap):
        changed.setdefault(point, spell(chr(point)))
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
    """What `BertNormalizer` makes of a text, without a kernel and without private code points."""
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
            character = character.translate(table.lowercase)
        apart = options.chinese_chars and point in table.chinese
        result.append(set_apart(character) if apart else character)
    return "".join(result)


def set_apart(text: str) -> str:
    """A text that becomes a word of its own."""
    return f" {text} "


# === The model of the kernel ===

SHIPPED = {
    "uncased": NormalizerOptions(),
    "uncased, accents kept": NormalizerOptions(strip_accents=False),
    "cased": NormalizerOptions(lowercase=False, strip_accents=False),
}
SHIPPED_MARKERS = 16
FILE = Path(__file__).with_name("normalizers.npz")


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
    """The pool of strings (uint8) and the trie (uint32) of the model."""
    changed = replacements(options, markers, searched=searched)
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
    values = np.zeros(0x110000, np.uint32)  # of the code points; 0: unchanged
    values[[*changed]] = [value_of[text] for text in changed.values()]
    return np.frombuffer(bytes(pool), np.uint8), double_array(values, dropped=_CHANGED)


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


# === The double-array trie ===

# A node is a 32-bit unit: bits 0-7 the byte that leads to it, bit 8 whether it has a value, bits
# 10-30 an offset. The child of node `n` by byte `b` is unit `n ^ offset ^ b`, if that unit's low
# bits are `b`; its value is unit `n ^ offset`, with bit 31 set.
#
# UTF-8 makes this trie so regular that no search for free places is needed. A node below the root
# has children by the continuation bytes 80-BF only: with a base at a multiple of 128 they fill one
# run of 64 units, 128 units from the run that its value falls into. So units are dealt out in
# halves: a run of children, and a run for values or for the children of a second node. Equal nodes
# are stored once: most of Unicode is a few rows, repeated.


def double_array(values: np.ndarray, *, dropped: int) -> np.ndarray:
    """Compiles the trie, uint32 units, of the values `[0x110000]` of code points; 0 for none.

    Values are below 2**31; code point 0 cannot be in the trie. `dropped` is the value of every
    ill-formed sequence, in the sense of ICU's `U8_FWD_1` and of Python's decoder: a lone byte, or a
    character's first bytes without the rest.
    """
    # A node's children: a value where positive, node -n-1 where negative, none where 0.
    rows, row_nodes = _distinct(values.reshape(-1, _RUN).astype(np.int64), 0, dropped)
    middle, middle_nodes = _distinct(row_nodes.reshape(-1, _RUN), len(rows), dropped)
    last = np.zeros(5 * _RUN, np.int64)  # below the leading bytes F0..F4
    last[: len(middle_nodes)] = middle_nodes
    tops, top_nodes = _distinct(last.reshape(5, _RUN), len(rows) + len(middle), dropped)
    nodes = np.concatenate([rows, middle, tops])

    root = np.full(256, dropped, np.int64)
    root[:0x80] = values[:0x80]
    root[0] = 0
    root[0xC2:0xE0] = row_nodes[2:32]
    root[0xE0:0xF0] = middle_nodes[:16]
    root[0xF0:0xF5] = top_nodes

    bases, size = _deal(nodes != 0)
    distinct = np.unique(np.concatenate([values[values != 0], [dropped]]).astype(np.int64))
    slots = bases[:, None] ^ (0x80 + np.arange(_RUN))
    taken = np.zeros(size + 256 + len(distinct), bool)
    taken[:256] = True
    taken[slots[nodes != 0]] = True
    taken[bases] = True
    value_slots = np.flatnonzero(~taken)[: len(distinct)]

    units = np.zeros(max(size, value_slots[-1] + 1), np.uint32)
    units[value_slots] = distinct | _IS_VALUE
    units[bases] = dropped | _IS_VALUE

    def link(at: np.ndarray, byte: np.ndarray, child: np.ndarray) -> None:
        base = np.where(
            child < 0,
            bases[np.clip(-child - 1, 0, len(bases) - 1)],
            value_slots[np.minimum(np.searchsorted(distinct, child), len(distinct) - 1)],
        )
        units[at] = byte | _HAS_VALUE | (at ^ base) << 10

    present = np.nonzero(nodes)
    link(slots[present], 0x80 + present[1], nodes[present])
    first = np.flatnonzero(root)
    link(first, first, root[first])
    return units


def _distinct(rows: np.ndarray, first: int, dropped: int) -> tuple[np.ndarray, np.ndarray]:
    """The different rows that have children, and for each given row the node or value it is. A row
    without children is a node with a value only, as a code point is.
    """
    number_of: dict[bytes, int] = {}
    index = [number_of.setdefault(row.tobytes(), len(number_of)) for row in rows]
    found = np.frombuffer(b"".join(number_of), np.int64).reshape(-1, _RUN)
    some = found.any(axis=1)
    node = np.where(some, -(first + np.cumsum(some)), dropped)
    return found[some], node[index]


def _deal(has_child: np.ndarray) -> tuple[np.ndarray, int]:
    """A base for each node, and the number of units they span; units 0..255 are the root's."""
    bits = [
        int.from_bytes(np.packbits(row, bitorder="little").tobytes(), "little") for row in has_child
    ]
    full = (1 << _RUN) - 1
    waiting = sorted(range(len(bits)), key=lambda node: bits[node].bit_count())
    bases = np.zeros(len(bits), np.int64)
    half = 0
    while waiting:
        node = waiting.pop()
        base = 256 + half // 2 * 256 + half % 2 * _RUN
        half += 1
        bases[node] = base
        # A second node may take the run of this one's value: its children at `base ^ s ^ i`, its
        # value at `base ^ 0x80 ^ s`, if neither node has a child at index s.
        for place, other in enumerate(waiting):
            if free := ~(bits[node] | bits[other]) & full:
                s = (free & -free).bit_length() - 1
                bases[other] = base ^ 0x80 ^ s
                del waiting[place]
                break
    return bases, 256 + (half + 1) // 2 * 256
