"""The functions that a SavedModel offers, built on a model and its tokenizer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import tensorflow as tf

from tfkit.export.serving.batching import Batching, batched, in_chunks
from tfkit.models.inputs import takes_token_types


def _specs(shape: list[None], dtype, *names: str) -> list[tf.TensorSpec]:
    return [tf.TensorSpec(shape, dtype, name=name) for name in names]


# Signature -> its inputs, in the order of the arguments of the method of the same name; `tokens`
# takes the model's own.
INPUTS = {
    "text": _specs([None], tf.string, "text"),
    "text_pair": _specs([None], tf.string, "text", "text_pair"),
    "tokens": _specs([None, None], tf.int32),
    "classify": _specs([None], tf.string, "inputs"),
    "embed": _specs([None], tf.string, "text"),
}


class Signatures:
    """One method per signature; `concrete` traces those that are asked for.

    The rank of every input is checked in the graph, since the server passes any: a scalar in the
    tokenizer's kernels would end the whole process.
    """

    def __init__(self, model, tokenizer, max_length: int, batching: Batching | None = None):
        self._model = model
        self._names = [*model.config.id2label.values()]
        self._longest = model.config.max_position_embeddings
        self._batching = batching
        options = {
            "max_length": max_length,
            "padding": "longest",
            "return_token_type_ids": takes_token_types(model),
        }
        tokenize = tokenizer.as_layer(**options)
        tokenize_pairs = tokenizer.as_layer(**options, pairs=True)
        tokens = _specs([None, None], tf.int32, *model.model_input_names)
        self._inputs = {**INPUTS, "tokens": tokens}
        # What concurrent requests share: what costs time, and cannot fail on any input.
        text, pair = INPUTS["text"], INPUTS["text_pair"]
        self._of_text = batched(lambda x: self._outputs(tokenize(x)), text, batching, "text")
        self._of_pair = batched(
            lambda *x: self._outputs(tokenize_pairs(x)), pair, batching, "text_pair"
        )
        self._of_tokens = batched(
            lambda *x: self._outputs(self._named(x)), tokens, batching, "tokens"
        )
        self._embedded = batched(lambda x: self._embedding(tokenize(x)), text, batching, "embed")

    def text(self, text):
        """Strings `[B]` -> label string `[B]`, score `[B]`, scores `[B,C]`."""
        return self._labelled(self._of_text(tf.ensure_shape(text, [None])))

    def text_pair(self, text, text_pair):
        """Pairs of texts, strings `[B]` each -> as `text`."""
        texts = tf.ensure_shape(text, [None]), tf.ensure_shape(text_pair, [None])
        return self._labelled(self._of_pair(*_checked(texts, [_same_shape(texts)])))

    def tokens(self, *inputs):
        """Token ids, mask and the like, int32 `[B,T]` each -> logits `[B,C]`, scores `[B,C]`; of a
        sentence encoder embedding `[B,D]`.

        Rows without a token whose mask is not 0 are refused: their answer would depend on padding.
        """
        inputs = [tf.ensure_shape(x, [None, None]) for x in inputs]
        batch = self._named(_checked(inputs, [_same_shape(inputs)]))
        batch["attention_mask"] = tf.cast(batch["attention_mask"] != 0, tf.int32)
        rows = _checked(batch.values(), self._token_checks(**batch))
        return self._model.served(_finite(self._of_tokens(*map(self._padded, rows))))

    def classify(self, inputs):
        """Serialized tf.Examples `[B]` with `text` -> classes string `[B,C]`, scores `[B,C]`."""
        features = {"text": tf.io.FixedLenFeature([], tf.string)}
        texts = tf.io.parse_example(tf.ensure_shape(inputs, [None]), features)["text"]
        logits = _finite(self._of_text(texts))
        classes = tf.broadcast_to(tf.constant([self._names]), tf.shape(logits))
        return {"classes": classes, "scores": self._model.task.scores(logits)}

    def embed(self, text):
        """Strings `[B]` -> embedding `[B,D]`: mean of the last states, [CLS] and [SEP] included, or
        what a sentence encoder makes of them.
        """
        return {"embedding": _finite(self._embedded(tf.ensure_shape(text, [None])))}

    def _named(self, inputs) -> dict[str, tf.Tensor]:
        return dict(zip(self._model.model_input_names, inputs))

    def _outputs(self, batch) -> tf.Tensor:
        def part(rows):
            outputs = self._model(rows, training=False)
            return tf.cast(outputs[self._model.main_output], tf.float32)

        return in_chunks(part, batch, self._model.output_size)

    def _embedding(self, batch) -> tf.Tensor:
        return in_chunks(self._model.embed, batch, self._model.embedding_size)

    def _padded(self, x: tf.Tensor) -> tf.Tensor:
        """Rows `[B,T]` of the longest T there is, if requests share batches of them."""
        if self._batching is None:
            return x
        x = tf.pad(x, [[0, 0], [0, self._longest - tf.shape(x)[1]]])
        return tf.ensure_shape(x, [None, self._longest])

    def _token_checks(self, input_ids, attention_mask, token_type_ids=None) -> list[tf.Operation]:
        config, most, real = self._model.config, self._longest, attention_mask != 0
        length = tf.shape(input_ids)[1]
        some = tf.reduce_all(tf.reduce_any(real, 1))
        ranges = [_within("input_ids", input_ids, config.vocab_size)]
        if token_type_ids is not None:
            ranges.append(_within("token_type_ids", token_type_ids, config.type_vocab_size))
        # With `pad_variable_length_inputs` a batching server pads rows with their first element,
        # ids with [CLS] and the mask with 1, and the model would answer something else.
        firsts, _ = tf.unique(tf.reshape(input_ids[:, :1], [-1]))
        ids, unmasked = (x[:, 1:][:, -1:] for x in (input_ids, real))  # [B,1], or [B,0]
        filled = tf.reduce_any(unmasked[:, :, None] & (ids[:, :, None] == firsts))
        return [
            tf.debugging.Assert(condition, [f"Expected {what} Received:", received], summarize=8)
            for condition, what, received in (
                *ranges,
                (
                    (length > 0) & (length <= most),
                    f"from 1 to {most} tokens per row.",
                    length,
                ),
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
            method, inputs = getattr(self, name), self._inputs[name]
            function = tf.function(method, input_signature=inputs, autograph=False)
            traced[name] = function.get_concrete_function()
        return traced


def _finite(values: tf.Tensor) -> tf.Tensor:
    """The values, checked outside of the shared batch: one request's NaN fails no other."""
    return tf.debugging.check_numerics(values, "Expected finite numbers from the model")


def _same_shape(tensors: Sequence[tf.Tensor]) -> tf.Operation:
    shapes = [tf.shape(x) for x in tensors]
    equal = tf.reduce_all(tf.stack(shapes) == shapes[0])
    return tf.debugging.Assert(equal, ["Expected inputs of one shape. Received:", *shapes])


def _within(name: str, received: tf.Tensor, size: int) -> tuple[tf.Tensor, str, tf.Tensor]:
    """A condition, what is expected, and what was received."""
    inside = tf.reduce_all((received >= 0) & (received < size))
    return inside, f"`{name}` from 0 to {size - 1}.", received


def _checked(tensors: Iterable[tf.Tensor], checks: list[tf.Operation]) -> list[tf.Tensor]:
    """The tensors after the checks: what fails alone must not fail in a shared batch."""
    with tf.control_dependencies(checks):
        return [tf.identity(x) for x in tensors]
