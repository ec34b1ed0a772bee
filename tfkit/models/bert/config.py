"""`BertConfig`: the hyper-parameters of a BERT, under config.json's names."""

from __future__ import annotations

from typing import ClassVar

from tfkit.models.config import EncoderConfig, config_fields
from tfkit.utils.values import positive_integer


@config_fields
class BertConfig(EncoderConfig):
    """Hyper-parameters (Devlin et al. 2018, https://arxiv.org/abs/1810.04805, section 3), frozen
    and validated once, under Hugging Face's names and with the defaults of `bert-base-uncased`.

    Keys that tfkit does not know are kept in `extra` and written back by `save_pretrained`.
    `replace(**changes)` gives a changed copy.

    Args:
        vocab_size: number of token ids.
        hidden_size: width D.
        num_hidden_layers: encoder layers.
        num_attention_heads: attention heads H; divides `hidden_size`.
        intermediate_size: feed-forward width F.
        hidden_act: activation of the feed-forward block, one of `ACTIVATIONS`.
        hidden_dropout_prob: rate after embeddings, attention and feed-forward blocks.
        attention_probs_dropout_prob: rate on the attention weights.
        classifier_dropout: rate in a head; None for `hidden_dropout_prob`.
        max_position_embeddings: longest sequence T that the model accepts, in tokens.
        type_vocab_size: number of token types (segments).
        initializer_range: standard deviation of new weights.
        layer_norm_eps: epsilon of LayerNorm.
        position_embedding_type: "absolute", the only one that tfkit computes.
        pad_token_id: id of the padding token.
        num_labels: number of classes C; implied by `id2label` when that is given.
        id2label: class id -> name; `LABEL_0`, `LABEL_1`, … by default.
        label2id: name -> class id; the inverse of `id2label` by default.
        problem_type: None, or one of `PROBLEM_TYPES`; chooses the head's loss.
        output_hidden_states: return all hidden states unless a call says otherwise.
        output_attentions: return attention weights unless a call says otherwise.
        **extra: any further key of a config.json.

    Raises:
        ValueError: a value is out of range, two contradict each other, or the config is of a
            decoder, whose attention tfkit does not compute.
        TypeError: a keyword looks like a misspelling of a known one.

    Example:

        >>> config = BertConfig(hidden_size=384, num_hidden_layers=6, intermediate_size=1536)
        >>> config.num_attention_heads, config.type_vocab_size, config.head_dropout
        (12, 2, 0.1)
    """

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    classifier_dropout: float | None = None
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    position_embedding_type: str = "absolute"
    pad_token_id: int = 0

    model_type = "bert"
    family_name = "BERT"
    sinusoidal_pos_embds = False  # not a key of BERT's config.json
    attention_output_dropout = True
    computed_only: ClassVar = {
        "position_embedding_type": "absolute",
        "is_decoder": False,
        "add_cross_attention": False,
    }

    def dropout_of(self, task_name):
        return {"question_answering": 0.0}.get(task_name, super().dropout_of(task_name))

    @property
    def add_pooling_layer(self) -> bool:
        """Whether a bare encoder has a pooler: True unless the key is given, which is tfkit's own
        and an argument of the model in Transformers. A head that reads the pooler has it anyway.
        """
        return bool(self.extra.get("add_pooling_layer", True))

    @classmethod
    def _validate(cls, values):
        super()._validate(values)
        positive_integer("type_vocab_size", values["type_vocab_size"])
        if not 0 < values["layer_norm_eps"] < 1:
            raise ValueError(
                "`layer_norm_eps` must be above 0 and below 1; received "
                f"{values['layer_norm_eps']!r}."
            )
