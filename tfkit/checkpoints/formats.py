"""The forms in which a checkpoint may hold its weights, in the order in which they are sought."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from tfkit.checkpoints import hdf5, safetensors, shards, torch_bin
from tfkit.hub import HubOptions, find_file


class Weights(Protocol):
    """What every reader gives: PyTorch's names and layouts, each weight when it is asked for."""

    def names(self) -> list[str]: ...

    def shape(self, key: str) -> tuple[int, ...]: ...

    def read(self, key: str) -> np.ndarray: ...


class Format(NamedTuple):
    """A file name, what opens such a file, and the keyword that asks `from_pretrained` for it."""

    filename: str
    open_reader: Callable[[Path], Weights]
    asked_by: str | None


# The safest first: safetensors holds numbers alone.
FORMATS = (
    Format(safetensors.FILENAME, safetensors.open_reader, None),
    Format(torch_bin.FILENAME, torch_bin.Reader, "from_pt"),
    Format(hdf5.FILENAME, hdf5.open_reader, "from_tf"),
)


def open_weights(
    name_or_path: str | os.PathLike,
    options: HubOptions,
    *,
    from_pt: bool = False,
    from_tf: bool = False,
    use_safetensors: bool | None = None,
) -> tuple[Weights, Path]:
    """Opens the weights of a checkpoint: the first form that it has, whole or in shards.

    Args:
        name_or_path: a folder or Hub repository.
        options: where and how to look.
        from_pt: look for pytorch_model.bin first.
        from_tf: look for tf_model.h5 first.
        use_safetensors: True looks for safetensors alone, False for the other forms alone.

    Returns: the reader, and the file (or index) that it reads.

    Raises:
        FileNotFoundError: the checkpoint has no weights in any form.
        ValueError: the file is damaged.
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
            return form.open_reader(path), path
        index = find_file(name_or_path, form.filename + shards.SUFFIX, options)
        if index is not None:
            find = lambda name: find_file(name_or_path, name, options)  # noqa: E731
            return shards.open_shards(index, find, form.open_reader), index
    raise FileNotFoundError(
        f"Expected weights in '{name_or_path}': {', '.join(form.filename for form in forms)}, "
        "whole or in shards. It has none. Save the checkpoint again with `save_pretrained`."
    )
