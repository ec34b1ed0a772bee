"""The forms in which a checkpoint may hold its weights, in the order in which they are sought."""

from __future__ import annotations

import functools
import json
import math
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import h5py
import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy

from tfkit.checkpoints.weight_map import Tensor, WeightMap
from tfkit.hub import HubOptions, find_file

SAFETENSORS = "model.safetensors"
INDEX = ".index.json"  # after the name of a file that was cut into shards
# What safetensors calls the dtypes that a checkpoint may have.
_DTYPES = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "I64": np.dtype("<i8"),
}
# Before it, `weights_only` of PyTorch could be got around (CVE-2025-32434).
_SAFE_SINCE = (2, 6)


def open_weights(
    name_or_path: str | os.PathLike,
    options: HubOptions,
    weight_map: WeightMap,
    *,
    from_pt: bool = False,
    from_tf: bool = False,
    use_safetensors: bool | None = None,
) -> tuple[dict[str, Tensor], Path]:
    """The weights in the first form that a checkpoint has, and the file or index that has them.

    `from_pt` and `from_tf` put pytorch_model.bin and tf_model.h5 first; `use_safetensors` True
    looks for safetensors alone, False for the other forms alone.
    """
    asked = {"from_pt": from_pt, "from_tf": from_tf}
    forms = [
        form
        for form in sorted(_FORMATS, key=lambda form: not asked.get(form.asked_by))
        if use_safetensors in (None, form.filename == SAFETENSORS)
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
            shards = [form.open(path, weight_map) for path in paths.values()]
            return {key: tensor for shard in shards for key, tensor in shard.items()}, index
    raise FileNotFoundError(
        f"Expected weights in '{name_or_path}': {', '.join(form.filename for form in forms)}, "
        "whole or in shards. It has none. Save the checkpoint again with `save_pretrained`."
    )


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


# === model.safetensors ===


def _safetensors(path: Path) -> tuple[dict[str, Tensor], str | None]:
    """Checked by the library, and read past it: it maps the file into memory, where what was read
    would stay beside the model's copy.
    """

    def damaged(why) -> ValueError:
        return ValueError(
            f"'{path}' is not a whole safetensors file ({why}). It may be truncated: "
            "download or copy it again."
        )

    try:
        with safetensors.safe_open(path, framework="np") as file:
            layout = (file.metadata() or {}).get("format")
    except (safetensors.SafetensorError, OSError) as error:
        raise damaged(error) from error
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)

    def read(key: str) -> np.ndarray:
        dtype, shape = header[key]["dtype"], header[key]["shape"]
        if dtype not in _DTYPES:
            raise ValueError(
                f"Expected weights of the dtypes {', '.join(_DTYPES)} in '{path}'. "
                f"Received {dtype} for {key}. Save the checkpoint in one of them."
            )
        count, offset = math.prod(shape), 8 + length + header[key]["data_offsets"][0]
        value = np.fromfile(path, _DTYPES[dtype], count, offset=offset)
        if value.size != count:
            raise damaged("it ends early")
        return value.reshape(shape)

    tensors = {
        key: Tensor(tuple(entry["shape"]), functools.partial(read, key))
        for key, entry in header.items()
    }
    return tensors, layout


