"""Training on several devices and machines: strategies of `tf.distribute` by name."""

from __future__ import annotations

import json
import os

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
