"""What a trained model is worth: figures on labelled texts, and a report that others can read."""

from __future__ import annotations

from tfkit.evaluation._evaluate import (
    answer_of,
    evaluate,
    logits_of,
    predict_logits,
    score,
    together,
)
from tfkit.evaluation._report import Report, report, report_of
from tfkit.tasks.answer_figures import AnswersEvaluation
from tfkit.tasks.entity_figures import EntityEvaluation
from tfkit.tasks.figures import Evaluation, MultiLabelEvaluation, RegressionEvaluation

__all__ = [
    "AnswersEvaluation",
    "EntityEvaluation",
    "Evaluation",
    "MultiLabelEvaluation",
    "RegressionEvaluation",
    "Report",
    "answer_of",
    "evaluate",
    "logits_of",
    "predict_logits",
    "report",
    "report_of",
    "score",
    "together",
]
