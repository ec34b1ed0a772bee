"""What a classifier of texts is trained for: a label, several or a number per text."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np

from tfkit.tasks.base import Task
from tfkit.tasks.figures import (
    Evaluation,
    MultiLabelEvaluation,
    Predictions,
    RegressionEvaluation,
    log_softmax,
)
from tfkit.tasks.labels import (
    SEPARATOR,
    clean_label,
    clean_labels,
    clean_number,
    is_list,
    python_value,
)
from tfkit.utils.lazy import keras, ops, tf
from tfkit.utils.strings import listed
from tfkit.utils.values import outside

TASK_NAME = "sequence_classification"


class SingleLabel(Task):
    """One class per text."""

    task_name = TASK_NAME
    learns_answers = True
    name = "single_label_classification"
    in_config = True
    function = "softmax"
    is_calibrated = True
    keras_losses = (
        "sparse_categorical_crossentropy",
        "categorical_crossentropy",
        "categorical_focal_crossentropy",
        "categorical_hinge",
    )
    monitors = ("accuracy", "macro_f1", "loss")
    target_dtype = "int32"
    min_classes = 2
    evaluation = Evaluation
    read = staticmethod(clean_label)
    class_numbers = strata = staticmethod(lambda labels: labels)

    def targets(self, labels, num_labels):
        return np.asarray(labels, np.int32)

    def label_text(self, label, names):
        return names[label]

    def describe(self, names):
        return f"{len(names)} labels: {listed(names)}"

    def check_labels(self, labels, num_labels):
        unknown = outside(labels, num_labels)
        if unknown is not None:
            raise ValueError(
                f"Expected labels from 0 to {num_labels - 1} (`num_labels` is {num_labels}). "
                f"Received {unknown}."
            )

    def check_dtype_for_xla(self, labels):
        if keras.backend.is_float_dtype(keras.backend.standardize_dtype(labels.dtype)):
            raise ValueError(
                "Expected integer class ids, since with `jit_compile=True` a label with a fraction "
                f"cannot be told. Received {labels.dtype}. Cast them: `labels.astype('int32')`."
            )

    def loss(self, labels, logits):
        """Cross-entropy of class ids `[B]` or `[B,1]`, whole numbers of any dtype.

        Source: transformers 4.57, `modeling_tf_utils.py`, `TFSequenceClassificationLoss`.
        """
        labels = ops.reshape(labels, (-1,))
        if not _is_int(labels):
            whole, labels = ops.cast(labels, "int32"), ops.cast(labels, "float32")
            checked = tf.debugging.assert_equal(
                ops.cast(whole, "float32"),
                labels,
                "Expected class ids, which are whole numbers. Received a label with a fraction.",
            )
            with tf.control_dependencies([checked]):
                # XLA drops assertions: there the loss is NaN, where it would be a rounded label's.
                labels = ops.where(ops.cast(whole, "float32") == labels, whole, -1)
        return keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)

    def soft_target_loss(self, teacher_logits, student_logits, temperature):
        theirs, ours = (
            ops.log_softmax(logits / temperature) for logits in (teacher_logits, student_logits)
        )
        return temperature**2 * ops.sum(_divergence(theirs, ours), axis=-1)

    def weighted_loss(self, num_labels, label_smoothing, weights):
        table = _weights(weights, num_labels)

        def loss(labels, logits):
            labels = ops.reshape(ops.cast(labels, "int32"), (-1,))
            losses = keras.losses.categorical_crossentropy(
                ops.one_hot(labels, num_labels),
                logits,
                from_logits=True,
                label_smoothing=label_smoothing,
            )
            return losses if weights is None else losses * ops.take(ops.array(table), labels)

        return loss

    def balanced_weights(self, counts, texts):
        return texts / (np.count_nonzero(counts) * np.maximum(counts, 1))

    def metrics(self, names):
        from tfkit.tasks.metrics import F1

        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy", dtype="float32")
        return [accuracy, F1(num_labels=len(names))]

    def labels_of(self, logits):
        return logits.argmax(axis=-1).tolist()

    def log_probabilities(self, outputs, are_scores=False):
        outputs = np.asarray(outputs)
        if are_scores:
            return np.log(np.maximum(outputs, _tiny(outputs)), dtype=np.float64)
        return log_softmax(outputs)

    predictions = staticmethod(Predictions.of_classes)

    def scores(self, logits):
        return tf.nn.softmax(tf.cast(logits, tf.float32), axis=-1)

    def score_array(self, logits):
        return np.exp(log_softmax(logits)).astype(np.float32)


class MultiLabel(Task):
    """Any number of classes per text: a yes or no to each."""

    task_name = TASK_NAME
    learns_answers = True
    name = "multi_label_classification"
    in_config = True
    multi_label = True
    function = "sigmoid"
    is_calibrated = True
    keras_losses = ("binary_crossentropy", "binary_focal_crossentropy")
    monitors = ("micro_f1", "macro_f1", "accuracy", "loss")
    evaluation = MultiLabelEvaluation
    read = staticmethod(clean_labels)
    class_numbers = staticmethod(itertools.chain.from_iterable)

    def as_labels(self, labels):
        return tuple(map(tuple, labels))

    def strata(self, labels):
        """The rarest class of each row."""
        counts = Counter(self.class_numbers(labels))
        return [min(row, key=lambda n: (counts[n], n), default=-1) for row in labels]

    def targets(self, labels, num_labels):
        targets = np.zeros((len(labels), num_labels), np.uint8)
        for row, numbers in zip(targets, labels):
            row[list(numbers)] = 1
        return targets

    def target_shape(self, num_labels):
        return (num_labels,)

    def compared(self, features, targets):
        return features, tf.cast(targets, tf.float32)

    def label_text(self, label, names):
        return SEPARATOR.join(names[number] for number in sorted(label))

    def describe(self, names):
        return f"{len(names)} labels, any number per text: {listed(names)}"

    def loss(self, labels, logits):
        """Binary cross-entropy of zeros and ones float `[B,C]`, the mean over classes."""
        labels = _shaped_as(labels, logits)
        return keras.losses.binary_crossentropy(labels, logits, from_logits=True)

    def soft_target_loss(self, teacher_logits, student_logits, temperature):
        """The mean of the classes' divergences, each of two sigmoids."""
        theirs, ours = teacher_logits / temperature, student_logits / temperature
        yes = _divergence(ops.log_sigmoid(theirs), ops.log_sigmoid(ours))
        no = _divergence(ops.log_sigmoid(-theirs), ops.log_sigmoid(-ours))
        return temperature**2 * ops.mean(yes + no, axis=-1)

    def weighted_loss(self, num_labels, label_smoothing, weights):
        table = _weights(weights, num_labels)

        def loss(labels, logits):
            labels = ops.cast(labels, "float32")
            weigh = 1.0 + labels * (ops.array(table) - 1.0)
            targets = labels * (1.0 - label_smoothing) + 0.5 * label_smoothing
            terms = ops.binary_crossentropy(targets, logits, from_logits=True)
            return ops.mean(weigh * terms, axis=-1)

        return loss

    def balanced_weights(self, counts, texts):
        counts = np.maximum(counts, 1)
        return np.maximum(texts - counts, 1) / counts

    def metrics(self, names):
        from tfkit.tasks.metrics import F1

        options = {"num_labels": len(names), "multi_label": True}
        return [
            keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0, dtype="float32"),
            F1(average="micro", **options),
            F1(average="macro", **options),
        ]

    def labels_of(self, logits):
        return [tuple(np.flatnonzero(row > 0).tolist()) for row in logits]

    def log_probabilities(self, outputs, are_scores=False):
        """Of no and yes, `[B,C,2]`."""
        outputs = np.asarray(outputs)
        if are_scores:
            limits = (np.finfo(outputs.dtype).eps, _tiny(outputs))
            both = np.stack([1 - outputs, outputs], axis=-1)
            return np.log(np.maximum(both, limits), dtype=np.float64)
        logits = outputs.astype(np.float64)  # log sigmoid is -log(1 + e^-x), safe for any x
        return -np.logaddexp(0.0, np.stack([logits, -logits], axis=-1))

    def logits(self, scores):
        no, yes = np.moveaxis(self.log_probabilities(scores, are_scores=True), -1, 0)
        return yes - no

    def predictions(self, targets, log_probabilities, names):
        true, yes = np.asarray(targets) > 0, log_probabilities.argmax(axis=-1) > 0
        scores = np.exp(log_probabilities.max(axis=-1))  # of each decision, yes or no
        missed = np.where(true == yes, 0.0, scores)
        expected, predicted = (
            [", ".join(names[n] for n in np.flatnonzero(row)) or "none" for row in answers]
            for answers in (true, yes)
        )
        return Predictions(
            expected=expected,
            predicted=predicted,
            wrong=missed.any(axis=1),
            severity=missed.max(axis=1),
            scores=scores.ravel(),
            correct=(true == yes).ravel(),
        )

    def scores(self, logits):
        return tf.nn.sigmoid(tf.cast(logits, tf.float32))

    def score_array(self, logits):
        return np.exp(self.log_probabilities(logits)[..., 1]).astype(np.float32)


