"""Token classification: a label per token, such as the kind of name that it is part of."""

from __future__ import annotations

from tfkit.tasks.head import HeadedModel, token_loss


class TokenClassification(HeadedModel):
    """The task's part of a model class, before the family's: `class … (TokenClassification, …)`.

    Gives `logits` float32 `[B,T,C]`, before any softmax, and with labels `[B,T]` `loss` float32
    `[B]`. Tokens whose label is -100 do not count.

    Args:
        config: of the family; `num_labels` sets C.
        **options: `name` and `dtype` of a Keras model.

    Example:

        >>> from tfkit import DistilBertConfig, TFDistilBertForTokenClassification
        >>> from keras import ops
        >>> config = DistilBertConfig(vocab_size=9, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
        >>> model = TFDistilBertForTokenClassification(config)
        >>> outputs = model(ops.array([[1, 2, 3]]), labels=ops.array([[-100, 1, -100]]))
        >>> tuple(outputs.logits.shape), tuple(outputs.loss.shape)
        ((1, 3, 2), (1,))
    """

    task_name = "token_classification"
    output_name = "TFTokenClassifierOutput"

    def head_options(self, config):
        return {"head_dropout": config.dropout_of(self.task_name)}

    def head_loss(self, labels, outputs):
        return token_loss(labels, outputs, self.config.num_labels)
