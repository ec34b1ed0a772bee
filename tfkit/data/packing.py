"""Texts without labels -> rows of token ids without padding, masked, for pre-training."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

from tfkit.data.examples import LabelledTexts
from tfkit.data.pipeline import mapped_ahead
from tfkit.data.readers import read
from tfkit.tasks.masking import Masking

_TEXTS_PER_CALL = 256
_NO_LIMIT = 1 << 30
_SPECIAL = 2  # tokens around each text: [CLS], [SEP]


class Corpus:
    """Texts of one or several sources, in their order, which are read anew in every pass.

    Args:
        texts: strings, what `tfkit.data.read` or `tfkit.data.stream` gives, whose labels have no
            part in it, or several of these. Of pairs both texts count, one after the other.

    Attributes:
        digest: of all texts, which tells one corpus from another.

    Example:

        >>> [*Corpus(["a text", "another"])]
        ['a text', 'another']
    """

    def __init__(self, texts: Sequence[str] | LabelledTexts | Sequence[LabelledTexts]):
        if isinstance(texts, (str, bytes)):
            raise TypeError("Expected several texts. Received one string. Put it into a list.")
        parts = [texts] if isinstance(texts, LabelledTexts) else [*texts]
        if not all(isinstance(part, LabelledTexts) for part in parts):
            parts = [read(parts, label=None)]
        self._parts, self._share, self._held_out = parts, 0.0, False

    def __iter__(self) -> Iterator[str]:
        texts = itertools.chain.from_iterable(map(_texts_of, self._parts))
        if not self._share:
            return texts
        draw = random.Random(0).random
        return (text for text in texts if (draw() < self._share) == self._held_out)

    def split(self, share: float) -> tuple[Corpus, Corpus]:
        """Two parts of the texts, the same in every pass: the larger, and the one of `share`, which
        is drawn from all of them.
        """
        if not 0 < share < 1:
            raise ValueError(f"`share` must lie between 0 and 1. Received: {share}.")
        parts = Corpus(self._parts), Corpus(self._parts)
        for held_out, part in enumerate(parts):
            part._share, part._held_out = share, bool(held_out)
        return parts

    @property
    def digest(self) -> str:
        content = [part.digest for part in self._parts], self._share, self._held_out
        return hashlib.sha256(repr(content).encode()).hexdigest()[:16]


def _texts_of(part: LabelledTexts) -> Iterator[str]:
    """Of a stream through its batches, which say when its file has changed."""
    chunks = part.chunks() if hasattr(part, "chunks") else [part.columns]
    for columns in chunks:
        texts = zip(*columns[:2]) if part.has_pairs else zip(columns[0])
        yield from itertools.chain.from_iterable(texts)


class PackedEpochs:
    """Masked rows of tokens pass after pass; which come when depends on seed and place alone.

    Each text is [CLS] … [SEP]; texts stand end to end and are cut into rows of T tokens wherever
    that falls, as Transformers' example `run_mlm.py` groups them. So nothing is padding, no text is
    truncated, and a row may hold several texts, each of which sees the others. Texts without a word
    are left out, and so is what is left over at the end of a pass.

    Args:
        texts: read once to count the tokens, and again in every pass.
        tokenizer: of the model.
        masking: of every batch, anew.
        batch_size: B, rows of a batch.
        max_length: T, unless there are fewer tokens altogether.
        seed: decides the order of rows, and the masks.
        shuffle_buffer: rows in memory, which change places.
        fixed: rows in their order, with the same masks in every pass.

    Attributes:
        tokens: of a pass, of all texts.
        length: T.
        steps: batches of a pass.

    Raises:
        ValueError: no text has a word.
    """

    def __init__(
        self,
        texts: Corpus,
        tokenizer,
        masking: Masking,
        *,
        batch_size: int,
        max_length: int,
        seed: int = 0,
        shuffle_buffer: int = 10_000,
        fixed: bool = False,
    ):
        self._texts, self._masking, self._batch_size = texts, masking, batch_size
        self._seed, self._buffer, self._fixed = seed, shuffle_buffer, fixed
        self._error: Exception | None = None
        layer = tokenizer.as_layer(max_length=_NO_LIMIT, return_token_type_ids=False)
        column = tf.TensorSpec([None], tf.string)
        self._tokenize = tf.function(layer.unpadded, [column], autograph=False)
        counts = self._tokens().map(lambda ids: tf.size(ids, tf.int64))
        self.tokens = int(sum(counts.as_numpy_iterator()))
        if not self.tokens:
            raise ValueError("Expected texts with words to learn from. Received none.")
        self.length = min(max_length, self.tokens)
        self.steps = -(-(self.tokens // self.length) // batch_size)

    def dataset(
        self,
        first_step: int = 0,
        *,
        replicas: int = 1,
        mine: range | None = None,
        change: Callable | None = None,
    ) -> tf.data.Dataset:
        """Batches from `first_step` on, counted from the beginning of the first pass, without end.

        An element is `(features, labels)`, features `{"input_ids": int32 [B,T], "places": int32
        [M,2]}` and labels int32 `[M]`: see `Masking`. Shares of replicas are as of
        `Epochs.dataset`, but that rows which fill up the last share have no places.
        """
        first_epoch, skipped = divmod(first_step, self.steps)
        rows = tf.data.Dataset.range(first_epoch, tf.int64.max).flat_map(self._pass)
        elements = rows.skip(skipped).enumerate(first_step)
        masked = mapped_ahead(elements, self._masked)
        if replicas == 1:
            return masked
        mine = range(replicas) if mine is None else mine
        return masked.flat_map(lambda *batch: _shares(*batch, replicas, mine)).prefetch(2)

    def raise_own_error(self) -> None:
        """As `Epochs.raise_own_error`."""
        if self._error is not None:
            raise self._error

    def _pass(self, epoch) -> tf.data.Dataset:
        rows = self._tokens().scan(tf.zeros([0], tf.int32), self._cut)
        rows = rows.flat_map(tf.data.Dataset.from_tensor_slices)
        if not self._fixed:
            seed = tf.stack([tf.constant(self._seed, tf.int64), epoch])
            blocks = rows.batch(self._buffer).enumerate()
            rows = blocks.flat_map(lambda number, block: _shuffled(block, seed, number))
        return rows.batch(self._batch_size)

    def _tokens(self) -> tf.data.Dataset:
        """Token ids `[N]`, of some texts at a time."""
        texts = tf.data.Dataset.from_generator(
            self._read, output_signature=tf.TensorSpec([None], tf.string)
        )

        def tokens(texts):
            batch = self._tokenize(texts)
            kept = tf.repeat(batch["lengths"] > _SPECIAL, batch["lengths"])
            return tf.boolean_mask(batch["input_ids"], kept)

        return mapped_ahead(texts, tokens)

    def _read(self) -> Iterator[list[bytes]]:
        try:
            texts = iter(self._texts)
            while some := [*itertools.islice(texts, _TEXTS_PER_CALL)]:
                yield [text.encode() for text in some]
        except (ValueError, OSError) as error:
            self._error = error
            raise

    def _cut(self, left, ids):
        """Tokens that are left, and new ones -> what is left then, and rows `[R,T]`."""
        ids = tf.concat([left, ids], 0)
        whole = tf.size(ids) // self.length * self.length
        return ids[whole:], tf.reshape(ids[:whole], (-1, self.length))

    def _masked(self, number, rows):
        if self._fixed:
            number %= self.steps
        seed = tf.stack([tf.constant(self._seed, tf.int64), number])
        ids, places, labels = self._masking(rows, seed)
        none = tf.cast(tf.equal(tf.size(labels), 0), tf.int32)  # a mean over no token is NaN
        places = tf.pad(places, [[0, none], [0, 0]])
        labels = tf.pad(labels, [[0, none]], constant_values=-100)
        return {"input_ids": ids, "places": places}, labels


def _shuffled(rows, seed, number) -> tf.data.Dataset:
    """The rows in an order of seed and number; `Dataset.shuffle` would add the global seed."""
    seed = tf.random.fold_in(seed, number)
    order = tf.random.experimental.stateless_shuffle(tf.range(tf.shape(rows)[0]), seed)
    return tf.data.Dataset.from_tensor_slices(tf.gather(rows, order))


def _shares(features, labels, replicas: int, mine: range) -> tf.data.Dataset:
    """Cuts a masked batch into shares of as many rows; a share without a place has one of weight 0,
    all others weigh 1.
    """
    ids, places = features["input_ids"], features["places"]
    rows = tf.shape(ids)[0]
    size = -(-rows // replicas)
    ids = tf.gather(ids, tf.minimum(tf.range(replicas * size), rows - 1))

    def share(replica):
        first = tf.cast(replica, tf.int32) * size
        own = (places[:, 0] >= first) & (places[:, 0] < first + size)
        count = tf.math.count_nonzero(own, dtype=tf.int32)
        none = tf.cast(tf.equal(count, 0), tf.int32)
        shifted = tf.boolean_mask(places - tf.stack([first, 0]), own)
        batch = {
            "input_ids": ids[first : first + size],
            "places": tf.pad(shifted, [[0, none], [0, 0]]),
        }
        own_labels = tf.boolean_mask(labels, own)
        own_labels = tf.pad(own_labels, [[0, none]], constant_values=-100)
        return batch, own_labels, tf.cast(own_labels >= 0, tf.float32)

    return tf.data.Dataset.range(mine.start, mine.stop).map(share)
