"""Examples and streams -> batches of token ids: `dataset` for Keras, `Epochs` for the own loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfkit.data.batch_plan import fit_widths, plan_batches, shuffled_pass
from tfkit.data.examples import Examples, LabelledTexts, check_examples
from tfkit.utils.processes import available_cpus
from tfkit.utils.values import positive_integer

if TYPE_CHECKING:
    from tfkit.data.streams import Stream

_MOST_WIDTHS = 8
_TEXTS_PER_COUNT = 1024
_MOST_CALLS = 8


def dataset(
    examples: Examples | Stream,
    tokenizer,
    *,
    batch_size: int = 32,
    max_length: int | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    bucket: bool = True,
    drop_remainder: bool = False,
    shuffle_buffer: int = 10_000,
    return_token_type_ids: bool | None = None,
) -> tf.data.Dataset:
    """Batches for `fit`, `evaluate` and `predict`; every row comes exactly once per pass.

    Batches of `Examples` are as wide as one of at most eight widths that are fitted to the lengths
    of the texts, so that little is padding and a compiled training step knows few shapes; those of
    a `Stream` are as wide as their longest text.

    Args:
        examples: what `read` or `stream` gives.
        tokenizer: a `BertTokenizer`.
        batch_size: B, rows per batch; the last one (of each width, with buckets) may be smaller
            and comes at the end of the pass.
        max_length: tokens after which a text is cut, [CLS] and [SEP] included; None for
            `tokenizer.model_max_length`.
        shuffle: a new order in every pass. Without it batches keep the order of the rows, so that
            predictions line up with them.
        seed: makes the orders of a shuffled dataset repeatable.
        bucket: when shuffling `Examples`, put texts of about one length into one batch.
        drop_remainder: leave out batches smaller than `batch_size`.
        shuffle_buffer: of a `Stream`, how many rows to draw from at a time.
        return_token_type_ids: give `token_type_ids` too; None: if the tokenizer's class declares
            them in its `model_input_names`.

    Returns:
        A dataset of known cardinality: `(features, labels)`, or `features` if the examples have
        no labels, where features are `{"input_ids": int32 [B,T], "attention_mask": int32 [B,T]}`,
        with `token_type_ids` int32 [B,T] where they are wanted, and labels int32 [B]; of a
        multi-label task float32 [B,C], of a regression float32 [B,1], of words int32 [B,T] with
        -100 for all tokens but the first of each.

    Example:

        >>> from tfkit.data import read
        >>> from tfkit.text.tokenizer import DistilBertTokenizer
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
        >>> tokenizer = DistilBertTokenizer(words)
        >>> train = read([("good", "pos"), ("bad bad", "neg")])
        >>> for features, labels in dataset(train, tokenizer):
        ...     print(features["input_ids"].numpy().tolist(), labels.numpy().tolist())
        [[2, 5, 3, 0], [2, 6, 6, 3]] [1, 0]
    """
    batches = _batches(
        examples,
        tokenizer,
        batch_size=batch_size,
        max_length=max_length,
        shuffle=shuffle,
        bucket=bucket,
        shuffle_buffer=shuffle_buffer,
        drop_remainder=drop_remainder,
        return_token_type_ids=return_token_type_ids,
    )
    seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).take(1)
    rows = seeds.flat_map(lambda seed: batches.of_pass(tf.stack([seed, 0])))
    rows = rows.apply(tf.data.experimental.assert_cardinality(batches.steps))
    return mapped_ahead(rows, lambda *rows: batches.encode(*rows))


class Epochs:
    """Batches pass after pass; which rows are in which batch depends on seed and place alone.

    So a training that was killed goes on with the batch that it had reached, and what came
    before it is not tokenised again; and every worker of a cluster knows what the others do.
    Options are those of `dataset`, B that of all replicas together, and `unpadded`: features are
    then what `TokenizerLayer.unpadded` gives, the texts laid end to end.
    """

    def __init__(self, examples: Examples | Stream, tokenizer, *, seed: int = 0, **options):
        self._seed, self._batches = seed, _batches(examples, tokenizer, **options)
        self.steps = self._batches.steps

    def dataset(
        self, first_step: int = 0, *, replicas: int = 1, mine: range | None = None, change=None
    ) -> tf.data.Dataset:
        """Batches from `first_step` on, counted from the beginning of the first pass, without end.

        A batch is cut into one share per replica, of which those of `mine` are given. At random,
        `change(number, features)` changes the tokens of a share; numbers count from the very first.
        With several replicas an element is `(features, targets, weights)`: shares are of one size,
        rows that fill up the last one weigh 0, and the others 1.
        """
        first_epoch, skipped = divmod(first_step, self.steps)
        epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
        seed = tf.cast(self._seed, tf.int64)
        rows = epochs.flat_map(lambda epoch: self._batches.of_pass(tf.stack([seed, epoch])))
        elements = rows.skip(skipped).enumerate(first_step)
        mine = range(replicas) if mine is None else mine
        if replicas > 1:
            elements = elements.flat_map(
                lambda step, rows: _shares(step, rows, replicas, mine.start, mine.stop)
            )

        def encode(number, rows, *weights):
            batch = self._batches.encode(*tf.nest.flatten(rows))
            features, *targets = batch if isinstance(batch, tuple) else (batch,)
            if change is not None:
                features = change(number, features)
            batch = (features, *targets, *weights)
            return batch if len(batch) > 1 else features

        return mapped_ahead(elements, encode)

    def raise_own_error(self) -> None:
        """Raises the error of a `Stream`'s file, if any: TensorFlow would raise one of its own."""
        if self._batches.error is not None:
            raise self._batches.error


