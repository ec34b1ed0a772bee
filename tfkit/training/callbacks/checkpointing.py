"""`Checkpoints`: a training that is killed goes on where it was."""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import safetensors
import safetensors.numpy

from tfkit.utils import files
from tfkit.utils.values import positive_integer

_claims: dict[Path, int] = {}  # the locks of directories that this process trains into


class Checkpoints(keras.callbacks.Callback):
    """Writes all that a training is, every so many batches, and takes it back.

    A file holds weights, optimizer, dropout's generators, the figures so far, the best epoch's
    weights, and the place in the data. If the disk is full, training goes on, and earlier files
    stay.

    `fine_tune(…, checkpoints=Checkpoints(…, resume=True))` goes on with the very batch, to the
    weights that the uninterrupted run would have had. With Keras' own `fit`, which begins with
    whole epochs, use a directory of its own, `every=None`, and `initial_epoch=checkpoints.epoch`.

    Args:
        directory: for the files, `step-….safetensors`; on a cluster one that all workers see.
        every: batches between two files, or somewhat more where several make an update; None
            writes after epochs alone.
        keep: number of files that stay.
        resume: begin with the newest file, if there is one. Without it the first new file takes
            the place of those of an earlier training.
        writes: whether this process writes, which one of a cluster does.

    Raises:
        ValueError: a file there is of another training; the message says what differs.

    Example:

        >>> import tempfile
        >>> Checkpoints(tempfile.mkdtemp(), every=100, resume=True).first_step
        0
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        *,
        every: int | None = 500,
        keep: int = 2,
        resume: bool = False,
        writes: bool = True,
    ):
        super().__init__()
        self.directory, self.writes = files.local_path(directory), writes
        self.every = None if every is None else positive_integer("every", every)
        self.keep = positive_integer("keep", keep)
        there = self.files()
        self._stale = [] if resume else there
        self._newest = there[-1] if resume and there else None
        self._state = {"step": 0, "epoch": 0} if self._newest is None else _state_of(self._newest)
        self._made, self._claimed = [], False
        self._variables = self._parts = None
        self._identity, self._aligned = {}, 1

    @property
    def first_step(self) -> int:
        """Batches that were trained on before, from the beginning of the first epoch."""
        return self._state["step"]

    @property
    def epoch(self) -> int:
        """Whole epochs that were trained before."""
        return self._state["epoch"]

    @property
    def identity(self) -> dict:
        """The recipe and more of the training to go on with; empty if there is none."""
        return self._state.get("identity", {})

    def files(self) -> list[Path]:
        """The checkpoints that there are, the newest last."""
        return sorted(self.directory.glob(f"step-{'[0-9]' * 9}.safetensors"))

    def claim(self) -> bool:
        """Keeps other processes from training into the directory, until `release`, or raises
        BlockingIOError. Training does it as it begins; False where this process had done it before.
        """
        lock = self.directory / ".training"
        if not self.writes or lock in _claims:
            return False
        self._made = [path for path in (lock.parent, *lock.parents) if not path.exists()]
        try:
            _claims[lock] = files.acquire(lock, wait=False)
        except BlockingIOError:
            raise BlockingIOError(
                f"Another process is training into '{self.directory}'. Wait for it or end it, or "
                "train into another directory."
            ) from None
        except OSError:  # a file system without locks, or a full disk, of which `_save` tells
            return False
        return True

    def release(self) -> None:
        """Takes back `claim`, and deletes what it made, if nothing else is in it."""
        lock = self.directory / ".training"
        if lock in _claims:
            files.release(lock, _claims.pop(lock))
        for path in self._made:
            with contextlib.suppress(OSError):
                path.rmdir()

    def clear(self) -> None:
        """Deletes the files, and the directory if nothing else is in it."""
        for path in [*self.files(), *self.directory.glob(".writing-*")]:  # what was cut short, too
            files.forget(path)
        self.release()
        with contextlib.suppress(OSError):
            self.directory.rmdir()

    def track(
        self,
        variables: Mapping[str, Sequence],
        parts: Mapping[str, object] = {},
        *,
        identity: Mapping[str, object] = {},
        aligned: int = 1,
    ) -> None:
        """Says what a file holds; without it, the model's and the optimizer's variables.

        Args:
            variables: Keras variables, by the name of their group.
            parts: callbacks with `get_state() -> (JSON values, arrays)` and `set_state`.
            identity, aligned: JSON values that must be equal to go on; batches of an update.
        """
        self._variables, self._parts = variables, parts
        self._identity, self._aligned = json.loads(json.dumps(identity)), aligned
        differ = [
            name for name in self._identity if self.identity.get(name) != self._identity[name]
        ]
        if self._newest is not None and differ:
            name = differ[0]
            raise ValueError(
                f"Expected to go on with the training of '{self._newest}', whose {name} is "
                f"{self.identity.get(name)!r}. Received {self._identity[name]!r}. Resume with the "
                "same recipe, texts, model and version of tfkit, or start anew in another folder."
            )

    # === Keras' hooks ===

    def on_train_begin(self, logs=None):
        if self._variables is None:
            self.track({"model": self.model.variables, "optimizer": self.model.optimizer.variables})
        self._claimed = self.claim()
        if self._newest is not None:
            self._restore()
        self._epoch, self._since = self.epoch, 0

    def on_train_end(self, logs=None):
        if self._claimed:
            self.release()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self._since += 1
        ended = batch + 1
        if self.every is None or self._since < self.every or ended % self._aligned:
            return
        if ended != self.params["steps"]:  # the end of an epoch waits for its validation
            self._save(self._epoch * self.params["steps"] + ended, self._epoch)

    def on_epoch_end(self, epoch, logs=None):
        if self.every is None or self._since >= self.every:
            self._save((epoch + 1) * (self.params["steps"] or 0), epoch + 1)

    # === Files ===

    def _save(self, step: int, epoch: int) -> None:
        self._since = 0
        if not self.writes:
            return
        state = {
            "step": step,
            "epoch": epoch,
            "stopped": bool(self.model.stop_training),
            "identity": self._identity,
            "parts": {},
        }
        tensors = {
            f"{group}/{number:04d}": variable.numpy()
            for group, variables in self._variables.items()
            for number, variable in enumerate(variables)
        }
        for name, part in self._parts.items():
            values, arrays = part.get_state()
            state["parts"][name] = {"values": values, "arrays": len(arrays)}
            tensors |= {f"{name}:{number:04d}": array for number, array in enumerate(arrays)}
        path = self.directory / f"step-{step:09d}.safetensors"
        try:
            self._write(path, tensors, state)
        except (OSError, safetensors.SafetensorError) as error:
            warnings.warn(
                f"The checkpoint '{path}' was not written ({error}). Training goes on; earlier "
                "checkpoints stay.",
                stacklevel=2,
            )

    def _write(self, path: Path, tensors: dict, state: dict) -> None:
        tensors = {name: np.asarray(tensor) for name, tensor in tensors.items()}
        size = sum(tensor.nbytes for tensor in tensors.values())
        with files.staged(self.directory, needs=size) as stage:
            file = stage / path.name
            safetensors.numpy.save_file(tensors, file, metadata={"state": json.dumps(state)})
            with file.open("rb+") as written:
                os.fsync(written.fileno())
        for old in (*self._stale, *self.files()[: -self.keep]):
            if old != path:
                old.unlink(missing_ok=True)
        self._stale = []

    def _restore(self) -> None:
        with safetensors.safe_open(self._newest, framework="np") as file:
            for group, variables in self._variables.items():
                for number, variable in enumerate(variables):
                    variable.assign(file.get_tensor(f"{group}/{number:04d}"))
            for name, part in self._parts.items():
                saved = self._state["parts"][name]
                arrays = [file.get_tensor(f"{name}:{n:04d}") for n in range(saved["arrays"])]
                part.set_state(saved["values"], arrays)
        self.model.stop_training = self._state["stopped"]


def _state_of(path: Path) -> dict:
    try:
        with safetensors.safe_open(path, framework="np") as file:
            return json.loads(file.metadata()["state"])
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"'{path}' is no checkpoint of a training ({error}). Delete it to go on from the one "
            "before it."
        ) from error
