"""Requests that a server runs before it takes a version into service.

TF Serving replays `assets.extra/tf_serving_warmup_requests`, a TFRecord file of `PredictionLog`
messages, so that no user waits for the first, slow run.

Source: https://www.tensorflow.org/tfx/serving/saved_model_warmup.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from tfkit.export.answers import KerasAnswers
from tfkit.export.report import ExportError
from tfkit.export.samples import SAMPLE_TEXTS
from tfkit.export.serving.requests import inputs_for, strings
from tfkit.utils.values import is_whole, plain

WARMUP_FILE = Path("assets.extra", "tf_serving_warmup_requests")
MOST_RECORDS = 1000  # the server reads no more


def check_warmup(sizes: Sequence[tuple[int, int]], signatures: int) -> None:
    """Raises ValueError unless `sizes` are pairs of numbers above 0, and not too many."""
    for size in sizes:
        if len(size) != 2 or not all(is_whole(plain(number), 1) for number in size):
            raise ValueError(
                "`warmup` must be pairs of whole numbers above 0, (how many texts, of how many "
                f"words); received {size!r}."
            )
    if len(sizes) * signatures > MOST_RECORDS:
        raise ValueError(
            f"`warmup` may make {MOST_RECORDS} requests, the server reads no more; received "
            f"{len(sizes)} sizes for {signatures} signatures."
        )


def warmup_requests(
    signatures: Sequence[str], sizes: Sequence[tuple[int, int]], keras: KerasAnswers
) -> list[tuple[str, Mapping[str, np.ndarray]]]:
    """For each signature and each (texts, words) a request of that size."""
    words = " ".join(SAMPLE_TEXTS).split()
    batches = [[" ".join(itertools.islice(itertools.cycle(words), n))] * b for b, n in sizes]
    return [(name, inputs_for(name, texts, keras)) for name in signatures for texts in batches]


def write_warmup(folder: Path, requests: Sequence[tuple[str, Mapping[str, np.ndarray]]]) -> None:
    """Writes warm-up requests, pairs of a signature's name and its inputs, into a SavedModel.

    Run them before the version is published: one that fails keeps a server from taking it.
    """
    if not requests:
        return
    path = folder / WARMUP_FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests:
            writer.write(_log(signature, inputs).SerializeToString())


def read_warmup(folder: Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """The warm-up requests of a SavedModel, as a session sees them; none if it has no such file.

    Raises:
        ExportError: the file is damaged.
    """
    path = folder / WARMUP_FILE
    if not path.exists():
        return
    try:
        records = [*tf.data.TFRecordDataset(str(path)).as_numpy_iterator()]
        logs = [PredictionLog.FromString(record) for record in records]
    except (tf.errors.DataLossError, DecodeError) as error:
        raise ExportError(
            f"Expected warm-up requests in '{path}'. The file is damaged, or only part of it was "
            "copied. A server would not take the version."
        ) from error
    for log in logs:
        if log.WhichOneof("log_type") == "classify_log":
            request = log.classify_log.request
            examples = request.input.example_list.examples
            inputs = {"inputs": strings([example.SerializeToString() for example in examples])}
        else:
            request = log.predict_log.request
            inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        yield request.model_spec.signature_name, inputs


def _log(signature: str, inputs: Mapping[str, np.ndarray]) -> PredictionLog:
    """One record, for the API that the signature is made for."""
    log = PredictionLog()
    if signature == "classify":
        request = log.classify_log.request
        for example in inputs["inputs"]:
            request.input.example_list.examples.add().ParseFromString(example)
    else:
        request = log.predict_log.request
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    request.model_spec.signature_name = signature
    return log
