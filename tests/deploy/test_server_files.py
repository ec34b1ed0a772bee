"""The files beside a SavedModel: what the server's own schemas say, and what the requests get."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from tests.deploy.json_api import Refused
from tests.deploy.stand_in import ModelServer, rpc
from tfkit.export import verify
from tfkit.export.original import Original
from tfkit.export.serving._saved_model import _request
from tfkit.export.serving.server import service_names, write_server_files
from tfkit.utils.strings import array_of

TEXTS = ["What a good day.", "It rained again."]


@pytest.fixture(scope="module")
def home(everything, tmp_path_factory):
    directory = tmp_path_factory.mktemp("models") / "Film_reviews 2"
    directory.mkdir()
    write_server_files(directory, everything.serving, ("text", {"text": TEXTS}))
    return directory / "server"


NAME = "Film_reviews-2"


def test_saved_model_writes_them_beside_the_version(everything, home):
    beside = everything.path.parent / "server"
    assert {path.name for path in beside.iterdir()} == {path.name for path in home.iterdir()}


def test_files_that_exist_stay_as_they_are(everything, home):
    (home / "models.config").write_text("# mine")
    (home / "monitoring.config").unlink()
    written = write_server_files(home.parent, everything.serving)
    assert [path.name for path in written] == ["monitoring.config"]
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


# tensorflow/serving: monitoring_config.proto. The package on PyPI has no class for it.
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


def test_monitoring_is_what_the_server_parses(home):
    fields = {"prometheus_config": {"enable": bool, "path": str}}
    monitoring = message("MonitoringConfig", fields)
    text_format.Parse((home / "monitoring.config").read_text(), monitoring)
    assert monitoring.prometheus_config.enable


@pytest.mark.parametrize("which", ["everything", "plain"])
def test_nothing_tells_the_server_to_merge_requests(request, which):
    # One of another rank would end it, or fail those that share its batch.
    beside = request.getfixturevalue(which).path.parent / "server"
    assert beside.is_dir()
    for path in beside.iterdir():
        assert "enable_batching" not in path.read_text(), path
        assert "pad_variable_length_inputs" not in path.read_text(), path


FOLDERS = ["reviews", "1", "on", "2024-reviews", "-x", "no", "1e3", "Ünïcode", "映画", "本"]
FOLDERS += [
    "a" * 200,
    "a" * 199 + "b",
    "café 映画",
    "---",
    "null",
    "~",
    "a.b",
    "x_",
    "0x1F",
    "'\"$",
]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_of_any_name_makes_files_that_are_read_as_meant(everything, tmp_path, folder):
    directory = tmp_path / folder
    write_server_files(directory, everything.serving, ("text", {"text": TEXTS}))
    name, dns = service_names(folder)
    server = directory / "server"
    for file in ("models.config", "models.canary.config"):
        config = text_format.Parse((server / file).read_text(), ModelServerConfig())
        (model,) = config.model_config_list.config
        assert (model.name, model.base_path) == (name, f"/models/{name}")
    (services,) = [yaml.safe_load((server / "docker-compose.yml").read_text())["services"]]
    assert list(services) == [name] and all(type(a) is str for a in services[name]["command"])
    assert re.fullmatch(r"[a-zA-Z0-9._-]+", name) and name[0].isalnum() and len(name) <= 63 - 8
    assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", dns) and len(f"{dns}-model") <= 63
    deployment, entry = yaml.safe_load_all((server / "kubernetes.yml").read_text())
    pod = deployment["spec"]["template"]
    for found in (
        deployment["metadata"]["name"],
        deployment["metadata"]["labels"]["app"],
        deployment["spec"]["selector"]["matchLabels"]["app"],
        pod["metadata"]["labels"]["app"],
        pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"].removesuffix("-model"),
        entry["metadata"]["name"],
        entry["spec"]["selector"]["app"],
    ):
        assert type(found) is str and found == dns
    assert all(type(a) is str for a in pod["spec"]["containers"][0]["args"])


def test_names_keep_what_a_server_and_dns_can_read():
    assert service_names("Film_reviews 2") == ("Film_reviews-2", "film-reviews-2")
    assert service_names("2024") == ("2024", "model-2024")


def test_names_that_lose_characters_stay_apart():
    names = [
        service_names(folder) for folder in FOLDERS if len(folder) > 99 or not folder.isascii()
    ]
    for kind in zip(*names):
        assert len({*kind}) == len(kind) == 6


def test_docker_and_kubernetes_point_at_the_files(home):
    ((name, service),) = yaml.safe_load((home / "docker-compose.yml").read_text())[
        "services"
    ].items()
    assert name == NAME and service["volumes"] == [f"..:/models/{NAME}:ro"]
    deployment, entry = yaml.safe_load_all((home / "kubernetes.yml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert deployment["metadata"]["name"] == entry["metadata"]["name"] == "film-reviews-2"
    assert service["image"] == container["image"]
    mount = container["volumeMounts"][0]["mountPath"]
    assert service["command"] == container["args"]
    files = [a.split("=")[1] for a in container["args"] if a.endswith(".config")]
    assert len(files) == 2
    for file in files:
        assert (home.parent / file.removeprefix(f"{mount}/")).is_file()
    assert container["readinessProbe"]["httpGet"]["path"] == f"/v1/models/{NAME}"


def test_every_flag_that_the_comments_and_the_page_name_is_in_the_files(home):
    page = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
    start = page.index("| `docker-compose.yml` |"), page.index("## Batching")
    named = {
        flag
        for text in [*(p.read_text() for p in home.glob("*.config")), page[slice(*start)]]
        for flag in re.findall(r"--[a-z_]*(?:model|label|monitor|batch)[a-z_]*(?:=\w+)?", text)
        if "_" in flag
    }
    assert "--allow_version_labels_for_unavailable_models=true" in named
    for file in ("docker-compose.yml", "kubernetes.yml"):
        text = (home / file).read_text()
        assert [flag for flag in sorted(named) if flag not in text] == [], file


@pytest.mark.slow
def test_a_canary_file_is_taken_over_by_a_server_started_as_the_files_say(light, home, tmp_path):
    for number in (1, 2):
        shutil.copytree(light.path, tmp_path / "film" / str(number))
    files = {
        file: (home / file).read_text().replace(f"/models/{NAME}", "/film")
        for file in ("models.config", "models.canary.config")
    }
    flags = yaml.safe_load((home / "docker-compose.yml").read_text())["services"][NAME]["command"]
    assert "--model_config_file_poll_wait_seconds=60" in flags

    def states(flags):
        server = ModelServer(files["models.config"], tmp_path, flags=flags)
        try:
            server.read(files["models.canary.config"])
            with (
                server.models[NAME].lease("stable") as one,
                server.models[NAME].lease("canary") as two,
            ):
                with pytest.raises(Refused, match="Unrecognized servable version label: best"):
                    server.models[NAME].lease("best").__enter__()
                return one.number, two.number
        finally:
            server.close()

    assert states(flags) == (1, 2)
    with pytest.raises(Refused, match="not currently available for inference"):
        states([])


@pytest.mark.slow
@pytest.mark.parametrize(
    "line, warned",
    [
        pytest.param("pad_variable_length_inputs: true", True, marks=pytest.mark.slow),
        ("max_batch_size { value: 8 } pad_variable_length_inputs:True", True),
        pytest.param("# pad_variable_length_inputs: true", False, marks=pytest.mark.slow),
        pytest.param("pad_variable_length_inputs: false", False, marks=pytest.mark.slow),
    ],
)
def test_a_file_of_old_that_lets_a_request_end_the_server_is_warned_of(
    light, tmp_path, line, warned
):
    shutil.copytree(light.path, tmp_path / "1")
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "batching.config").write_text(
        f"num_batch_threads {{ value: 2 }}\n{line}\n"
    )
    for act in (
        lambda: write_server_files(tmp_path, light.serving),
        lambda: verify(tmp_path, texts=TEXTS),
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            act()
        said = [str(w.message) for w in caught if "pad_variable" in str(w.message)]
        assert len(said) == warned and all("batching.config" in text for text in said)


@pytest.mark.parametrize("signature", ["tokens", "embed", "text_pair", "classify"])
def test_the_examples_ask_for_a_signature_that_is_there(
    everything, server, model, tokenizer, tmp_path, signature
):
    keras = Original(model, tokenizer, 24)
    request = _request([signature], keras)
    directory = tmp_path / "film"
    write_server_files(directory, everything.serving, request)
    scripts = sorted(directory.joinpath("server").glob("request_*"))
    assert len(scripts) == (0 if signature == "classify" else 3)
    if not scripts:
        return
    asked = json.loads(re.search(r"--data '(.*)'", scripts[0].read_text())[1])
    assert asked["signature_name"] == signature and len(asked["instances"]) == 2
    ran = run(sys.executable, directory / "server" / "request_rest.py", server.address)
    assert ran.returncode == 0 and len(ran.stdout.splitlines()) == 2, ran.stderr


@pytest.fixture(scope="module")
def film(everything, tmp_path_factory):
    """The files of a model of the name that `server` has."""
    directory = tmp_path_factory.mktemp("models") / "film"
    write_server_files(directory, everything.serving, ("text", {"text": TEXTS}))
    return directory / "server"


def answers(server) -> dict:
    return server.run("film", None, "text", lambda wanted: {"text": array_of(TEXTS)})


def run(*command) -> subprocess.CompletedProcess:
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=100)


def test_the_rest_example_prints_labels_and_scores(film, server):
    ran = run(sys.executable, film / "request_rest.py", server.address)
    expected = answers(server)
    for text, line, label, score in zip(
        TEXTS, ran.stdout.splitlines(), expected["label"], expected["score"]
    ):
        answer, _, asked = line.partition("}  ")
        answer = json.loads(answer + "}")
        assert answer["label"] == label.decode() and json.loads(asked) == {"text": text}
        assert answer["score"] == pytest.approx(score, abs=1e-6)


def test_the_rest_example_prints_the_servers_error(home, server):
    ran = run(sys.executable, home / "request_rest.py", server.address)
    assert ran.returncode == 1 and "Servable not found" in ran.stderr


def test_the_curl_example_gets_predictions(film, server):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    ran = run("sh", film / "request_curl.sh", server.address)
    assert ran.returncode == 0 and ran.stdout.count('"label"') == 2, ran.stderr


def test_the_grpc_example_prints_labels_and_scores(film, server, monkeypatch, capsys):
    with rpc(server) as address:
        monkeypatch.setattr(sys, "argv", ["request_grpc.py", address])
        runpy.run_path(str(film / "request_grpc.py"), run_name="__main__")
    printed = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert printed["label"] == str(answers(server)["label"].tolist())
    assert printed.keys() == {"label", "score", "scores"}
