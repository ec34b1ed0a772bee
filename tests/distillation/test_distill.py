"""A student learns what its teacher answers, on labelled texts and on others."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.training.tiny import Crash
from tfkit import (
    DistilBertConfig,
    DistilBertTokenizer,
    TFDistilBertForSequenceClassification,
    data,
)
from tfkit.cli import main
from tfkit.distillation._distill import spread
from tfkit.distillation.loss import Distiller, TaughtExamples
from tfkit.training import (
    Augmentation,
    Checkpoints,
    distill,
    evaluate,
    student_of,
    teacher_logits,
)

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "a"]
TOKENIZER = DistilBertTokenizer(WORDS, model_max_length=8)
ROWS = [("good film", "pos"), ("a bad film", "neg"), ("bad", "neg"), ("a good a", "pos")]
TRAIN = data.read(ROWS)
QUICK = {"epochs": 25, "batch_size": 4, "learning_rate": 2e-2, "seed": 0, "verbose": 0}


@pytest.fixture(autouse=True)
def seed():
    """Initial weights alike in every run: four texts are few to learn from."""
    keras.utils.set_random_seed(0)


def new_model(**changes):
    config = DistilBertConfig(
        vocab_size=9, dim=16, n_heads=2, n_layers=1, hidden_dim=16, id2label=TRAIN.id2label
    )
    return TFDistilBertForSequenceClassification(config.replace(**changes))


def knows(text: str) -> list[float]:
    return [-2.0, 2.0] if "good" in text else [2.0, -2.0]


class Teacher:
    """A function that remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, *columns):
        self.asked += zip(*columns)
        return [knows(" ".join(row)) for row in zip(*columns)]


@pytest.mark.slow
@pytest.mark.parametrize("soft_weight", [1.0, pytest.param(0.0, marks=pytest.mark.slow)])
def test_the_teacher_is_believed_where_the_labels_are_wrong(soft_weight):
    wrong = data.read([(text, {"pos": "neg", "neg": "pos"}[label]) for text, label in ROWS])
    student = new_model()
    weights = {"soft_weight": soft_weight, "hard_weight": 1.0 - soft_weight}
    distill(Teacher(), student, TOKENIZER, wrong, **weights, **QUICK)
    assert evaluate(student, TOKENIZER, TRAIN).accuracy == soft_weight


@pytest.mark.slow
def test_texts_without_labels_teach_too():
    labelled = data.read([("a film", "pos"), ("film a", "neg")])
    student = new_model()
    unlabelled = data.read([text for text, _ in ROWS], label=None)
    # Two labels of six texts contradict the teacher: it takes longer to see what it means.
    longer = {**QUICK, "epochs": 60}
    distill(Teacher(), student, TOKENIZER, labelled, unlabelled=unlabelled, **longer)
    assert evaluate(student, TOKENIZER, TRAIN).accuracy == 1.0


@pytest.mark.slow
def test_every_text_is_asked_about_once():
    teacher = Teacher()
    again = data.read([*TRAIN.texts, "a a", "a a"], label=None)
    options = {**QUICK, "epochs": 1}
    changed = Augmentation(copies=5, mask=0.5)
    distill(teacher, new_model(), TOKENIZER, TRAIN, unlabelled=again, augment=changed, **options)
    assert len(teacher.asked) == len(set(teacher.asked))
    assert {("a a",), *((text,) for text in TRAIN.texts)} < set(teacher.asked)
    assert any("[MASK]" in text for (text,) in teacher.asked)


@pytest.mark.slow
def test_pairs_stay_pairs():
    pairs = data.Examples(["a", "a"], ["good", "bad"], labels=[1, 0], names=["neg", "pos"])
    teacher, student = Teacher(), new_model()
    changed = Augmentation(copies=3, ngram=0.0)
    distill(teacher, student, TOKENIZER, pairs, augment=changed, **QUICK)
    assert teacher.asked[:2] == [("a", "good"), ("a", "bad")]
    assert all(len(row) == 2 for row in teacher.asked)
    assert evaluate(student, TOKENIZER, pairs).accuracy == 1.0
    with pytest.raises(ValueError, match="Expected `unlabelled` to be pairs as `train` is"):
        distill(teacher, student, TOKENIZER, pairs, unlabelled=TRAIN, **QUICK)


