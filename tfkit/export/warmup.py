"""Requests that a server runs before it takes a version into service.

TF Serving replays `assets.extra/tf_serving_warmup_requests`, a TFRecord file of `PredictionLog`
messages, so that no user waits for the first, slow run. The message is written by hand, since the
package with its classes (tensorflow-serving-api) would bring gRPC along for six fields.

Source: tensorflow/serving, `apis/prediction_log.proto`, `predict.proto` and `model.proto`;
https://www.tensorflow.org/tfx/serving/saved_model_warmup.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from tfkit.export.answers import KerasAnswers
from tfkit.export.requests import inputs_for
from tfkit.export.samples import SAMPLE_TEXTS

WARMUP_FILE = Path("assets.extra", "tf_serving_warmup_requests")
MOST_RECORDS = 1000  # the server reads no more
# Field numbers on the way from a PredictionLog to a named tensor.
_PREDICT_LOG, _REQUEST, _MODEL_SPEC, _INPUTS = 6, 1, 1, 2
_SIGNATURE_NAME, _KEY, _VALUE = 3, 1, 2


def check_warmup(sizes: Sequence[tuple[int, int]], signatures: int) -> None:
    """Raises ValueError unless `sizes` are pairs of numbers above 0, and not too many."""
    for size in sizes:
        if len(size) != 2 or not all(isinstance(number, int) and number > 0 for number in size):
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
            writer.write(_log(signature, inputs))


def read_warmup(folder: Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """The warm-up requests of a SavedModel; none if it has no such file."""
    path = folder / WARMUP_FILE
    if not path.exists():
        return
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        request = _one(_one(record, _PREDICT_LOG), _REQUEST)
        inputs = {}
        for number, entry in _fields(request):
            if number == _INPUTS:
                tensor = tensor_pb2.TensorProto.FromString(_one(entry, _VALUE))
                inputs[_one(entry, _KEY).decode()] = tf.make_ndarray(tensor)
        yield _one(_one(request, _MODEL_SPEC), _SIGNATURE_NAME).decode(), inputs


def _log(signature: str, inputs: Mapping[str, np.ndarray]) -> bytes:
    request = _field(_MODEL_SPEC, _field(_SIGNATURE_NAME, signature.encode()))
    for name, value in inputs.items():
        tensor = tf.make_tensor_proto(value).SerializeToString()
        request += _field(_INPUTS, _field(_KEY, name.encode()) + _field(_VALUE, tensor))
    return _field(_PREDICT_LOG, _field(_REQUEST, request))


# === The wire format of length-delimited fields (protobuf.dev/programming-guides/encoding) ===


def _field(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        size, at = _read_varint(message, at)
        yield tag >> 3, message[at : at + size]
        at += size


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _one(message: bytes, wanted: int) -> bytes:
    return next(payload for number, payload in _fields(message) if number == wanted)
