"""Sequence classification: a label, several or a number per text, from the state of [CLS]."""

from __future__ import annotations

from tfkit.tasks.base import Task
from tfkit.tasks.outputs import TFSequenceClassifierOutput
from tfkit.utils.values import outside

# === The model class ===


class SequenceClassification:
    """The task's part of a model class, before the family's: `class … (SequenceClassification, …)`.

    Its output is a `TFSequenceClassifierOutput` with `logits` float32 `[B,C]`, before any softmax,
    and with labels `loss` float32 `[B]`.
    """

    task_name = "sequence_classification"
    output_type = TFSequenceClassifierOutput
    reads_cls_only = True

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
    def task(self) -> Task:
        """By which its logits are read."""
        return task_of(self.config)

    def answer(self, last_hidden_state, labels, training):
        logits = self.head(last_hidden_state, training=training)
        if labels is None:
            return {"logits": logits}
        return {"logits": logits, "loss": self.head_loss(labels, logits)}

    def head_loss(self, labels, outputs):
        """The loss `[B]` of what the labels show the task to be, which the config says from then
        on, as in Transformers.
        """
        from tfkit.utils.keras_backend import ops

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
            labels = self._compared(x, y, y_pred)[0]
            if labels is not None:
                task_of_labels(self.config, labels).check_dtype_for_xla(labels)
        return super().compute_loss(x, y, y_pred, sample_weight, training)


# === Its problem types ===


class SingleLabel(Task):
    """One class per text."""

    name = "single_label_classification"
    function = "softmax"
    keras_losses = (
        "sparse_categorical_crossentropy",
        "categorical_crossentropy",
        "categorical_focal_crossentropy",
        "categorical_hinge",
    )
    monitors = ("accuracy", "macro_f1", "loss")
    target_dtype = "int32"
    min_classes = 2
    in_words = "{} labels: {}"

    def check_labels(self, labels, num_labels):
        strange = outside(labels, num_labels)
        if strange is not None:
            raise ValueError(
                f"Expected labels from 0 to {num_labels - 1} (`num_labels` is {num_labels}). "
                f"Received {strange}."
            )

    def check_dtype_for_xla(self, labels):
        if _is_float(labels):
            raise ValueError(
                "Expected integer class ids, since with `jit_compile=True` a label with a fraction "
                f"cannot be told. Received {labels.dtype}. Cast them: `labels.astype('int32')`."
            )

    def loss(self, labels, logits):
        """Cross-entropy.

        Args:
            labels: `[B]` or `[B,1]` class ids, whole numbers of any dtype.
            logits: float `[B,C]`.

        Source: transformers 4.57, `modeling_tf_utils.py`, `TFSequenceClassificationLoss`.

        Example:

            >>> logits = np.array([[-4.0833, 4.3364], [0.0818, -0.0418]])
            >>> [f"{loss:.4f}" for loss in SingleLabel().loss(np.array([1, 0]), logits)]
            ['0.0002', '0.6333']
        """
        import tensorflow as tf

        from tfkit.utils.keras_backend import keras, ops

        labels = ops.reshape(labels, (-1,))
        if not keras.backend.is_int_dtype(keras.backend.standardize_dtype(labels.dtype)):
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
        """The divergence of the two softmaxes.

        Example:

            >>> teacher, student = np.array([[2.0, 0.0]]), np.array([[0.0, 0.0]])
            >>> loss = SingleLabel().soft_target_loss(teacher, student, 2.0)
            >>> f"{float(loss[0]):.4f}"  # 4 · (0.7311 · ln(0.7311/0.5) + 0.2689 · ln(0.2689/0.5))
            '0.4438'
        """
        from tfkit.utils.keras_backend import ops

        theirs, ours = (
            ops.log_softmax(logits / temperature) for logits in (teacher_logits, student_logits)
        )
        return temperature**2 * ops.sum(_divergence(theirs, ours), axis=-1)

    def scores(self, logits):
        import tensorflow as tf

        return tf.nn.softmax(tf.cast(logits, tf.float32), axis=-1)


