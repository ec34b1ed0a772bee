"""How fast a classifier answers on this machine, in each precision."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfkit.inference.pipelines import TextClassificationPipeline
from tfkit.inference.tokenize import Tokenize
from tfkit.utils.strings import utf8

_ROWS = 2048  # of the matrix product that stands for the machine
_LEAST = 3  # runs of whatever is timed


@dataclasses.dataclass(frozen=True)
class Speed:
    """What was measured of one precision.

    Attributes:
        precision: "float32", "bfloat16" or "int8".
        texts_per_second: all texts in one call, raw strings to scores; of the fastest call.
        tokens_per_second: the same in tokens, special tokens included.
        p50, p99: seconds for a single text.
        share: operations of the full model on the real tokens a second, as a share of what the
            machine reaches in a float32 matrix product of TensorFlow's. Other precisions, and
            work that is left out, can bring it above 1.
    """

    precision: str
    texts_per_second: float
    tokens_per_second: float
    p50: float
    p99: float
    share: float


def measure(
    model, tokenizer, texts: Sequence[str], precisions: Sequence[str], *, seconds: float = 5.0
) -> list[Speed]:
    """Times a classifier on texts, in each precision in turn.

    Args:
        model: a `TFDistilBertForSequenceClassification`.
        tokenizer: its tokenizer.
        texts: at least one.
        precisions: some of `tfkit.inference.runtimes.PRECISIONS`.
        seconds: about how long each of the two measurements of a precision takes.
    """
    classify = TextClassificationPipeline(model, tokenizer)
    tokenize = Tokenize(tokenizer, classify.max_length, pairs=False)
    lengths = tokenize([list(map(utf8, texts))]).lengths
    work = flops(model.config, lengths)
    rate = product_rate(model.config)
    speeds = []
    for precision in precisions:
        classify.scores(texts, precision=precision)
        answer = min(_times(lambda p=precision: classify.scores(texts, precision=p), seconds))
        rows = iter(range(10**9))
        single = _times(
            lambda p=precision, rows=rows: classify.scores(
                [texts[next(rows) % len(texts)]], precision=p
            ),
            seconds,
        )
        speeds.append(
            Speed(
                precision=precision,
                texts_per_second=len(texts) / answer,
                tokens_per_second=int(lengths.sum()) / answer,
                p50=statistics.median(single),
                p99=sorted(single)[int(0.99 * len(single))],
                share=work / answer / rate,
            )
        )
    return speeds


def flops(config, lengths: np.ndarray) -> float:
    """Operations of the encoder on texts of so many tokens, padding left out.

    Example:

        >>> from tfkit import DistilBertConfig
        >>> f"{flops(DistilBertConfig(), np.array([1])):.3g}"
        '8.5e+07'
    """
    n, width = lengths.astype(float), config.dim
    products = 2 * (4 * width**2 + 2 * width * config.hidden_dim)
    return float((config.n_layers * (n * products + 4 * n**2 * width)).sum())


def product_rate(config) -> float:
    """Operations a second of a float32 matrix product as the feed-forward block has it."""
    rows = tf.random.normal([_ROWS, config.dim])
    weights = tf.random.normal([config.dim, config.hidden_dim])
    product = tf.function(tf.matmul)
    best = min(_times(lambda: product(rows, weights)[0, 0].numpy(), seconds=0.5))
    return 2 * _ROWS * config.dim * config.hidden_dim / best


def _times(run: Callable[[], object], seconds: float) -> list[float]:
    """Seconds of one run after another, the first left out."""
    run()
    taken: list[float] = []
    while len(taken) < _LEAST or sum(taken) < seconds:
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return taken
