"""The parts of the recipe, each by what it does to a tiny model."""

from __future__ import annotations

import json
import math

import keras
import numpy as np
import pytest

from tfkit import (
    DistilBertConfig,
    DistilBertTokenizer,
    TFDistilBertForSequenceClassification,
    data,
)
from tfkit.tasks import TASKS
from tfkit.training import F1, KeepBest, Log, Recipe, class_weights, fine_tune
from tfkit.training.objectives import monitored
from tfkit.training.recipe import default_epochs, default_learning_rate

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "a"]
TOKENIZER = DistilBertTokenizer(WORDS, model_max_length=8)
TRAIN = data.read([("good film", "pos"), ("a bad film", "neg"), ("bad", "neg"), ("a", "pos")] * 4)


def new_model(examples=TRAIN, n_layers=1):
    keras.utils.set_random_seed(0)
    config = DistilBertConfig(
        vocab_size=9, dim=16, n_heads=2, n_layers=n_layers, hidden_dim=16, **examples.model_options
    )
    return TFDistilBertForSequenceClassification(config)


def train(model, examples=TRAIN, validation=None, **changes):
    recipe = {"epochs": 1, "batch_size": 8, "learning_rate": 1e-2, "seed": 1, **changes}
    return fine_tune(model, TOKENIZER, examples, validation, verbose=0, **recipe)


def changed(model, before):
    return {
        weight.path.split("/", 1)[1]
        for weight, old in zip(model.weights, before)
        if not np.array_equal(weight.numpy(), old)
    }


# === What learns ===


@pytest.mark.slow
def test_frozen_layers_stay_and_the_others_learn():
    model = new_model(n_layers=2)
    before = model.get_weights()
    train(model, frozen_layers=1)
    paths = changed(model, before)
    assert paths and not any("embeddings" in path or "layer_0" in path for path in paths)
    assert any("layer_1" in path for path in paths) and any("head" in path for path in paths)


@pytest.mark.slow
def test_lora_trains_the_updates_and_saves_as_any_model(tmp_path):
    model = new_model()
    kernel = model.distilbert.transformer.layer[0].ffn.lin1.kernel.numpy()
    train(model, lora_rank=2)
    np.testing.assert_array_equal(model.distilbert.transformer.layer[0].ffn.lin1.kernel, kernel)
    model.save_pretrained(tmp_path)
    again = TFDistilBertForSequenceClassification.from_pretrained(tmp_path)
    batch = TOKENIZER(["a good film"], return_tensors="tf")
    np.testing.assert_allclose(again(batch).logits, model(batch).logits, atol=1e-5)


@pytest.mark.slow
def test_lower_layers_move_less_by_their_rate():
    steps = {}
    for decay in (1.0, 0.5):
        model = new_model(n_layers=2)
        blocks = model.distilbert.transformer.layer
        layers = [model.head.pre_classifier, blocks[1].ffn.lin1, blocks[0].ffn.lin1]
        before = [layer.kernel.numpy() for layer in layers]
        train(model, batch_size=16, layer_decay=decay, warmup=0.0)  # one update
        steps[decay] = [layer.kernel.numpy() - old for layer, old in zip(layers, before)]
    for rate, slow, full in zip((1.0, 0.5, 0.25), steps[0.5], steps[1.0]):
        np.testing.assert_allclose(slow, rate * full, atol=1e-6)


# === What for ===


@pytest.mark.slow
def test_several_labels_a_text():
    rows = [("good film", ["good", "film"]), ("bad film", ["film"]), ("a", []), ("good", ["good"])]
    examples = data.read(rows * 4)
    model = new_model(examples)
    history = train(model, examples, examples, epochs=40).history
    assert max(history["val_micro_f1"]) > 0.8 > history["val_micro_f1"][0]
    assert history["val_loss"][-1] < history["val_loss"][0]


@pytest.mark.slow
def test_numbers_to_predict():
    rows = [("good film", 3.0), ("bad film", -1.0), ("a film", 1.0)]
    examples = data.read(rows * 4, problem_type="regression")
    model = new_model(examples)
    history = train(model, examples, examples, epochs=60).history
    assert min(history["val_rmse"]) < 0.5
    with pytest.raises(ValueError, match="A regression has none"):
        train(model, examples, class_weights="balanced")


