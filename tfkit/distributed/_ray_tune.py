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

_FIRST, _FACTOR = 1, 3  # ASHA looks at a trial after 1, 3, 9, … epochs, and a third goes on
_MOST = _FACTOR**9
_QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # it would give what there is, as if that were all
    "TUNE_WARN_SLOW_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "inf",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}


def run(
    trial: Callable[[int, Callable], Any],
    count: int,
    resources: Mapping[str, float],
    *,
    mode: str,
    progress: Callable[[int, Mapping | None, Exception | None], Any],
) -> None:
    """Runs `trial(number, report)` for all numbers below `count`.

    A trial calls `report(epoch, figures)` after every epoch, with the "figure" that decides; it
    ends there if ASHA says so. `progress(number, figures, error)` is called with the last ones.

    Which of them are ended depends on the order in which figures come. Here that is the order of
    the numbers, whatever a trial's speed: one waits with its figures until those before it have
    given theirs, or are through. Trials begin in that order, so that the first never waits.
    """
    turns, trial = _Turns.remote(), ray.put(trial)

    def one(config: Mapping[str, Any]) -> None:
        number = config["number"]

        def report(epoch: int, figures: Mapping[str, Any]) -> None:
            if math.log(epoch / _FIRST, _FACTOR).is_integer():
                ray.get(turns.wait_for.remote(number, epoch))
            tune.report(dict(figures))

        ray.get(trial)(number, report)

    class Followed(tune.Callback):
        """Tells `turns` and `progress` what Ray Tune has taken in."""

        def on_trial_result(self, iteration, trials, trial, result, **info):
            turns.note.remote(trial.config["number"], result["training_iteration"])

        def on_trial_complete(self, iteration, trials, trial, **info):
            turns.note.remote(trial.config["number"], math.inf)
            progress(trial.config["number"], trial.last_result, None)

        def on_trial_error(self, iteration, trials, trial, **info):
            turns.note.remote(trial.config["number"], math.inf)
            error = trial.get_pickled_error() or trial.get_error()
            progress(trial.config["number"], None, getattr(error, "cause", None) or error)

        def __reduce__(self):  # Ray Tune keeps a copy of it in a file, for `restore`
            return tune.Callback, ()

    amounts = {name.lower(): amount for name, amount in resources.items()}
    with tempfile.TemporaryDirectory(prefix="tfkit-") as folder, _environment(_QUIET):
        tune.Tuner(
            tune.with_resources(one, amounts),
            param_space={"number": tune.grid_search([*range(count)])},
            tune_config=tune.TuneConfig(
                metric="figure",
                mode=mode,
                scheduler=ASHAScheduler(max_t=_MOST, grace_period=_FIRST, reduction_factor=_FACTOR),
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0, callbacks=[Followed()]),
        ).fit()


@ray.remote(num_cpus=0)
class _Turns:
    """Epochs that trials are through with, by their numbers."""

    def __init__(self):
        self._epochs, self._changed = defaultdict(int), asyncio.Condition()

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
