"""tf_model.h5: what Hugging Face's TensorFlow classes wrote, until Transformers 5 dropped them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

FILENAME = "tf_model.h5"


class Reader:
    """An open HDF5 file. A whole checkpoint lists its datasets in `weight_names` of top-level
    groups; in a shard they lie at their names, without such a list.
    """

    format = "tf"

    def __init__(self, path: Path):
        try:
            self._file = h5py.File(path, "r")
            self._datasets = _datasets(self._file)
        except (OSError, RuntimeError, KeyError) as error:
            raise ValueError(
                f"'{path}' is not a whole HDF5 file ({error}). It may be truncated: download or "
                "copy it again."
            ) from error
        if not self._datasets:
            raise ValueError(
                f"Expected weights in '{path}', as Transformers wrote a tf_model.h5. Found none."
            )

    def names(self) -> list[str]:
        return list(self._datasets)

    def shape(self, key: str) -> tuple[int, ...]:
        return tuple(self._datasets[key].shape)

    def read(self, key: str) -> np.ndarray:
        return self._datasets[key][()]


def _datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    found = {}
    for group in file.values():
        for name in group.attrs.get("weight_names", ()):
            name = name.decode() if isinstance(name, bytes) else name
            found[name] = group[name]
    if not found:
        file.visititems(lambda name, node: _take(found, name, node))
    return found


def _take(found: dict, name: str, node) -> None:
    if isinstance(node, h5py.Dataset):
        found[name] = node
