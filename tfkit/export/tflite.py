"""A `.tflite` file for phones: LiteRT."""

from __future__ import annotations

import os
import re
import statistics
import time
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfkit.export.answers import TOLERANCE, KerasAnswers, agreement, demand
from tfkit.export.dtypes import in_dtype
from tfkit.export.lite import Classifier
from tfkit.export.mediapipe import answers_of_mediapipe, vocabulary_lines
from tfkit.export.op_audit import audit_tflite
from tfkit.export.options import one_line_labels, one_of, writable_file
from tfkit.export.report import ExportError, TFLiteReport
from tfkit.export.samples import sample
from tfkit.export.signatures import weights_only
from tfkit.export.tflite_forms import CUSTOM_OPS, finish, trace
from tfkit.files import staged
from tfkit.models.inputs import token_limit

# How far a score may be from the Keras model's. Eight-bit weights are reported, not judged: what
# they cost depends on the model, and the report says it.
_TOLERANCE = {None: 1e-4, "float16": 2e-2, "dynamic_int8": None}
_THREADS = (1, 2)
# Between two runs of the same file on the same tokens.
_SAME = 1e-4
# Texts that every tokenizer of BERT's kind reads alike.
_PLAIN = re.compile("[A-Za-z ,.]{1,300}")


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
    else in the interpreter that comes with TensorFlow. The form "mediapipe" runs in MediaPipe's
    `TextClassifier` too, where that is installed.

    Args:
        model: a `TFDistilBertForSequenceClassification`.
        tokenizer: its tokenizer.
        path: the file to write.
        form: what goes in and out.
            "ids": `input_ids` and `attention_mask`, int32 `[1,T]`, to `scores`, float32 `[1,C]`;
            for apps that have a tokenizer of their own.
            "mediapipe": for MediaPipe Tasks' `TextClassifier` (Android, iOS, web, Python), which
            brings a tokenizer; vocabulary and labels are in the file. That tokenizer lower-cases
            ASCII only and keeps accents: the report names the texts that it answers otherwise.
            "text": `text`, a string `[1]`, to `label` `[1]` and `scores` `[1,C]`; the tokenizer
            is in the file. The app has to register tensorflow-text's two kernels. Added tokens have
            to begin and end with punctuation, as special tokens do (`tfkit.text.portable`).
        quantization: of the weights. None keeps float32; "float16" halves the file; with
            "dynamic_int8" it is a quarter, and faster on most processors (needs a runtime from
            TensorFlow 2.17 on).
        max_length: T, the fixed number of tokens; shorter texts are padded, longer ones cut.
        texts: what to compare with the Keras model on; by default a small sample of many scripts.

    Returns:
        Size, operators, latency, and how far the answers are from the Keras model's.

    Raises:
        ValueError: an option is out of range, a label does not fit on a line, MediaPipe cannot
            use the vocabulary, or the form "text" cannot find an added token.
        NotADirectoryError, IsADirectoryError, PermissionError: `path` cannot be written.
        ExportError: what was written answers otherwise than the model, or needs more than
            the operators it should. Nothing is left behind.
    """
    one_of("form", form, CUSTOM_OPS)
    one_of("quantization", quantization, _TOLERANCE)
    max_length = token_limit(model, tokenizer, max_length)
    one_line_labels(model)
    if form == "mediapipe":
        vocabulary_lines(tokenizer)
    path = writable_file(path)
    texts = sample(texts)

    original, model = model, in_dtype(model, "float32")  # what TFLite's kernels compute in
    converted = _convert(trace(form, model, tokenizer, max_length), model, quantization)
    ops = audit_tflite(converted, CUSTOM_OPS[form])
    content = finish(form, converted, model, tokenizer)
    expected = KerasAnswers(original, tokenizer, max_length).scores(texts)
    received, latency = {}, {}
    for threads in _THREADS:
        classifier = Classifier(content, tokenizer=tokenizer, threads=threads)
        received[threads], latency[threads] = _answers(classifier, texts)
    compared = agreement(expected, received[1])
    if _TOLERANCE[quantization] is not None:
        tolerance = max(_TOLERANCE[quantization], TOLERANCE[original.compute_dtype])
        demand(compared, tolerance, f"the TFLite file '{path}'")
    deployed = answers_of_mediapipe(content, texts) if form == "mediapipe" else None
    otherwise = []
    if deployed is not None:
        otherwise = [text for text, *pair in zip(texts, deployed, received[1]) if _far(*pair)]
        _demand_plain_texts(otherwise)
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
        deployed=None if deployed is None else agreement(expected, deployed),
        otherwise=tuple(otherwise),
    )


def _convert(function, model, quantization: str | None) -> bytes:
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], weights_only(model))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    # Lets through whatever has no builtin operator; the audit then says what that may be.
    converter.allow_custom_ops = True
    if quantization is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    return converter.convert()


def _answers(classifier: Classifier, texts: list[str]) -> tuple[np.ndarray, float]:
    """Scores `[B,C]`, and the median of the seconds that the interpreter took for a text."""
    rows, seconds = [], []
    for text in texts:
        inputs = classifier.inputs(text)
        start = time.perf_counter()
        rows.append(classifier.run(inputs)["scores"][0])
        seconds.append(time.perf_counter() - start)
    return np.stack(rows), statistics.median(seconds)


def _far(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.abs(one - other).max() > _SAME)


def _demand_plain_texts(otherwise: list[str]) -> None:
    for text in filter(_PLAIN.fullmatch, otherwise):
        raise ExportError(
            f"Expected MediaPipe to answer the plain text {text!r} as the file does when it is fed "
            "with the model's own tokens."
        )
