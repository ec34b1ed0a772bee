"""What encoders are put together from, as Keras layers."""

from tfkit.utils import keras_backend  # noqa: F401
