"""`Log`: the figures of a training in a file that other tools read."""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import os
import time
import warnings
from collections.abc import Callable

import keras
import tensorflow as tf

from tfkit.utils.files import local_path, write_file
from tfkit.utils.values import json_line, positive_integer


def _csv(rows: list[dict]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, dict.fromkeys(name for row in rows for name in row))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


_FORMATS: dict[str, Callable[[list[dict]], str]] = {
    ".csv": _csv,
    ".jsonl": lambda rows: "".join(map(json_line, rows)),
}


@contextlib.contextmanager
def _going_on(callback: keras.callbacks.Callback, name: str):
    """No training ends since its figures cannot be written: the first time is a warning."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        if not getattr(callback, "_has_warned", False):
            reason = getattr(error, "message", None) or error
            warnings.warn(f"{name} was not written ({reason}). Training goes on.", stacklevel=3)
        callback._has_warned = True


class Log(keras.callbacks.Callback):
    """Writes a row after every epoch, and every so many batches, to a CSV or JSON lines file.

    A row has the epoch (from 1), the step (batches since the beginning), the seconds of training,
    the learning rate and all figures. Unlike what `keras.callbacks.CSVLogger` appends to, the file
    is replaced as a whole, so that a reader never sees half a row, a resumed training goes on after
    the rows of its checkpoint, and rows that a full disk had no room for are in the next file.

    Args:
        path: ends in .csv or .jsonl.
        every: batches between two rows within an epoch; None writes none.

    Raises:
        ValueError: the path has another end, or `every` is no positive integer.

    Example:

        >>> callbacks = [Log("figures.jsonl", every=100)]  # of any `model.fit`
    """

    def __init__(self, path: str | os.PathLike, *, every: int | None = None):
        super().__init__()
        self.path = local_path(path)
        self.every = None if every is None else positive_integer("every", every)
        if self.path.suffix not in _FORMATS:
            raise ValueError(
                f"Expected a log that ends in {' or '.join(_FORMATS)}. Received: '{path}'."
            )

    def on_train_begin(self, logs=None):
        self._rows, self._epoch, self._before = [], 0, 0.0
        self._start = time.monotonic()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.every is not None and (batch + 1) % self.every == 0:
            self._add(batch + 1, logs)

    def on_epoch_end(self, epoch, logs=None):
        self._add(self.params["steps"], logs)

    def _add(self, batches: int | None, logs) -> None:
        steps = self.params["steps"]
        row = {
            "epoch": self._epoch + 1,
            "step": None if steps is None else self._epoch * steps + batches,
            "seconds": round(self._seconds(), 3),
            "learning_rate": float(self.model.optimizer.learning_rate),
        }
        self._rows.append(row | {name: float(figure) for name, figure in (logs or {}).items()})
        with _going_on(self, f"The log '{self.path}'"):
            write_file(self.path, _FORMATS[self.path.suffix](self._rows))

    def _seconds(self) -> float:
        return self._before + time.monotonic() - self._start

    # === For `Checkpoints` ===

    def get_state(self) -> tuple[dict, list]:
        return {"rows": self._rows, "seconds": self._seconds()}, []

    def set_state(self, values: dict, arrays: list) -> None:
        self._rows, self._before = values["rows"], values["seconds"]


class TensorBoard(keras.callbacks.TensorBoard):
    """Keras' own; where it cannot write, on a full disk, the training goes on without it."""


def _spared(name: str) -> Callable:
    hook = getattr(keras.callbacks.TensorBoard, name)

    @functools.wraps(hook)
    def spared(self, *args, **options):
        if getattr(self, "_has_warned", False):
            return  # what Keras' own holds is in disorder now
        with _going_on(self, f"What TensorBoard reads in '{self.log_dir}'"):
            hook(self, *args, **options)

    return spared


for _hook in dir(keras.callbacks.Callback):
    if _hook.startswith("on_") or _hook == "set_model":
        setattr(TensorBoard, _hook, _spared(_hook))
