"""What runs the `.tflite` files that `tfkit.export.tflite` writes: a class per kind of answer."""

from tfkit.export.mobile.answering import Chooser, MaskFiller, QuestionAnswerer
from tfkit.export.mobile.classifier import Classifier, Embedder, TokenClassifier

__all__ = [
    "Chooser",
    "Classifier",
    "Embedder",
    "MaskFiller",
    "QuestionAnswerer",
    "TokenClassifier",
]
