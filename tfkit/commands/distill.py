"""`tfkit distill`."""

from __future__ import annotations

import functools
from collections.abc import Callable

from tfkit.commands import beginnings, train
from tfkit.commands.shared import columns
from tfkit.utils.files import local_path

HELP = "train a small model on what a larger one answers"


def add_arguments(parser) -> None:
    add_teacher(parser, required=True)
    train.add_arguments(parser)


def add_teacher(parser, *, required: bool, layers: Callable = int) -> None:
    add = parser.add_argument_group("teacher").add_argument
    teacher = "folder or Hub name of a classifier, or a .npy file of logits [rows,C]"
    several = f"{teacher}; of several the mean is learned"
    add("--teacher", nargs="+", required=required, metavar="NAME", help=several)
    begin = "begin with N of the teacher's layers, in place of --model"
    add("--student-layers", type=layers, metavar="N", help=begin)
    add("--temperature", type=float, default=2.0, help="(%(default)s)")
    add("--hard-weight", type=float, default=0.5, help="of the labels (%(default)s)")
    add("--soft-weight", type=float, default=0.5, help="of the teacher's answers (%(default)s)")
    add("--hidden-weight", type=float, default=0.0, help="of its hidden states (%(default)s)")
    add("--unlabelled", metavar="FILE", help="further texts, without labels")
    further = "make N further texts of each, by masking words, replacing them, and keeping a few"
    add("--augment", type=int, metavar="N", help=further)


def run(options) -> None:
    if options.stream:
        raise ValueError(
            "--stream does not go with distillation, whose teacher answers all texts before the "
            "training: leave it out."
        )
    train.run(options, check=check_student, start=student, learn=functools.partial(learn, options))


def check_student(options) -> None:
    """`check_beginning`, and ValueError for a student from the teacher and from something else;
    holds out no texts where there are logits of all.
    """
    beginnings.check_beginning(options)
    if options.dev_share is None and any(name.endswith(".npy") for name in options.teacher):
        options.dev_share = 0.0
    if options.student_layers is None:
        return
    if options.from_scratch or options.model or options.pooling:
        raise ValueError(
            "--student-layers takes the student from the teacher, so none of --model, "
            "--from-scratch and --pooling goes with it. Leave one out."
        )
    beginnings.refuse_sizes(options)


def student(options, examples):
    """The model to begin with, and its tokenizer."""
    from tfkit.distillation._distill import check_learnable

    check_learnable(examples)  # before a vocabulary is learned, or a model loaded
    if options.student_layers is None:
        return beginnings.starting_model(options, examples)
    import keras

    from tfkit.distillation.teacher import load_teacher
    from tfkit.training import student_of

    dtype = beginnings.POLICIES[options.mixed_precision]
    teacher, tokenizer = load_teacher(options.teacher[0], dtype=dtype)
    if len(options.teacher) > 1 or not isinstance(teacher, keras.Model):
        raise ValueError(
            "--student-layers needs one --teacher, a model that tfkit reads. Received: "
            f"{' '.join(options.teacher)}."
        )
    rates = {} if options.dropout is None else beginnings.dropouts(options.dropout)
    return student_of(teacher, options.student_layers, **rates), tokenizer


def learn(options, model, tokenizer, examples, validation, **recipe):
    from tfkit import data
    from tfkit.training import Augmentation, distill

    unlabelled = augment = None
    if options.unlabelled:
        unlabelled = data.read(options.unlabelled, **{**columns(options), "label": None})
    if options.augment:
        augment = Augmentation(copies=options.augment, seed=options.seed or 0)
    teachers = [_logits(name) if name.endswith(".npy") else name for name in options.teacher]
    parts = ("temperature", "hard_weight", "soft_weight", "hidden_weight")
    return distill(
        teachers[0] if len(teachers) == 1 else teachers,
        model,
        tokenizer,
        examples,
        validation,
        unlabelled=unlabelled,
        augment=augment,
        **{name: getattr(options, name) for name in parts},
        **recipe,
    )


def _logits(file: str):
    import numpy as np

    try:
        return np.load(local_path(file), allow_pickle=False)
    except ValueError as error:
        raise ValueError(f"Expected an array of numbers in '{file}'. {error}") from error
