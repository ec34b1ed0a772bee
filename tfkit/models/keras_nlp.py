"""Weights to and from keras-nlp (now keras-hub), through the family's table of names.

Its encoders have one dropout rate and drop the attention's output too: trained, the two differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tfkit.checkpoints import variables
from tfkit.checkpoints.weight_map import Weight
from tfkit.models.config import EncoderConfig
from tfkit.models.families import family_of
from tfkit.utils.activations import ACTIVATIONS
from tfkit.utils.keras_backend import keras

# keras-nlp's constructor arguments and attributes -> ours.
_CONFIG = {
    "vocabulary_size": "vocab_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "hidden_dim": "hidden_size",
    "intermediate_dim": "intermediate_size",
    "dropout": "hidden_dropout_prob",
    "max_sequence_length": "max_position_embeddings",
    "num_segments": "type_vocab_size",
}
# Of their names what follows the family's, by the task.
_CLASSES = {None: "Backbone", "sequence_classification": "TextClassifier"}


def config_of(config_class: type[EncoderConfig], theirs) -> EncoderConfig:
    """The config of a keras-nlp backbone or text classifier of the same family."""
    backbone = getattr(theirs, "backbone", theirs)
    name = config_class.__name__.removesuffix("Config")
    is_family = f"{name}Backbone" in [kind.__name__ for kind in type(backbone).__mro__]
    names = _names(config_class)
    if not is_family or not all(hasattr(backbone, key) for key in names):
        raise TypeError(
            f"Expected a {name}Backbone or {name}TextClassifier of keras-nlp. "
            f"Received a {type(theirs).__name__}."
        )
    values: dict[str, Any] = {ours: getattr(backbone, key) for key, ours in names.items()}
    values["attention_probs_dropout_prob"] = values["hidden_dropout_prob"]
    values["hidden_act"] = family_of(config_class.model_type).weight_map.keras_nlp_act
    if backbone is not theirs:
        if (
            getattr(theirs, "hidden_dim", backbone.hidden_dim) != backbone.hidden_dim
            or theirs.activation != keras.activations.linear
        ):
            raise ValueError(
                "Expected a classifier that gives logits, with a `hidden_dim` equal to the "
                f"backbone's. Received hidden_dim={theirs.hidden_dim} beside "
                f"{backbone.hidden_dim}, activation={theirs.activation.__name__}."
            )
        values |= {"num_labels": theirs.num_classes, "classifier_dropout": theirs.dropout}
    return config_class(**values)


def _names(config_class: type[EncoderConfig]) -> dict[str, str]:
    """The rows of `_CONFIG` that the family has."""
    known = {*vars(config_class), *config_class.aliases}
    return {key: ours for key, ours in _CONFIG.items() if ours in known}


def fill(model, theirs) -> None:
    """Copies the weights that a keras-nlp model, or backbone, of the same config has."""
    for row, home in _rows(model, theirs):
        variable = variables.resolve(model, row.ours)
        whole = np.array(variable)
        part = row.piece(whole)
        part[...] = variables.value(home, row.keras_nlp).reshape(part.shape)
        variable.assign(whole)


def build(model):
    """The keras-nlp backbone, or text classifier without preprocessor, with `model`'s weights."""
    config, name = model.config, model.config_class.__name__.removesuffix("Config")
    act = model.weight_map.keras_nlp_act
    for key, only in {"hidden_act": act, "layer_norm_eps": 1e-12}.items():
        value = getattr(config, key)
        if ACTIVATIONS.get(value, value) != ACTIVATIONS.get(only, only):
            raise ValueError(
                f"Expected a model whose `{key}` is {only!r}, the only one of keras-nlp's {name}. "
                f"Received: {value!r}. `from_pretrained(…, {key}={only!r})` makes it one; its "
                "answers differ."
            )
    if model.task_name not in _CLASSES:
        raise ValueError(
            f"Expected an encoder or a text classifier, which keras-nlp has too. Received a "
            f"{type(model).__name__}."
        )
    import keras_nlp

    options = {key: getattr(config, ours) for key, ours in _names(type(config)).items()}
    kinds = {task: getattr(keras_nlp.models, name + kind) for task, kind in _CLASSES.items()}
    theirs = backbone = kinds[None](**options, dtype=model.dtype_policy)
    if model.task_name is not None:
        theirs = kinds[model.task_name](
            backbone, num_classes=config.num_labels, dropout=config.head_dropout
        )
    new = {variable.path for variable in theirs.trainable_variables}
    for row, home in _rows(model, theirs):
        variable = variables.resolve(home, row.keras_nlp)
        value = row.piece(variables.value(model, row.ours))
        variable.assign(value.reshape(variable.shape))
        new.discard(variable.path)
    if new:
        raise ValueError(
            f"Expected a model with all weights of keras-nlp's {name}. Received a "
            f"{type(model).__name__} without {', '.join(sorted(new))}."
        )
    return theirs


def _rows(model, theirs) -> Iterator[tuple[Weight, Any]]:
    """Each weight that both have, with the keras-nlp model that its path starts from."""
    backbone, (rows, head) = getattr(theirs, "backbone", theirs), model.weight_rows
    for row in rows:
        yield row, backbone
    if backbone is not theirs:
        for row in head:
            yield row, theirs
