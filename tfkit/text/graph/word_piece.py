"""Text to WordPiece ids in the graph: two tensorflow-text kernels, and core ops around them.

What the kernels cannot do is rare, and stands behind a `tf.cond` that ordinary text does not
enter: words of more than 100 bytes (the limit is 100 characters, and the kernel counts bytes), and
the cases of `tfkit.text.graph.added_vocabulary`.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfkit.text.added_tokens import AddedToken
from tfkit.text.graph.added_vocabulary import RareCases, character_of
from tfkit.text.graph.kernels import Kernels, Pieces
from tfkit.text.normalization.normalizer import NormalizerOptions
from tfkit.text.normalization.white_space import WhiteSpace
from tfkit.text.vocabulary import Vocabulary

_SHARDS, _SHARDED_FROM = 4, 128  # parts of a batch, and the batch from which on it has parts


class WordPieces:
    """Normalises, splits and looks up a batch of texts, as `tokenizers`' WordPiece does.

    Args:
        vocabulary: the tokens.
        options: normalisation; by default that of uncased models.
        unknown: the unknown token; it must be in the vocabulary.
        prefix: what marks a token that continues a word.
        word_limit: a word of more characters is unknown.
        added: tokens that are looked for in the text before it is split into words.

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
    ):
        options = options or NormalizerOptions()
        self._word_limit = word_limit
        self._rare = RareCases(added, options)
        self._white_space = WhiteSpace(added, options)
        self._kernels = Kernels(
            vocabulary,
            options,
            unknown=unknown,
            prefix=prefix,
            word_limit=word_limit,
            markers=self._rare.markers,
            searched=self._rare.always,
        )
        ids = np.concatenate([np.arange(self._kernels.top), [*(token.id for token in added), 0]])
        with tf.init_scope():
            self._id_of = tf.constant(ids, tf.int32)

    def __call__(self, text: tf.Tensor, *, offsets: bool = False) -> Pieces:
        """Tokenises strings `[B]`; `offsets` fills the last three fields."""
        # A scalar that reaches the kernel ends the process (TF Serving lets one through).
        text = tf.ensure_shape(text, [None])
        if offsets:
            return self._with_offsets(text)
        if self._rare.always:
            return Pieces(*self._exactly(text)[:2])
        ids, splits, odd = tf.cond(
            tf.size(text) < _SHARDED_FROM, lambda: self._quickly(text), lambda: self._sharded(text)
        )
        return Pieces(*tf.cond(odd, lambda: self._exactly(text)[:2], lambda: (ids, splits)))

    def _quickly(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The kernels alone: ids, splits, and whether a text may need more than them."""
        pieces = self._kernels.look_up(self._kernels.normalize(text))
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

    def _exactly(self, text: tf.Tensor) -> Pieces:
        normal = self._rare.after(self._kernels.normalize(self._rare.before(text)[0]))
        pieces = self._patiently(normal)
        return pieces._replace(ids=tf.gather(self._id_of, pieces.ids))

    def _patiently(self, normal: tf.Tensor) -> Pieces:
        """Counts the characters of words, not their bytes."""
        return self._kernels.limited(self._kernels.look_up(normal, self._kernels.patient_model()))

    # === Offsets ===

    def _with_offsets(self, text: tf.Tensor) -> Pieces:
        text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
        marked, characters = self._rare.before(text)
        normal, origin = self._kernels.normalize_with_offsets(marked)
        split = self._rare.after(normal)
        pieces = self._patiently(split)
        row = tf.repeat(
            tf.range(tf.size(pieces.splits) - 1), pieces.splits[1:] - pieces.splits[:-1]
        )
        number = pieces.ids - self._kernels.top  # of the added token, where not negative
        # First and last byte.
        at = self._rare.undo_after(split, row, tf.stack([pieces.starts, pieces.ends - 1]))
        first_byte = tf.gather(tf.cast(origin.row_splits, tf.int32), row)
        byte = tf.gather(tf.cast(origin.flat_values, tf.int32), at + first_byte)
        starts, ends = tf.unstack(tf.gather(characters, character_of(marked, row, byte)))
        starts, ends = self._rare.undo_before(number, row, starts, ends)
        if self._white_space.any:
            starts, ends = self._white_space.take(text, number, row, starts, ends)
        word = tf.cumsum(tf.cast(tf.gather(self._kernels.starts_word, pieces.ids), tf.int32))
        before = tf.gather(tf.concat([[0], word], 0), tf.gather(pieces.splits, row))
        ids = tf.gather(self._id_of, pieces.ids)
        return Pieces(ids, pieces.splits, starts, ends + 1, word - before - 1)