class Regression(Task):
    """A number per text; of several outputs, as many."""

    task_name = TASK_NAME
    learns_answers = True
    name = "regression"
    in_config = True
    has_classes = False
    function = "none"
    keras_losses = (
        "mean_squared_error",
        "mean_absolute_error",
        "mean_absolute_percentage_error",
        "mean_squared_logarithmic_error",
        "huber",
        "log_cosh",
    )
    monitors = ("rmse", "mae", "loss")
    evaluation = RegressionEvaluation
    read = staticmethod(clean_number)

    def targets(self, labels, num_labels):
        return np.asarray(labels, np.float32)[:, None]

    def target_shape(self, num_labels):
        return (1,)

    def label_text(self, label, names):
        return f"{label:g}"

    def describe(self, names):
        return f"a number each: {listed(names)}"

    def loss(self, labels, logits):
        """Squared error of targets float `[B]` or `[B,C]`, the mean over outputs."""
        return keras.losses.mean_squared_error(_shaped_as(labels, logits), logits)

    def soft_target_loss(self, teacher_logits, student_logits, temperature):
        """The squared difference, at any temperature."""
        return ops.mean(ops.square(teacher_logits - student_logits), axis=-1)

    def metrics(self, names):
        return [
            keras.metrics.RootMeanSquaredError(name="rmse", dtype="float32"),
            keras.metrics.MeanAbsoluteError(name="mae", dtype="float32"),
        ]

    def labels_of(self, logits):
        return logits[:, 0].tolist()

    def log_probabilities(self, outputs, are_scores=False):
        """The numbers themselves."""
        return np.asarray(outputs, np.float64)

    def predictions(self, targets, log_probabilities, names):
        targets, values = (np.asarray(x, np.float64).ravel() for x in (targets, log_probabilities))
        distance = np.abs(values - targets)
        return Predictions(
            expected=[f"{target:.4g}" for target in targets],
            predicted=[f"{value:.4g}" for value in values],
            wrong=distance > 0,
            severity=distance,
        )

    def scores(self, logits):
        return tf.cast(logits, tf.float32)

    def score_array(self, logits):
        return np.asarray(logits, np.float32)


