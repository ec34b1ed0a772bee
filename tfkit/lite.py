"""`Classifier`, `TokenClassifier` and `Embedder` run the `.tflite` files that `tfkit.export.tflite`
writes.
"""

from tfkit.export.mobile.classifier import Classifier, Embedder, TokenClassifier

__all__ = ["Classifier", "Embedder", "TokenClassifier"]
