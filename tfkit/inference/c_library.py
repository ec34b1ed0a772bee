"""Runs a SavedModel as TF Serving's C++ does: TensorFlow's C library, and no TensorFlow in Python.

`ServedModel` starts it as a script, with the libraries to load and the SavedModel's folder as
arguments. It imports neither TensorFlow nor tfkit nor numpy, so that nothing but the C++ loader and
session stands between a request and the graph. Requests come pickled and numbered on standard
input, run side by side, and are answered on standard output as they end.

A tensor travels as `(type, shape, data)`: the number of its C type; data is a list of byte
strings for strings, else the raw bytes. Source: TensorFlow, `tensorflow/c/c_api.h`.
"""

from __future__ import annotations

import ctypes
import importlib.util
import math
import os
import pickle
import resource
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from ctypes import POINTER, c_char, c_char_p, c_int, c_int64, c_size_t, c_void_p
from pathlib import Path

FLOAT, INT32, STRING = 1, 3, 7
_OP_LIBRARIES = ("_fast_bert_normalizer.so", "_fast_wordpiece_tokenizer.so")
_BYTES_OF_A_TSTRING = 24
_AT_ONCE = 64  # requests


def libraries() -> list[str]:
    """TensorFlow's C library, and those of the two ops of tensorflow-text."""
    home, *_ = importlib.util.find_spec("tensorflow").submodule_search_locations
    text, *_ = importlib.util.find_spec("tensorflow_text").submodule_search_locations
    found = sorted(Path(home).glob("libtensorflow_cc.*"))
    if not found:
        raise FileNotFoundError(
            f"Expected TensorFlow's C library (libtensorflow_cc) in '{home}', to check the "
            "SavedModel as a server would load it. This build of TensorFlow has none; export on "
            "Linux or macOS with the wheel from PyPI."
        )
    return [str(found[0]), *(str(Path(text, "python", "ops", name)) for name in _OP_LIBRARIES)]


class Output(ctypes.Structure):
    """`TF_Output`: a result of an operation."""

    _fields_ = (("operation", c_void_p), ("index", c_int))


# Function of the C library -> its result and its arguments.
_FUNCTIONS = {
    "TF_NewStatus": (c_void_p, []),
    "TF_DeleteStatus": (None, [c_void_p]),
    "TF_GetCode": (c_int, [c_void_p]),
    "TF_Message": (c_char_p, [c_void_p]),
    "TF_NewGraph": (c_void_p, []),
    "TF_NewSessionOptions": (c_void_p, []),
    "TF_LoadLibrary": (c_void_p, [c_char_p, c_void_p]),
    "TF_LoadSessionFromSavedModel": (
        c_void_p,
        [c_void_p] * 2 + [c_char_p, POINTER(c_char_p), c_int] + [c_void_p] * 3,
    ),
    "TF_GraphOperationByName": (c_void_p, [c_void_p, c_char_p]),
    "TF_SessionRun": (
        None,
        [c_void_p, c_void_p]
        + [POINTER(Output), POINTER(c_void_p), c_int] * 2
        + [c_void_p, c_int, c_void_p, c_void_p],
    ),
    "TF_AllocateTensor": (c_void_p, [c_int, POINTER(c_int64), c_int, c_size_t]),
    "TF_DeleteTensor": (None, [c_void_p]),
    "TF_TensorData": (c_void_p, [c_void_p]),
    "TF_TensorByteSize": (c_size_t, [c_void_p]),
    "TF_TensorType": (c_int, [c_void_p]),
    "TF_NumDims": (c_int, [c_void_p]),
    "TF_Dim": (c_int64, [c_void_p, c_int]),
    "TF_StringInit": (None, [c_void_p]),
    "TF_StringCopy": (None, [c_void_p, c_char_p, c_size_t]),
    "TF_StringDealloc": (None, [c_void_p]),
    "TF_StringGetDataPointer": (c_void_p, [c_void_p]),
    "TF_StringGetSize": (c_size_t, [c_void_p]),
}


