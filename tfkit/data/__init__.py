"""From files and lists of texts to batches of token ids.

`read` and `Examples` need no TensorFlow; `dataset` imports it when it is first used.
"""

from __future__ import annotations

from tfkit.data.examples import Examples
from tfkit.data.readers import read

__all__ = ["Examples", "dataset", "read"]


def __getattr__(name: str):
    if name != "dataset":
        raise AttributeError(f"module 'tfkit.data' has no attribute '{name}'")
    from tfkit.data.pipeline import dataset

    globals()[name] = dataset
    return dataset
