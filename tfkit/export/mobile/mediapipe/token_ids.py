"""MediaPipe's token ids -> the model's, inside the graph, with builtin operators alone.

The text of MediaPipe's pieces is split again into the longest tokens of the model's vocabulary, as
WordPiece does: the longest token is looked up at every byte at once, by walking a trie; jumps from
token to token, doubled in length each time, then find where tokens begin. The model's own tokens
come out as they went in.

Source: Wu et al. 2016 (https://arxiv.org/abs/1609.08144), section 4.1, for WordPiece; Hillis and
Steele 1986, "Data parallel algorithms", for the doubling of jumps.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfkit.export.mobile.mediapipe.vocabulary import MediaPipeVocabulary

_BYTES_A_TOKEN = 8  # room for them, on average
_LONGEST = 512  # bytes of a piece, at most
_SPACE, _NOTHING = ord(" "), 254  # 254 is in no UTF-8
ROOT = 1  # offset of the root's children in the trie
_FREE, _ALPHABET = 255, 256
_WINDOW = 1024
_DOUBLINGS = 7  # a word has at most 100 bytes in MediaPipe


class TokenIdConverter:
    """A graph from ids of a `MediaPipeVocabulary` to the model's, T of either."""

    def __init__(self, vocabulary: MediaPipeVocabulary, tokenizer, length: int):
        self._length, self._room = length, _BYTES_A_TOKEN * length
        self._size = vocabulary.size
        self._unknown_id, self._sep_id = tokenizer.unk_token_id, tokenizer.sep_token_id
        self._pad_id = tokenizer.pad_token_id
        self._steps = max(map(len, vocabulary.tokens))
        spelling, places = _packed(vocabulary.spelled)
        units = piece_trie(vocabulary.tokens)
        self._failed = len(units) - 256  # no byte leads on from there
        with tf.init_scope():
            self._spelling = tf.constant(spelling)
            self._places = tf.constant(places)
            self._units = tf.constant(units)

    def __call__(
        self, ids: tf.Tensor, mask: tf.Tensor, segment_ids: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Ids, mask and segments, int32 `[1,T]` each -> the same of the model's tokens."""
        ids, mask, segment_ids = (tf.reshape(x, [-1]) for x in (ids, mask, segment_ids))
        text, owner, total = self._spell(ids, mask)  # [P]
        token, size = self._longest_tokens(text)
        tokens, first, count = self._tokens(text, token, size)
        # No room for all of the text, and its beginning does not fill the model's length.
        short = tf.logical_and(total > self._room, count < self._length)
        as_given = tf.where(ids < self._size, ids, self._unknown_id)
        places = tf.range(self._length)
        cut = tf.logical_and(places == self._length - 1, count > self._length)
        tokens = tf.where(cut, self._sep_id, tokens)
        real = tf.cast(places < count, tf.int32)
        tokens = tf.where(real > 0, tokens, self._pad_id)
        segments = tf.gather(segment_ids, tf.gather(owner, first)) * real
        chosen = (
            tf.where(short, as_given, tokens),
            tf.where(short, mask, real),
            tf.where(short, segment_ids, segments),
        )
        return tuple(tf.expand_dims(x, 0) for x in chosen)

    def _spell(self, ids, mask) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The bytes that the pieces stand for and the places of these pieces, int32 `[P]` each,
        and how many bytes there would be.
        """
        place = tf.gather(self._places, ids)
        first, size = place // _LONGEST, place % _LONGEST * mask
        end = tf.cumsum(size)
        at = tf.range(self._room)
        # Which piece a byte is of: as many as have ended before.
        owner = tf.cumsum(_counted(tf.minimum(end, self._room), tf.ones_like(end), self._room + 1))
        owner = tf.minimum(owner[: self._room], self._length - 1)
        index = tf.gather(first + size - end, owner) + at
        total = end[self._length - 1]
        inside = at < total
        text = tf.cast(tf.gather(self._spelling, tf.where(inside, index, 0)), tf.int32)
        return tf.where(inside, text, _NOTHING), owner, total

    def _longest_tokens(self, text) -> tuple[tf.Tensor, tf.Tensor]:
        """The longest token at each byte and its bytes, int32 `[P]` each; 0 bytes for none."""
        padded = tf.pad(text, [[0, self._steps]], constant_values=_NOTHING)
        offset = tf.fill([self._room], ROOT)
        steps = []
        for step in range(self._steps):
            byte = padded[step : step + self._room]
            unit = tf.gather(self._units, offset + byte)
            found = tf.abs(unit)
            value = found // 256
            match = found - value * 256 == byte
            leaf = tf.logical_and(match, unit < 0)
            offset = tf.where(tf.logical_and(match, unit > 0), value, self._failed)
            steps.append((tf.where(leaf, value, -1), offset))
        # What ends a token without being a leaf has its number at its offset.
        leaves, offsets = map(tf.stack, zip(*steps))  # [steps, P]
        unit = tf.gather(self._units, offsets)
        value = unit // 256
        number = tf.where(unit == value * 256, value, leaves)
        rank = tf.expand_dims(tf.range(1, self._steps + 1), 1) * self._size + number
        best = tf.reduce_max(tf.where(number >= 0, rank, 0), 0)
        return best % self._size, best // self._size

    def _tokens(self, text, token, size) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The tokens and where they begin, int32 `[T]` each, and how many there would be."""
        room = self._room
        at = tf.range(room)
        space, content = text == _SPACE, text != _NOTHING
        following = tf.concat([text[1:], [_NOTHING]], 0)
        lone = tf.logical_and(space, tf.logical_or(following == _SPACE, following == _NOTHING))
        found = size > 0
        # Where tokens begin: at a word's first byte, and wherever a token ends.
        begins = _int(tf.logical_or(space, at == 0))
        jump = tf.where(found, tf.minimum(at + size, room - 1), room - 1)
        for _ in range(_DOUBLINGS):
            begins = tf.minimum(begins + _counted(jump, begins, room), 1)
            jump = tf.gather(jump, jump)
        begins = tf.logical_and(begins > 0, tf.logical_and(content, tf.logical_not(lone)))
        # A word of which some part is no token is unknown as a whole.
        word = tf.cumsum(_int(space))
        failed = tf.logical_and(begins, tf.logical_not(found))
        unknown = tf.gather(_counted(word, _int(failed), room + 1), word) > 0
        kept = _int(tf.logical_and(begins, tf.logical_or(tf.logical_not(unknown), space)))
        token = tf.where(unknown, self._unknown_id, token)
        rank = tf.cumsum(kept)
        slot = tf.where(kept > 0, tf.minimum(rank - 1, self._length), self._length)
        first = _counted(slot, at, self._length + 1)[: self._length]
        return tf.gather(token, first), first, rank[room - 1]


def _int(condition) -> tf.Tensor:
    return tf.cast(condition, tf.int32)


def _counted(index, values, size: int) -> tf.Tensor:
    """The sums of the values of each index, `[size]`."""
    return tf.scatter_nd(tf.expand_dims(index, 1), values, [size])


def _packed(spelled: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """All spellings in one, where prefixes and suffixes overlap, and the place and size of each."""
    whole, places = bytearray(), {}
    for text in sorted(dict.fromkeys(spelled), key=len, reverse=True):  # in the same order always
        if text not in places:
            for cut in range(len(text)):
                places.setdefault(text[cut:], len(whole) + cut)
                places.setdefault(text[:cut], len(whole))
            whole += text
    found = [places.get(text, 0) * _LONGEST + len(text) for text in spelled]
    return np.frombuffer(bytes(whole), np.uint8), np.array(found, np.int32)


def piece_trie(strings: Mapping[bytes, int]) -> np.ndarray:
    """Compiles strings and their numbers, from 0 on, to a double-array trie, int32 `[n]`.

    A node is `256 * offset + byte`, with the byte that leads to it. Its child by byte `b` is unit
    `offset + b`, if that unit's low byte is `b`; its number, if a string ends here, is the offset
    of unit `offset + 0`. A node without children holds its number itself, and is negative. 255,
    which is not in UTF-8, fills free units; the last 256 are free: a failed walk stays there.

    Source: Aoe 1989, "An efficient digital search algorithm by using a double-array structure".
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
    """Node -> offset. No two nodes share one: else a byte could not tell whose child a unit is."""
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
