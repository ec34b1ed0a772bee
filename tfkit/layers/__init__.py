"""The bricks of a DistilBERT, as Keras layers."""

from tfkit.utils import keras_backend  # noqa: F401
