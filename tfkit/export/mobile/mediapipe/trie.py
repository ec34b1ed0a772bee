"""A double-array trie of byte strings that an exported graph can walk with builtin operators.

A node is one int32: `256 * offset + byte`, with the byte that leads to it. Its child by byte `b`
is unit `offset + b`, if that unit's low byte is `b`; its number, if a string ends here, is the
offset of unit `offset + 0`. A node without children holds its number itself, and is negative. The
byte 0 stands in no string, nor do 254 and 255 in UTF-8: 255 fills free units.

Source: Aoe 1989, "An efficient digital search algorithm by using a double-array structure".
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

ROOT = 1  # offset of the root's children
_FREE, _ALPHABET = 255, 256
_WINDOW = 1024


def piece_trie(strings: Mapping[bytes, int]) -> np.ndarray:
    """Compiles strings and their numbers, from 0 on, to units int32 `[n]`.

    The last 256 units are free: a walk that has failed goes on from there, and stays failed.

    Example:

        >>> units = piece_trie({b"a": 7, b"ab": 8})
        >>> a = units[ROOT + ord("a")]
        >>> [int(x) for x in (a % 256, units[a // 256] // 256, -units[a // 256 + ord("b")] // 256)]
        [97, 7, 8]
    """
    children, numbers = _nodes(strings)
    places = _deal({node: [0] * (node in numbers) + [*children[node]] for node in children})
    units = np.full(max(places.values()) + 2 * _ALPHABET, _FREE, np.int64)
    for node, offset in places.items():
        if node in numbers:
            units[offset] = numbers[node] * _ALPHABET
        for label, child in children[node].items():
            leaf = child not in children
            value = numbers[child] if leaf else places[child]
            units[offset + label] = (-1 if leaf else 1) * (value * _ALPHABET + label)
    return units.astype(np.int32)


def _deal(labels: dict[int, list[int]]) -> dict[int, int]:
    """An offset for each node, such that no two units meet and no two nodes share an offset.

    Were an offset shared, a byte alone could not tell whose child a unit is.
    """
    most = sum(map(len, labels.values())) + len(labels) + 2 * _WINDOW
    free, unused = np.ones(most, bool), np.ones(most, bool)
    unused[: ROOT + 1] = False
    places = {0: ROOT}
    free[[ROOT + label for label in labels[0]]] = False
    start, size = 0, None
    # Nodes of many children first, while there is room; the rest fills the gaps.
    for node in sorted(labels.keys() - {0}, key=lambda node: -len(labels[node])):
        wanted = np.array(labels[node])
        if len(wanted) != size:
            start, size = 0, len(wanted)
        while True:
            offsets = np.flatnonzero(unused[start : start + _WINDOW]) + start
            fits = free[offsets[:, None] + wanted].all(axis=1)
            if fits.any():
                break
            start += _WINDOW
        offset = places[node] = int(offsets[fits.argmax()])
        free[offset + wanted], unused[offset] = False, False
    return places


def _nodes(strings: Mapping[bytes, int]) -> tuple[dict[int, dict[int, int]], dict[int, int]]:
    """Node -> byte -> child, for nodes with children, and node -> number; node 0 is the root."""
    children: dict[int, dict[int, int]] = {0: {}}
    numbers: dict[int, int] = {}
    count = 1
    for string, number in strings.items():
        node = 0
        for byte in string:
            below = children.setdefault(node, {})
            if byte not in below:
                below[byte] = count
                count += 1
            node = below[byte]
        numbers[node] = number
    return children, numbers
