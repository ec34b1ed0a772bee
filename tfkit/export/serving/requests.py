"""Requests to each signature, the Keras model's answers to them, and warm-up requests.

TF Serving replays `assets.extra/tf_serving_warmup_requests`, a TFRecord file of `PredictionLog`
messages, before it takes a version into service, so that no user waits for the first, slow run.

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

from tfkit.export.options import SAMPLE_TEXTS
from tfkit.export.original import Original
from tfkit.export.report import ExportError
from tfkit.models.inputs import takes_token_types, tells_texts_apart
from tfkit.utils.strings import array_of, utf8
from tfkit.utils.values import is_whole, plain

WARMUP_FILE = Path("assets.extra", "tf_serving_warmup_requests")
MOST_RECORDS = 1000  # the server reads no more


def example(text: str | bytes) -> bytes:
    """A serialised tf.Example with the feature `text`."""
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[utf8(text)]))
    features = tf.train.Features(feature={"text": feature})
    return tf.train.Example(features=features).SerializeToString()


def _as_is(text: str | bytes) -> str | bytes:
    return text


def columns_for(inputs: Mapping[str, int], texts: Sequence) -> list[list]:
    """A column of texts for each input, name -> rank: the same texts, turned round for every second
    one, so that they differ; of rank 2, both.
    """
    turned = list(texts)[::-1]
    columns = [list(texts) if number % 2 == 0 else turned for number in range(len(inputs))]
    return [
        column if rank == 1 else [list(pair) for pair in zip(column, turned[::-1])]
        for column, rank in zip(columns, inputs.values())
    ]


def string_inputs(inputs: Mapping[str, int], method: str, texts: Sequence) -> dict:
    """The tensors of strings that ask a signature about texts."""
    make = example if method == "classify" else _as_is
    columns = columns_for(inputs, [make(text) for text in texts])
    named = zip(inputs.items(), columns)
    return {name: array_of(column, rank) for (name, rank), column in named}


def _as_is(text: str | bytes) -> str | bytes:
    return text


def inputs_for(signature: str, texts: Sequence[str], keras: Original) -> Mapping:
    """The tensors that ask `signature` about `texts`; pairs take the same texts, turned round."""
    asked = keras.signature(signature)
    texts = asked.sample(texts)
    if asked.inputs:
        return string_inputs(asked.inputs, asked.method, texts)
    layer = keras.tokenizer.as_layer(
        max_length=keras.max_length,
        padding="longest",
        pairs=tells_texts_apart(keras.model),
        return_token_type_ids=takes_token_types(keras.model),
    )
    batch = layer([texts, texts[::-1]] if layer.pairs else texts)
    rows = {name: batch[name].numpy() for name in keras.model.model_input_names}
    if keras.model.batch_axes == 1:
        return rows
    return {name: np.stack([each, each[::-1]], 1) for name, each in rows.items()}


def check_warmup(sizes: Sequence[tuple[int, int]], signatures: int) -> None:
    """Raises ValueError unless `sizes` are pairs of positive integers, and not too many."""
    for size in sizes:
        if len(size) != 2 or not all(is_whole(plain(number), 1) for number in size):
            raise ValueError(
                "`warmup` must be pairs of positive integers, (number of texts, words per text); "
                f"received {size!r}."
            )
    if len(sizes) * signatures > MOST_RECORDS:
        raise ValueError(
            f"`warmup` must make at most {MOST_RECORDS} requests, the server reads no more; "
            f"received {len(sizes)} sizes for {signatures} signatures."
        )


def warmup_requests(
    signatures: Sequence[str], sizes: Sequence[tuple[int, int]], keras: Original
) -> list[tuple[str, Mapping[str, np.ndarray]]]:
    """A request for each signature and each size (texts, words)."""
    words = " ".join(SAMPLE_TEXTS).split()
    batches = [[" ".join(itertools.islice(itertools.cycle(words), n))] * b for b, n in sizes]
    return [(name, inputs_for(name, texts, keras)) for name in signatures for texts in batches]


def write_warmup(folder: Path, requests: Sequence[tuple[str, Mapping[str, np.ndarray]]]) -> None:
    """Writes requests (signature, inputs) that a server runs, and on whose failure it refuses the
    version: run them before it is published.
    """
    if not requests:
        return
    path = folder / WARMUP_FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests:
            writer.write(_log(signature, inputs).SerializeToString())


def read_warmup(folder: Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """The warm-up requests of a SavedModel, as a session gets them; none without such a file."""
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
            inputs = {"inputs": array_of([example.SerializeToString() for example in examples])}
        else:
            request = log.predict_log.request
            inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        yield request.model_spec.signature_name, inputs


def _log(signature: str, inputs: Mapping[str, np.ndarray]) -> PredictionLog:
    """One record, for the API of the signature."""
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