class MultiLabel(Task):
    """Any number of classes per text: a yes or no to each."""

    name = "multi_label_classification"
    exclusive = False
    function = "sigmoid"
    keras_losses = ("binary_crossentropy", "binary_focal_crossentropy")
    monitors = ("micro_f1", "macro_f1", "accuracy", "loss")
    in_words = "{} labels, any number per text: {}"

    def loss(self, labels, logits):
        """Binary cross-entropy of zeros and ones float `[B,C]`, the mean over classes."""
        from tfkit.utils.keras_backend import keras

        labels = _shaped_as(labels, logits)
        return keras.losses.binary_crossentropy(labels, logits, from_logits=True)

    def soft_target_loss(self, teacher_logits, student_logits, temperature):
        """The mean of the classes' divergences, each of two sigmoids."""
        from tfkit.utils.keras_backend import ops

        theirs, ours = teacher_logits / temperature, student_logits / temperature
        yes = _divergence(ops.log_sigmoid(theirs), ops.log_sigmoid(ours))
        no = _divergence(ops.log_sigmoid(-theirs), ops.log_sigmoid(-ours))
        return temperature**2 * ops.mean(yes + no, axis=-1)

    def scores(self, logits):
        import tensorflow as tf

        return tf.nn.sigmoid(tf.cast(logits, tf.float32))


class Regression(Task):
    """A number per text; of several outputs, as many."""

    name = "regression"
    has_classes = exclusive = False
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
    in_words = "a number each: {1}"

    def loss(self, labels, logits):
        """Squared error of targets float `[B]` or `[B,C]`, the mean over outputs."""
        from tfkit.utils.keras_backend import keras

        return keras.losses.mean_squared_error(_shaped_as(labels, logits), logits)

    def soft_target_loss(self, teacher_logits, student_logits, temperature):
        """The squared difference, at any temperature."""
        from tfkit.utils.keras_backend import ops

        return ops.mean(ops.square(teacher_logits - student_logits), axis=-1)

    def scores(self, logits):
        import tensorflow as tf

        return tf.cast(logits, tf.float32)


def _is_float(values) -> bool:
    from tfkit.utils.keras_backend import keras

    return keras.backend.is_float_dtype(keras.backend.standardize_dtype(values.dtype))


def _shaped_as(labels, logits):
    from tfkit.utils.keras_backend import ops

    return ops.reshape(ops.cast(labels, "float32"), ops.shape(logits))


def _divergence(theirs, ours):
    """Terms of the Kullback-Leibler divergence, of log-probabilities."""
    from tfkit.utils.keras_backend import ops

    return ops.exp(theirs) * (theirs - ours)


# === Which one serves ===

TASKS = {task.name: task for task in (Regression(), SingleLabel(), MultiLabel())}
PROBLEM_TYPES = tuple(TASKS)


def task_of(config) -> Task:
    """By which answers are read, of a config that may name no `problem_type`."""
    default = SingleLabel if config.num_labels > 1 else MultiLabel
    return TASKS[config.problem_type or default.name]


def task_of_labels(config, labels) -> Task:
    """By which a model is trained: what the config says, or what the labels look like.

    One logit is a regression; integers and one label per text (`[B]` or `[B,1]`, of any dtype)
    name a class each; anything else says yes or no to each class.
    """
    if config.problem_type is not None:
        return TASKS[config.problem_type]
    if config.num_labels == 1:
        return TASKS[Regression.name]
    from tfkit.utils.keras_backend import keras

    is_int = keras.backend.is_int_dtype(keras.backend.standardize_dtype(labels.dtype))
    one_each = len(labels.shape) == 1 or labels.shape[-1] == 1
    return TASKS[SingleLabel.name if is_int or one_each else MultiLabel.name]


def task_of_loss(loss, num_labels: int) -> Task | None:
    """The task that a loss of `compile` trains for; None where it does not show.

    Example:

        >>> task_of_loss("mse", 1), task_of_loss("binary_crossentropy", 3)
        (<task regression>, <task multi_label_classification>)
        >>> task_of_loss("mse", 3)  # of several logits they may be a teacher's, to be matched
    """
    from tfkit.utils.keras_backend import keras

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
