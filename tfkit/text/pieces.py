"""Text to WordPiece ids in the graph: two tensorflow-text kernels, and core ops around them.

The kernels are FastBertNormalize, with a model of our own (`tfkit.text.normalizer`), and
FastWordpieceTokenizeWithOffsets. What they cannot do is rare, and stands behind a `tf.cond` that
ordinary text does not enter: words of more than 100 bytes (the limit is 100 characters, and the
kernel counts bytes), and the cases of `tfkit.text.rare`.
"""

from __future__ import annotations

from typing import NamedTuple

import flatbuffers
import numpy as np
import tensorflow as tf
import tensorflow_text
from tensorflow_text.core.pybinds import pywrap_fast_wordpiece_tokenizer_model_builder

from tfkit.text.added_tokens import AddedToken
from tfkit.text.normalizer import NormalizerOptions
from tfkit.text.normalizer_model import normalizer_model
from tfkit.text.rare import RareCases
from tfkit.text.spellings import UNREACHABLE, spellings
from tfkit.text.vocabulary import Vocabulary
from tfkit.text.white_space import WhiteSpace

_BYTES_OF_A_CHARACTER = 4  # at most, in UTF-8
_SHARDS, _SHARDED_FROM = 4, 128  # parts of a batch, and the batch from which on it has parts
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


