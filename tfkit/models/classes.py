"""The models: each a task and a family."""

from __future__ import annotations

from tfkit.layers.base import registered
from tfkit.models.bert.backbone import BertModel
from tfkit.models.distilbert.backbone import DistilBertModel
from tfkit.tasks.masked_lm import MaskedLM
from tfkit.tasks.multiple_choice import MultipleChoice
from tfkit.tasks.question_answering import QuestionAnswering
from tfkit.tasks.sentence_embedding import SentenceEmbedding
from tfkit.tasks.sequence_classification import SequenceClassification
from tfkit.tasks.token_classification import TokenClassification


@registered
class TFDistilBertModel(DistilBertModel):
    """The bare encoder.

    Args:
        config: a `DistilBertConfig`.
        **options: `name` and `dtype` of a Keras model.

    Calling it takes a dict of tensors or `input_ids` int `[B,T]`, `attention_mask` `[B,T]`, … and
    gives a `TFBaseModelOutput` with `last_hidden_state` `[B,T,D]`.

    Example:

        >>> from tfkit import DistilBertConfig
        >>> from keras import ops
        >>> config = DistilBertConfig(vocab_size=9, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
        >>> outputs = TFDistilBertModel(config)(ops.array([[1, 2, 3]]), output_hidden_states=True)
        >>> tuple(outputs.last_hidden_state.shape), len(outputs.hidden_states)
        ((1, 3, 8), 2)
    """


@registered
class TFDistilBertForSequenceClassification(SequenceClassification, DistilBertModel):
    """The encoder with a classification head on [CLS].

    Args:
        config: a `DistilBertConfig`; `num_labels` sets C.
        **options: `name` and `dtype` of a Keras model.

    Calling it takes what `TFDistilBertModel` takes, and `labels`; it gives a
    `TFSequenceClassifierOutput` with `logits` float32 `[B,C]`, before any softmax, and with
    labels `loss` float32 `[B]` (see `tfkit.tasks.problem_types`).

    Example:

        >>> from tfkit import DistilBertConfig
        >>> from keras import ops
        >>> config = DistilBertConfig(vocab_size=9, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
        >>> model = TFDistilBertForSequenceClassification(config)
        >>> outputs = model({"input_ids": ops.array([[1, 2, 3]])}, labels=ops.array([1]))
        >>> tuple(outputs.logits.shape), tuple(outputs.loss.shape)
        ((1, 2), (1,))
    """


@registered
class TFBertModel(BertModel):
    """The bare encoder, and its pooler.

    Args:
        config: a `BertConfig`.
        **options: `name` and `dtype` of a Keras model.

    Calling it takes a dict of tensors or `input_ids` int `[B,T]`, `attention_mask` `[B,T]`,
    `token_type_ids` `[B,T]`, … and gives a `TFBaseModelOutputWithPooling` with `last_hidden_state`
    `[B,T,D]` and `pooler_output` `[B,D]`.

    Example:

        >>> from tfkit import BertConfig
        >>> from keras import ops
        >>> config = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1,
        ...                     num_attention_heads=2, intermediate_size=16)
        >>> outputs = TFBertModel(config)(ops.array([[1, 2, 3]]))
        >>> tuple(outputs.last_hidden_state.shape), tuple(outputs.pooler_output.shape)
        ((1, 3, 8), (1, 8))
    """


@registered
class TFBertForSequenceClassification(SequenceClassification, BertModel):
    """The encoder with a classification head on the pooled output.

    Args:
        config: a `BertConfig`; `num_labels` sets C.
        **options: `name` and `dtype` of a Keras model.

    Calling it takes what `TFBertModel` takes, and `labels`; it gives a
    `TFSequenceClassifierOutput` with `logits` float32 `[B,C]`, before any softmax, and with
    labels `loss` float32 `[B]` (see `tfkit.tasks.problem_types`).

    Example:

        >>> from tfkit import BertConfig
        >>> from keras import ops
        >>> config = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1,
        ...                     num_attention_heads=2, intermediate_size=16)
        >>> model = TFBertForSequenceClassification(config)
        >>> outputs = model({"input_ids": ops.array([[1, 2, 3]])}, labels=ops.array([1]))
        >>> tuple(outputs.logits.shape), tuple(outputs.loss.shape)
        ((1, 2), (1,))
    """


@registered
class TFDistilBertForSentenceEmbedding(SentenceEmbedding, DistilBertModel):
    """The encoder with the modules of sentence-transformers on it; see `tfkit.SentenceEncoder`.

    Args:
        config: a `DistilBertConfig`; its `sentence_modules` are those of
            `tfkit.layers.sentence.SentenceHead`, by default the mean of all tokens.
        **options: `name` and `dtype` of a Keras model.

    Calling it takes what `TFDistilBertModel` takes; it gives a `TFSentenceEmbeddingOutput` with
    `sentence_embedding` float32 `[B,E]`.
    """


@registered
class TFBertForSentenceEmbedding(SentenceEmbedding, BertModel):
    """As `TFDistilBertForSentenceEmbedding`, on a BERT without its pooler.

    Args:
        config: a `BertConfig`.
        **options: `name` and `dtype` of a Keras model.
    """


@registered
class TFDistilBertForTokenClassification(TokenClassification, DistilBertModel):
    """DistilBERT that answers with a label per token; see `TokenClassification`."""


@registered
class TFDistilBertForQuestionAnswering(QuestionAnswering, DistilBertModel):
    """DistilBERT that answers with the place of an answer in a context; see `QuestionAnswering`."""


@registered
class TFDistilBertForMaskedLM(MaskedLM, DistilBertModel):
    """DistilBERT that answers with the token in place of [MASK]; see `MaskedLM`."""


@registered
class TFDistilBertForMultipleChoice(MultipleChoice, DistilBertModel):
    """DistilBERT that answers with one of several texts; see `MultipleChoice`."""


@registered
class TFBertForTokenClassification(TokenClassification, BertModel):
    """BERT that answers with a label per token; see `TokenClassification`."""


@registered
class TFBertForQuestionAnswering(QuestionAnswering, BertModel):
    """BERT that answers with the place of an answer in a context; see `QuestionAnswering`."""


@registered
class TFBertForMaskedLM(MaskedLM, BertModel):
    """BERT that answers with the token in place of [MASK]; see `MaskedLM`."""


@registered
class TFBertForMultipleChoice(MultipleChoice, BertModel):
    """BERT that answers with one of several texts; see `MultipleChoice`."""
