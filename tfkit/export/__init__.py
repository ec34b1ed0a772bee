"""From a trained classifier to what a server or a phone runs; each export proves itself.

    from tfkit import export
    print(export.saved_model(model, tokenizer, "served/reviews"))      # for TF Serving
    print(export.tflite(model, tokenizer, "reviews.tflite"))           # for LiteRT
    export.verify("served/reviews")                                    # as a server loads it
    smaller = export.prune_vocabulary(model, tokenizer, texts)         # less to carry
    export.Classifier("reviews.tflite", tokenizer=tokenizer)(["What a good day."])

`tfkit.export` itself is imported when it is first used; it needs TensorFlow throughout.
"""

from __future__ import annotations

from tfkit.export.mobile._tflite import tflite
from tfkit.export.mobile.answering import Chooser, MaskFiller, QuestionAnswerer
from tfkit.export.mobile.classifier import Classifier, Embedder, TokenClassifier
from tfkit.export.report import ExportError, SavedModelReport, ServingReport, TFLiteReport
from tfkit.export.serving._saved_model import saved_model
from tfkit.export.serving._verify import verify
from tfkit.export.serving.batching import Batching
from tfkit.export.serving.client import ServerError, ask
from tfkit.models.copies import drop_layers, prune_vocabulary

__all__ = [
    "Batching",
    "Chooser",
    "Classifier",
    "Embedder",
    "ExportError",
    "MaskFiller",
    "QuestionAnswerer",
    "SavedModelReport",
    "ServerError",
    "ServingReport",
    "TFLiteReport",
    "TokenClassifier",
    "ask",
    "drop_layers",
    "prune_vocabulary",
    "saved_model",
    "tflite",
    "verify",
]
