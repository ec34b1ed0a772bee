"""`tfkit tune`."""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import math
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from tfkit.commands import beginnings, distill, train
from tfkit.commands.shared import integers, says_what_is_left
from tfkit.utils.files import local_path, staged, write_file
from tfkit.utils.strings import counted
from tfkit.utils.values import json_line

HELP = "look for the recipe by which a model learns best, for `tfkit train --recipe`"

_TRIALS = "trials.jsonl"
_RESOURCES = ("cpus_per_trial", "gpus_per_trial")
# Rates between which most models learn, where the user names nothing to look for.
_USUAL = {"learning_rate": (1e-5, 1e-3)}
_OF_TEACHER = ("student_layers", "unlabelled", "augment")
_SIZES = (*beginnings.SIZES, "student_layers")
_PAUSE = 20  # seconds between two lines of trials that go on


def add_arguments(parser) -> None:
    fields = {
        name: (_values(kind) if kind in (int, float) and name != "seed" else kind, text)
        for name, (kind, text) in train.RECIPE.items()
        if name != "shuffle_buffer"
    }
    train.add_labelled(parser, "the best recipe", fields)
    parser.description = (
        f"{HELP}. A number of the recipe may be several: 2,3,5 to choose from (none is one, too), "
        "1e-5:1e-3 for any between; a size of a new model or of a student, 2,4 to choose from. "
        "What is not named is as in `tfkit train`, and the learning rate is looked for where "
        "nothing else is."
    )
    add = parser.add_argument_group("trials, on a Ray cluster").add_argument
    add("--trials", type=int, default=10, help="recipes to try (%(default)s)")
    cluster = "of a cluster (that of this machine, or a new one)"
    add("--ray", nargs="?", const=True, default=True, metavar="ADDRESS", help=cluster)
    add("--cpus-per-trial", type=int, help="cores of each (1)")
    add("--gpus-per-trial", type=int, help="GPUs of each (0)")
    beginnings.add_new_model(parser, integers)
    distill.add_teacher(parser, required=False, layers=integers)
    parser.set_defaults(stream=False, strategy="one", shuffle_buffer=None)


def run(options) -> None:
    from tfkit import distributed
    from tfkit.training.recipe import FILE

    _check(options)
    output = local_path(options.output)
    if (output / FILE).exists() and not options.overwrite:
        raise FileExistsError(
            f"'{output}' holds a recipe already. Pass another --output, or --overwrite."
        )
    search, sizes = (_several(options, names) for names in (train.RECIPE, _SIZES))
    search = search if search or sizes else _USUAL
    recipe = train.recipe_of(options)
    examples, validation, *said = train.labelled(options)
    if validation is None:
        raise ValueError(
            "Expected texts to compare recipes by. Received none: name some with --validation, or "
            "a share of FILE with --dev-share."
        )
    for line in said:
        print(line)
    alone = argparse.Namespace(**{**vars(options), "parser": None})
    given = {name: getattr(options, name) for name in _RESOURCES}
    ended: list[distributed.Trial] = []

    def show(trial) -> None:
        ended.append(trial)
        _write(output / _TRIALS, ended)
        print(f"Trial {trial.number}{_became(trial)}", flush=True)

    def left() -> str:
        if not ended:
            return "No trial had ended: the same command begins anew."
        return (
            f"{counted(len(ended), 'trial')} had ended, which '{output / _TRIALS}' has; there is "
            "no best recipe yet, and the same command begins anew."
        )

    with says_what_is_left(left):
        tuned = distributed.tune(
            functools.partial(_start, alone, examples),
            examples,
            validation,
            search,
            sizes=sizes,
            learn=functools.partial(distill.learn, alone) if options.teacher else None,
            recipe=recipe,
            trials=options.trials,
            ray=options.ray,
            progress=show,
            running=_now_and_then((*search, *sizes)),
            **{name: value for name, value in given.items() if value is not None},
        )
    _write(output / _TRIALS, tuned.trials)
    found = {name: getattr(options, name) for name in _SIZES} | {**tuned.sizes}
    found = {name: size for name, size in found.items() if size is not None}
    with staged(output, removes=re.compile(re.escape(beginnings.SIZES_FILE))) as stage:
        tuned.recipe.save_pretrained(stage)
        if found:
            write_file(stage / beginnings.SIZES_FILE, json.dumps(found, indent=2) + "\n")
    scratch = " --from-scratch" if options.from_scratch else ""
    command = f"tfkit {'distill' if options.teacher else 'train'}"
    print(f"\n{tuned}\n\nSaved the best recipe in {output}: take it by")
    print(f"{command} … --recipe {output}{scratch}")


def _check(options) -> None:
    """Raises ValueError for what fits no trial."""
    if options.teacher:
        distill.check_student(options)
    else:
        beginnings.check_beginning(options)
        if given := [name for name in _OF_TEACHER if getattr(options, name) is not None]:
            raise ValueError(
                f"--{given[0].replace('_', '-')} is of a student, and needs its --teacher. "
                "Received none."
            )
    if not options.from_scratch:
        return beginnings.refuse_sizes(options)
    from tfkit import DistilBertConfig

    given = {name: getattr(options, name) for name in beginnings.SIZES}
    given = {n: size if isinstance(size, list) else [size] for n, size in given.items()}
    for sizes in itertools.product(*given.values()):
        chosen = argparse.Namespace(**dict(zip(given, sizes)))
        DistilBertConfig(**beginnings.sizes_of(chosen))


def _several(options, names: Iterable[str]) -> dict[str, Sequence]:
    """Options of several values, which are searched; of one value the option becomes that."""
    found = {}
    for name in names:
        values = getattr(options, name)
        if isinstance(values, (list, tuple)):
            found |= {} if len(values) == 1 else {name: values}
            setattr(options, name, values[0] if len(values) == 1 else None)
    return found


def _start(options, examples, **sizes):
    begin = distill.student if options.teacher else beginnings.starting_model
    return begin(argparse.Namespace(**{**vars(options), **sizes}), examples)


def _became(trial) -> str:
    if trial.error is not None:
        return f" failed: {trial.error}"
    epochs, most = trial.epochs
    return f": {trial.figure:.4f} after {epochs} of {most} epochs"


def _now_and_then(searched: Sequence[str]) -> Callable:
    """Prints each trial that begins, and from time to time one that goes on."""
    from tfkit.distributed._tune import values_of

    last = -math.inf

    def running(trial) -> None:
        nonlocal last
        if not trial.epochs[0]:
            values = zip(searched, values_of(trial, searched))
            print(f"Trial {trial.number} begins: {', '.join(map(' '.join, values))}", flush=True)
        elif time.monotonic() - last > _PAUSE:
            last = time.monotonic()
            print(f"Trial {trial.number} goes on{_became(trial)}", flush=True)

    return running


def _write(path, trials: Iterable) -> None:
    rows: Iterable[Mapping] = (
        {**trial._asdict(), "recipe": trial.recipe.to_dict()} for trial in trials
    )
    write_file(path, "".join(map(json_line, rows)))


def _values(kind: type) -> Callable[[str], list | tuple]:
    """How argparse reads one number, or several."""

    def values(text: str) -> list | tuple:
        if ":" in text:
            lowest, highest = map(kind, text.split(":"))
            return lowest, highest
        return [None if part == "none" else kind(part) for part in text.split(",")]

    values.__name__ = f"{kind.__name__}, or several as 2,3 or 2:9"
    return values
