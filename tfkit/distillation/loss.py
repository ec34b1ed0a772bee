"""What a student loses against labels and against its teacher, and the model that adds it up."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfkit.data.examples import Examples
from tfkit.models.inputs import takes_token_types
from tfkit.models.keras_model import TrainableModel
from tfkit.tasks.outputs import TFSequenceClassifierOutput
from tfkit.tasks.problem_types import task_of_labels


def hidden_state_loss(teacher_states, student_states, attention_mask):
    """One less the cosine of two models' states `[B,T,D]`, the mean of a text's real tokens: `[B]`.

    Source: Sanh et al. 2019 (https://arxiv.org/abs/1910.01108), section 2, L_cos.

    Example:

        >>> states = ops.array([[[1.0, 0.0], [0.0, 1.0]]])
        >>> float(hidden_state_loss(states, ops.flip(states, axis=-1), ops.ones((1, 2)))[0])
        1.0
    """
    cosine = -keras.losses.cosine_similarity(teacher_states, student_states, axis=-1)
    real = ops.cast(ops.not_equal(attention_mask, 0), cosine.dtype)
    return ops.sum((1.0 - cosine) * real, axis=-1) / ops.maximum(ops.sum(real, axis=-1), 1.0)


@dataclasses.dataclass(frozen=True, repr=False)
class TaughtExamples(Examples):
    """Texts with a teacher's logits `[rows,C]`, of which the first `labelled` have labels of their
    own; those after them have the teacher's, for figures alone.
    """

    teacher_logits: np.ndarray | None = None
    labelled: int = 0

    @property
    def digest(self) -> str:
        """As of `Examples`; of the logits roughly, since their last digits vary by machine."""
        texts, labelled = Examples(*self.columns), self[: self.labelled]
        squares = np.square(self.teacher_logits).mean(axis=0).round(2).tolist()
        return f"{texts.digest} {labelled.digest} {squares}"

    def targets(self) -> np.ndarray:
        """1 or 0 for whether there is a label, its K numbers, the logits: float32 `[B,1+K+C]`."""
        labels = super().targets().reshape(len(self), -1)
        has_label = np.arange(len(self))[:, None] < self.labelled
        return np.concatenate([has_label, labels, self.teacher_logits], axis=1, dtype=np.float32)


class Distiller(TrainableModel):
    """A student that is compared with targets of `TaughtExamples` while it trains, and with plain
    labels, as of a validation set, as the student alone compares them.

    The arguments are those of `distill`; a teacher is needed for `hidden_weight` alone.
    """

    output_type = TFSequenceClassifierOutput
    answers_texts = False  # a head is not fitted to answers of a teacher beforehand

    def __init__(
        self,
        student,
        *,
        temperature: float,
        hard_weight: float,
        soft_weight: float,
        hidden_weight: float = 0.0,
        teacher=None,
    ):
        super().__init__(name="distiller")
        self.student, self.temperature = student, temperature
        self.hard_weight, self.soft_weight = hard_weight, soft_weight
        self.hidden_weight = hidden_weight
        names = teacher.model_input_names if takes_token_types(teacher) else ()
        self.model_input_names = tuple(dict.fromkeys((*student.model_input_names, *names)))
        # In a function: Keras would train, count and save what it sees as an attribute.
        self._taught_states = lambda x: teacher(
            x, output_hidden_states=True, training=False
        ).hidden_states[-1]
        self.built = True

    config = property(lambda self: self.student.config)
    task = property(lambda self: self.student.task)
    backbone = property(lambda self: self.student.backbone)
    head = property(lambda self: self.student.head)

    @property
    def identity(self) -> dict[str, float]:
        """What a training that is gone on with has in common with this one."""
        names = ("temperature", "hard_weight", "soft_weight", "hidden_weight")
        return {name: getattr(self, name) for name in names}

    def set_task(self, **changes) -> None:
        self.student.set_task(**changes)

    def enable_lora(self, rank: int, **options) -> None:
        self.student.enable_lora(rank, **options)

    def call(self, inputs, training=None):
        """The student's logits `[B,C]`, and in training, with `hidden_weight`, `hidden_loss` `[B]`:
        states themselves would be gathered from all replicas.
        """
        compares_states = bool(training and self.hidden_weight)
        outputs = self.student(inputs, output_hidden_states=compares_states, training=training)
        answers = {"logits": outputs.logits}
        if compares_states:
            theirs, ours = self._taught_states(inputs), outputs.hidden_states[-1]
            mask = inputs.get("attention_mask")
            mask = tf.sequence_mask(inputs["lengths"], dtype="int32") if mask is None else mask
            answers["hidden_loss"] = hidden_state_loss(theirs, ops.cast(ours, theirs.dtype), mask)
        return answers

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        labels, has_label, taught = self._apart(y)
        if taught is None:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        weights = 1.0 if sample_weight is None else ops.reshape(sample_weight, (-1,))
        hard = super().compute_loss(x, labels, y_pred, has_label * weights, training)
        # As there: replicas' gradients are summed, so each has its share of the mean.
        weights = weights / tf.distribute.get_strategy().num_replicas_in_sync
        logits = ops.cast(y_pred["logits"], "float32")
        task = task_of_labels(self.config, labels)
        soft = task.soft_target_loss(taught, logits, self.temperature)
        loss = self.hard_weight * hard + self.soft_weight * ops.mean(weights * soft)
        if "hidden_loss" in y_pred:
            hidden = ops.cast(y_pred["hidden_loss"], "float32")
            loss = loss + self.hidden_weight * ops.mean(weights * hidden)
        return loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(x, self._apart(y)[0], y_pred, sample_weight)

    def head_loss(self, labels, outputs):
        return self.student.head_loss(labels, outputs)

    def _apart(self, y):
        """What `TaughtExamples.targets` put together: labels, whether there are, and logits. The
        last two are None where `y` is labels alone.
        """
        classes = self.config.num_labels
        if len(y.shape) < 2 or y.shape[-1] <= classes:
            return y, None, None
        labels, taught = y[:, 1:-classes], y[:, -classes:]
        if labels.shape[-1] == 1 and classes > 1:
            labels = ops.cast(labels, "int32")
        return labels, y[:, 0], taught
