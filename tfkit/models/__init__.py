"""DistilBERT models: backbone, heads, and the automatic classes."""

from tfkit import backend  # noqa: F401
