"""The loss of a classification head, one number an example."""

from __future__ import annotations

import keras
from keras import ops

from tfkit.config import DistilBertConfig


def problem_type(config: DistilBertConfig, labels) -> str:
    """`config.problem_type`, or what the labels look like: one logit is regression, integer
    labels name one class each, anything else says yes or no to each class.
    """
    if config.problem_type is not None:
        return config.problem_type
    if config.num_labels == 1:
        return "regression"
    is_int = keras.backend.is_int_dtype(keras.backend.standardize_dtype(labels.dtype))
    return "single_label_classification" if is_int else "multi_label_classification"


def classification_loss(config: DistilBertConfig, labels, logits):
    """The head's own loss.

    Args:
        config: says the `problem_type`, or leaves it to the labels.
        labels: int `[B]` class ids; float `[B]` or `[B,C]` targets of a regression; float
            `[B,C]` of zeros and ones for multi-label.
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
        return keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    labels = ops.reshape(ops.cast(labels, "float32"), ops.shape(logits))
    if kind == "regression":
        return keras.losses.mean_squared_error(labels, logits)
    return keras.losses.binary_crossentropy(labels, logits, from_logits=True)


# What a name means on logits. Keras would take it for a loss on probabilities.
_ON_LOGITS = {
    "binary_crossentropy": keras.losses.BinaryCrossentropy,
    "binary_focal_crossentropy": keras.losses.BinaryFocalCrossentropy,
    "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
    "categorical_focal_crossentropy": keras.losses.CategoricalFocalCrossentropy,
    "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
}


def on_logits(loss):
    """The loss of this name for logits; anything but such a name is given back as it is.

    Example:

        >>> on_logits("sparse_categorical_crossentropy").from_logits
        True
        >>> on_logits("mse")
        'mse'
    """
    if isinstance(loss, (list, tuple)):
        return [on_logits(each) for each in loss]
    known = isinstance(loss, str) and loss in _ON_LOGITS
    return _ON_LOGITS[loss](from_logits=True) if known else loss
