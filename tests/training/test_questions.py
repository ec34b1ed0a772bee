"""Question answering from rows of contexts: batches of windows, and a training on them."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import tfkit
from tfkit import training
from tfkit.data import dataset, read
from tfkit.data.pipeline import Epochs
from tfkit.evaluation import AnswersEvaluation, evaluate, report
from tfkit.tasks.metrics import SpanMatch
from tfkit.tasks.windows import windows

VOCABULARY = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "who", "where", "in", "bonn", "anna", "eva"),
    *("rome", "lives", "."),
]
ROWS = [
    (f"{question} lives", f"{'. ' * before}{who} lives in {where}" + " ." * after)
    for question in ("Who", "Where")
    for before, after, who, where in [
        (0, 2, "Anna", "Bonn"),
        (18, 0, "Eva", "Rome"),
        (3, 17, "Eva", "Bonn"),
        (0, 0, "Anna", "Rome"),
    ]
]
ANSWERS = [[ROWS[0][1].split()[0]], ["Eva"], [], ["Anna"], ["Bonn"], ["Rome"], ["Bonn"], ["Rome"]]


@pytest.fixture(scope="module")
def tokenizer():
    return tfkit.BertTokenizer(VOCABULARY, model_max_length=16)


@pytest.fixture(scope="module")
def examples():
    rows = [(*row, answers) for row, answers in zip(ROWS, ANSWERS)]
    columns = {"text": "question", "text_pair": "context", "label": "answers"}
    return read(rows, **columns, problem_type="question_answering")


@pytest.fixture(scope="module")
def expected(tokenizer, examples):
    """The windows, each with its places."""
    found = windows(tokenizer, *examples.columns, max_length=16, stride=8)
    return [
        (window.inputs, window.places(start, start + len(text)) if text else (0, 0))
        for window in found
        for start, text in [*examples.labels[window.row], (0, "")][:1]
    ]


def test_batches_are_windows_with_their_places(tokenizer, examples, expected):
    ids = []
    for features, places in dataset(examples, tokenizer, batch_size=4):
        lengths = features["attention_mask"].numpy().sum(1)
        for row, length in enumerate(lengths):
            inputs, at = expected[len(ids)]
            ids.append(features["input_ids"][row, :length].numpy().tolist())
            assert ids[-1] == inputs["input_ids"].tolist()
            types = features["token_type_ids"][row, :length].numpy()
            assert types.tolist() == inputs["token_type_ids"].tolist()
            assert (places["start_positions"][row], places["end_positions"][row]) == at
    assert len(ids) == len(expected) > len(examples)
    assert {at for _, at in expected} > {(0, 0)}


def test_unpadded_batches_have_the_same_tokens(tokenizer, examples, expected):
    epochs = Epochs(examples, tokenizer, batch_size=5, unpadded=True, shuffle=True, seed=3)
    found = []
    for features, places in epochs.dataset().take(epochs.steps):
        ends = np.cumsum(features["lengths"])
        rows = np.split(features["input_ids"].numpy(), ends[:-1])
        found += zip(map(tuple, rows), zip(*(places[name].numpy() for name in places)))
    wanted = [(tuple(inputs["input_ids"]), at) for inputs, at in expected]
    assert sorted(found) == sorted(wanted)


@pytest.mark.slow
def test_fine_tune_learns_where_answers_are(tokenizer, examples):
    config = tfkit.BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=24,
        num_hidden_layers=1,
        num_attention_heads=3,
        intermediate_size=32,
        max_position_embeddings=16,
    )
    model = tfkit.TFBertForQuestionAnswering(config)
    history = training.fine_tune(
        model, tokenizer, examples, examples, epochs=8, learning_rate=0.01, batch_size=4, verbose=0
    ).history
    assert history["loss"][-1] < history["loss"][0] / 2
    # Of the weights that it ends with, by Keras itself, on padded batches.
    model.compile(metrics=[SpanMatch(), "accuracy"])
    loss, exact, accuracy = model.evaluate(dataset(examples, tokenizer), verbose=0)
    kept = [round(figure, 5) for figure in history["val_exact_match"]]
    assert round(exact, 5) in kept and accuracy >= exact
    assert loss == pytest.approx(history["val_loss"][kept.index(round(exact, 5))], rel=0.5)
    assert model.config.problem_type is None

    # What is reported is what the pipeline answers, whole windows of the model's length.
    found = report(model, tokenizer, examples, latency=False)
    evaluation = found.evaluation
    asked = tfkit.pipeline("question-answering", model, tokenizer, max_answer_len=30)
    answers = asked(
        question=[*examples.texts],
        context=[*examples.text_pairs],
        handle_impossible_answer=True,
        top_k=2,
    )
    assert evaluation == AnswersEvaluation.of(examples.labels, answers)
    assert evaluation == evaluate(model, tokenizer, examples) and evaluation.examples == 8
    assert evaluation.no_answer["examples"] == 1
    assert all(each["label"] != each["answer"] for each in found.mistakes)


def test_padding_has_no_part_in_the_loss_of_an_unpadded_batch():
    config = tfkit.BertConfig(
        vocab_size=14, hidden_size=6, num_hidden_layers=1, num_attention_heads=3
    )
    model = tfkit.TFBertForQuestionAnswering(config)
    rows = [[2, 5, 3], [2, 5, 3, 9, 8, 12, 11, 3]]
    places = {"start_positions": np.array([1, 3]), "end_positions": np.array([2, 5])}
    batch = {"input_ids": np.concatenate(rows), "lengths": np.array([3, 8]), **places}
    loss = model(batch).loss.numpy()
    for number, row in enumerate(rows):
        alone = {name: each[number : number + 1] for name, each in places.items()}
        wanted = model(np.array([row]), **alone).loss.numpy()
        assert loss[number] == pytest.approx(wanted[0], abs=1e-5)


def test_a_span_is_right_if_both_of_its_ends_are():
    metric = SpanMatch()
    logits = keras.ops.one_hot([[1, 2], [0, 2], [0, 0]], 3)
    metric.update_state([[1, 2], [0, 1], [0, 0]], logits)
    assert float(metric.result()) == pytest.approx(2 / 3)


def test_what_goes_with_classes_alone_is_refused(tokenizer, examples):
    config = tfkit.BertConfig(
        vocab_size=14, hidden_size=6, num_hidden_layers=1, num_attention_heads=3
    )
    model = tfkit.TFBertForQuestionAnswering(config)
    for option in ({"label_smoothing": 0.1}, {"class_weights": "balanced"}):
        with pytest.raises(ValueError, match="go with classes. A question_answering has"):
            training.fine_tune(model, tokenizer, examples, epochs=1, **option)
    with pytest.raises(ValueError, match="Expected examples of a question_answering"):
        texts = read([("a", "x"), ("b", "y")])
        training.fine_tune(model, tokenizer, texts, epochs=1)
