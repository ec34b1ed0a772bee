"""`tfkit evaluate`."""

from __future__ import annotations

import dataclasses
import json
import sys

import numpy as np

from tfkit.commands.shared import add_batches, add_columns, add_model, columns, model_and_tokenizer

HELP = "accuracy, precision, recall and F1 on a labelled file"


def add_arguments(parser) -> None:
    """The arguments of the command."""
    parser.add_argument("data", metavar="FILE", help="labelled texts")
    add_model(parser)
    add_columns(parser)
    add_batches(parser)
    parser.add_argument("--tflite", metavar="FILE", help="score this export of the model instead")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options) -> None:
    """Prints accuracy and per-class figures on a labelled file."""
    from tfkit import data, export, training

    model, tokenizer = model_and_tokenizer(options.model)
    examples = data.read(options.data, names=model.config.id2label, **columns(options))
    if options.tflite:
        scores = export.Classifier(options.tflite, tokenizer=tokenizer).scores(examples.texts)
        with np.errstate(divide="ignore"):  # a score may be 0
            figures = training.score(np.asarray(examples.labels), np.log(scores), examples.names)
    else:
        figures = training.evaluate(
            model,
            tokenizer,
            examples,
            batch_size=options.batch_size,
            max_length=options.max_length,
            verbose="auto" if sys.stderr.isatty() else 0,
        )
    print(json.dumps(dataclasses.asdict(figures), indent=2) if options.json else figures)
