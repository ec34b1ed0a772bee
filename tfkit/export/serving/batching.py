"""How served graphs compute: requests together in one batch, large batches in chunks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from tfkit.export.serving.flat_graph import flattened
from tfkit.utils.values import is_whole, plain

# Attention scores of each head that are held at a time: those of 4 texts of 512 tokens, or of 64
# of 128. Larger chunks are not faster.
_CHUNK_SCORES = 2**20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Batching:
    """How a served graph batches concurrent requests (TensorFlow's `BatchFunction`).

    The requests that wait when a thread becomes free form a batch, so that a lone request does not
    wait; one with more than `max_batch_size` texts is computed in several batches. It needs no
    flag of the server, and a malformed request is refused before it joins others.

    Args:
        max_batch_size: texts computed at once.
        timeout_micros: how long a free thread waits for more texts, in microseconds.
        threads: batches computed at the same time.
        max_enqueued_batches: batches that may wait; requests beyond are refused.

    Raises:
        ValueError: a value is no positive integer (`timeout_micros` may be 0).
    """

    max_batch_size: int = 32
    timeout_micros: int = 0
    threads: int = 2
    max_enqueued_batches: int = 128

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value, least = plain(getattr(self, field.name)), int(field.name != "timeout_micros")
            object.__setattr__(self, field.name, value)
            if not is_whole(value, least):
                raise ValueError(
                    f"`{field.name}` must be an integer of at least {least}; received {value!r}."
                )


def batched(
    function: Callable,
    inputs: Sequence[tf.TensorSpec],
    outputs: Mapping[str, tf.TensorSpec],
    options: Batching | None,
    name: str,
) -> Callable:
    """`function` of tensors `[B,…]`, one for all requests that are waiting, in a queue of its own;
    by itself without options. A batch of several parts gives outputs of one shape but for B.
    """
    computed = flattened(function, inputs)
    if options is None:
        return computed
    # A server optimises what is called in the function of `BatchFunction`, not what is in it.
    apart = {"_noinline": True}
    called = tf.function(computed, inputs, autograph=False, experimental_attributes=apart)
    computed = tf.function(called, inputs, autograph=False).get_concrete_function()
    sizes = list(range(1, options.max_batch_size + 1))  # all, so that nothing is filled up

    @tf.function(input_signature=inputs, autograph=False)
    def call(*tensors):
        count = tf.shape(tensors[0])[0]
        # An empty batch has no result, not even a shape: one row stands in for it.
        more = tf.cast(tf.equal(count, 0), tf.int32)
        rows = [tf.pad(x, [[0, more]] + [[0, 0]] * (x.shape.rank - 1)) for x in tensors]
        with tf.name_scope(name), tf.name_scope("batch") as queue:
            found = tf.raw_ops.BatchFunction(
                in_tensors=rows,
                captured_tensors=computed.captured_inputs,
                f=computed,
                Tout=[x.dtype for x in computed.outputs],
                num_batch_threads=options.threads,
                # A request may have as many texts as the queue holds; a batch, as many as the last
                # of the allowed sizes.
                max_batch_size=options.max_batch_size * options.max_enqueued_batches,
                allowed_batch_sizes=sizes,
                batch_timeout_micros=options.timeout_micros,
                max_enqueued_batches=options.max_enqueued_batches,
                shared_name=queue,
                enable_large_batch_splitting=True,
            )
        found = tf.nest.pack_sequence_as(computed.structured_outputs, found)
        return {name: tf.ensure_shape(found[name][:count], outputs[name].shape) for name in outputs}

    return call


def chunk_size(longest):
    """How many rows of up to `longest` tokens are computed at a time; of ints or tensors."""
    return _CHUNK_SCORES // longest**2


def has_tokens(spec: tf.TensorSpec) -> bool:
    """Whether the second axis is that of tokens, T."""
    return spec.shape.rank > 1 and spec.shape[1] is None


def widened(values: Mapping[str, tf.Tensor], specs: Mapping[str, tf.TensorSpec], width) -> dict:
    """The values with zeros up to T = `width`, where they have that axis."""

    def wide(x):
        more = [[0, 0], [0, width - tf.shape(x)[1]], *[[0, 0]] * (x.shape.rank - 2)]
        return tf.pad(x, more)

    return {name: wide(x) if has_tokens(specs[name]) else x for name, x in values.items()}


def in_chunks(
    function: Callable[[dict], dict],
    batch: Mapping[str, tf.Tensor],
    found: Mapping[str, tf.TensorSpec],
) -> dict[str, tf.Tensor]:
    """`function(batch)`, by name tensors `[B,…]` as `found` has them, for some rows at a time.

    Rows are independent, of `attention_mask` `[B,T]` and the like. Longest first: a chunk of n
    rows, the longest of L tokens, has n·L² scores, at most `_CHUNK_SCORES`, or is one row. Values
    of tokens that come behind L are zeros. One row needs no order and no loop.
    """
    mask = batch["attention_mask"]
    width = tf.shape(mask)[1]
    # To the last token: without `padding_free` a model computes the padding before it as well.
    lengths = tf.reduce_max(mask * tf.range(1, width + 1), 1)

    def compute(rows, longest):
        rows = {name: value[:, :longest] for name, value in rows.items()}
        return widened(function(rows), found, width)

    def one_row():
        # Of a static [1,T], which models know; by `ensure_shape` TensorFlow's optimiser would take
        # it that every batch is one row.
        rows = {name: tf.gather(value, [0]) for name, value in batch.items()}
        return compute(rows, tf.maximum(lengths[0], 1))

    def chunks():
        return _longest_first(compute, batch, lengths, found, width)

    return tf.cond(tf.size(lengths) == 1, one_row, chunks)


def _longest_first(compute, batch, lengths, found, width) -> dict[str, tf.Tensor]:
    order = tf.argsort(lengths, direction="DESCENDING")
    lengths, batch = tf.nest.map_structure(lambda x: tf.gather(x, order), (lengths, dict(batch)))

    def chunk(begin, done):
        longest = tf.maximum(lengths[begin], 1)
        end = tf.minimum(begin + tf.maximum(chunk_size(longest), 1), tf.size(order))
        now = compute({name: value[begin:end] for name, value in batch.items()}, longest)
        return end, {name: tf.concat([done[name], now[name]], 0) for name in found}

    def nothing(spec):
        return tf.zeros(
            [0, *(width if size is None else size for size in spec.shape[1:])], spec.dtype
        )

    _, done = tf.while_loop(
        lambda begin, _: begin < tf.size(order),
        chunk,
        [0, {name: nothing(spec) for name, spec in found.items()}],
        shape_invariants=[tf.TensorShape([]), {name: spec.shape for name, spec in found.items()}],
        parallel_iterations=1,
    )
    back = tf.math.invert_permutation(order)
    return {name: tf.gather(value, back) for name, value in done.items()}
