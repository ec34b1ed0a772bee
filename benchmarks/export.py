"""What exports cost and give, against Keras' own `model.export`, on one model in one run.

    python -m benchmarks.export --model FOLDER            # a checkpoint with its tokenizer
    python -m benchmarks.export --vocabulary vocab.txt    # full size, random weights

Served: size, time to load, memory, and texts a second through TensorFlow's C library, strings in,
against `model.predict` on the same strings. TFLite: size and latency of each form.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.phones import runner
from tfkit import (
    AutoTokenizer,
    DistilBertConfig,
    DistilBertTokenizer,
    TFDistilBertForSequenceClassification,
    export,
)
from tfkit.inference.served_model import ServedModel

TOKENS, BATCH, REPEATS, LITE_REPEATS = 128, 32, 6, 60
# What is measured -> the options of `saved_model`.
SERVED = {
    "tfkit": {},
    "tfkit, bfloat16": {"dtype": "bfloat16"},
    "tfkit, no batching": {"batching": None},
}
TEXTS = [text for text in export.options.SAMPLE_TEXTS if 0 < len(text) < 100]


def row(*cells) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def size(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def served(model, tokenizer, folder: Path) -> None:
    """The SavedModel, ours and Keras'."""
    paths = {
        name: export.saved_model(model, tokenizer, folder / name, server_files=False, **options)
        for name, options in SERVED.items()
    }
    paths = {name: report.path for name, report in paths.items()}
    ids = [tf.TensorSpec([None, None], tf.int32, name=name) for name in INPUTS]
    model.export(str(folder / "keras"), input_signature=[dict(zip(INPUTS, ids))], verbose=False)
    batch = {name: np.ones([1, 16], np.int32) for name in INPUTS}
    row("SavedModel", "MB", "load s", "first request s", "memory MB")
    row("---", "---", "---", "---", "---")
    for name, path in {**paths, "Keras model.export": folder / "keras"}.items():
        found = []
        for _ in range(3):
            with ServedModel(path) as process:
                if name in paths:
                    process.run("tokens", batch)
                else:
                    inputs = process.signatures["serving_default"].inputs
                    process.run("serving_default", {key: np.ones([1, 16]) for key in inputs})
                found.append((process.load_seconds, process.seconds, process.memory / 1e6))
        load, first, memory = (statistics.median(column) for column in zip(*found))
        row(name, f"{size(path) / 1e6:.1f}", f"{load:.2f}", f"{first:.2f}", f"{memory:.0f}")
    print()
    throughput(model, tokenizer, paths)


def throughput(model, tokenizer, paths: dict[str, Path]) -> None:
    """Texts a second: strings in, one request at a time and eight clients at once."""
    tokenize = tokenizer.as_layer()
    with contextlib.ExitStack() as stack:
        processes = {name: stack.enter_context(ServedModel(path)) for name, path in paths.items()}
        runs = {}
        for count in (1, BATCH):
            texts = (TEXTS * BATCH)[:count]
            dataset = tf.data.Dataset.from_tensor_slices(texts).batch(BATCH).map(tokenize)
            runs["model.predict", f"{count} a request"] = (
                count,
                lambda data=dataset: model.predict(data, verbose=0),
            )
            for name, process in processes.items():
                runs[name, f"{count} a request"] = (
                    count,
                    lambda process=process, texts=texts: process.run("text", {"text": texts}),
                )
        for name, process in processes.items():
            runs[name, "8 clients, 1 a request"] = (64, lambda process=process: clients(process))
        taken = {key: [] for key in runs}
        for _ in range(1 + REPEATS):
            for key, (_, run) in runs.items():
                start = time.perf_counter()
                run()
                taken[key].append(time.perf_counter() - start)
        memory = {name: f"{process.memory / 1e6:.0f}" for name, process in processes.items()}
    columns = list(dict.fromkeys(how for _, how in runs))
    row("texts/s", *columns, "memory MB after")
    row(*["---"] * (len(columns) + 2))
    for name in dict.fromkeys(name for name, _ in runs):
        cells = [
            f"{runs[name, how][0] / statistics.median(taken[name, how][1:]):.1f}"
            if (name, how) in runs
            else ""
            for how in columns
        ]
        row(name, *cells, memory.get(name, ""))
    print()


