"""`Progress`: how far a training is, and how long it still takes."""

from __future__ import annotations

import shutil
import sys
import time

import keras

_BAR = 20
_REDRAW, _REPORT = 0.1, 60.0  # seconds between two states of a live line, and two lines of a log


class Progress(keras.callbacks.Callback):
    """A line an epoch, with its figures and the time left of the whole training.

    On a terminal and in a notebook the line is live while the epoch runs. In a log file it comes
    when the epoch ends, and of a long epoch a line a minute says how far it is. Unlike Keras' own
    bar, which knows an epoch, this one counts what comes after it, validations included.

    Args:
        steps: batches of an epoch.
        epochs: of the whole training.
        live: redraw the line; None does on a terminal and in a notebook.

    Example:

        >>> progress = Progress(steps=100, epochs=3, live=False)
        >>> progress.left(epoch=1, batch=50, seconds_per_batch=0.5, seconds_per_validation=10.0)
        95.0
        >>> duration(95.0), duration(7260)
        ('1 min 35 s', '2 h 01 min')
    """

    def __init__(self, *, steps: int, epochs: int, live: bool | None = None):
        super().__init__()
        self.steps, self.epochs = steps, epochs
        self._live = _can_redraw() if live is None else live
        self._batches = self._seconds = 0  # of all batches but those that were traced
        self._validation = 0.0
        self._epoch = 0

    def left(
        self, *, epoch: int, batch: int, seconds_per_batch: float, seconds_per_validation: float
    ) -> float:
        """Seconds until the end of the last epoch, from after `batch` batches of epoch `epoch`."""
        epochs = self.epochs - epoch
        batches = epochs * self.steps - batch
        return batches * seconds_per_batch + epochs * seconds_per_validation

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch
        self._began = self._last = self._drawn = time.monotonic()
        self._first = True

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        if self._first:  # a first batch is traced, or follows a validation
            self._first = False
        else:
            self._batches += 1
            self._seconds += now - self._last
        self._last = now
        if self._batches and now - self._drawn >= (_REDRAW if self._live else _REPORT):
            self._drawn = now
            self._say(batch + 1, logs or {}, end="" if self._live else "\n")

    def on_test_begin(self, logs=None):
        self._test_began = time.monotonic()

    def on_test_end(self, logs=None):
        self._validation = time.monotonic() - self._test_began

    def on_epoch_end(self, epoch, logs=None):
        took = duration(time.monotonic() - self._began)
        left = self._left(epoch + 1, 0)
        ended = epoch + 1 == self.epochs or self.model.stop_training
        parts = [f"{self._name(epoch)}  {took}", _figures(logs or {})]
        self._print("  ".join(parts) + ("" if ended else f"  {duration(left)} left"), "\n")

    def _say(self, batch: int, logs, end: str) -> None:
        of_epoch = (self.steps - batch) * self._seconds / self._batches
        left = f"{duration(of_epoch)} left of the epoch"
        if self.epochs > 1:
            left += f", {duration(self._left(self._epoch, batch))} in all"
        done = round(_BAR * batch / self.steps)
        bar = f"  {'━' * done}{'─' * (_BAR - done)}" if self._live else ""
        width = len(str(self.steps))
        counted = f"{self._name(self._epoch)}  {batch:{width}}/{self.steps}{bar}"
        self._print(f"{counted}  {left}  {_figures(logs)}", end)

    def _left(self, epoch: int, batch: int) -> float:
        return self.left(
            epoch=epoch,
            batch=batch,
            seconds_per_batch=self._seconds / max(1, self._batches),
            seconds_per_validation=self._validation,
        )

    def _name(self, epoch: int) -> str:
        width = len(str(self.epochs))
        return f"Epoch {epoch + 1:{width}}/{self.epochs}"

    def _print(self, line: str, end: str) -> None:
        if self._live:  # over what stands there
            width = shutil.get_terminal_size().columns - 1
            line = f"\r{line[:width] if end == '' else line:{width}}"
        print(line, end=end, flush=True)


def duration(seconds: float) -> str:
    """Seconds as people say them.

    Example:

        >>> [duration(seconds) for seconds in (0.4, 59.6, 3600, 90000)]
        ['0 s', '1 min 00 s', '1 h 00 min', '25 h 00 min']
    """
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


def _figures(logs) -> str:
    return "  ".join(f"{name} {float(figure):.4f}" for name, figure in logs.items())


def _can_redraw() -> bool:
    return sys.stdout.isatty() or "ipykernel" in sys.modules
