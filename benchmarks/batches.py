"""Many texts, sorted by length for the peers: tfkit, ONNX Runtime with `tokenizers`, and torch.

    python -m benchmarks.batches ../shared/data [shipped] [full] [FOLDER …] [--rounds 8]

String in, probabilities out, 512 SST-2 dev sentences in one process and in turns. tfkit gets all at
once, the peers batches of 32 of about one length, which is their best: it leaves next to no
padding. Models and requirements as of `benchmarks.latency`. Prints Markdown: the texts a second,
and ratios to ONNX Runtime of the same precision, medians of the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.latency import PAUSE, PEERS, written
from benchmarks.peers import tfkit
from benchmarks.peers.texts import sentences
from benchmarks.ratios import spread

TEXTS, BATCH = 512, 32
# Name -> what makes it of a folder, and what it is compared with.
CONTESTANTS = {
    "tfkit": (tfkit.Peer, {}, "ONNX Runtime"),
    'tfkit `runtime="litert"`': (tfkit.Peer, {"runtime": "litert"}, "ONNX Runtime"),
    "tfkit bfloat16": (tfkit.Peer, {"precision": "bfloat16"}, "ONNX Runtime"),
    "tfkit int8": (tfkit.Peer, {"precision": "int8"}, "ONNX Runtime int8"),
    **PEERS,
}


def speeds(folder: Path, texts: list[str], rounds: int) -> dict[str, list[float]]:
    """Texts a second, by contestant and round; a round before them is not counted."""
    peers = {name: make(str(folder), **more) for name, (make, more, _) in CONTESTANTS.items()}
    found = {name: [] for name in peers}
    for _ in range(1 + rounds):
        for name, peer in peers.items():
            size = len(texts) if isinstance(peer, tfkit.Peer) else BATCH
            time.sleep(PAUSE)
            peer.scores(texts[-BATCH:])
            start = time.perf_counter()
            for first in range(0, len(texts), size):
                peer.scores(texts[first : first + size])
            found[name].append(len(texts) / (time.perf_counter() - start))
    return {name: each[1:] for name, each in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="../shared/data")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--rounds", type=int, default=8)
    options = parser.parse_args()
    texts = sorted((text for text, _ in sentences(options.data, "dev")[:TEXTS]), key=len)
    for source in options.models:
        with tempfile.TemporaryDirectory() as folder:
            found = speeds(written(source, options.data, Path(folder)), texts, options.rounds)
        print(f"\n{source}:\n")
        print("| | texts/s | ratio (least – most of the rounds) |\n| --- | --- | --- |")
        for name, (*_, other) in CONTESTANTS.items():
            ratios = [a / b for a, b in zip(found[name], found[other])]
            cell = "" if name == other else spread(ratios)
            print(f"| {name} | {statistics.median(found[name]):.0f} | {cell} |", flush=True)


if __name__ == "__main__":
    main()
