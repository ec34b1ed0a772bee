"""One text on one core, as on a phone: tfkit's `.tflite` files beside plain conversions.

    python -m benchmarks.phones [shipped] [FOLDER …] [--lengths 32 64 128] [--rounds 40]

A model is a Hugging Face folder, whose head may be new, or the small model that comes with tfkit.
Beside its files of the form `ids` stand a BERT of KerasHub's of the same shape, converted as it is,
and a graph of MobileBERT's shape (Sun et al. 2020, https://arxiv.org/abs/2004.02984), which
MediaPipe's own text classifier has; both have random weights, which cost the same. All files take
turns in one process that is bound to one core; memory is that of a process that runs one file. The
lines of MediaPipe run its task, strings in, on tfkit's file of the form `mediapipe`. Prints
Markdown.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

KINDS = {"float32": None, "float16": "float16", "int8": "dynamic_int8"}
TEXT = "a film that is as good as the book it was made of "


def runner(path: Path, threads: int = 1):
    """A function that runs the file once."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(str(path), num_threads=threads).get_signature_runner()
    details = run.get_input_details()
    inputs = {name: np.ones(value["shape"], value["dtype"]) for name, value in details.items()}
    return lambda: run(**inputs)


# === Peers ===


def keras_hub_bert(config, length: int):
    """A BERT of KerasHub's with that shape, and a classifier on its pooled output."""
    import keras
    import keras_nlp

    body = keras_nlp.models.BertBackbone(
        vocabulary_size=config.vocab_size,
        num_layers=config.num_hidden_layers,
        num_heads=config.num_attention_heads,
        hidden_dim=config.hidden_size,
        intermediate_dim=config.intermediate_size,
        max_sequence_length=config.max_position_embeddings,
    )
    inputs = {name: keras.Input((length,), 1, dtype="int32", name=name) for name in body.input}
    logits = keras.layers.Dense(config.num_labels)(body(inputs)["pooled_output"])
    return keras.Model(inputs, keras.ops.softmax(logits))


def mobile_bert(length: int):
    """The graph of MobileBERT: 24 blocks of width 512 that compute at 128, without LayerNorm."""
    import keras
    from keras import layers, ops

    class Scale(layers.Layer):
        """NoNorm: a factor and a shift of each column."""

        def build(self, shape):
            self.factor = self.add_weight(shape=shape[-1:], initializer="ones")
            self.shift = self.add_weight(shape=shape[-1:], initializer="zeros")

        def call(self, x):
            return x * self.factor + self.shift

    def heads(x):
        return ops.transpose(ops.reshape(x, (1, length, 4, 32)), (0, 2, 1, 3))

    names = ("ids", "mask", "segment_ids")
    inputs = {name: keras.Input((length,), 1, dtype="int32", name=name) for name in names}
    x = layers.Embedding(30522, 128)(inputs["ids"])
    around = [
        ops.pad(x[:, 1:], [[0, 0], [0, 1], [0, 0]]),
        x,
        ops.pad(x[:, :-1], [[0, 0], [1, 0], [0, 0]]),
    ]
    x = layers.Dense(512)(ops.concatenate(around, axis=-1))
    x += layers.Embedding(2, 512)(inputs["segment_ids"])
    x = Scale()(x + layers.Embedding(512, 512)(ops.arange(length)[None]))
    bias = 1e4 * (ops.cast(inputs["mask"][:, None, None, :], "float32") - 1)
    for _ in range(24):
        narrow, shared = (Scale()(layers.Dense(128)(x)) for _ in range(2))
        query, key, value = (heads(layers.Dense(128)(y)) for y in (shared, shared, x))
        scores = ops.softmax(ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) / 32**0.5 + bias)
        context = ops.reshape(
            ops.transpose(ops.matmul(scores, value), (0, 2, 1, 3)), (1, length, 128)
        )
        y = Scale()(layers.Dense(128)(context) + narrow)
        for _ in range(4):
            y = Scale()(layers.Dense(128)(layers.Dense(512, activation="relu")(y)) + y)
        x = Scale()(layers.Dense(512)(y) + x)
    return keras.Model(inputs, ops.softmax(layers.Dense(2)(x[:, 0])))


def converted(model, kind: str, path: Path) -> None:
    """As TensorFlow's converter makes it of any Keras model."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if kind != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "float16":
            converter.target_spec.supported_types = [tf.float16]
        path.write_bytes(converter.convert())


# === Files ===


def files_of(source: str, lengths, folder: Path) -> dict[tuple[str, str, int], Path]:
    """Who, in what, for how many tokens -> a file."""
    from tfkit import AutoTokenizer, TFAutoModelForSequenceClassification, export
    from tfkit.demo.shipped import small_model

    files = {}
    if source == "MobileBERT":
        for length in lengths:
            model = mobile_bert(length)
            for kind in KINDS:
                path = files["MobileBERT's shape", kind, length] = (
                    folder / f"{kind}-{length}.tflite"
                )
                converted(model, kind, path)
        return files
    name = small_model() if source == "shipped" else source
    model = TFAutoModelForSequenceClassification.from_pretrained(name)
    tokenizer = AutoTokenizer.from_pretrained(name)
    for length in lengths:
        plain = keras_hub_bert(model.config, length)
        for kind, quantization in KINDS.items():
            path = files["tfkit", kind, length] = folder / f"tfkit-{kind}-{length}.tflite"
            options = {"quantization": quantization, "max_length": length}
            export.tflite(model, tokenizer, path, form="ids", **options)
            path = files["KerasHub", kind, length] = folder / f"hub-{kind}-{length}.tflite"
            converted(plain, kind, path)
            path = files["tfkit in MediaPipe", kind, length] = folder / f"mp-{kind}-{length}.tflite"
            export.tflite(model, tokenizer, path, form="mediapipe", **options)
    return files


def asked(who: str, path: Path):
    """A function that runs the file once."""
    if who != "tfkit in MediaPipe":
        return runner(path)
    from mediapipe.tasks.python import text

    task = text.TextClassifier.create_from_model_path(str(path))
    words = TEXT * 20
    return lambda: task.classify(words)


def main() -> None:
    from tfkit.export.mobile._tflite import peak_memory

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["shipped"])
    parser.add_argument("--lengths", nargs="+", type=int, default=[32, 64, 128])
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    for source in [*options.models, "MobileBERT"]:
        with tempfile.TemporaryDirectory() as folder:
            files = files_of(source, options.lengths, Path(folder))
            everywhere = os.sched_getaffinity(0)
            os.sched_setaffinity(0, {min(everywhere)})
            runs = {key: asked(key[0], path) for key, path in files.items()}
            taken = {key: [] for key in runs}
            for _ in range(1 + options.rounds):
                for key, run in runs.items():
                    start = time.perf_counter()
                    run()
                    taken[key].append(1e3 * (time.perf_counter() - start))
            os.sched_setaffinity(0, everywhere)
            print(f"\n{source}:\n")
            print(
                "| |", " | ".join(f"{n} tokens, ms" for n in options.lengths), "| MB | memory, MB |"
            )
            print("| --- |" + " --- |" * (len(options.lengths) + 2))
            for who, kind in dict.fromkeys(key[:2] for key in files):
                cells = [
                    f"{statistics.median(taken[who, kind, n][1:]):.2f}" for n in options.lengths
                ]
                last = files[who, kind, options.lengths[-1]]
                cells.append(f"{last.stat().st_size / 1e6:.1f}")
                cells.append(
                    "" if "MediaPipe" in who else f"{peak_memory(last.read_bytes()) / 1e6:.0f}"
                )
                print(f"| {who}, {kind} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
