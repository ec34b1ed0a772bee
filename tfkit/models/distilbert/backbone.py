"""DistilBERT (Sanh et al. 2019, https://arxiv.org/abs/1910.01108), of the layers of `tfkit.layers`.

The tests hold every number against transformers, `models/distilbert/modeling_distilbert.py`.
"""

from __future__ import annotations

from typing import ClassVar

from tfkit.layers.base import registered
from tfkit.layers.embeddings import Embeddings
from tfkit.layers.encoder import Transformer
from tfkit.layers.heads import ClassificationHead, MaskedLMHead, TokenHead
from tfkit.models.distilbert.config import DistilBertConfig
from tfkit.models.encoder_model import EncoderBackbone, EncoderModel


@registered
class DistilBertBackbone(EncoderBackbone):
    """Word and position embeddings, then `n_layers` Transformer blocks."""

    config_class = DistilBertConfig

    def __init__(self, config: DistilBertConfig | dict, **options):
        super().__init__(config, **options)
        # === Layers ===
        made = {"dtype": self.dtype_policy}
        self.embeddings = Embeddings.configured_by(self.config, name="embeddings", **made)
        self.transformer = Transformer.configured_by(self.config, name="transformer", **made)

    @property
    def encoder(self) -> Transformer:
        """The blocks, under the name that all families have."""
        return self.transformer

    def __dir__(self):
        # Keras saves a layer under the first of the names that are listed here.
        return [name for name in super().__dir__() if name != "encoder"]


class DistilBertModel(EncoderModel):
    """What the models of this family share."""

    config_class = DistilBertConfig
    backbone_class = DistilBertBackbone
    base_model_prefix = "distilbert"
    head_classes: ClassVar = {
        "sequence_classification": ClassificationHead,
        "token_classification": TokenHead,
        "question_answering": TokenHead,
        "masked_lm": MaskedLMHead,
        "multiple_choice": ClassificationHead,
    }
