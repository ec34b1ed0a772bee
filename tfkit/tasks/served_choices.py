"""Choices, in the graph: each is a row of its own beside its prompt."""

from __future__ import annotations

from typing import ClassVar

from tfkit.tasks.serving import Signature
from tfkit.utils.lazy import tf


class _Scores(Signature):
    """Rows of one choice each -> scores of the choices that belong together."""

    @property
    def found(self):
        return {"logits": tf.TensorSpec([None])}

    def compute(self, batch):
        batch = {name: batch[name][:, None] for name in self.model.model_input_names}
        logits = self.model(batch, padding_free=not self.portable, training=False).logits
        return {"logits": tf.cast(logits[:, 0], tf.float32)}


class ChoiceTokens(_Scores):
    """Token ids, mask and the like, int32 `[B,K,T]` each -> logits `[B,K]`, scores `[B,K]`."""

    def rows(self, *inputs):
        shape = tf.shape(inputs[0])
        return [tf.reshape(x, [shape[0] * shape[1], shape[2]]) for x in inputs]

    def answer(self, found, *inputs):
        logits = tf.reshape(found["logits"], tf.shape(inputs[0])[:2])
        return {"logits": logits, "scores": tf.nn.softmax(logits)}


class Choice(_Scores):
    """Strings prompt `[B]` and choices `[B,K]` -> choice int32 `[B]`, the number of the best, score
    `[B]`, scores `[B,K]`.
    """

    inputs: ClassVar = {"prompt": 1, "choices": 2}
    queue = "text"
    pairs = True
    outputs = ("choice", "score", "scores")
    called = "answers"

    def rows(self, prompt, choices):
        shape = tf.shape(choices)
        some = tf.debugging.Assert(
            (shape[1] > 0) | (shape[0] < 1), ["Expected choices. Received the shape", shape]
        )
        with tf.control_dependencies([some]):
            row = tf.repeat(tf.range(shape[0]), shape[1])
            return tf.gather(prompt, row), tf.reshape(choices, [-1])

    def answer(self, found, prompt, choices):
        scores = tf.nn.softmax(tf.reshape(found["logits"], tf.shape(choices)))
        # Of no texts there may be no choices either, and no best of them.
        best = tf.argmax(tf.pad(scores, [[0, 0], [0, 1]], constant_values=-1.0), -1, tf.int32)
        return {"choice": best, "score": tf.reduce_max(scores, -1), "scores": scores}


class PortableChoice(Choice):
    """The same, in a `.tflite` file: `[1]` and `[1,K]`."""

    portable = True
