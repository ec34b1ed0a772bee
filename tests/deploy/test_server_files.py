"""The files beside a SavedModel: what the server's own schemas say, and what the requests get."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from tests.deploy.stand_in import model_server, rest, rpc
from tfkit.export.requests import strings
from tfkit.export.server import write_server_files

TEXTS = ["What a good day.", "It rained again."]


@pytest.fixture(scope="module")
def home(everything, tmp_path_factory):
    directory = tmp_path_factory.mktemp("models") / "Film_reviews 2"
    directory.mkdir()
    write_server_files(directory, everything.serving)
    return directory / "server"


NAME = "Film_reviews-2"


def test_saved_model_writes_them_beside_the_version(everything, home):
    beside = everything.path.parent / "server"
    assert {path.name for path in beside.iterdir()} == {path.name for path in home.iterdir()}


def test_files_that_exist_stay_as_they_are(everything, home):
    (home / "models.config").write_text("# mine")
    (home / "batching.config").unlink()
    written = write_server_files(home.parent, everything.serving)
    assert [path.name for path in written] == ["batching.config"]
    assert (home / "models.config").read_text() == "# mine"
    (home / "models.config").unlink()
    write_server_files(home.parent, everything.serving)


def test_models_config_is_what_the_server_parses(home):
    config = ModelServerConfig()
    text_format.Parse((home / "models.config").read_text(), config)
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path) == (NAME, f"/models/{NAME}")
    canary = ModelServerConfig()
    text_format.Parse((home / "models.canary.config").read_text(), canary)
    (model,) = canary.model_config_list.config
    assert (model.name, model.base_path) == (NAME, f"/models/{NAME}")
    assert {*model.version_labels.values()} == {*model.model_version_policy.specific.versions}


# tensorflow/serving: session_bundle_config.proto (BatchingParameters), monitoring_config.proto.
# The package on PyPI has no classes for them.
WRAPPED = {
    "max_batch_size": "Int64Value",
    "batch_timeout_micros": "Int64Value",
    "max_enqueued_batches": "Int64Value",
    "num_batch_threads": "Int64Value",
    "pad_variable_length_inputs": bool,
    "enable_large_batch_splitting": "BoolValue",
    "max_execution_batch_size": "Int64Value",
}


def message(name: str, fields: dict):
    """A protobuf class with these fields: bool, str, a wrapper's name, or a dict for a message."""
    from google.protobuf import wrappers_pb2

    pool = descriptor_pool.DescriptorPool()
    pool.Add(descriptor_pb2.FileDescriptorProto.FromString(wrappers_pb2.DESCRIPTOR.serialized_pb))
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", package="t", syntax="proto3")
    file.dependency.append("google/protobuf/wrappers.proto")
    kinds = descriptor_pb2.FieldDescriptorProto

    def add(name, fields):
        made = file.message_type.add(name=name)
        for number, (key, kind) in enumerate(fields.items(), 1):
            field = made.field.add(name=key, number=number, label=kinds.LABEL_OPTIONAL)
            if kind is bool or kind is str:
                field.type = kinds.TYPE_BOOL if kind is bool else kinds.TYPE_STRING
            else:
                field.type = kinds.TYPE_MESSAGE
                wrapped = f".google.protobuf.{kind}" if isinstance(kind, str) else f".t.{name}{key}"
                field.type_name = wrapped
                if isinstance(kind, dict):
                    add(f"{name}{key}", kind)

    add(name, fields)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"t.{name}"))()


def test_batching_and_monitoring_are_what_the_server_parses(home):
    batching = message("BatchingParameters", WRAPPED)
    text_format.Parse((home / "batching.config").read_text(), batching)
    assert batching.enable_large_batch_splitting.value and batching.pad_variable_length_inputs
    most = batching.max_execution_batch_size.value * batching.max_enqueued_batches.value
    assert batching.max_batch_size.value == most, "what is let in finds room in the queue"
    fields = {"prometheus_config": {"enable": bool, "path": str}}
    monitoring = message("MonitoringConfig", fields)
    text_format.Parse((home / "monitoring.config").read_text(), monitoring)
    assert monitoring.prometheus_config.enable


def test_docker_and_kubernetes_point_at_the_files(home):
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    ((name, service),) = yaml.safe_load((home / "docker-compose.yml").read_text())[
        "services"
    ].items()
    assert name == NAME and service["volumes"] == [f"..:/models/{NAME}:ro"]
    deployment, entry = yaml.safe_load_all((home / "kubernetes.yml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert deployment["metadata"]["name"] == entry["metadata"]["name"] == "film-reviews-2"
    assert service["image"] == container["image"]
    mount = container["volumeMounts"][0]["mountPath"]
    for arguments in (service["command"], container["args"]):
        files = [a.split("=")[1] for a in arguments if a.endswith(".config")]
        assert len(files) == 3
        for file in files:
            assert (home.parent / file.removeprefix(f"{mount}/")).is_file()
    assert container["readinessProbe"]["httpGet"]["path"] == f"/v1/models/{NAME}"


def test_where_the_graph_merges_requests_the_server_is_not_told_to(everything, tmp_path):
    ops = {**everything.ops, "BatchFunction": 1}
    write_server_files(tmp_path, dataclasses.replace(everything.serving, ops=ops))
    files = {path.name: path.read_text() for path in (tmp_path / "server").iterdir()}
    assert "batching.config" not in files
    for name in ("docker-compose.yml", "kubernetes.yml"):
        assert "batching" not in files[name] and "monitoring.config" in files[name]


@pytest.fixture(scope="module")
def served(everything):
    with model_server(NAME, everything.path.parent) as running:
        yield running


def lines(served) -> list[str]:
    answers = served.run(NAME, None, "text", lambda wanted: {"text": strings(TEXTS)})
    rows = zip(answers["label"], answers["score"], TEXTS)
    return [f"{label.decode()}  {score:.4f}  {text}" for label, score, text in rows]


def run(*command) -> subprocess.CompletedProcess:
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=100)


def test_the_rest_example_prints_labels_and_scores(home, served):
    with rest(served) as address:
        ran = run(sys.executable, home / "request_rest.py", address)
    assert ran.stdout.splitlines() == lines(served), ran.stderr


def test_the_rest_example_prints_the_servers_error(home, served):
    script = home / "request_rest.py"
    other = home / "request_other.py"
    other.write_text(script.read_text().replace(NAME, "other"))
    with rest(served) as address:
        ran = run(sys.executable, other, address)
    other.unlink()
    assert ran.returncode == 1 and "Servable not found" in ran.stderr


def test_the_curl_example_gets_predictions(home, served):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    with rest(served) as address:
        ran = run("sh", home / "request_curl.sh", address)
    assert ran.returncode == 0 and ran.stdout.count('"label"') == 2, ran.stderr


def test_the_grpc_example_prints_labels_and_scores(home, served):
    with rpc(served) as address:
        ran = run(sys.executable, home / "request_grpc.py", address)
    assert ran.stdout.splitlines() == lines(served), ran.stderr
