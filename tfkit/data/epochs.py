"""`Epochs`: the batches of a whole training, which can begin anywhere and be shared out."""

from __future__ import annotations

import tensorflow as tf

from tfkit.data.ahead import made_ahead
from tfkit.data.buckets import plan_batches
from tfkit.data.encoder import ColumnEncoder, RowEncoder
from tfkit.data.examples import Examples
from tfkit.data.order import shuffled_pass
from tfkit.data.streams import Stream


class Epochs:
    """Batches pass after pass; which rows are in which batch depends on seed and place alone.

    So a training that was killed goes on with the batch that it had reached, and what came
    before it is not tokenised again; and every worker of a cluster knows what the others do.

    Args:
        examples: what `read` gives, or a `Stream`.
        tokenizer: a `DistilBertTokenizer`.
        batch_size: B of the whole batch, all replicas together.
        max_length: tokens after which a text is cut.
        shuffle: another order in every pass.
        shuffle_buffer: of a `Stream`, how many rows to draw from at a time.
        seed: decides the orders.
        drop_remainder: leave out batches smaller than `batch_size`.

    Attributes:
        steps: batches of a pass.

    Example:

        >>> from tfkit.data import read
        >>> from tfkit.text.tokenizer import DistilBertTokenizer
        >>> tokenizer = DistilBertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"])
        >>> epochs = Epochs(read([("a", 0), ("a a", 1), ("", 0)]), tokenizer, batch_size=2)
        >>> epochs.steps
        2
        >>> for features, labels in epochs.dataset(first_step=3).take(2):
        ...     print(labels.numpy().tolist())
        [0]
        [0, 1]
    """

    def __init__(
        self,
        examples: Examples | Stream,
        tokenizer,
        *,
        batch_size: int = 32,
        max_length: int | None = None,
        shuffle: bool = False,
        shuffle_buffer: int = 10_000,
        seed: int = 0,
        drop_remainder: bool = False,
    ):
        if drop_remainder and len(examples) < batch_size:
            raise ValueError(
                f"drop_remainder=True leaves no batch of {batch_size} rows. "
                f"Received: {len(examples)} examples. Use a smaller `batch_size`."
            )
        options = {"batch_size": batch_size, "max_length": max_length, "drop": drop_remainder}
        if isinstance(examples, Stream):
            buffer = shuffle_buffer if shuffle else 0
            self._rows = _StreamRows(examples, tokenizer, buffer=buffer, seed=seed, **options)
        else:
            self._rows = _ExampleRows(examples, tokenizer, shuffle=shuffle, seed=seed, **options)
        self.steps = self._rows.steps

    def dataset(
        self, first_step: int = 0, *, replicas: int = 1, mine: range | None = None, change=None
    ) -> tf.data.Dataset:
        """Batches from `first_step` on, without end.

        Args:
            first_step: batches to leave out, counted from the beginning of the first pass.
            replicas: into how many shares a batch is cut.
            mine: which of them are given, one element each.
            change: a function `(number, features) -> features`, for random changes of the tokens;
                the number counts all shares of all batches from the beginning of the first pass.

        Returns: `(features, targets)`, or features alone where there are no labels. With several
            replicas `(features, targets, weights)`: all shares of a batch are of one size, rows
            that fill up the last one weigh 0, and the others so that the mean over the replicas
            of `sum(weights · losses) / rows` is the mean loss of the whole batch.
        """
        first_epoch, skipped = divmod(first_step, self.steps)
        epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
        rows = epochs.flat_map(self._rows.of_pass).skip(skipped)
        elements = rows.enumerate(first_step)
        mine = range(replicas) if mine is None else mine
        if replicas > 1:
            elements = elements.flat_map(
                lambda step, rows: _shares(step, rows, replicas, mine.start, mine.stop)
            )

        def encode(number, rows, weights=None):
            batch = self._rows.encode(rows)
            features, *targets = batch if isinstance(batch, tuple) else (batch,)
            if change is not None:
                features = change(number, features)
            batch = (features, *targets)
            if weights is not None:
                batch = (*batch, weights)
            return batch if len(batch) > 1 else features

        return made_ahead(elements, encode)

    def raise_own_error(self) -> None:
        """Raises what went wrong with the file of a `Stream`, if anything did.

        TensorFlow makes an error of its own of it.
        """
        if (error := getattr(self._rows, "error", None)) is not None:
            raise error


class _ExampleRows:
    """Batches as row numbers of `Examples`."""

    def __init__(
        self, examples: Examples, tokenizer, *, batch_size, max_length, shuffle, seed, drop
    ):
        self.encode = RowEncoder(examples, tokenizer, batch_size=batch_size, max_length=max_length)
        self._rows, self._batch_size, self._drop = len(examples), batch_size, drop
        self._seed, self._plan = seed, None
        self.steps = self._rows // batch_size if drop else -(-self._rows // batch_size)
        if shuffle:
            self._plan = plan_batches(
                self.encode.lengths, self.encode.widths, batch_size, drop_remainder=drop
            )
            self.steps = len(self._plan.starts)

    def of_pass(self, epoch) -> tf.data.Dataset:
        if self._plan is not None:
            return shuffled_pass(self._plan, tf.stack([tf.cast(self._seed, tf.int64), epoch]))
        return tf.data.Dataset.range(self._rows).batch(self._batch_size, self._drop)


class _StreamRows:
    """Batches as columns of a `Stream`."""

    def __init__(self, stream: Stream, tokenizer, *, batch_size, max_length, buffer, seed, drop):
        self._encode = ColumnEncoder(stream, tokenizer, max_length=max_length)
        self._stream, self._batch_size, self._drop = stream, batch_size, drop
        self._buffer, self._seed, self.error = buffer, seed, None
        self.steps = len(stream) // batch_size if drop else -(-len(stream) // batch_size)

    def of_pass(self, epoch) -> tf.data.Dataset:
        signature = self._encode.signature
        batches = tf.data.Dataset.from_generator(
            self._batches, args=(epoch,), output_signature=signature
        )
        return batches.take(self.steps) if self._drop else batches

    def _batches(self, epoch):
        seed = f"{self._seed} {epoch}"
        try:
            yield from self._stream.batches(self._batch_size, shuffle=self._buffer, seed=seed)
        except (ValueError, OSError) as error:
            self.error = error
            raise

    def encode(self, columns):
        return self._encode(*columns)


def _shares(step, rows, replicas: int, start: int, stop: int) -> tf.data.Dataset:
    """Cuts a batch into shares of one size; gives those from `start` to `stop`.

    Args:
        rows: their numbers, or a tuple of columns.
    """
    count = tf.shape(tf.nest.flatten(rows)[0])[0]
    size = -(-count // replicas)
    places = tf.range(replicas * size)
    full = tf.cast(replicas * size, tf.float32) / tf.cast(count, tf.float32)
    weights = tf.where(places < count, full, 0.0)

    def shares(column):
        return tf.reshape(column, (replicas, size, *column.shape[1:]))[start:stop]

    numbers = step * replicas + tf.range(start, stop, dtype=tf.int64)
    filled = tf.nest.map_structure(
        lambda column: shares(tf.gather(column, tf.minimum(places, count - 1))), rows
    )
    return tf.data.Dataset.from_tensor_slices((numbers, filled, shares(weights)))
