"""What a served classifier of texts takes and answers: scores, and the label of the highest."""

from __future__ import annotations

from typing import ClassVar

from tfkit.tasks.serving import Signature
from tfkit.utils.lazy import tf


class _Scores(Signature):
    """Any rows -> what the task makes of their logits."""

    labelled = True

    @property
    def found(self):
        return {"logits": tf.TensorSpec([None, self.model.output_size])}

    def compute(self, batch):
        return {"logits": tf.cast(self.model(batch, training=False).logits, tf.float32)}


class Tokens(_Scores):
    """Token ids, mask and the like, int32 `[B,T]` each -> logits `[B,C]`, scores `[B,C]`."""

    def answer(self, found, *inputs):
        return {**found, "scores": self.model.answered(found["logits"])}


class Text(_Scores):
    """Strings `[B]` -> label string `[B]`, score `[B]`, scores `[B,C]`."""

    inputs: ClassVar = {"text": 1}
    queue = "text"

    def answer(self, found, *inputs):
        return self.model.task.served(found["logits"], self.model.labels)


class TextPair(Text):
    """Pairs of texts, strings `[B]` each -> as `text`."""

    inputs: ClassVar = {"text": 1, "text_pair": 1}
    queue = "text_pair"
    pairs = True


class Classify(_Scores):
    """Serialized tf.Examples `[B]` with `text` -> classes string `[B,C]`, scores `[B,C]`."""

    inputs: ClassVar = {"inputs": 1}
    queue = "text"
    method = "classify"

    def rows(self, inputs):
        features = {"text": tf.io.FixedLenFeature([], tf.string)}
        return (tf.io.parse_example(inputs, features)["text"],)

    def answer(self, found, *inputs):
        classes = tf.broadcast_to(tf.constant([self.model.labels]), tf.shape(found["logits"]))
        return {"classes": classes, "scores": self.model.answered(found["logits"])}
