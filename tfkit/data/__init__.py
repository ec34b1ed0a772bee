"""From files and lists of texts to batches of token ids.

All but `dataset` needs no TensorFlow; that imports it when it is first used.
"""

from __future__ import annotations

from tfkit.data.examples import Examples
from tfkit.data.readers import read
from tfkit.data.split import split
from tfkit.data.table import BadRow

__all__ = ["BadRow", "Examples", "dataset", "read", "split"]


def __getattr__(name: str):
    if name != "dataset":
        raise AttributeError(f"module 'tfkit.data' has no attribute '{name}'")
    from tfkit.data.pipeline import dataset

    globals()[name] = dataset
    return dataset
