"""`tfkit train`."""

from __future__ import annotations

import argparse
import functools
import random
from collections.abc import Callable, Mapping
from pathlib import Path

from tfkit.commands import beginnings, shared
from tfkit.commands.shared import columns
from tfkit.utils.files import local_path

HELP = "fine-tune a model of texts, words, answers or choices on a file of labelled texts"

# Texts, with fewer of which none are held out unless asked for.
FEWEST = 100
_OF_CLUSTER = ("ray", "workers", "cpus_per_worker", "gpus_per_worker", "restarts")
_POOLING = (
    "what a new head reads: the state of [CLS], or the mean of all tokens, by one more block "
    "(mean where the model's modules.json says so, else cls)"
)

# Fields of `Recipe` -> how argparse reads them, and their line of help. The defaults are Recipe's.
RECIPE = {
    "max_length": (int, "tokens after which a text is truncated (the model's limit)"),
    "epochs": (int, "passes over the texts (3, more for small files and narrow models)"),
    "batch_size": (int, "texts per batch, of all replicas together (32)"),
    "shuffle_buffer": (int, "with --stream, texts in memory to draw the next from (10,000)"),
    "learning_rate": (float, "at its peak (5e-5, more for narrower models)"),
    "warmup": (float, "fraction of updates in which the rate rises"),
    "weight_decay": (float, ""),
    "max_grad_norm": (float, "largest norm of all gradients"),
    "gradient_accumulation_steps": (int, "batches that make one update"),
    "label_smoothing": (float, "fraction of the target spread over all classes"),
    "class_weights": (str, '"balanced", or NAME=WEIGHT,…: what an error with a class costs'),
    "token_dropout": (float, "fraction of tokens hidden"),
    "layer_decay": (float, "learning rate of a block in parts of that above it"),
    "frozen_layers": (int, "blocks, from the lowest, that stay as they are"),
    "pair_epochs": (int, "passes over pairs of texts first (of up to 300 texts some; 0 for none)"),
    "lora_rank": (int, "train low-rank updates in place of the weights"),
    "monitor": (str, "figure that chooses the epoch (accuracy; micro_f1; rmse)"),
    "patience": (int, "epochs without improvement after which to stop (a quarter, at least 3)"),
    "seed": (int, "makes the run repeatable"),
}


def add_arguments(parser) -> None:
    add = parser.add_argument
    add_labelled(parser, "the trained model", RECIPE)
    anew = "read FILE anew in every pass, and hold no more of it than --shuffle-buffer"
    add("--stream", action="store_true", help=anew)
    add_long_run(parser)
    add_cluster(parser)
    beginnings.add_new_model(parser)


def add_labelled(parser, written: str, fields: Mapping[str, tuple[type, str]]) -> None:
    """Labelled texts, the model that learns of them, and how."""
    add = parser.add_argument
    add("train", metavar="FILE", help="labelled texts to train on")
    add("--output", required=True, metavar="DIR", help=f"for {written}")
    add("--overwrite", action="store_true", help=f"replace {written} in --output")
    shared.add_model(parser)
    shared.add_columns(parser)
    named = "names of the classes 0, 1, …, where the file has numbers"
    add("--labels", metavar="A,B,…", help=named)
    label = "what a label is (one class, or by lists in JSON several); several are a|b in CSV"
    shared.add_problem_type(parser, label)
    add = parser.add_argument_group("the texts that choose the epoch").add_argument
    add("--validation", metavar="FILE", help="labelled texts (a share of FILE)")
    share = "of FILE, without --validation; 0 keeps the last epoch (0.1)"
    add("--dev-share", type=float, metavar="SHARE", help=share)
    add = add_recipe(parser, fields)
    add("--pooling", choices=["cls", "mean"], help=_POOLING)
    kept = "leave a new head to the training, instead of fitting it to the encoder before"
    add("--no-head-fit", action="store_true", help=kept)
    raw = "leave scores as they were trained, instead of fitting them to the texts held out"
    add("--no-calibration", action="store_true", help=raw)
    add("--jit", action="store_true", help="compile the training step with XLA")


def add_recipe(parser, fields: Mapping[str, tuple[type, str]]) -> Callable:
    """Options for fields of `Recipe`, and what belongs to them; gives what adds more to them."""
    add = parser.add_argument_group("recipe").add_argument
    for name, (kind, text) in fields.items():
        add(f"--{name.replace('_', '-')}", type=kind, help=text)
    add("--recipe", metavar="DIR", help="take that of a model trained before")
    add("--dropout", type=float, help="every dropout rate (the model's own)")
    add("--mixed-precision", choices=beginnings.POLICIES, default="float32", help="of activations")
    return add


