"""Asks a running server: REST with the standard library, or gRPC."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

_ADDRESS = "http://HOST:8501/v1/models/NAME or grpc://HOST:8500/NAME"


class ServerError(RuntimeError):
    """The server answered with an error, or not at all."""


def ask(url: str, texts: Sequence[str], *, timeout: float = 30.0) -> list[dict]:
    """Labels and scores of texts, from a server that has the signature `text`.

    Args:
        url: `http://HOST:8501/v1/models/NAME` (or https), to which `/versions/N` or `/labels/L`
            may be added, or `grpc://HOST:8500/NAME`.
        texts: what to classify; one request takes them all.
        timeout: seconds to wait.

    Returns:
        For each text a dict with `label`, `score` and `scores`.

    Raises:
        ValueError: `url` is of neither form.
        ImportError: gRPC needs the extra `serving`.
        ServerError: the server refused, or cannot be reached.

    Example:

        ask("http://localhost:8501/v1/models/reviews", ["What a good day."])
        # [{"label": "positive", "score": 0.98, "scores": [0.02, 0.98]}]
    """
    parts = urllib.parse.urlsplit(url)
    path = parts.path.strip("/")
    if parts.scheme in ("http", "https") and parts.netloc and path:
        return _rest(f"{url.rstrip('/')}:predict", list(texts), timeout)
    if parts.scheme == "grpc" and parts.port and path and "/" not in path:
        return _grpc(parts.netloc, path, list(texts), timeout)
    raise ValueError(f"Expected a server's address, {_ADDRESS}. Received: {url!r}.")


def _rest(url: str, texts: list[str], timeout: float) -> list[dict]:
    body = json.dumps({"signature_name": "text", "instances": texts}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return json.load(response)["predictions"]
    except urllib.error.HTTPError as error:
        raise ServerError(f"'{url}' refused the request: {_reason(error)}") from error
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise ServerError(f"No answer from '{url}': {reason}. Is the server running?") from error
    except (ValueError, KeyError) as error:
        raise ServerError(
            f"'{url}' gave no predictions: is it TF Serving's REST port (8501)?"
        ) from error


def _reason(error: urllib.error.HTTPError) -> str:
    """What the server says is wrong, in its documented JSON, or else the status."""
    try:
        return json.load(error)["error"]
    except (ValueError, KeyError, TypeError):
        return f"status {error.code} {error.reason}."


def _grpc(address: str, name: str, texts: list[str], timeout: float) -> list[dict]:
    try:
        import grpc
        from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
    except ImportError as error:
        raise ImportError(
            "Addresses that begin with grpc:// need the extra `serving`: "
            "pip install 'tfkit[serving]'. Or use the REST address, http://HOST:8501/v1/models/NAME."
        ) from error
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = name, "text"
    strings = [text.encode() for text in texts]
    request.inputs["text"].CopyFrom(tf.make_tensor_proto(strings, tf.string, [len(texts)]))
    with grpc.insecure_channel(address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        try:
            outputs = stub.Predict(request, timeout=timeout).outputs
        except grpc.RpcError as error:
            raise ServerError(
                f"'grpc://{address}/{name}' refused the request: "
                f"{error.code().name}, {error.details()}"
            ) from error
    values = {key: tf.make_ndarray(outputs[key]) for key in ("label", "score", "scores")}
    return [dict(zip(values, map(_plain, row))) for row in zip(*values.values())]


def _plain(value):
    return value.decode() if isinstance(value, bytes) else np.asarray(value).tolist()
