"""The families of encoders, by the `model_type` of their config.json. TensorFlow is not needed."""

from __future__ import annotations

import os
from typing import NamedTuple

from tfkit.checkpoints.weight_map import WeightMap
from tfkit.models.bert.config import BertConfig
from tfkit.models.bert.weights import WEIGHTS as BERT_WEIGHTS
from tfkit.models.config import EncoderConfig, read_config
from tfkit.models.distilbert.config import DistilBertConfig
from tfkit.models.distilbert.weights import WEIGHTS as DISTILBERT_WEIGHTS


class Family(NamedTuple):
    """What of a family is data."""

    config_class: type[EncoderConfig]
    weight_map: WeightMap


FAMILIES = {
    "distilbert": Family(DistilBertConfig, DISTILBERT_WEIGHTS),
    "bert": Family(BertConfig, BERT_WEIGHTS),
}


def family_of(model_type: str | None) -> Family:
    """The family of that name, or a ValueError that lists them."""
    if model_type not in FAMILIES:
        raise ValueError(
            f"Expected a `model_type` that tfkit reads: {', '.join(FAMILIES)}, with a WordPiece "
            f"tokenizer each. Received `model_type` {model_type!r}."
        )
    return FAMILIES[model_type]


class AutoConfig:
    """Hugging Face's entry point: `AutoConfig.from_pretrained(name)`."""

    @staticmethod
    def from_pretrained(
        pretrained_model_name_or_path: str | os.PathLike, **overrides
    ) -> EncoderConfig:
        """The config of the family that config.json names; see `EncoderConfig.from_pretrained`."""

        def of_file(values: dict) -> type[EncoderConfig]:
            if "model_type" in values:
                return family_of(values["model_type"]).config_class
            # In files from before that key was written the other keys say it.
            classes = [family.config_class for family in FAMILIES.values()]
            return max(classes, key=lambda kind: len(vars(kind).keys() & values.keys()))

        return read_config(of_file, pretrained_model_name_or_path, overrides)
