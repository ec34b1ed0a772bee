"""TensorFlow after a fork: its threads stay behind, and what waits for them waits for ever."""

from __future__ import annotations

import os
import sys

_lost = False
_started = False


def check_threads() -> None:
    """Where TensorFlow is about to run.

    Raises:
        RuntimeError: its threads are not in this process.
    """
    if _lost:
        raise RuntimeError(
            "TensorFlow cannot run here: this process was forked from one in which it had already "
            "run, and its threads stayed behind. Start workers with the method 'spawn', or before "
            "TensorFlow is first used. To tokenise in parallel without processes, map "
            "`tokenizer.as_layer()` over a `tf.data.Dataset`."
        )


def start_threads() -> None:
    """`check_threads`, where TensorFlow's C library runs, of which its Python knows nothing."""
    global _started
    check_threads()
    _started = True


def _after_fork() -> None:
    global _lost
    module = sys.modules.get("tensorflow.python.eager.context")
    context = module and module.context_safe()
    # Threads come with the context's first use; until then a fork takes nothing from TensorFlow.
    _lost = _lost or _started or bool(context and getattr(context, "_initialized", True))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
