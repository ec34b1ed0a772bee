"""A service's load: one short text a request, by one client and by more, as strings.

    python -m benchmarks.served ../shared/data FOLDER [--rounds 3] [--seconds 3] [--batching]
        [--clients 1 8]

A checkpoint with its tokenizer, exported by `tfkit export`'s defaults, beside the same model
exported by Keras alone, which takes token ids: they are made beforehand and cost it nothing. SST-2
dev sentences through TensorFlow's C library, in a process of each, in turns; milliseconds are those
of a call of the session. Also how long each takes to load, and to warm up: tfkit by the requests
that its export holds, Keras by the same texts as ids. Prints Markdown.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.peers.texts import sentences
from benchmarks.ratios import spread
from tfkit.inference import c_library

BATCH = 32
FROZEN = {"TF_ONEDNN_ASSUME_FROZEN_WEIGHTS": "1"}


def serve(pipe, folder: str, warmup: list, requests: dict, environment: dict) -> None:
    """A process without TensorFlow in Python: loads, warms up, and runs what it is told to."""
    os.environ.update(environment)
    library, *ops = c_library.libraries()
    start, cpu = time.perf_counter(), time.process_time()
    session = c_library.Session(library, ops, folder)
    loaded, loaded_cpu = time.perf_counter(), time.process_time()
    for request in warmup:
        session.run(*request)
    warm, warm_cpu = time.perf_counter() - loaded, time.process_time() - loaded_cpu
    pipe.send((loaded - start, loaded_cpu - cpu, warm, warm_cpu))
    while load := pipe.recv():
        pipe.send((*run(session, *load, requests), c_library.resident_bytes()))


def run(session, clients: int, count: int, seconds: float, requests: dict):
    """Seconds of every request, and requests a second."""
    taken, end = [], time.perf_counter() + seconds

    def client(number):
        for request in itertools.islice(itertools.cycle(requests[count]), number, None):
            begin = time.perf_counter()
            if begin > end:
                return
            session.run(*request)
            taken.append(time.perf_counter() - begin)

    threads = [threading.Thread(target=client, args=[7 * number]) for number in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken, len(taken) / (time.perf_counter() - start)


def contestants(checkpoint: str, texts: list[str], folder: Path, batching: bool) -> dict:
    """Name -> the arguments of `serve` after the first."""
    import tensorflow as tf

    from tfkit import AutoTokenizer, TFAutoModelForSequenceClassification, export
    from tfkit.export.serving.requests import read_warmup
    from tfkit.inference.served_model import _packed, signatures_of

    model = TFAutoModelForSequenceClassification.from_pretrained(checkpoint)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    options = {"server_files": False}
    paths = {"tfkit": export.saved_model(model, tokenizer, folder / "tfkit", **options).path}
    if batching:
        options |= {"batching": None}
        path = export.saved_model(model, tokenizer, folder / "alone", **options).path
        paths["tfkit, no batching"] = path
    names = model.model_input_names
    specs = {name: tf.TensorSpec([None, None], tf.int32, name=name) for name in names}
    paths["Keras"] = folder / "keras"
    model.export(str(paths["Keras"]), input_signature=[specs], verbose=False)

    def packed(path, signature, inputs):
        found = signatures_of(path)[signature]
        feeds = {
            found.inputs[name].name: _packed(value, found.inputs[name].dtype)
            for name, value in inputs.items()
        }
        return feeds, [found.outputs[name].name for name in sorted(found.outputs)]

    def of_texts(path, rows):
        if path != paths["Keras"]:
            return packed(path, "serving_default", {"text": rows})
        batch = tokenizer(rows, padding=True, truncation=True, return_tensors="np")
        return packed(path, "serving_default", {name: batch[name] for name in names})

    asked = {1: [[text] for text in texts]}
    asked[BATCH] = [texts[at : at + BATCH] for at in range(0, len(texts) - BATCH, BATCH)]
    found = {}
    for name, path in paths.items():
        requests = {count: [of_texts(path, rows) for rows in asked[count]] for count in asked}
        warmup = [packed(path, *request) for request in read_warmup(path)]
        if not warmup:  # the same texts, as ids
            texts_of = [
                inputs["text"] for key, inputs in read_warmup(paths["tfkit"]) if key == "text"
            ]
            warmup = [of_texts(path, [t.decode() for t in rows]) for rows in texts_of]
        found[name] = (str(path), warmup, requests, {})
    for name in ("tfkit", "Keras"):
        found[f"{name}, weights assumed constant"] = (*found[name][:3], FROZEN)
    return found


def main() -> None:
    from tfkit.inference.speed import processor_name  # here: the other processes import this file

    parser = argparse.ArgumentParser("python -m benchmarks.served")
    parser.add_argument("data", type=Path, help="the folder with sst2/")
    parser.add_argument("model", help="a checkpoint of a text classifier with its tokenizer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--batching", action="store_true", help="also an export without")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8], help="how many (1 8)")
    options = parser.parse_args()
    # What is asked -> clients, and texts a request.
    loads = {f"{count} client{'s' * (count > 1)}": (count, 1) for count in options.clients}
    loads[f"{BATCH} a request"] = (1, BATCH)
    texts = [text for text, _ in sentences(options.data, "dev")][:256]
    spawned = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        found = contestants(options.model, texts, Path(folder), options.batching)
        pipes, begun = {}, {name: [] for name in found}
        for turn in range(options.rounds):
            for name, arguments in found.items():
                if turn:
                    pipes[name].send(None)
                pipes[name], theirs = spawned.Pipe()
                spawned.Process(target=serve, args=(theirs, *arguments), daemon=True).start()
                begun[name].append(pipes[name].recv())
        print(f"{time.strftime('%d %B %Y')}, {processor_name()}\n")
        print("| SavedModel | load, s (processor) | warm-up, s (processor) |\n| --- | --- | --- |")
        for name, rows in begun.items():
            load, load_cpu, warm, warm_cpu = (statistics.median(column) for column in zip(*rows))
            print(f"| {name} | {load:.2f} ({load_cpu:.2f}) | {warm:.2f} ({warm_cpu:.2f}) |")
        taken = {(name, how): [] for name in found for how in loads}
        rates = {key: [] for key in taken}
        memory = {}
        for _, (name, how) in itertools.product(range(1 + options.rounds), taken):
            pipes[name].send((*loads[how], options.seconds))
            seconds, rate, memory[name] = pipes[name].recv()
            taken[name, how].append(seconds)
            rates[name, how].append(rate * loads[how][1])
        for pipe in pipes.values():
            pipe.send(None)
    print(
        "\n| load | SavedModel | p50 ms | p99 ms | texts/s | rate to Keras (rounds) | memory, MB |"
    )
    print("| --- " * 7 + "|")
    for how, name in itertools.product(loads, found):
        seconds = sorted(itertools.chain(*taken[name, how][1:]))
        p50, p99 = (1e3 * seconds[int(part * len(seconds))] for part in (0.5, 0.99))
        ratios = [a / b for a, b in zip(rates[name, how], rates["Keras", how])][1:]
        rate = statistics.median(rates[name, how][1:])
        print(
            f"| {how} | {name} | {p50:.2f} | {p99:.2f} | {rate:.0f} | {spread(ratios)} "
            f"| {memory[name] / 1e6:.0f} |"
        )


if __name__ == "__main__":
    main()
