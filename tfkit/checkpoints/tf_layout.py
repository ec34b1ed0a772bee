"""Weights as Hugging Face's TensorFlow classes stored them, seen as PyTorch's."""

from __future__ import annotations

import numpy as np

from tfkit.checkpoints import names


class TensorFlowLayout:
    """A reader over another: PyTorch's names and shapes for TensorFlow's.

    Source: files written by `save_pretrained` of `TFDistilBertModel` and
    `TFDistilBertForSequenceClassification`, transformers 4.57.6 with TensorFlow 2.19.

    Args:
        file: a reader whose names are those of TensorFlow variables.
    """

    def __init__(self, file):
        self._file = file
        self._names = {names.from_tensorflow(name): name for name in file.names()}

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
