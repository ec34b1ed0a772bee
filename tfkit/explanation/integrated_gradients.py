"""Integrated gradients of a score with respect to the word embeddings."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from tfkit.models.scores import scores

_POINTS_AT_ONCE = 32


@dataclasses.dataclass(frozen=True)
class Attribution:
    """Shares of a score's change, a number a token.

    Attributes:
        tokens: float `[T]`; their sum is `score - baseline_score`, less the gap.
        score: of the text.
        baseline_score: of the baseline.
        steps: points on the way from one to the other.
    """

    tokens: np.ndarray
    score: float
    baseline_score: float
    steps: int

    @property
    def gap(self) -> float:
        """How far the tokens' sum is from the change that they explain."""
        return float(self.tokens.sum()) - (self.score - self.baseline_score)


def integrated_gradients(
    model, ids: np.ndarray, baseline_ids: np.ndarray, target: int, steps: int
) -> Attribution:
    """Integrates the gradient of a class's score along the way from the baseline to the text.

    The way is straight between the word embeddings; the integral is Gauss and Legendre's sum.

    Args:
        model: a `TFDistilBertForSequenceClassification`.
        ids: int `[T]`, all real tokens.
        baseline_ids: int `[T]`, what the text is compared with.
        target: the class whose score is explained.
        steps: points of the sum.

    Source: Sundararajan et al. 2017 (https://arxiv.org/abs/1703.01365), section 3, equation 1;
        the completeness that the gap measures is its proposition 1.
    """
    embed = model.get_input_embeddings()
    start, end = (tf.cast(embed(tf.constant(x)), tf.float32) for x in (baseline_ids, ids))
    points, weights = np.polynomial.legendre.leggauss(steps)
    points, weights = (points + 1) / 2, weights / 2  # from [-1, 1] to [0, 1]
    total = tf.zeros_like(end)
    for first in range(0, steps, _POINTS_AT_ONCE):
        some = slice(first, first + _POINTS_AT_ONCE)
        way = tf.constant(points[some, None, None], tf.float32)
        _, gradients = _score_and_gradients(model, start + way * (end - start), target)
        total += tf.einsum("s,std->td", tf.constant(weights[some], tf.float32), gradients)
    (baseline_score, score), _ = _score_and_gradients(model, tf.stack([start, end]), target)
    tokens = tf.reduce_sum(total * (end - start), axis=1).numpy().astype(np.float64)
    return Attribution(tokens, float(score), float(baseline_score), steps)


def _score_and_gradients(model, embeds: tf.Tensor, target: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The class's score `[S]` and its gradients `[S,T,D]` at embeddings `[S,T,D]`."""
    inputs = {"inputs_embeds": embeds, "attention_mask": tf.ones(tf.shape(embeds)[:2], tf.int32)}
    with tf.GradientTape() as tape:
        tape.watch(embeds)
        logits = model(inputs, padding_free=False, training=False).logits
        score = scores(model.config, logits)[:, target]
    return score, tf.cast(tape.gradient(score, embeds), tf.float32)
