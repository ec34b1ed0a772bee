"""Prints the memory, in bytes, that loading and running a `.tflite` file takes.

    python memory_process.py FILE [builtin | text]

It imports nothing of tfkit, and TensorFlow only for tensorflow-text's kernels ("text").
"""

from __future__ import annotations

import functools
import os
import resource
import sys
import threading

import numpy as np


def main(path: str, kernels: str = "builtin") -> None:
    """Loads the file and runs each signature once, on one row of zeros or an empty text."""
    threading.Thread(target=end_with_input, daemon=True).start()
    load = interpreter_class(kernels)
    load(model_path=path)  # with whatever the libraries load late
    before = resident("VmRSS")
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # VmHWM begins again from here
    except OSError:
        pass
    interpreter = load(model_path=path)
    for name in interpreter.get_signature_list():
        run = interpreter.get_signature_runner(name)
        run(**{key: zeros(detail) for key, detail in run.get_input_details().items()})
    print(resident("VmHWM") - before)


def end_with_input() -> None:
    """Standard input ends when the process that holds its other end does."""
    while os.read(0, 4096):  # past Python's own buffer, whose lock would be held at the end
        pass
    os._exit(1)


def interpreter_class(kernels):
    """LiteRT's interpreter, or TensorFlow's, with builtin kernels or tensorflow-text's too."""
    try:
        from ai_edge_litert import interpreter as litert
    except ImportError:
        from tensorflow.lite.python import interpreter as litert
    if kernels == "builtin":
        return functools.partial(litert.Interpreter, num_threads=1)
    from tensorflow_text import tflite_registrar

    kernels = tflite_registrar.SELECT_TFTEXT_OPS
    return functools.partial(litert.InterpreterWithCustomOps, kernels, num_threads=1)


def zeros(detail: dict) -> np.ndarray:
    """One row of an input."""
    shape = [max(1, size) for size in detail["shape_signature"]]
    if detail["dtype"] in (np.bytes_, np.object_):
        return np.full(shape, b"", dtype=object)
    return np.zeros(shape, detail["dtype"])


def resident(field: str) -> int:
    """VmRSS, what the process holds now, or VmHWM, the most that it has held."""
    try:
        with open("/proc/self/status") as file:
            return 1024 * next(int(line.split()[1]) for line in file if line.startswith(field))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main(*sys.argv[1:])
