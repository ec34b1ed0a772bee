"""Files larger than memory: rows that are read anew in every pass, into batches of token ids."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence

from tfkit.config_rules import check_problem_type
from tfkit.data.readers import columns_of, known_labels, unknown_label
from tfkit.data.sources import Source, source_of
from tfkit.data.table import BadRow, checked_rows, report_skipped

_ROWS_AT_ONCE = 1024


class Stream:
    """Texts that stay in their file; `stream` makes it.

    Attributes:
        names: the name of each class.
        problem_type: what a label is; None where there are none.
        skipped: the bad rows that are left out in every pass.
    """

    def __init__(
        self,
        source: Source,
        columns: Mapping[str, str],
        *,
        rows: int,
        problem_type: str | None,
        names: tuple[str, ...],
        known: Mapping[str, int],
        skipped: tuple[BadRow, ...],
    ):
        self.names, self.problem_type, self.skipped = names, problem_type, skipped
        self._source, self._columns, self._rows, self._known = source, columns, rows, known

    def __len__(self) -> int:
        return self._rows

    def __repr__(self) -> str:
        return f"Stream({len(self):,} rows of {self._source.name})"

    @property
    def id2label(self) -> dict[int, str]:
        """Class number -> name, as `DistilBertConfig` takes it."""
        return dict(enumerate(self.names))

    def dataset(
        self,
        tokenizer,
        *,
        batch_size: int = 32,
        max_length: int | None = None,
        shuffle: int = 0,
        seed: int | None = None,
    ):
        """Batches for `fit`, `evaluate` and `predict`; every row comes exactly once per pass.

        Args:
            tokenizer: a `DistilBertTokenizer`.
            batch_size: B; the last batch may be smaller.
            max_length: tokens after which a text is cut; None for `tokenizer.model_max_length`.
            shuffle: how many rows to draw from at a time, which are in memory; 0 keeps the order.
                Rows of one class that lie together are mixed with no others when there are more
                of them: shuffle such a file once before.
            seed: makes the order of every pass repeatable.

        Returns: a `tf.data.Dataset` of known cardinality, its elements as those of `dataset`.
        """
        import tensorflow as tf

        if batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1. Received: {batch_size}.")
        pairs = "text_pair" in self._columns
        layer = tokenizer.as_layer(max_length=max_length, padding="longest", pairs=pairs)
        texts = tuple(tf.TensorSpec([None], tf.string) for name in self._columns if name != "label")
        target = {
            None: (),
            "single_label_classification": (tf.TensorSpec([None], tf.int32),),
            "multi_label_classification": (tf.TensorSpec([None, len(self.names)], tf.float32),),
            "regression": (tf.TensorSpec([None, 1], tf.float32),),
        }[self.problem_type]

        def encode(*columns):
            features = layer(columns[: len(texts)] if pairs else columns[0])
            return (features, columns[-1]) if target else features

        rows = tf.data.Dataset.from_generator(self.chunks, output_signature=texts + target)
        rows = rows.unbatch()
        if shuffle:
            rows = rows.shuffle(shuffle, seed=seed, reshuffle_each_iteration=True)
        batches = rows.batch(batch_size).map(encode, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
        count = -(-len(self) // batch_size)
        return batches.apply(tf.data.experimental.assert_cardinality(count))

    def chunks(self) -> Iterator[tuple[tuple, ...]]:
        """Rows as columns (texts, second texts of pairs, labels), some at a time.

        What comes to TensorFlow row by row is slow.
        """
        rows = iter(self._checked())
        while chunk := list(itertools.islice(rows, _ROWS_AT_ONCE)):
            yield tuple(zip(*chunk))

    def _checked(self) -> Iterator[tuple]:
        for _, row in checked_rows(self._source, self._columns, self.problem_type):
            if isinstance(row, str):
                continue  # the first pass has reported it
            label = row.pop("label", None)
            if label is None:
                yield tuple(row.values())
            elif (target := self._target(label)) is not None:
                yield (*row.values(), target)

    def _target(self, label):
        if self.problem_type == "regression":
            return [label]
        if self.problem_type == "single_label_classification":
            return self._known.get(label)
        numbers = [self._known.get(part) for part in label]
        if None in numbers:
            return None
        return [float(number in numbers) for number in range(len(self.names))]


def stream(
    source: str | os.PathLike | Mapping | Sequence,
    *,
    text: str = "text",
    label: str | None = "label",
    text_pair: str | None = None,
    format: str | None = None,
    names: Sequence[str] | Mapping | None = None,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    problem_type: str | None = None,
    skip_bad_rows: bool = False,
) -> Stream:
    """Reads a file without holding its texts: some megabytes of memory for any size of it.

    A first pass over the rows finds the classes, counts, and reports whatever is wrong, before
    any training begins.

    Args:
        source: what `read` takes, if it can be read more than once: a file, a folder, a dataset.
        text, label, text_pair, format, names, encoding, delimiter, skip_bad_rows: as in `read`.
        problem_type: as in `read`; None is one class a text.

    Raises:
        TypeError: the source can be read once only.
        ValueError: as `read`.

    Example:

        >>> rows = stream([("good", "pos"), ("bad bad", "neg"), ("bad", "neg")])
        >>> len(rows), rows.names
        (3, ('neg', 'pos'))
        >>> from tfkit.text.tokenizer import DistilBertTokenizer
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
        >>> batches = rows.dataset(DistilBertTokenizer(words), batch_size=2)
        >>> [labels.numpy().tolist() for _, labels in batches]
        [[1, 0], [0]]
    """
    check_problem_type(problem_type)
    if isinstance(source, Iterator):
        raise TypeError(
            "Expected a source that can be read more than once, such as a file. Received: "
            f"{type(source).__name__}. Write its rows to a file, or use `read`."
        )
    kind = problem_type or "single_label_classification"
    columns = columns_of(text, text_pair, label)
    options = {"format": format, "encoding": encoding, "delimiter": delimiter}
    opened = source_of(source, columns, lenient=skip_bad_rows, **options)
    skipped: list[BadRow] = []

    def leave_out(number: int, reason: str) -> None:
        skipped.append(BadRow(number, opened.place(number), reason))
        if not skip_bad_rows:
            raise ValueError(f"{skipped[0]} skip_bad_rows=True leaves such rows out.")

    rows, places = 0, {}  # the first row of each label, or set of labels, and how many there are
    for number, row in checked_rows(opened, columns, kind):
        if isinstance(row, str):
            leave_out(number, row)
            continue
        rows += 1
        if label is not None and kind != "regression":
            places.setdefault(row["label"], [number, 0])[1] += 1
    known, class_names = {}, (label,) if label is not None else ()
    if label is not None and kind != "regression":
        several = kind == "multi_label_classification"
        found = set(itertools.chain.from_iterable(places)) if several else set(places)
        known, class_names = known_labels(found, names, opened.names)
        for value, (number, count) in places.items():
            strange = [part for part in (value if several else [value]) if part not in known]
            if strange:
                also = f" (and of {count - 1:,} more rows)" if count > 1 else ""
                leave_out(number, unknown_label(strange[0], class_names) + also)
                rows -= count
    report_skipped(opened, skipped, rows)
    return Stream(
        opened,
        columns,
        rows=rows,
        problem_type=None if label is None else kind,
        names=class_names,
        known=known,
        skipped=tuple(sorted(skipped)),
    )
