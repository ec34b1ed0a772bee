"""The report: everything about a model on labelled texts, as JSON and as a page for people."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import tfkit
from tfkit.data.examples import Examples
from tfkit.evaluation._evaluate import AnyEvaluation, answer_of, log_probabilities, predict_logits
from tfkit.inference import speed
from tfkit.tasks.figures import Predictions
from tfkit.utils.files import local_path, staged

_MISTAKES = 25
_CONFUSIONS = 50
_BINS = 20
_VALUES = 2000
_THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclasses.dataclass(frozen=True)
class Report:
    """What `report` finds out.

    Attributes:
        model, data: their names, for the reader.
        created: the day, as "2026-11-24".
        evaluation: the figures.
        score_histogram: "edges" of bins of the answers' scores; "right" and "wrong" answers in
            each. None for numbers.
        thresholds: for some least scores the fraction of texts that reach them ("answered") and the
            "accuracy" there. None unless each text has one label.
        confusions: which class was taken for which, most often first: "label", "answer", "texts"
            and their "share" of the class. None unless each text has one label.
        mistakes: the surest wrong answers, or for numbers the largest errors.
        values: for numbers the pairs (target, prediction) of up to 2,000 texts.
        latency: times from string to answer, or None.
    """

    model: str
    data: str
    created: str
    evaluation: AnyEvaluation
    score_histogram: dict[str, list] | None
    thresholds: list[dict] | None
    confusions: list[dict] | None
    mistakes: list[dict]
    values: list[tuple[float, float]] | None
    latency: speed.Latency | None

    def figures_as_dict(self) -> dict:
        """The figures alone."""
        figures = dataclasses.asdict(self.evaluation)
        macro_f1 = getattr(self.evaluation, "macro_f1", None)
        return figures if macro_f1 is None else {**figures, "macro_f1": macro_f1}

    def as_dict(self) -> dict:
        """All of it, in what JSON knows."""
        contents = {
            "made_by": f"tfkit {tfkit.__version__}",
            "problem_type": self.evaluation.problem_type,
            **dataclasses.asdict(self),
            "evaluation": self.figures_as_dict(),
        }
        return {key: value for key, value in contents.items() if value is not None}

    def save(self, directory: str | os.PathLike) -> Path:
        """Writes `report.json` and `report.html`, whole or not at all, and gives the page's path;
        ImportError without the extra `plots`.
        """
        from tfkit.evaluation.html_page import as_html

        with staged(directory) as stage:
            html = as_html(self)
            (stage / "report.html").write_text(html, encoding="utf-8")
            content = json.dumps(self.as_dict(), ensure_ascii=False, indent=1, allow_nan=False)
            (stage / "report.json").write_text(content + "\n", encoding="utf-8")
        return local_path(directory) / "report.html"

    def __str__(self) -> str:
        return str(self.evaluation)


def report(
    model,
    tokenizer,
    examples: Examples,
    directory: str | os.PathLike | None = None,
    *,
    model_name: str = "the model",
    data_name: str = "the texts",
    batch_size: int = 32,
    max_length: int | None = None,
    latency: bool = True,
    verbose: str | int = 0,
) -> Report:
    """Evaluates a model and says all there is to say of it.

    Args:
        model, tokenizer, examples, batch_size, max_length, verbose: as in `evaluate`.
        directory: a folder for `report.json` and `report.html`, a page that needs no other file.
        model_name, data_name: for the reader.
        latency: take some seconds to time single texts and batches.

    Example:

        >>> from tfkit import DistilBertConfig, DistilBertTokenizer
        >>> from tfkit import TFDistilBertForSequenceClassification
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
        >>> config = DistilBertConfig(vocab_size=7, dim=8, n_heads=2, n_layers=1, hidden_dim=16)
        >>> model = TFDistilBertForSequenceClassification(config)
        >>> texts = Examples(["good", "bad"], labels=[1, 0], names=["neg", "pos"])
        >>> found = report(model, DistilBertTokenizer(words), texts, latency=False)
        >>> found.evaluation.examples, found.thresholds[0]
        (2, {'threshold': 0.5, 'answered': 1.0, 'accuracy': 0.5})
    """
    options = {"batch_size": batch_size, "max_length": max_length}
    logits = predict_logits(model, tokenizer, examples, verbose=verbose, **options)
    answer = None
    if latency:
        answer = answer_of(model, tokenizer, max_length, examples.has_pairs)
    names = {"model_name": model_name, "data_name": data_name}
    found = report_of(examples, logits, answer=answer, batch_size=batch_size, **names)
    if directory is not None:
        found.save(directory)
    return found


def report_of(
    examples: Examples,
    logits: np.ndarray | None = None,
    *,
    scores: np.ndarray | None = None,
    answer: speed.Answer | None = None,
    model_name: str = "the model",
    data_name: str = "the texts",
    batch_size: int = 32,
) -> Report:
    """A report from logits `[B,C]` or scores `[B,C]`; `answer`, a function of columns of strings,
    is what is timed.
    """
    compared = log_probabilities(examples, logits, scores)
    targets = examples.task.expected(examples.labels, len(examples.names))
    evaluation = examples.task.evaluation.of(targets, compared, examples.names)
    found = examples.task.predictions(targets, compared, examples.names)
    confusion, values = getattr(evaluation, "confusion", None), None
    if found.scores is None:
        rows = np.unique(np.linspace(0, len(examples) - 1, _VALUES).astype(int))
        values = [(float(examples.labels[row]), float(compared[row].squeeze())) for row in rows]
    return Report(
        model=model_name,
        data=data_name,
        created=datetime.date.today().isoformat(),
        evaluation=evaluation,
        score_histogram=_score_histogram(found),
        thresholds=None if confusion is None else _thresholds(found),
        confusions=None if confusion is None else _confusions(confusion, [*evaluation.classes]),
        mistakes=_mistakes(examples, found),
        values=values,
        latency=None if answer is None else speed.latency(answer, examples.columns, batch_size),
    )


def _mistakes(examples: Examples, found: Predictions) -> list[dict]:
    worst = np.argsort(-found.severity, kind="stable")[:_MISTAKES]
    severity = "error" if found.scores is None else "score"
    return [
        {
            "row": int(row),
            "text": examples.texts[row],
            "text_pair": examples.text_pairs[row] if examples.text_pairs else None,
            "label": found.expected[row],
            "answer": found.predicted[row],
            severity: float(found.severity[row]),
            **({} if found.marks is None else {"entities": found.marks[row]}),
        }
        for row in worst
        if found.wrong[row]
    ]


def _score_histogram(found: Predictions) -> dict[str, list] | None:
    """Right and wrong answers by their score, in bins of equal width from 0 to 1."""
    if found.scores is None:
        return None
    edges = np.linspace(0, 1, _BINS + 1)
    right, wrong = (
        np.histogram(found.scores[chosen], edges)[0].tolist()
        for chosen in (found.correct, ~found.correct)
    )
    return {"edges": edges.round(6).tolist(), "right": right, "wrong": wrong}


def _thresholds(found: Predictions) -> list[dict[str, float]]:
    """What is gained by answering only where the score reaches a threshold."""
    rows = []
    for threshold in _THRESHOLDS:
        sure = found.scores >= threshold
        accuracy = float(found.correct[sure].mean()) if sure.any() else None
        rows.append({"threshold": threshold, "answered": float(sure.mean()), "accuracy": accuracy})
    return rows


def _confusions(matrix: Sequence[Sequence[int]], names: Sequence[str]) -> list[dict]:
    """Pairs of classes by how often the first was taken for the second, most often first."""
    counts = np.asarray(matrix)
    mistaken = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    order = np.argsort(-mistaken, axis=None, kind="stable")[:_CONFUSIONS]
    return [
        {
            "label": names[true],
            "answer": names[predicted],
            "texts": int(counts[true, predicted]),
            "share": float(counts[true, predicted] / counts[true].sum()),
        }
        for true, predicted in zip(*np.unravel_index(order, counts.shape))
        if mistaken[true, predicted]
    ]
