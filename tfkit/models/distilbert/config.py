"""`DistilBertConfig`: the hyper-parameters of a DistilBERT, under config.json's names."""

from __future__ import annotations

from typing import ClassVar

from tfkit.models.config import EncoderConfig, config_fields


@config_fields
class DistilBertConfig(EncoderConfig):
    """Hyper-parameters (Sanh et al. 2019, https://arxiv.org/abs/1910.01108, section 3), frozen and
    validated once, under Hugging Face's names and with the defaults of `distilbert-base-uncased`.

    Keys that tfkit does not know are kept in `extra` and written back by `save_pretrained`.
    `replace(**changes)` gives a changed copy.

    Args:
        vocab_size: number of token ids.
        max_position_embeddings: longest sequence T that the model accepts, in tokens.
        sinusoidal_pos_embds: fixed sinusoidal positions in place of learned ones.
        n_layers: encoder layers (alias `num_hidden_layers`).
        n_heads: attention heads H (alias `num_attention_heads`); divides `dim`.
        dim: width D (alias `hidden_size`).
        hidden_dim: feed-forward width F (alias `intermediate_size`).
        dropout: rate after embeddings and feed-forward blocks (alias `hidden_dropout_prob`).
        attention_dropout: rate on the attention weights (alias `attention_probs_dropout_prob`).
        activation: of the feed-forward block, one of `ACTIVATIONS` (alias `hidden_act`).
        initializer_range: standard deviation of new weights.
        qa_dropout: rate in a question-answering head.
        seq_classif_dropout: rate in the classification head (alias `classifier_dropout`).
        pad_token_id: id of the padding token.
        num_labels: number of classes C; implied by `id2label` when that is given.
        id2label: class id -> name; `LABEL_0`, `LABEL_1`, … by default.
        label2id: name -> class id; the inverse of `id2label` by default.
        problem_type: None, or one of `PROBLEM_TYPES`; chooses the head's loss.
        output_hidden_states: return all hidden states unless a call says otherwise.
        output_attentions: return attention weights unless a call says otherwise.
        **extra: any further key of a config.json.

    Raises:
        ValueError: a value is out of range, or two contradict each other.
        TypeError: a keyword looks like a misspelling of a known one.

    Example:

        >>> config = DistilBertConfig(n_heads=8, dim=512, hidden_dim=4 * 512, num_labels=3)
        >>> config.hidden_size, config.id2label[2], config.label2id["LABEL_1"]
        (512, 'LABEL_2', 1)
        >>> config.replace(id2label={0: "negative", 1: "positive"}).num_labels
        2
    """

    vocab_size: int = 30522
    max_position_embeddings: int = 512
    sinusoidal_pos_embds: bool = False
    n_layers: int = 6
    n_heads: int = 12
    dim: int = 768
    hidden_dim: int = 4 * 768
    dropout: float = 0.1
    attention_dropout: float = 0.1
    activation: str = "gelu"
    initializer_range: float = 0.02
    qa_dropout: float = 0.1
    seq_classif_dropout: float = 0.2
    pad_token_id: int = 0

    model_type = "distilbert"
    family_name = "DistilBERT"
    # Not keys of DistilBERT's config.json.
    layer_norm_eps = 1e-12
    attention_output_dropout = False
    attribute_map: ClassVar = {
        "hidden_size": "dim",
        "num_attention_heads": "n_heads",
        "num_hidden_layers": "n_layers",
    }
    aliases: ClassVar = {
        **attribute_map,
        "intermediate_size": "hidden_dim",
        "hidden_dropout_prob": "dropout",
        "attention_probs_dropout_prob": "attention_dropout",
        "hidden_act": "activation",
        "classifier_dropout": "seq_classif_dropout",
    }
    no_weight_made_of = EncoderConfig.no_weight_made_of | {"qa_dropout"}

    def dropout_of(self, task_name):
        return {"question_answering": self.qa_dropout}.get(task_name, self.dropout)
