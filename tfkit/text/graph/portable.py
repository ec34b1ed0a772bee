"""Text to WordPiece ids with ops that TFLite has: no regular expressions, no conditions.

Added tokens written in the text are found by the kernels themselves. A first pass knows only
their characters: the normaliser makes one letter of all others, and the second kernel, which takes
the longest token from the left, gets the added tokens and their single characters for a vocabulary.
An ordinary second pass gives the tokens of the text; those that lie in an added token are replaced
by it. Both count in bytes of the text.

That gives the ids of `tfkit.text.graph.word_piece`, with two conditions:

* an added token begins and ends with a character that is a word of its own anyway (punctuation,
  as in "[MASK]" and "<ent>"): only then does the text beside it stay as it is;
* combining marks are not put into canonical order, see `tfkit.text.normalization.canonical_order`.
  This shows in no id unless the vocabulary spells marks of two classes that accent stripping
  leaves. BERT's do not: a word with such marks is unknown in any order.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfkit.text.added_tokens import AddedToken
from tfkit.text.graph import ops
from tfkit.text.graph.kernels import Kernels, RaggedTokens, look_up, select
from tfkit.text.normalization.normalizer import NormalizerOptions, keep_only, words_of_their_own
from tfkit.text.vocabulary import Vocabulary

_NO_LIMIT = 2**31 - 1  # of the bytes of a word


class PortableWordPiece:
    """As `WordPiece`, for TFLite; a ValueError where an added token cannot be found this way."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        options: NormalizerOptions,
        *,
        added: Sequence[AddedToken] = (),
        **model,
    ):
        self._kernels = Kernels(vocabulary, options, by_bytes=False, **model)
        self._finder = _Finder(added, options) if added else None

    def __call__(self, text: tf.Tensor, *, places: bool = False) -> RaggedTokens:
        """Tokenises strings `[B]` or `[]`. With `places`, `starts` and `ends` are the bytes of the
        text at which the first and the last character of each token begin, and `word_ids` differ
        between words, of all texts together.
        """
        text = tf.reshape(text, [-1])
        if self._finder is None and not places:
            return RaggedTokens(*self._kernels.look_up(self._kernels.normalize(text))[:2])
        normal, origin = self._kernels.normalize_with_offsets(text)
        tokens, origin = self._kernels.look_up(normal), _Bytes(origin)
        first = origin(tokens.starts, tokens.splits)
        begins_word = tf.cast(tf.gather(self._kernels.starts_word, tokens.ids), tf.int32)
        tokens = tokens._replace(
            starts=first,
            ends=origin(tokens.ends - 1, tokens.splits),
            word_ids=tf.cumsum(begins_word),
        )
        if self._finder is not None:
            tokens = self._finder.put_in(text, tokens)
        if not places:
            return RaggedTokens(*tokens[:2])
        before = origin.before(tokens.ids, tokens.splits)
        return tokens._replace(starts=tokens.starts - before, ends=tokens.ends - before)


class _Finder:
    """Finds added tokens in the text as it is written."""

    def __init__(self, added: Sequence[AddedToken], options: NormalizerOptions):
        own = words_of_their_own(options)
        for token in added:
            edges = {ord(character) for character in (token.content[0], token.content[-1])}
            if token.normalized or token.single_word or not edges <= own:
                raise ValueError(
                    "Expected added tokens that begin and end with punctuation and are looked for "
                    "in the text as it is written: TFLite has no op that finds others. Received "
                    f"{token}. Use the form 'ids', or add the token with "
                    "`AddedToken(..., normalized=False)`."
                )
        letters = sorted(set("".join(token.content for token in added)))
        # Neither of these is in a token; the first stands for all that no token has.
        other, prefix = [chr(c) for c in range(33, 999) if chr(c) not in letters][:2]
        contents = [token.content for token in added]
        spelled = list(dict.fromkeys([other, *letters, *contents]))
        ids = {token.content: token.id for token in added}
        found = [ids.get(content, -1) for content in spelled]
        model = ops.build_word_piece_model(
            [*spelled, *(prefix + text for text in spelled)],
            unknown=other,
            prefix=prefix,
            limit=_NO_LIMIT,
            splits=False,
        )
        with tf.init_scope():
            self._normalizer = tf.constant(keep_only(letters, other))
            self._model = tf.constant(model)
            self._id_of = tf.constant([*found, *found], tf.int32)

    def put_in(self, text: tf.Tensor, tokens: RaggedTokens) -> RaggedTokens:
        """Puts the added tokens of texts `[B]` in the place of the tokens they are split into.
        Starts and ends are the first bytes of characters, counted over all texts as `_Bytes` does.
        """
        letters, origin_of_letters = ops.normalize_with_offsets(text, self._normalizer)
        matches = look_up(letters, self._model)
        number = tf.gather(self._id_of, matches.ids)
        found = tf.reshape(tf.where(number >= 0), [-1])
        in_text = _Bytes(origin_of_letters)
        begin, last, end = (
            tf.expand_dims(tf.gather(in_text(at, matches.splits), found), 1)
            for at in (matches.starts, matches.ends - 1, matches.ends)
        )
        # Of each byte of the texts: the token that begins there, and whether one covers it.
        size = tf.expand_dims(in_text.count, 0)
        first = tf.scatter_nd(begin, tf.gather(number, found) + 1, size)
        one = tf.ones_like(found, tf.int32)
        covered = tf.cumsum(tf.scatter_nd(begin, one, size) - tf.scatter_nd(end, one, size))
        lasts = tf.scatter_nd(begin, tf.squeeze(last, 1), size)
        instead = tf.gather(first, tokens.starts) - 1
        ids = tf.where(instead >= 0, instead, tokens.ids)
        ends = tf.where(instead >= 0, tf.gather(lasts, tokens.starts), tokens.ends)
        keep = tf.logical_or(instead >= 0, tf.gather(covered, tokens.starts) <= 0)
        return select(tokens._replace(ids=ids, ends=ends), keep)


class _Bytes:
    """`count` places in texts that are laid end to end, each with one more byte behind it. `origin`
    has for each byte of what the texts became, and for its end, the byte of the text.
    """

    def __init__(self, origin: tf.RaggedTensor):
        self._edges = tf.cast(origin.row_splits, tf.int32)
        self._origin = tf.cast(origin.flat_values, tf.int32)
        self._sizes = tf.gather(self._origin, self._edges[1:] - 1) + 1
        self.count = tf.reduce_sum(self._sizes)

    def __call__(self, at: tf.Tensor, splits: tf.Tensor) -> tf.Tensor:
        """The places of bytes `at` `[n]` of what the texts became; `splits` `[B+1]` parts them."""
        index = at + tf.gather(self._edges, self._row(at, splits))
        return tf.gather(self._origin, index) + self.before(at, splits)

    def before(self, values: tf.Tensor, splits: tf.Tensor) -> tf.Tensor:
        """The places before the text of each of `values` `[n]`."""
        return tf.gather(tf.cumsum(self._sizes, exclusive=True), self._row(values, splits))

    def _row(self, values: tf.Tensor, splits: tf.Tensor) -> tf.Tensor:
        ends = tf.expand_dims(splits[1:], 1)
        count = tf.expand_dims(tf.size(values) + 1, 0)
        return tf.cumsum(tf.scatter_nd(ends, tf.ones_like(self._sizes), count))[:-1]
