"""The functions that a SavedModel offers: a model's signatures, batched, in chunks, checked."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence

import tensorflow as tf

from tfkit.export.serving.batching import Batching, batched, has_tokens, in_chunks, widened
from tfkit.tasks.serving import Signature, signature_of


class Signatures:
    """The signatures of a model; `concrete` traces those that are asked for.

    The rank of every input is checked in the graph, since the server passes any: a scalar in the
    tokenizer's kernels would end the whole process.
    """

    def __init__(
        self, model, tokenizer, max_length: int, batching: Batching | None = None, **options
    ):
        self._model, self._batching = model, batching
        self._longest = model.config.max_position_embeddings
        self._made = functools.partial(signature_of, model, tokenizer, max_length, options=options)
        self._shared: dict[str, Callable] = {}

    def concrete(self, names) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """Name -> the traced function."""
        traced = {}
        for name in names:
            signature = self._made(name)
            function = tf.function(
                functools.partial(self._answered, signature, name),
                input_signature=self._inputs(signature),
                autograph=False,
            )
            traced[name] = function.get_concrete_function()
        return traced

    def _inputs(self, signature: Signature) -> list[tf.TensorSpec]:
        if signature.inputs:
            ranks = signature.inputs.items()
            return [tf.TensorSpec([None] * rank, tf.string, name=name) for name, rank in ranks]
        shape = [None] * (1 + self._model.batch_axes)
        names = self._model.model_input_names
        return [tf.TensorSpec(shape, tf.int32, name=name) for name in names]

    def _answered(self, signature: Signature, name: str, *inputs) -> dict[str, tf.Tensor]:
        specs = self._inputs(signature)
        inputs = [tf.ensure_shape(x, spec.shape) for x, spec in zip(inputs, specs)]
        if len(inputs) > 1:
            inputs = _checked(inputs, [_same_shape(inputs)])
        rows = signature.rows(*inputs)
        if not signature.inputs:
            length = tf.shape(rows[0])[1]
            rows = self._token_rows(*rows, shared=signature.queue is not None)
        found = self._computed(signature, name)(*rows)
        # Outside of the shared batch: one request's NaN fails no other.
        found = {key: _finite(x) if x.dtype.is_floating else x for key, x in found.items()}
        if not signature.inputs:
            found = {
                key: x[:, :length] if has_tokens(signature.reduced[key]) else x
                for key, x in found.items()
            }
        return signature.answer(found, *inputs)

    def _computed(self, signature: Signature, name: str) -> Callable:
        """What concurrent requests share: what costs time, and cannot fail on any input."""
        queue = signature.queue or name
        if queue not in self._shared:
            width = signature.max_length if signature.inputs else self._longest
            batching = self._batching if signature.queue else None

            def compute(*rows):
                batch = signature.batch(*rows)
                found = in_chunks(signature.compute, batch, signature.found)
                found = signature.reduce(found, batch)
                return found if batching is None else widened(found, signature.reduced, width)

            self._shared[queue] = batched(
                compute, self._row_specs(signature), signature.reduced, batching, queue
            )
        return self._shared[queue]

    def _row_specs(self, signature: Signature) -> list[tf.TensorSpec]:
        if signature.inputs:
            names = ("text", "text_pair")[: 1 + signature.pairs]
            return [tf.TensorSpec([None], tf.string, name=name) for name in names]
        names = self._model.model_input_names
        return [tf.TensorSpec([None, None], tf.int32, name=name) for name in names]

    def _token_rows(self, *rows, shared: bool) -> list[tf.Tensor]:
        """Rows `[B,T]` after the checks. Those without a token whose mask is not 0 are refused:
        their answer would depend on padding.
        """
        batch = dict(zip(self._model.model_input_names, rows))
        batch["attention_mask"] = tf.cast(batch["attention_mask"] != 0, tf.int32)
        rows = _checked(batch.values(), self._token_checks(**batch))
        return [*map(self._padded, rows)] if shared else rows

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


def _finite(values: tf.Tensor) -> tf.Tensor:
    return tf.debugging.check_numerics(values, "Expected finite numbers from the model")


def _same_shape(tensors: Sequence[tf.Tensor]) -> tf.Operation:
    """Raises for inputs of several shapes; a rank may be that of a list per text."""
    rank = min(x.shape.rank for x in tensors)
    shapes = [tf.shape(x)[:rank] for x in tensors]
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
