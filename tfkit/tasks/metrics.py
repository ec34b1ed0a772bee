"""F1 on logits, of classes and of entities, and accuracy of tokens, as Keras metrics."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfkit.tasks.entities import TagTable
from tfkit.utils.keras_backend import keras, ops

# The label after the last token of a text, where texts are laid end to end.
END = -1


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


@keras.saving.register_keras_serializable(package="tfkit")
class TokenAccuracy(keras.metrics.Mean):
    """Fraction of words whose class is right, of labels `[B,T]`, negative where none counts, and
    logits `[B,T,C]`.

    Example:

        >>> metric = TokenAccuracy()
        >>> metric.update_state([[-100, 1, 0]], [[[9.0, 0.0], [0.0, 1.0], [0.0, 1.0]]])
        >>> float(metric.result())
        0.5
    """

    def __init__(self, name="accuracy", dtype="float32"):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        # Flat, since Keras would take the mean of each text first.
        labels = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        best = ops.reshape(ops.cast(ops.argmax(y_pred, axis=-1), "int32"), (-1,))
        counted = ops.cast(labels >= 0, "float32")
        super().update_state(ops.cast(best == labels, "float32"), counted)


@keras.saving.register_keras_serializable(package="tfkit")
class EntityF1(keras.metrics.Metric):
    """F1 of whole entities: one counts as found if its first word, its last and its type are.

    Takes labels int `[B,T]`, negative where a token is not the first of a word, beside logits
    `[B,T,C]`; or texts laid end to end, `[M]` and `[M,C]`, with the label -1 after each. In the
    graph what `tfkit.tasks.entities` does with words; micro-averaged as `seqeval`'s `f1_score`.

    Args:
        names: of the C classes, such as "O", "B-person", "I-person".

    Example:

        >>> metric = EntityF1(names=["O", "B-x", "I-x"])
        >>> metric.update_state([[1, 2, 0, 1]], [[[0, 1, 0], [0, 0, 1], [1, 0, 0], [1, 0, 0]]])
        >>> round(float(metric.result()), 4)  # one of two is found, and it is right
        0.6667
    """

    def __init__(self, *, names: Sequence[str], name="f1"):
        super().__init__(name=name, dtype="float32")
        self.names, self._tags = list(names), TagTable(names)
        self.true_positives, self.predicted, self.support = (
            self.add_variable((), initializer="zeros", dtype="float32", name=name)
            for name in ("true_positives", "predicted", "support")
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        labels, best = tf.cast(y_true, tf.int32), tf.argmax(y_pred, axis=-1, output_type=tf.int32)
        if labels.shape.rank == 2:
            labels, best = end_to_end(labels), end_to_end(best)
        # Words alone, of all texts, each with one of no class after its last.
        count = tf.shape(labels)[0]
        counted = labels >= END
        places = tf.where(counted, tf.cumsum(tf.cast(counted, tf.int32)) - 1, count + 1)
        best = tf.where(labels == END, END, best)
        true, found = (
            tf.tensor_scatter_nd_update(tf.fill([count + 2], END), places[:, None], classes)[:-1]
            for classes in (labels, best)
        )
        (true_type, begun, goes_on), (type_found, begun_found, goes_on_found) = (
            self._entities(classes) for classes in (true, found)
        )
        # From one word at which either has no entity that goes on to before the next such word:
        # an entity of both is the same if neither goes on there.
        together = goes_on & goes_on_found
        group = tf.cumsum(tf.cast(~together, tf.int32))
        cut = tf.cast(~together & (goes_on | goes_on_found), tf.int32)
        cut = tf.math.unsorted_segment_max(cut, group, count + 3)
        same = begun & begun_found & (true_type == type_found) & (tf.gather(cut, group + 1) < 1)
        for total, each in (
            (self.true_positives, same),
            (self.predicted, begun_found),
            (self.support, begun),
        ):
            total.assign_add(tf.reduce_sum(tf.cast(each, tf.float32)))

    def _entities(self, classes):
        """Of words `[M]`: the type, whether an entity begins here, and whether one goes on."""
        types, begins, ends = (
            tf.gather(tf.constant([*table, rest]), tf.where(classes < 0, len(self.names), classes))
            for table, rest in (
                (self._tags.type_of, -1),
                (self._tags.begins, False),
                (self._tags.ends, False),
            )
        )
        types_before = tf.concat([[-1], types[:-1]], 0)
        ended = tf.concat([[False], ends[:-1]], 0)
        begun = (types >= 0) & (begins | ended | (types != types_before))
        return types, begun, (types >= 0) & ~begun

    def result(self):
        return 2 * self.true_positives / ops.maximum(self.predicted + self.support, 1.0)

    def get_config(self):
        return {"names": self.names, "name": self.name}


def end_to_end(tokens):
    """Rows `[B,T,…]` as one, `[B·(T+1),…]`, `END` after each."""
    rest = [[0, 0]] * (tokens.shape.rank - 2)
    tokens = tf.pad(tokens, [[0, 0], [0, 1], *rest], constant_values=END)
    return tf.reshape(tokens, (-1, *tokens.shape[2:]))


@keras.saving.register_keras_serializable(package="tfkit")
class SpanMatch(keras.metrics.Mean):
    """The fraction of rows of tokens in which the likeliest start and end are both right.

    Labels are places int `[B,2]`, start and end, against logits `[B,2,T]`.

    Example:

        >>> metric = SpanMatch()
        >>> metric.update_state([[1, 1]], [[[0.0, 2.0], [0.0, 3.0]]])
        >>> float(metric.result())
        1.0
    """

    def __init__(self, name="exact_match", dtype="float32"):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        right = ops.argmax(y_pred, axis=-1) == ops.cast(y_true, "int32")
        super().update_state(ops.cast(ops.all(right, axis=-1), "float32"), sample_weight)
