"""Exact match and F1 against numbers of the official rule."""

from __future__ import annotations

import pytest

from tfkit.tasks.answer_figures import AnswersEvaluation, compared

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


def test_questions_without_an_answer_have_figures_of_their_own():
    labels = [((0, "Anna"),), ((3, "in Bonn"), (6, "Bonn")), (), ()]
    found = AnswersEvaluation.of(labels, ["anna", "of Bonn", "", "Bonn"])
    assert (found.examples, found.exact_match, found.f1) == (4, 0.5, pytest.approx(8 / 3 / 4))
    assert found.has_answer == {"examples": 2, "exact_match": 0.5, "f1": pytest.approx(5 / 6)}
    assert found.no_answer == {"examples": 2, "exact_match": 0.5, "f1": 0.5}
    assert AnswersEvaluation.of(labels[:1], ["Bonn"]).no_answer is None
