"""What stands on the encoder and answers a task."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from tfkit.layers.base import ConfiguredLayer, registered
from tfkit.layers.encoder import activate


@registered
class Pooler(ConfiguredLayer):
    """[CLS] -> projection, tanh: the pooled output of `BertModel`."""

    arguments = ("hidden_size", "initializer_range")

    def __init__(self, **options):
        super().__init__(**options)
        self.projection = self.dense(self.hidden_size, "projection", activation="tanh")

    def build_parts(self):
        self.projection.build((None, self.hidden_size))

    def call(self, x):
        """Hidden states `[B, T, D]` -> `[B, D]`."""
        return self.projection(ops.reshape(x[:, :1], (-1, self.hidden_size)))

    def let_through(self) -> None:
        """Takes weights that change states of variance 1 little: tanh(x/2)."""
        _set_identity(self.projection, scale=0.5)


@registered
class ClassificationHead(ConfiguredLayer):
    """[CLS] -> projection, ReLU, dropout -> logits, as in `DistilBertForSequenceClassification`."""

    arguments = ("hidden_size", "num_labels", "classifier_dropout", "initializer_range")

    def __init__(self, **options):
        super().__init__(**options)
        self.pre_classifier = self.dense(self.hidden_size, "pre_classifier", activation="relu")
        self.drop = self.dropout_layer(self.classifier_dropout, "drop")
        # Under mixed precision the variables' dtype is float32, and so are the logits.
        self.classifier = self.dense(self.num_labels, "classifier", dtype=self.variable_dtype)

    def build_parts(self):
        self.pre_classifier.build((None, self.hidden_size))
        self.classifier.build((None, self.hidden_size))

    @property
    def output_shape(self) -> tuple:
        """What `summary` shows."""
        return (None, self.num_labels)

    def call(self, x, training=None):
        """Hidden states `[B, T, D]` -> logits float32 `[B, C]`."""
        return ops.cast(self.classifier(self.features(x, training=training)), "float32")

    def features(self, x, training=None):
        """What the classifier reads, `[B, D]`."""
        first = ops.reshape(x[:, :1], (-1, self.hidden_size))
        return self.drop(self.pre_classifier(first), training=training)

    def let_through(self) -> None:
        """Takes weights that change states of variance 1 little: ReLU(x + 2)."""
        _set_identity(self.pre_classifier, bias=2.0)


@registered
class PooledClassificationHead(ConfiguredLayer):
    """Pooled output -> dropout -> logits, as in `BertForSequenceClassification`."""

    arguments = ("hidden_size", "num_labels", "head_dropout", "initializer_range")

    def __init__(self, **options):
        super().__init__(**options)
        self.drop = self.dropout_layer(self.head_dropout, "drop")
        # Under mixed precision the variables' dtype is float32, and so are the logits.
        self.classifier = self.dense(self.num_labels, "classifier", dtype=self.variable_dtype)

    def build_parts(self):
        self.classifier.build((None, self.hidden_size))

    @property
    def output_shape(self) -> tuple:
        """What `summary` shows."""
        return (None, self.num_labels)

    def call(self, x, training=None):
        """Pooled output `[B, D]` -> logits float32 `[B, C]`."""
        return ops.cast(self.classifier(self.features(x, training=training)), "float32")

    def features(self, x, training=None):
        """What the classifier reads, `[B, D]`."""
        return self.drop(x, training=training)


@registered
class TokenHead(PooledClassificationHead):
    """The same for every token: `[B, T, D]` -> float32 `[B, T, C]`, as in
    `BertForTokenClassification` and `DistilBertForQuestionAnswering`.
    """

    @property
    def output_shape(self) -> tuple:
        """What `summary` shows."""
        return (None, None, self.num_labels)

    def call(self, x, training=None):
        length, x = ops.shape(x)[1], ops.reshape(x, (-1, self.hidden_size))
        logits = super().call(x, training=training)
        return ops.reshape(logits, (-1, length, self.num_labels))


@registered
class MaskedLMHead(ConfiguredLayer):
    """Projection, activation, LayerNorm, then the product with the word embeddings plus a bias:
    `[B, T, D]` -> float32 `[B, T, V]`, as in `BertForMaskedLM`.
    """

    arguments = ("vocab_size", "hidden_size", "hidden_act", "initializer_range", "layer_norm_eps")

    def __init__(self, **options):
        super().__init__(**options)
        self.transform = self.dense(self.hidden_size, "transform")
        self.norm = self.layer_norm("norm")
        self.bias_initializer = keras.initializers.Zeros()

    def build_parts(self):
        self.transform.build((None, self.hidden_size))
        self.norm.build((None, self.hidden_size))
        shape, initializer = (self.vocab_size,), self.bias_initializer
        self.bias = self.add_weight(name="bias", shape=shape, initializer=initializer)

    @property
    def output_shape(self) -> tuple:
        """What `summary` shows."""
        return (None, None, self.vocab_size)

    def call(self, x, word_embeddings, training=None):
        """Hidden states, and the embeddings `[V, D]` that the logits are tied to."""
        length, x = ops.shape(x)[1], ops.reshape(x, (-1, self.hidden_size))
        x = activate(self.transform(x, training=training), self.hidden_act, training)
        x = self.norm(x, training=training)
        logits = ops.matmul(x, ops.transpose(ops.cast(word_embeddings, x.dtype)))
        logits = ops.cast(logits, "float32") + self.bias
        return ops.reshape(logits, (-1, length, self.vocab_size))


def _set_identity(dense, scale: float = 1.0, bias: float = 0.0) -> None:
    width = dense.units
    dense.set_weights([scale * np.eye(width), np.full(width, bias)])
