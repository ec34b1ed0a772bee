"""How the answers of an export compare with the Keras model's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tfkit.export.report import Agreement, ExportError
from tfkit.inference.text_model import TextModel

# The largest difference of a score from the Keras model's, by the dtype of either: another order of
# the same sums is another rounding.
TOLERANCE = {"float32": 1e-5, "float16": 5e-3, "bfloat16": 5e-2}
OF_EMBEDDINGS = 10  # times as much, for they are larger than scores
_BATCH = 8
_TIE = 1e-4
_SAME = 1e-6


def keras_answers(keras: TextModel, texts: Sequence[str | dict]) -> np.ndarray:
    """Scores `[B,C]`, or embeddings `[B,E]` of a sentence encoder, finite or not."""
    return np.asarray(keras.model.answered(keras.outputs(texts)))


def batches(texts: Sequence[str]) -> list[list[str]]:
    """The texts in small batches of like length."""
    by_length = sorted(texts, key=len)
    return [by_length[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]


def agreement(
    expected: np.ndarray,
    received: np.ndarray,
    labels: Sequence[int] | None = None,
    *,
    labelled: bool = True,
) -> Agreement:
    """Compares scores `[B,C]`, and the class numbers `[B]` of the answered labels; classes that tie
    in the Keras model's scores, to within what the scores differ (at most `_TIE`), may swap. With
    `labelled=False` other numbers `[B,…]`, which have no labels.
    """
    if expected.shape != received.shape:
        raise ExportError(
            f"Expected answers of shape {expected.shape}, as the Keras model gives. "
            f"The exported model gave {received.shape}."
        )
    require_finite(expected, "the Keras model itself")
    require_finite(received, "the exported model")
    difference = np.abs(expected - received)
    if not labelled:
        return Agreement(texts=len(expected), largest_difference=float(difference.max(initial=0.0)))
    labels = received.argmax(-1) if labels is None else np.asarray(labels)
    below_expected, below_received = (
        scores.max(-1) - np.take_along_axis(scores, labels[:, None], -1)[:, 0]
        for scores in (expected, received)
    )
    return Agreement(
        texts=len(expected),
        largest_difference=float(difference.max(initial=0.0)),
        equal_labels=int((below_expected <= np.minimum(2 * difference.max(-1), _TIE)).sum()),
        contradictory_labels=int((below_received > _SAME).sum()),
    )


def agreement_of_items(
    expected: Sequence[list[dict]],
    received: Sequence[list[dict]],
    margins: Sequence[float],
    tolerance: float,
) -> Agreement:
    """Compares what is found in texts, of each a list of dicts of `score` and what it is of. That
    must be equal, unless another answer is nearer in score (`margins` `[B]`) than two may differ.
    With no limit of that, as of eight-bit weights, scores of other answers are compared too.
    """
    largest, equal, contradictory = 0.0, 0, 0
    for wanted, given, margin in zip(expected, received, margins, strict=True):
        same = _without_scores(wanted) == _without_scores(given)
        equal += same
        contradictory += not same and margin > 2 * tolerance
        if same or np.isinf(tolerance):
            differences = [abs(one["score"] - two["score"]) for one, two in zip(wanted, given)]
            largest = max([largest, *differences])
    return Agreement(
        texts=len(expected),
        largest_difference=largest,
        equal_labels=equal,
        contradictory_labels=contradictory,
    )


def _without_scores(items: list[dict]) -> list[dict]:
    return [{key: value for key, value in item.items() if key != "score"} for item in items]


def joined(parts: Sequence[Agreement]) -> Agreement:
    """The agreement of several batches, at least one."""
    labels = [part.equal_labels for part in parts]
    return Agreement(
        texts=sum(part.texts for part in parts),
        largest_difference=max(part.largest_difference for part in parts),
        equal_labels=None if None in labels else sum(labels),
        contradictory_labels=sum(part.contradictory_labels for part in parts),
    )


def python_rows(outputs: Mapping[str, np.ndarray]) -> list[dict]:
    """Outputs `[B,…]` of a signature, by name -> for each text a dict of lists and numbers."""
    columns = [_decoded(np.asarray(value).tolist()) for value in outputs.values()]
    return [dict(zip(outputs, row)) for row in zip(*columns)]


def _decoded(value):
    if isinstance(value, list):
        return [*map(_decoded, value)]
    return value.decode() if isinstance(value, bytes) else value


def require_finite(values: np.ndarray, who: str) -> None:
    """Raises ExportError for NaN or infinity in `values` `[B]` or `[B,…]`, a row per text."""
    places = np.argwhere(~np.isfinite(values))
    if len(places):
        raise ExportError(
            f"Expected finite numbers. At index {places[0].tolist()}, of which the first counts "
            f"the texts, {who} gave {values[tuple(places[0])]}: look for such numbers among the "
            "model's weights."
        )


def require_agreement(agreement: Agreement, tolerance: float, what: str) -> None:
    """Raises ExportError when scores differ by more than `tolerance`, or labels contradict them."""
    if agreement.contradictory_labels:
        raise ExportError(
            f"Expected {what} to give the answer of the highest score. Received another for "
            f"{agreement.contradictory_labels} of {agreement.texts} texts."
        )
    if not agreement.largest_difference <= tolerance:
        raise ExportError(
            f"Expected {what} to answer as the Keras model does, to within {tolerance:g}. "
            f"Received, on {agreement}."
        )
