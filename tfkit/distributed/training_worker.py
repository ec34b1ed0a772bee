"""What one process does of a training on several machines."""

from __future__ import annotations

import contextlib
import os
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

CHECKPOINTS, LOGS = "checkpoints", "logs"
# What an exception is raised as where the training was started: the first that it is one of.
_KINDS = (FileNotFoundError, FileExistsError, OSError, ValueError, TypeError, ImportError)


class WorkerError(Exception):
    """An exception of a worker, in a form that every process can read.

    Attributes:
        kind: the class of Python's own to raise it as.
        lost: whether another worker is to blame, and to begin again is worth it.
    """

    def __init__(self, message: str, kind: type[Exception] = RuntimeError, lost: bool = False):
        super().__init__(message, kind, lost)
        self.message, self.kind, self.lost = message, kind, lost


class Work(NamedTuple):
    """A call is the work of one worker.

    Attributes:
        function: of a strategy and checkpoints.
        output: the folder that all workers see, with checkpoints and logs.
        sign: a file in it, by which a worker knows the folder.
        started_in: the folder that relative paths are below.
        checkpoints: options of `Checkpoints`.
        threads: of TensorFlow.
        attempt: 0 for the first.
    """

    function: Callable[[Any, Any], Any]
    output: Path
    sign: str
    started_in: str
    checkpoints: Mapping[str, Any]
    threads: int
    attempt: int

    def __call__(self, rank: int, node: str) -> Any:
        where = f"worker {rank}, on {node}"
        try:
            if not (self.output / self.sign).is_file():
                raise FileNotFoundError(
                    f"Expected the folder '{self.output}' of the machine that started the "
                    "training. There is none, or another one: name one on storage that all "
                    "machines share, by the same path."
                )
            with log_of(self.output, rank).open("a", buffering=1, encoding="utf-8") as log:
                print(f"# Attempt {self.attempt + 1}: {where}, process {os.getpid()}", file=log)
                with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
                    return self._done()
        except WorkerError as error:
            raise WorkerError(f"{error.message} ({where})", error.kind, error.lost) from None
        except Exception as error:
            raise _readable(error, where, lost=False) from None

    def _done(self) -> Any:
        try:
            os.chdir(self.started_in)
        except OSError as error:
            raise FileNotFoundError(
                f"Expected the folder '{self.started_in}', in which the training was started and "
                f"which relative paths are below, on all machines ({error.strerror}). Start it in "
                "a folder that they share."
            ) from None
        os.environ.pop("TF_USE_LEGACY_KERAS", None)  # which Ray sets
        from tfkit.utils.console import quiet_tensorflow

        quiet_tensorflow(look_for_devices=False)
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(self.threads)
        from tfkit.training import Checkpoints, is_chief, named_strategy

        checkpoints = None
        try:
            strategy = named_strategy("multi-worker")
            where = self.output / CHECKPOINTS
            checkpoints = Checkpoints(where, writes=is_chief(strategy), **self.checkpoints)
            return self.function(strategy, checkpoints)
        except Exception as error:
            traceback.print_exc()
            # Of TensorFlow's own errors most say that another worker is gone. A chief that was
            # killed may hold the folder for a moment.
            gone = isinstance(error, tf.errors.OpError)
            gone |= isinstance(error, BlockingIOError) and self.attempt > 0
            raise _readable(error, None, lost=gone) from None
        finally:
            if checkpoints is not None:
                checkpoints.release()


def log_of(output: Path, rank: int) -> Path:
    """The file of what a worker prints, in the folder of a training."""
    return output / LOGS / f"worker-{rank}.log"


def _readable(error: Exception, where: str | None, *, lost: bool) -> WorkerError:
    kind = next((kind for kind in _KINDS if isinstance(error, kind)), RuntimeError)
    message = str(error) or type(error).__name__
    return WorkerError(f"{message} ({where})" if where else message, kind, lost)
