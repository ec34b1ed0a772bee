"""Ray: tasks read the files on any node, and a pool of actors answers their chunks."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import ray

from tfkit.distributed.chunks import Chunk
from tfkit.distributed.storage import InputFile, OutputFolder
from tfkit.distributed.worker import Counts, Job, Scorer

_ATTEMPTS = 10  # what kills every process that tries it ends the job
_IN_FLIGHT = 2  # chunks of an actor, so that it need not wait for the next one
_ACTORS_PER_FILE = 8  # that are read at the same time


@contextlib.contextmanager
def cluster(address: str | bool) -> Iterator[None]:
    """A connection to the cluster of that address, unless there is one; True takes the one of this
    machine, or starts one.

    Raises:
        ConnectionError: no cluster answers there.
    """
    if ray.is_initialized():
        yield
        return
    address = None if address is True else address
    try:
        with _own_end():
            ray.init(address, log_to_driver=False, logging_level="ERROR")
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _own_end() -> Iterator[None]:
    """Leaves SIGTERM to a handler of the caller's, in whose place `ray.init` puts its own."""
    own = signal.getsignal(signal.SIGTERM)
    if not callable(own) or threading.current_thread() is not threading.main_thread():
        yield
        return
    try:
        yield
    except SystemExit:  # Ray's handler has ended what there was
        own(signal.SIGTERM, None)
        raise
    finally:
        signal.signal(signal.SIGTERM, own)


class _Task(NamedTuple):
    """What an actor does: it loads the model, or it has a chunk of a file.

    `attempts` counts the actors that have died of it.
    """

    actor: Any
    file: InputFile | None = None
    chunk: Any = None
    attempts: int = 0


def counts(
    files: Sequence[InputFile],
    read: Callable[[InputFile], Iterator[Chunk | Counts]],
    job: Job,
    output: OutputFolder,
    *,
    actors: int | None,
) -> Iterator[Counts]:
    """What became of the rows of all files, a chunk at a time, in no order.

    There are never more chunks than the actors have or are about to get: a reader waits until what
    it gave is taken. The chunk of an actor that dies goes to another, and a new actor comes as soon
    as there are cores for it. If what a reader gave is lost with its machine the file is read anew.

    Raises:
        RuntimeError: processes die again and again of the same work.
    """
    cpus = job.threads or 1
    if actors is None:
        actors = max(1, int(ray.cluster_resources().get("CPU", 1)) // cpus)
    kept, read = ray.put(job), ray.put(read)
    waiting = deque((file, 0) for file in files)
    readers: dict[Any, tuple[InputFile, int]] = {}
    chunks: deque[tuple[InputFile, Any, int]] = deque()
    tasks: dict[Any, _Task] = {}
    alive: list = []
    idle: deque = deque()
    counted: set[tuple[str, int]] = set()

    def start(attempts: int = 0) -> None:
        alive.append(actor := _Actor.options(num_cpus=cpus).remote(kept, output))
        tasks[actor.load.remote()] = _Task(actor, attempts=attempts)

    try:
        for _ in range(actors):
            start()
        while waiting or readers or chunks or any(task.file for task in tasks.values()):
            while waiting and len(readers) < math.ceil(actors / _ACTORS_PER_FILE):
                file, attempts = waiting.popleft()
                readers[_read.remote(read, file)] = file, attempts
            wanted = readers if len(chunks) < actors else ()
            (ready, *_), _ = ray.wait([*tasks, *wanted], num_returns=1, fetch_local=False)
            if ready in readers:
                try:
                    chunks.append((readers[ready][0], next(ready), readers[ready][1]))
                except StopIteration:
                    del readers[ready]
            else:
                task = tasks.pop(ready)
                again = task.attempts + 1
                try:
                    number, part = ray.get(ready)
                except ray.exceptions.RayError as error:
                    if again == _ATTEMPTS:
                        raise _given_up(task, error) from error
                    died = isinstance(error, ray.exceptions.RayActorError)
                    if task.file and died:
                        chunks.appendleft((task.file, task.chunk, again))
                    elif task.file:
                        waiting.append((task.file, again))
                    if not died:
                        idle.append(task.actor)
                    elif task.actor in alive:
                        alive.remove(task.actor)
                        ray.kill(task.actor)
                        idle = deque(actor for actor in idle if actor != task.actor)
                        start(0 if task.file else again)
                else:
                    idle.extend([task.actor] * (1 if task.file else _IN_FLIGHT))
                    key = task.file and (task.file.name, number)
                    if key is None or key not in counted:
                        counted.add(key)
                        yield part
            while idle and chunks:
                actor, (file, chunk, attempts) = idle.popleft(), chunks.popleft()
                tasks[actor.answer.remote(chunk)] = _Task(actor, file, chunk, attempts)
    finally:
        for actor in alive:
            ray.kill(actor)


def _given_up(task: _Task, error: BaseException) -> RuntimeError:
    work = task.file.address if task.file else "loading the model"
    said = str(error).strip().splitlines()[0]
    return RuntimeError(f"{task.attempts + 1} processes in a row have failed at {work}: {said}")


@ray.remote(
    num_cpus=0,  # it takes little of a core, and finds its place beside actors on all of them
    max_retries=0,
    num_returns="streaming",
    scheduling_strategy="SPREAD",
    _generator_backpressure_num_objects=_IN_FLIGHT,
)
def _read(read: Callable, file: InputFile):
    for part in enumerate(read(file)):  # noqa: UP028 (Ray calls `send`, which enumerate has not)
        yield part


@ray.remote(max_restarts=0, max_task_retries=0, scheduling_strategy="SPREAD")
class _Actor:
    """A `Scorer`, whose errors are results: exceptions are for what Ray has lost."""

    def __init__(self, job: Job, output: OutputFolder):
        self._made, self._scorer = (job, output), None

    def load(self) -> tuple[int, Counts]:
        try:
            self._scorer = Scorer(*self._made)
        except Exception as error:
            return 0, Counts(error=error)
        return 0, Counts()

    def answer(self, chunk: tuple[int, Chunk | Counts]) -> tuple[int, Counts]:
        number, part = chunk
        try:
            return number, part if isinstance(part, Counts) else self._scorer(part)
        except Exception as error:
            return number, Counts(error=error)
