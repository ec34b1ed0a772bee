"""The parent's side of `worker.py`: contestants that stand still until they are asked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.contestants import Contestant
from benchmarks.peers.environments import CACHE, REPOSITORY, python_of

QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "HF_HUB_OFFLINE": "1",
    "KERAS_BACKEND": "tensorflow",
    "PYTHONWARNINGS": "ignore",
    "XDG_CACHE_HOME": str(CACHE / "cache"),
}


class PeerError(RuntimeError):
    """What a contestant could not do."""


class Worker:
    """A contestant's process, stopped by a signal between requests so that no thread of it spins.

    Raises:
        PeerError: it cannot load the model.
    """

    def __init__(self, contestant: Contestant, folder: Path):
        self.contestant, self.name = contestant, contestant.name
        options = json.dumps(contestant.options)
        command = [python_of(contestant.environment), "-m", "benchmarks.peers.worker"]
        with (CACHE / f"{contestant.name.replace(' ', '-')}.log").open("w") as log:
            self.process = subprocess.Popen(
                [*map(str, command), contestant.peer, str(folder), options],
                cwd=REPOSITORY,
                env={**os.environ, **QUIET},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.ask("load")

    def ask(self, do: str, **arguments):
        """The answer of `Tasks.do(**arguments)`."""
        try:
            self.process.send_signal(signal.SIGCONT)
            self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
            self.process.send_signal(signal.SIGSTOP)
        except BrokenPipeError:
            line = ""
        answer = json.loads(line) if line else {"error": "its process has ended"}
        if "error" in answer:
            raise PeerError(f"{self.name}, {do}: {answer['error']}")
        return answer["answer"]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def take_turns(
    workers: list[Worker], rounds: int, ask: Callable[[Worker], float]
) -> dict[str, list[float]]:
    """What `ask` gives of each worker, once a round, in an order that turns from round to round.

    A worker that fails is told on standard error and leaves its list out.
    """
    costs: dict[str, list[float]] = {worker.name: [] for worker in workers}
    for number in range(rounds):
        shift = number % max(1, len(workers))
        for worker in workers[shift:] + workers[:shift]:
            if worker.name in costs:
                try:
                    costs[worker.name].append(ask(worker))
                except PeerError as error:
                    print(error, file=sys.stderr, flush=True)
                    del costs[worker.name]
    return costs


# Runs a command, and says on standard error how much memory it held at most, in KiB.
_WITH_MEMORY = """import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(status)"""


def start_up(contestant: Contestant, folder: Path, text: str) -> tuple[float, int]:
    """Seconds from shell to answer, and bytes of memory: `tfkit predict`, or a script of a peer."""
    python = python_of(contestant.environment)
    if contestant.peer == "tfkit":
        extra = [f for key, value in contestant.options.items() for f in (f"--{key}", value)]
        command = [python.with_name("tfkit"), "predict", "--model", folder, text, *extra]
    else:
        options = json.dumps(contestant.options)
        command = [python, "-m", "benchmarks.peers.once", contestant.peer, folder, options, text]
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _WITH_MEMORY, *map(str, command)],
        cwd=REPOSITORY,
        env={**os.environ, **QUIET},
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - start
    said = done.stderr.strip().splitlines()
    if done.returncode:
        raise PeerError(f"{contestant.name}, start-up: {said[-2] if said[1:] else 'no answer'}")
    return seconds, int(said[-1]) * 1024
