"""Prints the memory, in bytes, that loading and running a `.tflite` file takes.

    python memory_process.py FILE ai_edge_litert.interpreter [builtin | text]

It imports nothing of tfkit, and TensorFlow only for tensorflow-text's kernels ("text").
"""

from __future__ import annotations

import functools
import importlib
import os
import resource
import sys
import threading

import numpy as np


def main(path: str, module: str, kernels: str = "builtin") -> None:
    """Loads the file and runs each signature once, on one row of zeros or an empty text."""
    threading.Thread(target=end_with_input, daemon=True).start()
    load = importlib.import_module(module).Interpreter
    if kernels == "text":
        from tensorflow_text import tflite_registrar

        load = importlib.import_module(module).InterpreterWithCustomOps
        load = functools.partial(load, tflite_registrar.SELECT_TFTEXT_OPS)
    load = functools.partial(load, model_path=path, num_threads=1)
    load()  # with whatever the libraries load late
    before = resident("VmRSS")
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # VmHWM begins again from here
    except OSError:
        pass
    interpreter = load()
    for name in interpreter.get_signature_list():
        run = interpreter.get_signature_runner(name)
        run(**{key: zeros(detail) for key, detail in run.get_input_details().items()})
    print(resident("VmHWM") - before)


def end_with_input() -> None:
    """Standard input ends when the process that holds its other end does."""
    while os.read(0, 4096):  # past Python's own buffer, whose lock would be held at the end
        pass
    os._exit(1)


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