def clients(process: ServedModel) -> None:
    """64 requests of one text each, eight at any time."""
    texts = (TEXTS * 64)[:64]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: process.run("text", {"text": [text]}), texts))


def lite(model, tokenizer, folder: Path, forms: list[str]) -> None:
    """The `.tflite` files, ours and Keras'; those that the folder holds already are only timed."""
    row("TFLite, 128 tokens", "MB", "largest difference")
    row("---", "---", "---")
    files = {}
    for form in forms:
        for quantization in (None, "float16", "dynamic_int8"):
            name = f"{form}, {quantization or 'float32'}"
            files[name] = folder / f"{form}-{quantization}.tflite"
            if not files[name].exists():
                options = {"form": form, "quantization": quantization, "max_length": TOKENS}
                report = export.tflite(model, tokenizer, files[name], **options)
                row(name, f"{report.bytes / 1e6:.1f}", f"{report.largest_difference:.1e}")
    files["Keras `model.export`, float32"] = path = folder / KERAS
    if not path.exists():
        specs = {name: tf.TensorSpec([1, TOKENS], tf.int32, name=name) for name in INPUTS}
        model.export(str(path), format="litert", input_signature=[specs], verbose=False)
    print()
    latency(files, tokenizer)


def latency(files: dict[str, Path], tokenizer) -> None:
    """Milliseconds for a text; all files take turns, in an order of its own each round."""
    runs = {}
    for threads in (1, 2):
        for name, path in files.items():
            runs[name, threads] = _once(path, threads, tokenizer)
    taken, order = {key: [] for key in runs}, list(runs)
    for _ in range(1 + LITE_REPEATS):
        random.shuffle(order)
        for key in order:
            start = time.perf_counter()
            runs[key]()
            taken[key].append(time.perf_counter() - start)
    row("TFLite, 128 tokens", "bytes", "ms, 1 thread", "ms, 2 threads")
    row("---", "---", "---", "---")
    for name, path in files.items():
        cells = [f"{1000 * statistics.median(taken[name, threads][1:]):.1f}" for threads in (1, 2)]
        row(name, f"{size(path):,}", *cells)


def _once(path: Path, threads: int, tokenizer):
    """A function that runs the file once, on a text that is cut at 128 tokens."""
    if path.name == KERAS:
        return runner(path, threads)
    classifier = export.Classifier(path, tokenizer=tokenizer, threads=threads)
    inputs = classifier.inputs(" ".join(["a film"] * TOKENS))
    return lambda: classifier.run(inputs)


KERAS = "keras.tflite"
INPUTS = ("input_ids", "attention_mask")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="a checkpoint with its tokenizer")
    parser.add_argument("--vocabulary", help="a vocab.txt, for a full-size model")
    parser.add_argument("--only", choices=["served", "lite"])
    parser.add_argument("--forms", nargs="+", default=["ids", "text", "mediapipe"])
    parser.add_argument("--folder", help="where files stay; .tflite files in it are not made again")
    options = parser.parse_args()
    if options.model:
        model = TFDistilBertForSequenceClassification.from_pretrained(options.model)
        tokenizer = AutoTokenizer.from_pretrained(options.model)
    elif options.vocabulary:
        tokenizer = DistilBertTokenizer(options.vocabulary)
        config = DistilBertConfig(vocab_size=len(tokenizer.get_vocab()))
        model = TFDistilBertForSequenceClassification(config)
    else:
        parser.error("give --model or --vocabulary")
    with contextlib.ExitStack() as stack:
        folder = Path(options.folder or stack.enter_context(tempfile.TemporaryDirectory()))
        if options.only != "lite":
            served(model, tokenizer, folder)
        if options.only != "served":
            lite(model, tokenizer, folder, options.forms)


if __name__ == "__main__":
    main()
