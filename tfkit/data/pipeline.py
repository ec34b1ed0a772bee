"""`Examples` -> a `tf.data.Dataset` of token ids, ready for `model.fit`.

Rows are shuffled and batched as numbers; texts are looked up and tokenised a batch at a time, in
the graph, by the layer that also serves: one kernel call tokenises the whole batch.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfkit.data.buckets import fit_widths, plan_batches
from tfkit.data.examples import Examples

_MOST_WIDTHS = 8
_TEXTS_PER_COUNT = 1024


def dataset(
    examples: Examples,
    tokenizer,
    *,
    batch_size: int = 32,
    max_length: int | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    bucket: bool = True,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """Batches for `fit`, `evaluate` and `predict`; every row comes exactly once per pass.

    Every batch is as wide as one of at most eight widths that are fitted to the lengths of the
    texts, so that little is padding and a compiled training step knows few shapes.

    Args:
        examples: what `read` gives.
        tokenizer: a `DistilBertTokenizer`.
        batch_size: B, rows per batch; the last one (of each width, with buckets) may be smaller
            and comes at the end of the pass.
        max_length: tokens after which a text is cut, [CLS] and [SEP] included; None for
            `tokenizer.model_max_length`.
        shuffle: a new order in every pass. Without it batches keep the order of the rows, so that
            predictions line up with them.
        seed: makes the orders of a shuffled dataset repeatable.
        bucket: when shuffling, put texts of about one length into one batch.
        drop_remainder: leave out batches smaller than `batch_size`.

    Returns:
        A dataset of known cardinality: `(features, labels)`, or `features` if the examples have
        no labels, where features are `{"input_ids": int32 [B,T], "attention_mask": int32 [B,T]}`
        and labels int32 [B].

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
    if not isinstance(examples, Examples):
        raise TypeError(
            "Expected `examples` as `tfkit.data.read` gives them. "
            f"Received: {type(examples).__name__}."
        )
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1. Received: {batch_size}.")
    if drop_remainder and len(examples) < batch_size:
        raise ValueError(
            f"drop_remainder=True leaves no batch of {batch_size} rows. "
            f"Received: {len(examples)} examples. Use a smaller `batch_size`."
        )
    pairs = examples.text_pairs is not None
    layer = tokenizer.as_layer(max_length=max_length, padding="longest", pairs=pairs)
    columns = [tf.constant(examples.texts)]
    if pairs:
        columns.append(tf.constant(examples.text_pairs))
    labels = None if examples.labels is None else tf.constant(examples.labels, tf.int32)

    lengths = _token_counts(columns, layer)
    # Four full batches to a width at least: a width for few texts makes small batches.
    widths = fit_widths(lengths, max(1, min(_MOST_WIDTHS, len(examples) // (4 * batch_size))))

    def tokenise(rows):
        texts = tuple(tf.gather(column, rows) for column in columns)
        encoded = layer(texts if pairs else texts[0])
        features = _padded(encoded, widths, tokenizer.pad_token_id)
        return features if labels is None else (features, tf.gather(labels, rows))

    if shuffle:
        buckets = widths if bucket else widths[-1:]
        plan = plan_batches(lengths, buckets, batch_size, drop_remainder=drop_remainder)
        rows = _shuffled(plan, seed)
    else:
        rows = tf.data.Dataset.range(len(examples)).batch(batch_size, drop_remainder)
    return rows.map(tokenise, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _token_counts(columns, layer) -> np.ndarray:
    """N of each row, by one pass of the tokenizer over all texts."""
    texts = tf.data.Dataset.from_tensor_slices(tuple(columns)).batch(_TEXTS_PER_COUNT)
    counts = texts.map(
        lambda *texts: tf.reduce_sum(
            layer(texts if len(texts) > 1 else texts[0])["attention_mask"], axis=1
        ),
        tf.data.AUTOTUNE,
    )
    return np.concatenate(list(counts.as_numpy_iterator()))


def _padded(encoded, widths: tuple[int, ...], pad_token_id: int) -> dict[str, tf.Tensor]:
    """Pads a batch to the smallest of `widths` that holds it."""
    length = tf.shape(encoded["input_ids"])[1]
    width = tf.gather(widths, tf.searchsorted(widths, [length])[0])
    padding = [[0, 0], [0, width - length]]
    return {
        "input_ids": tf.pad(encoded["input_ids"], padding, constant_values=pad_token_id),
        "attention_mask": tf.pad(encoded["attention_mask"], padding),
    }


def _shuffled(plan, seed: int | None) -> tf.data.Dataset:
    """The plan's batches as row numbers: rows change places within buckets, batches among all."""
    order, groups = tf.constant(plan.order), tf.constant(plan.groups)
    starts, stops = tf.constant(plan.starts), tf.constant(plan.stops)

    def one_pass(pass_seed):
        seeds = tf.random.split([pass_seed, 0], 2)
        places = tf.random.experimental.stateless_shuffle(tf.range(len(plan.order)), seeds[0])
        places = tf.gather(places, tf.argsort(tf.gather(groups, places), stable=True))
        rows = tf.gather(order, places)
        batches = tf.random.experimental.stateless_shuffle(tf.range(len(plan.starts)), seeds[1])
        # Small batches last, as in any pass: MirroredStrategy sums the replicas' shares of the
        # first batch while Keras builds its metrics, so these must be of one size.
        sizes = tf.gather(stops - starts, batches)
        batches = tf.gather(batches, tf.argsort(sizes, direction="DESCENDING", stable=True))
        return tf.data.Dataset.from_tensor_slices(batches).map(
            lambda batch: rows[starts[batch] : stops[batch]]
        )

    passes = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).take(1)
    return passes.flat_map(one_pass).apply(
        tf.data.experimental.assert_cardinality(len(plan.starts))
    )
