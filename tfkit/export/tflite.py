"""A `.tflite` file for phones: LiteRT."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfkit.export.answers import KerasAnswers, agreement, demand, scores
from tfkit.export.op_audit import audit_tflite
from tfkit.export.options import one_line_labels, one_of, token_limit, writable_file
from tfkit.export.report import TFLiteReport
from tfkit.export.samples import SAMPLE_TEXTS
from tfkit.export.signatures import weights_only
from tfkit.files import staged

FORMS = ("ids",)
# How far a score may be from the Keras model's. Eight-bit weights are reported, not judged: what
# they cost depends on the model, and the report says it.
_TOLERANCE = {None: 1e-4, "float16": 2e-2, "dynamic_int8": None}
_THREADS = (1, 2)


def tflite(
    model,
    tokenizer,
    path: str | os.PathLike,
    *,
    form: str = "ids",
    quantization: str | None = None,
    max_length: int = 128,
    texts: Sequence[str] | None = None,
) -> TFLiteReport:
    """Writes a `.tflite` file, and runs it on texts to compare it with the Keras model.

    It runs in LiteRT (`ai-edge-litert`, in the extra `mobile`) where that is installed, and
    else in the interpreter that comes with TensorFlow: the same kernels, of an older release.

    Args:
        model: a `TFDistilBertForSequenceClassification`.
        tokenizer: its tokenizer.
        path: the file to write.
        form: "ids": `input_ids` and `attention_mask`, int32 `[1,T]` each, to `scores`, float32
            `[1,C]`: for apps that have a tokenizer of their own.
        quantization: of the weights. None keeps float32; "float16" halves the file; with
            "dynamic_int8" it is a quarter, and faster on most processors (needs a runtime from
            TensorFlow 2.17 on).
        max_length: T, the fixed number of tokens; shorter texts are padded, longer ones cut.
        texts: what to compare with the Keras model on; by default a small sample of many scripts.

    Returns:
        Size, operators, latency, and how far the answers are from the Keras model's.

    Raises:
        ValueError: an option is out of range, or a label does not fit on a line.
        NotADirectoryError, IsADirectoryError, PermissionError: `path` cannot be written.
        ExportError: what was written answers otherwise than the model, or needs more than
            builtin operators. Nothing is left behind.
    """
    one_of("form", form, FORMS)
    one_of("quantization", quantization, _TOLERANCE)
    max_length = token_limit(model, tokenizer, max_length)
    one_line_labels(model)
    path = writable_file(path)
    texts = list(SAMPLE_TEXTS if texts is None else texts)

    content = _convert(model, max_length, quantization)
    ops = audit_tflite(content)
    runs = {threads: _runner(content, tokenizer, max_length, threads) for threads in _THREADS}
    received, latency = {}, {}
    for threads, run in runs.items():
        received[threads], latency[threads] = _answers(run, texts)
    expected = KerasAnswers(model, tokenizer, max_length).scores(texts)
    compared = agreement(expected, received[1])
    if _TOLERANCE[quantization] is not None:
        demand(compared, _TOLERANCE[quantization], f"the TFLite file '{path}'")
    with staged(path.parent) as stage:
        (stage / path.name).write_bytes(content)
    return TFLiteReport(
        path=path,
        bytes=len(content),
        form=form,
        quantization=quantization,
        max_length=max_length,
        ops=ops,
        weight_bytes=4 * model.count_params(),
        agreement=compared,
        latency=latency,
    )


def _convert(model, max_length: int, quantization: str | None) -> bytes:
    inputs = [
        tf.TensorSpec([1, max_length], tf.int32, name=name)
        for name in ("input_ids", "attention_mask")
    ]

    @tf.function(input_signature=inputs)
    def classify(input_ids, attention_mask):
        batch = {"input_ids": input_ids, "attention_mask": attention_mask}
        return {"scores": scores(model.config, model(batch, training=False).logits)}

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [classify.get_concrete_function()], weights_only(model)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantization is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    return converter.convert()


def _runner(content: bytes, tokenizer, max_length: int, threads: int) -> Callable:
    interpreter = interpreter_class()(model_content=content, num_threads=threads)
    run = interpreter.get_signature_runner()
    tokenize = tokenizer.as_layer(max_length=max_length, padding="max_length")

    def classify(text: str) -> tuple[np.ndarray, float]:
        batch = {name: ids.numpy() for name, ids in tokenize(tf.constant([text])).items()}
        start = time.perf_counter()
        answer = run(**batch)["scores"][0]
        return answer, time.perf_counter() - start

    return classify


def interpreter_class():
    """LiteRT's interpreter, or the one that comes with TensorFlow where LiteRT is not installed."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        return tf.lite.Interpreter
    return Interpreter


def _answers(run: Callable, texts: list[str]) -> tuple[np.ndarray, float]:
    answers, seconds = zip(*[run(text) for text in texts])
    return np.stack(answers), statistics.median(seconds)
