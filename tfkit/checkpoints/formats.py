"""The forms in which a checkpoint may hold its weights, in the order in which they are sought."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfkit.checkpoints import hdf5, safetensors, torch_bin
from tfkit.checkpoints.weight_map import WeightMap, Weights
from tfkit.hub import HubOptions, find_file

INDEX = ".index.json"  # after the name of a file that was cut into shards


class Format(NamedTuple):
    """A file name, what reads such a file, and the keyword that asks `from_pretrained` for it."""

    filename: str
    reader: Callable[[Path], Weights]
    asked_by: str | None

    def open(self, path: Path, weight_map: WeightMap) -> Weights:
        """A reader with PyTorch's names and layouts, whichever framework wrote the file."""
        file = self.reader(path)
        return TensorFlowLayout(file, weight_map) if file.format == "tf" else file


# The safest first: safetensors holds numbers alone.
FORMATS = (
    Format(safetensors.FILENAME, safetensors.Reader, None),
    Format(torch_bin.FILENAME, torch_bin.Reader, "from_pt"),
    Format(hdf5.FILENAME, hdf5.Reader, "from_tf"),
)


def open_weights(
    name_or_path: str | os.PathLike,
    options: HubOptions,
    weight_map: WeightMap,
    *,
    from_pt: bool = False,
    from_tf: bool = False,
    use_safetensors: bool | None = None,
) -> tuple[Weights, Path]:
    """A reader of the first form that a checkpoint has, and the file or index that it reads.

    `from_pt` and `from_tf` put pytorch_model.bin and tf_model.h5 first; `use_safetensors` True
    looks for safetensors alone, False for the other forms alone.
    """
    asked = {"from_pt": from_pt, "from_tf": from_tf}
    forms = [
        form
        for form in sorted(FORMATS, key=lambda form: not asked.get(form.asked_by))
        if use_safetensors in (None, form.filename == safetensors.FILENAME)
    ]
    for form in forms:
        path = find_file(name_or_path, form.filename, options)
        if path is not None:
            return form.open(path, weight_map), path
        index = find_file(name_or_path, form.filename + INDEX, options)
        if index is not None:
            paths = {name: find_file(name_or_path, name, options) for name in _shards(index)}
            missing = [name for name, path in paths.items() if path is None]
            if missing:
                raise FileNotFoundError(
                    f"Expected the {len(paths)} files that '{index}' lists. Missing: "
                    f"{', '.join(missing)}. Download or copy the checkpoint again."
                )
            return Shards([form.open(path, weight_map) for path in paths.values()]), index
    raise FileNotFoundError(
        f"Expected weights in '{name_or_path}': {', '.join(form.filename for form in forms)}, "
        "whole or in shards. It has none. Save the checkpoint again with `save_pretrained`."
    )


class Shards:
    """The readers of the files that an index lists, as one."""

    def __init__(self, readers):
        self._home = {key: reader for reader in readers for key in reader.names()}

    def names(self) -> list[str]:
        return list(self._home)

    def shape(self, key: str) -> tuple[int, ...]:
        return self._home[key].shape(key)

    def read(self, key: str) -> np.ndarray:
        return self._home[key].read(key)


def _shards(index: Path) -> list[str]:
    try:
        weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        files = sorted({str(name) for name in weight_map.values()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"Expected '{index}' to be JSON with a `weight_map` of names to files. "
            f"Received something else ({type(error).__name__}: {error})."
        ) from error
    outside = [name for name in files if name in ("", ".", "..") or set(name) & {"/", "\\", ":"}]
    if outside:
        raise ValueError(
            f"Expected '{index}' to list files beside it. Received: {', '.join(outside)}. "
            "Nothing was read; do not trust this checkpoint."
        )
    return files


class TensorFlowLayout:
    """A file of Hugging Face's TensorFlow classes, read with PyTorch's names and shapes."""

    def __init__(self, file, weight_map: WeightMap):
        self._file = file
        self._names = {weight_map.from_tensorflow(name): name for name in file.names()}

    def names(self) -> list[str]:
        return list(self._names)

    def shape(self, key: str) -> tuple[int, ...]:
        shape = self._file.shape(self._names[key])
        return shape[::-1] if self._is_kernel(key) else shape

    def read(self, key: str) -> np.ndarray:
        value = self._file.read(self._names[key])
        return value.T if self._is_kernel(key) else value

    def _is_kernel(self, key: str) -> bool:
        """Whether it is a projection, which TensorFlow keeps as [in, out]."""
        return self._names[key].split(":")[0].endswith("/kernel")
