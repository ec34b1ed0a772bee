"""Texts that belong together -> batches for a loss that compares all texts of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfkit.data.examples import Examples, LabelledTexts
from tfkit.data.pipeline import mapped_ahead
from tfkit.utils.strings import utf8


class PairEpochs:
    """Batches of examples pass after pass, as `Epochs` has them: which rows are in which depends on
    seed and place alone.

    An element is `(features, labels)`: the unpadded tokens of columns · B texts, B of each column
    after the other, and labels int32 `[columns · B]`, which are equal for texts that belong
    together, see `tfkit.tasks.ranking.MultipleNegativesRanking`.

    Args:
        examples: rows of an anchor, a positive, and perhaps hard negatives, or `Examples` with
            pairs; or `Examples` with one class per text, of which a positive is another text of
            the class, drawn in every pass.
        tokenizer, batch_size, max_length, seed: as of `Epochs`; B counts examples.
        token_types: whether the model takes `token_type_ids`.
    """

    def __init__(
        self,
        examples: Sequence[Sequence[str]] | Examples,
        tokenizer,
        *,
        batch_size: int = 32,
        max_length: int | None = None,
        seed: int = 0,
        token_types: bool = False,
    ):
        self._texts, self._draw, labels = _table(examples)
        self._labels, self._seed = tf.constant(labels, tf.int32), seed
        self.rows, self.columns = self._draw(np.random.default_rng(seed)).shape
        if self.rows < 2:
            raise ValueError(
                "Expected two examples at least, since each is compared with the others of its "
                f"batch. Received {self.rows}."
            )
        self._batch_size, self.steps = batch_size, -(-self.rows // batch_size)
        layer = tokenizer.as_layer(max_length=max_length, return_token_type_ids=token_types)
        column = tf.TensorSpec([None], tf.string)
        self._tokenize = tf.function(layer.unpadded, [column], autograph=False)

    def dataset(self, first_step: int = 0, *, change: Callable | None = None) -> tf.data.Dataset:
        """Batches from `first_step` on, counted from the beginning of the first pass, without end;
        `change` as of `Epochs.dataset`.
        """
        first_epoch, skipped = divmod(first_step, self.steps)
        rows = tf.data.Dataset.from_generator(
            lambda: self._passes(first_epoch),
            output_signature=tf.TensorSpec([self.columns, None], tf.int32),
        )

        def encode(number, rows):
            places = tf.reshape(rows, [-1])
            features = self._tokenize(tf.gather(self._texts, places))
            if change is not None:
                features = change(number, features)
            return features, tf.gather(self._labels, places)

        return mapped_ahead(rows.skip(skipped).enumerate(first_step), encode)

    def raise_own_error(self) -> None:
        """Nothing is read while it trains."""

    def _passes(self, epoch: int):
        while True:
            random = np.random.default_rng([self._seed, epoch])
            rows = self._draw(random)[random.permutation(self.rows)]
            for start in range(0, self.rows, self._batch_size):
                yield rows[start : start + self._batch_size].T
            epoch += 1


def _table(examples) -> tuple[list[bytes], Callable, np.ndarray]:
    """Texts, a function that draws examples of their places `[n,columns]`, and their labels."""
    if isinstance(examples, LabelledTexts) and not isinstance(examples, Examples):
        raise TypeError(
            "Expected pairs in memory: a list of tuples, or what `tfkit.data.read` gives. Received "
            f"a {type(examples).__name__}."
        )
    if isinstance(examples, Examples) and not examples.has_pairs:
        return _of_classes(examples)
    if isinstance(examples, Examples) and examples.has_labels:
        raise ValueError(
            "Expected pairs that belong together, without labels. Received labelled ones: keep "
            "those that do, and read them with `label=None`."
        )
    columns = examples.columns if isinstance(examples, Examples) else _columns(examples)
    places: dict[str, int] = {}
    rows = np.array([[places.setdefault(t, len(places)) for t in row] for row in zip(*columns)])
    labels = _together(rows[:, :2], len(places))
    return [utf8(text) for text in places], lambda random: rows, labels


def _columns(rows: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    rows = [tuple(row) if isinstance(row, (list, tuple)) else (row,) for row in rows]
    widths = {len(row) for row in rows}
    if len(widths) != 1 or min(widths) < 2 or any(type(t) is not str for r in rows for t in r):
        odd = next((r for r in rows if len(r) < 2 or any(type(t) is not str for t in r)), rows[:2])
        raise ValueError(
            "Expected rows of an anchor, a positive, and perhaps hard negatives: as many strings "
            f"in each row. Received: {odd!r:.100}."
        )
    return list(zip(*rows))


def _together(pairs: np.ndarray, count: int) -> np.ndarray:
    """A number for each of `count` texts, the same for those that pairs connect."""
    labels = np.arange(count)

    def first(place):
        while labels[place] != place:
            labels[place] = place = labels[labels[place]]
        return place

    for one, other in pairs.tolist():
        labels[first(one)] = first(other)
    return np.array([first(place) for place in range(count)])


def _of_classes(examples: Examples) -> tuple[list[bytes], Callable, np.ndarray]:
    task = examples.task
    if not examples.has_labels or not task.has_classes or task.multi_label:
        raise ValueError(
            "Expected pairs of texts, or one class per text. Received "
            f"{examples!r}. Read pairs with `text_pair=`, or classes with `label=`."
        )
    labels = np.asarray(examples.labels)
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(len(examples.names)))
    counts = np.bincount(labels, minlength=len(examples.names))
    place = np.empty(len(labels), int)
    place[order] = np.arange(len(labels)) - starts[labels[order]]

    def draw(random) -> np.ndarray:
        # Another text of the class, or of a class of one text that text itself.
        size = counts[labels]
        steps = random.integers(1, np.maximum(size, 2))
        positives = order[starts[labels] + (place + steps) % size]
        return np.stack([np.arange(len(labels)), positives], axis=1)

    return [utf8(text) for text in examples.columns[0]], draw, labels
