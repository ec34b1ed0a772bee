"""A model and labelled texts -> figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfkit.data.examples import Examples, check_examples
from tfkit.data.streams import Stream
from tfkit.evaluation.multi_label import MultiLabelEvaluation, score_multi_label
from tfkit.evaluation.regression import RegressionEvaluation, score_regression
from tfkit.evaluation.single_label import Evaluation, score_single_label
from tfkit.inference.batching import finite, rows_of
from tfkit.inference.speed import Answer
from tfkit.inference.text_model import TextModel, progress_bar
from tfkit.tasks.compatibility import check_task
from tfkit.utils.strings import listed

# Which of the three it is follows from the labels, which no type checker reads.
AnyEvaluation = Any if TYPE_CHECKING else Evaluation | MultiLabelEvaluation | RegressionEvaluation

_SCORES: dict[str, Callable[..., AnyEvaluation]] = {
    "single_label_classification": score_single_label,
    "multi_label_classification": score_multi_label,
    "regression": score_regression,
}


def evaluate(
    model,
    tokenizer,
    examples: Examples | Stream,
    *,
    batch_size: int = 32,
    max_length: int | None = None,
    verbose: str | int = 0,
) -> AnyEvaluation:
    """Compares what a model says of texts with their labels.

    Args:
        model: a `TFDistilBertForSequenceClassification`.
        tokenizer: its tokenizer.
        examples: labelled texts, read with `names=model.config.id2label`. Of a `Stream` some texts
            at a time are in memory, and of all of them the labels and logits.
        batch_size: B at most; long texts are fewer in a batch.
        max_length: tokens after which a text is cut.
        verbose: as in `model.predict`.

    Returns: an `Evaluation`, or what it is for several labels per text or for numbers.

    Raises:
        ValueError: the texts have no labels, or other ones than the model's config says.
    """
    options = {"batch_size": batch_size, "max_length": max_length, "verbose": verbose}
    if not isinstance(examples, Stream):
        return score(examples, predict_logits(model, tokenizer, examples, **options))
    check_task(model.config, examples)
    blocks = [
        (finite(logits, columns[0]), np.asarray(columns[-1]))
        for columns, logits in _blocks(model, tokenizer, examples, **options)
    ]
    logits, targets = map(np.concatenate, zip(*blocks))
    return _SCORES[examples.problem_type](targets, logits, examples.names)


def score(examples: Examples, logits: np.ndarray) -> AnyEvaluation:
    """Figures from labelled texts and their logits `[B,C]`.

    Example:

        >>> two = Examples(["a", "b"], labels=[0, 1], names=["no", "yes"])
        >>> score(two, np.array([[2.0, 0.0], [3.0, 0.0]])).accuracy
        0.5

    Raises:
        ValueError: there are no labels, other classes, or a logit is not finite.
    """
    if examples.labels is None:
        raise ValueError("Expected examples with labels to compare with. Received texts alone.")
    if logits.shape[-1] != len(examples.names):
        raise ValueError(
            f"Expected examples of {logits.shape[-1]} classes, as the model has. Received "
            f"{len(examples.names)}: {listed(examples.names)}. Read them with "
            "`names=model.config.id2label`."
        )
    finite(logits, examples.texts)
    return _SCORES[examples.problem_type](examples.targets(), logits, examples.names)


def predict_logits(
    model,
    tokenizer,
    examples: Examples | Stream,
    *,
    batch_size: int = 32,
    max_length: int | None = None,
    verbose: str | int = 0,
) -> np.ndarray:
    """Logits float `[B,C]` of the texts, in their order; arguments as in `evaluate`."""
    if not isinstance(examples, Stream):
        check_examples(examples)
    if examples.has_labels:
        check_task(model.config, examples)
    options = {"batch_size": batch_size, "max_length": max_length, "verbose": verbose}
    blocks = [logits for _, logits in _blocks(model, tokenizer, examples, **options)]
    return np.concatenate(blocks)


def _blocks(
    model, tokenizer, examples: Examples | Stream, *, batch_size, max_length, verbose
) -> Iterator[tuple[Sequence, np.ndarray]]:
    """Columns of some rows, and the logits of their texts."""
    asked = TextModel(model, tokenizer, max_length)
    progress = progress_bar(len(examples), verbose)
    blocks: Iterable = [examples.columns] if isinstance(examples, Examples) else examples.chunks()
    for columns in blocks:
        rows = rows_of(columns[: 1 + examples.has_pairs])
        yield columns, asked.logits(rows, batch_size=batch_size, progress=progress)


def answer_of(model, tokenizer, max_length: int | None, pairs: bool) -> Answer:
    """A model as a function of columns of strings, two for pairs, that gives logits `[B,C]`."""
    asked = TextModel(model, tokenizer, max_length)
    return lambda columns: asked.logits(rows_of(columns))


def logits_of(problem_type: str, scores: np.ndarray) -> np.ndarray:
    """The logits, up to a constant a row, that give these scores, as `tfkit.models.scores` does.

    Example:

        >>> logits_of("multi_label_classification", np.array([[0.5]])).tolist()
        [[0.0]]
    """
    if problem_type == "regression":
        return scores
    limits = np.finfo(scores.dtype)
    logs = np.log(np.maximum(scores, limits.tiny))  # a score may be 0, or 1
    if problem_type == "single_label_classification":
        return logs
    return logs - np.log(np.maximum(1 - scores, limits.eps))
