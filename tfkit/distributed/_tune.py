"""`tune`: which recipe a model learns best by, tried on a Ray cluster."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import math
import os
import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tfkit.distributed.engines import engine
from tfkit.utils.values import is_whole, plain, positive_integer

if TYPE_CHECKING:
    from tfkit.data.examples import Examples
    from tfkit.training.recipe import Recipe

_FIXED = ("seed", "monitor", "calibrate")  # by which trials are compared, or that change no figure


class Trial(NamedTuple):
    """What became of a recipe.

    Attributes:
        number: from 1, in the order in which they were drawn.
        recipe: what was tried.
        figure: the best of its epochs; None where it failed.
        loss: of the validation, after that epoch.
        epochs: after which it ended, of how many.
        error: why it failed.
        sizes: what `start` was called with.
    """

    number: int
    recipe: Recipe
    figure: float | None = None
    loss: float | None = None
    epochs: tuple[int, int] = (0, 0)
    error: str | None = None
    sizes: Mapping[str, Any] = {}


class Tuned(NamedTuple):
    """What a call of `tune` found; as a string, a table.

    Attributes:
        recipe: the best, for `fine_tune` or `tfkit train --recipe`.
        trials: the best first.
        searched: the fields and sizes that differ.
        monitor: the figure that they are compared by.
    """

    recipe: Recipe
    trials: tuple[Trial, ...]
    searched: tuple[str, ...]
    monitor: str

    @property
    def sizes(self) -> Mapping[str, Any]:
        """Those of the best trial."""
        return self.trials[0].sizes

    def __str__(self) -> str:
        rows = [["trial", self.monitor, "epochs", *self.searched]]
        for trial in self.trials:
            figure = "failed" if trial.figure is None else f"{trial.figure:.4f}"
            ended = f"{trial.epochs[0]} of {trial.epochs[1]}" if trial.epochs[1] else "-"
            rows.append([str(trial.number), figure, ended, *values_of(trial, self.searched)])
        widths = [max(map(len, column)) for column in zip(*rows)]
        return "\n".join(
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in rows
        )


def tune(
    start: Callable[..., tuple[Any, Any]],
    train: Examples,
    validation: Examples,
    search: Mapping[str, Any],
    *,
    sizes: Mapping[str, Sequence] | None = None,
    learn: Callable | None = None,
    recipe: Recipe | None = None,
    trials: int = 10,
    seed: int | None = None,
    ray: str | bool = True,
    cpus_per_trial: int = 1,
    gpus_per_trial: int = 0,
    progress: Callable[[Trial], object] | None = None,
    running: Callable[[Trial], object] | None = None,
) -> Tuned:
    """Trains by many recipes, and tells which one reaches the best figure of the validation texts.

    The first is the recipe as it is, so that the best is never worse than that; the others have
    values drawn from `search`. By ASHA a trial goes on after 1, 3, 9, … epochs only if its figure
    is in the best third of those before it. With a seed all of it is repeatable, however many
    trials run at the same time.

    Args:
        start: gives model and tokenizer, in the process of a trial, from the seed that is set.
        train, validation: as of `fine_tune`, which trains.
        search: by fields of `Recipe`: a list of values, or a pair (lowest, highest), of integers or
            of numbers, which are drawn on a logarithmic scale.
        sizes: by arguments of `start`, such as {"n_layers": [2, 4]}: lists of values, of which the
            first trial has the first. `start` is called with one of each.
        learn: what trains, called as `fine_tune`, which it is where it is None; of a student
            `functools.partial(distill, teacher)`.
        recipe: what all have in common, `Recipe()` where it is None.
        trials: number of different recipes, or all that there are if they are fewer.
        seed: of the draws, and of trainings whose recipe has none.
        ray: as of `score`.
        cpus_per_trial, gpus_per_trial: of each trial; as many run at once as there is room for.
        progress: called with each trial when it ends.
        running: called with each when it begins, and after each of its epochs.

    Returns: the best recipe, with the seed it was trained by, and all trials.

    Raises:
        ValueError: a field is not to be searched, a value is out of range, or all trials failed.
        TypeError: `start` has no such argument.
        RuntimeError: no machine of the cluster has room for a trial.
        ImportError: Ray is not installed.

    Source: Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning
    (https://arxiv.org/abs/1810.05934).

    Example, which needs a cluster:

        tuned = tune(start, train, validation, {"learning_rate": (1e-5, 1e-3), "epochs": [2, 4]})
        print(tuned)
        fine_tune(model, tokenizer, train, validation, recipe=tuned.recipe)
    """
    positive_integer("trials", trials)
    resources = {"CPU": positive_integer("cpus_per_trial", cpus_per_trial)}
    if not is_whole(gpus_per_trial):
        raise ValueError(f"`gpus_per_trial` must be an integer from 0; received {gpus_per_trial}.")
    if gpus_per_trial:
        resources["GPU"] = gpus_per_trial
    from tfkit.training.objectives import ERRORS, monitored
    from tfkit.training.recipe import Recipe

    recipe = Recipe() if recipe is None else recipe
    monitor = monitored(train.task, recipe.monitor)
    if recipe.seed is None:
        recipe = recipe.replace(seed=random.randrange(2**31) if seed is None else seed)
    sizes = sizes or {}
    try:
        inspect.signature(start).bind(**sizes)
    except TypeError as error:
        raise TypeError(f"`sizes` must be of arguments of `start`: {error}.") from None
    begun = drawn(recipe, search, sizes, trials, recipe.seed if seed is None else seed)
    ray_tune = engine("_ray_tune")
    is_error = monitor.removeprefix("val_") in ERRORS
    done: dict[int, Trial] = {}

    def so_far(number: int, figures: Mapping | None, error: str | None = None) -> Trial:
        if figures is None:
            return begun[number]._replace(error=error)
        said = {name: figures[name] for name in ("figure", "loss")}
        return begun[number]._replace(epochs=(figures["epoch"], figures["epochs"]), **said)

    def goes_on(number: int, figures: Mapping | None) -> None:
        if running is not None:
            running(so_far(number, figures))

    def ended(number: int, figures: Mapping | None, error: str | None) -> None:
        done[number] = so_far(number, figures, error)
        if progress is not None:
            progress(done[number])

    with engine("_ray").cluster(ray):
        if not engine("_ray_train").room(resources):
            needs = " and ".join(f"{amount} {name}" for name, amount in resources.items())
            raise RuntimeError(
                f"Expected a cluster with a machine of {needs} for a trial. Received none: ask for "
                "less, or add machines."
            )
        shared = learn, train, validation, begun, monitor, is_error, cpus_per_trial, os.getcwd()
        work, mode = functools.partial(_train, start, *shared), "min" if is_error else "max"
        ray_tune.run(work, len(begun), resources, mode=mode, running=goes_on, progress=ended)
    sign = 1 if is_error else -1

    def rank(trial: Trial) -> tuple[float, float, int]:
        if trial.figure is None:
            return math.inf, math.inf, trial.number
        return sign * trial.figure, trial.loss, trial.number

    best, *others = sorted(done.values(), key=rank)
    if best.figure is None:
        raise ValueError(f"All {len(begun)} trials failed. The first: {done[0].error}")
    name = monitor.removeprefix("val_")
    return Tuned(best.recipe, (best, *others), (*search, *sizes), name)


def drawn(
    recipe: Recipe,
    search: Mapping[str, Any],
    sizes: Mapping[str, Sequence],
    count: int,
    seed: int,
) -> list[Trial]:
    """The recipe with the first of all sizes, and others with values of the search, each once.

    Example:

        >>> from tfkit.training import Recipe
        >>> trials = drawn(Recipe(epochs=5), {"epochs": [2, 3]}, {}, 9, seed=0)
        >>> [trial.recipe.epochs for trial in trials]
        [5, 3, 2]
    """
    fields = [field.name for field in dataclasses.fields(recipe) if field.name not in _FIXED]
    for name, values in search.items():
        if name not in fields:
            raise ValueError(f"`search` is of fields of a Recipe: {', '.join(fields)}; got {name}.")
        _check_values("search", name, values)
        is_range = isinstance(values, tuple)
        if is_range and not (len(values) == 2 and 0 <= values[0] < values[1]):
            raise ValueError(
                f"`search` must have a pair (lowest, highest) of {name}; received {values!r}."
            )
        for value in values:  # out of range is an error now, and not of a trial
            recipe.replace(**{name: value})
    for name, values in sizes.items():
        _check_values("sizes", name, values)
    first = recipe, {name: values[0] for name, values in sizes.items()}
    draw, found = random.Random(seed), {repr(first): first}
    for _ in range(100 * count):  # of few combinations all are found
        if len(found) == count:
            break
        values = {name: _one(draw, values) for name, values in search.items()}
        chosen = {name: draw.choice(values) for name, values in sizes.items()}
        new = recipe.replace(**values), chosen
        found.setdefault(repr(new), new)
    return [Trial(n, tried, sizes=chosen) for n, (tried, chosen) in enumerate(found.values(), 1)]


def _check_values(argument: str, name: str, values: Any) -> None:
    if isinstance(values, str) or not isinstance(values, Sequence) or not len(values):
        raise ValueError(f"`{argument}` must have values of {name}; received {values!r}.")


def _one(draw: random.Random, values: Sequence) -> Any:
    if not isinstance(values, tuple):
        return draw.choice(values)
    lowest, highest = map(plain, values)
    if is_whole(lowest) and is_whole(highest):
        return draw.randint(lowest, highest)
    if not lowest:
        return draw.uniform(lowest, highest)
    drawn = math.exp(draw.uniform(math.log(lowest), math.log(highest)))
    return float(f"{min(max(drawn, lowest), highest):.3g}")


def values_of(trial: Trial, names: Sequence[str]) -> list[str]:
    """What a trial has of what is searched, in words."""
    values = {**dataclasses.asdict(trial.recipe), **trial.sizes}
    return [*map(_shown, (values[name] for name in names))]


def _shown(value: Any) -> str:
    return "default" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _train(
    start: Callable,
    learn: Callable | None,
    train: Examples,
    validation: Examples,
    trials: Sequence[Trial],
    monitor: str,
    is_error: bool,
    threads: int,
    folder: str,
    number: int,
    report: Callable[[int, Mapping[str, Any]], None],
) -> None:
    """A trial, in a process of its own."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    with contextlib.suppress(OSError):  # relative paths are below it, if it is on this machine
        os.chdir(folder)
    import keras

    from tfkit.training import fine_tune

    sign = 1 if is_error else -1
    best = math.inf, math.inf

    def tell(epoch: int, logs: Mapping[str, float]) -> None:
        nonlocal best
        figures = sign * logs[monitor], logs["val_loss"]
        best = min(best, tuple(math.inf if math.isnan(each) else each for each in figures))
        told = {"figure": sign * best[0], "loss": best[1]}
        report(epoch + 1, {**told, "epoch": epoch + 1, "epochs": callback.params["epochs"]})

    callback = keras.callbacks.LambdaCallback(on_epoch_end=tell)
    recipe, sizes = trials[number].recipe, trials[number].sizes
    keras.utils.set_random_seed(recipe.seed)  # for new weights
    parts = *start(**sizes), train, validation
    (learn or fine_tune)(*parts, recipe=recipe, callbacks=[callback], verbose=0)
