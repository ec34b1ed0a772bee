"""Sequence classification: a label, several or a number per text, from the state of [CLS]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from tfkit.tasks.base import Task
from tfkit.tasks.problem_types import TASK_NAME, TASKS, task_of, task_of_labels, task_of_loss
from tfkit.tasks.served_scores import Classify, Text, TextPair, Tokens
from tfkit.tasks.serving import Embed
from tfkit.utils.lazy import ops


class SequenceClassification:
    """The task's part of a model class, before the family's: `class … (SequenceClassification, …)`.

    Gives `logits` float32 `[B,C]`, before any softmax, and with labels `loss` float32 `[B]`.
    """

    task_name = TASK_NAME
    reads_cls_only = True
    answers_texts = True
    signatures: ClassVar = {
        "text": Text,
        "tokens": Tokens,
        "classify": Classify,
        "text_pair": TextPair,
        "embed": Embed,
    }
    usual_signatures = 3
    forms = ("mediapipe", "text", "ids")
    answer_name = "scores"

    def __init__(self, config, **options):
        super().__init__(config, **options)
        head = self.head_classes[self.task_name]
        self.head = head.configured_by(config, name="head", dtype=self.dtype_policy)

    def __getattr__(self, name: str):
        """`pre_classifier` and `classifier`, where Transformers has them: on the model."""
        if name in ("pre_classifier", "classifier"):
            return getattr(self.head, name)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    @property
    def output_type(self):
        from tfkit.tasks.outputs import TFSequenceClassifierOutput  # it takes Keras' tree library

        return TFSequenceClassifierOutput

    @property
    def task(self) -> Task:
        return task_of(self.config)

    @property
    def tasks(self) -> Mapping[str, Task]:
        """What the config allows."""
        known = self.config.problem_type
        return TASKS if known is None else {known: TASKS[known]}

    @property
    def output_size(self) -> int:
        return self.config.num_labels

    @property
    def labels(self) -> list[str]:
        """What an answer may be, in the order of the scores."""
        return [*self.config.id2label.values()]

    def answered(self, logits):
        """What exports answer, by `answer_name`: scores float32 `[B,C]`."""
        return self.task.scores(logits)

    def answer(self, last_hidden_state, labels, training):
        logits = self.head(self.pooled(last_hidden_state), training=training)
        if labels is None:
            return {"logits": logits}
        return {"logits": logits, "loss": self.head_loss(labels, logits)}

    def head_loss(self, labels, outputs):
        """The loss `[B]` of what the labels show the task to be, which the config says from then
        on, as in Transformers.
        """
        labels = ops.convert_to_tensor(labels)
        task = task_of_labels(self.config, labels)
        task.check_labels(labels, self.config.num_labels)
        self.set_task(problem_type=task.name)
        return task.loss(labels, ops.cast(outputs, "float32"))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """As of any model here; a Keras loss that shows what it trains for is told the config."""
        task = task_of_loss(self.loss, self.config.num_labels)
        if training and task is not None:
            if self.config.problem_type not in (None, task.name):
                raise ValueError(
                    f"Expected a loss of a {self.config.problem_type}, the model's `problem_type`. "
                    f"Received {self.loss!r}, of a {task.name}. Leave `loss` out for the head's "
                    f"own, or build or load the model with `problem_type={task.name!r}`."
                )
            self.set_task(problem_type=task.name)
        if self.loss is None and self.jit_compile:
            labels = self.compared(x, y, y_pred)[0]
            if labels is not None:
                task_of_labels(self.config, labels).check_dtype_for_xla(labels)
        return super().compute_loss(x, y, y_pred, sample_weight, training)
