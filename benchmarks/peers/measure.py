"""Runs the contestants in turns and gathers what they cost."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

from benchmarks.peers import contestants as table
from benchmarks.peers.contestants import ENCODERS, Contestant
from benchmarks.peers.environments import ensure, ensure_model
from benchmarks.peers.processes import PeerError, Worker, start_up, take_turns
from benchmarks.peers.texts import phrases, sentences, text_sets

SETS = ("short", "mixed", "long")
MEASURES = (*SETS, "latency", "tokenise", "start", "train", "scaling")
LATENCY_TOKENS = 25
TRAIN_BATCH, TOKENISE_BATCH, CHECKED = 32, 32, 8
SCALED_TOKENS, SCALED_TEXTS = (8, 32, 128, 512), (1, 4, 16, 64, 256)
CEILING = "the ceiling"
ORACLE = Contestant(table.TFKIT, "tfkit", "tfkit")  # counts tokens
MACHINE = Contestant(CEILING, "tfkit", "ceiling")


def flops(lengths: list[int], config: dict) -> float:
    """Operations of the full model on texts of so many real tokens, padding left out."""
    layers, d, f = (
        next(config[name] for name in names if name in config)
        for names in (
            ("num_hidden_layers", "n_layers"),
            ("hidden_size", "dim"),
            ("intermediate_size", "hidden_dim"),
        )
    )
    return sum(layers * n * (2 * (4 * d * d + 2 * d * f) + 4 * n * d) for n in lengths)


def measure(
    *,
    data: Path,
    contestants: list[Contestant],
    only: list[str],
    rounds: int,
    texts: int,
    quick: bool,
    checkpoint: Path | None = None,
) -> dict:
    """All figures, ready for JSON.

    `costs[measure][contestant]` has a figure a round: seconds a text, seconds a megabyte for
    tokenising, bytes for memory.
    """
    for environment in dict.fromkeys(["torch", "tfkit", *(c.environment for c in contestants)]):
        if not ensure(environment):
            contestants = [c for c in contestants if c.environment != environment]
    folder = ensure_model(checkpoint or data / "vocab/bert-base-uncased/vocab.txt")
    figures: dict = {"rounds": rounds, "costs": {}, "batches": {}, "agreement": {}, "rates": {}}
    config = json.loads((folder / "config.json").read_text("utf-8"))
    oracle = Worker(ORACLE, folder)
    sets = text_sets(data, texts)
    figures["lengths"] = {name: oracle.ask("lengths", texts=sets[name]) for name in SETS}
    dev = [text for text, _ in sentences(data, "dev")]
    counts = oracle.ask("lengths", texts=dev)
    oracle.close()
    fitting = [text for text, count in zip(dev, counts) if count == LATENCY_TOKENS]
    sets["latency"] = fitting[:5] if quick else fitting * 2

    machine = Worker(MACHINE, folder)
    workers = loaded(contestants, folder)
    try:
        workers = agreement(workers, sets["mixed"][:CHECKED], figures)
        for name in SETS:
            if name in only:
                work = flops(figures["lengths"][name], config) / len(sets[name])
                answering(workers, machine, name, sets[name], rounds, figures, work)
        if set(SETS) & set(only):
            figures["costs"]["memory"] = take_turns(workers, 1, lambda w: w.ask("memory"))
        if "latency" in only:
            latency(workers, sets["latency"], rounds, figures)
        if "tokenise" in only:
            tokenising(workers, sets, rounds, figures)
        if "start" in only:
            starting(workers, rounds, folder, dev[0], figures)
        if "train" in only:
            training(workers, data, rounds, 4 if quick else 20, figures)
    finally:
        for worker in (*workers, machine):
            worker.close()
    if "scaling" in only:
        scaling(folder, quick, figures)
    return figures


def say(*words) -> None:
    print(*words, file=sys.stderr, flush=True)


def loaded(contestants: list[Contestant], folder: Path) -> list[Worker]:
    workers = []
    for contestant in contestants:
        try:
            workers.append(Worker(contestant, folder))
        except PeerError as error:
            say("left out:", error)
    return workers


def agreement(workers: list[Worker], texts: list[str], figures: dict) -> list[Worker]:
    """The contestants that answer; of each, how far its probabilities lie from the reference."""
    answers: dict[str, list] = {}

    def apart(worker: Worker) -> float:
        worker.ask("keep", name="agreement", texts=texts)
        answers[worker.name] = [p for row in worker.ask("scores", texts=texts) for p in row]
        reference = next(iter(answers.values()))
        return max(abs(a - b) for a, b in zip(answers[worker.name], reference))

    workers = sorted(workers, key=lambda worker: worker.name != table.TORCH)
    distances = take_turns(workers, 1, apart)
    for worker in workers:
        if distances.get(worker.name, [0])[0] > worker.contestant.tolerance:
            say(f"{worker.name} answers otherwise than {workers[0].name}")
    figures["agreement"] = {name: distance for name, (distance,) in distances.items()}
    reference = next(iter(answers.values()))[::2]
    figures["spread"] = max(reference) - min(reference)
    return [worker for worker in workers if worker.name in distances]


def answering(
    workers, machine, name: str, texts: list[str], rounds: int, figures: dict, work: float
) -> None:
    """Raw strings -> probabilities, and the ceiling of the same rounds, for `work` operations a
    text.
    """
    say(name)
    tried = figures["batches"][name] = {}

    def choose(worker: Worker) -> int:
        """The fastest batch, by a pass of each after a batch to warm up."""
        worker.ask("keep", name=name, texts=texts)
        sizes = worker.contestant.batches
        worker.ask("answer", name=name, batch=sizes[0], count=sizes[0])
        tried[worker.name] = {
            size: worker.ask("answer", name=name, batch=size) / len(texts) for size in sizes
        }
        return min(sizes, key=tried[worker.name].get)

    chosen = {name: size for name, (size,) in take_turns(workers, 1, choose).items()}

    def cost(worker: Worker) -> float:
        if worker is machine:
            rates = worker.ask("ceiling")
            for dtype, rate in rates.items():
                figures["rates"].setdefault(dtype, []).append(rate)
            return work / rates["float32"]
        return worker.ask("answer", name=name, batch=chosen[worker.name]) / len(texts)

    ready = [worker for worker in workers if worker.name in chosen]
    figures["costs"][name] = take_turns([*ready, machine], rounds, cost)


def latency(workers, texts: list[str], rounds: int, figures: dict) -> None:
    """Seconds of single texts: the rounds' medians, and the 99th percentile of all."""
    say("latency")
    calls: dict[str, list[float]] = {}

    def cost(worker: Worker) -> float:
        if worker.name not in calls:
            calls[worker.name] = []
            worker.ask("keep", name="latency", texts=texts)
            worker.ask("latency", name="latency")
        taken = worker.ask("latency", name="latency")
        calls[worker.name] += taken
        return statistics.median(taken)

    figures["costs"]["latency"] = take_turns(workers, rounds, cost)
    figures["p99"] = {
        name: sorted(taken)[int(0.99 * len(taken))] for name, taken in calls.items() if taken
    }


