"""A `.tflite` file put to the test: what it answers, how fast, in how much memory."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfkit.export.lite import Classifier
from tfkit.export.report import ExportError, Mismatch

_SCRIPT = Path(__file__).with_name("lite_process.py")
# Between two runs of the same file on the same tokens.
_SAME = 1e-4


def timed_scores(classifier: Classifier, texts: Sequence[str]) -> tuple[np.ndarray, float]:
    """Scores `[B,C]`, and the median of the seconds that the interpreter took for a text."""
    rows, seconds = [], []
    for text in texts:
        inputs = classifier.inputs(text)
        start = time.perf_counter()
        rows.append(classifier.run(inputs)["scores"][0])
        seconds.append(time.perf_counter() - start)
    return np.stack(rows), statistics.median(seconds)


def peak_memory(content: bytes, *, text_kernels: bool = False) -> int:
    """Bytes that a fresh process grows by, at most, when it loads and runs a file.

    Raises:
        ExportError: the file does not run there.
    """
    with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        file.write(content)
        file.flush()
        kernels = "text" if text_kernels else "builtin"
        command = [sys.executable, "-I", str(_SCRIPT), file.name, kernels]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ExportError(f"Expected a file that runs in a fresh process. {done.stderr[-400:]}")
    return int(done.stdout.split()[-1])


def mismatches(
    texts: Sequence[str], wanted: np.ndarray, given: np.ndarray, labels: Sequence[str]
) -> tuple[Mismatch, ...]:
    """The texts whose scores `[B,C]` say that they were read otherwise."""
    far = np.abs(wanted - given).max(-1) > _SAME
    return tuple(
        Mismatch(
            text=texts[at],
            expected=labels[wanted[at].argmax()],
            received=labels[given[at].argmax()],
            difference=float(np.abs(wanted[at] - given[at]).max()),
        )
        for at in np.flatnonzero(far)
    )
