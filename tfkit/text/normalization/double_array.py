"""A double-array trie from UTF-8 code points to numbers, in the layout of darts-clone.

A node is a 32-bit unit: bits 0-7 the byte that leads to it, bit 8 whether it has a value, bits
10-30 an offset. The child of node `n` by byte `b` is unit `n ^ offset ^ b`, if that unit's low
bits are `b`; its value is unit `n ^ offset`, with bit 31 set
(https://github.com/s-yata/darts-clone, `darts.h`).

UTF-8 makes this trie so regular that no search for free places is needed. A node below the root
has children by the continuation bytes 80-BF only: with a base at a multiple of 128 they fill one
run of 64 units, 128 units from the run that its value falls into. So units are dealt out in
halves: a run of children, and a run for values or for the children of a second node. Equal nodes
are stored once: most of Unicode is a few rows, repeated.
"""

from __future__ import annotations

import numpy as np

_RUN = 64
_HAS_VALUE, _IS_VALUE = 1 << 8, 1 << 31


def double_array(values: np.ndarray, *, dropped: int) -> np.ndarray:
    """Compiles the trie.

    Args:
        values: uint32 `[0x110000]`, the value of each code point below 2**31; 0 for none. Code
            point 0 cannot be in the trie.
        dropped: the value of every ill-formed sequence, in the sense of ICU's `U8_FWD_1` and of
            Python's decoder: a lone byte, or a character's first bytes without the rest.

    Returns:
        uint32 units.
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
    """The different rows that have children, and for each given row the node or value it is.

    A row without children is a node with a value only, as a code point is.
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
