"""Measures the tokenizer: speed against its peers at equal ids, latency, construction.

    python benchmarks/tokenizer.py [--shared ../shared] [--repeat 7]

Everything is measured in one process, in turns: in each round every contestant runs once untimed
and then for a quarter of a second, and the best round of each counts. `cores` is what the
process had of the machine in tfkit's best round, whose graph uses two where it finds two: much
less than in other runs means that something else ran. Needs `tokenizers` and `keras_nlp` (extra
`parity`). Texts: SST-2, Banking77, WNUT17 and XQuAD of the shared folder; vocabulary: BERT's
uncased one.
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
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

BATCH = 1024
_TURN = 0.25  # seconds


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


class Best(NamedTuple):
    """The best round of a contestant: seconds a call, and processor seconds a second."""

    seconds: float
    cores: float


def best_of(repeat: int, contestants: dict[str, Callable[[], object]]) -> dict[str, Best]:
    """The best round of each; the rounds go around."""
    for run in contestants.values():
        run()
    rounds: dict[str, list[Best]] = {name: [] for name in contestants}
    for _ in range(repeat):
        for name, run in contestants.items():
            run()
            calls, start, used = 0, time.perf_counter(), time.process_time()
            while (took := time.perf_counter() - start) < _TURN:
                run()
                calls += 1
            rounds[name].append(Best(took / calls, (time.process_time() - used) / took))
    return {name: min(found) for name, found in rounds.items()}


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
    print(f"{'ratios':>22}{'cores':>7}{'ids differ in':>18}")
    for name, texts in texts_of(shared).items():
        size = sum(len(text.encode()) for text in texts) / 1e6
        batches = [texts[i : i + BATCH] for i in range(0, len(texts), BATCH)]
        tensors = [tf.constant(batch) for batch in batches]
        best = best_of(
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
        mine = best["tfkit"]
        wrong = sum(
            row.ids != got
            for batch, tensor in zip(batches, tensors)
            for row, got in zip(
                rust.encode_batch(batch, add_special_tokens=False), _rows(ours.run(tensor))
            )
        )
        print(f"{name:24}", end="")
        for each, width in zip(best.values(), (8, 12, 10, 10)):
            print(f"{size / each.seconds:>{width}.1f}", end="")
        peers = [each for name, each in best.items() if name != "tfkit"]
        ratios = "  ".join(f"{peer.seconds / mine.seconds:.1f}x" for peer in peers)
        print(f"{ratios:>22}{mine.cores:>7.2f}{wrong:>10} of {len(texts)}", flush=True)


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

    best = best_of(9, {name: loop(function) for name, function in contestants.items()})
    print("\none short text, a call:")
    for name, (seconds, _) in best.items():
        ratio = seconds / best["identity"].seconds
        print(f"  {name:10}{seconds / calls * 1e6:8.0f} us  {ratio:5.1f}x identity")


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
