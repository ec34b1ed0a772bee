"""What exports cost and give, against Keras' own `model.export`, on one model in one run.

    python -m benchmarks.export --model FOLDER            # a checkpoint with its tokenizer
    python -m benchmarks.export --vocabulary vocab.txt    # full size, random weights

Served: size, time to load, memory, and texts a second through TensorFlow's C library, strings in,
against `model.predict` on the same strings. TFLite: size and latency of each form.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from tfkit import (
    AutoTokenizer,
    DistilBertConfig,
    DistilBertTokenizer,
    TFDistilBertForSequenceClassification,
    export,
)
from tfkit.export.served import ServedModel

TOKENS, BATCH, REPEATS = 128, 32, 8
TEXTS = [text for text in export.samples.SAMPLE_TEXTS if 0 < len(text) < 100]


def seconds(run, repeats: int = REPEATS) -> float:
    """The median of several runs, after one to warm up."""
    run()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def row(*cells) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def size(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def served(model, tokenizer, folder: Path) -> None:
    """The SavedModel, ours and Keras'."""
    report = export.saved_model(model, tokenizer, folder / "ours", server_files=False)
    ids = [tf.TensorSpec([None, None], tf.int32, name=name) for name in INPUTS]
    model.export(str(folder / "keras"), input_signature=[dict(zip(INPUTS, ids))], verbose=False)
    batch = {name: np.ones([1, 16], np.int32) for name in INPUTS}
    row("SavedModel", "MB", "load s", "first request s", "memory MB")
    row("---", "---", "---", "---", "---")
    for name, path in (("tfkit", report.path), ("Keras model.export", folder / "keras")):
        with ServedModel(path) as process:
            if name == "tfkit":
                process.run("tokens", batch)
            else:
                inputs = process.signatures["serving_default"].inputs
                process.run("serving_default", {key: np.ones([1, 16]) for key in inputs})
            row(
                name,
                f"{size(path) / 1e6:.1f}",
                f"{process.load_seconds:.2f}",
                f"{process.seconds:.2f}",
                f"{process.memory / 1e6:.0f}",
            )
    texts = (TEXTS * BATCH)[:BATCH]
    tokenize = tokenizer.as_layer()
    dataset = tf.data.Dataset.from_tensor_slices(texts).batch(BATCH).map(tokenize)
    predict = seconds(lambda: model.predict(dataset, verbose=0))
    with ServedModel(report.path) as process:
        served_seconds = seconds(lambda: process.run("text", {"text": texts}))
    print(f"\n{BATCH} strings: served {BATCH / served_seconds:.1f} texts/s, ", end="")
    print(f"model.predict {BATCH / predict:.1f} texts/s\n")


def lite(model, tokenizer, folder: Path) -> None:
    """The `.tflite` files, ours and Keras'."""
    row("TFLite, 128 tokens", "MB", "ms, 1 thread", "ms, 2 threads", "largest difference")
    row("---", "---", "---", "---", "---")
    for form in ("ids", "text", "mediapipe"):
        for quantization in (None, "float16", "dynamic_int8"):
            report = export.tflite(
                model,
                tokenizer,
                folder / "ours.tflite",
                form=form,
                quantization=quantization,
                max_length=TOKENS,
            )
            row(
                f"{form}, {quantization or 'float32'}",
                f"{report.bytes / 1e6:.1f}",
                *(f"{1000 * value:.0f}" for value in report.latency.values()),
                f"{report.largest_difference:.1e}",
            )
    specs = {name: tf.TensorSpec([1, TOKENS], tf.int32, name=name) for name in INPUTS}
    path = folder / "keras.tflite"
    model.export(str(path), format="litert", input_signature=[specs], verbose=False)
    latency = []
    for threads in (1, 2):
        interpreter = Interpreter(str(path), num_threads=threads)
        interpreter.allocate_tensors()
        for detail in interpreter.get_input_details():
            interpreter.set_tensor(detail["index"], np.ones(detail["shape"], detail["dtype"]))
        latency.append(f"{1000 * seconds(interpreter.invoke):.0f}")
    row("Keras model.export, float32", f"{size(path) / 1e6:.1f}", *latency, "")


INPUTS = ("input_ids", "attention_mask")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="a checkpoint with its tokenizer")
    parser.add_argument("--vocabulary", help="a vocab.txt, for a full-size model")
    parser.add_argument("--only", choices=["served", "lite"])
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
    with tempfile.TemporaryDirectory() as folder:
        for name, run in (("served", served), ("lite", lite)):
            if options.only in (None, name):
                run(model, tokenizer, Path(folder))


if __name__ == "__main__":
    main()
