"""Which texts share a batch, so that little of it is padding."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf


def fit_widths(lengths: np.ndarray, count: int) -> tuple[int, ...]:
    """At most `count` widths, ascending, such that padding each of the lengths `[N]` up to the next
    one is cheapest. Exact, by dynamic programming: the last width over the cheapest of the rest.
    """
    values, texts = np.unique(lengths, return_counts=True)
    below = np.concatenate([[0], np.cumsum(texts)])  # texts shorter than values[i]
    # cost[i, j]: tokens of the texts from values[i] to values[j] padded to values[j].
    cost = (below[None, 1:] - below[:-1, None]) * values[None, :].astype(float)
    cost[np.tril_indices(len(values), -1)] = np.inf
    best, starts = cost[0], []
    for _ in range(min(count, len(values)) - 1):
        through = np.concatenate([[np.inf], best[:-1]])[:, None] + cost
        starts.append(through.argmin(axis=0))
        best = through.min(axis=0)
    widths, last = [], len(values) - 1
    for start in [*reversed(starts), None]:
        widths.append(int(values[last]))
        last = None if start is None else start[last] - 1
    return tuple(reversed(widths))


@dataclasses.dataclass(frozen=True)
class BatchPlan:
    """Batch b is the rows `order[starts[b]:stops[b]]`; `groups` is the bucket of each, ascending.
    Rows of one bucket may change places: `starts` and `stops` stay as they are.
    """

    order: np.ndarray
    groups: np.ndarray
    starts: np.ndarray
    stops: np.ndarray


def plan_batches(
    lengths: np.ndarray, widths: tuple[int, ...], batch_size: int, *, drop_remainder: bool
) -> BatchPlan:
    """Cuts each bucket, of lengths up to one of `widths`, into batches; its last may be smaller."""
    groups = np.searchsorted(widths, lengths)
    order = np.argsort(groups, kind="stable")
    ends = np.cumsum(np.bincount(groups, minlength=len(widths)))
    starts, stops = [], []
    for first, end in zip([0, *ends[:-1]], ends):
        for start in range(first, end, batch_size):
            if start + batch_size <= end or not drop_remainder:
                starts.append(start)
                stops.append(min(start + batch_size, end))
    return BatchPlan(order, groups[order], np.array(starts, int), np.array(stops, int))


def shuffled_pass(plan: BatchPlan, seed) -> tf.data.Dataset:
    """The plan's batches as row numbers: rows change places within buckets, batches among all.
    `seed` is int `[2]`; the same one gives the same order.
    """
    order, groups = tf.constant(plan.order), tf.constant(plan.groups)
    starts, stops = tf.constant(plan.starts), tf.constant(plan.stops)
    seeds = tf.random.split(seed, 2)
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
