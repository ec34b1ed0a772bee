"""Threads may share a pipeline, a classifier in the C library or a `lite.Classifier`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    "way",
    [
        "lite with a tokenizer",
        *(
            pytest.param(way, marks=pytest.mark.slow)
            for way in ("lite", "pipelines", "c_library", "explain")
        ),
    ],
)
def test_eight_threads_are_answered_as_one_is(way):
    command = [sys.executable, "-m", "tests.inference.under_load", way]
    home = Path(__file__).resolve().parents[2]
    ran = subprocess.run(command, cwd=home, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr[-2000:]
