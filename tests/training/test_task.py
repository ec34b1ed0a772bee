"""What a model was trained for is in its config: its answers and its folder say the same."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import tfkit
from tests.training.tiny import TOKENIZER
from tfkit import DistilBertConfig, TFDistilBertForSequenceClassification, data
from tfkit.training import Loop, distill, evaluate, fine_tune

TEXTS = ["w0 w1", "w2", "w3 w4", "w5"]
KINDS = {
    "multi_label_classification": data.read(
        list(zip(TEXTS, [["x"], ["x", "y"], [], ["y"]])), problem_type="multi_label_classification"
    ),
    "regression": data.read(list(zip(TEXTS, [2.5, -1.0, 0.0, 4.0])), problem_type="regression"),
    "single_label_classification": data.read(list(zip(TEXTS, "xyxy"))),
}
KINDS_OF = pytest.mark.parametrize("kind", KINDS)
OPTIONS = {"epochs": 1, "batch_size": 4, "verbose": 0}


def new_model(num_labels=2, **changes):
    config = DistilBertConfig(
        vocab_size=25, dim=8, n_heads=2, n_layers=1, hidden_dim=16, num_labels=num_labels
    )
    return TFDistilBertForSequenceClassification(config.replace(**changes))


def by_hand(kind, logits):
    if kind == "regression":
        return logits
    if kind == "multi_label_classification":
        return 1 / (1 + np.exp(-logits))
    return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)


def assert_says(kind, model, folder=None):
    assert model.config.problem_type == model.distilbert.config.problem_type == kind
    logits = model(dict(TOKENIZER(TEXTS, padding=True, return_tensors="tf"))).logits.numpy()
    scores = tfkit.pipeline(model=model, tokenizer=TOKENIZER).scores(TEXTS)
    np.testing.assert_allclose(scores, by_hand(kind, logits), atol=1e-5)
    if folder is not None:
        model.save_pretrained(folder)
        again = TFDistilBertForSequenceClassification.from_pretrained(folder)
        assert again.config.problem_type == kind
        assert again.config.id2label == model.config.id2label


FEW_KINDS = pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.slow if "label" in kind else ()) for kind in KINDS],
)


@pytest.mark.slow
@FEW_KINDS
def test_fine_tune_says_what_it_trained_for(kind, tmp_path):
    train = KINDS[kind]
    model = new_model(len(train.names))
    fine_tune(model, TOKENIZER, train, lora_rank=2 if kind == "regression" else None, **OPTIONS)
    assert dict(model.config.id2label) == train.id2label
    assert_says(kind, model, tmp_path)


@pytest.mark.slow
@FEW_KINDS
def test_a_loop_and_a_fit_with_the_heads_own_loss_say_it_as_transformers_does(kind):
    batches = data.dataset(KINDS[kind], TOKENIZER, batch_size=4)
    model = new_model(len(KINDS[kind].names))
    model.compile("sgd")
    model.fit(batches, verbose=0)
    assert_says(kind, model)
    assert model.config.id2label[0] == "LABEL_0"

    from tfkit.data.pipeline import Epochs

    model = new_model(len(KINDS[kind].names))
    model.compile("sgd")
    Loop(model).run(Epochs(KINDS[kind], TOKENIZER), epochs=1, verbose=0)
    assert model.config.problem_type == kind


def test_labels_in_a_call_say_it():
    model = new_model(3)
    model(np.array([[1, 2]]), labels=np.array([[1.0, 0.0, 1.0]]))
    assert model.config.problem_type == "multi_label_classification"


@pytest.mark.parametrize(
    ("loss", "num_labels", "kind"),
    [
        (keras.losses.BinaryCrossentropy(from_logits=True), 2, "multi_label_classification"),
        ("binary_crossentropy", 2, "multi_label_classification"),
        ([keras.losses.SparseCategoricalCrossentropy(True)], 2, "single_label_classification"),
        ("mse", 1, "regression"),
        (keras.losses.Huber(), 1, "regression"),
        ("mse", 2, None),
        (lambda labels, logits: keras.ops.mean(logits, axis=-1), 2, None),
    ],
)
def test_a_keras_loss_says_it_where_it_shows(loss, num_labels, kind):
    model = new_model(num_labels)
    model.compile("sgd", loss, run_eagerly=True)
    assert model.config.problem_type is None
    labels = np.zeros((2,) if kind == "single_label_classification" else (2, num_labels), "float32")
    model.fit(np.array([[1, 2], [3, 4]]), labels, verbose=0)
    assert model.config.problem_type == kind


@pytest.mark.slow
def test_distillation_says_it_of_the_student():
    train, student = KINDS["multi_label_classification"], new_model()
    distill(np.zeros((4, 2)), student, TOKENIZER, train, **OPTIONS)
    assert_says("multi_label_classification", student)
    assert dict(student.config.id2label) == {0: "x", 1: "y"}


@KINDS_OF
def test_another_kind_than_the_configs_is_refused(kind):
    model = new_model(problem_type=kind)
    for other in {"multi_label_classification", "single_label_classification"} - {kind}:
        for use in (fine_tune, evaluate):
            with pytest.raises(ValueError, match=f"Expected examples of a {kind}, the model's"):
                use(model, TOKENIZER, KINDS[other])
    loss = "mse" if kind != "regression" else "sparse_categorical_crossentropy"
    model = new_model(1 if kind != "regression" else 2, problem_type=kind)
    model.compile("sgd", loss)
    with pytest.raises(ValueError, match="Expected a loss of a "):
        model.fit(np.array([[1, 2]]), np.array([[0.0]]), verbose=0)


def test_classes_in_another_order_are_refused():
    model = new_model(id2label={0: "y", 1: "x"})
    for use in (fine_tune, evaluate):
        with pytest.raises(ValueError, match="in its order: y, x. Received x, y"):
            use(model, TOKENIZER, KINDS["single_label_classification"])


@pytest.mark.slow
def test_class_numbers_are_of_any_names():
    model = new_model(id2label={0: "y", 1: "x"})
    numbers = data.read(list(zip(TEXTS, [0, 1, 0, 1])))
    fine_tune(model, TOKENIZER, numbers, **OPTIONS)
    assert dict(model.config.id2label) == {0: "y", 1: "x"}
