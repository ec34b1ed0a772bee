"""One text at a time: tfkit, ONNX Runtime with `tokenizers`, and Transformers with torch.

    python -m benchmarks.latency ../shared/data [shipped] [full] [FOLDER …] [--rounds 3]
                                 [--texts 100]

String in, probabilities out, in one process and in turns: every contestant answers ten SST-2 dev
sentences, each alone, and then the next one does; the first call of a turn is not counted. A model
is a Hugging Face folder (with a random head where it has none), the small model that comes with
tfkit, or DistilBERT of full size with random weights and the vocabulary of `../shared/data`. Needs
`transformers`, `torch`, `onnx`, `onnxscript` and `onnxruntime` beside tfkit. Prints Markdown:
milliseconds of all rounds, and ratios to ONNX Runtime of the same precision by the rounds' medians.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import itertools
import statistics
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks.peers import onnx_runtime, tfkit, transformers_torch, write_model
from benchmarks.peers.texts import sentences
from benchmarks.ratios import spread
from tfkit.demo.shipped import small_model
from tfkit.inference.fastest import WORTH
from tfkit.inference.speed import processor_name

# Name -> what makes it of a folder, and what it is compared with.
PEERS = {
    "ONNX Runtime": (onnx_runtime.Peer, {"file": "model.onnx"}, "ONNX Runtime"),
    "ONNX Runtime int8": (onnx_runtime.Peer, {"file": "int8.onnx"}, "ONNX Runtime int8"),
    "Transformers torch": (transformers_torch.Peer, {}, "ONNX Runtime"),
}
CONTESTANTS = {
    "tfkit": (tfkit.Peer, {}, "ONNX Runtime"),
    'tfkit `runtime="tensorflow"`': (tfkit.Peer, {"runtime": "tensorflow"}, "ONNX Runtime"),
    "tfkit int8": (tfkit.Peer, {"precision": "int8"}, "ONNX Runtime int8"),
    **PEERS,
}
TURN, PAUSE = 10, 0.01  # texts; seconds, in which threads of the one before stop waiting for work
LIBRARIES = ("tensorflow", "ai-edge-litert", "onnxruntime", "tokenizers", "torch", "transformers")


def written(source: str, data: Path, folder: Path) -> Path:
    """The model in the formats of all contestants."""
    if source == "full":
        write_model.write(folder, data / "vocab/bert-base-uncased/vocab.txt")
        return folder
    checkpoint = small_model() if source == "shipped" else Path(source)
    model, tokenizer = write_model.loaded(checkpoint)
    for part in (model, tokenizer):
        part.save_pretrained(folder)
    write_model.write_onnx(model, tokenizer, folder)
    return folder


def latencies(folder: Path, texts: list[str], rounds: int) -> dict[str, list[list[float]]]:
    """Milliseconds of every call, by contestant and round."""
    peers = {name: make(str(folder), **more) for name, (make, more, _) in CONTESTANTS.items()}
    for peer in peers.values():
        for text in itertools.islice(itertools.cycle(texts), WORTH + TURN):
            peer.scores([text])
    for thread in threading.enumerate():
        if thread.name == "tfkit-copy":  # which it makes in the background
            thread.join()
    found = {name: [[] for _ in range(rounds)] for name in peers}
    for turn in range(rounds):
        for start in range(0, len(texts), TURN):
            for name, peer in peers.items():
                time.sleep(PAUSE)
                peer.scores([texts[start - 1]])
                for text in texts[start : start + TURN]:
                    begin = time.perf_counter()
                    peer.scores([text])
                    found[name][turn].append(1e3 * (time.perf_counter() - begin))
    return found


def table(found: dict[str, list[list[float]]]) -> str:
    lines = ["|  | p50 ms | p99 ms | ratio (least – most of the rounds) |", "| --- " * 4 + "|"]
    for name, turns in found.items():
        p50, p99 = np.percentile(list(itertools.chain(*turns)), [50, 99])
        other = CONTESTANTS[name][2]
        ratios = [
            statistics.median(one) / statistics.median(two) for one, two in zip(turns, found[other])
        ]
        lines.append(
            f"| {name} | {p50:.2f} | {p99:.2f} | {'' if name == other else spread(ratios)} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.latency")
    parser.add_argument("data", type=Path)
    parser.add_argument("models", nargs="*", default=["shipped", "full"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--texts", type=int, default=100)
    options = parser.parse_args()
    texts = [text for text, _ in sentences(options.data, "dev")][: options.texts]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    print(f"{time.strftime('%d %B %Y')}, {processor_name()}; {versions}.")
    for source in options.models:
        with tempfile.TemporaryDirectory() as folder:
            found = latencies(written(source, options.data, Path(folder)), texts, options.rounds)
        print(f"\n{source}:\n\n{table(found)}", flush=True)


if __name__ == "__main__":
    main()
