"""How fast texts are answered on this machine."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfkit.inference.text_model import TextModel
from tfkit.utils.processes import available_cpus
from tfkit.utils.strings import counted

# Columns of strings, one for texts and one for second texts, to anything computed from them.
Answer = Callable[[list[Sequence[str]]], object]

_MOST_TEXTS = 200
_SECONDS = 5.0
_WARM_UP = 2  # runs in which things are traced or allocated once
_FEWEST = 3  # runs that are timed
_ROWS = 2048  # of the matrix product that stands for the machine


@dataclasses.dataclass(frozen=True)
class Latency:
    """Times from string to answer, on the machine that made the report; per second in batches."""

    median_ms: float
    p95_ms: float
    texts_per_second: float
    batch_size: int
    texts: int
    machine: str


@dataclasses.dataclass(frozen=True)
class Speed:
    """What was measured of one `precision`: of all texts in the fastest call, and of single ones.

    `p50` and `p99` are seconds. `share` is the full model's operations a second on real tokens, in
    parts of what a float32 matrix product reaches: other precisions can bring it above 1.
    """

    precision: str
    texts_per_second: float
    tokens_per_second: float
    p50: float
    p99: float
    share: float


def latency(answer: Answer, columns: Sequence[Sequence[str]], batch_size: int = 32) -> Latency:
    """Times single texts, spread over all, and batches, for some seconds each at most."""
    count = len(columns[0])
    chosen = np.linspace(0, count - 1, min(count, _MOST_TEXTS)).astype(int)
    single = [[[column[row]] for column in columns] for row in chosen]
    rows = np.resize(chosen, batch_size * 4)
    batches = [
        [[column[row] for row in rows[start : start + batch_size]] for column in columns]
        for start in range(0, len(rows), batch_size)
    ]
    times, batch_times = (_times(answer, inputs, _SECONDS) for inputs in (single, batches))
    median, p95 = (1e3 * np.percentile(times, [50, 95])).tolist()
    return Latency(
        median_ms=median,
        p95_ms=p95,
        texts_per_second=batch_size / float(np.median(batch_times)),
        batch_size=batch_size,
        texts=len(times),
        machine=_machine(),
    )


def speeds(
    model, tokenizer, texts: Sequence[str], precisions: Sequence[str], *, seconds: float = 5.0
) -> list[Speed]:
    """Times a classifier on texts in some of `tfkit.inference.text_model.PRECISIONS`, each of two
    measurements of one for about so many seconds.
    """
    asked = TextModel(model, tokenizer)
    lengths = asked.tokens(texts).lengths
    work, rate = flops(model.config, lengths), product_rate(model.config)
    found = []
    for precision in precisions:
        scores = functools.partial(asked.scores, precision=precision)
        whole = min(_times(scores, itertools.repeat(texts), seconds))
        single = _times(scores, itertools.cycle([text] for text in texts), seconds)
        p50, p99 = np.percentile(single, [50, 99]).tolist()
        per_second = len(texts) / whole, int(lengths.sum()) / whole
        found.append(Speed(precision, *per_second, p50, p99, share=work / whole / rate))
    return found


def flops(config, lengths: np.ndarray) -> float:
    """Operations of the encoder on texts of so many tokens, padding left out.

    Example:

        >>> from tfkit import DistilBertConfig
        >>> f"{flops(DistilBertConfig(), np.array([1])):.3g}"
        '8.5e+07'
    """
    n, width = lengths.astype(float), config.hidden_size
    products = 2 * (4 * width**2 + 2 * width * config.intermediate_size)
    return float((config.num_hidden_layers * (n * products + 4 * n**2 * width)).sum())


def product_rate(config) -> float:
    """Operations a second of a float32 matrix product as the feed-forward block has it."""
    rows = tf.random.normal([_ROWS, config.hidden_size])
    weights = tf.random.normal([config.hidden_size, config.intermediate_size])
    product = tf.function(tf.matmul)
    best = min(_times(lambda x: product(x, weights)[0, 0].numpy(), itertools.repeat(rows), 0.5))
    return 2 * _ROWS * config.hidden_size * config.intermediate_size / best


def _times(run: Callable[[object], object], inputs: Iterable, seconds: float) -> list[float]:
    """Seconds of one run after another: until inputs end, or the time."""
    inputs, again = itertools.tee(inputs)
    for each in itertools.islice(again, _WARM_UP):
        run(each)
    times, end = [], time.perf_counter() + seconds
    for each in inputs:
        start = time.perf_counter()
        run(each)
        times.append(time.perf_counter() - start)
        if start > end and len(times) >= _FEWEST:
            break
    return times


def processor_name() -> str:
    """What the processor calls itself."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _machine() -> str:
    gpus = tf.config.list_logical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(
            tf.config.list_physical_devices("GPU")[0]
        )
        return f"{len(gpus)} × {details.get('device_name', 'GPU')}"
    return f"{counted(available_cpus(), 'CPU core')} ({platform.machine()})"
