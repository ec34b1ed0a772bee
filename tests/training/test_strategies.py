"""Two devices, and two processes, train to what one does with the whole batch."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tfkit.training import named_strategy

ROOT = Path(__file__).resolve().parents[2]


def start(folder, strategy, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.training.workers", strategy, str(folder)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said[-3000:]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with what one device gave, and two; both logical devices of this CPU."""
    folder = tmp_path_factory.mktemp("strategies")
    finish(start(folder, "mirrored"))
    return folder


def assert_same(path, expected):
    with np.load(path) as mine, np.load(expected) as theirs:
        assert mine.files == theirs.files
        for name in theirs.files:
            np.testing.assert_allclose(mine[name], theirs[name], rtol=2e-4, atol=2e-5, err_msg=name)


@pytest.mark.slow
def test_two_devices_are_as_one(trained):
    assert_same(trained / "mirrored.npz", trained / "one.npz")


@pytest.mark.slow
def test_two_devices_learn_of_a_teacher_as_one(trained):
    """Of its hidden states too, and on texts without labels."""
    assert_same(trained / "mirrored-taught.npz", trained / "one-taught.npz")


@pytest.mark.slow
def test_two_devices_add_up_batches_as_one(trained):
    assert_same(trained / "mirrored-summed.npz", trained / "one-summed.npz")


@pytest.mark.slow
def test_two_workers_are_as_one_and_the_chief_alone_writes(trained):
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    workers = [
        start(
            trained,
            "multi-worker",
            TF_CONFIG=json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}),
        )
        for index in range(2)
    ]
    for worker in workers:
        finish(worker)
    for index in range(2):
        assert_same(trained / f"multi-worker-{index}.npz", trained / "one.npz")
        assert_same(trained / f"multi-worker-{index}-taught.npz", trained / "one-taught.npz")
    assert list((trained / "multi-worker").glob("step-*"))


def test_bad_strategies_are_one_clear_error(monkeypatch):
    with pytest.raises(ValueError, match="one of one, mirrored, multi-worker; received 'tpu'"):
        named_strategy("tpu")
    for said in (
        "",
        "{",
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
    ):
        monkeypatch.setenv("TF_CONFIG", said)
        with pytest.raises(ValueError, match="Expected the environment variable TF_CONFIG"):
            named_strategy("multi-worker")
