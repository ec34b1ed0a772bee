"""BERT of one segment as DistilBERT: the two tables of weights, row by row."""

from __future__ import annotations

import functools
import warnings

import numpy as np

from tfkit.checkpoints import variables
from tfkit.models.distilbert.backbone import DistilBertModel
from tfkit.models.distilbert.config import DistilBertConfig

_POSITIONS = "embeddings.position_embeddings.embeddings"
_TYPES = "embeddings.token_type_embeddings.embeddings"


def as_distilbert(model) -> DistilBertModel:
    """See `BertModel.to_distilbert`."""
    if model.config.layer_norm_eps != DistilBertConfig.layer_norm_eps:
        raise ValueError(
            f"Expected a `layer_norm_eps` of {DistilBertConfig.layer_norm_eps}, the only one of "
            f"DistilBERT. Received a model with {model.config.layer_norm_eps}."
        )
    kinds = {kind.task_name: kind for kind in DistilBertModel.__subclasses__()}
    made = kinds[model.task_name]._unbuilt(_config_of(model.config), dtype=model.dtype_policy)
    bert, distilbert = _paths(model), _paths(made)

    def first_value(name: str, otherwise, shape, dtype):
        value = np.asarray(variables.value(model, bert[name]), np.float32)
        if name == _POSITIONS:
            value = value + np.asarray(variables.value(model, bert[_TYPES]), np.float32)[0]
        return value.astype(dtype)

    variables.build_with(
        made, {path: functools.partial(first_value, name) for name, path in distilbert.items()}
    )
    if model.task_name is None:
        return made
    if type(made.head) is type(model.head):
        made.head.set_weights(model.head.get_weights())
    else:
        warnings.warn(
            "The head is new, to be trained before use: DistilBERT's is another than BERT's.",
            stacklevel=3,
        )
    return made


def _config_of(config) -> DistilBertConfig:
    """What the two have in common, under the general names."""
    known = {*DistilBertConfig._defaults(), *DistilBertConfig.aliases} - {"num_labels"}
    values = {name: getattr(config, name) for name in config._defaults() if name in known}
    return DistilBertConfig(**{**values, "classifier_dropout": config.head_dropout})


def _paths(model) -> dict[str, str]:
    """The backbone's attribute paths by what both families call them."""
    prefix, blocks = f"{model.weight_map.prefix}.", f"{model.weight_map.blocks[1]}."
    rows, _ = model.weight_rows
    return {row.ours.removeprefix(prefix).replace(blocks, "blocks."): row.ours for row in rows}