@pytest.mark.slow
@pytest.mark.parametrize(
    "class_weights, odds", [pytest.param(None, -np.log(3), marks=pytest.mark.slow), ("balanced", 0)]
)
def test_classes_are_weighed_by_the_labels_alone(class_weights, odds):
    """Three to one, balanced: as likely as not, whatever the teacher says of other texts."""
    train = data.read([("a", "neg")] * 3 + [("a", "pos")], names=TRAIN.names)
    others = data.read(["good", "good good", "good film", "a good"], label=None)
    student = new_model()
    options = {**QUICK, "batch_size": 8, "class_weights": class_weights}
    hard = {"hard_weight": 1.0, "soft_weight": 0.0}
    distill(Teacher(), student, TOKENIZER, train, unlabelled=others, **hard, **options)
    negative, positive = teacher_logits(student, train[:1], TOKENIZER)[0]
    assert positive - negative == pytest.approx(odds, abs=0.2)


def test_the_loss_is_the_sum_of_its_parts_and_plain_on_plain_labels():
    """Two texts: label 1 and the teacher's (0, 2); no label and the teacher's (2, 0)."""
    student = new_model(num_labels=2)
    head = student.head.classifier  # whatever comes in, logits (0, 1)
    head.kernel.assign(head.kernel * 0)
    head.bias.assign([0.0, 1.0])
    distiller = Distiller(student, temperature=2.0, hard_weight=0.3, soft_weight=0.7)
    taught = TaughtExamples(
        ["good", "bad"],
        labels=[1, 0],
        names=["neg", "pos"],
        teacher_logits=np.array([[0.0, 2.0], [2.0, 0.0]]),
        labelled=1,
    )
    distiller.compile(metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")])
    (features, targets), *_ = data.dataset(taught, TOKENIZER)
    answers = distiller(features)
    # Label 1 alone: -ln(e / (1 + e)) = 0.3133. The teachers, softened: (0.2689, 0.7311) and
    # (0.7311, 0.2689); the student, (0.3775, 0.6225); the divergences, 0.0263 and 0.2575.
    expected = 0.3 * 0.3133 / 2 + 0.7 * 4 * (0.0263 + 0.2575) / 2
    loss = distiller.compute_loss(features, targets, answers)
    assert float(loss) == pytest.approx(expected, abs=2e-4)
    plain = distiller.compute_loss(features, keras.ops.array([1, 1]), answers, training=False)
    assert float(plain) == pytest.approx(0.3133, abs=1e-4)
    figures = distiller.compute_metrics(features, targets, answers)
    assert float(figures["accuracy"]) == 0.5


@pytest.mark.slow
def test_hidden_states_come_nearer():
    teacher, student = new_model(), new_model()
    features, _ = next(iter(data.dataset(TRAIN, TOKENIZER)))

    def cosine():
        states = [
            model(features, output_hidden_states=True).hidden_states[-1].numpy()
            for model in (teacher, student)
        ]
        products = [(a * b).sum(axis=-1) for a, b in (states, states[:1] * 2, states[1:] * 2)]
        return (products[0] / np.sqrt(products[1] * products[2]))[0, 1]

    before, kept = cosine(), teacher.get_weights()
    distill(teacher, student, TOKENIZER, TRAIN, hidden_weight=1.0, **QUICK)
    assert cosine() > max(0.9, before)
    for old, new in zip(kept, teacher.get_weights()):
        np.testing.assert_array_equal(old, new)
    narrow = new_model(dim=8)
    with pytest.raises(ValueError, match=r"student's width and vocabulary size, \(8, 9\)"):
        distill(teacher, narrow, TOKENIZER, TRAIN, hidden_weight=1.0, **QUICK)


def test_a_student_takes_every_other_layer():
    # What Hugging Face's extract_distilbert.py takes of BERT's twelve.
    assert spread(12, 6) == [0, 2, 4, 7, 9, 11]
    assert (spread(6, 3), spread(4, 1)) == ([0, 2, 5], [0])
    teacher = new_model(n_layers=3)
    student = student_of(teacher, dropout=0.4)
    assert student.config.n_layers == 2 and student.config.dropout == 0.4
    ours, theirs = (model.distilbert.transformer.layer for model in (student, teacher))
    for own, copied in zip(ours, (theirs[0], theirs[2])):
        for value, other in zip(own.get_weights(), copied.get_weights()):
            np.testing.assert_array_equal(value, other)
    ids = np.array([[2, 5, 7, 3]])
    whole = student_of(teacher, n_layers=3)
    np.testing.assert_array_equal(whole(ids).logits, teacher(ids).logits)
    with pytest.raises(ValueError, match="1 to 3 layers .* received n_layers=4"):
        student_of(teacher, n_layers=4)
    with pytest.raises(ValueError, match="keeps their shapes"):
        student_of(teacher, dim=8)


def test_numbers_that_make_no_sense_are_one_clear_error():
    for options, message in (
        ({"temperature": 0.0}, "`temperature` must be above 0; received 0.0"),
        ({"hard_weight": -1.0}, "must be at least 0.*received -1.0, 0.5, 0.0"),
        ({"hard_weight": 0.0, "soft_weight": 0.0}, "one of them above"),
    ):
        with pytest.raises(ValueError, match=message):
            distill(Teacher(), new_model(), TOKENIZER, TRAIN, **options)
    with pytest.raises(ValueError, match="Received texts alone"):
        distill(Teacher(), new_model(), TOKENIZER, data.read(["a"], label=None))


def test_labels_that_do_not_fit_are_said_before_the_teacher_is_asked():
    teacher, three = Teacher(), data.read([*ROWS, ("film", "?")])
    for train, validation in ((three, None), (TRAIN, three)):
        with pytest.raises(ValueError, match="Expected examples of 2 classes"):
            distill(teacher, new_model(), TOKENIZER, train, validation)
    with pytest.raises(TypeError, match="in memory"):
        distill(teacher, new_model(), TOKENIZER, TRAIN, unlabelled=["a"])
    assert not teacher.asked


@pytest.mark.slow
def test_a_student_that_is_killed_goes_on_with_the_same_teacher(tmp_path):
    """Its answers, computed again, may differ in the last digits, and in no more."""
    others = data.read(["good good", "bad a"], label=None)

    def answers(by):
        return lambda texts: np.array([knows(text) for text in texts]) + by

    def learn(folder, teacher, callbacks=(), **changes):
        keras.utils.set_random_seed(0)
        student = new_model()
        checkpoints = Checkpoints(folder, every=1, resume=True)
        options = {**QUICK, "epochs": 4, "batch_size": 2, "unlabelled": others, **changes}
        distill(
            teacher, student, TOKENIZER, TRAIN,
            checkpoints=checkpoints, callbacks=callbacks, **options,
        )  # fmt: skip
        return student.get_weights()

    expected = learn(tmp_path / "whole", answers(0.0))
    with pytest.raises(RuntimeError, match="crash"):
        learn(tmp_path / "killed", answers(0.0), callbacks=[Crash(5)])
    for teacher, changes, differs in (
        (answers(0.1), {}, "training texts"),
        (answers(0.0), {"temperature": 3.0}, "temperature is 2.0. Received 3.0"),
    ):
        with pytest.raises(ValueError, match=f"whose {differs}"):
            learn(tmp_path / "killed", teacher, **changes)
    again = learn(tmp_path / "killed", answers(1e-7))
    for mine, theirs in zip(again, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)


def test_the_command_refuses_words_before_it_learns_a_vocabulary(tmp_path, capsys, monkeypatch):
    from tfkit.commands import beginnings

    monkeypatch.setattr(beginnings, "starting_model", lambda *_: pytest.fail("too late"))
    words = tmp_path / "words.conll"
    words.write_text("Anna B-per\nsings O\n\nBonn B-loc\n")
    command = f"distill {words} --teacher {tmp_path} --from-scratch --output {tmp_path}/small"
    assert main(command.split()) == 1
    assert "Expected labels of whole texts" in capsys.readouterr().err
    assert not (tmp_path / "small" / "config.json").exists()
