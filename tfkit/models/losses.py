"""The loss of a classification head, one number an example."""

from __future__ import annotations

import tensorflow as tf

from tfkit.models.config import DistilBertConfig
from tfkit.utils.keras_backend import keras, ops


def problem_type(config: DistilBertConfig, labels) -> str:
    """`config.problem_type`, or what the labels look like: one logit is regression, integers and
    one label a text (`[B]` or `[B,1]`, of any dtype) name a class each, anything else says yes or
    no to each class.
    """
    if config.problem_type is not None:
        return config.problem_type
    if config.num_labels == 1:
        return "regression"
    is_int = keras.backend.is_int_dtype(keras.backend.standardize_dtype(labels.dtype))
    one_each = len(labels.shape) == 1 or labels.shape[-1] == 1
    return "single_label_classification" if is_int or one_each else "multi_label_classification"


def classification_loss(config: DistilBertConfig, labels, logits):
    """The head's own loss.

    Args:
        config: says the `problem_type`, or leaves it to the labels.
        labels: `[B]` or `[B,1]` class ids, whole numbers of any dtype; float `[B]` or `[B,C]`
            targets of a regression; float `[B,C]` of zeros and ones for multi-label.
        logits: float `[B,C]`.

    Returns: float32 `[B]`.

    Source: transformers 4.57, `modeling_tf_utils.py`, `TFSequenceClassificationLoss`.

    Example:

        >>> config = DistilBertConfig(num_labels=2)
        >>> logits = ops.array([[-4.0833, 4.3364], [0.0818, -0.0418]])
        >>> [f"{loss:.4f}" for loss in classification_loss(config, [1, 0], logits)]
        ['0.0002', '0.6333']
    """
    labels, logits = ops.convert_to_tensor(labels), ops.cast(logits, "float32")
    kind = problem_type(config, labels)
    if kind == "single_label_classification":
        labels = ops.reshape(labels, (-1,))
        if not keras.backend.is_int_dtype(keras.backend.standardize_dtype(labels.dtype)):
            whole, labels = ops.cast(labels, "int32"), ops.cast(labels, "float32")
            checked = tf.debugging.assert_equal(ops.cast(whole, "float32"), labels, _FRACTION)
            with tf.control_dependencies([checked]):
                # XLA drops assertions: there the loss is NaN, where it would be a rounded label's.
                labels = ops.where(ops.cast(whole, "float32") == labels, whole, -1)
        return keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    labels = ops.reshape(ops.cast(labels, "float32"), ops.shape(logits))
    if kind == "regression":
        return keras.losses.mean_squared_error(labels, logits)
    return keras.losses.binary_crossentropy(labels, logits, from_logits=True)


_FRACTION = "Expected class ids, which are whole numbers. Received a label with a fraction."


def refuse_fractions_in_xla(config: DistilBertConfig | None, labels) -> None:
    """Raises ValueError for float class ids, whose fractions XLA cannot report."""
    is_float = keras.backend.is_float_dtype(keras.backend.standardize_dtype(labels.dtype))
    if config and is_float and problem_type(config, labels) == "single_label_classification":
        raise ValueError(
            "Expected integer class ids, since with `jit_compile=True` a label with a fraction "
            f"cannot be told. Received {labels.dtype}. Cast them: `labels.astype('int32')`."
        )


# Keras takes these for losses on probabilities, unless told otherwise.
_ON_LOGITS = {
    keras.losses.binary_crossentropy: keras.losses.BinaryCrossentropy,
    keras.losses.binary_focal_crossentropy: keras.losses.BinaryFocalCrossentropy,
    keras.losses.categorical_crossentropy: keras.losses.CategoricalCrossentropy,
    keras.losses.categorical_focal_crossentropy: keras.losses.CategoricalFocalCrossentropy,
    keras.losses.sparse_categorical_crossentropy: keras.losses.SparseCategoricalCrossentropy,
}