class WordPieces:
    """Normalises, splits and looks up a batch of texts, as `tokenizers`' WordPiece does.

    Args:
        vocabulary: the tokens.
        options: normalisation; by default that of uncased models.
        unknown: the unknown token; it must be in the vocabulary.
        prefix: what marks a token that continues a word.
        word_limit: a word of more characters is unknown.
        added: tokens that are looked for in the text before it is split into words.
        portable: leave out the rare cases, and with them every op that TFLite does not have:
            added tokens written in the text are split as any text, and combining marks are not
            put into canonical order.

    Example:

        >>> vocabulary = Vocabulary(["[UNK]", "hugg", "##ing", "face"])
        >>> pieces = WordPieces(vocabulary)(tf.constant(["Hugging Face", "?"]))
        >>> pieces.ids.numpy().tolist(), pieces.splits.numpy().tolist()
        ([1, 2, 3, 0], [0, 3, 4])
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        options: NormalizerOptions | None = None,
        *,
        unknown: str = "[UNK]",
        prefix: str = "##",
        word_limit: int = 100,
        added: tuple[AddedToken, ...] = (),
        portable: bool = False,
    ):
        options = options or NormalizerOptions()
        self._unknown_id = vocabulary.ids[unknown]
        self._word_limit = word_limit
        self._portable = portable
        added = () if portable else added
        self._rare = None if portable else RareCases(added, options)
        self._white_space = WhiteSpace(added, options)
        markers = self._rare.markers if self._rare else []

        spelled = spellings(vocabulary, options, prefix, word_limit)
        top = len(spelled)
        spelled += [*markers, UNREACHABLE]
        model = pywrap_fast_wordpiece_tokenizer_model_builder.build_fast_wordpiece_model(
            spelled,
            word_limit * (_BYTES_OF_A_CHARACTER if portable else 1),
            prefix,
            spelled[self._unknown_id],
            False,  # split on white space and punctuation too
            False,  # no detokenization
        )
        self._limit_at = _position(model, _LIMIT_FIELD)
        continues = np.array([text.startswith(prefix) for text in spelled])
        lengths = np.array([len(text) for text in spelled], np.int32)
        with tf.init_scope():
            self._normalizer = tensorflow_text.FastBertNormalizer(
                model_buffer=tf.constant(normalizer_model(options, len(markers)))
            )
            self._model = tf.constant(np.frombuffer(model, np.uint8))
            self._starts_word = tf.constant(~continues)
            self._characters = tf.constant(lengths - len(prefix) * continues)
            self._id_of = tf.constant(
                np.concatenate([np.arange(top), [*(token.id for token in added), 0]]), tf.int32
            )
        self._first_marker = top

    def __call__(self, text: tf.Tensor, *, offsets: bool = False) -> Pieces:
        """Tokenises strings `[B]`; `offsets` fills the last three fields."""
        # A scalar that reaches the kernel ends the process (TF Serving lets one through).
        text = tf.reshape(text, [-1]) if self._portable else tf.ensure_shape(text, [None])
        if offsets:
            return self._with_offsets(text)
        if self._portable:
            pieces = self._look_up(self._normalizer.normalize(text), self._model)
            return Pieces(*self._limited(pieces)[:2])
        if self._rare.always:
            return Pieces(*self._exactly(text)[:2])
        ids, splits, odd = tf.cond(
            tf.size(text) < _SHARDED_FROM, lambda: self._quickly(text), lambda: self._sharded(text)
        )
        return Pieces(*tf.cond(odd, lambda: self._exactly(text)[:2], lambda: (ids, splits)))

    def _quickly(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The kernels alone: ids, splits, and whether a text may need more than them."""
        pieces = self._look_up(self._normalizer.normalize(text), self._model)
        # A word of more bytes than the limit came out as one unknown token.
        long_word = tf.reduce_any(pieces.ends - pieces.starts > self._word_limit)
        return pieces.ids, pieces.splits, tf.logical_or(long_word, self._rare.present(text))

    def _sharded(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The same; parts of the batch go through the kernels, which use one core, in parallel."""
        size = tf.size(text)
        share = size // _SHARDS
        sizes = [share] * (_SHARDS - 1) + [size - share * (_SHARDS - 1)]
        parts = tf.split(text, tf.stack(sizes), num=_SHARDS)
        ids, splits, odd = zip(*map(self._quickly, parts))
        base = tf.cumsum(tf.stack([part[-1] for part in splits]), exclusive=True)
        splits = [[0]] + [part[1:] + base[number] for number, part in enumerate(splits)]
        return tf.concat(ids, 0), tf.concat(splits, 0), tf.reduce_any(tf.stack(odd))

    def _look_up(self, normal: tf.Tensor, model: tf.Tensor) -> Pieces:
        """The second kernel; offsets are those of bytes of `normal`."""
        kernel = tensorflow_text.FastWordpieceTokenizer(model_buffer=model, token_out_type=tf.int32)
        ids, starts, ends = kernel.tokenize_with_offsets(normal)
        return Pieces(
            ids.flat_values,
            tf.cast(ids.row_splits, tf.int32),
            tf.cast(starts.flat_values, tf.int32),
            tf.cast(ends.flat_values, tf.int32),
        )

    def _exactly(self, text: tf.Tensor) -> Pieces:
        normal = self._rare.after(self._normalizer.normalize(self._rare.before(text)))
        pieces = self._limited(self._look_up(normal, self._patient_model()))
        return pieces._replace(ids=tf.gather(self._id_of, pieces.ids))

    # === Words of more than `word_limit` characters ===

    def _patient_model(self) -> tf.Tensor:
        """The second kernel's model, with a limit that no word of `word_limit` characters meets.

        The two differ in one number, so only one is kept.
        """
        if self._portable:
            return self._model
        limit = np.array([self._word_limit * _BYTES_OF_A_CHARACTER], "<i4").view(np.uint8)
        at = self._limit_at
        return tf.concat([self._model[:at], limit, self._model[at + 4 :]], 0)

    def _limited(self, pieces: Pieces) -> Pieces:
        """Makes each word of too many characters one unknown token."""
        starts_word = tf.gather(self._starts_word, pieces.ids)
        first = tf.cast(tf.reshape(tf.where(starts_word), [-1]), tf.int32)
        edges = tf.concat([first, [tf.size(pieces.ids)]], 0)  # of the words
        characters = tf.concat([[0], tf.cumsum(tf.gather(self._characters, pieces.ids))], 0)
        length = tf.gather(characters, edges[1:]) - tf.gather(characters, first)
        word = tf.cumsum(tf.cast(starts_word, tf.int32)) - 1
        too_long = tf.gather(length > self._word_limit, word)
        keep = tf.logical_or(starts_word, tf.logical_not(too_long))
        ids = tf.where(too_long, self._unknown_id, pieces.ids)
        ends = tf.where(
            too_long, tf.gather(pieces.ends, tf.gather(edges, word + 1) - 1), pieces.ends
        )
        kept = tf.concat([[0], tf.cumsum(tf.cast(keep, tf.int32))], 0)
        index = tf.reshape(tf.where(keep), [-1])
        return Pieces(
            tf.gather(ids, index),
            tf.gather(kept, pieces.splits),
            tf.gather(pieces.starts, index),
            tf.gather(ends, index),
        )

    # === Offsets ===

    def _with_offsets(self, text: tf.Tensor) -> Pieces:
        text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
        marked = self._rare.before(text) if self._rare else text
        normal, origin = self._normalizer.normalize_with_offsets(marked)
        found = self._rare.after(normal) if self._rare else normal
        pieces = self._limited(self._look_up(found, self._patient_model()))
        row = tf.repeat(
            tf.range(tf.size(pieces.splits) - 1), pieces.splits[1:] - pieces.splits[:-1]
        )
        number = pieces.ids - self._first_marker  # of the added token, where not negative
        starts, ends = pieces.starts, pieces.ends - 1  # first and last byte
        if self._rare:
            starts, ends = self._rare.undo_after(number, row, starts, ends)
        first_byte = tf.gather(tf.cast(origin.row_splits, tf.int32), row)
        byte = tf.gather(
            tf.cast(origin.flat_values, tf.int32), tf.stack([starts, ends]) + first_byte
        )
        starts, ends = tf.unstack(_characters(marked, row, byte))
        if self._rare:
            starts, ends = self._rare.undo_before(number, row, starts, ends)
        if self._white_space.any:
            starts, ends = self._white_space.take(text, number, row, starts, ends)
        starts_word = tf.cast(tf.gather(self._starts_word, pieces.ids), tf.int32)
        word = tf.cumsum(starts_word)
        before = tf.gather(tf.concat([[0], word], 0), tf.gather(pieces.splits, row))
        ids = tf.gather(self._id_of, pieces.ids)
        return Pieces(ids, pieces.splits, starts, ends + 1, word - before - 1)


def _position(model: bytes, field: int) -> int:
    """Where a number of the root table of a flatbuffer is."""
    root = int.from_bytes(model[:4], "little")
    table = flatbuffers.table.Table(model, root)
    return root + table.Offset(4 + 2 * field)


def _characters(text: tf.Tensor, row: tf.Tensor, byte: tf.Tensor) -> tf.Tensor:
    """Which character of its text each byte position belongs to; `row` says which text."""
    sizes = tf.strings.length(text)
    base = tf.cumsum(sizes, exclusive=True)
    _, offsets = tf.strings.unicode_decode_with_offsets(text, "UTF-8")
    splits = tf.cast(offsets.row_splits, tf.int32)
    text_of = tf.repeat(tf.range(tf.size(sizes)), splits[1:] - splits[:-1])
    begins = tf.cast(offsets.flat_values, tf.int32) + tf.gather(base, text_of)
    at = tf.reshape(byte + tf.gather(base, row), [-1])
    index = tf.searchsorted(begins, at, side="right") - 1
    return tf.reshape(index, tf.shape(byte)) - tf.gather(splits, row)
