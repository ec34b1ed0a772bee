"""Whether training waits for the tokenizer: passes over raw text, and over the same batches ready.

    python -m benchmarks.input ../shared/data [--rounds 5] [--texts 640]

SST-2 phrases in batches of 32, `model.fit` on `data.dataset`, which tokenises while the model
trains, and on a copy of its batches in memory; in turns, after a pass of each to warm up. A model
of full size with random weights, and the small one that comes with tfkit, of which a step takes
some milliseconds. Prints Markdown.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import keras

from benchmarks.peers.texts import phrases
from benchmarks.ratios import spread
from tfkit import (
    AutoTokenizer,
    DistilBertConfig,
    DistilBertTokenizer,
    TFDistilBertForSequenceClassification,
    data,
)
from tfkit.demo.shipped import small_model
from tfkit.training import adamw

BATCH = 32


def passes(model, tokenizer, examples, rounds: int) -> dict[str, list[float]]:
    """Seconds of passes over raw text and over ready batches."""
    raw = data.dataset(examples, tokenizer, batch_size=BATCH, shuffle=True, seed=0)
    kinds = {"raw": raw, "ready": raw.cache()}
    model.compile(adamw(learning_rate=5e-5, steps=10_000))
    seconds = {kind: [] for kind in kinds}
    for _ in range(1 + rounds):
        for kind, batches in kinds.items():
            start = time.perf_counter()
            model.fit(batches, shuffle=False, verbose=0)
            seconds[kind].append(time.perf_counter() - start)
    return {kind: found[1:] for kind, found in seconds.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder with sst2/ and vocab/")
    parser.add_argument("--rounds", type=int, default=5, help="(%(default)s)")
    parser.add_argument("--texts", type=int, default=640, help="a pass (%(default)s)")
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    full = DistilBertTokenizer(options.data / "vocab/bert-base-uncased/vocab.txt")
    small = TFDistilBertForSequenceClassification.from_pretrained(small_model())
    models = {
        "full size": (TFDistilBertForSequenceClassification(DistilBertConfig()), full, 1),
        "small": (small, AutoTokenizer.from_pretrained(small_model()), 20),
    }
    print("| model | texts a pass | raw text, s | ready batches, s | raw to ready |")
    print("| --- | --- | --- | --- | --- |")
    for name, (model, tokenizer, times) in models.items():
        rows = phrases(options.data, times * options.texts)
        examples = data.read(rows, names=("negative", "positive"))
        found = passes(model, tokenizer, examples, options.rounds)
        raw, ready = (statistics.median(found[kind]) for kind in ("raw", "ready"))
        ratios = [a / b for a, b in zip(found["raw"], found["ready"])]
        print(
            f"| {name} | {len(examples)} | {raw:.2f} | {ready:.2f} | {spread(ratios)} |", flush=True
        )


if __name__ == "__main__":
    main()
