"""The functions that a SavedModel offers, built on a model and its tokenizer."""

from __future__ import annotations

import tensorflow as tf

from tfkit.export.serving.batching import Batching, batched, in_chunks

# Signature -> its inputs, in the order of the arguments of the method of the same name.
INPUTS = {
    "text": [tf.TensorSpec([None], tf.string, name="text")],
    "text_pair": [
        tf.TensorSpec([None], tf.string, name="text"),
        tf.TensorSpec([None], tf.string, name="text_pair"),
    ],
    "tokens": [
        tf.TensorSpec([None, None], tf.int32, name="input_ids"),
        tf.TensorSpec([None, None], tf.int32, name="attention_mask"),
    ],
    "classify": [tf.TensorSpec([None], tf.string, name="inputs")],
    "embed": [tf.TensorSpec([None], tf.string, name="text")],
}


class Signatures:
    """One method a signature; `concrete` traces those that are asked for.

    Every input is checked for its rank in the graph, since the server lets any through: a scalar
    that reaches the tokenizer's kernels would end the whole process.

    Args:
        model: a sequence classifier with labels in its config.
        tokenizer: its tokenizer.
        max_length: texts are cut to so many tokens.
        batching: how to merge requests in the graph; None computes each by itself.
    """

    def __init__(self, model, tokenizer, max_length: int, batching: Batching | None = None):
        self._model = model
        self._names = [*model.config.id2label.values()]
        self._longest = model.config.max_position_embeddings
        self._batching = batching
        options = {"max_length": max_length, "padding": "longest"}
        tokenize = tokenizer.as_layer(**options)
        tokenize_pairs = tokenizer.as_layer(**options, pairs=True)
        # What requests share a batch of: the parts that cost time, and that no input makes fail.
        text, pair = INPUTS["text"], INPUTS["text_pair"]
        self._of_text = batched(lambda x: self._logits(tokenize(x)), text, batching, "text")
        self._of_pair = batched(
            lambda *x: self._logits(tokenize_pairs(x)), pair, batching, "text_pair"
        )
        self._of_tokens = batched(self._token_logits, INPUTS["tokens"], batching, "tokens")
        self._mean = batched(lambda x: self._embedding(tokenize(x)), text, batching, "embed")

    def text(self, text):
        """Strings `[B]` -> label string `[B]`, score `[B]`, scores `[B,C]`."""
        return self._labelled(self._of_text(tf.ensure_shape(text, [None])))

    def text_pair(self, text, text_pair):
        """Two texts a row, strings `[B]` each -> as `text`."""
        texts = tf.ensure_shape(text, [None]), tf.ensure_shape(text_pair, [None])
        return self._labelled(self._of_pair(*_checked(texts, [_same_shape(*texts)])))

    def tokens(self, input_ids, attention_mask):
        """Token ids and mask, int32 `[B,T]` each -> logits `[B,C]`, scores `[B,C]`.

        A token is real where the mask is not 0. Rows without a real one are refused: their answer
        would depend on how they are padded.
        """
        shapes = [tf.ensure_shape(x, [None, None]) for x in (input_ids, attention_mask)]
        input_ids, attention_mask = _checked(shapes, [_same_shape(*shapes)])
        real = attention_mask != 0
        input_ids, real = _checked((input_ids, real), self._token_checks(input_ids, real))
        logits = _finite(self._of_tokens(*self._even(input_ids, tf.cast(real, tf.int32))))
        return {"logits": logits, "scores": self._model.task.scores(logits)}

    def classify(self, inputs):
        """Serialised tf.Examples `[B]` with a feature `text` -> classes string `[B,C]`, scores
        `[B,C]`: what the server's Classify API asks for.
        """
        features = {"text": tf.io.FixedLenFeature([], tf.string)}
        texts = tf.io.parse_example(tf.ensure_shape(inputs, [None]), features)["text"]
        logits = _finite(self._of_text(texts))
        classes = tf.broadcast_to(tf.constant([self._names]), tf.shape(logits))
        return {"classes": classes, "scores": self._model.task.scores(logits)}

    def embed(self, text):
        """Strings `[B]` -> embedding `[B,D]`: the mean of the last hidden states of a text's
        tokens, [CLS] and [SEP] included, which does not depend on the texts beside it.
        """
        return {"embedding": _finite(self._mean(tf.ensure_shape(text, [None])))}

    def _logits(self, batch) -> tf.Tensor:
        def part(rows):
            return tf.cast(self._model(rows, training=False).logits, tf.float32)

        return in_chunks(part, batch, self._model.config.num_labels)

    def _embedding(self, batch) -> tf.Tensor:
        return in_chunks(self._mean_state, batch, self._model.config.hidden_size)

    def _mean_state(self, batch) -> tf.Tensor:
        # Nobody sees the states of padding, so they need not be computed.
        outputs = self._model(batch, training=False, output_hidden_states=True, padding_free=True)
        states = tf.cast(outputs.hidden_states[-1], tf.float32)  # [B,T,D]
        weights = tf.cast(batch["attention_mask"], tf.float32)[:, :, None]
        return tf.reduce_sum(states * weights, 1) / tf.reduce_sum(weights, 1)

    def _token_logits(self, input_ids, attention_mask) -> tf.Tensor:
        if self._batching is not None:
            # What `_even` added beyond the longest row of the batch.
            column = tf.range(1, self._longest + 1)
            length = tf.maximum(tf.reduce_max(attention_mask * column), 1)
            input_ids, attention_mask = input_ids[:, :length], attention_mask[:, :length]
        return self._logits({"input_ids": input_ids, "attention_mask": attention_mask})

    def _even(self, *rows: tf.Tensor) -> list[tf.Tensor]:
        """Rows `[B,T]` as requests can share a batch of them: all of the longest T there is."""
        if self._batching is None:
            return list(rows)
        return [
            tf.ensure_shape(
                tf.pad(x, [[0, 0], [0, self._longest - tf.shape(x)[1]]]), [None, self._longest]
            )
            for x in rows
        ]

    def _token_checks(self, input_ids, real) -> list[tf.Operation]:
        size, longest = self._model.config.vocab_size, self._longest
        inside = tf.reduce_all((input_ids >= 0) & (input_ids < size))
        length = tf.shape(input_ids)[1]
        some = tf.reduce_all(tf.reduce_any(real, 1))
        # With `pad_variable_length_inputs` a batching server fills rows up with what a row begins
        # with, ids with [CLS] and the mask with 1, and the model would answer something else.
        firsts, _ = tf.unique(tf.reshape(input_ids[:, :1], [-1]))
        last = (slice(None), slice(1, None)), (slice(None), slice(-1, None))
        ids, unmasked = (x[last[0]][last[1]] for x in (input_ids, real))  # [B,1], or [B,0]
        filled = tf.reduce_any(unmasked[:, :, None] & (ids[:, :, None] == firsts))
        return [
            tf.debugging.Assert(condition, [f"Expected {what} Received:", received], summarize=8)
            for condition, what, received in (
                (inside, f"`input_ids` from 0 to {size - 1}.", input_ids),
                ((length > 0) & (length <= longest), f"from 1 to {longest} tokens a row.", length),
                (some | (length < 1), "a token in each row whose mask is not 0.", real),
                (
                    ~filled,
                    "rows that do not end in a token that a row begins with, unless it is masked: "
                    "a server with `pad_variable_length_inputs` makes such rows. Turn it off.",
                    input_ids,
                ),
            )
        ]

    def _labelled(self, logits) -> dict[str, tf.Tensor]:
        return self._model.task.served(_finite(logits), self._names)

    def concrete(self, names) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """Name -> the traced function."""
        traced = {}
        for name in names:
            function = tf.function(getattr(self, name), input_signature=INPUTS[name])
            traced[name] = function.get_concrete_function()
        return traced


def _finite(values: tf.Tensor) -> tf.Tensor:
    """The values, after the batch that requests shared: only those with others are refused."""
    return tf.debugging.check_numerics(values, "Expected finite numbers from the model")


def _same_shape(one: tf.Tensor, other: tf.Tensor) -> tf.Operation:
    shapes = tf.shape(one), tf.shape(other)
    equal = tf.reduce_all(tf.equal(*shapes))
    return tf.debugging.Assert(equal, ["Expected two inputs of one shape. Received:", *shapes])


def _checked(tensors, checks: list[tf.Operation]) -> list[tf.Tensor]:
    """The tensors, once the checks have passed: what fails alone must not fail in a batch."""
    with tf.control_dependencies(checks):
        return [tf.identity(x) for x in tensors]
