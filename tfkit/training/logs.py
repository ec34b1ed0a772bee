"""`Log`: the figures of a training in a file that other tools read."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from collections.abc import Callable

import keras

from tfkit.files import local_path, write_file

Rows = list[dict]


def _csv(rows: Rows) -> str:
    columns = dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _json_lines(rows: Rows) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


_FORMATS: dict[str, Callable[[Rows], str]] = {".csv": _csv, ".jsonl": _json_lines}


class Log(keras.callbacks.Callback):
    """Writes a row after every epoch, and every so many batches, to a CSV or JSON lines file.

    A row has the epoch (from 1), the step (batches since the beginning), the seconds of training,
    the learning rate and all figures. A resumed training goes on after the rows that were written
    up to its checkpoint. The file is replaced as a whole, so that a reader never sees half a row.

    Args:
        path: ends in .csv or .jsonl.
        every: batches between two rows within an epoch; None writes none.

    Raises:
        ValueError: the path has another end.

    Example:

        >>> callbacks = [Log("figures.jsonl", every=100)]  # of any `model.fit`
    """

    def __init__(self, path: str | os.PathLike, *, every: int | None = None):
        super().__init__()
        self.path, self.every = local_path(path), every
        if self.path.suffix not in _FORMATS:
            raise ValueError(
                f"Expected a log that ends in {' or '.join(_FORMATS)}. Received: '{path}'."
            )
        if every is not None and (not isinstance(every, int) or every < 1):
            raise ValueError(f"`every` must be a whole number from 1; received {every!r}.")

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
        self._rows.append(
            {
                "epoch": self._epoch + 1,
                "step": None if steps is None else self._epoch * steps + batches,
                "seconds": round(self._seconds(), 3),
                "learning_rate": float(self.model.optimizer.learning_rate),
                **{name: float(figure) for name, figure in (logs or {}).items()},
            }
        )
        write_file(self.path, _FORMATS[self.path.suffix](self._rows))

    def _seconds(self) -> float:
        return self._before + time.monotonic() - self._start

    # === For `Checkpoints` ===

    def get_state(self) -> tuple[dict, list]:
        """What a resumed training needs to know, as JSON values and arrays."""
        return {"rows": self._rows, "seconds": self._seconds()}, []

    def set_state(self, values: dict, arrays: list) -> None:
        """Takes back what `get_state` gave."""
        self._rows, self._before = values["rows"], values["seconds"]
