"""One table of weight names, read forwards to load a checkpoint and backwards to save one."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

import numpy as np


@dataclasses.dataclass(frozen=True)
class Weight:
    """One weight in a Hugging Face checkpoint, and where it lies in a tfkit model.

    Attributes:
        theirs: the key in the checkpoint, without the `distilbert.` prefix.
        ours: the attribute path in the model, list indices included.
        transposed: torch keeps a projection as [out, in], Keras as [in, out].
        part: (k, n) when it is the k-th of n equal slices of our last axis; else None.
    """

    theirs: str
    ours: str
    transposed: bool = False
    part: tuple[int, int] | None = None

    def their_shape(self, ours: tuple[int, ...]) -> tuple[int, ...]:
        """The shape in the checkpoint, given the shape of our variable."""
        shape = tuple(ours)
        if self.part is not None:
            shape = (*shape[:-1], shape[-1] // self.part[1])
        return shape[::-1] if self.transposed else shape

    def to_ours(self, value: np.ndarray) -> np.ndarray:
        return value.T if self.transposed else value

    def from_ours(self, value: np.ndarray) -> np.ndarray:
        if self.part is not None:
            k, n = self.part
            value = np.split(value, n, axis=-1)[k]
        return np.ascontiguousarray(value.T if self.transposed else value)


def _dense(theirs: str, ours: str, part: tuple[int, int] | None = None) -> list[Weight]:
    return [
        Weight(f"{theirs}.weight", f"{ours}.kernel", transposed=True, part=part),
        Weight(f"{theirs}.bias", f"{ours}.bias", part=part),
    ]


def _norm(theirs: str, ours: str) -> list[Weight]:
    return [Weight(f"{theirs}.weight", f"{ours}.gamma"), Weight(f"{theirs}.bias", f"{ours}.beta")]


_EMBEDDINGS = [
    Weight("embeddings.word_embeddings.weight", "embeddings.word_embeddings.embeddings"),
    Weight("embeddings.position_embeddings.weight", "embeddings.position_embeddings.embeddings"),
    *_norm("embeddings.LayerNorm", "embeddings.norm"),
]
_BLOCK = [
    *_dense("attention.q_lin", "attention.qkv", part=(0, 3)),
    *_dense("attention.k_lin", "attention.qkv", part=(1, 3)),
    *_dense("attention.v_lin", "attention.qkv", part=(2, 3)),
    *_dense("attention.out_lin", "attention.out"),
    *_norm("sa_layer_norm", "sa_layer_norm"),
    *_dense("ffn.lin1", "ffn.lin1"),
    *_dense("ffn.lin2", "ffn.lin2"),
    *_norm("output_layer_norm", "output_layer_norm"),
]
# The heads that tfkit has, by the attribute of the model that holds them.
_HEADS = {
    "head": [
        *_dense("pre_classifier", "head.pre_classifier"),
        *_dense("classifier", "head.classifier"),
    ],
}

PREFIX = "distilbert."
# Heads of other tasks, and a buffer that older versions stored: a checkpoint may have them
# without being meant for another architecture.
ELSEWHERE = re.compile(
    r"(vocab_transform|vocab_layer_norm|vocab_projector|qa_outputs|pre_classifier|classifier)\."
    r"|embeddings\.position_ids$"
)


def backbone(n_layers: int) -> Iterator[Weight]:
    """The rows of embeddings and encoder; `theirs` without prefix, `ours` from the model."""
    rows = [*_EMBEDDINGS]
    for index in range(n_layers):
        place = f"transformer.layer.{index}."
        rows += [
            dataclasses.replace(row, theirs=place + row.theirs, ours=place + row.ours)
            for row in _BLOCK
        ]
    for row in rows:
        yield dataclasses.replace(row, ours=PREFIX + row.ours)


def heads(model) -> Iterator[Weight]:
    """The rows of the heads that `model` has."""
    for attribute, rows in _HEADS.items():
        if hasattr(model, attribute):
            yield from rows


def canonical(key: str) -> str:
    """A checkpoint's key without the `distilbert.` prefix and with today's LayerNorm names.

    Example:

        >>> canonical("distilbert.embeddings.LayerNorm.gamma")
        'embeddings.LayerNorm.weight'
    """
    key = key.removeprefix(PREFIX)
    return re.sub(r"\.gamma$", ".weight", re.sub(r"\.beta$", ".bias", key))