def tokenising(workers, sets: dict[str, list[str]], rounds: int, figures: dict) -> None:
    """Raw strings -> padded ids and mask, in seconds a megabyte."""
    say("tokenise")
    ready = [worker for worker in workers if worker.contestant.tokenises]
    for name in ("short", "long"):
        size = sum(len(text.encode()) for text in sets[name]) / 1e6

        def cost(worker: Worker, name=name, size=size) -> float:
            return worker.ask("tokenise", name=name, batch=TOKENISE_BATCH) / size

        for worker in ready:
            worker.ask("keep", name=name, texts=sets[name])
            worker.ask("tokenise", name=name, batch=TOKENISE_BATCH)
        figures["costs"][f"tokenise {name}"] = take_turns(ready, rounds, cost)


def starting(workers, rounds: int, folder: Path, text: str, figures: dict) -> None:
    """From shell to answer; what a command keeps for the next is there after a first one."""
    say("start")
    memory: dict[str, list[int]] = {}

    def cost(worker: Worker) -> float:
        seconds, used = start_up(worker.contestant, folder, text)
        memory.setdefault(worker.name, []).append(used)
        return seconds

    figures["costs"]["first start"] = take_turns(workers, 1, cost)
    memory.clear()
    figures["costs"]["start"] = take_turns(workers, rounds, cost)
    figures["costs"]["start memory"] = memory


def training(workers, data: Path, rounds: int, steps: int, figures: dict) -> None:
    """AdamW on other phrases every round, the same for all, after a pass to warm up."""
    say("train")
    examples = phrases(data, (rounds + 1) * steps * TRAIN_BATCH)
    done: dict[str, int] = {}

    def cost(worker: Worker) -> float:
        number = done[worker.name] = done.get(worker.name, -1) + 1
        part = examples[number * steps * TRAIN_BATCH :][: steps * TRAIN_BATCH]
        texts, labels = map(list, zip(*part))
        return worker.ask("train", texts=texts, labels=labels, batch=TRAIN_BATCH) / len(part)

    ready = [worker for worker in workers if worker.contestant.trains]
    warm = take_turns(ready, 1, cost)
    ready = [worker for worker in ready if worker.name in warm]
    figures["costs"]["train"] = take_turns(ready, rounds, cost)


def scaling(folder: Path, quick: bool, figures: dict) -> None:
    """Seconds of tfkit for texts of one length: `[encoder][tokens][texts]`, the best of some."""
    say("scaling")
    encoders = [Contestant(name, "tfkit", "tfkit", options) for name, options in ENCODERS.items()]
    workers = loaded(encoders, folder)
    cells = figures["scaling"] = {worker.name: {} for worker in workers}
    most = 2**11 if quick else 2**17

    def cost(worker: Worker) -> float:
        """The best of some runs; where they are long, the first is also the last."""
        worker.ask("keep", name="scaling", texts=texts)
        first = worker.ask("answer", name="scaling", batch=len(texts))
        more = 8 if first < 0.2 else 2 if first < 5 else 0
        return min(
            [first, *(worker.ask("answer", name="scaling", batch=len(texts)) for _ in range(more))]
        )

    for tokens in SCALED_TOKENS:
        for count in SCALED_TEXTS:
            if tokens * count <= most:
                texts = ["good " * (tokens - 2)] * count
                for name, (seconds,) in take_turns(workers, 1, cost).items():
                    cells[name].setdefault(tokens, {})[count] = seconds
    for worker in workers:
        worker.close()
