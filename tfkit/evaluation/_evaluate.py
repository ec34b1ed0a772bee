"""A model and labelled texts -> figures."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfkit.data.examples import Examples, check_examples
from tfkit.data.streams import Stream
from tfkit.inference.batching import rows_of
from tfkit.inference.speed import Answer
from tfkit.inference.text_model import TextModel, progress_bar
from tfkit.tasks import TASKS
from tfkit.tasks.base import Task
from tfkit.tasks.compatibility import check_task
from tfkit.tasks.entity_figures import EntityEvaluation
from tfkit.tasks.figures import Evaluation, MultiLabelEvaluation, RegressionEvaluation
from tfkit.utils.strings import listed
from tfkit.utils.values import finite

# Which of the three it is follows from the labels, which no type checker reads.
AnyEvaluation = (
    Any
    if TYPE_CHECKING
    else Evaluation | MultiLabelEvaluation | RegressionEvaluation | EntityEvaluation
)


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
        model, tokenizer: a classifier of texts or of tokens, or a model of question answering, of
            tfkit, and its tokenizer.
        examples: labelled texts, read with `names=model.config.id2label`. Of a `Stream` some texts
            at a time are in memory, and of all of them the labels and logits.
        batch_size: B at most; long texts are fewer in a batch.
        max_length: tokens after which a text is cut.
        verbose: as in `model.predict`.

    Returns: an `Evaluation`, or what it is for several labels per text, for numbers, for entities
        (`EntityEvaluation`), or for answers to questions (`AnswersEvaluation`).

    Raises:
        ValueError: the texts have no labels, or other ones than the model's config says.
    """
    if not isinstance(examples, Stream):
        check_examples(examples)
    check_task(model, examples)
    options = {"batch_size": batch_size, "max_length": max_length, "verbose": verbose}
    task, blocks, labels = examples.task, [], []
    for columns, some, outputs in _blocks(model, tokenizer, examples, **options):
        if isinstance(outputs, np.ndarray):
            finite(outputs, columns[0], before=len(labels))
        blocks.append(task.log_probabilities(outputs))
        labels += some
    compared, names = together(blocks), examples.names
    return task.evaluation.of(task.expected(labels, len(names)), compared, names)


def together(blocks: list) -> np.ndarray | list:
    """What is said of some rows, and of further ones, as `score` takes it."""
    if isinstance(blocks[0], np.ndarray):
        return np.concatenate(blocks)
    return [*itertools.chain(*blocks)]


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
    task, names = examples.task, examples.names
    return task.evaluation.of(task.expected(examples.labels, len(names)), compared, names)


def log_probabilities(examples: Examples, logits, scores) -> np.ndarray:
    """What a task computes its figures from, checked; raises as `score`."""
    if examples.labels is None:
        raise ValueError("Expected examples with labels to compare with. Received texts alone.")
    if (logits is None) == (scores is None):
        raise ValueError("Expected either logits or scores. Received both or neither.")
    outputs = scores if logits is None else logits
    if examples.task.has_names and len(outputs) and outputs[0].shape[-1] != len(examples.names):
        raise ValueError(
            f"Expected examples of {outputs[0].shape[-1]} classes, as the model has. Received "
            f"{len(examples.names)}: {listed(examples.names)}. Read them with "
            "`names=model.config.id2label`."
        )
    if isinstance(outputs, np.ndarray):
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
    """Logits float `[B,C]` of the texts, in their order; of words a list with `[W,C]` for each
    text. Arguments as in `evaluate`.
    """
    if not isinstance(examples, Stream):
        check_examples(examples)
    if examples.has_labels:
        check_task(model, examples)
    options = {"batch_size": batch_size, "max_length": max_length, "verbose": verbose}
    return together([found for _, _, found in _blocks(model, tokenizer, examples, **options)])


def _blocks(
    model, tokenizer, examples: Examples | Stream, *, batch_size, max_length, verbose
) -> Iterator[tuple[Sequence, Sequence | None, Any]]:
    """Columns of texts of some rows, their labels, and what the model says of them."""
    asked, progress = TextModel(model, tokenizer, max_length), progress_bar(len(examples), verbose)
    options = {"batch_size": batch_size, "progress": progress}
    for columns, labels in _parts(examples):
        rows = rows_of(columns)
        if labels is None:
            yield columns, labels, asked.logits(rows, **options)
        else:
            yield columns, labels, examples.task.outputs(asked, rows, labels, **options)


def _parts(examples: Examples | Stream) -> Iterator[tuple[Sequence, Sequence | None]]:
    """Columns of texts of some rows, and their labels if there are any."""
    if isinstance(examples, Examples):
        yield examples.columns, examples.labels
        return
    labels = examples.each_label() if examples.has_labels else None
    for columns in examples.chunks():
        texts = columns[: 1 + examples.has_pairs]
        yield texts, labels and [*itertools.islice(labels, len(texts[0]))]


def answer_of(model, tokenizer, max_length: int | None, pairs: bool) -> Answer:
    """A model as a function of columns of strings, two for pairs, that gives logits `[B,C]`."""
    asked = TextModel(model, tokenizer, max_length)
    task = getattr(model, "task", None) or Task()
    return lambda columns: task.outputs(asked, rows_of(columns), None)


def logits_of(problem_type: str, scores: np.ndarray) -> np.ndarray:
    """The logits, up to a constant per row, that give these scores; `score(examples, scores=…)`
    needs none.

    Example:

        >>> logits_of("multi_label_classification", np.array([[0.5]])).tolist()
        [[0.0]]
    """
    return TASKS[problem_type].logits(scores)
