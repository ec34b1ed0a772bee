"""Stands in for TF Serving on loopback: its REST and gRPC protocols over its C++ session.

What is real: the loader and the session (TensorFlow's C library), the messages
(tensorflow-serving-api), and the SavedModel. What is written here after the server's sources: the
JSON rules, the batching, and the life of a version: found in its folder, loaded, warmed up, taken
into service, and the older one unloaded when its last request has ended.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import threading
from collections.abc import Iterator, Mapping
from concurrent import futures
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import classification_pb2 as classification
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from tests.deploy import json_api
from tests.deploy.batching_session import BatchingSession, Died
from tests.deploy.json_api import Refused
from tfkit.export.serving.requests import read_warmup
from tfkit.inference.served_model import RefusedError, ServedModel
from tfkit.utils.strings import array_of


class _Version:
    """One version in service: its session, and how many requests are in it."""

    def __init__(self, folder: Path, batching: dict | None):
        self.number, self.inside = int(folder.name), 0
        self.served = ServedModel(folder)
        try:
            for request in read_warmup(folder):
                self.served.run(*request)
        except RefusedError:
            self.served.close()
            raise
        session = BatchingSession(self.served.run, batching) if batching else None
        self.run = session.run if session else self.served.run


class _Model:
    """The versions of a model that are there, and those that failed."""

    def __init__(self, config, folder: Path, batching: dict | None):
        self.config, self.folder, self.batching = config, folder, batching
        self.lock = threading.Condition()
        self.versions: dict[int, _Version] = {}
        self.failed: dict[int, str] = {}

    def poll(self) -> None:
        """Loads what the policy asks for, then unloads the rest."""
        there = {int(p.name) for p in self.folder.iterdir() if p.name.isdecimal()}
        whole = {n for n in there if (self.folder / str(n) / "saved_model.pb").is_file()}
        policy = self.config.model_version_policy
        wanted = whole & {*policy.specific.versions} if policy.HasField("specific") else whole
        wanted = sorted(wanted)[-max(1, len(policy.specific.versions)) :]
        for number in wanted:
            if number in self.versions or number in self.failed:
                continue
            try:
                version = _Version(self.folder / str(number), self.batching)
            except (RefusedError, RuntimeError) as error:
                self.failed[number] = str(error)
                continue
            with self.lock:
                self.versions[number] = version
        in_service = [number for number in wanted if number in self.versions]
        with self.lock:
            old = [number for number in self.versions if in_service and number not in in_service]
            unloaded = [self.versions.pop(number) for number in old]
            self.lock.wait_for(lambda: not any(version.inside for version in unloaded))
        for version in unloaded:
            version.served.close()

    @contextlib.contextmanager
    def lease(self, which: str | None) -> Iterator[_Version]:
        """A version by number or label, or the latest."""
        name = self.config.name
        with self.lock:
            if which is None:
                number = max(self.versions, default=None)
            elif which in self.config.version_labels:
                number = self.config.version_labels[which]
            elif which.isdecimal():
                number = int(which)
            else:
                raise Refused(f"Unrecognized servable version label: {which}")
            if number not in self.versions:
                spec = f"Specific({name}, {which})" if which else f"Latest({name})"
                raise Refused(f"Servable not found for request: {spec}", 404)
            version = self.versions[number]
            version.inside += 1
        try:
            yield version
        finally:
            with self.lock:
                version.inside -= 1
                self.lock.notify_all()


class ModelServer:
    """A server of the models of a configuration.

    Args:
        config: the text of a models.config.
        root: what stands for "/" in its base paths.
        batching: the server's BatchingParameters, name -> number; None is without the flag.
        flags: others of its command line, such as "--name=value".
    """

    def __init__(self, config: str, root: Path, batching: dict | None = None, flags=()):
        self.root, self.batching = root, batching
        self.any_label = "--allow_version_labels_for_unavailable_models=true" in flags
        self.models: dict[str, _Model] = {}
        self.read(config)

    def read(self, config: str) -> None:
        """What it does at its start, and with `--model_config_file_poll_wait_seconds` again and
        again (server_core.cc, `ReloadConfig`): labels are looked at before versions are loaded.
        """
        parsed = text_format.Parse(config, ModelServerConfig())
        for model in parsed.model_config_list.config:
            there = self.models.get(model.name)
            loaded = there.versions if there else {}
            for number in model.version_labels.values():
                if number not in loaded and not self.any_label:
                    raise Refused(
                        f"Request to assign label to version {number} of model {model.name}, "
                        "which is not currently available for inference"
                    )
            if there:
                there.config = model
            else:
                folder = self.root / model.base_path.lstrip("/")
                self.models[model.name] = _Model(model, folder, self.batching)
        self.poll()

    def poll(self) -> None:
        """What the server does every second: looks for new versions."""
        for model in self.models.values():
            model.poll()

    def close(self) -> None:
        for model in self.models.values():
            for version in model.versions.values():
                version.served.close()

    def run(self, name: str, which: str | None, signature: str, make_inputs) -> Mapping:
        """The outputs of one request; `make_inputs` gets the inputs of the signature."""
        if name not in self.models:
            raise Refused(f"Servable not found for request: Latest({name})", 404)
        with self.models[name].lease(which) as version:
            signature = signature or "serving_default"
            if signature not in version.served.signatures:
                raise Refused(f'Serving signature name: "{signature}" not found in signature def')
            wanted = version.served.signatures[signature].inputs
            inputs = make_inputs({key: info.dtype for key, info in wanted.items()})
            if inputs.keys() != wanted.keys():
                raise Refused(
                    f"input size does not match signature: {len(inputs)}!={len(wanted)} "
                    f"Missing but required: {{{','.join(sorted(wanted.keys() - inputs.keys()))}}}."
                )
            try:
                return version.run(signature, inputs)
            except RefusedError as error:
                raise Refused(str(error)) from None

    def status(self, name: str) -> dict:
        if name not in self.models:
            raise Refused(f"Could not find any versions of model {name}", 404)
        model = self.models[name]
        states = {number: "AVAILABLE" for number in model.versions}
        states |= {number: "END" for number in model.failed}
        return {
            "model_version_status": [
                {
                    "version": str(number),
                    "state": state,
                    "status": {
                        "error_code": "UNKNOWN" if number in model.failed else "OK",
                        "error_message": model.failed.get(number, ""),
                    },
                }
                for number, state in sorted(states.items(), reverse=True)
            ]
        }


_PATH = re.compile(
    r"/v1/models/([^/:]+)(?:/(?:versions|labels)/([^/:]+))?(?::(predict|classify|regress))?"
)


@contextlib.contextmanager
def rest(server: ModelServer) -> Iterator[str]:
    """Gives the address of the server's REST port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.reply(lambda name, which, method, data: server.status(name))

        def do_POST(self):
            self.reply(self.ask)

        def reply(self, ask):
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                parts = _PATH.fullmatch(self.path)
                if not parts or bool(parts[3]) != (self.command == "POST"):
                    raise Refused(f"Malformed request: {self.command} {self.path}")
                self.answer(200, ask(*parts.groups(), data))
            except Refused as error:
                self.answer(error.status, {"error": str(error)})
            except Died:
                self.close_connection = True  # without a word

        def ask(self, name, which, method, data):
            parsed = json_api.body(data)
            signature = parsed.get("signature_name", "")
            if method == "predict":
                outputs = server.run(
                    name, which, signature, lambda wanted: json_api.tensors(parsed, wanted)
                )
                return json_api.answer(outputs, "instances" in parsed)
            if method == "regress":
                raise Refused(
                    "Expected regression signature method_name to be tensorflow/serving/regress."
                )
            made = array_of(json_api.examples(parsed))
            outputs = server.run(name, which, signature, lambda wanted: {"inputs": made})
            return {
                "results": [
                    [[label.decode(), score] for label, score in zip(labels, scores.tolist())]
                    for labels, scores in zip(outputs["classes"], outputs["scores"])
                ]
            }

        def answer(self, status: int, content: dict):
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 256  # of connections; five would turn some away

    http_server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http_server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{http_server.server_port}"
    finally:
        http_server.shutdown()
        thread.join()
        http_server.server_close()


