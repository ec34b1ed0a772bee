"""The recipe learns, keeps the best epoch, and repeats itself when seeded."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tfkit import (
    DistilBertConfig,
    DistilBertTokenizer,
    TFDistilBertForSequenceClassification,
    data,
)
from tfkit.training import WarmupLinearDecay, adamw, evaluate, fine_tune

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "a"]
TOKENIZER = DistilBertTokenizer(WORDS, model_max_length=8)
ROWS = [("good film", "pos"), ("a bad film", "neg"), ("bad", "neg"), ("a good a", "pos")] * 8
TRAIN = data.read(ROWS)


def new_model(**changes):
    config = DistilBertConfig(
        vocab_size=9, dim=16, n_heads=2, n_layers=1, hidden_dim=16, id2label=TRAIN.id2label
    )
    return TFDistilBertForSequenceClassification(config.replace(**changes))


def test_learns_and_evaluates():
    model = new_model()
    history = fine_tune(
        model, TOKENIZER, TRAIN, TRAIN, epochs=15, batch_size=8, learning_rate=1e-2, verbose=0
    )
    figures = evaluate(model, TOKENIZER, TRAIN)
    assert figures.accuracy == max(history.history["val_accuracy"]) == 1.0
    assert figures.loss == pytest.approx(min(history.history["val_calibrated_loss"]), rel=1e-4)
    assert figures.confusion == [[16, 0], [0, 16]]


@pytest.mark.slow
def test_the_best_epochs_weights_are_kept():
    keras.utils.set_random_seed(0)
    model = new_model()

    class Spoil(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:  # whatever the first epoch reached, turn it around
                head = self.model.head.classifier
                head.kernel.assign(-head.kernel)
                head.bias.assign(-head.bias)

    fine_tune(model, TOKENIZER, TRAIN, epochs=20, batch_size=8, learning_rate=1e-2, verbose=0)
    history = fine_tune(
        model,
        TOKENIZER,
        TRAIN,
        TRAIN,
        epochs=2,
        batch_size=32,
        learning_rate=1e-6,
        callbacks=[Spoil()],
        verbose=0,
    )
    assert history.history["val_accuracy"] == [1.0, 0.0]
    assert evaluate(model, TOKENIZER, TRAIN).accuracy == 1.0


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights():
    weights = []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        model = new_model()
        fine_tune(model, TOKENIZER, TRAIN, epochs=1, token_dropout=0.3, seed=5, verbose=0)
        weights.append(model.get_weights())
    for first, second in zip(*weights):
        np.testing.assert_array_equal(first, second)


@pytest.mark.slow
@pytest.mark.parametrize("share", [pytest.param(0.0, marks=pytest.mark.slow), 0.2])
def test_label_smoothing_raises_the_least_loss(share):
    loss = fine_tune(
        new_model(), TOKENIZER, TRAIN, epochs=20, batch_size=8, learning_rate=1e-2,
        label_smoothing=share, seed=0, verbose=0,
    ).history["loss"][-1]  # fmt: skip
    # Cross-entropy of (0.9, 0.1) with itself is 0.325 nats: no model gets below.
    assert (loss > 0.3) == (share > 0)


def test_token_dropout_hides_words_and_nothing_else():
    from tfkit.training._fine_tune import token_dropout

    features, _ = next(iter(data.dataset(TRAIN, TOKENIZER, batch_size=32)))
    hidden = token_dropout(TOKENIZER, 0.5, seed=1)(0, features)
    before, after = features["input_ids"].numpy(), hidden["input_ids"].numpy()
    changed = before != after
    assert (after[changed] == TOKENIZER.mask_token_id).all()
    assert (before[changed] >= 5).all()
    assert 0.3 < changed.sum() / (before >= 5).sum() < 0.7


def test_biases_and_layer_norms_do_not_decay():
    model = new_model()
    optimizer = adamw(learning_rate=1.0, steps=1, warmup=0.0, weight_decay=0.5)
    optimizer.build(model.trainable_variables)
    before = {variable.path: variable.numpy() for variable in model.trainable_variables}
    for variable in model.trainable_variables:
        variable.assign_add(keras.ops.ones_like(variable))
    optimizer.apply([keras.ops.zeros_like(v) for v in model.trainable_variables])
    for variable in model.trainable_variables:
        kept = np.allclose(variable.numpy(), before[variable.path] + 1)
        assert kept == (variable.name in ("bias", "gamma", "beta")), variable.path


def test_schedule_survives_a_keras_file():
    schedule = WarmupLinearDecay(peak=2.0, steps=10, warmup_steps=4)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert [float(again(s)) for s in range(11)] == [float(schedule(s)) for s in range(11)]


def test_examples_that_do_not_fit_are_one_clear_error():
    with pytest.raises(ValueError, match="Expected examples of 3 classes.*Received 2: neg, pos"):
        fine_tune(new_model(id2label={0: "a", 1: "b", 2: "c"}), TOKENIZER, TRAIN)
    with pytest.raises(ValueError, match="two classes at least. Received one: 'x'"):
        fine_tune(new_model(), TOKENIZER, data.read([("a", "x")]))
    with pytest.raises(ValueError, match="Received texts alone"):
        fine_tune(new_model(), TOKENIZER, data.read(["a"], label=None))
