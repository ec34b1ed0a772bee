"""model.safetensors: read one tensor at a time, straight into its array, and written whole."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy

FILENAME = "model.safetensors"
# What the format calls the dtypes that a checkpoint may have.
_DTYPES = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "I64": np.dtype("<i8"),
}


class Reader:
    """An open file, checked by the library, and read past it: the library maps it into memory,
    where what was read would stay beside the model's copy.
    """

    def __init__(self, path: Path):
        self._path = path
        try:
            with safetensors.safe_open(path, framework="np") as file:
                self._metadata = file.metadata() or {}
        except (safetensors.SafetensorError, OSError) as error:
            raise self._damaged(error) from error
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            self._tensors = json.loads(file.read(length))
        self._tensors.pop("__metadata__", None)
        self._start = 8 + length

    def names(self) -> list[str]:
        return list(self._tensors)

    def shape(self, key: str) -> tuple[int, ...]:
        return tuple(self._tensors[key]["shape"])

    def read(self, key: str) -> np.ndarray:
        tensor = self._tensors[key]
        if tensor["dtype"] not in _DTYPES:
            raise ValueError(
                f"Expected weights of the dtypes {', '.join(_DTYPES)} in '{self._path}'. "
                f"Received {tensor['dtype']} for {key}. Save the checkpoint in one of them."
            )
        count, offset = math.prod(tensor["shape"]), self._start + tensor["data_offsets"][0]
        value = np.fromfile(self._path, _DTYPES[tensor["dtype"]], count, offset=offset)
        if value.size != count:
            raise self._damaged("it ends early")
        return value.reshape(tensor["shape"])

    @property
    def format(self) -> str | None:
        """The framework whose names and layouts the file has, where it says so."""
        return self._metadata.get("format")

    def _damaged(self, why) -> ValueError:
        return ValueError(
            f"'{self._path}' is not a whole safetensors file ({why}). It may be truncated: "
            "download or copy it again."
        )


def write(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Writes `tensors`, marked as PyTorch's, since their names and layouts are."""
    path.touch()
    mode = path.stat().st_mode  # what the user's umask gives: save_file makes the file private
    try:
        safetensors.numpy.save_file(dict(tensors), path, metadata={"format": "pt"})
    except safetensors.SafetensorError as error:
        raise OSError(f"{path.name} was not written ({error}).") from error
    path.chmod(mode)