def write_safetensors(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Writes `tensors`, marked as PyTorch's, since their names and layouts are."""
    path.touch()
    mode = path.stat().st_mode  # what the user's umask gives: save_file makes the file private
    try:
        safetensors.numpy.save_file(dict(tensors), path, metadata={"format": "pt"})
    except safetensors.SafetensorError as error:
        raise OSError(f"{path.name} was not written ({error}).") from error
    path.chmod(mode)


# === pytorch_model.bin: a pickle, read by PyTorch's loader that runs no code from it ===


def _torch_bin(path: Path) -> tuple[dict[str, Tensor], str]:
    torch = _torch(path)
    try:
        # Files from before PyTorch 1.6 are no zip archives and cannot be mapped.
        tensors = torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
        )
    except Exception as error:  # torch raises whatever it meets in a damaged file
        raise ValueError(
            f"'{path}' is not a whole file of tensors: it is damaged, or a pickle with more "
            f"in it, which was not run ({type(error).__name__}). Download or copy it again; "
            "of a checkpoint that you do not trust, use a model.safetensors alone."
        ) from error
    if not isinstance(tensors, Mapping) or not all(
        isinstance(value, torch.Tensor) for value in tensors.values()
    ):
        raise ValueError(
            f"Expected tensors by name in '{path}', as `torch.save(model.state_dict())` "
            f"writes them. Received a {type(tensors).__name__} with other things in it."
        )

    def read(tensor) -> np.ndarray:
        if tensor.dtype != torch.bfloat16:
            return tensor.detach().numpy()
        return tensor.detach().view(torch.int16).numpy().view(ml_dtypes.bfloat16)

    return {
        key: Tensor(tuple(tensor.shape), functools.partial(read, tensor))
        for key, tensor in tensors.items()
    }, "pt"


def _torch(path: Path):
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            f"Expected PyTorch, to read '{path}'. It is not installed. Install it "
            "(`pip install torch`), or convert the checkpoint once where it is: "
            "`AutoModelForSequenceClassification.from_pretrained(folder).save_pretrained(folder)` "
            "of Transformers writes a model.safetensors, which tfkit reads without PyTorch."
        ) from error
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < _SAFE_SINCE:
        raise ImportError(
            f"Expected PyTorch {_SAFE_SINCE[0]}.{_SAFE_SINCE[1]} or newer, to read '{path}' "
            f"safely. Received version {torch.__version__}. Update it (`pip install -U torch`)."
        )
    return torch


# === tf_model.h5, which Hugging Face's TensorFlow classes wrote until Transformers 5 ===


def _hdf5(path: Path) -> tuple[dict[str, Tensor], str]:
    """A whole checkpoint lists its datasets in `weight_names` of top-level groups; in a shard they
    lie at their names, without such a list.
    """
    datasets = {}

    def take(name: str, node) -> None:
        if isinstance(node, h5py.Dataset):
            datasets[name] = node

    try:
        file = h5py.File(path, "r")
        for group in file.values():
            for name in group.attrs.get("weight_names", ()):
                name = name.decode() if isinstance(name, bytes) else name
                datasets[name] = group[name]
        if not datasets:
            file.visititems(take)
    except (OSError, RuntimeError, KeyError) as error:
        raise ValueError(
            f"'{path}' is not a whole HDF5 file ({error}). It may be truncated: download or "
            "copy it again."
        ) from error
    if not datasets:
        raise ValueError(
            f"Expected weights in '{path}', as Transformers wrote a tf_model.h5. Found none."
        )
    return {
        name: Tensor(tuple(dataset.shape), functools.partial(dataset.__getitem__, ()))
        for name, dataset in datasets.items()
    }, "tf"


class _Format(NamedTuple):
    filename: str
    read: Callable[[Path], tuple[dict[str, Tensor], str | None]]  # its tensors, whose layout
    asked_by: str | None  # keyword of `from_pretrained`

    def open(self, path: Path, weight_map: WeightMap) -> dict[str, Tensor]:
        """The tensors under PyTorch's names and layouts, whichever framework wrote the file."""
        tensors, layout = self.read(path)
        if layout != "tf":
            return tensors
        return {
            weight_map.from_tensorflow(name): (
                tensor.transposed() if name.split(":")[0].endswith("/kernel") else tensor
            )
            for name, tensor in tensors.items()
        }


# The safest first: safetensors holds numbers alone.
_FORMATS = (
    _Format(SAFETENSORS, _safetensors, None),
    _Format("pytorch_model.bin", _torch_bin, "from_pt"),
    _Format("tf_model.h5", _hdf5, "from_tf"),
)
