"""pytorch_model.bin: a pickle, read by PyTorch's loader that runs no code from it."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

FILENAME = "pytorch_model.bin"
# Before it, `weights_only` could be got around (CVE-2025-32434).
_SAFE_SINCE = (2, 6)


class Reader:
    """An open pytorch_model.bin, mapped where its form allows."""

    format = "pt"

    def __init__(self, path: Path):
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
        self._tensors, self._bfloat16, self._int16 = tensors, torch.bfloat16, torch.int16

    def names(self) -> list[str]:
        return list(self._tensors)

    def shape(self, key: str) -> tuple[int, ...]:
        return tuple(self._tensors[key].shape)

    def read(self, key: str) -> np.ndarray:
        """A view of the file's bytes, or of the tensor where the file is not mapped."""
        tensor = self._tensors[key].detach()
        if tensor.dtype != self._bfloat16:
            return tensor.numpy()
        import ml_dtypes

        return tensor.view(self._int16).numpy().view(ml_dtypes.bfloat16)


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
