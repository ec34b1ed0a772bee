"""A SavedModel in a process of its own, loaded and run as a server would."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from tfkit.inference import c_library
from tfkit.utils.files import local_path
from tfkit.utils.processes import TIMEOUT, ending
from tfkit.utils.strings import utf8

_LAST_SECONDS = 10.0  # for a process that says no more to end
_LAST_BYTES = 4000


class RefusedError(RuntimeError):
    """The served model answered a request with an error; the process lives on."""


class DiedError(RuntimeError):
    """The process that served the model died, or was ended since it did not answer in time."""


def signatures_of(folder: str | os.PathLike) -> dict[str, meta_graph_pb2.SignatureDef]:
    """The signatures that a server finds in a SavedModel, by their names."""
    folder = local_path(folder)
    path = folder / "saved_model.pb"
    if not path.is_file():
        found = "no saved_model.pb" if folder.is_dir() else "no such folder"
        versions = ", ".join(sorted(p.name for p in folder.parent.glob("*") if p.name.isdecimal()))
        there = f" '{folder.parent}' has the versions {versions}." if versions else ""
        raise FileNotFoundError(
            f"Expected a SavedModel in '{folder}'. Found {found}.{there} Pass the folder of one "
            "version, such as 'served/reviews/1', or of all versions."
        )
    try:
        saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    except DecodeError as error:
        raise RefusedError("saved_model.pb is damaged, or only part of it was copied.") from error
    graphs = [graph for graph in saved.meta_graphs if "serve" in graph.meta_info_def.tags]
    if not graphs:
        raise RefusedError("saved_model.pb has no graph with the tag 'serve'.")
    weights = any(node.op == "VarHandleOp" for node in graphs[0].graph_def.node)
    if weights and not (folder / "variables" / "variables.index").is_file():
        # The C++ loader takes it for a model without weights, and every request fails.
        raise RefusedError("variables/ is missing: only part of it was copied.")
    names = sorted(name for name in graphs[0].signature_def if not name.startswith("__"))
    return {name: graphs[0].signature_def[name] for name in names}


class ServedModel(contextlib.AbstractContextManager):
    """Loads a SavedModel in TensorFlow's C library, in a process without TensorFlow's Python.

    The loader and the session are those of TF Serving, the ops from outside TensorFlow are the
    two that every server since 2.12 has. A request that would take a server down takes down this
    process only, which ends with ours, however that ends. Threads may send requests side by side.
    `seconds` are those of the request answered last, in the session; `memory` is the most that the
    process had grown by then, in bytes.

    Raises RefusedError if it does not load, DiedError if the process dies or is late.
    """

    def __init__(self, folder: str | os.PathLike, *, timeout: float = TIMEOUT):
        self.folder, self.signatures = local_path(folder), signatures_of(folder)
        library, *ops = c_library.libraries()
        self._timeout = timeout
        self.seconds = self.memory = None
        self._ended = self._died = None  # why this process ended it; what is said of its end
        self._lock, self._sending, self._sent = threading.Lock(), threading.Lock(), 0
        self._loaded: Future = Future()
        self._waiting: dict[int | None, Future] = {None: self._loaded}
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 (see `close`)
        self._process = subprocess.Popen(
            [sys.executable, "-I", c_library.__file__, library, str(self.folder), *ops],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.load_seconds = self._answer()["load_seconds"]
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process, and with it what is not answered yet."""
        self._end("is closed")
        self._reader.join()
        for file in (self._process.stdin, self._process.stdout, self._words):
            with contextlib.suppress(OSError):  # what could not be sent
                file.close()

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Sends tensors of any shape to a signature, as a server does, and gives its outputs."""
        definition = self.signatures[signature]
        feeds = {
            definition.inputs[name].name: _packed(value, definition.inputs[name].dtype)
            for name, value in inputs.items()
        }
        names = sorted(definition.outputs)
        fetches = [definition.outputs[name].name for name in names]
        reply = self._answer(lambda number: (number, feeds, fetches))
        return dict(zip(names, map(_unpacked, reply["tensors"])))

    def _answer(self, request: Callable[[int], tuple] | None = None) -> dict:
        """The reply to a request, or, to none, to having been started."""
        # The time that writing to a full pipe takes counts, too.
        timer = threading.Timer(self._timeout, self._end, [f"took over {self._timeout:g} s"])
        timer.daemon = True
        timer.start()
        try:
            answer = self._loaded if request is None else self._send(request)
            reply = answer.result()
        finally:
            timer.cancel()
        if "error" in reply:
            raise RefusedError(reply["error"])
        return reply

    def _send(self, request: Callable[[int], tuple]) -> Future:
        answer: Future = Future()
        with self._lock:
            if self._died is not None:
                raise DiedError(self._died)
            self._sent += 1
            number = self._sent
            self._waiting[number] = answer
        with self._sending, contextlib.suppress(OSError, ValueError):  # the reader says it died
            pickle.dump(request(number), self._process.stdin)
            self._process.stdin.flush()
        return answer

    def _end(self, why: str) -> None:
        self._ended = self._ended or f"{why}, and was ended."
        self._process.kill()

    def _read(self) -> None:
        """Hands answers to those who wait, until the process ends."""
        try:
            while True:
                reply = pickle.load(self._process.stdout)
                self.seconds = reply.get("seconds", self.seconds)
                self.memory = reply.get("memory", self.memory)
                self._waiting.pop(reply["number"]).set_result(reply)
        except Exception:  # the end, or what is no answer
            try:
                status = self._process.wait(_LAST_SECONDS)
            except subprocess.TimeoutExpired:
                self._end("gave what is no answer")
                status = self._process.wait()
        words = self._words.fileno()
        words = os.pread(words, _LAST_BYTES, max(0, os.fstat(words).st_size - _LAST_BYTES))
        with self._lock:
            self._died = f"The process that served the model {self._ended or ending(status, words)}"
            for answer in self._waiting.values():
                answer.set_exception(DiedError(self._died))


def _packed(value: np.ndarray, dtype: int) -> tuple:
    wanted = tf.dtypes.as_dtype(dtype)
    if wanted == tf.string:
        value = np.asarray(value, dtype=object)
        return dtype, value.shape, [utf8(text) for text in value.ravel()]
    value = np.asarray(value, dtype=wanted.as_numpy_dtype)
    return dtype, value.shape, value.tobytes()


def _unpacked(tensor: tuple) -> np.ndarray:
    dtype, shape, data = tensor
    wanted = tf.dtypes.as_dtype(dtype)
    if wanted == tf.string:
        value = np.empty(len(data), dtype=object)
        value[:] = data
        return value.reshape(shape)
    return np.frombuffer(data, dtype=wanted.as_numpy_dtype).reshape(shape)