_CODES = {400: grpc.StatusCode.INVALID_ARGUMENT, 404: grpc.StatusCode.NOT_FOUND}


@contextlib.contextmanager
def rpc(server: ModelServer) -> Iterator[str]:
    """Gives the address of the server's gRPC port."""

    class Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
            outputs = _run(request, context, lambda wanted: inputs)
            response = predict_pb2.PredictResponse()
            for key, value in outputs.items():
                response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
            return response

        def Classify(self, request, context):
            made = [x.SerializeToString() for x in request.input.example_list.examples]
            outputs = _run(request, context, lambda wanted: {"inputs": array_of(made)})
            response = classification.ClassificationResponse()
            for labels, scores in zip(outputs["classes"], outputs["scores"]):
                classes = response.result.classifications.add().classes
                for label, score in zip(labels, scores):
                    classes.add(label=label.decode(), score=score)
            return response

    class Models(model_service_pb2_grpc.ModelServiceServicer):
        def GetModelStatus(self, request, context):
            response = get_model_status_pb2.GetModelStatusResponse()
            with _refusing(context):
                for found in server.status(request.model_spec.name)["model_version_status"]:
                    response.model_version_status.add(
                        version=int(found["version"]), state=found["state"]
                    )
            return response

    def _run(request, context, make_inputs):
        spec = request.model_spec
        which = spec.version_label or None
        which = str(spec.version.value) if spec.HasField("version") else which
        with _refusing(context):
            return server.run(spec.name, which, spec.signature_name, make_inputs)

    options = [("grpc.max_receive_message_length", -1)]
    rpc_server = grpc.server(futures.ThreadPoolExecutor(16), options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Predictions(), rpc_server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Models(), rpc_server)
    port = rpc_server.add_insecure_port("127.0.0.1:0")
    rpc_server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        rpc_server.stop(None)


@contextlib.contextmanager
def _refusing(context):
    try:
        yield
    except Refused as error:
        context.abort(_CODES[error.status], str(error))


def config_of(name: str, folder: Path) -> str:
    """A models.config with one model."""
    return f'model_config_list {{ config {{ name: "{name}" base_path: "{folder}" }} }}'


@contextlib.contextmanager
def model_server(name: str, folder: Path, **options) -> Iterator[ModelServer]:
    """A server of one model, whose versions lie in `folder`."""
    server = ModelServer(config_of(name, folder), Path("/"), **options)
    try:
        yield server
    finally:
        server.close()


def same_scores(received, expected) -> bool:
    return bool(np.allclose(received, expected, atol=1e-5))
