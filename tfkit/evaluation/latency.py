"""How long an answer takes."""

from __future__ import annotations

import dataclasses
import platform
import time
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfkit.models.inputs import token_limit
from tfkit.utils.processes import available_cpus
from tfkit.utils.strings import counted

# Strings, a column each for text and pair, to anything computed from them.
Answer = Callable[[list[Sequence[str]]], object]

_MOST_TEXTS = 200
_SECONDS = 5.0


@dataclasses.dataclass(frozen=True)
class Latency:
    """Times from string to answer, on the machine that made the report.

    Attributes:
        median_ms: of one text alone, in milliseconds.
        p95_ms: 95 of 100 texts take at most that.
        texts_per_second: in batches.
        batch_size: of these.
        texts: how many single texts were timed.
        machine: on what.
    """

    median_ms: float
    p95_ms: float
    texts_per_second: float
    batch_size: int
    texts: int
    machine: str


def answer_of(model, tokenizer, max_length: int | None, pairs: bool) -> Answer:
    """A model as a compiled function of strings."""
    limit = token_limit(model, tokenizer, max_length)
    encode = tokenizer.as_layer(max_length=limit, padding="longest", pairs=pairs)
    function = tf.function(
        lambda *texts: model(encode(texts if pairs else texts[0])).logits,
        input_signature=[tf.TensorSpec([None], tf.string)] * (2 if pairs else 1),
    )
    return lambda columns: function(*map(tf.constant, columns)).numpy()


def measure(answer: Answer, columns: Sequence[Sequence[str]], batch_size: int = 32) -> Latency:
    """Times single texts, spread over all, and batches, for some seconds each at most."""
    count = len(columns[0])
    chosen = np.linspace(0, count - 1, min(count, _MOST_TEXTS)).astype(int)
    single = [[[column[row]] for column in columns] for row in chosen]
    rows = np.resize(chosen, batch_size * 4)
    batches = [
        [[column[row] for row in rows[start : start + batch_size]] for column in columns]
        for start in range(0, len(rows), batch_size)
    ]
    times, batch_times = _times(answer, single), _times(answer, batches)
    return Latency(
        median_ms=1e3 * float(np.median(times)),
        p95_ms=1e3 * float(np.percentile(times, 95)),
        texts_per_second=batch_size / float(np.median(batch_times)),
        batch_size=batch_size,
        texts=len(times),
        machine=_machine(),
    )


def _times(answer: Answer, inputs: list) -> list[float]:
    for columns in inputs[:3]:  # what is traced or allocated once
        answer(columns)
    times, end = [], time.perf_counter() + _SECONDS
    for columns in inputs:
        start = time.perf_counter()
        answer(columns)
        times.append(time.perf_counter() - start)
        if start > end:
            break
    return times


def _machine() -> str:
    gpus = tf.config.list_logical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(
            tf.config.list_physical_devices("GPU")[0]
        )
        return f"{len(gpus)} × {details.get('device_name', 'GPU')}"
    return f"{counted(available_cpus(), 'CPU core')} ({platform.machine()})"
