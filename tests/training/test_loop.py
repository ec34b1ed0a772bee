"""`Loop` does what Keras' `fit` does, and what it cannot: begin anywhere, add up batches."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.training.tiny import TOKENIZER, rows
from tfkit import (
    DistilBertConfig,
    TFDistilBertForSequenceClassification,
    data,
)
from tfkit.data.pipeline import Epochs
from tfkit.training import Loop

ROWS = rows(22)
EXAMPLES = data.read(ROWS)


def new_model(optimizer=None, dropout=0.0):
    keras.utils.set_random_seed(1)
    config = DistilBertConfig(
        vocab_size=len(TOKENIZER), dim=12, n_heads=2, n_layers=1, hidden_dim=16, dropout=dropout,
        attention_dropout=dropout, seq_classif_dropout=dropout, id2label=EXAMPLES.id2label,
    )  # fmt: skip
    model = TFDistilBertForSequenceClassification(config)
    optimizer = optimizer or keras.optimizers.AdamW(1e-2, global_clipnorm=0.5)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")])
    return model


def epochs(batch_size=4, shuffle=False, unpadded=True):
    options = {"batch_size": batch_size, "shuffle": shuffle, "unpadded": unpadded}
    return Epochs(EXAMPLES, TOKENIZER, seed=3, **options)


@pytest.mark.slow
@pytest.mark.parametrize("unpadded", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_weights_and_figures_are_those_of_fit(unpadded):
    ours, keras_own = new_model(dropout=0.2), new_model(dropout=0.2)
    batches = epochs(unpadded=unpadded)
    history = Loop(ours).run(batches, batches, epochs=2, verbose=0)
    dataset = data.dataset(EXAMPLES, TOKENIZER, batch_size=4)
    expected = keras_own.fit(dataset, validation_data=dataset, epochs=2, shuffle=False, verbose=0)
    assert history.history.keys() == expected.history.keys()
    for name, figures in expected.history.items():
        np.testing.assert_allclose(history.history[name], figures, rtol=1e-5, err_msg=name)
    for mine, theirs in zip(ours.get_weights(), keras_own.get_weights()):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)


def test_weights_that_are_not_finite_at_the_end_are_an_error():
    model = new_model()
    model.head.classifier.bias.assign([0.0, np.nan, 0.0])
    with pytest.raises(ValueError, match="Expected finite weights .*classifier/bias"):
        Loop(model).run(epochs(), epochs=0, verbose=0)


@pytest.mark.slow
def test_batches_that_make_one_update_are_as_one_batch():
    """SGD: Adam would blow rounding up where a gradient is 0."""
    small, large = (new_model(keras.optimizers.SGD(0.5, global_clipnorm=0.5)) for _ in range(2))
    # 22 rows: batches of 4 end in one of 2, and 3 of them at a time in 10 rows.
    Loop(small, accumulate=3).run(epochs(4), epochs=2, verbose=0)
    Loop(large).run(epochs(12), epochs=2, verbose=0)
    assert int(small.optimizer.iterations) == int(large.optimizer.iterations) == 4
    for mine, theirs in zip(small.get_weights(), large.get_weights()):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("first_step", [1, 6, 9])
def test_a_run_in_two_parts_is_as_one(first_step):
    """Weights, optimizer and dropout's generators go on in the model that stays in memory."""

    class Stop(keras.callbacks.Callback):
        step = 0

        def on_train_batch_end(self, batch, logs=None):
            self.step += 1
            self.model.stop_training = self.step == first_step

    whole, parts = new_model(dropout=0.3), new_model(dropout=0.3)
    Loop(whole).run(epochs(shuffle=True), epochs=2, verbose=0)
    Loop(parts).run(epochs(shuffle=True), epochs=2, callbacks=[Stop()], verbose=0)
    Loop(parts).run(epochs(shuffle=True), epochs=2, first_step=first_step, verbose=0)
    for mine, theirs in zip(parts.get_weights(), whole.get_weights()):
        np.testing.assert_array_equal(mine, theirs)