class Session:
    """A SavedModel loaded in TensorFlow's C library; `op_libraries` have further ops."""

    def __init__(self, library: str, op_libraries: list[str], folder: str):
        for name in (library.replace("_cc.", "_framework."), library):
            self._c = ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(self._c, name)
            function.restype, function.argtypes = result, arguments
        for path in op_libraries:
            status = self._c.TF_NewStatus()
            self._c.TF_LoadLibrary(path.encode(), status)
            self._check(status)
        self._graph = self._c.TF_NewGraph()
        tags, status = (c_char_p * 1)(b"serve"), self._c.TF_NewStatus()
        options, path = self._c.TF_NewSessionOptions(), folder.encode()
        self._session = self._c.TF_LoadSessionFromSavedModel(
            options, None, path, tags, 1, self._graph, None, status
        )
        self._check(status)

    def hold(self, shape: tuple[int, ...]) -> tuple[int, memoryview]:
        """A float32 tensor to be fed again and again, and its memory, to be filled."""
        dims, size = (c_int64 * len(shape))(*shape), 4 * math.prod(shape)
        tensor = self._c.TF_AllocateTensor(FLOAT, dims, len(shape), size)
        return tensor, memoryview((c_char * size).from_address(self._c.TF_TensorData(tensor)))

    def run(self, feeds: dict, fetches: list[str], held: dict[str, int] | None = None) -> list:
        """Feeds tensors by name, and gives the fetched ones. Threads may call it."""
        held = held or {}
        own = [self._tensor(*tensor) for tensor in feeds.values()]
        feeds = [*feeds, *held]
        inputs = (Output * len(feeds))(*map(self._output, feeds))
        values = (c_void_p * len(feeds))(*own, *held.values())
        outputs = (Output * len(fetches))(*map(self._output, fetches))
        results, status = (c_void_p * len(fetches))(), self._c.TF_NewStatus()
        fed, fetched = (inputs, values, len(feeds)), (outputs, results, len(fetches))
        self._c.TF_SessionRun(self._session, None, *fed, *fetched, None, 0, None, status)
        for tensor in own:
            self._free(tensor)
        self._check(status)
        answers = [self._value(tensor) for tensor in results]
        for tensor in results:  # the strings of some are those of a constant in the graph
            self._c.TF_DeleteTensor(tensor)
        return answers

    def _check(self, status: int):
        code, said = self._c.TF_GetCode(status), self._c.TF_Message(status)
        self._c.TF_DeleteStatus(status)
        if code != 0:
            raise RuntimeError(said.decode(errors="replace"))

    def _output(self, name: str) -> Output:
        operation, index = name.rsplit(":", 1)
        return Output(self._c.TF_GraphOperationByName(self._graph, operation.encode()), int(index))

    def _tensor(self, kind: int, shape: tuple[int, ...], data) -> int:
        size = len(data) * (_BYTES_OF_A_TSTRING if kind == STRING else 1)
        dims = (c_int64 * len(shape))(*shape)
        tensor = self._c.TF_AllocateTensor(kind, dims, len(shape), size)
        at = self._c.TF_TensorData(tensor)
        if kind != STRING:
            ctypes.memmove(at, data, size)
            return tensor
        for place, text in zip(self._strings(tensor), data):
            self._c.TF_StringInit(place)
            self._c.TF_StringCopy(place, text, len(text))
        return tensor

    def _value(self, tensor: int) -> tuple:
        c = self._c
        shape = tuple(c.TF_Dim(tensor, axis) for axis in range(c.TF_NumDims(tensor)))
        kind, size = c.TF_TensorType(tensor), c.TF_TensorByteSize(tensor)
        if kind != STRING:
            return kind, shape, ctypes.string_at(c.TF_TensorData(tensor), size)
        texts = [
            ctypes.string_at(c.TF_StringGetDataPointer(at), c.TF_StringGetSize(at))
            for at in self._strings(tensor)
        ]
        return kind, shape, texts

    def _strings(self, tensor: int) -> range:
        at, size = self._c.TF_TensorData(tensor), self._c.TF_TensorByteSize(tensor)
        return range(at, at + size, _BYTES_OF_A_TSTRING)

    def _free(self, tensor: int):
        if self._c.TF_TensorType(tensor) == STRING:
            for at in self._strings(tensor):
                self._c.TF_StringDealloc(at)
        self._c.TF_DeleteTensor(tensor)


def resident_bytes() -> int:
    """Memory that the process has held at most."""
    try:
        with open("/proc/self/status") as file:
            return 1024 * next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(library: str, folder: str, *op_libraries: str) -> None:
    """Loads, says how long it took, and answers `(number, feeds, fetches)` until input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # that process says when to end
    one_at_a_time = threading.Lock()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the libraries print is no answer

    def say(message):
        with one_at_a_time:
            pickle.dump(message, answers)
            answers.flush()

    def answer(number: int, feeds: dict, fetches: list[str]):
        start = time.perf_counter()
        try:
            reply = {"tensors": session.run(feeds, fetches)}
        except Exception as error:  # an answer in any case
            reply = {"error": str(error)}
        seconds = time.perf_counter() - start
        say({**reply, "number": number, "seconds": seconds, "memory": resident_bytes() - before})

    def read():
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            while True:
                try:
                    request = pickle.load(sys.stdin.buffer)
                except EOFError:
                    os._exit(0)
                pool.submit(answer, *request)

    reader = threading.Thread(target=read)
    reader.start()
    ctypes.CDLL(library.replace("_cc.", "_framework."), mode=ctypes.RTLD_GLOBAL)
    ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
    before, start = resident_bytes(), time.perf_counter()
    try:
        session = Session(library, list(op_libraries), folder)
    except RuntimeError as error:
        return say({"number": None, "error": str(error)})
    seconds = time.perf_counter() - start
    say({"number": None, "load_seconds": seconds, "memory": resident_bytes() - before})
    reader.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