def _batches(examples, tokenizer, **options) -> _Batches:
    if isinstance(examples, LabelledTexts) and not isinstance(examples, Examples):
        return _StreamBatches(examples, tokenizer, **options)
    check_examples(examples)
    made = _TokenBatches if examples.task.tokenizes else _ExampleBatches
    return made(examples, tokenizer, **options)


class _Batches:
    """Batches of rows, and what makes `(features, targets)` of one."""

    error: Exception | None = None

    def __init__(
        self,
        examples,
        tokenizer,
        *,
        batch_size=32,
        max_length=None,
        drop_remainder=False,
        unpadded=False,
        return_token_type_ids=None,
        **order,
    ):
        batch_size = positive_integer("batch_size", batch_size)
        self._examples, self._batch_size, self._drop = examples, batch_size, drop_remainder
        self._pairs, self._unpadded = examples.has_pairs, unpadded
        self._padding = {"input_ids": tokenizer.pad_token_id}
        # What the features of a batch and its targets become, of labelled examples.
        task = examples.task if examples.has_labels else None
        self._compared = None if task is None else task.compared
        self._choices = examples.task is not None and examples.task.has_choices
        self._rows = self._load(tokenizer, max_length, return_token_type_ids)
        if drop_remainder and self._rows < batch_size:
            raise ValueError(
                f"Expected at least {batch_size} examples, a whole batch: smaller ones are left "
                "out with `drop_remainder`, which a training that XLA compiles sets. Received: "
                f"{self._rows}. Use a smaller `batch_size`."
            )
        self.steps = (self._rows + (batch_size - 1) * (not drop_remainder)) // batch_size
        self._plan_order(**order)

    def _load(self, tokenizer, max_length, return_token_type_ids) -> int:
        """Gets ready what makes features; gives the number of rows."""
        examples = self._examples
        layer = tokenizer.as_layer(
            max_length=max_length,
            truncation="only_first" if self._choices else "longest_first",
            pairs=self._pairs,
            return_token_type_ids=return_token_type_ids,
            return_offsets_mapping=self._compared is not None and examples.task.reads_offsets,
        )
        column = tf.TensorSpec([None], tf.string)
        # Traced once, for all the graphs that tokenise.
        self._tokenize = tf.function(
            layer.unpadded if self._unpadded else layer,
            [(column, column) if self._pairs else column],
            autograph=False,
        )
        return len(examples)

    def _features(self, texts):
        if not self._choices:
            return self._tokenize(tuple(texts) if self._pairs else texts[0])
        counts = tf.cast(texts[1].row_lengths(), tf.int32)
        tokens = self._tokenize((tf.repeat(texts[0], counts), texts[1].flat_values))
        if self._unpadded:
            return {**tokens, "choices": counts}
        return {  # [B,K,T]; a choice that a row does not have is padding
            name: tf.RaggedTensor.from_row_lengths(each, counts, validate=False).to_tensor(
                self._padding.get(name, 0)
            )
            for name, each in tokens.items()
        }


