"""Stands in for TF Serving on loopback: its REST and gRPC protocols over its C++ session.

REST: https://www.tensorflow.org/tfx/serving/api_rest, the Predict API, row and column format.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from concurrent import futures

import numpy as np
import tensorflow as tf

from tfkit.export.served import RefusedError, ServedModel


def plain(value):
    return value.decode() if isinstance(value, bytes) else value


@contextlib.contextmanager
def rest_server(served: ServedModel, name: str):
    """Gives the address of a REST server."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                if self.path != f"/v1/models/{name}:predict":
                    raise RefusedError("Malformed request: POST " + self.path)
                self.answer(200, self.predict(body))
            except RefusedError as error:
                self.answer(400, {"error": str(error)})

        def predict(self, body: dict) -> dict:
            signature = body.get("signature_name", "serving_default")
            names = [*served.signatures[signature].inputs]
            if "inputs" in body:
                columns = body["inputs"] if len(names) > 1 else {names[0]: body["inputs"]}
            else:
                rows = [
                    row if isinstance(row, dict) else {names[0]: row} for row in body["instances"]
                ]
                columns = {key: [row[key] for row in rows] for key in names}
            inputs = {key: np.array(value, dtype=object) for key, value in columns.items()}
            outputs = {key: value.tolist() for key, value in served.run(signature, inputs).items()}
            if "inputs" in body:
                return {"outputs": json.loads(json.dumps(outputs, default=plain))}
            rows = [dict(zip(outputs, row)) for row in zip(*outputs.values())]
            return {"predictions": json.loads(json.dumps(rows, default=plain))}

        def answer(self, status: int, body: dict):
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def grpc_server(served: ServedModel, name: str):
    """Gives the address of a gRPC server."""
    import grpc
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    class Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            if request.model_spec.name != name:
                context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found for request")
            inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
            try:
                outputs = served.run(request.model_spec.signature_name, inputs)
            except RefusedError as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            response = predict_pb2.PredictResponse()
            for key, value in outputs.items():
                response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
            return response

    server = grpc.server(futures.ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Servicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None)