@pytest.mark.slow
def test_pairs_of_texts():
    rows = [("good", "film", "x"), ("film", "good", "y")] * 4
    examples = data.read(rows, text_pair="pair")
    history = train(new_model(examples), examples, examples, epochs=2).history
    assert len(history["val_accuracy"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "weights, expected",
    [
        pytest.param(None, pytest.approx(0.1, abs=0.05), marks=pytest.mark.slow),
        ("balanced", pytest.approx(0.5, abs=0.1)),
    ],
)
def test_class_weights_make_a_rare_class_heard(weights, expected):
    """One text of two classes, 9 to 1: the best answer is these shares, or, balanced, halves."""
    rows = data.read([("a", "usual")] * 18 + [("a", "rare")] * 2)
    model = new_model(rows)
    train(model, rows, epochs=40, batch_size=20, class_weights=weights)
    logits = model(TOKENIZER(["a"], return_tensors="tf")).logits
    assert float(keras.ops.softmax(logits)[0, rows.label2id["rare"]]) == expected


def test_losses_by_hand():
    log = math.log
    single = TASKS["single_label_classification"]
    smooth = single.weighted_loss(2, 0.2, None)
    logits = keras.ops.array([[0.0, log(3.0)]])  # probabilities 1/4, 3/4
    assert float(smooth([1], logits)[0]) == pytest.approx(-0.9 * log(0.75) - 0.1 * log(0.25))
    weighed = single.weighted_loss(2, 0.0, {0: 1.0, 1: 5.0})
    assert float(weighed([1], logits)[0]) == pytest.approx(-5 * log(0.75))
    several = TASKS["multi_label_classification"].weighted_loss(2, 0.0, {0: 1.0, 1: 5.0})
    both = several(keras.ops.array([[0.0, 1.0]]), logits)
    assert float(both[0]) == pytest.approx((-log(0.5) - 5 * log(0.75)) / 2)


def test_f1_as_scikit_learn_counts_it():
    """`f1_score` of scikit-learn 1.7 by hand: classes 0 and 1 have 2/3 and 1/2, class 2 no text."""
    macro, micro = F1(num_labels=3), F1(num_labels=3, average="micro")
    labels, answers = [0, 0, 1, 1], [0, 0, 0, 1]
    logits = np.eye(3)[[0, 2, 1, 2]]
    macro.update_state(labels, np.eye(3)[answers])
    assert float(macro.result()) == pytest.approx((4 / 5 + 2 / 3) / 2)
    micro.update_state(labels, logits)
    assert float(micro.result()) == pytest.approx(2 / 4)
    several = F1(num_labels=2, multi_label=True)
    several.update_state([[1.0, 0.0], [1.0, 1.0]], [[1.0, 1.0], [-1.0, 1.0]])
    assert float(several.result()) == pytest.approx(2 / 3)


# === Which epoch ===


@pytest.mark.slow
def test_training_ends_when_it_no_longer_helps():
    history = train(new_model(), TRAIN, TRAIN, epochs=30, learning_rate=1e-9, patience=2).history
    assert len(history["loss"]) <= 5


class Model:
    stop_training, weights = False, None

    def get_weights(self):
        return [self.weights]


def kept(keep, figures, slope=-0.1):
    """The callback after epochs of these figures, whose loss falls or rises."""
    keep.set_model(Model())
    keep.on_train_begin()
    for epoch, figure in enumerate(figures):
        keep.on_epoch_end(epoch, {keep.monitor: figure, "val_loss": 1.0 + slope * epoch})
    return keep


def test_errors_are_better_when_small_and_ties_go_to_the_lower_loss():
    assert kept(KeepBest("val_rmse"), [2.0, 1.0, 3.0]).kept_epoch == 1
    keep = kept(KeepBest("val_accuracy"), [0.5, 0.7, 0.7])
    assert keep.kept_epoch == 2
    with pytest.raises(ValueError, match="Expected 'val_accuracy' among the figures"):
        keep.on_epoch_end(3, {"loss": 1.0})


@pytest.mark.parametrize(
    "monitor, texts, figures, epoch",
    [
        # sqrt(0.8 · 0.2 / 100) = 0.04: 0.77 is within it, 0.75 is not.
        ("val_accuracy", 100, [0.5, 0.8, 0.77, 0.75], 2),
        ("val_accuracy", 10_000, [0.5, 0.8, 0.77, 0.75], 1),
        ("val_accuracy", 100, [0.8, 0.77, 0.9, 0.85], 2),
        ("val_accuracy", 100, [0.97, 1.0, 0.99], 1),
        ("val_rmse", 100, [2.0, 0.8, 0.81], 1),
    ],
)
def test_of_epochs_that_are_as_good_within_a_standard_error_the_last_is_kept(
    monitor, texts, figures, epoch
):
    assert kept(KeepBest(monitor, texts=texts), figures).kept_epoch == epoch


def test_what_is_as_good_is_not_better_to_patience():
    figures = [0.8, 0.79, 0.79]
    keep = kept(KeepBest(patience=2, texts=100), figures, slope=0.1)
    assert (keep.best_epoch, keep.kept_epoch, keep.model.stop_training) == (0, 0, True)
    # While the loss falls, there is something to wait for.
    keep = kept(KeepBest(patience=2, texts=100), figures)
    assert (keep.best_epoch, keep.kept_epoch, keep.model.stop_training) == (0, 2, False)


# === The recipe itself ===


def test_a_recipe_is_stored_and_read(tmp_path):
    recipe = Recipe(epochs=2, learning_rate=1e-2, seed=1, class_weights={"pos": 2.0})
    recipe.save_pretrained(tmp_path)
    assert Recipe.from_pretrained(tmp_path) == recipe
    assert (recipe.learning_rate, recipe.seed) == (1e-2, 1)
    (tmp_path / "training_recipe.json").write_text('{"epoch": 3}')
    with pytest.raises(ValueError, match="training_recipe.json.*'epoch'"):
        Recipe.from_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match="has no training_recipe.json"):
        Recipe.from_pretrained(tmp_path / "none")


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"epochs": 0}, "`epochs` must be a positive integer; received 0"),
        ({"batch_size": 2.5}, "`batch_size` must be a positive integer"),
        ({"learning_rate": -1.0}, "`learning_rate` must be a number above 0"),
        ({"max_grad_norm": math.inf}, "`max_grad_norm` must be a number above 0, or None"),
        ({"class_weights": {"x": math.inf}}, "must be numbers from 0"),
        ({"label_smoothing": 1.0}, "`label_smoothing` must be a number from 0 up to"),
        ({"class_weights": "unbalanced"}, "`class_weights` must be 'balanced' or"),
        ({"class_weights": {"x": -1}}, "must be numbers from 0"),
        ({"class_weights": {"x": 1}}, "names 'x', which is no class of the examples: neg, pos"),
        ({"frozen_layers": 3}, "`frozen_layers` must be at most 1"),
        ({"monitor": "f1"}, "`monitor` must be one of accuracy, macro_f1, loss"),
        ({"seed": -1}, "`seed` must be an integer from 0"),
    ],
)
def test_a_bad_field_is_one_clear_error(changes, said):
    with pytest.raises(ValueError, match=said):
        train(new_model(), **changes)


