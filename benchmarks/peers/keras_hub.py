"""KerasHub on TensorFlow: its preprocessor pads every text of a set to one length."""

from __future__ import annotations

from pathlib import Path

import keras
import keras_hub
import tensorflow as tf
from safetensors.numpy import load_file

LONGEST, STEP = 512, 64  # tokens; lengths are multiples of STEP


class Peer:
    """A classifier on converted weights; its graphs are made anew for every padded length."""

    def __init__(self, folder: str):
        self.vocabulary = str(Path(folder) / "vocab.txt")
        self.tokenizer = keras_hub.models.DistilBertTokenizer(self.vocabulary, lowercase=True)
        backbone = keras_hub.models.DistilBertBackbone.from_preset(folder)
        self.model = keras_hub.models.DistilBertTextClassifier(backbone, num_classes=2)
        weights = load_file(Path(folder) / "model.safetensors")
        for ours, theirs in (("pooled_dense", "pre_classifier"), ("logits", "classifier")):
            kernel, bias = (weights[f"{theirs}.{name}"] for name in ("weight", "bias"))
            self.model.get_layer(ours).set_weights([kernel.T, bias])
        self.functions: dict[int, tuple] = {}
        self.lengths_of: dict[str, int] = {}
        self.length = STEP
        self.compiled = False

    def prepare(self, name, texts):
        """Fits the padded length to a set of texts, and takes it."""
        longest = max(map(len, self.tokenizer(texts))) + 2
        self.lengths_of[name] = min(LONGEST, -(-longest // STEP) * STEP)
        self.use(name)

    def use(self, name):
        self.length = self.lengths_of[name]

    def tokenise(self, texts):
        return self._functions()[0](tf.constant(texts))

    def scores(self, texts):
        return self._functions()[1](tf.constant(texts)).numpy()

    def trainer(self, texts, labels, batch):
        self.prepare("training", texts)
        preprocess = self._preprocessor()
        if not self.compiled:
            self.model.compile(
                keras.optimizers.AdamW(5e-5, weight_decay=0.01),
                keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                jit_compile=False,
            )
            self.compiled = True
        batches = tf.data.Dataset.from_tensor_slices((texts, labels)).batch(batch)
        batches = batches.map(lambda text, label: (preprocess(text), label)).prefetch(2)
        return lambda: self.model.fit(batches, verbose=0)

    def _preprocessor(self):
        return keras_hub.models.DistilBertTextClassifierPreprocessor(
            self.tokenizer, sequence_length=self.length
        )

    def _functions(self):
        """Graphs of strings -> ids, and of strings -> probabilities, for the present length."""
        if self.length not in self.functions:
            preprocess = self._preprocessor()
            signature = [tf.TensorSpec([None], tf.string)]
            self.functions[self.length] = (
                tf.function(preprocess, input_signature=signature),
                tf.function(
                    lambda texts: tf.nn.softmax(self.model(preprocess(texts), training=False)),
                    input_signature=signature,
                ),
            )
        return self.functions[self.length]
