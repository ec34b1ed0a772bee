"""Ray Tune: trials at the same time, of which ASHA ends those that fall behind."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler

_FACTOR = 3  # ASHA looks at a trial after 1, 3, 9, … epochs, and a third goes on
_RUNGS = [_FACTOR**power for power in range(10)]
_QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a trial that failed has none
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # it would give what there is, as if that were all
    "TUNE_WARN_SLOW_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "inf",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # whose `verbose=0` says something
}


def run(
    trial: Callable[[int, Callable], Any],
    count: int,
    resources: Mapping[str, float],
    *,
    mode: str,
    running: Callable[[int, Mapping | None], Any],
    progress: Callable[[int, Mapping | None, str | None], Any],
) -> None:
    """Runs `trial(number, report)` for all numbers below `count`.

    A trial calls `report(epoch, figures)` after every epoch, with the "figure" that decides; it
    ends there if ASHA says so. `running(number, figures)` is called when it begins, without
    figures, and with all that come; `progress(number, figures, error)` with the last ones, or with
    the reason why it failed.

    Which of them are ended depends on the order in which figures come. Here that is the order of
    the numbers, whatever a trial's speed: one waits with its figures until those before it have
    given theirs, or are through. Trials begin in that order, so that the first never waits.
    """
    turns, trial = _Turns.remote(), ray.put(trial)

    def one(config: Mapping[str, Any]) -> None:
        number = config["number"]

        def report(epoch: int, figures: Mapping[str, Any]) -> None:
            if epoch in _RUNGS:
                ray.get(turns.wait_for.remote(number, epoch))
            tune.report(dict(figures))

        try:
            ray.get(trial)(number, report)
        except Exception as error:
            ray.get(turns.fail.remote(number, str(error).strip() or type(error).__name__))

    class Followed(tune.Callback):
        """Tells `turns`, `running` and `progress` what Ray Tune has taken in."""

        def on_trial_start(self, iteration, trials, trial, **info):
            running(trial.config["number"], None)

        def on_trial_result(self, iteration, trials, trial, result, **info):
            turns.note.remote(trial.config["number"], result["training_iteration"])
            if "figure" in result:  # of a trial that failed Ray Tune has a result of its own
                running(trial.config["number"], result)

        def on_trial_complete(self, iteration, trials, trial, **info):
            self._end(trial, ray.get(turns.error_of.remote(trial.config["number"])))

        def on_trial_error(self, iteration, trials, trial, **info):
            self._end(trial, "its process died")

        def _end(self, trial, error: str | None) -> None:
            turns.note.remote(trial.config["number"], math.inf)
            progress(trial.config["number"], None if error else trial.last_result, error)

        def __reduce__(self):  # Ray Tune keeps a copy of it in a file, for `restore`
            return tune.Callback, ()

    amounts = {name.lower(): amount for name, amount in resources.items()}
    # Trials that are interrupted may write into it until their processes end.
    temporary = {"prefix": "tfkit-", "ignore_cleanup_errors": True}
    with tempfile.TemporaryDirectory(**temporary) as folder, _environment(_QUIET):
        tune.Tuner(
            tune.with_resources(one, amounts),
            param_space={"number": tune.grid_search([*range(count)])},
            tune_config=tune.TuneConfig(
                metric="figure",
                mode=mode,
                scheduler=ASHAScheduler(max_t=_RUNGS[-1], reduction_factor=_FACTOR),
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0, callbacks=[Followed()]),
        ).fit()


@ray.remote(num_cpus=0)
class _Turns:
    """Epochs that trials are through with, and why they failed, by their numbers."""

    def __init__(self):
        self._epochs, self._errors = defaultdict(int), {}
        self._changed = asyncio.Condition()

    async def fail(self, number: int, error: str) -> None:
        self._errors[number] = error

    async def error_of(self, number: int) -> str | None:
        return self._errors.get(number)

    async def note(self, number: int, epochs: float) -> None:
        async with self._changed:
            self._epochs[number] = max(epochs, self._epochs[number])
            self._changed.notify_all()

    async def wait_for(self, number: int, epochs: int) -> None:
        """Returns when all trials of lower numbers are through with so many."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: all(self._epochs[other] >= epochs for other in range(number))
            )


@contextlib.contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
