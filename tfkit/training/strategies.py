"""Training on several devices and machines: strategies of `tf.distribute` by name."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping

import tensorflow as tf

_EXAMPLE = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", …}}'
_MAKERS = {
    "one": tf.distribute.get_strategy,
    "mirrored": tf.distribute.MirroredStrategy,
    "multi-worker": lambda: _multi_worker(),
}
NAMES = tuple(_MAKERS)


def named_strategy(name: str) -> tf.distribute.Strategy:
    """The strategy of that name; make models in its `scope()`.

    Args:
        name: "one" device; "mirrored": all GPUs of this machine; "multi-worker": the machines of
            the environment variable TF_CONFIG
            (https://www.tensorflow.org/guide/distributed_training#TF_CONFIG), on each of which a
            process calls this before anything else of TensorFlow.

    Raises:
        ValueError: there is no such strategy, or TF_CONFIG does not say who the workers are.
        RuntimeError: TensorFlow was used before a multi-worker strategy was made.

    Example:

        >>> named_strategy("one").num_replicas_in_sync
        1
    """
    if name not in _MAKERS:
        raise ValueError(f"`strategy` must be one of {', '.join(NAMES)}; received {name!r}.")
    return _MAKERS[name]()


def is_chief(strategy: tf.distribute.Strategy | None) -> bool:
    """Whether this process is the one that writes files: the chief, or else worker 0."""
    resolver = getattr(strategy, "cluster_resolver", None)
    if resolver is None or not resolver.task_type:
        return True
    has_chief = "chief" in resolver.cluster_spec().jobs
    return (resolver.task_type, resolver.task_id) == ("chief" if has_chief else "worker", 0)


def check_agreement(strategy: tf.distribute.Strategy, values: Mapping[str, object]) -> None:
    """Raises ValueError where the workers of a strategy, which all call this, have other values:
    they would train on without a word, to weights that are nobody's.
    """
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return
    replicas = strategy.num_replicas_in_sync
    own = [hashlib.sha256(repr(value).encode()).digest()[:4] for value in values.values()]
    own = tf.constant([int.from_bytes(digest, "big") for digest in own], tf.int64)

    @tf.function
    def gathered():
        context = tf.distribute.get_replica_context()
        mine = tf.one_hot(context.replica_id_in_sync_group, replicas, dtype=tf.int64)
        return context.all_reduce(tf.distribute.ReduceOp.SUM, mine[:, None] * own)

    (digests, *_) = strategy.experimental_local_results(strategy.run(gathered))
    same = tf.reduce_all(digests == digests[:1], axis=0).numpy()
    if differ := [name for name, is_same in zip(values, same) if not is_same]:
        raise ValueError(
            f"Expected the same {differ[0]} of all workers. Received different ones: give all of "
            "them the same files, on storage that they share, and the same options."
        )


def _multi_worker() -> tf.distribute.Strategy:
    text = os.environ.get("TF_CONFIG", "")
    try:
        config = json.loads(text)
        jobs = {job: len(hosts) for job, hosts in config["cluster"].items()}
        job, index = config["task"]["type"], int(config["task"]["index"])
        is_known = 0 <= index < jobs.get(job, 0)
    except (ValueError, KeyError, TypeError, AttributeError):
        is_known = False
    if not is_known:
        raise ValueError(
            "Expected the environment variable TF_CONFIG to name all workers and which of them "
            f"this process is, such as {_EXAMPLE}. Received: {text or 'nothing'}."
        )
    return tf.distribute.MultiWorkerMirroredStrategy()
