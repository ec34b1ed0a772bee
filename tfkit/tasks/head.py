"""What the tasks share that have a head on the encoder."""

from __future__ import annotations

from collections.abc import Mapping

from tfkit.tasks.base import Task
from tfkit.utils.lazy import keras, ops
from tfkit.utils.values import outside

# The label of a token that does not count, as in PyTorch; so is every other negative one.
IGNORED = -100


class HeadedModel:
    """A task's part of a model class, before the family's; its head is the family's for the task.

    Attributes:
        output_name: of the class in `tfkit.tasks.outputs` that the task answers with.
        task: what its labels are; None where data, training and evaluation do not know the task.
    """

    task_name: str
    output_name: str
    reads_pooled = False
    task: Task | None = None

    @property
    def tasks(self) -> Mapping[str, Task]:
        """By their names, those whose labels the model learns."""
        return {} if self.task is None else {self.task.name: self.task}

    def __init__(self, config, **options):
        super().__init__(config, **options)
        kind = self.head_classes[self.task_name]
        values = {name: getattr(config, name) for name in kind.arguments}
        values |= self.head_options(config)
        self.head = kind(**values, name="head", dtype=self.dtype_policy)

    def head_options(self, config) -> dict:
        """Arguments of the head that are not as the config has them."""
        return {}

    @property
    def output_type(self):
        from tfkit.tasks import outputs  # they take Keras' tree library

        return getattr(outputs, self.output_name)

    def answer(self, last_hidden_state, labels, training):
        logits = self.logits(last_hidden_state, training)
        if labels is None:
            return {"logits": logits}
        return {"logits": logits, "loss": self.head_loss(labels, logits)}

    def logits(self, last_hidden_state, training):
        """The head's answer, from the last states."""
        return self.head(self.pooled(last_hidden_state), training=training)


def token_loss(labels, logits, classes: int, label_smoothing: float = 0.0, weights=None):
    """Cross-entropy of class ids `[B,T]`, negative where a token has none, from logits `[B,T,C]` ->
    float32 `[B]`, whose mean is that of all tokens that have one (0 if none has). `weights`, by
    class id, are of the tokens of each class.

    Source: transformers 4.57, `modeling_tf_utils.py`, `TFTokenClassificationLoss`.
    """
    labels = ops.convert_to_tensor(labels)
    if tuple(labels.shape[1:]) not in {tuple(logits.shape[1:-1]), (None,)} and None not in (
        labels.shape[1:] + logits.shape[1:-1]
    ):
        raise ValueError(
            f"Expected labels of shape [B,T], a class id per token, of the shape of the ids. "
            f"Received {tuple(labels.shape)} beside logits of {tuple(logits.shape)}."
        )
    labels = ops.cast(labels, "int32")
    unknown = outside(ops.maximum(labels, 0), classes)
    if unknown is not None:
        raise ValueError(
            f"Expected labels from 0 to {classes - 1}, or -100 for tokens without one. "
            f"Received {unknown}."
        )
    logits = ops.cast(logits, "float32")
    counted, labels = ops.cast(labels >= 0, "float32"), ops.maximum(labels, 0)
    each = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    if label_smoothing:
        uniform = -ops.mean(ops.log_softmax(logits), axis=-1)
        each = (1 - label_smoothing) * each + label_smoothing * uniform
    if weights is not None:
        each *= ops.take(ops.array([weights[n] for n in range(classes)], "float32"), labels)
    texts = ops.cast(ops.shape(labels)[0], "float32")
    weight = texts / ops.maximum(ops.sum(counted), 1.0)
    return ops.sum(each * counted, axis=-1) * weight
