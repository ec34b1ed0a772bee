"""One table of weight names, read forwards to load a checkpoint and backwards to save one."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

import numpy as np


@dataclasses.dataclass(frozen=True)
class Weight:
    """One weight: its name in a Hugging Face checkpoint, and where it lies in Keras models.

    Attributes:
        theirs: the key in the checkpoint, without the `distilbert.` prefix.
        ours: the attribute path in a tfkit model, list indices included.
        keras_nlp: the attribute path in the model of keras-nlp: a row of the backbone in its
            `DistilBertBackbone`, a row of a head in its task model. Same values in the same
            order as ours (in the same slice, where `part` is given), under another shape.
        transposed: torch keeps a projection as [out, in], Keras as [in, out].
        part: (k, n) when it is the k-th of n equal slices of our last axis; else None.
    """

    theirs: str
    ours: str
    keras_nlp: str
    transposed: bool = False
    part: tuple[int, int] | None = None

    def piece_shape(self, ours: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of this slice of our variable, given the variable's shape."""
        shape = tuple(ours)
        return shape if self.part is None else (*shape[:-1], shape[-1] // self.part[1])

    def piece(self, value: np.ndarray) -> np.ndarray:
        """This slice of our variable's value."""
        if self.part is None:
            return value
        k, n = self.part
        return np.split(value, n, axis=-1)[k]

    def their_shape(self, ours: tuple[int, ...]) -> tuple[int, ...]:
        """The shape in the checkpoint, given the shape of our variable."""
        shape = self.piece_shape(ours)
        return shape[::-1] if self.transposed else shape

    def to_ours(self, value: np.ndarray) -> np.ndarray:
        return value.T if self.transposed else value

    def from_ours(self, value: np.ndarray) -> np.ndarray:
        value = self.piece(value)
        return np.ascontiguousarray(value.T if self.transposed else value)


def _dense(theirs: str, ours: str, keras_nlp: str, part=None) -> list[Weight]:
    return [
        Weight(f"{theirs}.weight", f"{ours}.kernel", f"{keras_nlp}.kernel", True, part),
        Weight(f"{theirs}.bias", f"{ours}.bias", f"{keras_nlp}.bias", part=part),
    ]


def _norm(theirs: str, ours: str, keras_nlp: str) -> list[Weight]:
    return [
        Weight(f"{theirs}.weight", f"{ours}.gamma", f"{keras_nlp}.gamma"),
        Weight(f"{theirs}.bias", f"{ours}.beta", f"{keras_nlp}.beta"),
    ]


_EMBEDDINGS = [
    Weight(
        "embeddings.word_embeddings.weight",
        "embeddings.word_embeddings.embeddings",
        "embeddings.token_embedding.embeddings",
    ),
    Weight(
        "embeddings.position_embeddings.weight",
        "embeddings.position_embeddings.embeddings",
        "embeddings.position_embedding.position_embeddings",
    ),
    *_norm("embeddings.LayerNorm", "embeddings.norm", "embeddings_layer_norm"),
]
_BLOCK = [
    *_dense("attention.q_lin", "attention.qkv", "_self_attention_layer.query_dense", (0, 3)),
    *_dense("attention.k_lin", "attention.qkv", "_self_attention_layer.key_dense", (1, 3)),
    *_dense("attention.v_lin", "attention.qkv", "_self_attention_layer.value_dense", (2, 3)),
    *_dense("attention.out_lin", "attention.out", "_self_attention_layer.output_dense"),
    *_norm("sa_layer_norm", "sa_layer_norm", "_self_attention_layer_norm"),
    *_dense("ffn.lin1", "ffn.lin1", "_feedforward_intermediate_dense"),
    *_dense("ffn.lin2", "ffn.lin2", "_feedforward_output_dense"),
    *_norm("output_layer_norm", "output_layer_norm", "_feedforward_layer_norm"),
]
# The heads that tfkit has, by the attribute of the model that holds them.
HEADS = {
    "head": [
        *_dense("pre_classifier", "head.pre_classifier", "pooled_dense"),
        *_dense("classifier", "head.classifier", "output_dense"),
    ],
}

PREFIX = "distilbert."
# Heads of other tasks, and a buffer that older versions stored: a checkpoint may have them
# without being meant for another architecture.
ELSEWHERE = re.compile(
    r"(vocab_transform|vocab_layer_norm|vocab_projector|qa_outputs|pre_classifier|classifier)\."
    r"|embeddings\.position_ids$"
)
# What TensorFlow put before a name: the model's own, and a scope for each part around the weight.
_TENSORFLOW_SCOPE = re.compile(
    r".*(?:^|/)(?:distilbert/|(?=(?:vocab_\w+|qa_outputs|pre_classifier|classifier)/))"
)


def backbone(n_layers: int) -> Iterator[Weight]:
    """The rows of embeddings and encoder; `theirs` without prefix, `ours` from the model."""
    rows = [*_EMBEDDINGS]
    for index in range(n_layers):
        rows += [
            dataclasses.replace(
                row,
                theirs=f"transformer.layer.{index}.{row.theirs}",
                ours=f"transformer.layer.{index}.{row.ours}",
                keras_nlp=f"transformer_layers.{index}.{row.keras_nlp}",
            )
            for row in _BLOCK
        ]
    for row in rows:
        yield dataclasses.replace(row, ours=PREFIX + row.ours)


def heads(model) -> Iterator[Weight]:
    """The rows of the heads that `model` has."""
    for attribute, rows in HEADS.items():
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


def from_tensorflow(name: str) -> str:
    """The key that a variable of Hugging Face's TensorFlow classes has under PyTorch.

    Example:

        >>> from_tensorflow("tf_model/distilbert/transformer/layer_._0/ffn/lin1/kernel:0")
        'transformer.layer.0.ffn.lin1.weight'
        >>> from_tensorflow("distilbert/embeddings/position_embeddings/embeddings:0")
        'embeddings.position_embeddings.weight'
        >>> from_tensorflow("tf_distil_bert_for_sequence_classification/classifier/bias:0")
        'classifier.bias'
    """
    key = _TENSORFLOW_SCOPE.sub("", name, count=1).split(":")[0].replace("/", ".")
    key = re.sub(r"\blayer_\._(\d+)", r"layer.\1", key)
    return canonical(re.sub(r"\.(kernel|embeddings)$", ".weight", key))
