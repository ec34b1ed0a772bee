"""Asks a running server, by REST or gRPC."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import re
import urllib.error
import urllib.request
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfkit.export.answers import python_rows
from tfkit.tasks import KINDS_BY_OUTPUTS
from tfkit.tasks.serving import Signature
from tfkit.utils.strings import list_of, utf8
from tfkit.utils.values import finite, is_whole, positive_integer

# Scheme, host with port, name, and optionally a version or label.
_ADDRESS = re.compile(
    r"(https?|grpcs?)://([^/?#\s]+)/(?:v1/models/)?([^/:?#\s]+)"
    r"(?:/(?:versions/(\d+)|labels/([^/:?#\s]+)))?(?::predict|/)?"
)
# What reading a malformed answer raises: no JSON, other JSON, no HTTP, or half of it.
_MALFORMED = (ValueError, LookupError, TypeError, RecursionError, http.client.HTTPException)
# Part of the server's message -> remedy.
_REMEDIES = {
    "not found in signature def": "Export the model with the signature 'text'.",
    "Serving signature key": "Export the model with the signature 'text'.",
    "larger than maximum input batch size": "Send fewer texts per request: `batch_size`.",
    "queue to which this task was submitted is full": "The server is behind: ask again later.",
    "Deadline": "Send fewer texts per request (`batch_size`), or wait longer (`timeout`).",
}


class ServerError(RuntimeError):
    """The server answered with an error, or not at all."""


def ask(
    url: str, texts: Sequence[str | dict], *, batch_size: int = 32, timeout: float = 30.0
) -> list:
    """What a server that has the signature `text` answers to texts.

    Args:
        url: `http://HOST:8501/v1/models/NAME` (or https), or `grpc://HOST:8500/NAME` (or grpcs);
            `/versions/N` or `/labels/L` may follow, and `:predict`.
        texts: strings, or where `text` has other inputs than `text`, dicts of them by name: of
            question answering `question` and `context`, of multiple choice `prompt` and `choices`,
            a list of strings, whose number may differ.
        batch_size: texts per request; more are sent in several, one after the other.
        timeout: seconds to wait for each.

    Returns:
        For each text a dict with `label`, `score` and `scores`; of multiple choice `choice`, its
        number from 0, in place of the label; of a model that finds something
        in texts a list of dicts: of a token classifier `label`, `score`, and `start` and `end` in
        characters; of question answering `answer` in place of the label; of a masked language
        model `mask`, which one, `token` and `score`.

    Raises:
        TypeError: `texts` is no list of strings.
        ValueError: `url` is of neither form, or `batch_size` is no positive integer.
        ServerError: the server refused, cannot be reached, or does not answer as a model that
            tfkit exported; a score is NaN, say.

    Example:

        ask("http://localhost:8501/v1/models/reviews", ["What a good day."])
        # [{"label": "positive", "score": 0.98, "scores": [0.02, 0.98]}]
    """
    return asked(url, texts, batch_size=batch_size, timeout=timeout)[1]


def asked(
    url: str, texts: Sequence[str | dict], *, batch_size: int = 32, timeout: float = 30.0
) -> tuple[str, list]:
    """What a list of such answers is called, as labels or entities, and what `ask` gives."""
    parts = _ADDRESS.fullmatch(url)
    scheme, host, name, version, label = parts.groups() if parts else (None,) * 5
    rest = scheme in ("http", "https")
    if not parts or rest != ("/v1/models/" in url) or not (rest or ":" in host):
        raise ValueError(
            "Expected a server's address, http://HOST:8501/v1/models/NAME or "
            f"grpc://HOST:8500/NAME. Received: {url!r}."
        )
    address = url.removesuffix(":predict").rstrip("/")
    batch_size = positive_integer("batch_size", batch_size)
    if isinstance(texts, (str, bytes)):
        raise TypeError(f"Expected a list of texts. Received one: {texts!r:.60}. Pass `[text]`.")
    texts = list_of(texts)
    for text in texts:
        parts = tf.nest.flatten(text) if isinstance(text, dict) and text else [text]
        if not all(isinstance(part, str) for part in parts):
            raise TypeError(
                f"Expected a list of texts. Received, among {len(texts)}, {text!r:.60}. Pass "
                "`str` only; decode bytes first."
            )
    if len({(*sorted(text),) if isinstance(text, dict) else () for text in texts}) > 1:
        raise TypeError("Expected texts of one kind: strings, or dicts of the same keys.")
    texts = [tf.nest.map_structure(utf8, text) for text in texts]
    # In a request all texts have as many choices.
    order = sorted(range(len(texts)), key=lambda number: _parts(texts[number]))
    batches = [
        places[start : start + batch_size]
        for _, group in itertools.groupby(order, key=lambda number: _parts(texts[number]))
        for places in [[*group]]
        for start in range(0, len(places), batch_size)
    ]
    answers: list = [None] * len(texts)
    kinds: set[type[Signature]] = set()
    with contextlib.ExitStack() as stack:
        if not rest:
            send = _grpc(stack, scheme, host, name, version, label, timeout)
        for number, places in enumerate(batches):
            batch = [texts[place] for place in places]
            received = _rest(address, batch, timeout) if rest else send(batch)
            request = f"request {number + 1} of {len(batches)}"
            kind, found = _read(url, received, batch, request)
            kinds.add(kind)
            for place, answer in zip(places, found):
                answers[place] = answer
    if len(kinds) > 1:
        raise ServerError(f"'{url}' answered as several models, one after the other. Ask again.")
    return next(iter(kinds), Signature).called, answers


def _parts(text) -> int:
    return len(tf.nest.flatten(text))


def _read(url: str, received, texts: list, request: str) -> tuple[type[Signature], list]:
    """The answers to `texts`; ServerError unless they are from a model that tfkit exported."""
    if not isinstance(received, list) or not all(isinstance(one, dict) for one in received):
        raise _unexpected(url, received)
    if len(received) != len(texts) and received:
        raise ServerError(
            f"'{url}' gave {len(received)} answers to {len(texts)} texts, in {request}."
        )
    kind = KINDS_BY_OUTPUTS.get(frozenset(received[0]), Signature) if received else Signature
    read = kind.read
    if read is None:
        _check_scores(url, received, texts, request, kind.outputs[:1] or ("label",))
        return kind, received
    answers = []
    for answer in received:
        try:
            answers.append(read(answer))
            known = all(isinstance(item["score"], float) for item in answers[-1])
        except (TypeError, LookupError, ValueError):
            known = False
        if not known:
            raise _unexpected(url, answer)
        scores = np.array([item["score"] for item in answers[-1]])
        if not np.isfinite(scores).all():
            raise ServerError(
                f"In {request} to '{url}': expected finite scores. Received {answer}."
            )
    return kind, answers


def _check_scores(url: str, received: list, texts: list, request: str, of: tuple) -> None:
    """Raises ServerError unless these are labels of `texts`, or numbers of choices, with scores."""
    rows: list[np.ndarray] = []
    choices = of == ("choice",)
    for answer, text in zip(received, texts):
        try:
            label, score, scores = (answer[key] for key in (*of, "score", "scores"))
            row = np.array([score, *scores])
        except (TypeError, KeyError, ValueError):
            raise _unexpected(url, answer) from None
        numbers = row.dtype.kind in "fi" and row.ndim == 1 and len(row) > 1
        known = isinstance(label, str) and len(row) == len((rows or [row])[0])
        if choices:
            known = is_whole(label) and label < len(scores) == _parts(text) - 1
        if not numbers or not known:
            raise _unexpected(url, answer)
        rows.append(row)
    if len(rows) != len(texts):
        raise _other_number(url, rows, texts, request)
    scores = np.array(rows)[:, 1:]
    words = [_plain(text) for text in texts]
    finite(scores, words, lambda said: ServerError(f"In {request} to '{url}': {said}"))
    for answer, best in zip(received, scores.max(-1)):
        if answer["score"] != best or (choices and answer["scores"][answer["choice"]] != best):
            raise _unexpected(url, answer)


def _other_number(url: str, received, texts: list, request: str) -> ServerError:
    return ServerError(f"'{url}' gave {len(received)} answers to {len(texts)} texts, in {request}.")


def _unexpected(url: str, answer) -> ServerError:
    return ServerError(
        "Expected `label`, `score` and `scores` for each text, as from a model that tfkit exported "
        f"with the signature 'text'. '{url}' gave {answer!r:.80}. Is that the name of another "
        "model?"
    )


def _rest(url: str, texts: list, timeout: float) -> list[dict]:
    instances = [_plain(text) for text in texts]
    body = json.dumps({"signature_name": "text", "instances": instances}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}:predict", data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return json.load(response)["predictions"]
    except urllib.error.HTTPError as error:
        said = None
        with contextlib.suppress(OSError, *_MALFORMED):
            said = json.load(error)["error"]
        if not isinstance(said, str):  # no message of the server's own
            said = f"status {error.code} {error.reason}"
        if error.code == 404:
            said += _versions(url, timeout)
        raise _refused(url, said) from error
    except TimeoutError as error:
        raise _late(url, timeout) from error
    except OSError as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            raise _late(url, timeout) from error
        raise ServerError(f"No answer from '{url}': {reason}. Is the server running?") from error
    except _MALFORMED as error:
        raise ServerError(
            f"'{url}' gave no predictions: is it TF Serving's REST port (8501)?"
        ) from error


def _versions(url: str, timeout: float) -> str:
    """The model's versions on the server, for a request that found none."""
    model = re.sub(r"/(versions|labels)/[^/]+$", "", url)
    try:
        with urllib.request.urlopen(model, timeout=timeout) as response:
            found = json.load(response)["model_version_status"]
        states = [f"version {each['version']} {each['state']}" for each in found]
    except (OSError, *_MALFORMED):
        return ". The server has no model of that name."
    return f". Of this model it has: {', '.join(states) or 'no version'}."


