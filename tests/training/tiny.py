"""A tokenizer of twenty words, rows of three classes, a crash: what the tests of training share."""

from __future__ import annotations

import keras
import numpy as np

from tfkit import DistilBertTokenizer

_WORDS = [f"w{i}" for i in range(20)]
TOKENIZER = DistilBertTokenizer(
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_WORDS], model_max_length=12
)


def rows(count: int) -> list[tuple[str, str]]:
    """Texts of one to nine words with their labels, the same ones in every process."""
    generator = np.random.default_rng(0)
    return [(" ".join(generator.choice(_WORDS, 1 + i % 9)), "xyz"[i % 3]) for i in range(count)]


class Crash(keras.callbacks.Callback):
    """An error after so many batches."""

    def __init__(self, batches):
        self.batches = batches

    def on_train_batch_end(self, batch, logs=None):
        self.batches -= 1
        if not self.batches:
            raise RuntimeError("crash")


def assert_equal(weights, expected):
    for mine, theirs in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)
