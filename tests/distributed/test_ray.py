"""On a cluster each row is answered once, whatever dies."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

import tfkit
from tests.distributed.small import nodes, rows_of, save, texts_of
from tfkit.distributed import score

pytest.importorskip("ray", reason="the extra `ray` is not installed")
pytestmark = pytest.mark.slow  # a cluster and its processes with TensorFlow take a minute


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save(tmp_path_factory.mktemp("model"), "TFDistilBertForSequenceClassification")


@pytest.fixture
def cluster():
    with nodes(1, 1) as made:
        yield made


def actors() -> list[int]:
    """The processes of actors below this one, by what Linux says of them."""
    parents, named = {}, []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if (path / "cmdline").read_text().startswith("ray::_Actor"):
                named.append(int(path.name))
        except OSError:  # it has just ended
            continue

    def is_ours(process: int) -> bool:
        return process == os.getpid() or (process in parents and is_ours(parents[process]))

    return [process for process in named if is_ours(process)]


def test_a_killed_worker_a_killed_node_and_a_job_that_is_restarted_lose_and_double_nothing(
    cluster, model, tmp_path
):
    texts, files = {}, {"a.parquet": 700, "b.parquet": 500, "c.txt": 400}
    (tmp_path / "in").mkdir()
    for seed, (name, count) in enumerate(files.items()):
        texts[name] = texts_of(count, seed)
        if name.endswith("txt"):
            (tmp_path / "in" / name).write_text("\n".join(texts[name]))
        else:
            table = pa.table({"id": range(count), "text": texts[name]})
            parquet.write_table(table, tmp_path / "in" / name)
    output = tmp_path / "out"
    steps: list[int] = []
    killed: list[str] = []

    def dies(rows: int) -> None:
        steps.append(rows)
        done = sum(steps)
        if done >= 300 and "worker" not in killed:
            killed.append("worker")
            os.kill(actors()[0], signal.SIGKILL)
        if done >= 700 and "node" not in killed:
            killed.append("node")
            cluster.remove_node(cluster.other, allow_graceful=False)
        if done >= 1000:
            raise KeyboardInterrupt  # as of a user, or of whoever ends the job

    ask = {"source": f"{tmp_path}/in/*", "model": model, "output": output, "rows_per_file": 50}
    ask |= {"ray": cluster.address, "actors": 2}
    with pytest.raises(KeyboardInterrupt):
        score(**ask, progress=dies)
    assert killed == ["worker", "node"]
    done = score(**ask)
    assert done.earlier >= 1000 and done.answered == 1600 - done.earlier and not done.rejected
    classify = tfkit.pipeline("text-classification", model=str(model))
    for name, own in texts.items():
        rows = rows_of(output, name)
        assert [row["text"] for row in rows] == own
        for row, expected in zip(rows, classify(own)):
            (label,) = row["labels"]
            assert label["label"] == expected["label"]
            assert label["score"] == pytest.approx(expected["score"], abs=1e-6)
    assert not [*output.rglob(".writing-*")]


def test_errors_of_workers_are_those_of_one_process(cluster, model, tmp_path):
    (tmp_path / "a.txt").write_text("a\nb")
    ask = {"source": tmp_path / "a.txt", "model": model, "ray": cluster.address, "actors": 1}
    with pytest.raises(ValueError, match="`max_length` must be"):
        score(**ask, output=tmp_path / "x", max_length=99)
    with pytest.raises(ValueError, match="has no column 'review'"):
        (tmp_path / "a.csv").write_text("text\na\n")
        score(**{**ask, "source": tmp_path / "a.csv"}, output=tmp_path / "y", text="review")
    assert score(**ask, output=tmp_path / "z", runtime="tensorflow").answered == 2
