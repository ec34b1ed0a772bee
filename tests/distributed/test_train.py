"""Workers of a cluster train to what one process does with the whole batch, also if one dies."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import json
import sys
import types

import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf

from tests.distributed import learning
from tests.distributed.small import nodes
from tests.training.tiny import rows
from tests.training.workers import train as train_here
from tfkit import distributed
from tfkit.cli import main
from tfkit.distributed.training_worker import WorkerError
from tfkit.training import Recipe

NEEDS_RAY = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="the extra `ray` is not installed"
)


@pytest.fixture
def cluster():
    """Of each test its own: a process has one cluster at a time, and some tests make another."""
    with nodes(1, 1) as made:
        yield made


def arrays(path):
    with np.load(path) as file:
        return dict(file)


def assert_close(trained, expected, **tolerance):
    assert trained.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(trained[name], array, err_msg=name, **tolerance)


@NEEDS_RAY
@pytest.mark.slow
def test_workers_train_as_one_process_and_to_the_same_weights_if_one_dies(cluster, tmp_path):
    said = {"whole": [], "killed": []}
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / "dies").touch()
    begun = {
        name: distributed.train(
            learning.learn, tmp_path / name, workers=2, every=3, progress=lines.append
        )
        for name, lines in said.items()
    }
    assert begun == {"whole": 0, "killed": 6}
    for name, lines in said.items():
        assert lines[-1] == "trained"
        logs = [(tmp_path / name / "logs" / f"worker-{n}.log").read_text() for n in range(2)]
        attempts = [log.count("# Attempt") for log in logs]
        assert attempts == ([1, 1] if name == "whole" else [2, 2])
    assert any("Going on from the last checkpoint" in line for line in said["killed"])
    whole = arrays(tmp_path / "whole" / "worker-0.npz")
    assert_close(whole, train_here(tf.distribute.get_strategy()), rtol=2e-4, atol=2e-5)
    for name, worker in (("whole", 1), ("killed", 0), ("killed", 1)):
        trained = arrays(tmp_path / name / f"worker-{worker}.npz")
        assert_close(trained, whole, rtol=0, atol=1e-6)


@NEEDS_RAY
@pytest.mark.slow
def test_if_a_node_is_lost_the_training_goes_on_to_the_same_weights_on_another(tmp_path):
    (tmp_path / "dies").write_text("node")
    with nodes(0, 1, 1, 1):  # Ray's own processes are on the first
        begun = distributed.train(learning.learn, tmp_path, workers=2, every=3)
    assert begun == 6 and not (tmp_path / "dies").exists()
    for worker in range(2):
        trained = arrays(tmp_path / f"worker-{worker}.npz")
        assert_close(trained, train_here(tf.distribute.get_strategy()), rtol=2e-4, atol=2e-5)


@NEEDS_RAY
@pytest.mark.slow
def test_the_command_gives_the_model_of_one_process(cluster, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    texts = ({"text": text, "label": label} for text, label in rows(30))
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, texts)))
    run = ["train", "train.jsonl", "--from-scratch", "--n-layers", "1", "--n-heads", "2"]
    run += ["--dim", "12", "--vocab-size", "100", "--max-length", "12", "--dropout", "0"]
    run += ["--epochs", "1", "--dev-share", "0.3", "--seed", "3", "--output"]
    assert main([*run, "one"]) == 0
    assert main([*run, "two", "--ray", "--workers", "2"]) == 0
    said = capfd.readouterr().out
    assert said.count("Saved the model") == 2 and "choose the best epoch" in said
    one, two = (
        safetensors.numpy.load_file(tmp_path / name / "model.safetensors")
        for name in ("one", "two")
    )
    assert_close(two, one, rtol=2e-4, atol=2e-5)
    assert Recipe.from_pretrained("two") == Recipe.from_pretrained("one")
    assert sorted(path.name for path in (tmp_path / "two" / "logs").iterdir()) == [
        "worker-0.log",
        "worker-1.log",
    ]
    assert not (tmp_path / "two" / "checkpoints").exists()
    # A file that a worker does not see is its error, at once.
    absent = [*run, "three", "--ray", "--workers", "1", "--validation", "absent.jsonl"]
    assert main(absent) == 1
    said = capfd.readouterr().err
    assert "absent.jsonl" in said and "(worker 0, on " in said and "/three/logs" in said
    assert not (tmp_path / "three" / "checkpoints").exists()


@NEEDS_RAY
@pytest.mark.slow
def test_workers_that_do_not_train_the_same_are_an_error(cluster, tmp_path):
    with pytest.raises(ValueError, match="same recipe of all workers.*worker 0, on"):
        distributed.train(learning.learn_apart, tmp_path, workers=2)


@NEEDS_RAY
@pytest.mark.slow
def test_too_small_a_cluster_is_an_error_at_once(cluster, tmp_path):
    for asked, needed in (
        ({"workers": 3}, "3 workers of 1 CPU. Received one for 2"),
        ({"workers": 1, "cpus_per_worker": 2}, "1 worker of 2 CPU. Received one for 0"),
        ({"workers": 1, "gpus_per_worker": 1}, "1 worker of 1 CPU and 1 GPU. Received one for 0"),
    ):
        with pytest.raises(RuntimeError, match=needed):
            distributed.train(learning.learn, tmp_path, **asked)


@pytest.mark.parametrize(
    "asked, said",
    [
        (["--workers", "2"], "needs --ray"),
        (["--ray"], "needs --workers"),
        (["--ray", "--workers", "2", "--strategy", "mirrored"], "leave out --strategy mirrored"),
        (["--ray", "--workers", "0"], "must be a positive integer; received 0"),
        (["--ray", "--workers", "1", "--restarts", "-1"], "an integer from 0; received -1"),
    ],
)
def test_options_of_a_cluster_that_do_not_fit_are_one_error(asked, said, tmp_path, capsys):
    assert main(["train", "train.csv", "--output", str(tmp_path / "made"), *asked]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


@pytest.fixture
def runs(monkeypatch):
    """In place of Ray: the works that it was given, and what becomes of each, to be filled."""
    made = types.SimpleNamespace(works=[], ends=[], rooms=[])

    def run(work, workers, resources):
        made.works.append(work)
        end = made.ends.pop(0)
        return end(work) if callable(end) else end

    def room(resources):
        return made.rooms.pop(0) if made.rooms else 2

    fake = types.SimpleNamespace(run=run, room=room, cluster=lambda ray: contextlib.nullcontext())
    monkeypatch.setattr("tfkit.distributed._train.engine", lambda name: fake)
    monkeypatch.setattr("tfkit.distributed._train.time.sleep", lambda seconds: None)
    return made


def lost(work, checkpoint=None):
    if checkpoint:
        (work.output / "checkpoints" / checkpoint).write_bytes(b"")
    raise WorkerError("worker 1 died", lost=True)


def test_a_restart_goes_on_from_checkpoints_of_this_training_alone(runs, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "step-000000004.safetensors").write_bytes(b"of an earlier one")
    new = functools.partial(lost, checkpoint="step-000000002.safetensors")
    runs.ends, runs.rooms = [lost, new, "done"], [2, 1, 1, 2]  # a machine comes back
    said = []
    assert distributed.train(learning.learn, tmp_path, workers=2, progress=said.append) == "done"
    assert [work.checkpoints["resume"] for work in runs.works] == [False, False, True]
    assert [work.attempt for work in runs.works] == [0, 1, 2]
    assert [line for line in said if "worker 1 died; see the logs" in line] == said
    assert len(said) == 2 and not [*(tmp_path / "logs").iterdir()]


def test_too_many_deaths_and_errors_of_the_training_end_it(runs, tmp_path):
    runs.ends = [lost] * 3
    with pytest.raises(RuntimeError, match="lost 3 times, the last time: worker 1 died"):
        distributed.train(learning.learn, tmp_path, workers=2, restarts=2)

    def wrong(work):
        raise WorkerError("no such file (worker 1, on 10.0.0.2)", FileNotFoundError)

    runs.ends = [wrong]
    with pytest.raises(FileNotFoundError, match="no such file .worker 1, on 10.0.0.2.; see the"):
        distributed.train(learning.learn, tmp_path, workers=2)


def test_a_worker_that_does_not_see_the_folder_says_so(runs, tmp_path):
    runs.ends = [lambda work: work._replace(output=tmp_path / "of its own")(1, "10.0.0.2")]
    with pytest.raises(FileNotFoundError, match="storage that all machines share.*10.0.0.2"):
        distributed.train(learning.learn, tmp_path, workers=2)


def test_without_ray_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "tfkit.distributed._ray_train", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'tfkit\[ray\]'"):
        distributed.train(learning.learn, tmp_path / "made", workers=1)
    assert not (tmp_path / "made").exists()