def add_long_run(parser) -> None:
    add = parser.add_argument_group("long runs").add_argument
    add("--checkpoint-every", type=int, default=500, metavar="N", help="batches (%(default)s)")
    add("--keep", type=int, default=2, help="checkpoints that stay (%(default)s)")
    add("--resume", action="store_true", help="go on with a run that was killed")
    add("--log", action="append", default=[], metavar="FILE", help="figures as .csv or .jsonl")
    add("--tensorboard", metavar="DIR", help="figures for TensorBoard")
    add("--strategy", default="one", help="one, mirrored or multi-worker (%(default)s)")


def add_cluster(parser) -> None:
    add = parser.add_argument_group("more than one machine").add_argument
    cluster = "train on this Ray cluster (the one of this machine, or a new one), which restarts "
    cluster += "workers that die; all files must be where each machine sees them"
    add("--ray", nargs="?", const=True, metavar="ADDRESS", help=cluster)
    add("--workers", type=int, help="processes there, among which each batch is shared out")
    add("--cpus-per-worker", type=int, help="cores of each (1)")
    add("--gpus-per-worker", type=int, help="GPUs of each (0)")
    add("--restarts", type=int, help="times that workers may die (3)")


def run(
    options, *, check=beginnings.check_beginning, read=None, start=None, learn=None, judge=None
) -> None:
    """Other functions than those of `tfkit train` check the options, read the texts, give the model
    to begin with, train it, and say what it is worth on the texts held out.
    """
    from tfkit import training
    from tfkit.distributed.training_worker import CHECKPOINTS

    check(options)
    output = local_path(options.output)
    asked = {"every": options.checkpoint_every, "keep": options.keep, "resume": options.resume}
    checkpoints = training.Checkpoints(output / CHECKPOINTS, **asked)
    _check_output(options, output, checkpoints)
    parts = read or labelled, start or beginnings.starting_model, learn or training.fine_tune
    parts = *parts, judge or _figures
    given = {name: getattr(options, name, None) for name in _OF_CLUSTER}
    given = {name: value for name, value in given.items() if value is not None}
    with shared.says_what_is_left(functools.partial(_left, checkpoints)):
        if given:
            return _train_on_cluster(options, checkpoints, given, asked, parts)
        recipe = recipe_of(options, checkpoints.identity)
        try:
            strategy = training.named_strategy(options.strategy)  # workers wait here for each other
            checkpoints.writes = training.is_chief(strategy)
            checkpoints.claim()
            _check_output(options, output, checkpoints)  # another may have ended before the claim
            _train(options, recipe, *parts, strategy, checkpoints)
        finally:
            checkpoints.release()


def _left(checkpoints) -> str:
    if checkpoints.files():
        return f"The checkpoints in '{checkpoints.directory}' stay: go on with --resume."
    return "There was no checkpoint yet: the same command begins anew."


def _train_on_cluster(options, checkpoints, given: dict, asked: dict, parts: tuple) -> None:
    if missing := [name for name in ("ray", "workers") if name not in given]:
        raise ValueError(f"Training on a cluster needs --{missing[0]}. Received none.")
    if options.strategy != "one":
        raise ValueError(f"--ray brings its own strategy: leave out --strategy {options.strategy}.")
    from tfkit import distributed

    recipe = recipe_of(options, checkpoints.identity)
    alone = argparse.Namespace(**{**vars(options), "parser": None})
    work = functools.partial(_train, alone, recipe, *parts)
    show = functools.partial(print, flush=True)
    distributed.train(work, options.output, progress=show, **given, **asked)


def _check_output(options, output: Path, checkpoints) -> None:
    if (output / "config.json").exists() and not options.overwrite:
        raise FileExistsError(
            f"'{output}' holds a model already. Pass another --output, or --overwrite."
        )
    if output.exists() and not output.is_dir():
        raise NotADirectoryError(f"--output must be a folder. '{output}' is a file.")
    if checkpoints.files() and not (options.resume or options.overwrite):
        raise FileExistsError(
            f"'{output}' holds the checkpoints of a training that did not end. Go on with it by "
            "--resume, or begin anew with --overwrite."
        )


