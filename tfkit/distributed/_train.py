"""`train`: one training by several processes of a Ray cluster."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tfkit.distributed.engines import engine
from tfkit.distributed.training_worker import CHECKPOINTS, LOGS, Work, WorkerError, log_of
from tfkit.utils.files import forget, local_path
from tfkit.utils.strings import counted
from tfkit.utils.values import is_whole, positive_integer

if TYPE_CHECKING:
    import tensorflow as tf

    from tfkit.training import Checkpoints

Result = TypeVar("Result")

_PATIENCE = 60  # seconds that a machine which was lost may take to come back
_LOOKS = 0.5  # seconds between two looks into the log


def train(
    function: Callable[[tf.distribute.Strategy, Checkpoints], Result],
    output: str | os.PathLike,
    *,
    workers: int,
    ray: str | bool = True,
    cpus_per_worker: int = 1,
    gpus_per_worker: int = 0,
    restarts: int = 3,
    every: int = 500,
    keep: int = 2,
    resume: bool = False,
    progress: Callable[[str], object] | None = None,
) -> Result:
    """Trains one model with several workers, processes of a Ray cluster: what one process gives
    with the same seed and batch size, which is that of all workers together.

    `function(strategy, checkpoints)` runs in each of them. It makes the model in the strategy's
    scope and calls `fine_tune` or `distill` with both and a seed; where `checkpoints.writes` is
    true, in one worker, it saves the model. If a worker dies all begin again, and go on from the
    last checkpoint, to the weights that they would have had.

    Args:
        function: at the top of a module that all machines have, or of the script.
        output: a folder that all machines see by the same path: `checkpoints` is written there, and
            in `logs` what each worker prints.
        workers: their number.
        ray: as of `score`.
        cpus_per_worker: cores, and threads, of each.
        gpus_per_worker: GPUs of each.
        restarts: number of times that workers may die.
        every, keep, resume: of the `Checkpoints`.
        progress: called with each line that the worker prints who writes.

    Returns: what `function` gives in the worker who writes.

    Raises:
        RuntimeError: the cluster has no room for the workers, or they died too often.
        ImportError: Ray is not installed.
        Exception: of the kind that a worker raised; it names the worker.

    Example, of a script on shared storage:

        def learn(strategy, checkpoints):
            examples, held_out = tfkit.data.split(tfkit.data.read("reviews.csv"))
            with strategy.scope():
                model = TFAutoModelForSequenceClassification.from_pretrained(
                    "my-encoder", **examples.model_options)
                tokenizer = AutoTokenizer.from_pretrained("my-encoder")
            fine_tune(model, tokenizer, examples, held_out, seed=1,
                      strategy=strategy, checkpoints=checkpoints)
            if checkpoints.writes:
                model.save_pretrained("my-model")
                tokenizer.save_pretrained("my-model")

        tfkit.distributed.train(learn, "my-training", workers=4, ray="auto")
    """
    positive_integer("workers", workers)
    resources = {"CPU": positive_integer("cpus_per_worker", cpus_per_worker)}
    for name, value in (("restarts", restarts), ("gpus_per_worker", gpus_per_worker)):
        if not is_whole(value):
            raise ValueError(f"`{name}` must be an integer from 0; received {value!r}.")
    if gpus_per_worker:
        resources["GPU"] = gpus_per_worker
    ray_train = engine("_ray_train")
    output = local_path(output).absolute()
    files = _files(output)
    with engine("_ray").cluster(ray), _shared(output) as sign:
        if not resume:
            for path in output.glob(f"{LOGS}/worker-*.log"):
                forget(path)
        for attempt in range(restarts + 1):
            _wait_for_room(ray_train.room, workers, resources, _PATIENCE if attempt else 0)
            goes_on = resume or _files(output) != files  # not from what was there before
            asked = {"every": every, "keep": keep, "resume": goes_on}
            work = Work(function, output, sign, os.getcwd(), asked, cpus_per_worker, attempt)
            try:
                with _followed(log_of(output, 0), progress):
                    return ray_train.run(work, workers, resources)
            except TimeoutError as error:
                raise RuntimeError(
                    f"The cluster did not have {_needs(workers, resources)} free within a minute: "
                    f"other work has them. Wait for it, or take fewer. ({error})"
                ) from None
            except WorkerError as error:
                said = f"{error.message}; see the logs in '{output / LOGS}'."
                if not error.lost:
                    raise error.kind(said) from None
                if attempt == restarts:
                    raise RuntimeError(
                        f"Workers were lost {counted(attempt + 1, 'time')}, the last time: {said} "
                        "resume=True goes on from the last checkpoint."
                    ) from None
                if progress is not None:
                    progress(f"Going on from the last checkpoint, after: {said}")


def _files(output: Path) -> dict[str, int]:
    """The checkpoints, each with the time at which it was written."""
    found = {}
    for path in output.glob(f"{CHECKPOINTS}/step-*.safetensors"):
        with contextlib.suppress(FileNotFoundError):
            found[path.name] = path.stat().st_mtime_ns
    return found


@contextlib.contextmanager
def _shared(output: Path) -> Iterator[str]:
    """A file by which workers know the folder."""
    (output / LOGS).mkdir(parents=True, exist_ok=True)
    sign = output / LOGS / f".{secrets.token_hex(8)}"
    sign.touch()
    try:
        yield os.path.relpath(sign, output)
    finally:
        forget(sign)


def _needs(workers: int, resources: Mapping[str, int]) -> str:
    each = " and ".join(f"{amount} {name}" for name, amount in resources.items())
    return f"{counted(workers, 'worker')} of {each}"


def _wait_for_room(room: Callable, workers: int, resources: Mapping, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (there := room(resources)) < workers:
        if time.monotonic() > end:
            raise RuntimeError(
                f"Expected a cluster with room for {_needs(workers, resources)}. Received one for "
                f"{there}: take fewer, or add machines, and go on with resume=True where a "
                "training had begun."
            )
        time.sleep(1)


@contextlib.contextmanager
def _followed(log: Path, progress: Callable[[str], object] | None) -> Iterator[None]:
    """Tells the lines that come into a file."""
    if progress is None:
        yield
        return
    ended = threading.Event()
    place = log.stat().st_size if log.exists() else 0

    def follow() -> None:
        nonlocal place
        last = False
        while not last:
            last = ended.wait(_LOOKS)
            with contextlib.suppress(FileNotFoundError), log.open("rb") as file:
                file.seek(place)
                for line in file:
                    if line.endswith(b"\n"):
                        place += len(line)
                        progress(line.decode("utf-8", "replace").rstrip("\n"))

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield
    finally:
        ended.set()
        follower.join()
