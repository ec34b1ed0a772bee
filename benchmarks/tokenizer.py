"""Measures the tokenizer: speed against its peers at equal ids, latency, construction.

    python benchmarks/tokenizer.py [--shared ../shared] [--repeat 7]

Everything is measured in one process, in turns: each round runs every contestant once, and the
best round of each counts. Needs `tokenizers` and `keras_nlp` (extra `parity`). Texts: SST-2,
Banking77, WNUT17 and XQuAD of the shared folder; vocabulary: BERT's uncased one.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

BATCH = 1024


def texts_of(shared: Path) -> dict[str, list[str]]:
    """The corpora, by name."""
    data = shared / "data"

    def column(path: Path, delimiter: str) -> list[str]:
        with path.open(encoding="utf-8", newline="") as file:
            return [row[0] for row in csv.reader(file, delimiter=delimiter)][1:]

    def paragraphs(language: str) -> list[str]:
        content = json.loads((data / f"xquad/xquad.{language}.json").read_text("utf-8"))
        return [p["context"] for article in content["data"] for p in article["paragraphs"]]

    def tweets() -> list[str]:
        lines = (data / "wnut17/wnut17train.conll").read_text("utf-8").splitlines()
        words = [line.partition("\t")[0].strip() or "\n" for line in lines]
        return " ".join(words).split("\n")

    return {
        "SST-2 phrases": column(data / "sst2/train.tsv", "\t")[:30_000],
        "Banking77 questions": column(data / "banking77/train.csv", ","),
        "WNUT17 tweets": tweets(),
        "XQuAD en paragraphs": paragraphs("en") * 8,
        "XQuAD zh paragraphs": paragraphs("zh") * 4,
    }


def best_of(repeat: int, contestants: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of the best round of each; the rounds go around."""
    for run in contestants.values():
        run()
    seconds = dict.fromkeys(contestants, float("inf"))
    for _ in range(repeat):
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return seconds


def throughput(shared: Path, repeat: int) -> None:
    """Megabytes a second, texts in, ids out, without special tokens or padding."""
    import keras_nlp
    import tensorflow_text
    import tokenizers

    from tfkit import DistilBertTokenizer

    path = shared / "data/vocab/bert-base-uncased/vocab.txt"
    vocabulary = path.read_text("utf-8").splitlines()
    ours = DistilBertTokenizer(path)
    rust = tokenizers.BertWordPieceTokenizer(str(path), lowercase=True)
    stock = tensorflow_text.FastBertTokenizer(
        vocabulary, lower_case_nfd_strip_accents=True, token_out_type=tf.int32
    )
    hub = keras_nlp.models.DistilBertTokenizer(vocabulary=vocabulary, lowercase=True)
    stock_graph = tf.function(stock.tokenize, input_signature=[tf.TensorSpec([None], tf.string)])
    hub_graph = tf.function(hub.tokenize, input_signature=[tf.TensorSpec([None], tf.string)])

    print(f"\n{'MB/s':24}{'tfkit':>8}{'tokenizers':>12}{'FastBert':>10}{'KerasHub':>10}", end="")
    print(f"{'ratios':>22}{'ids differ in':>18}")
    for name, texts in texts_of(shared).items():
        size = sum(len(text.encode()) for text in texts) / 1e6
        batches = [texts[i : i + BATCH] for i in range(0, len(texts), BATCH)]
        tensors = [tf.constant(batch) for batch in batches]
        seconds = best_of(
            repeat,
            {
                "tfkit": lambda tensors=tensors: [ours.run(batch) for batch in tensors],
                "tokenizers": lambda batches=batches: [
                    rust.encode_batch(batch, add_special_tokens=False) for batch in batches
                ],
                "FastBert": lambda tensors=tensors: [stock_graph(batch) for batch in tensors],
                "KerasHub": lambda tensors=tensors: [hub_graph(batch) for batch in tensors],
            },
        )
        mine = seconds["tfkit"]
        wrong = sum(
            row.ids != got
            for batch, tensor in zip(batches, tensors)
            for row, got in zip(
                rust.encode_batch(batch, add_special_tokens=False), _rows(ours.run(tensor))
            )
        )
        print(f"{name:24}", end="")
        for column, width in zip(seconds, (8, 12, 10, 10)):
            print(f"{size / seconds[column]:>{width}.1f}", end="")
        ratios = "  ".join(f"{seconds[c] / mine:.1f}x" for c in list(seconds)[1:])
        print(f"{ratios:>22}{wrong:>10} of {len(texts)}")


def _rows(pieces) -> list[list[int]]:
    return [part.tolist() for part in np.split(pieces.ids.numpy(), pieces.splits.numpy()[1:-1])]


def latency(shared: Path) -> None:
    """Microseconds a call of a `tf.function` with one short text."""
    from tfkit import DistilBertTokenizer

    tokenizer = DistilBertTokenizer(shared / "data/vocab/bert-base-uncased/vocab.txt")
    signature = [tf.TensorSpec([None], tf.string)]
    contestants = {
        "identity": tf.function(tf.identity, input_signature=signature),
        "tokens": tf.function(lambda t: tokenizer.pieces()(t).ids, input_signature=signature),
        "layer": tf.function(tokenizer.as_layer(128), input_signature=signature),
    }
    text = tf.constant(["We are very happy to show you this library."])
    calls = 300

    def loop(function):
        return lambda: [function(text) for _ in range(calls)]

    seconds = best_of(9, {name: loop(function) for name, function in contestants.items()})
    print("\none short text, a call:")
    for name, value in seconds.items():
        ratio = value / seconds["identity"]
        print(f"  {name:10}{value / calls * 1e6:8.0f} us  {ratio:5.1f}x identity")


_CONSTRUCT = """
import sys, time
import tensorflow as tf, tensorflow_text
from tfkit import DistilBertTokenizer
for _ in range(3):
    start = time.perf_counter()
    DistilBertTokenizer(sys.argv[1]).pieces()
    print(f"{time.perf_counter() - start:.2f}", end=" ")
"""


def construction(shared: Path) -> None:
    """Seconds to make a tokenizer, in a process that has imported TensorFlow."""
    print("\nconstruction in a new process, then twice again (s):")
    for name in ("bert-base-uncased", "bert-base-multilingual-cased"):
        path = shared / f"data/vocab/{name}/vocab.txt"
        made = subprocess.run(
            [sys.executable, "-c", _CONSTRUCT, str(path)], capture_output=True, text=True
        )
        print(f"  {name:30} {made.stdout or made.stderr}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    beside = Path(__file__).resolve().parents[2] / "shared"
    parser.add_argument("--shared", type=Path, default=beside)
    parser.add_argument("--repeat", type=int, default=7)
    arguments = parser.parse_args()
    throughput(arguments.shared, arguments.repeat)
    latency(arguments.shared)
    construction(arguments.shared)


if __name__ == "__main__":
    main()
