"""Names of weights as a table, read forwards to load a checkpoint and backwards to save one."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

# What old versions wrote, and no layer reads.
_BUFFERS = {"embeddings.position_ids", "embeddings.token_type_ids"}


class Tensor(NamedTuple):
    """A weight in a file, which is read when it is asked for."""

    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]

    def transposed(self) -> Tensor:
        return Tensor(self.shape[::-1], lambda: self.read().T)


@dataclasses.dataclass(frozen=True)
class Weight:
    """One weight: its key in a Hugging Face checkpoint, its attribute paths here and in keras-nlp.

    `transposed`: torch keeps a projection as [out, in], Keras as [in, out]. `part`: (k, n) when it
    is the k-th of n equal slices of our last axis.
    """

    theirs: str
    ours: str
    keras_nlp: str
    transposed: bool = False
    part: tuple[int, int] | None = None

    def piece(self, value: np.ndarray) -> np.ndarray:
        """This slice of our variable's value."""
        if self.part is None:
            return value
        k, n = self.part
        return np.split(value, n, axis=-1)[k]

    def their_shape(self, ours: tuple[int, ...]) -> tuple[int, ...]:
        """The shape in the checkpoint, given the shape of our variable."""
        if self.part is not None:
            ours = (*ours[:-1], ours[-1] // self.part[1])
        return tuple(ours[::-1] if self.transposed else ours)

    def to_ours(self, value: np.ndarray) -> np.ndarray:
        return value.T if self.transposed else value

    def from_ours(self, value: np.ndarray) -> np.ndarray:
        value = self.piece(value)
        return np.ascontiguousarray(value.T if self.transposed else value)


def dense(theirs: str, ours: str, keras_nlp: str, part=None) -> list[Weight]:
    """The rows of a projection."""
    return [
        Weight(f"{theirs}.weight", f"{ours}.kernel", f"{keras_nlp}.kernel", True, part),
        Weight(f"{theirs}.bias", f"{ours}.bias", f"{keras_nlp}.bias", part=part),
    ]


def norm(theirs: str, ours: str, keras_nlp: str) -> list[Weight]:
    """The rows of a LayerNorm."""
    return [
        Weight(f"{theirs}.weight", f"{ours}.gamma", f"{keras_nlp}.gamma"),
        Weight(f"{theirs}.bias", f"{ours}.beta", f"{keras_nlp}.beta"),
    ]


def embedding(theirs: str, ours: str, keras_nlp: str) -> list[Weight]:
    """The row of an embedding; keras-nlp's with the name of its variable."""
    return [Weight(f"{theirs}.weight", f"{ours}.embeddings", keras_nlp)]


@dataclasses.dataclass(frozen=True)
class WeightMap:
    """The names of all weights of a family.

    Attributes:
        prefix: what stands before the backbone's keys, and is its attribute in a model.
        backbone: rows outside the encoder's blocks.
        blocks: where the list of blocks lies, in the columns of `Weight`.
        block: rows of one block, from there.
        pooler: rows of the backbone that models without a pooler lack.
        heads: task -> the rows of its head, from the model.
        others: first names of heads that tfkit lacks, which a checkpoint may have nonetheless.
        keras_nlp_act: the `hidden_act` of keras-nlp's models of this family.
    """

    prefix: str
    backbone: Sequence[Weight]
    blocks: tuple[str, str, str]
    block: Sequence[Weight]
    heads: Mapping[str, Sequence[Weight]]
    pooler: Sequence[Weight] = ()
    others: Sequence[str] = ()
    keras_nlp_act: str = "gelu"

    def backbone_rows(self, num_hidden_layers: int, pooler: bool) -> list[Weight]:
        """Embeddings, encoder and pooler; `theirs` without prefix, `ours` from the model."""
        columns = ("theirs", "ours", "keras_nlp")
        rows = [*self.backbone, *(self.pooler if pooler else ())]
        for index, row in itertools.product(range(num_hidden_layers), self.block):
            names = zip(columns, self.blocks)
            paths = {name: f"{blocks}.{index}.{getattr(row, name)}" for name, blocks in names}
            rows.append(dataclasses.replace(row, **paths))
        return [dataclasses.replace(row, ours=f"{self.prefix}.{row.ours}") for row in rows]

    def is_optional(self, key: str) -> bool:
        """Whether a key may be in a checkpoint or a model alone: all but those of embeddings and
        encoder, such as a head's, the pooler's, or what a training script kept beside them.
        """
        names = (self.blocks[0], *(row.theirs for row in self.backbone))
        return key.split(".")[0] not in {name.split(".")[0] for name in names}

    def canonical(self, key: str) -> str:
        """A checkpoint's key without the family's prefix and with today's LayerNorm names."""
        key = key.removeprefix(f"{self.prefix}.")
        return re.sub(r"\.gamma$", ".weight", re.sub(r"\.beta$", ".bias", key))

    def from_tensorflow(self, name: str) -> str:
        """The key that a variable of Hugging Face's TensorFlow classes has under PyTorch."""
        # TensorFlow put the model's own name before it, and a scope for each part around it.
        name = re.sub(r"(^|/)[^/]+___", r"\1", name)  # "mlm___cls": the head of one of its tasks
        heads = "|".join(map(re.escape, self._head_names))
        scope = rf".*(?:^|/)(?:{self.prefix}/|(?=(?:{heads})/))"
        key = re.sub(scope, "", name, count=1).split(":")[0].replace("/", ".")
        key = re.sub(r"\blayer_\._(\d+)", r"layer.\1", key)
        return self.canonical(re.sub(r"\.(kernel|embeddings)$", ".weight", key))

    @functools.cached_property
    def _head_names(self) -> list[str]:
        rows = itertools.chain(self.pooler, *self.heads.values())
        return sorted({*self.others, *(row.theirs.split(".")[0] for row in rows)})


class Match:
    """A checkpoint's weights by the variables of a model: `parts` has the rows of each variable,
    `unused` the keys that no row names.
    """

    def __init__(
        self, tensors: Mapping[str, Tensor], weight_map: WeightMap, rows: Iterable[Weight]
    ):
        tensors = {weight_map.canonical(key): tensor for key, tensor in tensors.items()}
        self._tensors = {key: each for key, each in tensors.items() if key not in _BUFFERS}
        found = [row for row in rows if row in self]
        ordered = sorted(found, key=lambda row: (row.ours, row.part or (0, 1)))
        groups = itertools.groupby(ordered, key=lambda row: row.ours)
        self.parts = {path: list(parts) for path, parts in groups}
        self.unused = sorted(set(self._tensors) - {row.theirs for row in found})

    def __contains__(self, row: Weight) -> bool:
        return row.theirs in self._tensors

    def misshapen(self, path: str, shape: tuple[int, ...]) -> dict[str, str]:
        """What is of another shape than a variable of this shape needs: its key, and both."""
        wrong = {}
        for row in self.parts[path]:
            expected, found = row.their_shape(shape), self._tensors[row.theirs].shape
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

    def _read(self, row: Weight) -> np.ndarray:
        return row.to_ours(self._tensors[row.theirs].read())
