"""`Examples` -> a `tf.data.Dataset` of token ids, ready for `model.fit`.

Rows are shuffled and batched as numbers; texts are looked up and tokenised a batch at a time, in
the graph, by the layer that also serves: one kernel call tokenises the whole batch.
"""

from __future__ import annotations

import tensorflow as tf

from tfkit.data.ahead import made_ahead
from tfkit.data.buckets import plan_batches
from tfkit.data.encoder import RowEncoder
from tfkit.data.examples import Examples
from tfkit.data.order import shuffled_pass


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
        and labels int32 [B]; of a multi-label task float32 [B,C], of a regression float32 [B,1].

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
    if drop_remainder and len(examples) < batch_size:
        raise ValueError(
            f"drop_remainder=True leaves no batch of {batch_size} rows. "
            f"Received: {len(examples)} examples. Use a smaller `batch_size`."
        )
    encode = RowEncoder(examples, tokenizer, batch_size=batch_size, max_length=max_length)
    if shuffle:
        widths = encode.widths if bucket else encode.widths[-1:]
        plan = plan_batches(encode.lengths, widths, batch_size, drop_remainder=drop_remainder)
        passes = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).take(1)
        rows = passes.flat_map(lambda pass_seed: shuffled_pass(plan, [pass_seed, 0])).apply(
            tf.data.experimental.assert_cardinality(len(plan.starts))
        )
    else:
        rows = tf.data.Dataset.range(len(examples)).batch(batch_size, drop_remainder)
    return made_ahead(rows, encode)
