"""A model and labelled texts -> figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfkit.data.examples import Examples, check_examples
from tfkit.data.streams import Stream
from tfkit.inference.batching import finite, rows_of
from tfkit.inference.speed import Answer
from tfkit.inference.text_model import TextModel, progress_bar
from tfkit.tasks import TASKS
from tfkit.tasks.compatibility import check_task
from tfkit.tasks.figures import Evaluation, MultiLabelEvaluation, RegressionEvaluation
from tfkit.utils.strings import listed

# Which of the three it is follows from the labels, which no type checker reads.
AnyEvaluation = Any if TYPE_CHECKING else Evaluation | MultiLabelEvaluation | RegressionEvaluation


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
        model, tokenizer: a classifier of tfkit and its tokenizer.
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
    check_task(model, examples)
    blocks, before = [], 0
    for columns, logits in _blocks(model, tokenizer, examples, **options):
        blocks.append((finite(logits, columns[0], before=before), columns[-1]))
        before += len(logits)
    logits, targets = map(np.concatenate, zip(*blocks))
    task = examples.task
    return task.evaluation.of(targets, task.log_probabilities(logits), examples.names)


def score(
    examples: Examples, logits: np.ndarray | None = None, *, scores: np.ndarray | None = None
) -> AnyEvaluation:
    """Figures from labelled texts and their logits `[B,C]`, or scores `[B,C]`.

    Example:

        >>> two = Examples(["a", "b"], labels=[0, 1], names=["no", "yes"])
        >>> score(two, np.array([[2.0, 0.0], [3.0, 0.0]])).accuracy
        0.5

    Raises:
        ValueError: there are no labels, other classes, or a logit is not finite.
    """
    compared = log_probabilities(examples, logits, scores)
    return examples.task.evaluation.of(examples.targets(), compared, examples.names)


def log_probabilities(examples: Examples, logits, scores) -> np.ndarray:
    """What a task computes its figures from, checked; raises as `score`."""
    if examples.labels is None:
        raise ValueError("Expected examples with labels to compare with. Received texts alone.")
    if (logits is None) == (scores is None):
        raise ValueError("Expected either logits or scores. Received both or neither.")
    outputs = scores if logits is None else logits
    if outputs.shape[-1] != len(examples.names):
        raise ValueError(
            f"Expected examples of {outputs.shape[-1]} classes, as the model has. Received "
            f"{len(examples.names)}: {listed(examples.names)}. Read them with "
            "`names=model.config.id2label`."
        )
    finite(outputs, examples.texts)
    return examples.task.log_probabilities(outputs, are_scores=logits is None)


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
        check_task(model, examples)
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
    """The logits, up to a constant per row, that give these scores; `score(examples, scores=…)`
    needs none.

    Example:

        >>> logits_of("multi_label_classification", np.array([[0.5]])).tolist()
        [[0.0]]
    """
    return TASKS[problem_type].logits(scores)
