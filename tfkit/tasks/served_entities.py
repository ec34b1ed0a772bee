"""Entities in texts, from the scores of tokens: in the graph, as the pipeline's in Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from tfkit.tasks.serving import Signature
from tfkit.utils.lazy import tf

STRATEGIES = ("none", "simple", "first", "average", "max")
_FILL = {"label": "", "score": 0.0, "start": -1, "end": -1}


class EntityDecoder:
    """Scores of tokens -> entities, by one of `STRATEGIES`: "none" gives tokens; "simple" joins
    neighbours of one kind, where a label of the form "B-…" begins another; before that, "first",
    "average" and "max" give all tokens of a word the label of its first, of their mean scores, or
    of the surest. What is labelled "O" is left out.

    Args:
        labels: of the classes, in the order of the scores.
        strategy: one of `STRATEGIES`; a ValueError for others.

    Source: transformers 5, `pipelines/token_classification.py`, for what is joined how.
    """

    def __init__(self, labels: Sequence[str], strategy: str):
        if strategy not in STRATEGIES:
            raise ValueError(
                f"Expected `aggregation_strategy` to be one of {', '.join(STRATEGIES)}. Received: "
                f"{strategy!r}."
            )
        self._strategy = strategy
        kinds = [label[2:] if label[:2] in ("B-", "I-") else label for label in labels]
        self._begins = np.array([label.startswith("B-") for label in labels])
        self._kinds = np.array([kinds.index(kind) for kind in kinds], np.int32)
        joined = strategy != "none"
        self.names = [label.split("-", 1)[-1] if joined else label for label in labels]
        self._kept = np.array([name != "O" for name in self.names])

    def words(self, scores, written, size, start, end):
        """Words, or tokens, of all rows in turn: row `[W]`, scores `[W,C]`, start and end `[W]`.

        Args:
            scores: float32 `[n,T,C]`.
            written: bool `[n,T]`, False for special tokens and padding.
            size: int32 `[n,T]`, see `token_sizes`.
            start, end: the tokens' characters, int32 `[n,T]` each.
        """
        places = tf.where(written)
        row = tf.cast(places[:, 0], tf.int32)
        scores, size, start, end = (tf.gather_nd(x, places) for x in (scores, size, start, end))
        if self._strategy in ("none", "simple"):
            return row, scores, start, end
        first = _indices(_another(row) | (size == 0) | (size == end - start))
        last = _lasts(first, row)
        if self._strategy == "first":
            of_words = tf.gather(scores, first)
        else:
            word = tf.searchsorted(first, tf.range(tf.size(row)), side="right") - 1
            if self._strategy == "average":
                of_words = tf.math.segment_mean(scores, word)
            else:
                best = tf.reduce_max(scores, -1)
                surest = best == tf.gather(tf.math.segment_max(best, word), word)
                at = tf.where(surest, tf.range(tf.size(row)), tf.size(row) - 1)
                of_words = tf.gather(scores, tf.math.segment_min(at, word))
        return tf.gather(row, first), of_words, tf.gather(start, first), tf.gather(end, last)

    def __call__(self, scores, written, size, start, end) -> dict:
        """The same -> count `[n]`, and label, a number of `names`, score, start and end `[n,T]`,
        of which those from `count` on are zeros.
        """
        shape = tf.shape(written)
        row, scores, start, end = self.words(scores, written, size, start, end)
        label, score = tf.argmax(scores, -1, tf.int32), tf.reduce_max(scores, -1)
        if self._strategy != "none":
            kind = tf.gather(self._kinds, label)
            first = _indices(_another(row) | _another(kind) | tf.gather(self._begins, label))
            last = _lasts(first, row)
            entity = tf.searchsorted(first, tf.range(tf.size(row)), side="right") - 1
            score = tf.math.segment_mean(score, entity)
            row, label, start = (tf.gather(x, first) for x in (row, label, start))
            end = tf.gather(end, last)
        kept = _indices(tf.gather(self._kept, label))
        row, *found = (tf.gather(x, kept) for x in (row, label, score, start, end))
        count = tf.math.unsorted_segment_sum(tf.ones_like(row), row, shape[0])
        before = tf.gather(tf.cumsum(count, exclusive=True), row)
        at = tf.stack([row, tf.range(tf.size(row)) - before], 1)
        dense = [tf.scatter_nd(at, x, shape) for x in found]
        return {"count": count, **dict(zip(_FILL, dense))}


class Entities(Signature):
    """Strings `[B]` -> label string, score float32, start and end int32 `[B,E]`, characters of the
    text, and count int32 `[B]`. E is the largest count; what follows a row's own is "", 0, -1, -1.

    Raises:
        ValueError: there is no such strategy, or an added token of normalised text takes the white
            space beside it, and its length cannot be told.
    """

    inputs: ClassVar = {"text": 1}
    queue = "text"
    offsets = True
    options: ClassVar = {"aggregation_strategy": "first"}
    outputs = (*_FILL, "count")
    called = "entities"

    def __init__(self, model, tokenizer, max_length, **options):
        super().__init__(model, tokenizer, max_length, **options)
        self._decode = EntityDecoder(model.labels, self.chosen["aggregation_strategy"])
        self._sizes = token_sizes(tokenizer)

    @property
    def found(self):
        tokens = [None, None]
        return {
            "count": tf.TensorSpec([None], tf.int32),
            "label": tf.TensorSpec(tokens, tf.int32),
            "score": tf.TensorSpec(tokens),
            "start": tf.TensorSpec(tokens, tf.int32),
            "end": tf.TensorSpec(tokens, tf.int32),
        }

    def compute(self, batch):
        logits, *tokens = self._tokens(batch)
        found = self._decode(tf.nn.softmax(logits), *tokens)
        padding = batch["attention_mask"][:, :, None] < 1
        known = tf.reduce_all(tf.math.is_finite(logits) | padding, [1, 2])
        # Of a row with NaN no score is a number, whatever was made of it.
        found["score"] = tf.where(known[:, None], found["score"], np.nan)
        return found

    def _tokens(self, batch):
        """Logits, and what else the decoder takes."""
        inputs = {name: batch[name] for name in self.model.model_input_names}
        logits = self.model(inputs, padding_free=True, training=False).logits
        start, end = tf.unstack(batch["offset_mapping"], axis=-1)
        size = tf.gather(self._sizes, batch["input_ids"])
        return tf.cast(logits, tf.float32), within(batch["attention_mask"]), size, start, end

    def answer(self, found, *inputs):
        count = found["count"]
        most = tf.reduce_max(tf.concat([count, [0]], 0))
        there = tf.sequence_mask(count, most)
        values = {key: found[key][:, :most] for key in _FILL}
        values["label"] = tf.gather(tf.constant(self._decode.names), values["label"])
        for key, x in values.items():
            values[key] = tf.where(there, x, tf.constant(_FILL[key], x.dtype))
        return {**values, "count": count}

    @staticmethod
    def read(row):
        columns = {key: row[key][: row["count"]] for key in _FILL}
        return [dict(zip(columns, each)) for each in zip(*columns.values())]

    def piped(self, pipeline, text):
        strategy = self.chosen["aggregation_strategy"]
        found = pipeline(text, aggregation_strategy=strategy)
        key = "entity" if strategy == "none" else "entity_group"
        keys = {"label": key, "score": "score", "start": "start", "end": "end"}
        return [[{one: x[its] for one, its in keys.items()} for x in each] for each in found]

    def margins(self, text):
        logits, *tokens = self._tokens(self.batch(text))
        row, scores, _, _ = self._decode.words(tf.nn.softmax(logits), *tokens)
        best, second = tf.unstack(tf.math.top_k(scores, 2).values, axis=-1)
        return tf.math.unsorted_segment_min(best - second, row, tf.shape(text)[0]).numpy()


class TokenScores(Signature):
    """Token ids, mask and the like, int32 `[B,T]` each -> logits `[B,T,C]`, scores `[B,T,C]`; of
    padding zeros.
    """

    @property
    def found(self):
        return {"logits": tf.TensorSpec([None, None, self.model.config.num_labels])}

    def compute(self, batch):
        logits = self.model(batch, padding_free=True, training=False).logits
        return {"logits": tf.cast(logits, tf.float32)}

    def answer(self, found, *inputs):
        names = self.model.model_input_names
        real = inputs[names.index("attention_mask")][:, :, None] != 0
        scores = self.model.answered(found["logits"])
        values = {**found, "scores": scores}
        return {key: tf.where(real, x, tf.zeros_like(x)) for key, x in values.items()}


def within(mask):
    """Which tokens are of the text, bool `[B,T]`: the first and the last of a row are special."""
    count = tf.cumsum(mask, axis=1)
    return (mask > 0) & (count > 1) & (count < count[:, -1:])


def token_sizes(tokenizer) -> np.ndarray:
    """The characters of each token as the pipeline compares them with its place in the text; 0 for
    what always begins a word.
    """
    core = tokenizer.core
    sizes = np.zeros(max(tokenizer.get_vocab().values()) + 1, np.int32)
    for index in range(len(sizes)):
        token = core.token(index)
        if token is not None and index != tokenizer.unk_token_id:
            sizes[index] = len(token)
    for index, token in core.table.added.items():
        if (token.lstrip or token.rstrip) and token.normalized:
            raise ValueError(
                "Expected added tokens that leave the white space beside them, or are looked for "
                f"in the text as it is written. Received {token}. Add it with "
                "`AddedToken(..., normalized=False)`."
            )
        if token.lstrip or token.rstrip:  # shown as they are written
            sizes[index] = 0
    return sizes


def _indices(mask):
    return tf.cast(tf.reshape(tf.where(mask), [-1]), tf.int32)


def _another(values):
    """Where a value differs from the one before."""
    return tf.concat([tf.ones_like(values[:1], tf.bool), values[1:] != values[:-1]], 0)


def _lasts(first, values):
    """The last places of groups that begin at `first` and fill `values`."""
    return tf.concat([first[1:], [tf.size(values)]], 0)[: tf.size(first)] - 1
