"""Loads a SavedModel as a server does, and sends it what users may send."""

from __future__ import annotations

import contextlib
import os
import statistics
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfkit.export.answers import (
    OF_EMBEDDINGS,
    TOLERANCE,
    agreement,
    agreement_of_items,
    batches,
    joined,
    python_rows,
    require_agreement,
    require_finite,
)
from tfkit.export.options import check_tokenizer, texts_or_sample
from tfkit.export.original import Original
from tfkit.export.report import Agreement, ExportError, ServingReport
from tfkit.export.serving.batching import Batching, chunk_size
from tfkit.export.serving.fingerprint import exported_length, exported_options
from tfkit.export.serving.op_audit import audit_saved_model, compute_dtype
from tfkit.export.serving.requests import (
    columns_for,
    inputs_for,
    read_warmup,
    string_inputs,
)
from tfkit.export.serving.server import warn_of_padding
from tfkit.inference.served_model import DiedError, RefusedError, ServedModel
from tfkit.tasks import KINDS_BY_OUTPUTS
from tfkit.tasks.serving import Signature
from tfkit.utils.files import local_path

_REPEATS = 10
_SHORT = "One short sentence to time."
# What a server passes on as it is: must be refused (what -> each input), or must be answered.
_HOSTILE_STRINGS = {"a scalar": "text", "rank 2": [["one", "two"]]}
_TOKEN_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_HOSTILE_TOKENS = {
    "a scalar": (2, 1, 0),
    "rank 1": ([2], [1], [0]),
    "two shapes": ([[2, 2]], [[1]], [[0, 0]]),
    "no tokens": ([[]], [[]], [[]]),
    "an id below 0": ([[-1]], [[1]], [[0]]),
    "padding alone": ([[2]], [[0]], [[0]]),
}
_HOSTILE_TYPES = {
    "token types of another shape": ([[2, 3]], [[1, 1]], [[0]]),
    "a token type below 0": ([[2]], [[1]], [[-1]]),
    "a token type too large": ([[2]], [[1]], [[2**31 - 1]]),
}
_HARMLESS = (
    [],
    [b"\xff\xfe\x80 caf\xc3", b"\xed\xa0\x80"],  # no UTF-8
    [b"\x00", b"a\x00b\x00"],
)
_LONG = ["long " * 200_000]


def verify(
    directory: str | os.PathLike,
    *,
    model=None,
    tokenizer=None,
    max_length: int | None = None,
    texts: Sequence[str] | None = None,
) -> ServingReport:
    """Checks a SavedModel in a process of its own, which has TensorFlow's C library alone.

    It must load, run its warm-up requests, answer texts of many scripts with every signature, and
    give a clean error or the right answer to malformed requests. With `model` and `tokenizer`
    the answers are compared with the Keras model's.

    Args:
        directory: a version folder, or the folder of all versions, of which the highest is taken.
        model, tokenizer: what was exported.
        max_length: tokens to which it truncates texts; an export knows that itself.
        texts: what to send; by default a small sample.

    Raises:
        FileNotFoundError: there is no SavedModel.
        ExportError: it does not load, or answers otherwise than it should.
        ValueError: it was exported from another model or tokenizer, or with another length.
    """
    folder = local_path(directory)
    versions = [path for path in folder.glob("*") if path.name.isdecimal()]
    folder = max(versions, key=lambda path: int(path.name), default=folder)
    texts = texts_or_sample(texts)
    keras = None
    if model is not None:
        check_tokenizer(model, tokenizer)
        length = exported_length(folder, model, tokenizer, max_length)
        keras = Original(model, tokenizer, length, **exported_options(folder))
    warn_of_padding(folder.parent)
    with loaded(folder) as served:
        return check(served, texts, keras)


@contextlib.contextmanager
def loaded(folder: Path) -> Iterator[ServedModel]:
    """The SavedModel in a process of its own; ExportError where it does not load, or dies."""
    try:
        served = ServedModel(folder)
    except (RefusedError, DiedError) as error:
        raise ExportError(
            f"Expected a SavedModel that servers load. '{folder}': {error}"
        ) from error
    try:
        with served:
            yield served
    except (RefusedError, DiedError) as error:
        how = "It refused a good request: " if isinstance(error, RefusedError) else ""
        raise ExportError(f"Expected '{folder}' to answer. {how}{error}") from error


def check(served: ServedModel, texts: list[str], keras: Original | None) -> ServingReport:
    """What `verify` does, on a loaded model."""
    dtypes = {compute_dtype(served.folder), keras.model.compute_dtype if keras else "float32"}
    tolerance = max(TOLERANCE[dtype] for dtype in dtypes)
    ops, first_server = audit_saved_model(served.folder)
    kinds = [name for name in served.signatures if name != "serving_default"]
    warmup = [*read_warmup(served.folder)]
    taking = {name: _string_ranks(served, name) for name in kinds}
    timed = [(name, _strings_for(served, name, [_SHORT])) for name in kinds if taking[name]]
    first, later = _time(served, *(timed or warmup)[0]) if timed or warmup else (None, None)
    for request in warmup:
        served.run(*request)
    compared, refused = {}, []
    for name in kinds:
        if keras is not None:
            compared[name] = _compare(served, name, texts, keras, tolerance)
        elif taking[name]:
            for batch in batches(texts):
                _check_rows(name, served.run(name, _strings_for(served, name, batch)), len(batch))
        refused += [f"{what} ({name})" for what in _refused(served, name)]
    if keras is not None:  # two of the largest batches at once, for the memory that they take
        count = max(1, min(chunk_size(keras.max_length), Batching.max_batch_size))
        inputs = inputs_for(kinds[0], ["a " * keras.max_length] * count, keras)
        with ThreadPoolExecutor(Batching.threads) as pool:
            list(pool.map(lambda _: served.run(kinds[0], inputs), range(Batching.threads)))
    return ServingReport(
        path=served.folder,
        signatures={
            name: f"{', '.join(sorted(signature.inputs))} -> {', '.join(sorted(signature.outputs))}"
            for name, signature in served.signatures.items()
        },
        ops=ops,
        first_server=first_server,
        load_seconds=served.load_seconds,
        first_seconds=first,
        request_seconds=later,
        memory=served.memory,
        warmup_records=len(warmup),
        refused=tuple(refused),
        agreement=compared,
    )


