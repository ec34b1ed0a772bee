"""Virtual environments of the contestants, and the model that all of them answer with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.contestants import ENVIRONMENTS

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = REPOSITORY / ".bench"


def python_of(environment: str) -> Path:
    return CACHE / environment / "bin" / "python"


def ensure(environment: str) -> bool:
    """Makes the environment unless it stands as the table asks; says why when it cannot."""
    folder = CACHE / environment
    own = (REPOSITORY / "setup.cfg").read_text() if environment == "tfkit" else ""
    stamp, asked = folder / "installed.json", json.dumps([ENVIRONMENTS[environment], own])
    if stamp.exists() and stamp.read_text() == asked:
        return True
    print(f"Installing {folder}", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    pip = [str(python_of(environment)), "-m", "pip", "install", "--quiet"]
    steps = [[sys.executable, "-m", "venv", str(folder)]]
    steps += [pip + list(packages) for packages in ENVIRONMENTS[environment]]
    for step in steps:
        done = subprocess.run(step, cwd=REPOSITORY, capture_output=True, text=True)
        if done.returncode:
            print(f"No environment {environment}: {done.stderr[-800:]}", file=sys.stderr)
            return False
    stamp.write_text(asked)
    return True


def ensure_model(source: Path) -> Path:
    """The folder of the model's one set of weights, in the formats of all contestants: that of a
    vocabulary or a checkpoint.
    """
    folder = CACHE / ("model" if source.is_file() else f"model-{source.name}")
    for environment, module, arguments, last in (
        ("torch", "write_model", (folder, source), "int8.onnx"),
        ("tensorflow", "write_tensorflow", (folder,), "tensorflow/model.safetensors"),
    ):
        if not (folder / last).exists() and python_of(environment).exists():
            print(f"Writing {folder / last}", file=sys.stderr, flush=True)
            command = [python_of(environment), "-m", f"benchmarks.peers.{module}", *arguments]
            subprocess.run(list(map(str, command)), cwd=REPOSITORY, check=True)
    return folder
