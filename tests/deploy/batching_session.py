"""The server's own batching (`--enable_batching`), as its `batching_session.cc` merges requests.

Tensors of one signature are put together along axis 0; with `pad_variable_length_inputs` shorter
ones are filled up, each with its first element, and a tensor of another rank than one beside it
ends the server: `CalculateMaxDimSizes` (batching_util.cc) writes past a vector that the first one
sized. Without it tensors of different shapes fail the whole batch.
"""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import Future

import numpy as np

from tests.deploy.json_api import Refused


class Died(Exception):
    """The server's process has ended; it answers nothing any more."""


class BatchingSession:
    """Runs what `run` runs, in batches.

    Args:
        run: `(signature, inputs) -> outputs`.
        parameters: the server's BatchingParameters: names -> numbers.
    """

    def __init__(self, run, parameters: dict):
        self._run, self._parameters = run, parameters
        self._queues: dict[str, queue.Queue] = {}
        self._lock = threading.Lock()
        self.sizes: list[int] = []
        self.died = False

    def run(self, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if self.died:
            raise Died
        if any(value.ndim == 0 for value in inputs.values()):
            raise Refused("Batching session Run() input tensors must have at least one dimension")
        (size, *others) = {len(value) for value in inputs.values()}
        if others:
            raise Refused("Batching session Run() input tensors must have equal 0th-dimension size")
        most = self._parameters["max_batch_size"]
        if size > most:
            raise Refused(f"Task size {size} is larger than maximum input batch size {most}")
        step = self._parameters.get("max_execution_batch_size", most)
        parts = []
        for start in range(0, max(size, 1), step):
            part = {name: value[start : start + step] for name, value in inputs.items()}
            parts.append(self._enqueue(signature, part))
        answers = [part.result() for part in parts]
        return {name: np.concatenate([part[name] for part in answers]) for name in answers[0]}

    def _enqueue(self, signature: str, inputs) -> Future:
        future: Future = Future()
        with self._lock:
            if signature not in self._queues:
                self._queues[signature] = queue.Queue()
                threading.Thread(target=self._work, args=[signature], daemon=True).start()
        self._queues[signature].put((inputs, future))
        return future

    def _work(self, signature: str) -> None:
        waiting = self._queues[signature]
        most = self._parameters.get("max_execution_batch_size", self._parameters["max_batch_size"])
        held = None
        while True:
            batch = [held or waiting.get()]
            held, until = None, time.monotonic() + self._parameters["batch_timeout_micros"] / 1e6
            while (left := until - time.monotonic()) > 0:
                try:
                    task = waiting.get(timeout=left)
                except queue.Empty:
                    break
                if sum(_rows(inputs) for inputs, _ in [*batch, task]) > most:
                    held = task
                    break
                batch.append(task)
            self._compute(signature, batch)

    def _compute(self, signature: str, batch: list) -> None:
        self.sizes.append(len(batch))
        try:
            merged = {
                name: _merged(
                    [inputs[name] for inputs, _ in batch],
                    self._parameters.get("pad_variable_length_inputs", False),
                )
                for name in batch[0][0]
            }
            outputs = self._run(signature, merged)
        except Exception as error:
            self.died |= isinstance(error, Died)
            for _, future in batch:
                future.set_exception(error)
            return
        start = 0
        for inputs, future in batch:
            end = start + _rows(inputs)
            future.set_result({name: value[start:end] for name, value in outputs.items()})
            start = end


def _rows(inputs: dict[str, np.ndarray]) -> int:
    return len(next(iter(inputs.values())))


def _merged(values: list[np.ndarray], pad: bool) -> np.ndarray:
    if not pad:
        if len({value.shape[1:] for value in values}) > 1:
            raise Refused(
                "Tensors with name 'x' from different tasks have different shapes and padding is "
                "turned off. Set pad_variable_length_inputs to true, or ensure that all tensors "
                "with the same name have equal dimensions starting with the first dim."
            )
        return np.concatenate(values)
    if len({value.ndim for value in values}) > 1:
        raise Died
    longest = [max(sizes) for sizes in zip(*(value.shape[1:] for value in values))]
    filled = []
    for value in values:
        if not value.size and any(longest):
            raise Refused("Got empty tensor in batch of non-empty tensors.")
        more = [(0, 0), *((0, most - size) for most, size in zip(longest, value.shape[1:]))]
        filled.append(np.pad(value, more, constant_values=value.flat[0]) if longest else value)
    return np.concatenate(filled)
