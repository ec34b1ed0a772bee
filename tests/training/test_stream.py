"""Training on a `Stream`: as on what is read, and as often as it is killed."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.training.tiny import TOKENIZER, Crash, assert_equal, rows
from tfkit import DistilBertConfig, TFDistilBertForSequenceClassification, data
from tfkit.data.pipeline import Epochs
from tfkit.training import Checkpoints, class_weights, distill, fine_tune


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("stream") / "a.csv"
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows(42)))
    return path


def train(examples, validation=None, checkpoints=None, callbacks=(), **changes):
    keras.utils.set_random_seed(3)
    config = DistilBertConfig(
        vocab_size=len(TOKENIZER), dim=12, n_heads=2, n_layers=1, hidden_dim=16, dropout=0.2,
        **examples.model_options,
    )  # fmt: skip
    model = TFDistilBertForSequenceClassification(config)
    bias = model.backbone.encoder.layer[0].ffn.lin2.bias
    bias.assign(bias + 0.1)  # as of an encoder that was trained, whose head is fitted first
    recipe = {"epochs": 3, "batch_size": 4, "learning_rate": 1e-2, "seed": 7, "verbose": 0}
    history = fine_tune(
        model, TOKENIZER, examples, validation, checkpoints=checkpoints, callbacks=callbacks,
        **{**recipe, **changes},
    )  # fmt: skip
    return model, history.history


@pytest.mark.slow
def test_a_stream_trains_and_validates(table):
    rows = data.stream(table)
    _, history = train(rows, rows, epochs=4, class_weights="balanced")
    assert len(history["val_accuracy"]) == 4
    assert history["val_loss"][-1] < history["val_loss"][0]
    assert class_weights(rows, "balanced") == class_weights(data.read(table), "balanced")


@pytest.mark.slow
def test_a_crash_changes_nothing(table, tmp_path):
    """In the second pass, whose order is another than that of the first."""
    options = {"shuffle_buffer": 10, "token_dropout": 0.2}
    expected, history = train(data.stream(table), **options)
    with pytest.raises(RuntimeError, match="crash"):
        train(data.stream(table), None, Checkpoints(tmp_path, every=4), [Crash(17)], **options)
    resumed = Checkpoints(tmp_path, every=4, resume=True)
    assert 11 < resumed.first_step < 17
    model, again = train(data.stream(table), None, resumed, **options)
    assert again == history
    assert_equal(model.get_weights(), expected.get_weights())
    other = tmp_path / "other.csv"
    other.write_text(table.read_text().replace("w1", "w2"))
    for file, changes, name in (
        (table, {"shuffle_buffer": 11}, "shuffle_buffer"),
        (other, {}, "training texts"),
    ):
        with pytest.raises(ValueError, match=f"whose {name} is"):
            resumed = Checkpoints(tmp_path, resume=True)
            train(data.stream(file), None, resumed, **{**options, **changes})


@pytest.mark.slow
def test_a_file_that_changes_on_the_way_is_one_clear_error(table, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(table.read_text())
    rows = data.stream(path)
    path.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    for texts, held_out in ((rows, None), (data.stream(table), rows)):
        with pytest.raises(ValueError, match="has changed: it had 42 rows, and has 41"):
            train(texts, held_out, verbose=2)  # of which the figures of the fitted head come first


@pytest.mark.parametrize("replicas", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_shares_of_replicas_add_up_to_the_batch(table, replicas):
    epochs = Epochs(data.stream(table), TOKENIZER, batch_size=5, shuffle=True, seed=1)
    shares = iter(epochs.dataset(replicas=replicas))
    for features, labels in epochs.dataset().take(epochs.steps):
        parts = [next(shares) for _ in range(replicas)]
        real = np.concatenate([weights for _, _, weights in parts]) > 0
        assert (
            np.concatenate([mine for _, mine, _ in parts])[real].tolist() == labels.numpy().tolist()
        )
        tokens = sum(int(np.sum(mine["attention_mask"][w > 0])) for mine, _, w in parts)
        assert tokens == int(np.sum(features["attention_mask"]))


def test_distillation_needs_all_texts_in_memory_and_says_so(table):
    with pytest.raises(TypeError, match="in memory. Received: Stream"):
        distill(None, None, TOKENIZER, data.stream(table))
