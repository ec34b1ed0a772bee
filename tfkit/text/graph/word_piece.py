"""Text to WordPiece ids in the graph: two tensorflow-text kernels, and core ops around them.

Behind a `tf.cond` stands what the kernels cannot do, and ordinary text does not need: words of more
bytes than the limit has characters, and what is in `tfkit.text.graph.added_vocabulary`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfkit.text.added_tokens import AddedToken
from tfkit.text.graph.added_vocabulary import AddedVocabulary, character_of
from tfkit.text.graph.kernels import Kernels, RaggedTokens
from tfkit.text.normalization.normalizer import NormalizerOptions
from tfkit.text.vocabulary import Vocabulary

_SHARDS, _SHARDED_FROM = 4, 128  # parts of a batch, and the batch from which on it has parts


class WordPiece:
    """Normalises, splits and looks up a batch of texts, as `tokenizers`' WordPiece does."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        options: NormalizerOptions,
        *,
        max_word_length: int,
        added: Sequence[AddedToken] = (),
        **model,
    ):
        self._max_word_length = max_word_length
        self._added = AddedVocabulary(added, options)
        self._kernels = Kernels(
            vocabulary,
            options,
            max_word_length=max_word_length,
            markers=self._added.markers,
            searched=self._added.in_normalized,
            **model,
        )
        ids = np.concatenate([np.arange(self._kernels.top), [*(token.id for token in added), 0]])
        with tf.init_scope():
            self._id_of = tf.constant(ids, tf.int32)

    def __call__(self, text: tf.Tensor, *, offsets: bool = False) -> RaggedTokens:
        """Tokenises strings `[B]`; `offsets` fills the last three fields."""
        # A scalar that reaches the kernel ends the process (TF Serving lets one through).
        text = tf.ensure_shape(text, [None])
        if offsets:
            return self._with_offsets(text)
        if self._added.in_normalized:
            return RaggedTokens(*self._complete(text)[:2])
        ids, splits, incomplete = tf.cond(
            tf.size(text) < _SHARDED_FROM,
            lambda: self._kernels_only(text),
            lambda: self._sharded(text),
        )
        found = tf.cond(incomplete, lambda: self._complete(text)[:2], lambda: (ids, splits))
        return RaggedTokens(*found)

    def _kernels_only(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Ids, splits, and whether a text may need more than the kernels."""
        tokens = self._kernels.look_up_by_bytes(self._kernels.normalize(text))
        # A word of more bytes than the limit came out as one unknown token.
        long_word = tf.reduce_any(tokens.ends - tokens.starts > self._max_word_length)
        return tokens.ids, tokens.splits, tf.logical_or(long_word, self._added.needed(text))

    def _sharded(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The same; parts of the batch go through the kernels, which use one core, in parallel."""
        size = tf.size(text)
        shard = size // _SHARDS
        sizes = [shard] * (_SHARDS - 1) + [size - shard * (_SHARDS - 1)]
        parts = tf.split(text, tf.stack(sizes), num=_SHARDS)
        ids, splits, incomplete = zip(*map(self._kernels_only, parts))
        base = tf.cumsum(tf.stack([part[-1] for part in splits]), exclusive=True)
        splits = [[0]] + [part[1:] + base[number] for number, part in enumerate(splits)]
        return tf.concat(ids, 0), tf.concat(splits, 0), tf.reduce_any(tf.stack(incomplete))

    def _complete(self, text: tf.Tensor) -> RaggedTokens:
        marked, _ = self._added.mark_text(text)
        normal = self._added.mark_normalized(self._kernels.normalize(marked))
        tokens = self._kernels.look_up(normal)
        return tokens._replace(ids=tf.gather(self._id_of, tokens.ids))

    def _with_offsets(self, text: tf.Tensor) -> RaggedTokens:
        text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
        marked, characters = self._added.mark_text(text)
        normal, origin = self._kernels.normalize_with_offsets(marked)
        split = self._added.mark_normalized(normal)
        ids, splits, starts, ends, _ = self._kernels.look_up(split)
        row = tf.repeat(tf.range(tf.size(splits) - 1), splits[1:] - splits[:-1])
        number = ids - self._kernels.top  # of the added token, where not negative
        # First and last byte.
        at = self._added.bytes_in_normalized(split, row, tf.stack([starts, ends - 1]))
        first_byte = tf.gather(tf.cast(origin.row_splits, tf.int32), row)
        byte = tf.gather(tf.cast(origin.flat_values, tf.int32), at + first_byte)
        starts, ends = tf.unstack(tf.gather(characters, character_of(marked, row, byte)))
        starts, ends = self._added.offsets_in_text(text, number, row, starts, ends)
        word = tf.cumsum(tf.cast(tf.gather(self._kernels.starts_word, ids), tf.int32))
        before = tf.gather(tf.concat([[0], word], 0), tf.gather(splits, row))
        return RaggedTokens(
            tf.gather(self._id_of, ids), splits, starts, ends + 1, word - before - 1
        )