def _time(served: ServedModel, name: str, inputs) -> tuple[float, float]:
    seconds = []
    for _ in range(1 + _REPEATS):
        served.run(name, inputs)
        seconds.append(served.seconds)
    return seconds[0], statistics.median(seconds[1:])


def _compare(
    served: ServedModel, name: str, texts: list[str], keras: Original, tolerance: float
) -> Agreement:
    """Compares what a signature answers: scores and labels, embeddings, or what it finds."""
    signature, parts = keras.signature(name), []
    tolerance *= 1 if signature.bounded else OF_EMBEDDINGS
    for batch in batches(texts):
        inputs, takes = inputs_for(name, batch, keras), served.signatures[name].inputs
        if {*takes} != inputs.keys():
            raise ExportError(
                f"Expected `{name}` to take what the Keras model does, {', '.join(inputs)}. It "
                f"takes {', '.join(sorted(takes))}."
            )
        answers = served.run(name, inputs)
        _check_rows(name, answers, len(batch))
        if signature.read is not None:
            wanted = keras.items(name, columns_for(signature.inputs, signature.sample(batch)))
            given = [signature.read(row) for row in python_rows(answers)]
            margins = signature.margins(*map(tf.constant, inputs.values()))
            parts.append(agreement_of_items(wanted, given, margins, tolerance))
            continue
        wanted = keras.answers(name, inputs)
        labels = _labels(answers, keras) if signature.labelled else None
        each = [
            agreement(wanted[output], answers[output], labels, labelled=signature.labelled)
            for output in signature.compared
        ]
        parts.append(max(each, key=lambda one: one.largest_difference))
    found = joined(parts)
    require_agreement(found, tolerance, f"the signature `{name}`")
    return found


def _labels(answers: dict[str, np.ndarray], keras: Original) -> list[int] | None:
    """The class numbers of the labels in an answer; None for one without."""
    names = [*keras.model.config.id2label.values()]
    if "label" in answers:
        said = answers["label"]
    elif "classes" in answers:
        best = answers["scores"].argmax(-1)
        said = [row[place] for row, place in zip(answers["classes"], best)]
    else:
        return None
    return [_class(name.decode(), names, row) for name, row in zip(said, answers["scores"])]


def _class(name: str, names: list[str], scores: np.ndarray) -> int:
    """The number of a class; the one of the highest score, if several have the name."""
    numbers = [number for number, known in enumerate(names) if known == name]
    if not numbers:
        raise ExportError(f"Expected one of the labels {names}. The exported model gave {name!r}.")
    return max(numbers, key=lambda number: scores[number])


def _check_rows(name: str, answers: dict[str, np.ndarray], count: int) -> None:
    """Raises ExportError for answers that are wrong for any model."""
    for output, value in answers.items():
        if len(value) != count:
            raise ExportError(
                f"Expected {count} rows from `{name}`, one per text. `{output}` has {len(value)}."
            )
        if value.dtype != object:
            require_finite(value, f"`{output}` of `{name}`")


def _string_ranks(served: ServedModel, name: str) -> dict[str, int]:
    """The inputs of strings that a signature takes, and their ranks."""
    return {
        key: tf.TensorShape(info.tensor_shape).rank
        for key, info in sorted(served.signatures[name].inputs.items())
        if info.dtype == tf.string.as_datatype_enum
    }


def _strings_for(served: ServedModel, name: str, texts: list) -> dict[str, np.ndarray]:
    """What asks a signature of strings about any texts."""
    method = served.signatures[name].method_name.rpartition("/")[-1]
    return string_inputs(_string_ranks(served, name), method, texts)


def _refused(served: ServedModel, name: str) -> list[str]:
    """Sends what must be answered and what must be refused; the latter, by name."""
    names, ranks = [*served.signatures[name].inputs], _string_ranks(served, name)
    if ranks:
        for texts in _HARMLESS:
            answers = served.run(name, _strings_for(served, name, texts))
            _check_rows(name, answers, len(texts))
        hostile = {what: dict.fromkeys(names, value) for what, value in _HOSTILE_STRINGS.items()}
        outputs, long = (
            frozenset(served.signatures[name].outputs),
            _strings_for(served, name, _LONG),
        )
        if KINDS_BY_OUTPUTS.get(outputs, Signature).cuts:
            _check_rows(name, served.run(name, long), len(_LONG))
        else:
            hostile["a text too long"] = long
    else:
        known = _TOKEN_INPUTS[: len(names)]
        rows = _HOSTILE_TOKENS | (_HOSTILE_TYPES if known == _TOKEN_INPUTS else {})
        hostile = {what: dict(zip(known, row)) for what, row in rows.items()}
        hostile = hostile if {*names} == {*known} else {}
    for what, inputs in hostile.items():
        try:
            served.run(name, inputs)
        except RefusedError:
            continue
        raise ExportError(f"Expected `{name}` to refuse {what}. It answered.")
    return list(hostile)
