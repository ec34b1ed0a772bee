"""A `.tflite` file put to the test: what it answers, how fast, in how much memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfkit.export.answers import require_finite
from tfkit.export.mobile.classifier import Classifier
from tfkit.export.report import ExportError, Mismatch
from tfkit.utils.files import enough_room
from tfkit.utils.processes import TIMEOUT, ending

_SCRIPT = Path(__file__).with_name("memory_process.py")
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


def peak_memory(content: bytes, *, text_kernels: bool = False, timeout: float = TIMEOUT) -> int:
    """Bytes that a fresh process grows by, at most, when it loads and runs a file.

    Args:
        content: of the file.
        text_kernels: register tensorflow-text's.
        timeout: seconds after which the process is ended. It ends with this one, too.

    Raises:
        ExportError: the file does not run there, or not in time.
    """
    folder = Path(tempfile.gettempdir())
    with enough_room(folder, len(content)), tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary, "model.tflite")
        path.write_bytes(content)
        kernels = "text" if text_kernels else "builtin"
        command = [sys.executable, "-I", str(_SCRIPT), str(path), kernels]
        standard_input, held = os.pipe()
        try:
            done = subprocess.run(
                command, stdin=standard_input, capture_output=True, timeout=timeout
            )
        except subprocess.TimeoutExpired:
            raise ExportError(
                f"Expected a file that runs in a fresh process. It took over {timeout:g} s, and "
                "was ended."
            ) from None
        finally:
            os.close(standard_input)
            os.close(held)
    if done.returncode:
        raise ExportError(
            "Expected a file that runs in a fresh process. That "
            f"{ending(done.returncode, done.stderr)}"
        )
    if not done.stdout:
        raise ExportError("Expected a file that runs in a fresh process. It gave no figure.")
    return int(done.stdout.split()[-1])


def mismatches(
    texts: Sequence[str], wanted: np.ndarray, given: np.ndarray, labels: Sequence[str]
) -> tuple[Mismatch, ...]:
    """The texts whose scores `[B,C]` say that they were read otherwise."""
    require_finite(given, "the file with MediaPipe's tokens")
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
