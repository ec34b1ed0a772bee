"""The order of a shuffled pass: a function of the batches' plan and of a seed, in the graph."""

from __future__ import annotations

import tensorflow as tf

from tfkit.data.buckets import BatchPlan


def shuffled_pass(plan: BatchPlan, seed) -> tf.data.Dataset:
    """The plan's batches as row numbers: rows change places within buckets, batches among all.

    Args:
        plan: of `plan_batches`.
        seed: int `[2]`; the same seed gives the same order.
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
