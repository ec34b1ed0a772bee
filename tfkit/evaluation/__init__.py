"""What a trained model is worth: figures on labelled texts, and a report that others can read."""

from __future__ import annotations

from tfkit.evaluation.evaluate import answer_of, evaluate, logits_of, predict_logits, score
from tfkit.evaluation.multi_label import MultiLabelEvaluation
from tfkit.evaluation.regression import RegressionEvaluation
from tfkit.evaluation.report import Report, report, report_of
from tfkit.evaluation.single_label import Evaluation

__all__ = [
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
]
