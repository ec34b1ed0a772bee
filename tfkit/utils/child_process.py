"""Processes of their own that an export is tried in: how they end, and with what last words."""

from __future__ import annotations

import signal

# Seconds that loading a model, or one answer, may take: many times what a slow machine needs.
TIMEOUT = 600.0
_LAST_WORDS = 400  # characters


def ending(status: int, words: bytes) -> str:
    """What is to be said of a process that ended as it should not.

    Args:
        status: its exit status; a negative one is the signal that killed it.
        words: what it wrote to standard error.

    Example:

        >>> ending(-9, b"")
        'died of SIGKILL, perhaps for want of memory, without a word.'
        >>> ending(1, b"No module named x")
        "died with exit status 1. Its last words: 'No module named x'."
    """
    how = f"with exit status {status}"
    if status < 0:
        how = f"of {signal.Signals(-status).name}"
        how += ", perhaps for want of memory" if -status == signal.SIGKILL else ""
    said = " ".join(words.decode(errors="replace").split())[-_LAST_WORDS:]
    return f"died {how}. Its last words: '{said}'." if said else f"died {how}, without a word."