def on_logits(loss):
    """A loss as Keras takes it, by any spelling or in lists and dicts, for logits.

    Example:

        >>> on_logits("sparse_categorical_crossentropy").from_logits
        True
        >>> on_logits(keras.losses.BinaryCrossentropy()).from_logits
        True
        >>> on_logits("mse")
        'mse'
    """
    if isinstance(loss, (list, tuple)):
        return [on_logits(each) for each in loss]
    if isinstance(loss, dict) and "class_name" not in loss:
        return {name: on_logits(each) for name, each in loss.items()}
    if isinstance(loss, str) and loss.lower() in ("crossentropy", "ce"):
        return _crossentropy
    known = keras.losses.get(loss)
    if not isinstance(known, keras.losses.Loss):
        known = _ON_LOGITS[known]() if known in _ON_LOGITS else None
    if not isinstance(known, tuple(_ON_LOGITS.values())):
        return loss
    return type(known).from_config({**known.get_config(), "from_logits": True})


@keras.saving.register_keras_serializable(package="tfkit")
def _crossentropy(labels, logits):
    """What Keras chooses by shapes for "crossentropy"."""
    several = logits.shape[-1] > 1
    sparse = several and (len(labels.shape) < len(logits.shape) or labels.shape[-1] == 1)
    kind = "sparse_categorical" if sparse else "categorical" if several else "binary"
    return getattr(keras.losses, f"{kind}_crossentropy")(labels, logits, from_logits=True)


def metrics_on_logits(metrics, says_yes_or_no: bool):
    """Metrics that are given by name, for logits: 0 divides yes from no, as 0.5 does scores.

    A metric object, with a threshold of its own, is given back as it is.

    Args:
        metrics: as `compile` takes them.
        says_yes_or_no: whether "accuracy" compares each logit with 0: there is one, or several
            labels a text.

    Example:

        >>> metrics_on_logits(["binary_accuracy", "mae"], says_yes_or_no=False)
        [<BinaryAccuracy name=binary_accuracy>, 'mae']
    """
    if isinstance(metrics, (list, tuple)):
        return [metrics_on_logits(each, says_yes_or_no) for each in metrics]
    if isinstance(metrics, dict) and "class_name" not in metrics:
        return {key: metrics_on_logits(each, says_yes_or_no) for key, each in metrics.items()}
    if not isinstance(metrics, str):
        return metrics
    if metrics.lower() in ("accuracy", "acc"):
        if not says_yes_or_no:
            return metrics
        return keras.metrics.BinaryAccuracy(name=metrics, threshold=0.0)
    metric = keras.metrics.get(metrics)
    options = metric.get_config() if isinstance(metric, keras.metrics.Metric) else {}
    changes = {"from_logits": True, "threshold": 0.0, "thresholds": 0.0}
    changes = {key: value for key, value in changes.items() if key in options}
    if isinstance(metric, keras.metrics.AUC):
        # Without `thresholds`, which say where the curve is computed, of sigmoids.
        return keras.metrics.AUC(name=metrics, from_logits=True)
    if isinstance(metric, (keras.metrics.F1Score, keras.metrics.FBetaScore)) or not changes:
        return metrics
    return type(metric)(name=metrics, **changes)


_losses = keras.losses
# Loss functions that show what a model is trained for.
_TASK_OF_LOSS = {
    **dict.fromkeys(
        (
            _losses.sparse_categorical_crossentropy,
            _losses.categorical_crossentropy,
            _losses.categorical_focal_crossentropy,
            _losses.categorical_hinge,
        ),
        "single_label_classification",
    ),
    **dict.fromkeys(
        (_losses.binary_crossentropy, _losses.binary_focal_crossentropy),
        "multi_label_classification",
    ),
    **dict.fromkeys(
        (
            _losses.mean_squared_error,
            _losses.mean_absolute_error,
            _losses.mean_absolute_percentage_error,
            _losses.mean_squared_logarithmic_error,
            _losses.huber,
            _losses.log_cosh,
        ),
        "regression",
    ),
}


def task_of_loss(loss, num_labels: int) -> str | None:
    """The `problem_type` that a loss of `compile` trains for; None where it does not show.

    Example:

        >>> task_of_loss("mse", 1), task_of_loss(keras.losses.BinaryCrossentropy(), 3)
        ('regression', 'multi_label_classification')
        >>> task_of_loss("mse", 3)  # of several logits they may be a teacher's, to be matched
    """
    each = list(loss.values()) if isinstance(loss, dict) else loss
    if isinstance(each, (list, tuple)) and len(each) == 1:
        (loss,) = each
    if isinstance(loss, (list, tuple, dict)):
        return None
    loss = keras.losses.get(loss)
    kind = _TASK_OF_LOSS.get(getattr(loss, "fn", loss))
    return None if kind == "regression" and num_labels > 1 else kind
