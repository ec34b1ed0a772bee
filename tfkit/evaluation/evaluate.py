"""A model and labelled texts -> figures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tfkit.data.examples import Examples, check_examples
from tfkit.data.pipeline import dataset
from tfkit.data.task import check_task
from tfkit.evaluation.multi_label import MultiLabelEvaluation, score_multi_label
from tfkit.evaluation.regression import RegressionEvaluation, score_regression
from tfkit.evaluation.single_label import Evaluation, score_single_label
from tfkit.inference.batching import finite
from tfkit.models.inputs import token_limit
from tfkit.utils.strings import listed

AnyEvaluation = Evaluation | MultiLabelEvaluation | RegressionEvaluation

_SCORES: dict[str, Callable[..., AnyEvaluation]] = {
    "single_label_classification": score_single_label,
    "multi_label_classification": score_multi_label,
    "regression": score_regression,
}


def evaluate(
    model,
    tokenizer,
    examples: Examples,
    *,
    batch_size: int = 32,
    max_length: int | None = None,
    verbose: str | int = 0,
) -> AnyEvaluation:
    """Runs `model.predict` over the texts and compares with their labels.

    Args:
        model: a `TFDistilBertForSequenceClassification`.
        tokenizer: its tokenizer.
        examples: labelled texts, read with `names=model.config.id2label`.
        batch_size: B.
        max_length: tokens after which a text is cut.
        verbose: as in `model.predict`.

    Returns: an `Evaluation`, or what it is for several labels a text or for numbers.

    Raises:
        ValueError: the texts have no labels, or other ones than the model's config says.
    """
    options = {"batch_size": batch_size, "max_length": max_length, "verbose": verbose}
    return score(examples, predict_logits(model, tokenizer, examples, **options))


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
    examples: Examples,
    *,
    batch_size: int = 32,
    max_length: int | None = None,
    verbose: str | int = 0,
) -> np.ndarray:
    """Logits float `[B,C]` of the texts, in their order; arguments as in `evaluate`."""
    check_examples(examples)
    if examples.has_labels:
        check_task(model.config, examples)
    unlabelled = Examples(*examples.columns)
    max_length = token_limit(model, tokenizer, max_length)
    batches = dataset(unlabelled, tokenizer, batch_size=batch_size, max_length=max_length)
    return model.predict(batches, verbose=verbose).logits


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
