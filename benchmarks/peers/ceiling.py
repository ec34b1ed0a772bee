"""The most that this machine gets out of a matrix product, in TensorFlow."""

from __future__ import annotations

import time

import tensorflow as tf

# Rows, inner width, columns: the products of DistilBERT on 1,024 and 2,048 tokens, and a large one.
SHAPES = (
    *((rows, *widths) for rows in (1024, 2048) for widths in ((768, 3072), (3072, 768))),
    (2048, 768, 2304),
    (2048, 2048, 2048),
)
DTYPES = ("float32", "bfloat16")
REPEATS = 12


class Peer:
    """The machine itself: what `Tasks.ceiling` asks."""

    def __init__(self, folder: str):
        self.product = tf.function(tf.matmul)

    def ceiling(self) -> dict[str, float]:
        return {
            dtype: max(self._rate(tf.dtypes.as_dtype(dtype), *shape) for shape in SHAPES)
            for dtype in DTYPES
        }

    def _rate(self, dtype, rows: int, inner: int, columns: int) -> float:
        """Operations a second: the fastest of some products."""
        a = tf.cast(tf.random.normal([rows, inner]), dtype)
        b = tf.cast(tf.random.normal([inner, columns]), dtype)
        best = float("inf")
        for _ in range(REPEATS):
            start = time.perf_counter()
            self.product(a, b)[0, 0].numpy()
            best = min(best, time.perf_counter() - start)
        return 2 * rows * inner * columns / best