def test_a_strange_field_is_named():
    with pytest.raises(TypeError, match="learn_rate"):
        train(new_model(), learn_rate=1.0)


# === Logs ===


def assert_logged(folder):
    lines = (folder / "a.csv").read_text().splitlines()
    assert lines[0].startswith("epoch,step,seconds,learning_rate,") and len(lines) == 3
    rows = [json.loads(line) for line in (folder / "a.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [3, 4, 7, 8]
    assert "val_accuracy" in rows[1] and "val_accuracy" not in rows[0]


def test_logs_have_a_row_an_epoch_and_in_json_lines_some_between(tmp_path):
    model = keras.Sequential([keras.layers.Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True)
    x, y = np.zeros((16, 2), "float32"), np.zeros(16)
    logs = [Log(tmp_path / "a.csv"), Log(tmp_path / "a.jsonl", every=3)]
    options = {"epochs": 2, "batch_size": 4, "verbose": 0}
    model.fit(x, y, validation_data=(x, y), callbacks=logs, **options)
    assert_logged(tmp_path)
    with pytest.raises(ValueError, match=r"ends in .csv or .jsonl. Received: 'a.txt'"):
        Log("a.txt")


@pytest.mark.slow
def test_a_training_logs_and_gives_its_recipe(tmp_path):
    history = train(
        new_model(), TRAIN, TRAIN, epochs=2, batch_size=4, class_weights={"pos": 2.0},
        callbacks=[Log(tmp_path / "a.csv"), Log(tmp_path / "a.jsonl", every=3)],
    )  # fmt: skip
    assert_logged(tmp_path)
    recipe = history.recipe
    recipe.save_pretrained(tmp_path)
    assert Recipe.from_pretrained(tmp_path) == recipe
    assert (recipe.learning_rate, recipe.seed) == (1e-2, 1)


def test_counts_of_balanced_weights():
    rows = data.read([("a", ["x"]), ("b", ["x", "y"]), ("c", []), ("d", ["x"])])
    assert class_weights(rows, "balanced") == {0: pytest.approx(1 / 3), 1: 3.0}


def test_defaults_follow_the_width_of_the_model_and_the_task():
    assert default_learning_rate(768) == default_learning_rate(768, trained=True) == 5e-5
    trained = {dim: default_learning_rate(dim, trained=True) for dim in (192, 256, 384)}
    assert trained == pytest.approx({192: 4e-4, 256: 2.598e-4, 384: 7.07e-5}, rel=1e-3)
    assert default_learning_rate(384) == pytest.approx(2 * 7.07e-5, rel=1e-3)
    assert default_learning_rate(1024, trained=True) == default_learning_rate(1024) < 5e-5
    asked = {"examples": 1_000, "dim": 384}
    rates = [
        Recipe(**changes).settled(**asked, trained=knows).learning_rate / 7.0711e-5
        for changes, knows in (({}, True), ({}, False), ({"lora_rank": 4}, True))
    ]
    assert rates == pytest.approx([1, 2, 2], rel=1e-3)
    assert (default_epochs(10_000, dim=768), default_epochs(10_000, dim=128)) == (3, 18)
    assert [default_epochs(1_000, dim=dim) for dim in (768, 384, 256, 128)] == [20, 40, 60, 100]
    few, many = (default_epochs(texts, dim=384, trained=True) for texts in (1_000, 70_000))
    assert (few, many) == (6, 3) and default_epochs(100, dim=768, trained=True) == 6
    assert default_epochs(1_000, dim=128, trained=True) == 100  # it is too narrow to know much
    assert monitored(TASKS["regression"], None) == "val_rmse"
    assert monitored(TASKS["single_label_classification"], "macro_f1") == "val_macro_f1"