def _train(options, recipe, read, start, learn, judge, strategy, checkpoints) -> None:
    import keras

    from tfkit.training.callbacks.logs import Log, TensorBoard

    output, writes = local_path(options.output), checkpoints.writes
    say = print if writes else lambda *_, **__: None
    examples, validation, *said = read(options)
    for line in said:
        say(line)
    logs = [Log(path, every=100) for path in options.log] if writes else []
    if options.tensorboard and writes:
        logs.append(TensorBoard(options.tensorboard, update_freq=100))
    keras.utils.set_random_seed(recipe.seed)  # for new weights
    with strategy.scope():
        model, tokenizer = start(options, examples)
    if checkpoints.first_step:
        say(f"Going on after {checkpoints.first_step:,} batches, {checkpoints.epoch} epochs")
    history = learn(
        model,
        tokenizer,
        examples,
        validation,
        recipe=recipe,
        strategy=strategy,
        checkpoints=checkpoints,
        callbacks=logs,
        verbose="auto" if writes else 0,
    )
    if writes:
        try:
            for part in (model, tokenizer, history.recipe):
                part.save_pretrained(output)
        except OSError as error:
            if checkpoints.files():
                raise OSError(
                    f"{error} The checkpoints in '{checkpoints.directory}' stay: go on from them "
                    "with --resume."
                ) from error
            raise
    if validation is not None:  # all workers answer together
        say(judge(model, tokenizer, validation, history))
    if writes:
        checkpoints.clear()
    say(f"Saved the model, its tokenizer and its recipe in {output}")


def recipe_of(options, identity: Mapping[str, object] = {}):
    """What the options say; a run that goes on has the seed that it drew before."""
    from tfkit.training import Recipe

    said = {name: getattr(options, name, None) for name in RECIPE}
    said = {name: value for name, value in said.items() if value is not None}
    if "class_weights" in said:
        said["class_weights"] = _class_weights(said["class_weights"])
    if getattr(options, "jit", False):
        said["jit_compile"] = True
    for name, option in (("calibrate", "no_calibration"), ("fit_head", "no_head_fit")):
        if getattr(options, option, False):
            said[name] = False
    recipe = Recipe.from_pretrained(options.recipe) if options.recipe else Recipe()
    recipe = recipe.replace(**said)
    if recipe.seed is not None:
        return recipe
    if options.strategy == "multi-worker":
        raise ValueError(
            "--strategy multi-worker needs a --seed, the same for all workers, by which they share "
            "out the texts. Received none."
        )
    return recipe.replace(seed=identity.get("seed", random.randrange(2**31)))


def _class_weights(text: str):
    if "=" not in text:
        return text
    try:
        pairs = (part.rpartition("=") for part in text.split(","))
        return {name: float(weight) for name, _, weight in pairs}
    except ValueError:
        raise ValueError(
            f"--class-weights must be 'balanced' or NAME=WEIGHT,…; received {text!r}."
        ) from None


def labelled(options):
    """The texts to train on, those held out, and what to say of them."""
    examples, validation = _read(options)
    said = [f"Training on {len(examples):,} texts, {examples.task.describe(examples.names)}"]
    if validation is not None:
        which = f"of {options.validation}" if options.validation else "held out of the same file"
        said.append(f"{len(validation):,} texts {which} choose the best epoch")
    return examples, validation, *said


def _figures(model, tokenizer, validation, history):
    from tfkit import training
    from tfkit.evaluation import predict_logits

    length, temperature = history.recipe.max_length, history.temperature
    if temperature == 1:
        return training.evaluate(model, tokenizer, validation, max_length=length)
    logits = predict_logits(model, tokenizer, validation, max_length=length)
    after, before = (training.score(validation, logits * each) for each in (1, temperature))
    return (
        f"{after}\nLogits are divided by {temperature:.2f}, so that scores are probabilities: "
        f"before, the loss was {before.loss:.4f} and the calibration error "
        f"{before.calibration.ece:.4f}"
    )


def _read(options):
    from tfkit import data

    names = options.labels.split(",") if options.labels else None
    named = {**columns(options), "problem_type": options.problem_type}
    if options.stream and not options.validation and options.dev_share != 0:
        raise ValueError(
            "--stream holds no texts out. Name labelled ones with --validation, or keep the last "
            "epoch with --dev-share 0."
        )
    examples = (data.stream if options.stream else data.read)(options.train, names=names, **named)
    if options.validation:
        named["problem_type"] = examples.problem_type
        return examples, data.read(options.validation, names=examples.names, **named)
    share = options.dev_share
    if share == 0 or (share is None and len(examples) < FEWEST):
        return examples, None
    return data.split(examples, share=0.1 if share is None else share)
