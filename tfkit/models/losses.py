"""Losses and metrics of Keras, for outputs that are logits."""

from __future__ import annotations

from tfkit.utils.keras_backend import keras

# Keras takes these for losses on probabilities, unless told otherwise.
_ON_LOGITS = {
    keras.losses.binary_crossentropy: keras.losses.BinaryCrossentropy,
    keras.losses.binary_focal_crossentropy: keras.losses.BinaryFocalCrossentropy,
    keras.losses.categorical_crossentropy: keras.losses.CategoricalCrossentropy,
    keras.losses.categorical_focal_crossentropy: keras.losses.CategoricalFocalCrossentropy,
    keras.losses.sparse_categorical_crossentropy: keras.losses.SparseCategoricalCrossentropy,
}


def on_logits(loss):
    """A loss as Keras takes it, as an object, by name or in lists and dicts, for logits."""
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

    `says_yes_or_no`: whether "accuracy" compares each logit with 0.
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