def _is_int(values) -> bool:
    return keras.backend.is_int_dtype(keras.backend.standardize_dtype(values.dtype))


def _shaped_as(labels, logits):
    return ops.reshape(ops.cast(labels, "float32"), ops.shape(logits))


def _weights(weights, num_labels: int) -> list[float]:
    return [1.0 if weights is None else weights[number] for number in range(num_labels)]


def _tiny(scores: np.ndarray) -> float:
    """What stands for a score of 0 where its logarithm is taken."""
    return np.finfo(scores.dtype).tiny


def _divergence(theirs, ours):
    """Terms of the Kullback-Leibler divergence, of log-probabilities."""
    return ops.exp(theirs) * (theirs - ours)


TASKS = {task.name: task for task in (Regression(), SingleLabel(), MultiLabel())}
PROBLEM_TYPES = tuple(TASKS)


def read_any(cell):
    """A label of which nothing was said: a list is several labels."""
    cell = python_value(cell)
    return clean_labels(cell) if is_list(cell) else clean_label(cell)


def task_of_read(labels) -> Task:
    """The task of labels of which nothing was said, as `read_any` gives them."""
    several = any(isinstance(label, tuple) for label in labels)
    return TASKS[MultiLabel.name if several else SingleLabel.name]


def task_of(config) -> Task:
    """By which answers are read, of a config that may name no `problem_type`."""
    default = SingleLabel if config.num_labels > 1 else MultiLabel
    return TASKS[config.problem_type or default.name]


def task_of_labels(config, labels) -> Task:
    """By which a model is trained: what the config says, or what the labels look like. One logit is
    a regression; integers and one label per text (`[B]` or `[B,1]`, of any dtype) name a class
    each; anything else says yes or no to each class.
    """
    if config.problem_type is not None:
        return TASKS[config.problem_type]
    if config.num_labels == 1:
        return TASKS[Regression.name]
    one_each = len(labels.shape) == 1 or labels.shape[-1] == 1
    return TASKS[SingleLabel.name if one_each or _is_int(labels) else MultiLabel.name]


def task_of_loss(loss, num_labels: int) -> Task | None:
    """The task that a loss of `compile` trains for; None where it does not show. A squared error of
    several logits does not: they may be a teacher's, to be matched.
    """
    each = list(loss.values()) if isinstance(loss, dict) else loss
    if isinstance(each, (list, tuple)) and len(each) == 1:
        (loss,) = each
    if isinstance(loss, (list, tuple, dict)):
        return None
    loss = keras.losses.get(loss)
    function = getattr(loss, "fn", loss)
    for task in TASKS.values():
        if function in [getattr(keras.losses, name) for name in task.keras_losses]:
            return task if task.has_classes or num_labels == 1 else None
    return None
