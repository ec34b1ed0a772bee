"""The bricks of a DistilBERT, as Keras layers."""

from tfkit import backend  # noqa: F401
