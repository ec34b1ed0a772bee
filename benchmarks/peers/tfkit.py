"""tfkit, through its public surface."""

from __future__ import annotations

import tensorflow as tf

from tfkit import AutoTokenizer, data, pipeline
from tfkit.training import adamw

STEPS = 10_000  # of a whole training, for the schedule of the learning rate


class Peer:
    """`pipeline` with what it takes, and a switch of the encoder (None: as tfkit chooses)."""

    def __init__(self, folder: str, padding_free: bool | None = None, **options):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.classify = pipeline(model=folder, tokenizer=self.tokenizer, **options)
        if padding_free is not None:
            self.classify.model.padding_free = padding_free
        self.tokenise = tf.function(
            self.tokenizer.as_layer(max_length=self.tokenizer.model_max_length),
            input_signature=[tf.TensorSpec([None], tf.string)],
        )
        self.compiled = False

    def scores(self, texts):
        return self.classify.scores(texts)

    def lengths(self, texts):
        return [len(ids) for ids in self.tokenizer(texts, truncation=True)["input_ids"]]

    def trainer(self, texts, labels, batch):
        model = self.classify.model
        if not self.compiled:
            model.compile(adamw(learning_rate=5e-5, steps=STEPS))
            self.compiled = True
        examples = data.read(list(zip(texts, labels)), names=("negative", "positive"))
        batches = data.dataset(examples, self.tokenizer, batch_size=batch, shuffle=True, seed=0)
        return lambda: model.fit(batches, shuffle=False, verbose=0)
