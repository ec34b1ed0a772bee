"""The two tensorflow-text kernels that do the work, with the models of one tokenizer."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import NamedTuple

import flatbuffers
import numpy as np
import tensorflow as tf

from tfkit.text.graph import ops
from tfkit.text.normalization.normalizer import (
    MARKERS_MAX,
    NormalizerOptions,
    normalizer_model,
    substitutes,
)
from tfkit.text.normalization.unicode import char_class, unicode_table
from tfkit.text.vocabulary import Vocabulary

_BYTES_OF_A_CHARACTER = 4  # at most, in UTF-8
_LIMIT_FIELD = 4  # `max_bytes_per_token` in fast_wordpiece_tokenizer_model.fbs
_LONGEST_TOKEN = 256  # bytes; a limit of the second kernel's encoding
_UNREACHABLE = "\ue000"  # private: cleaning drops it from any text


class RaggedTokens(NamedTuple):
    """Tokens of a batch of texts, laid end to end: int32 `[N]`, and splits `[B+1]`. `starts` and
    `ends` are characters of the text, `word_ids` words of it; None if not asked for.
    """

    ids: tf.Tensor
    splits: tf.Tensor
    starts: tf.Tensor | None = None
    ends: tf.Tensor | None = None
    word_ids: tf.Tensor | None = None


class Kernels:
    """The kernels, with their models in constants of the graph.

    `markers` are private characters that become words of their own; their ids follow the
    vocabulary's, from `top` on. `searched`: see `normalizer.replacements`. `by_bytes`: the second
    kernel itself limits words, to `max_word_length` bytes. `starts_word`: bool `[V]`.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        options: NormalizerOptions,
        *,
        unk_token: str,
        prefix: str,
        max_word_length: int,
        markers: Sequence[str] = (),
        searched: bool = False,
        by_bytes: bool = True,
    ):
        self._unk_id = vocabulary.ids[unk_token]
        self._max_word_length = max_word_length
        tokens = _known_to_kernel(vocabulary, options, prefix, max_word_length)
        self.top = len(tokens)
        tokens += [*markers, _UNREACHABLE]
        self._by_bytes = by_bytes
        model = ops.build_word_piece_model(
            tokens,
            unknown=tokens[self._unk_id],
            prefix=prefix,
            limit=max_word_length * (1 if by_bytes else _BYTES_OF_A_CHARACTER),
            splits=True,
        )
        content = model.tobytes()  # a flatbuffer, in whose root table the limit is
        root = int.from_bytes(content[:4], "little")
        self._limit_at = root + flatbuffers.table.Table(content, root).Offset(4 + 2 * _LIMIT_FIELD)
        continues = np.array([text.startswith(prefix) for text in tokens])
        lengths = np.array([len(text) for text in tokens], np.int32)
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

    def look_up_by_bytes(self, normal: tf.Tensor) -> RaggedTokens:
        """The second kernel, which takes a word of more bytes than the limit for unknown."""
        return look_up(normal, self._model)

    def look_up(self, normal: tf.Tensor) -> RaggedTokens:
        """Tokens of normalised texts; starts and ends are bytes of `normal`."""
        model, at = self._model, self._limit_at
        if self._by_bytes:  # the two models differ in one number, so only one is kept
            limit = self._max_word_length * _BYTES_OF_A_CHARACTER
            limit = np.array([limit], "<i4").view(np.uint8)
            model = tf.concat([model[:at], limit, model[at + 4 :]], 0)
        tokens = look_up(normal, model)
        starts_word = tf.gather(self.starts_word, tokens.ids)
        first = tf.cast(tf.reshape(tf.where(starts_word), [-1]), tf.int32)
        edges = tf.concat([first, [tf.size(tokens.ids)]], 0)  # of the words
        characters = tf.concat([[0], tf.cumsum(tf.gather(self._characters, tokens.ids))], 0)
        length = tf.gather(characters, edges[1:]) - tf.gather(characters, first)
        word = tf.cumsum(tf.cast(starts_word, tf.int32)) - 1
        too_long = tf.gather(length > self._max_word_length, word)
        last = tf.gather(edges, word + 1) - 1
        tokens = tokens._replace(
            ids=tf.where(too_long, self._unk_id, tokens.ids),
            ends=tf.where(too_long, tf.gather(tokens.ends, last), tokens.ends),
        )
        return select(tokens, tf.logical_or(starts_word, tf.logical_not(too_long)))


def look_up(normal: tf.Tensor, model: tf.Tensor) -> RaggedTokens:
    """The second kernel with a model."""
    return RaggedTokens(*(tf.cast(part, tf.int32) for part in ops.tokenize(normal, model)))


def select(tokens: RaggedTokens, keep: tf.Tensor) -> RaggedTokens:
    """The tokens where `keep` `[N]` is true."""
    before = tf.concat([[0], tf.cumsum(tf.cast(keep, tf.int32))], 0)
    index = tf.reshape(tf.where(keep), [-1])
    kept = {
        name: tf.gather(values, index)
        for name, values in tokens._asdict().items()
        if name != "splits" and values is not None
    }
    return tokens._replace(splits=tf.gather(before, tokens.splits), **kept)


def _known_to_kernel(
    vocabulary: Vocabulary, options: NormalizerOptions, prefix: str, max_word_length: int
) -> list[str]:
    """The tokens as the second kernel is to know them, in the order of their ids: exchanged for
    private code points as in texts; of tokens in no text, names in no text, since all must differ.
    """
    exchanged = _any_of("disputed", *(() if options.chinese_chars else ("chinese",)))
    unwritten = _any_of("removed", "space")
    found = []
    for index in range(vocabulary.top):
        token = body = vocabulary.token(index) or ""
        if token.startswith(prefix):
            body = token[len(prefix) :]
        if not (body.isascii() and body.isalnum()):
            # The kernel would match a token with a space in it across words.
            if " " in token or unwritten.search(token):
                body = ""
            elif exchanged.search(token):
                token = token.translate(substitutes(options.chinese_chars))
        if not body or len(body) > max_word_length:
            token = ""
        elif len(body) > _LONGEST_TOKEN // 4 and len(body.encode("utf-8")) > _LONGEST_TOKEN:
            raise ValueError(
                f"A token may have at most {_LONGEST_TOKEN} bytes. Received {token!r} (id {index})."
            )
        found.append(token or f"{_UNREACHABLE}{index}")
    return found


@functools.cache
def _any_of(*names: str) -> re.Pattern:
    """Finds a character of the named sets, or half a surrogate pair."""
    ranges = [*unicode_table().ranges(*names), (0xD800, 0xDFFF)]
    return re.compile(char_class(ranges, r"\U%08X"))
