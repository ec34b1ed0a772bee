"""Weights to and from keras-nlp's DistilBERT, through the same table of names.

keras-nlp (now keras-hub) has an extra dropout on the attention output and one rate for all of
the backbone's, so the two train a little differently; without dropout their numbers are equal.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from tfkit.checkpoints import names, variables
from tfkit.models.config import DistilBertConfig
from tfkit.models.config_rules import ACTIVATIONS
from tfkit.utils.keras_backend import keras

# keras-nlp's constructor arguments and attributes -> ours.
_CONFIG = {
    "vocabulary_size": "vocab_size",
    "num_layers": "n_layers",
    "num_heads": "n_heads",
    "hidden_dim": "dim",
    "intermediate_dim": "hidden_dim",
    "dropout": "dropout",
    "max_sequence_length": "max_position_embeddings",
}


def config_of(theirs) -> DistilBertConfig:
    """The config of a keras-nlp `DistilBertBackbone` or `DistilBertTextClassifier`.

    Raises:
        TypeError: it is neither.
        ValueError: a classifier with a head that DistilBERT does not have.
    """
    backbone = getattr(theirs, "backbone", theirs)
    if not all(hasattr(backbone, name) for name in _CONFIG):
        raise TypeError(
            "Expected a DistilBertBackbone or DistilBertTextClassifier of keras-nlp. "
            f"Received a {type(theirs).__name__}."
        )
    values: dict[str, Any] = {ours: getattr(backbone, name) for name, ours in _CONFIG.items()}
    values["attention_dropout"] = values["dropout"]
    if backbone is not theirs:
        if (
            theirs.hidden_dim != backbone.hidden_dim
            or theirs.activation != keras.activations.linear
        ):
            raise ValueError(
                "Expected a classifier that gives logits, with a `hidden_dim` equal to the "
                f"backbone's. Received hidden_dim={theirs.hidden_dim} beside "
                f"{backbone.hidden_dim}, activation={theirs.activation.__name__}."
            )
        values |= {"num_labels": theirs.num_classes, "seq_classif_dropout": theirs.dropout}
    return DistilBertConfig(**values)


def fill(model, theirs) -> None:
    """Copies the weights of a keras-nlp model into a tfkit model of the same config.

    The head of a tfkit classifier stays new when `theirs` is a backbone alone.
    """
    rows = sorted(_rows(model, theirs), key=lambda pair: (pair[0].ours, pair[0].part or (0, 1)))
    for path, group in itertools.groupby(rows, key=lambda pair: pair[0].ours):
        variable = variables.resolve(model, path)
        parts = [
            variables.value(home, row.keras_nlp).reshape(row.piece_shape(variable.shape))
            for row, home in group
        ]
        variable.assign(np.concatenate(parts, axis=-1))


def build(model):
    """A keras-nlp model with the config and the weights of `model`: a `DistilBertTextClassifier`
    (without a preprocessor) of a classifier, a `DistilBertBackbone` of an encoder.

    Raises:
        ValueError: keras-nlp's DistilBERT has no such activation.
    """
    config = model.config
    if ACTIVATIONS[config.activation] != ACTIVATIONS["gelu"]:
        raise ValueError(
            "Expected a model whose activation is 'gelu', the only one of keras-nlp's DistilBERT. "
            f"Received: {config.activation!r}."
        )
    import keras_nlp

    options = {name: getattr(config, ours) for name, ours in _CONFIG.items()}
    backbone = keras_nlp.models.DistilBertBackbone(**options, dtype=model.dtype_policy)
    theirs = backbone
    if hasattr(model, "head"):
        theirs = keras_nlp.models.DistilBertTextClassifier(
            backbone, num_classes=config.num_labels, dropout=config.seq_classif_dropout
        )
    for row, home in _rows(model, theirs):
        variable = variables.resolve(home, row.keras_nlp)
        value = row.piece(variables.value(model, row.ours))
        variable.assign(value.reshape(variable.shape))
    return theirs


def _rows(model, theirs) -> list[tuple[names.Weight, Any]]:
    """Each weight that both have, with the keras-nlp model that its path starts from."""
    backbone = getattr(theirs, "backbone", theirs)
    rows = [(row, backbone) for row in names.backbone(model.config.n_layers)]
    if theirs is not backbone:
        rows += [(row, theirs) for row in names.heads(model)]
    return rows
