"""Whether a score of 0.9 is right nine times out of ten."""

from __future__ import annotations

import dataclasses

import numpy as np

BINS = 15


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Scores against what came true, in bins of equal width.

    Attributes:
        ece: expected calibration error: the mean distance between score and share of true
            answers, each bin weighted by its answers. 0 is perfect.
        gap: mean score less share of true answers: above 0 the model is too sure of itself.
        counts: answers in each bin; bin i holds the scores in `(i / n, (i + 1) / n]`, the first
            also 0.
        mean_scores: mean score of each bin; 0 where it is empty.
        true_shares: share of true answers of each bin; 0 where it is empty.

    Source: Guo et al. 2017 (https://arxiv.org/abs/1706.04599), section 2, equation 3.
    """

    ece: float
    gap: float
    counts: list[int]
    mean_scores: list[float]
    true_shares: list[float]


def calibration(scores: np.ndarray, true: np.ndarray, bins: int = BINS) -> Calibration:
    """Args: scores: float `[n]` from 0 to 1; true: bool `[n]`, whether each came true.

    Example:

        >>> sure_and_half_right = calibration(np.array([0.9, 0.9]), np.array([True, False]))
        >>> round(sure_and_half_right.ece, 6), round(sure_and_half_right.gap, 6)
        (0.4, 0.4)
    """
    scores = np.asarray(scores, np.float64)
    places = np.clip(np.ceil(scores * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    some = np.maximum(counts, 1)
    mean_scores = np.bincount(places, scores, bins) / some
    true_shares = np.bincount(places, np.asarray(true, np.float64), bins) / some
    weights = counts / max(len(scores), 1)
    return Calibration(
        ece=float(weights @ np.abs(mean_scores - true_shares)),
        gap=float(weights @ (mean_scores - true_shares)),
        counts=counts.tolist(),
        mean_scores=mean_scores.tolist(),
        true_shares=true_shares.tolist(),
    )
