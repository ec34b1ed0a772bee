"""What scoring files costs in processor time: in one process of one thread, and in the actors of a
cluster of two nodes on this machine; how much of it is reading, tokens, model and writing; memory.

    python -m benchmarks.scoring texts.tsv --rows 20000
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MODEL = Path(__file__).resolve().parents[1] / "saved_models" / "tfkit-sst2"
TICK = os.sysconf("SC_CLK_TCK")


def of_process(pid: int) -> tuple[float, float]:
    """Processor seconds, and the most memory so far in MB."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    return (int(fields[11]) + int(fields[12])) / TICK, peak


def one_process(source: Path, output: Path, rows: int, per_file: int) -> dict:
    """By parts; what is left of the whole is loading."""
    from tfkit.distributed.chunks import Reading, chunks
    from tfkit.distributed.storage import OutputFolder, input_files
    from tfkit.distributed.worker import Job, Scorer

    files = {path.name: path.read_bytes() for path in MODEL.iterdir()}
    scorer = Scorer(Job(files, "text-classification", {}, 1, "labels", 1), OutputFolder(output))
    (file,) = input_files(source)
    spent = dict.fromkeys(("reading", "tokens", "all"), 0.0)
    given = chunks(file, Reading(per_file, "labels"))
    warm = next(given)
    scorer(warm)
    began, left = time.process_time(), rows - per_file
    while True:
        start = time.process_time()
        chunk = next(given, None)
        spent["reading"] += time.process_time() - start
        if chunk is None:
            break
        scorer(chunk)
    spent["all"] = time.process_time() - began
    texts = [row["text"] for row in warm.checked]
    pipe = scorer._pipeline
    start = time.process_time()
    pipe.tokens(texts)
    spent["tokens"] = (time.process_time() - start) * left / per_file
    start = time.process_time()
    answers = pipe.answers(texts)
    answering = (time.process_time() - start) * left / per_file
    spent["model"] = answering - spent["tokens"]
    start = time.process_time()
    scorer._content(warm, [*range(per_file)], answers)
    spent["writing"] = (time.process_time() - start) * left / per_file
    spent["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"texts_per_cpu_second": left / spent["all"], **spent}


def on_cluster(source: Path, output: Path, rows: int, per_file: int) -> dict:
    """Of the actors, from their first answer on."""
    import ray
    from ray.cluster_utils import Cluster

    from tests.distributed.test_ray import actors
    from tfkit.distributed import score

    os.environ.setdefault("RAY_worker_niceness", "0")
    node = {"num_cpus": 1, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    cluster.add_node(**node)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    seen: list[tuple[float, int, dict]] = []

    def look(count: int) -> None:
        if count:
            measured = {pid: of_process(pid) for pid in actors()}
            seen.append((time.monotonic(), count, measured))

    score(source, MODEL, output, rows_per_file=per_file, ray=cluster.address, progress=look)
    ray.shutdown()
    cluster.shutdown()
    # From when each actor has answered once, which traces its graphs.
    (began, _, first), (ended, _, last) = seen[3], seen[-1]
    cpu = sum(last[pid][0] - first[pid][0] for pid in last)
    done = sum(count for _, count, _ in seen[4:])
    return {
        "texts_per_cpu_second": done / cpu,
        "texts_per_second": done / (ended - began),
        "actors": len(last),
        "peak_mb": max(peak for _, peak in last.values()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", help="a TSV file with the column `sentence`")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rows-per-file", type=int, default=2_000)
    parser.add_argument("--kind", choices=["one", "cluster"], help="(both, each in a process)")
    options = parser.parse_args()
    if options.kind is None:
        for kind in ("one", "cluster"):
            subprocess.run([sys.executable, "-m", __spec__.name, *sys.argv[1:], "--kind", kind])
        return
    import pyarrow as pa
    from pyarrow import parquet

    lines = Path(options.texts).read_text(encoding="utf-8").splitlines()[1:]
    texts = itertools.islice(itertools.cycle(lines), options.rows)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "texts.parquet")
        texts = [line.split("\t")[0] for line in texts]
        parquet.write_table(pa.table({"text": texts}), source)
        run = one_process if options.kind == "one" else on_cluster
        found = run(source, Path(folder, "out"), options.rows, options.rows_per_file)
    print(json.dumps({"kind": options.kind, **found}), flush=True)


if __name__ == "__main__":
    main()