def _grpc(stack, scheme: str, host: str, name: str, version, label, timeout: float):
    import grpc
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    if scheme == "grpcs":
        channel = grpc.secure_channel(host, grpc.ssl_channel_credentials())
    else:
        channel = grpc.insecure_channel(host)
    stub = prediction_service_pb2_grpc.PredictionServiceStub(stack.enter_context(channel))
    url = f"{scheme}://{host}/{name}"

    def send(texts: list) -> list[dict]:
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = name, "text"
        if version:
            request.model_spec.version.value = int(version)
        if label:
            request.model_spec.version_label = label
        rows = [text if isinstance(text, dict) else {"text": text} for text in texts]
        for key in rows[0]:
            column = [row[key] for row in rows]
            request.inputs[key].CopyFrom(tf.make_tensor_proto(column, tf.string))
        try:
            outputs = stub.Predict(request, timeout=timeout).outputs
            values = {key: tf.make_ndarray(value) for key, value in outputs.items()}
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                raise _late(url, timeout) from error
            if error.code() == grpc.StatusCode.UNAVAILABLE and "queue" not in error.details():
                raise ServerError(
                    f"No answer from '{url}': {error.details()}. Is the server running?"
                ) from error
            raise _refused(url, f"{error.code().name}, {error.details()}") from error
        if not all(value.ndim for value in values.values()):
            raise _unexpected(url, {key: value.tolist() for key, value in values.items()})
        return python_rows(values)

    return send


def _refused(url: str, said: str) -> ServerError:
    remedy = next((what for part, what in _REMEDIES.items() if part in said), "")
    return ServerError(f"'{url}' refused the request: {said} {remedy}".rstrip())


def _late(url: str, timeout: float) -> ServerError:
    return ServerError(f"No answer from '{url}' within {timeout:g} s. {_REMEDIES['Deadline']}")


def _plain(text):
    """A text, or several by name, as JSON has them."""
    return tf.nest.map_structure(bytes.decode, text)
