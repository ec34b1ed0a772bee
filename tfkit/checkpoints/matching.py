"""Which weight of a checkpoint is which of a model, and its value as the model has it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np

from tfkit.checkpoints import names
from tfkit.checkpoints.formats import Weights


class Match:
    """A checkpoint's weights by the variables of a model.

    Args:
        weights: what the checkpoint holds.
        rows: of the table of names, those of the model.

    Attributes:
        parts: the path of a variable -> the rows that it is made of, in their order.
        unused: keys of the checkpoint, in today's spelling, that no row names.
    """

    def __init__(self, weights: Weights, rows: Iterable[names.Weight]):
        self._weights = weights
        self._keys = {names.canonical(key): key for key in weights.names()}
        found = sorted((row for row in rows if row in self), key=_by_variable)
        groups = itertools.groupby(found, key=lambda row: row.ours)
        self.parts = {path: list(parts) for path, parts in groups}
        self.unused = sorted(set(self._keys) - {row.theirs for row in found})

    def __contains__(self, row: names.Weight) -> bool:
        return row.theirs in self._keys

    def misshapen(self, path: str, shape: tuple[int, ...]) -> dict[str, str]:
        """What is of another shape than a variable of this shape needs: its key, and both."""
        wrong = {}
        for row in self.parts[path]:
            expected, found = row.their_shape(shape), self._weights.shape(self._keys[row.theirs])
            if found != expected:
                wrong[row.theirs] = f"{row.theirs} (expected {expected}, found {found})"
        return wrong

    def value(self, path: str, shape: tuple[int, ...], dtype) -> np.ndarray:
        """The variable's value, of this shape."""
        if len(self.parts[path]) == 1:
            return self._read(*self.parts[path]).astype(dtype, copy=False)
        value = np.empty(shape, dtype)
        for row in self.parts[path]:
            row.piece(value)[...] = self._read(row)
        return value

    def _read(self, row: names.Weight) -> np.ndarray:
        return row.to_ours(self._weights.read(self._keys[row.theirs]))


def _by_variable(row: names.Weight) -> tuple:
    return row.ours, row.part or (0, 1)
