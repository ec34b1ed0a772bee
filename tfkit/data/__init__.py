"""From files and lists of texts to batches of token ids; only batches import TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfkit.data.description import Description, describe
from tfkit.data.examples import Examples
from tfkit.data.readers import BadRow, read
from tfkit.data.splitting import split
from tfkit.data.streams import Stream, stream

if TYPE_CHECKING:
    from tfkit.data.pipeline import dataset

__all__ = [
    "BadRow",
    "Description",
    "Examples",
    "Stream",
    "dataset",
    "describe",
    "read",
    "split",
    "stream",
]

if not TYPE_CHECKING:

    def __getattr__(name: str):
        if name != "dataset":
            raise AttributeError(f"module 'tfkit.data' has no attribute '{name}'")
        from tfkit.data.pipeline import dataset

        globals()[name] = dataset
        return dataset
