"""Scores many texts on a cluster of two nodes, of which a worker and later a node are killed, and
compares every row with what `pipeline` says of its text.

    python -m benchmarks.scoring_kills DATA WORK --rows 10000000

DATA is the folder with SST-2, Banking77 and WNUT17; WORK is where the files are, some 2 GB for ten
million rows. Texts are made of pieces of those, a million different ones, each in ten rows.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from benchmarks.scoring import of_process
from tests.distributed.small import nodes
from tests.distributed.test_ray import actors
from tfkit import data, pipeline
from tfkit.distributed import score

REPEATS, FILES, PER_FILE = 10, 20, 20_000
STORE = 80_000_000  # bytes of each node's object store


def texts_of(folder: Path, count: int) -> list[str]:
    """Different texts of 1 to 24 words: one or two pieces of those there."""
    words = [
        text.split()
        for texts in (
            data.read(folder / "sst2" / "train.tsv", text="sentence").texts,
            data.read(folder / "banking77" / "train.csv", label="category").texts,
            data.read(folder / "wnut17" / "wnut17train.conll").texts,
        )
        for text in texts
    ]
    random, made = np.random.default_rng(0), {}
    while len(made) < count:
        parts = []
        for _ in range(random.integers(1, 3)):
            text = words[random.integers(len(words))]
            start, length = random.integers(len(text)), random.integers(1, 13)
            parts += text[start : start + length]
        made[" ".join(parts)] = None
    return list(made)


def write(source: Path, texts: list[str], rows: int) -> None:
    """Files of rows: their number, the number of their text, the text."""
    random, texts = np.random.default_rng(1), pa.array(texts)
    source.mkdir(parents=True)
    for file, numbers in enumerate(np.array_split(np.arange(rows), FILES)):
        chosen = random.permutation(numbers % len(texts))
        columns = {"row": numbers, "number": chosen, "text": texts.take(pa.array(chosen))}
        parquet.write_table(pa.table(columns), source / f"{file:02}.parquet")


def on_cluster(source: Path, model: Path, output: Path, rows: int) -> dict:
    """Scores the files; a worker dies after a fifth of the rows, a node after half of them."""
    done, killed, seen = 0, [], {}
    with nodes(1, 1) as cluster:

        def look(count: int) -> None:
            nonlocal done
            done += count
            seen.update({pid: of_process(pid) for pid in actors()})
            if done > rows / 5 and not killed:
                killed.append("worker")
                os.kill(actors()[0], signal.SIGKILL)
            if done > rows / 2 and len(killed) == 1:
                killed.append("node")
                cluster.remove_node(cluster.other, allow_graceful=False)
                cluster.add_node(num_cpus=1, object_store_memory=STORE)
            if done // 500_000 > (done - count) // 500_000:
                print(f"{done:,} rows after {time.monotonic() - began:.0f} s", flush=True)

        began = time.monotonic()
        said = score(
            f"{source}/*.parquet", model, output, rows_per_file=PER_FILE, ray=cluster.address,
            actors=2, progress=look,
        )  # fmt: skip
        wall = time.monotonic() - began
    cpu = sum(seconds for seconds, _ in seen.values())
    return {
        "answered": said.answered,
        "rejected": said.rejected,
        "killed": killed,
        "workers": len(seen),
        "seconds": wall,
        "texts_per_second": rows / wall,
        "texts_per_cpu_second": rows / cpu,
        "worker_peak_mb": max(peak for _, peak in seen.values()),
        "this_process_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def differences(source: Path, model: Path, output: Path, texts: list[str]) -> dict:
    """Of every row from `pipeline`'s answer to its text, in one process of one thread."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    classify = pipeline("text-classification", model=str(model))
    classify(texts[:PER_FILE])  # which traces its graphs
    began, answers = time.process_time(), []
    for start in range(0, len(texts), PER_FILE):
        answers += classify(texts[start : start + PER_FILE])
    cpu = time.process_time() - began
    labels = np.array([answer["label"] for answer in answers])
    scores = np.array([answer["score"] for answer in answers])
    rows = wrong = 0
    furthest = 0.0
    for file in sorted(source.iterdir()):
        asked = parquet.read_table(file, columns=["row", "number"])
        written = [
            parquet.read_table(part, partitioning=None)
            for part in sorted(output.glob(f"{file.name}-*"))
        ]
        found = pa.concat_tables(written)
        assert found.select(["row", "number"]).equals(asked), f"{file.name}: rows are not as asked"
        given = found["labels"].combine_chunks().flatten()
        numbers = asked["number"].to_numpy()
        away = np.abs(given.field("score").to_numpy() - scores[numbers])
        wrong += int((given.field("label").to_numpy(zero_copy_only=False) != labels[numbers]).sum())
        furthest = max(furthest, float(away.max()))
        rows += len(numbers)
    return {
        "rows_compared": rows,
        "labels_that_differ": wrong,
        "furthest_score": furthest,
        "pipeline_texts_per_cpu_second": len(texts) / cpu,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path, help="folder for the files, which must not be there")
    parser.add_argument("--rows", type=int, default=10_000_000)
    default = Path(__file__).resolve().parents[1] / "saved_models" / "tfkit-sst2"
    parser.add_argument("--model", type=Path, default=default)
    options = parser.parse_args()
    source, output = options.work / "in", options.work / "out"
    texts = texts_of(options.data, options.rows // REPEATS)
    write(source, texts, options.rows)
    size = sum(file.stat().st_size for file in source.iterdir())
    words = sum(len(text.split()) for text in itertools.islice(texts, 10_000)) / 10_000
    print(json.dumps({"rows": options.rows, "input_mb": size / 1e6, "words": words}), flush=True)
    print(json.dumps(on_cluster(source, options.model, output, options.rows)), flush=True)
    print(json.dumps(differences(source, options.model, output, texts)), flush=True)
    shutil.rmtree(options.work)


if __name__ == "__main__":
    main()
