"""BERT (Devlin et al. 2018, https://arxiv.org/abs/1810.04805), of the layers of `tfkit.layers`.

The tests hold every number against transformers, `models/bert/modeling_bert.py`.
"""

from __future__ import annotations

from typing import ClassVar

from tfkit.layers.base import registered
from tfkit.layers.embeddings import TypedEmbeddings
from tfkit.layers.encoder import Transformer
from tfkit.layers.heads import MaskedLMHead, PooledClassificationHead, Pooler, TokenHead
from tfkit.models.bert.config import BertConfig
from tfkit.models.bert.one_segment import as_distilbert
from tfkit.models.distilbert.backbone import DistilBertModel
from tfkit.models.encoder_model import EncoderBackbone, EncoderModel
from tfkit.tasks.outputs import TFBaseModelOutputWithPooling


@registered
class BertBackbone(EncoderBackbone):
    """Word, position and token type embeddings, Transformer blocks, and unless the task does not
    read it (`add_pooling_layer=False`) the pooler.
    """

    arguments = ("config", "add_pooling_layer")
    config_class = BertConfig

    def __init__(self, config: BertConfig | dict, *, add_pooling_layer: bool = True, **options):
        super().__init__(config, add_pooling_layer=add_pooling_layer, **options)
        # === Layers ===
        made = {"dtype": self.dtype_policy}
        self.embeddings = TypedEmbeddings.configured_by(self.config, name="embeddings", **made)
        self.encoder = Transformer.configured_by(self.config, name="encoder", **made)
        self.pooler = None
        if add_pooling_layer:
            self.pooler = Pooler.configured_by(self.config, name="pooler", **made)

    def build_parts(self):
        super().build_parts()
        if self.pooler is not None:
            self.pooler.build()


class BertModel(EncoderModel):
    """What the models of this family share."""

    config_class = BertConfig
    backbone_class = BertBackbone
    base_model_prefix = "bert"
    model_input_names = ("input_ids", "attention_mask", "token_type_ids")
    positional_names = ("attention_mask", "token_type_ids", "position_ids")
    head_classes: ClassVar = {
        "sequence_classification": PooledClassificationHead,
        "token_classification": TokenHead,
        "question_answering": TokenHead,
        "masked_lm": MaskedLMHead,
        "multiple_choice": PooledClassificationHead,
    }
    output_type = TFBaseModelOutputWithPooling

    def new_backbone(self, config, **options):
        pooler = self.reads_pooled and (self.task_name is not None or config.add_pooling_layer)
        return super().new_backbone(config, add_pooling_layer=pooler, **options)

    def pooled(self, last_hidden_state):
        """What a head reads: the pooled output `[B,D]`, where the model has a pooler."""
        pooler = self.backbone.pooler
        return last_hidden_state if pooler is None else pooler(last_hidden_state)

    def answer(self, last_hidden_state, labels, training):
        """Of the bare encoder."""
        answer = super().answer(last_hidden_state, labels, training)
        if self.backbone.pooler is not None:
            answer["pooler_output"] = self.pooled(last_hidden_state)
        return answer

    def to_distilbert(self) -> DistilBertModel:
        """The DistilBERT that computes this BERT's hidden states of single texts.

        Without a second segment the token types are a constant, which is added to the positions:
        all else DistilBERT has under other names. Its blocks have one dropout less in training.
        `tfkit.training.student_of` leaves out layers, before or after.

        Returns: the DistilBERT of the same task and dtype, without the pooler. Heads that both have
            alike, as of masked language models, are kept. A text classifier gets a new one, for
            which it warns: BERT's reads a tanh, DistilBERT's a ReLU, and neither can be the other.

        Raises:
            ValueError: `layer_norm_eps` is not the one that DistilBERT has.

        Source: Sanh et al. 2019 (https://arxiv.org/abs/1910.01108), section 3.

        Example:

            >>> from keras import ops
            >>> from tfkit import BertConfig, TFBertModel
            >>> config = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1,
            ...                     num_attention_heads=2, intermediate_size=16)
            >>> model, ids = TFBertModel(config), ops.array([[1, 2, 3]])
            >>> states = [each(ids).last_hidden_state for each in (model, model.to_distilbert())]
            >>> bool(ops.all(ops.isclose(*states, atol=1e-5)))
            True
        """
        return as_distilbert(self)
