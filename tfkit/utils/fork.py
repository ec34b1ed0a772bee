"""TensorFlow after a fork: its threads stay behind, and what waits for them waits for ever."""

from __future__ import annotations

import contextlib
import os
import sys
import threading

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


def _running() -> bool:
    """Whether TensorFlow's threads have come: with the first use of its context."""
    module = sys.modules.get("tensorflow.python.eager.context")
    context = module and module.context_safe()
    return bool(context and getattr(context, "_initialized", True))


def _after_fork() -> None:
    global _lost
    _lost = _lost or _started or _running()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
with contextlib.suppress(OSError):  # Linux says which threads there are
    # Imported after the fork: there are Python's own threads alone.
    _lost = _running() and len(os.listdir("/proc/self/task")) <= threading.active_count()
