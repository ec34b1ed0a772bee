"""model.safetensors: read one tensor at a time from the mapped file, written whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from tfkit.checkpoints.tf_layout import TensorFlowLayout

FILENAME = "model.safetensors"


class Reader:
    """An open safetensors file; nothing is read but what is asked for.

    Raises:
        ValueError: it is not a whole safetensors file.
    """

    def __init__(self, path: Path):
        try:
            self._file = safetensors.safe_open(path, framework="np")
        except (safetensors.SafetensorError, OSError) as error:
            raise ValueError(
                f"'{path}' is not a whole safetensors file ({error}). It may be truncated: "
                "download or copy it again."
            ) from error

    def names(self) -> list[str]:
        return list(self._file.keys())

    def shape(self, key: str) -> tuple[int, ...]:
        return tuple(self._file.get_slice(key).get_shape())

    def read(self, key: str) -> np.ndarray:
        return self._file.get_tensor(key)

    @property
    def format(self) -> str | None:
        """The framework whose names and layouts the file has, where it says so."""
        return (self._file.metadata() or {}).get("format")


def open_reader(path: Path) -> Reader | TensorFlowLayout:
    """A reader with PyTorch's names and layouts, whichever framework wrote the file."""
    file = Reader(path)
    return TensorFlowLayout(file) if file.format == "tf" else file


def write(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Writes `tensors`, marked as PyTorch's, since their names and layouts are."""
    path.touch()
    mode = path.stat().st_mode  # what the user's umask gives: save_file makes the file private
    safetensors.numpy.save_file(dict(tensors), path, metadata={"format": "pt"})
    path.chmod(mode)
