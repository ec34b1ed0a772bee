"""A training that was killed goes on to the weights, bit for bit, that it would have had."""

from __future__ import annotations

import csv
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.training.killed import train
from tests.training.tiny import Crash, assert_equal
from tfkit.training import Checkpoints
from tfkit.utils.files import locked

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    model, history = train(folder)
    return model.get_weights(), history, folder


@pytest.mark.parametrize(
    "every, batches",
    [
        pytest.param(2, 5, marks=pytest.mark.slow),
        (2, 17),
        pytest.param(3, 12, marks=pytest.mark.slow),
    ],
)
def test_a_crash_at_any_batch_changes_nothing(uninterrupted, tmp_path, every, batches):
    """Within an epoch, in the second, and where an update of two batches would be cut."""
    expected, history, folder = uninterrupted
    with pytest.raises(RuntimeError, match="crash"):
        train(tmp_path, every=every, callbacks=[Crash(batches)])
    assert 1 <= len(Checkpoints(tmp_path / "checkpoints").files()) <= 2
    model, resumed = train(tmp_path, every=every)
    assert_equal(model.get_weights(), expected)
    assert resumed == history
    with open(tmp_path / "log.csv") as mine, open(folder / "log.csv") as theirs:
        rows = [
            [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
            for file in (mine, theirs)
        ]
    assert rows[0] == rows[1] and len(rows[0]) == len(history["loss"])


def test_a_finished_training_is_finished(uninterrupted):
    expected, history, folder = uninterrupted
    newest = Checkpoints(folder / "checkpoints", resume=True)
    model, again = train(folder, callbacks=[Crash(1)])  # not one batch is trained on
    assert newest.epoch == len(history["loss"])
    assert again == history
    assert_equal(model.get_weights(), expected)


@pytest.mark.slow
def test_kill_9_at_random_moments(uninterrupted, tmp_path):
    expected, _, _ = uninterrupted
    command = [sys.executable, "-m", "tests.training.killed", str(tmp_path)]
    done, checkpoints = tmp_path / "weights.npz", Checkpoints(tmp_path / "checkpoints")
    for _ in range(2):
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        seen = checkpoints.files()
        while checkpoints.files() == seen and process.poll() is None:
            time.sleep(0.02)
        time.sleep(random.uniform(0.0, 0.6))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL and not done.exists()
    subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    with np.load(done) as weights:
        assert_equal([weights[name] for name in weights.files], expected)


@pytest.mark.slow
def test_a_full_disk_loses_nothing_but_the_checkpoint(uninterrupted, tmp_path, monkeypatch):
    expected, _, _ = uninterrupted
    save, written = Checkpoints._write, []

    def full(self, path, tensors, state):
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(path)
        save(self, path, tensors, state)

    monkeypatch.setattr(Checkpoints, "_write", full)
    with pytest.warns(UserWarning, match="was not written.*No space left.*Training goes on"):
        model, _ = train(tmp_path)
    assert_equal(model.get_weights(), expected)
    monkeypatch.undo()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model, _ = train(tmp_path)
    assert_equal(model.get_weights(), expected)
    assert not list((tmp_path / "checkpoints").glob(".writing-*"))


def test_another_training_is_refused_by_name(uninterrupted):
    _, _, folder = uninterrupted
    with pytest.raises(ValueError, match="whose batch_size is 4. Received 8"):
        train(folder, batch_size=8)


def test_a_damaged_file_is_one_clear_error(tmp_path):
    (tmp_path / "step-000000002.safetensors").write_bytes(b"half a file")
    with pytest.raises(ValueError, match="is no checkpoint of a training.*Delete it"):
        Checkpoints(tmp_path, resume=True)
    Checkpoints(tmp_path).clear()
    assert not tmp_path.exists()
    with pytest.raises(ValueError, match="`every` must be a positive integer; received 0"):
        Checkpoints(tmp_path, every=0)


def test_a_new_training_takes_the_place_of_one_before(tmp_path):
    """Its first files would else be taken for the oldest, and deleted."""
    old = [tmp_path / f"step-{step:09d}.safetensors" for step in (1000, 1500)]
    for path in old:
        path.touch()
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    checkpoints = Checkpoints(tmp_path, every=1)
    model.fit(np.ones((2, 1)), np.ones((2, 1)), batch_size=1, callbacks=[checkpoints], verbose=0)
    assert [path.name for path in checkpoints.files()] == [
        f"step-{step:09d}.safetensors" for step in (1, 2)
    ]


# === Two trainings of one directory ===


def test_the_directory_of_a_training_is_refused_to_another_process(tmp_path):
    directory = tmp_path / "checkpoints"
    with locked(directory / ".training"), pytest.raises(BlockingIOError, match="is training into"):
        train(tmp_path)  # a lock of another handle is as good as one of another process


@pytest.mark.slow
def test_the_next_training_of_a_process_may_take_over(tmp_path):
    directory = tmp_path / "checkpoints"
    crash = pytest.raises(RuntimeError)
    with crash:
        train(tmp_path, callbacks=[Crash(3)])
    train(tmp_path)
    Checkpoints(directory).clear()
    assert not directory.exists()


def test_a_claim_leaves_nothing_behind(tmp_path):
    checkpoints = Checkpoints(tmp_path / "new" / "checkpoints")
    assert checkpoints.claim() and not checkpoints.claim()
    with pytest.raises(BlockingIOError), locked(checkpoints.directory / ".training", wait=False):
        pass
    checkpoints.release()
    assert not list(tmp_path.iterdir())
    follower = Checkpoints(tmp_path / "checkpoints", writes=False)
    assert not follower.claim() and not list(tmp_path.iterdir())
