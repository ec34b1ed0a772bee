"""`tfkit tune`."""

from __future__ import annotations

import argparse
import functools
import json
from collections.abc import Callable

from tfkit.commands import beginnings, train
from tfkit.utils.files import local_path, write_file

HELP = "look for the recipe by which a model learns best, for `tfkit train --recipe`"

_TRIALS = "trials.jsonl"
_RESOURCES = ("cpus_per_trial", "gpus_per_trial")
# Rates between which most models learn, where the user names nothing to look for.
_USUAL = {"learning_rate": (1e-5, 1e-3)}


def add_arguments(parser) -> None:
    fields = {
        name: (_values(kind) if kind in (int, float) and name != "seed" else kind, text)
        for name, (kind, text) in train.RECIPE.items()
        if name != "shuffle_buffer"
    }
    train.add_labelled(parser, "the best recipe", fields)
    parser.description = (
        f"{HELP}. A number of the recipe may be several: 2,3,5 to choose from (none is one, too), "
        "1e-5:1e-3 for any between. What is not named is as in `tfkit train`, and the learning "
        "rate is looked for where nothing else is."
    )
    add = parser.add_argument_group("trials, on a Ray cluster").add_argument
    add("--trials", type=int, default=10, help="recipes to try (%(default)s)")
    cluster = "of a cluster (that of this machine, or a new one)"
    add("--ray", nargs="?", const=True, default=True, metavar="ADDRESS", help=cluster)
    add("--cpus-per-trial", type=int, help="cores of each (1)")
    add("--gpus-per-trial", type=int, help="GPUs of each (0)")
    beginnings.add_new_model(parser)
    parser.set_defaults(stream=False, strategy="one", shuffle_buffer=None)


def run(options) -> None:
    from tfkit import distributed
    from tfkit.training.recipe import FILE

    beginnings.check_beginning(options)
    output = local_path(options.output)
    if (output / FILE).exists() and not options.overwrite:
        raise FileExistsError(
            f"'{output}' holds a recipe already. Pass another --output, or --overwrite."
        )
    search = {}
    for name in train.RECIPE:
        values = getattr(options, name)
        if isinstance(values, (list, tuple)):
            fixed = values[0] if len(values) == 1 else None
            search |= {} if len(values) == 1 else {name: values}
            setattr(options, name, fixed)
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
    tuned = distributed.tune(
        functools.partial(beginnings.starting_model, alone, examples),
        examples,
        validation,
        search or _USUAL,
        recipe=recipe,
        trials=options.trials,
        ray=options.ray,
        progress=lambda trial: print(_line(trial), flush=True),
        **{name: value for name, value in given.items() if value is not None},
    )
    tuned.recipe.save_pretrained(output)
    rows = ({**trial._asdict(), "recipe": trial.recipe.to_dict()} for trial in tuned.trials)
    write_file(output / _TRIALS, "".join(json.dumps(row) + "\n" for row in rows))
    print(f"\n{tuned}\n\nSaved the best recipe in {output}: train by it with --recipe {output}")


def _line(trial) -> str:
    if trial.error is not None:
        return f"Trial {trial.number} failed: {trial.error}"
    epochs, most = trial.epochs
    return f"Trial {trial.number}: {trial.figure:.4f} after {epochs} of {most} epochs"


def _values(kind: type) -> Callable[[str], list | tuple]:
    """How argparse reads one number, or several."""

    def values(text: str) -> list | tuple:
        if ":" in text:
            lowest, highest = map(kind, text.split(":"))
            return lowest, highest
        return [None if part == "none" else kind(part) for part in text.split(",")]

    values.__name__ = f"{kind.__name__}, or several as 2,3 or 2:9"
    return values
