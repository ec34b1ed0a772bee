"""Keras, which must run on TensorFlow here: imported first by every room that needs it."""

from __future__ import annotations

_REMEDY = (
    'Set KERAS_BACKEND=tensorflow before Python starts, or `"backend": "tensorflow"` in the '
    "keras.json that Keras reads."
)

try:
    import keras
except (ImportError, ValueError) as error:  # of a backend that is not installed, or is none
    if getattr(error, "name", None) == "keras":
        raise
    raise ImportError(
        f"tfkit needs Keras on TensorFlow. Keras could not load its backend: {error}. {_REMEDY}"
    ) from error

if keras.config.backend() != "tensorflow":
    raise ImportError(
        f"tfkit needs Keras on TensorFlow. Received Keras on {keras.config.backend()}. {_REMEDY}"
    )

from keras import ops  # noqa: E402

__all__ = ["keras", "ops"]
