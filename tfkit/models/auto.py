"""The classes that choose by config.json. Every checkpoint that tfkit reads is a DistilBERT."""

from __future__ import annotations

import os
from typing import ClassVar

from tfkit.models.config import DistilBertConfig
from tfkit.models.distilbert import TFDistilBertForSequenceClassification, TFDistilBertModel


class _Auto:
    """Stands for the class of one task, whatever the architecture."""

    _by_model_type: ClassVar[dict[str, type]] = {}

    def __init__(self):
        raise TypeError(
            f"{type(self).__name__} is built by `{type(self).__name__}.from_pretrained(name)` or "
            f"`{type(self).__name__}.from_config(config)`."
        )

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike, **options):
        """Reads config.json and gives the model of its `model_type`, with its weights.

        Takes and raises what `TFPreTrainedModel.from_pretrained` does.
        """
        return cls._by_model_type[DistilBertConfig.model_type].from_pretrained(
            pretrained_model_name_or_path, **options
        )

    @classmethod
    def from_config(cls, config: DistilBertConfig, **options):
        """A new model with random weights."""
        return cls._by_model_type[config.model_type](config, **options)


class TFAutoModel(_Auto):
    """The bare encoder of a checkpoint."""

    _by_model_type: ClassVar = {"distilbert": TFDistilBertModel}


class TFAutoModelForSequenceClassification(_Auto):
    """The text classifier of a checkpoint."""

    _by_model_type: ClassVar = {"distilbert": TFDistilBertForSequenceClassification}
