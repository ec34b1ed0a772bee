"""`tfkit.lite.Classifier`: runs the `.tflite` files that `tfkit.export.tflite` writes."""

from tfkit.export.mobile.classifier import Classifier

__all__ = ["Classifier"]
