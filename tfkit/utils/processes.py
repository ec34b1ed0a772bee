"""Processors, memory, processes that an export is tried in, and TensorFlow after a fork."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import threading
from pathlib import Path, PurePosixPath

# Seconds that loading a model, or one answer, may take: many times what a slow machine needs.
TIMEOUT = 600.0
_LAST_WORDS = 400  # characters


def available_cpus() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_memory(root: Path = Path("/")) -> int:
    """Bytes that this process may still take, by what machine and container say; 0 if they do not.

    `root` is the folder that has `proc` and `sys`.
    """
    free = []
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = (root / "proc/meminfo").read_text("ascii").splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        free.append(1024 * int(line.split()[1]))
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in _MEMORY:
                folder, most, used = _MEMORY[controllers]
                parts = PurePosixPath(path).relative_to("/")
                groups = [root / folder / each for each in (parts, *parts.parents)]
                free += [
                    _number(group / most, math.inf) - _number(group / used, 0) for group in groups
                ]
    return max(int(min(free, default=0)), 0)


# The controllers of a process's group, version 2 and 1 -> where its memory's limit and use stand.
_MEMORY = {
    "": ("sys/fs/cgroup", "memory.max", "memory.current"),
    "memory": ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
}


def _number(file: Path, missing: float) -> float:
    """What a file says; a container has none of the groups above its own."""
    text = file.read_text("ascii").strip() if file.exists() else ""
    return int(text) if text.isdigit() else missing


def ending(status: int, words: bytes) -> str:
    """How a process died, by its exit status (negative: a signal) and what it wrote to stderr."""
    how = f"with exit status {status}"
    if status < 0:
        how = f"of {signal.Signals(-status).name}"
        how += ", perhaps for want of memory" if -status == signal.SIGKILL else ""
    said = " ".join(words.decode(errors="replace").split())[-_LAST_WORDS:]
    return f"died {how}. Its last words: '{said}'." if said else f"died {how}, without a word."


# === After a fork TensorFlow's threads stay behind, and what waits for them waits for ever ===

_lost = False
_started = False


def check_threads() -> None:
    """A RuntimeError where TensorFlow is about to run and its threads are not in this process."""
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
