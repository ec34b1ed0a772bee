"""How far a command is."""

from __future__ import annotations

import sys
import time


class Progress:
    """A line on standard error that says how far it is.

    Args:
        total: how many texts there are, if that is known.
        shown: whether to; by default where standard error is a terminal.
    """

    def __init__(self, total: int | None, *, shown: bool = True):
        self._total, self._done, self._start = total, 0, time.perf_counter()
        self._shown = shown and sys.stderr.isatty()

    def add(self, count: int) -> None:
        """So many more texts are answered."""
        self._done += count
        if self._shown:
            of = f" of {self._total:,}" if self._total else ""
            rate = self._done / (time.perf_counter() - self._start)
            end = "\n" if self._done == self._total else ""
            print(f"\r{self._done:,}{of} texts, {rate:.0f} a second", end=end, file=sys.stderr)
            sys.stderr.flush()