class _ExampleBatches(_Batches):
    """Batches as row numbers of `Examples`; padded to one of at most eight widths."""

    def _load(self, tokenizer, max_length, return_token_type_ids):
        examples, self._targets = self._examples, None
        constants = [tf.constant, tf.ragged.constant if self._choices else tf.constant]
        self._columns = [make(column) for make, column in zip(constants, examples.columns)]
        if examples.has_labels:
            targets = examples.targets()
            self._targets = targets if tf.is_tensor(targets) else tf.constant(targets)
        return super()._load(tokenizer, max_length, return_token_type_ids)

    def _of_rows(self, rows):
        return self._features([tf.gather(column, rows) for column in self._columns])

    def _plan_order(self, *, shuffle=False, bucket=True, shuffle_buffer=None):
        self._plan = None
        if self._unpadded and not shuffle:
            return

        def counts(rows):
            tokens = self._of_rows(rows)
            if not self._unpadded:
                lengths = tf.reduce_sum(tokens["attention_mask"], -1)
            elif self._choices:
                lengths = tf.RaggedTensor.from_row_lengths(tokens["lengths"], tokens["choices"])
            else:
                lengths = tokens["lengths"]
            return tf.reduce_max(lengths, 1) if self._choices else lengths

        rows = tf.data.Dataset.range(self._rows).batch(_TEXTS_PER_COUNT)
        lengths = np.concatenate(list(mapped_ahead(rows, counts).as_numpy_iterator()))
        # Four full batches to a width at least: a width for few texts makes small batches.
        most = min(_MOST_WIDTHS, self._rows // (4 * self._batch_size))
        self._widths = fit_widths(lengths, max(1, most))
        if shuffle:
            widths = self._widths if bucket else self._widths[-1:]
            self._plan = plan_batches(lengths, widths, self._batch_size, drop_remainder=self._drop)
            self.steps = len(self._plan.starts)

    def of_pass(self, seed) -> tf.data.Dataset:
        if self._plan is not None:
            return shuffled_pass(self._plan, seed)
        return tf.data.Dataset.range(self._rows).batch(self._batch_size, self._drop)

    def encode(self, rows):
        features = self._of_rows(rows)
        if not self._unpadded:  # to the smallest width that holds the batch
            leading = [[0, 0]] * (1 + self._choices)
            length = tf.shape(features["input_ids"])[-1]
            width = tf.gather(self._widths, tf.searchsorted(self._widths, [length])[0])
            features = {
                name: tf.pad(
                    value,
                    [
                        *leading,
                        [0, width - length],
                        *[[0, 0]] * (value.shape.rank - len(leading) - 1),
                    ],
                    constant_values=self._padding.get(name, 0),
                )
                for name, value in features.items()
            }
        if self._targets is None:
            return features
        return self._compared(features, tf.gather(self._targets, rows))


class _TokenBatches(_ExampleBatches):
    """Batches of rows of tokens that the task made of all texts beforehand."""

    def _load(self, tokenizer, max_length, return_token_type_ids):
        examples = self._examples
        rows, targets = examples.task.tokenized(
            examples.columns, examples.labels, tokenizer, max_length or tokenizer.model_max_length
        )
        names = ["input_ids"]
        if return_token_type_ids is None:
            return_token_type_ids = "token_type_ids" in tokenizer.model_input_names
        if return_token_type_ids:
            names.append("token_type_ids")
        lengths = [len(row["input_ids"]) for row in rows]
        self._tokens = {
            name: tf.RaggedTensor.from_row_lengths(
                np.concatenate([row[name] for row in rows]), np.array(lengths, np.int32)
            )
            for name in names
        }
        self._targets = None if targets is None else tf.constant(targets)
        return len(rows)

    def _of_rows(self, rows):
        features = {name: tf.gather(tokens, rows) for name, tokens in self._tokens.items()}
        lengths = tf.cast(features["input_ids"].row_lengths(), tf.int32)
        if self._unpadded:
            return {name: tokens.values for name, tokens in features.items()} | {"lengths": lengths}
        features = {
            name: tokens.to_tensor(self._padding.get(name, 0)) for name, tokens in features.items()
        }
        return features | {"attention_mask": tf.sequence_mask(lengths, dtype=tf.int32)}


class _StreamBatches(_Batches):
    """Batches as columns of a `Stream`, padded to the longest text of each."""

    def _plan_order(self, *, shuffle=False, bucket=True, shuffle_buffer=10_000):
        self._buffer = shuffle_buffer if shuffle else 0
        target, task = (), self._examples.task
        if task is not None:
            target = (task.target_spec(len(self._examples.names)),)
        self._signature = (*[tf.TensorSpec([None], tf.string)] * (1 + self._pairs), *target)

    def of_pass(self, seed) -> tf.data.Dataset:
        batches = tf.data.Dataset.from_generator(
            self._read, args=(seed,), output_signature=self._signature
        )
        return batches.take(self.steps) if self._drop else batches

    def _read(self, seed):
        options = {"shuffle": self._buffer, "seed": f"{seed[0]} {seed[1]}"}
        try:
            yield from self._examples.batches(self._batch_size, **options)
        except (ValueError, OSError) as error:
            self.error = error
            raise

    def encode(self, *columns):
        texts, targets = columns[: 1 + self._pairs], columns[1 + self._pairs :]
        features = self._features(texts)
        return self._compared(features, *targets) if targets else features


def mapped_ahead(elements: tf.data.Dataset, function: Callable) -> tf.data.Dataset:
    """`elements.map(function)`, in order, some calls ahead. tf.data's own search for how many would
    run on the cores of the training, and the end of a pass wait for it, for seconds.
    """
    count = min(available_cpus(), _MOST_CALLS)
    options = tf.data.Options()
    options.autotune.enabled = False
    function = tf.autograph.experimental.do_not_convert(function)
    return elements.map(function, count).prefetch(count).with_options(options)


def _shares(step, rows, replicas: int, start: int, stop: int) -> tf.data.Dataset:
    """Cuts a batch (row numbers or columns) into shares of one size; gives `start` to `stop`."""
    count = tf.shape(tf.nest.flatten(rows)[0])[0]
    size = -(-count // replicas)

    def share(number):
        places = tf.cast(number, tf.int32) * size + tf.range(size)
        filled = tf.nest.map_structure(
            lambda column: tf.gather(column, tf.minimum(places, count - 1)), rows
        )
        return step * replicas + number, filled, tf.cast(places < count, tf.float32)

    return tf.data.Dataset.range(start, stop).map(share)
