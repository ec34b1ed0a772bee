"""The two tensorflow-text kernels that do the work, with the models of one tokenizer.

They are FastBertNormalize, with a model of our own (`tfkit.text.normalization.normalizer`), and
FastWordpieceTokenizeWithOffsets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import flatbuffers
import numpy as np
import tensorflow as tf

from tfkit.text.graph import ops
from tfkit.text.normalization.normalizer import MARKERS_MAX, NormalizerOptions
from tfkit.text.normalization.normalizer_model import normalizer_model
from tfkit.text.normalization.spellings import UNREACHABLE, spellings
from tfkit.text.vocabulary import Vocabulary

_BYTES_OF_A_CHARACTER = 4  # at most, in UTF-8
_LIMIT_FIELD = 4  # `max_bytes_per_token` in fast_wordpiece_tokenizer_model.fbs


class Pieces(NamedTuple):
    """Tokens of a batch of texts, laid end to end.

    Attributes:
        ids: int32 `[n]`.
        splits: int32 `[B+1]`; the ids of text `b` are `ids[splits[b]:splits[b+1]]`.
        starts, ends: int32 `[n]`, offsets in the text, in characters; None if not asked for.
        words: int32 `[n]`, which word of its text a token belongs to; None if not asked for.
    """

    ids: tf.Tensor
    splits: tf.Tensor
    starts: tf.Tensor | None = None
    ends: tf.Tensor | None = None
    words: tf.Tensor | None = None


class Kernels:
    """The kernels, with their models in constants of the graph.

    Args:
        vocabulary: the tokens.
        options: normalisation.
        unknown: the unknown token; it must be in the vocabulary.
        prefix: what marks a token that continues a word.
        word_limit: a word of more characters is unknown.
        markers: private characters that become words of their own; their ids follow the
            vocabulary's, from `top` on.
        searched: see `tfkit.text.normalization.normalizer.replacements`.
        patient: whether the second kernel itself takes words of `word_limit` characters of any
            size; otherwise they have `word_limit` bytes, unless `patient_model` is passed to it.

    Attributes:
        top: one more than the vocabulary's largest id.
        starts_word: bool `[V]`, whether a token begins a word.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        options: NormalizerOptions,
        *,
        unknown: str,
        prefix: str,
        word_limit: int,
        markers: Sequence[str] = (),
        searched: bool = False,
        patient: bool = False,
    ):
        self._unknown_id = vocabulary.ids[unknown]
        self._word_limit = word_limit
        spelled = spellings(vocabulary, options, prefix, word_limit)
        self.top = len(spelled)
        spelled += [*markers, UNREACHABLE]
        model = ops.build_word_piece_model(
            spelled,
            unknown=spelled[self._unknown_id],
            prefix=prefix,
            limit=word_limit * (_BYTES_OF_A_CHARACTER if patient else 1),
            splits=True,
        )
        self._limit_at = _position(model, _LIMIT_FIELD)
        continues = np.array([text.startswith(prefix) for text in spelled])
        lengths = np.array([len(text) for text in spelled], np.int32)
        # A text that is searched has none but these markers: one model does for any number.
        known = MARKERS_MAX if searched else len(markers)
        with tf.init_scope():
            self._normalizer = tf.constant(normalizer_model(options, known, searched=searched))
            self._model = tf.constant(model)
            self.starts_word = tf.constant(~continues)
            self._characters = tf.constant(lengths - len(prefix) * continues)

    def normalize(self, text: tf.Tensor) -> tf.Tensor:
        """The first kernel: strings `[B]`, normalised."""
        return ops.normalize(text, self._normalizer)

    def normalize_with_offsets(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.RaggedTensor]:
        """The same, and for each byte, and for the end, the byte of the text that it is from."""
        return ops.normalize_with_offsets(text, self._normalizer)

    def look_up(self, normal: tf.Tensor, model: tf.Tensor | None = None) -> Pieces:
        """The second kernel; offsets are those of bytes of `normal`."""
        return look_up(normal, self._model if model is None else model)

    def patient_model(self) -> tf.Tensor:
        """The second kernel's model, with a limit that no word of `word_limit` characters meets.

        The two differ in one number, so only one is kept.
        """
        limit = np.array([self._word_limit * _BYTES_OF_A_CHARACTER], "<i4").view(np.uint8)
        at = self._limit_at
        return tf.concat([self._model[:at], limit, self._model[at + 4 :]], 0)

    def limited(self, pieces: Pieces) -> Pieces:
        """Makes each word of more than `word_limit` characters one unknown token."""
        starts_word = tf.gather(self.starts_word, pieces.ids)
        first = tf.cast(tf.reshape(tf.where(starts_word), [-1]), tf.int32)
        edges = tf.concat([first, [tf.size(pieces.ids)]], 0)  # of the words
        characters = tf.concat([[0], tf.cumsum(tf.gather(self._characters, pieces.ids))], 0)
        length = tf.gather(characters, edges[1:]) - tf.gather(characters, first)
        word = tf.cumsum(tf.cast(starts_word, tf.int32)) - 1
        too_long = tf.gather(length > self._word_limit, word)
        ids = tf.where(too_long, self._unknown_id, pieces.ids)
        ends = tf.where(
            too_long, tf.gather(pieces.ends, tf.gather(edges, word + 1) - 1), pieces.ends
        )
        pieces = pieces._replace(ids=ids, ends=ends)
        return kept(pieces, tf.logical_or(starts_word, tf.logical_not(too_long)))


def look_up(normal: tf.Tensor, model: tf.Tensor) -> Pieces:
    """The second kernel with a model; offsets are those of bytes of `normal`."""
    ids, splits, starts, ends = (tf.cast(part, tf.int32) for part in ops.tokenize(normal, model))
    return Pieces(ids, splits, starts, ends)


def kept(pieces: Pieces, keep: tf.Tensor) -> Pieces:
    """The pieces where `keep` `[n]` is true."""
    before = tf.concat([[0], tf.cumsum(tf.cast(keep, tf.int32))], 0)
    index = tf.reshape(tf.where(keep), [-1])
    return Pieces(
        tf.gather(pieces.ids, index),
        tf.gather(before, pieces.splits),
        tf.gather(pieces.starts, index),
        tf.gather(pieces.ends, index),
    )


def _position(model: np.ndarray, field: int) -> int:
    """Where a number of the root table of a flatbuffer is."""
    content = model.tobytes()
    root = int.from_bytes(content[:4], "little")
    return root + flatbuffers.table.Table(content, root).Offset(4 + 2 * field)
