"""`Progress`: how far a training is, and how long it still takes."""

from __future__ import annotations

import datetime
import time

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

_REPORT = 60.0  # seconds between two lines of a log
_MEMORY = 3600.0  # seconds whose mean pace is the pace


class Progress(keras.callbacks.Callback):
    """A line per epoch with its figures, and the time left of the whole training, validations too.

    On a terminal a bar stands below these lines while the training runs. Elsewhere, a line per
    minute says how far a long epoch is.

    Args:
        steps: batches of an epoch.
        epochs: of the whole training.
        bar: draw one; None does on a terminal.
        clock: seconds, as `time.monotonic` gives them.
    """

    def __init__(self, *, steps: int, epochs: int, bar: bool | None = None, clock=time.monotonic):
        super().__init__()
        self.steps, self.epochs = steps, epochs
        self._clock, self._epoch, self._task = clock, 0, None
        console = Console()
        self._drawn = console.is_terminal if bar is None else bar
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(20),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("left  {task.fields[figures]}"),
            console=console,
            transient=True,
            speed_estimate_period=_MEMORY,
            get_time=clock,
            disable=not self._drawn,
        )

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch
        self._began = self._said = self._clock()

    def on_train_batch_end(self, batch, logs=None):
        done = self._epoch * self.steps + batch + 1
        state = {"completed": done, "description": self._name, "figures": _figures(logs)}
        if self._task is None:  # The first batch was traced, and says nothing of the pace.
            self._bars.start()
            self._task = self._bars.add_task(total=self.epochs * self.steps, **state)
            return
        self._bars.update(self._task, **state)
        if not self._drawn and self._clock() - self._said >= _REPORT:
            self._said = self._clock()
            self._say(self._name, f"{batch + 1}/{self.steps}", self._left(), state["figures"])

    def on_epoch_end(self, epoch, logs=None):
        took = _duration(self._clock() - self._began)
        ended = epoch + 1 == self.epochs or self.model.stop_training
        self._say(self._name, took, _figures(logs), *([] if ended else [self._left()]))

    def close(self) -> None:
        """Takes the bar away, whatever became of the training."""
        if self._drawn:
            self._bars.stop()

    @property
    def _name(self) -> str:
        return f"Epoch {self._epoch + 1}/{self.epochs}"

    def _left(self) -> str:
        seconds = self._bars.tasks[0].time_remaining if self._bars.tasks else None
        return "" if seconds is None else f"{_duration(seconds)} left"

    def _say(self, *parts: str) -> None:
        line = "  ".join(filter(None, parts))
        if self._drawn:
            self._bars.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, flush=True)


def _duration(seconds: float) -> str:
    return str(datetime.timedelta(seconds=round(seconds)))


def _figures(logs) -> str:
    return "  ".join(f"{name} {float(figure):.4f}" for name, figure in (logs or {}).items())
