"""Transformers 4.57, the last with TensorFlow, on tf-keras."""

from __future__ import annotations

import tensorflow as tf
import tf_keras
from transformers import AutoTokenizer, TFAutoModelForSequenceClassification

LABELS = tf.TensorSpec([None], tf.int32)


class Peer:
    """One graph for batches of every shape; `fit` on batches made as they are asked for."""

    def __init__(self, folder: str):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = TFAutoModelForSequenceClassification.from_pretrained(f"{folder}/tensorflow")
        self.compiled = False
        names = self.tokenizer.model_input_names
        self.features = {name: tf.TensorSpec([None, None], tf.int32) for name in names}
        self.run = tf.function(
            lambda features: tf.nn.softmax(self.model(features, training=False).logits),
            input_signature=[self.features],
        )

    def tokenise(self, texts):
        features = self.tokenizer(texts, padding=True, truncation=True, return_tensors="tf")
        return {name: features[name] for name in self.features}

    def scores(self, texts):
        return self.run(self.tokenise(texts)).numpy()

    def trainer(self, texts, labels, batch):
        if not self.compiled:
            self.model.compile(tf_keras.optimizers.AdamW(5e-5, weight_decay=0.01))
            self.compiled = True

        def batches():
            for start in range(0, len(texts), batch):
                rows = slice(start, start + batch)
                yield self.tokenise(texts[rows]), labels[rows]

        dataset = tf.data.Dataset.from_generator(batches, output_signature=(self.features, LABELS))
        return lambda: self.model.fit(dataset.prefetch(2), verbose=0)
