"""One contestant in a process of its own: reads requests, one JSON a line, and answers likewise.

    python -m benchmarks.peers.worker MODULE FOLDER OPTIONS

MODULE of this package has a `Peer`, made of the model's FOLDER and OPTIONS (JSON); the requests
name a method of `Tasks` and its arguments. Standard output is kept for the answers.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable


class Tasks:
    """What the parent may ask for. Every time is in seconds, of the work alone."""

    def __init__(self, module: str, folder: str, options: dict):
        self.peer = importlib.import_module(f"benchmarks.peers.{module}").Peer(folder, **options)
        self.sets: dict[str, list[str]] = {}

    def keep(self, name: str, texts: list[str]) -> None:
        """Keeps texts for later requests."""
        self.sets[name] = texts
        if hasattr(self.peer, "prepare"):
            self.peer.prepare(name, texts)

    def scores(self, texts: list[str]) -> list[list[float]]:
        """Probabilities `[B][C]` of one batch."""
        return self.peer.scores(texts).tolist()

    def answer(self, name: str, batch: int, count: int | None = None) -> float:
        """Raw strings -> probabilities of the kept texts, a batch at a time."""
        return self._batches(self.peer.scores, name, batch, count)

    def tokenise(self, name: str, batch: int) -> float:
        """Raw strings -> padded ids and mask of the kept texts."""
        return self._batches(self.peer.tokenise, name, batch)

    def latency(self, name: str) -> list[float]:
        """One kept text after another, each on its own."""
        return [_seconds(lambda t=text: self.peer.scores([t])) for text in self.sets[name]]

    def train(self, texts: list[str], labels: list[int], batch: int) -> float:
        """One pass of AdamW over the texts."""
        return _seconds(self.peer.trainer(texts, labels, batch))

    def memory(self) -> int:
        """The most bytes that this process ever held."""
        with open("/proc/self/status") as status:
            line = next(line for line in status if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024

    def lengths(self, texts: list[str]) -> list[int]:
        """Tokens of each text, [CLS] and [SEP] included."""
        return self.peer.lengths(texts)

    def ceiling(self) -> dict[str, float]:
        """Operations a second of the best matrix product, by dtype."""
        return self.peer.ceiling()

    def _batches(self, run: Callable, name: str, batch: int, count: int | None = None) -> float:
        if hasattr(self.peer, "use"):
            self.peer.use(name)
        texts = self.sets[name][:count]
        batches = [texts[start : start + batch] for start in range(0, len(texts), batch)]
        return _seconds(lambda: [run(one) for one in batches])


def _seconds(run: Callable) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    module, folder, options = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print goes to standard error
    tasks = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            tasks = tasks or Tasks(module, folder, json.loads(options))
            do = request.pop("do")
            answer = {"answer": getattr(tasks, do)(**request) if do != "load" else None}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
