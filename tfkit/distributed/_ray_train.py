"""Ray Train: a group of workers who know each other, of which one that dies ends all."""

from __future__ import annotations

import contextlib
import re
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import ray
from ray import train
from ray.train.tensorflow import TensorflowTrainer

from tfkit.distributed.training_worker import WorkerError

# Of what workers print, Ray would write a second copy into their logs.
_QUIET = {"RAY_TRAIN_ENABLE_PRINT_PATCH": "0", "RAY_TRAIN_ENABLE_WORKER_STRUCTURED_LOGGING": "0"}
# That of Ctrl-C first.
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def room(resources: Mapping[str, float]) -> int:
    """The number of workers that the nodes which are alive can have, by their resources."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(
        min(int(node.get(name, 0) // amount) for name, amount in resources.items())
        for node in nodes
    )


def run(work: Callable[[int, str], Any], workers: int, resources: Mapping[str, float]) -> Any:
    """What worker 0 gives of `work(its number, its machine)`.

    Raises:
        WorkerError: a worker raised it, or was lost.
        TimeoutError: there was no room for the workers within a minute.
    """

    def loop() -> Any:
        own = train.get_context().get_world_rank()
        return work(own, ray.util.get_node_ip_address())

    with tempfile.TemporaryDirectory(prefix="tfkit-") as folder, _interrupts():
        trainer = TensorflowTrainer(
            loop,
            scaling_config=train.ScalingConfig(
                num_workers=workers,
                use_gpu="GPU" in resources,
                resources_per_worker=dict(resources),
            ),
            run_config=train.RunConfig(
                storage_path=folder,  # nothing is reported to Ray, which keeps nothing
                failure_config=train.FailureConfig(controller_failure_limit=0),
                worker_runtime_env={"env_vars": _QUIET},
            ),
        )
        try:
            return trainer.fit().return_value
        except train.WorkerGroupError as error:
            raise _first(error.worker_failures) from None
        except train.ControllerError as error:
            raise TimeoutError(str(error.controller_failure)) from None
        except ray.exceptions.RayError as error:  # the process that watches the workers died
            raise WorkerError(f"Ray's controller died: {_said(error)}", lost=True) from None


def _first(failures: Mapping[int, Exception]) -> WorkerError:
    """That of a worker which says what is wrong, rather than that another one was lost."""
    own = [error for _, error in sorted(failures.items()) if isinstance(error, WorkerError)]
    for error in sorted(own, key=lambda error: error.lost):
        return error
    rank, error = min(failures.items())
    return WorkerError(f"worker {rank} died: {_said(error)}", lost=True)


def _said(error: Exception) -> str:
    """The reason, of what Ray says of a process that died."""
    text = str(error).strip()
    found = re.search("(The actor is dead|.*running low on memory).*", text)
    return (found[0] if found else text.partition("\n")[0]).partition(" Some common causes")[0]


@contextlib.contextmanager
def _interrupts() -> Iterator[None]:
    """Lets signals end what they should. Ray puts its own handler of SIGINT in place of Python's,
    which says that all was well, and an exit status is lost on its way through Ray's C++.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    own = {number: signal.getsignal(number) for number in _SIGNALS}
    ends: list[BaseException] = []

    def end(number, frame) -> None:
        try:
            own[number](number, frame)
        except BaseException as raised:
            ends.append(raised)
            raise

    for number in _SIGNALS[1:]:
        if callable(own[number]):
            signal.signal(number, end)
    try:
        yield
    except SystemExit:
        raise (ends[0] if ends else KeyboardInterrupt()) from None
    finally:
        for number, handler in own.items():
            signal.signal(number, handler)
