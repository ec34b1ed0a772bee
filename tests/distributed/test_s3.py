"""Files in an object store that speaks S3: each row once, whatever ends the job."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pytest
from pyarrow import fs, parquet

import tfkit
from tests.distributed.small import rows_of, save, texts_of
from tfkit.cli import main
from tfkit.distributed import score
from tfkit.distributed.storage import OutputFolder, input_files

server = pytest.importorskip("moto.server", reason="moto[server] is not installed")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save(tmp_path_factory.mktemp("model"), "TFDistilBertForSequenceClassification")


@pytest.fixture
def store(monkeypatch):
    """A file system, with an empty bucket, and what an address says of where it is."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    running = server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    monkeypatch.setattr(logging.getLogger("werkzeug"), "disabled", True)
    running.start()
    place = "{}:{}".format(*running.get_host_and_port())
    system = fs.S3FileSystem(endpoint_override=place, scheme="http", allow_bucket_creation=True)
    system.create_dir("bucket")
    yield system, place
    running.stop()


@pytest.fixture
def texts(store):
    """Those of two files in the bucket."""
    system, _ = store
    found = {"a.parquet": texts_of(60), "b.jsonl": texts_of(40, seed=1)}
    system.create_dir("bucket/in")
    with system.open_output_stream("bucket/in/a.parquet") as file:
        parquet.write_table(pa.table({"id": range(60), "text": found["a.parquet"]}), file)
    with system.open_output_stream("bucket/in/b.jsonl") as file:
        file.write("".join(json.dumps({"text": t}) + "\n" for t in found["b.jsonl"]).encode())
    return found


@pytest.fixture
def check(store, model, texts, tmp_path):
    """Asserts that a folder of the bucket has each row once, with the pipeline's answer."""
    classify = tfkit.pipeline("text-classification", model=str(model))

    def checked(folder: str) -> None:
        (tmp_path / folder).mkdir(parents=True)
        fs.copy_files(folder, str(tmp_path / folder), source_filesystem=store[0])
        for name, own in texts.items():
            rows = rows_of(tmp_path / folder, name)
            assert [row["text"] for row in rows] == own
            for row, expected in zip(rows, classify(own)):
                (label,) = row["labels"]
                assert label["label"] == expected["label"]
                assert label["score"] == pytest.approx(expected["score"], abs=1e-6)
        assert not [*(tmp_path / folder).rglob(".writing-*")]

    return checked


def test_an_interrupted_job_goes_on_and_does_not_read_its_answers(store, model, texts, check):
    options = f"?endpoint_override={store[1]}&scheme=http"
    ask = {"source": f"s3://bucket/in/**/*.*{options}", "output": f"s3://bucket/in/out{options}"}
    ask |= {"model": model, "rows_per_file": 7}
    steps: list[int] = []

    def interrupt(rows: int) -> None:
        steps.append(rows)
        if sum(steps) > 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(**ask, progress=interrupt)
    with store[0].open_output_stream("bucket/in/out/.writing-1-b.jsonl") as file:
        file.write(b"half")
    assert score(**ask)[:3] == (100 - sum(steps), 0, sum(steps))
    check("bucket/in/out")
    assert score(**ask)[:3] == (0, 0, 100)


def test_a_killed_command_goes_on_at_the_address_of_the_environment(
    store, model, texts, check, monkeypatch, capsys
):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{store[1]}")
    run = ["predict", "--input", "s3://bucket/in/*", "--output", "s3://bucket/out"]
    run += ["--model", str(model), "--rows-per-file", "2"]
    running = subprocess.Popen([sys.executable, "-m", "tfkit", *run])
    folder = OutputFolder("s3://bucket/out")
    while len(folder.names()) < 5:  # _job.json is the first
        assert running.poll() is None
        time.sleep(0.01)
    running.kill()
    assert running.wait() == -signal.SIGKILL
    before = len(folder.names()) - 1
    assert 4 <= before < 50
    assert main(run) == 0
    assert f"; {2 * before} were done before" in capsys.readouterr().out
    check("bucket/out")


def test_what_is_half_sent_is_not_there_and_names_stay(store):
    place = store[1]
    folder = OutputFolder(f"s3://bucket/my answers?endpoint_override={place}&scheme=http")
    code = (
        "import os, sys\n"
        "from tfkit.distributed.storage import OutputFolder\n"
        "folder = OutputFolder(sys.argv[1])\n"
        "file = folder._system.open_output_stream(folder._at('half'))\n"
        "file.write(bytes(20_000_000))\n"
        "os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, folder.address]).returncode == 9
    assert not folder.has("half") and folder.read("half") is None
    names = {"a+b c.jsonl", "50%.jsonl", "ü#1.jsonl", "day=1/x.jsonl", "q?a=1.jsonl", "a%20b.jsonl"}
    for name in names:
        folder.write(name, name.encode())
    assert folder.names() == names
    found = input_files(f"s3://bucket/**/*.jsonl?endpoint_override={place}&scheme=http")
    assert {file.name.removeprefix("my answers/") for file in found} == names
    for file in found:
        assert folder.holds(file)
        assert file.open().read().decode() == file.name.removeprefix("my answers/")


def test_of_two_writers_one_may_tidy_what_the_other_is_about_to_rename(store, monkeypatch):
    folder = OutputFolder(f"s3://bucket/out?endpoint_override={store[1]}&scheme=http")
    move = fs.S3FileSystem.move

    class Slow:
        def __getattr__(self, name):
            return getattr(folder._system, name)

        def move(self, *names):
            folder.write("a.jsonl", b"whole")
            folder.tidy()
            return move(folder._system, *names)

    slow = OutputFolder(folder.address)
    slow._system = Slow()
    slow.write("a.jsonl", b"whole")
    assert folder.names() == {"a.jsonl"} and folder.read("a.jsonl") == b"whole"
