"""Rows -> token ids and targets, in the graph: by their numbers in `Examples`, or by columns."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfkit.data.ahead import made_ahead
from tfkit.data.buckets import fit_widths
from tfkit.data.examples import Examples, check_examples
from tfkit.data.streams import Stream

_MOST_WIDTHS = 8
_TEXTS_PER_COUNT = 1024


class RowEncoder:
    """Looks texts up by their row numbers and tokenises them a batch at a time.

    Every batch is padded to one of at most eight widths, which are fitted to the texts.

    Args:
        examples: what `read` gives.
        tokenizer: a `DistilBertTokenizer`.
        batch_size: B, for how many widths there are.
        max_length: tokens after which a text is cut; None for `tokenizer.model_max_length`.

    Attributes:
        lengths: int `[rows]`, N real tokens of each text.
        widths: in ascending order; the last is the longest of `lengths`.
    """

    def __init__(self, examples: Examples, tokenizer, *, batch_size: int, max_length: int | None):
        check_examples(examples)
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1. Received: {batch_size}.")
        self._pairs = examples.has_pairs
        self._layer = _traced(tokenizer, max_length, self._pairs)
        self._columns = [tf.constant(column) for column in examples.columns]
        self._targets = None if examples.labels is None else tf.constant(examples.targets())
        self._pad_token_id = tokenizer.pad_token_id
        self.lengths = self._token_counts()
        # Four full batches to a width at least: a width for few texts makes small batches.
        self.widths = fit_widths(
            self.lengths, max(1, min(_MOST_WIDTHS, len(examples) // (4 * batch_size)))
        )

    def __call__(self, rows):
        """Row numbers int `[B]` -> `(features, targets)`, or features where there are no labels."""
        features = self._padded(self._encode([tf.gather(column, rows) for column in self._columns]))
        if self._targets is None:
            return features
        targets = tf.gather(self._targets, rows)
        return features, tf.cast(targets, tf.float32) if targets.dtype == tf.uint8 else targets

    def _encode(self, columns):
        return self._layer(tuple(columns) if self._pairs else columns[0])

    def _token_counts(self) -> np.ndarray:
        """N of each row, by one pass of the tokenizer over all texts."""
        texts = tf.data.Dataset.from_tensor_slices(tuple(self._columns)).batch(_TEXTS_PER_COUNT)
        counts = made_ahead(
            texts, lambda *texts: tf.reduce_sum(self._encode(texts)["attention_mask"], axis=1)
        )
        return np.concatenate(list(counts.as_numpy_iterator()))

    def _padded(self, encoded) -> dict[str, tf.Tensor]:
        """Pads a batch to the smallest width that holds it."""
        length = tf.shape(encoded["input_ids"])[1]
        width = tf.gather(self.widths, tf.searchsorted(self.widths, [length])[0])
        padding = [[0, 0], [0, width - length]]
        return {
            "input_ids": tf.pad(encoded["input_ids"], padding, constant_values=self._pad_token_id),
            "attention_mask": tf.pad(encoded["attention_mask"], padding),
        }


def _traced(tokenizer, max_length: int | None, pairs: bool):
    """The tokenizer as a function of texts, or of a tuple of two: its graph is made once."""
    layer = tokenizer.as_layer(max_length=max_length, padding="longest", pairs=pairs)
    column = tf.TensorSpec([None], tf.string)
    return tf.function(layer, [(column, column) if pairs else column], autograph=False)


class ColumnEncoder:
    """Tokenises the texts of a batch, padded to the longest of them.

    Args:
        stream: what `stream` gives.
        tokenizer: a `DistilBertTokenizer`.
        max_length: tokens after which a text is cut; None for `tokenizer.model_max_length`.

    Attributes:
        signature: of the columns of a batch.
    """

    def __init__(self, stream: Stream, tokenizer, *, max_length: int | None):
        self._texts = 1 + stream.has_pairs
        self._layer = _traced(tokenizer, max_length, stream.has_pairs)
        target = {
            None: (),
            "single_label_classification": (tf.TensorSpec([None], tf.int32),),
            "multi_label_classification": (tf.TensorSpec([None, len(stream.names)], tf.float32),),
            "regression": (tf.TensorSpec([None, 1], tf.float32),),
        }[stream.problem_type]
        self.signature = (*[tf.TensorSpec([None], tf.string)] * self._texts, *target)

    def __call__(self, *columns):
        """Texts, second texts, targets -> `(features, targets)`, or features without labels."""
        texts, targets = columns[: self._texts], columns[self._texts :]
        features = self._layer(texts if self._texts > 1 else texts[0])
        return (features, *targets) if targets else features
