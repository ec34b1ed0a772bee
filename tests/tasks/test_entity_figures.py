"""Figures of entities, beside seqeval's."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tfkit.tasks.entity_figures import EntityEvaluation, entity_predictions

# Made by seqeval 1.2.2, `classification_report(true, found, output_dict=True, zero_division=0)`, of
# `sequences(names, 0)`: precision, recall, F1 and support.
SEQEVAL = {
    ("O", "B-x", "I-x", "B-y", "I-y"): {
        "x": (0.598214, 0.609091, 0.603604, 110),
        "y": (0.5625, 0.59434, 0.577982, 106),
        "micro": (0.580357, 0.601852, 0.590909, 216),
        "macro": (0.580357, 0.601715, 0.590793, 216),
        "weighted": (0.580688, 0.601852, 0.59103, 216),
    },
    ("O", "B-x", "I-x", "E-x", "S-x", "B-y", "I-y"): {
        "x": (0.654321, 0.616279, 0.634731, 172),
        "y": (0.663551, 0.68932, 0.67619, 103),
        "micro": (0.657993, 0.643636, 0.650735, 275),
        "macro": (0.658936, 0.6528, 0.655461, 275),
        "weighted": (0.657778, 0.643636, 0.650259, 275),
    },
    ("O", "B-x", "I-x", "I-z"): {
        "x": (0.66879, 0.719178, 0.693069, 146),
        "z": (0.544118, 0.521127, 0.532374, 71),
        "micro": (0.631111, 0.654378, 0.642534, 217),
        "macro": (0.606454, 0.620152, 0.612722, 217),
        "weighted": (0.627998, 0.654378, 0.640492, 217),
    },
}


def sequences(names, seed, count=60):
    draw = random.Random(seed)
    true = [[draw.choice(names) for _ in range(draw.randrange(12))] for _ in range(count)]
    return true, [
        [tag if draw.random() < 0.6 else draw.choice(names) for tag in row] for row in true
    ]


def labels_of(rows, names):
    """Words of one character each, with a blank between."""
    return [[(2 * n, 2 * n + 1, names.index(tag)) for n, tag in enumerate(row)] for row in rows]


def answers_of(rows, names, score=0.9):
    places = [np.array([names.index(tag) for tag in row], int) for row in rows]
    spread = (1 - score) / (len(names) - 1)
    return [np.log(spread + (score - spread) * np.eye(len(names))[row]) for row in places]


@pytest.mark.parametrize("names", SEQEVAL)
def test_figures_are_seqevals(names):
    true, found = sequences(names, 0)
    figures = EntityEvaluation.of(labels_of(true, names), answers_of(found, names), names)
    for name, (*expected, support) in SEQEVAL[names].items():
        ours = {**figures.classes, **figures.averages}[name]
        got = [ours[key] for key in ("precision", "recall", "f1")]
        assert got == pytest.approx(expected, abs=1e-6)
        assert ours.get("support", support) == support
    assert figures.f1 == figures.averages["micro"]["f1"]
    assert figures.entities == SEQEVAL[names]["micro"][-1]


NAMES = ["O", "B-x", "I-x", "B-y", "I-y"]


def test_a_type_that_is_only_answered_counts_in_macro_as_seqevals():
    figures = EntityEvaluation.of(
        labels_of([["B-x", "O"]], NAMES), answers_of([["B-x", "B-y"]], NAMES), NAMES
    )
    assert figures.macro_f1 == 0.5  # (1 + 0) / 2


def test_what_is_wrong_is_told_apart():
    true = [["B-x", "I-x", "O", "B-x", "O", "B-y", "O", "O", "B-y"]]
    found = [["B-x", "O", "O", "B-y", "O", "B-y", "O", "B-x", "O"]]
    arguments = labels_of(true, NAMES), answers_of(found, NAMES), NAMES
    errors = EntityEvaluation.of(*arguments).errors
    assert errors == {"wrong type": 1, "wrong boundary": 1, "spurious": 1, "missed": 1}
    (marks,) = entity_predictions(*arguments).marks
    assert [(m["start"], m["end"], m["label"], m["answer"], m["error"]) for m in marks] == [
        (0, 1, "x", "x", "wrong boundary"),
        (6, 7, "x", "y", "wrong type"),
        (10, 11, "y", "y", None),
        (14, 15, None, "x", "spurious"),
        (16, 17, "y", None, "missed"),
    ]


def test_words_without_a_token_count_as_outside():
    (answers,) = answers_of([["B-x", "B-x", "O"]], NAMES)
    answers[1:] = np.nan
    labels = labels_of([["B-x", "B-x", "O"]], NAMES)
    figures = EntityEvaluation.of(labels, [answers], NAMES)
    assert (figures.recall, figures.accuracy, figures.without_token) == (0.5, 2 / 3, 2)
    assert figures.loss == pytest.approx(-np.log(0.9))


def test_nothing_to_find_is_no_error():
    figures = EntityEvaluation.of([[], []], [np.zeros((0, 5))] * 2, NAMES)
    assert (figures.f1, figures.accuracy, figures.loss, figures.entities) == (0, 0, 0, 0)
    assert "0 entities in 2 texts" in str(figures)
