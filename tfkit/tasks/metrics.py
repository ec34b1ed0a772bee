"""F1 on logits, as a Keras metric."""

from __future__ import annotations

from tfkit.utils.keras_backend import keras, ops


@keras.saving.register_keras_serializable(package="tfkit")
class F1(keras.metrics.Metric):
    """F1 of class numbers or of zeros and ones against logits.

    Args:
        num_labels: C.
        average: "macro" is the mean of the classes' F1, every class alike, classes without a text
            left out; "micro" counts all answers together.
        multi_label: labels are float `[B,C]`, and a logit above 0 says yes; else labels are int
            `[B]`, and the largest logit wins.

    Example:

        >>> metric = F1(num_labels=2)
        >>> metric.update_state([0, 1], [[2.0, 0.0], [3.0, 0.0]])
        >>> round(float(metric.result()), 4)  # 2/3 for class 0, 0 for class 1
        0.3333
    """

    def __init__(self, *, num_labels: int, average: str = "macro", multi_label=False, name=None):
        super().__init__(name=name or f"{average}_f1", dtype="float32")
        self.num_labels, self.average, self.multi_label = num_labels, average, multi_label
        self.true_positives, self.predicted, self.support = (
            self.add_variable((num_labels,), initializer="zeros", dtype="float32", name=name)
            for name in ("true_positives", "predicted", "support")
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = ops.convert_to_tensor(y_pred)
        if self.multi_label:
            true = ops.cast(y_true, "float32")
            predicted = ops.cast(y_pred > 0, "float32")
        else:
            true = ops.one_hot(ops.reshape(ops.cast(y_true, "int32"), (-1,)), self.num_labels)
            predicted = ops.one_hot(ops.argmax(y_pred, axis=-1), self.num_labels)
        weight = 1.0
        if sample_weight is not None:
            weight = ops.reshape(ops.cast(sample_weight, "float32"), (-1, 1))
        for total, counted in (
            (self.true_positives, true * predicted),
            (self.predicted, predicted),
            (self.support, true),
        ):
            total.assign_add(ops.sum(counted * weight, axis=0))

    def result(self):
        right, both = 2.0 * self.true_positives, self.predicted + self.support
        if self.average == "micro":
            return ops.sum(right) / ops.maximum(ops.sum(both), 1e-7)
        has_text = ops.cast(self.support > 0, "float32")
        scores = right / ops.maximum(both, 1e-7)
        return ops.sum(scores * has_text) / ops.maximum(ops.sum(has_text), 1.0)

    def get_config(self):
        return {
            "num_labels": self.num_labels,
            "average": self.average,
            "multi_label": self.multi_label,
            "name": self.name,
        }
