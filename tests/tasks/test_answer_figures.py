"""Exact match and F1 against numbers of the official rule."""

from __future__ import annotations

import pytest

from tfkit.tasks.answer_figures import AnswersEvaluation, answer_predictions, compared

# Answer, those expected -> exact match and F1 by version 1.1 and by version 2.0 of the rule.
# Source: `transformers.data.metrics.squad_metrics` of transformers 4.57.6 (`get_raw_scores`), and
# for 1.1 its `normalize_answer` in the formula of evaluate-v1.1.py.
OFFICIAL = [
    ("the Cat.", ["cat", "dog"], (1, 1), (1, 1)),
    ("black cat an", ["a big, black cat", "dog"], (0, 4 / 5), (0, 4 / 5)),
    ("cat cat dog", ["cat", "dog dog"], (0, 0.5), (0, 0.5)),
    ("U.S.", ["us", ""], (1, 1), (1, 1)),
    ("北京。", ["北京"], (0, 0), (0, 0)),
    ("ÉTÉ\u00a0—", ["été —"], (1, 1), (1, 1)),
    ("the", ["a", "!"], (1, 0), (1, 1)),
    ("", ["cat", "the"], (1, 0), (0, 0)),
    ("dog", ["cat", "the"], (0, 0), (0, 0)),
]


@pytest.mark.parametrize(("answer", "expected", "first", "second"), OFFICIAL)
def test_figures_are_those_of_the_official_scripts(answer, expected, first, second):
    assert compared(answer, expected, or_none=False) == pytest.approx(first)
    assert compared(answer, expected, or_none=True) == pytest.approx(second)


def evaluated(labels, answers):
    found = [[{"answer": answer, "score": 0.5}] for answer in answers]
    return AnswersEvaluation.of(labels, found)


def test_an_empty_answer_counts_only_where_some_question_has_none():
    found = [[{"answer": "", "score": 0.7}, {"answer": "Bonn", "score": 0.2}]]
    assert AnswersEvaluation.of([((0, "Bonn"),)], found).exact_match == 1
    assert AnswersEvaluation.of([((0, "Bonn"),), ()], found * 2).exact_match == 0.5
    first, second = answer_predictions([((0, "Bonn"), (5, "Bonn")), ()], found * 2).predicted
    assert (first, second) == ("no answer", "no answer")


def test_questions_without_an_answer_have_figures_of_their_own():
    labels = [((0, "Anna"),), ((3, "in Bonn"), (6, "Bonn")), (), ()]
    found = evaluated(labels, ["anna", "of Bonn", "", "Bonn"])
    assert (found.examples, found.exact_match, found.f1) == (4, 0.5, pytest.approx(8 / 3 / 4))
    assert found.has_answer == {"examples": 2, "exact_match": 0.5, "f1": pytest.approx(5 / 6)}
    assert found.no_answer == {"examples": 2, "exact_match": 0.5, "f1": 0.5}
    assert evaluated(labels[:1], ["Bonn"]).no_answer is None
