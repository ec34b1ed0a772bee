"""Figures against scikit-learn and against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tfkit.data import Examples
from tfkit.evaluation import logits_of, score
from tfkit.evaluation.html_page import milliseconds
from tfkit.tasks.figures import calibration, interval, percent

RANDOM = np.random.default_rng(7)


def single_label(rows=400, classes=7):
    """Labels and logits that agree now and then; the last class has no text, but answers."""
    labels = RANDOM.integers(0, classes - 1, rows)
    logits = RANDOM.normal(0, 1, (rows, classes))
    logits[np.arange(rows), labels] += 1.0
    names = [f"class {number}" for number in range(classes)]
    return Examples([""] * rows, labels=labels.tolist(), names=names), logits


def multi_label(rows=300, classes=5):
    targets = RANDOM.random((rows, classes)) < [0.5, 0.3, 0.2, 0.05, 0.0]
    logits = RANDOM.normal(-0.5, 1, (rows, classes)) + 1.5 * targets
    labels = [tuple(np.flatnonzero(row).tolist()) for row in targets]
    names = [*"abcde"]
    kind = "multi_label_classification"
    return Examples([""] * rows, labels=labels, names=names, problem_type=kind), logits


# === Against scikit-learn ===


@pytest.mark.parametrize("make", [single_label, multi_label])
def test_precision_recall_and_f1_are_scikit_learns(make):
    metrics = pytest.importorskip("sklearn.metrics")
    examples, logits = make()
    targets = examples.targets()
    answers = logits.argmax(-1) if make is single_label else logits > 0
    figures = score(examples, logits)
    each = metrics.precision_recall_fscore_support(targets, answers, zero_division=0)
    named = ("precision", "recall", "f1", "support")
    for (name, found), *expected in zip(figures.classes.items(), *each):
        assert [found[key] for key in named] == pytest.approx(expected), name
    asked = [number for number, support in enumerate(each[3]) if support]
    for average in ("macro", "micro", "weighted"):
        # Classes without a text have no recall: they are left out of the mean.
        labels = asked if average == "macro" else None
        expected = metrics.precision_recall_fscore_support(
            targets, answers, average=average, labels=labels, zero_division=0
        )[:3]
        assert list(figures.averages[average].values()) == pytest.approx(expected), average
    assert figures.accuracy == pytest.approx(metrics.accuracy_score(targets, answers))
    assert figures.macro_f1 == figures.averages["macro"]["f1"]


def test_confusion_and_loss_are_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    examples, logits = single_label()
    figures = score(examples, logits)
    labels, everyone = examples.targets(), list(range(7))
    expected = metrics.confusion_matrix(labels, logits.argmax(-1), labels=everyone)
    assert figures.confusion == expected.tolist()
    softmax = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    assert figures.loss == pytest.approx(metrics.log_loss(labels, softmax, labels=everyone))


def test_multi_label_loss_and_decisions_are_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    examples, logits = multi_label()
    figures, targets = score(examples, logits), examples.targets()
    assert figures.decisions == pytest.approx(1 - metrics.hamming_loss(targets, logits > 0))
    sigmoid = 1 / (1 + np.exp(-logits))
    losses = [metrics.log_loss(t, p, labels=[0, 1]) for t, p in zip(targets.T, sigmoid.T)]
    assert figures.loss == pytest.approx(np.mean(losses))


def test_regression_figures_are_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    targets = RANDOM.normal(3, 1, 50)
    values = targets + RANDOM.normal(0, 0.5, 50)
    examples = Examples([""] * 50, None, targets.tolist(), ["stars"], "regression")
    figures, targets = score(examples, values[:, None]), examples.targets().ravel()
    assert figures.mae == pytest.approx(metrics.mean_absolute_error(targets, values))
    assert figures.loss == pytest.approx(metrics.mean_squared_error(targets, values))
    assert figures.rmse**2 == pytest.approx(figures.loss)
    assert figures.r2 == pytest.approx(metrics.r2_score(targets, values))
    assert figures.pearson == pytest.approx(np.corrcoef(targets, values)[0, 1])


# === By hand ===


def test_the_calibration_error_by_hand():
    scores = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 0.9])
    true = np.array([False, True, False, True, True, False])
    # Two bins: (0, 0.5] with 0 as well holds three scores of mean 0.25, of which 1/3 came true;
    # (0.5, 1] holds three of mean 2.65 / 3, of which 2/3 did.
    figures = calibration(scores, true, bins=2)
    assert figures.counts == [3, 3]
    assert figures.mean_scores == pytest.approx([0.25, 2.65 / 3])
    assert figures.true_shares == pytest.approx([1 / 3, 2 / 3])
    assert figures.ece == pytest.approx(0.5 * (1 / 3 - 0.25) + 0.5 * (2.65 / 3 - 2 / 3))
    assert figures.gap == pytest.approx(3.4 / 6 - 0.5)


def test_numbers_that_are_all_equal_have_no_r2():
    examples = Examples(["", ""], None, [2.0, 2.0], ["stars"], "regression")
    figures = score(examples, np.array([[1.0], [3.0]]))
    assert (figures.mae, figures.r2, figures.pearson) == (1.0, None, None)
    assert "R² undefined" in str(figures)


def test_scores_of_0_and_1_give_finite_figures():
    examples = Examples(["", ""], labels=[0, 1], names=["no", "yes"])
    scores = np.array([[0.0, 1.0], [0.0, 1.0]], np.float32)
    figures = score(examples, scores=scores)
    assert figures.accuracy == 0.5 and np.isfinite(figures.loss)
    assert score(examples, logits_of(examples.problem_type, scores)).loss == pytest.approx(
        figures.loss
    )
    sigmoids = logits_of("multi_label_classification", np.array([[0.0, 1.0, 0.5]], np.float32))
    assert np.isfinite(sigmoids).all() and sigmoids[0, 2] == 0


@pytest.mark.parametrize("make", [single_label, multi_label])
def test_figures_of_scores_are_those_of_their_logits(make):
    examples, logits = make()
    if make is single_label:
        scores = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    else:
        scores = 1 / (1 + np.exp(-logits))
    one, other = score(examples, logits), score(examples, scores=scores)
    assert (one.accuracy, one.classes) == (other.accuracy, other.classes)
    assert one.loss == pytest.approx(other.loss)
    assert one.calibration.ece == pytest.approx(other.calibration.ece)
    with pytest.raises(ValueError, match="either logits or scores"):
        score(examples, logits, scores=scores)


def test_of_many_classes_the_worst_and_the_best_are_printed():
    labels = np.repeat(np.arange(39), 39)  # of 40 classes, of which the last has no text
    right = np.tile(np.arange(39), 39) <= labels  # class n is right n + 1 times of 39
    names = [f"class {number}" for number in range(40)]
    examples = Examples([""] * len(labels), labels=labels.tolist(), names=names)
    shown = str(score(examples, np.eye(40)[np.where(right, labels, 39)])).splitlines()
    told = [line[:8].strip() for line in shown if line.startswith("class")]
    assert told == [*names[:12], *names[33:39]]
    assert "22 more classes; `tfkit evaluate --json`" in shown[13]


def test_what_cannot_be_compared_is_one_clear_error():
    with pytest.raises(ValueError, match="Received texts alone"):
        score(Examples(["a"]), np.zeros((1, 2)))
    with pytest.raises(ValueError, match="of 3 classes, as the model has. Received 2: x, y"):
        score(Examples(["a"], labels=[0], names=["x", "y"]), np.zeros((1, 3)))


def test_figures_in_words():
    assert [*map(percent, (0.93216, 0.99996, 1.0))] == ["93.2%", "99.9%", "100%"]
    assert [*map(milliseconds, (3.14159, 41.7, 2500))] == ["3.1 ms", "42 ms", "2.5 s"]
    # Wilson's interval of 90 of 100.
    assert interval(0.9, 100) == pytest.approx((0.826, 0.945), abs=5e-4)
