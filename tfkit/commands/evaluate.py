"""`tfkit evaluate`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tfkit.commands.shared import (
    add_batches,
    add_columns,
    add_model,
    add_problem_type,
    columns,
    model_and_tokenizer,
    named_kind,
)
from tfkit.shipped import small_model

HELP = "accuracy, precision, recall and F1 on a labelled file, and a report of all there is to say"


def add_arguments(parser) -> None:
    """The arguments of the command."""
    parser.add_argument("data", metavar="FILE", nargs="?", help="labelled texts")
    parser.add_argument("--data", metavar="FILE", dest="data_option", help="the same, by name")
    add_model(parser)
    add_columns(parser)
    add_problem_type(parser, "what a label is, where the model's config does not say")
    add_batches(parser)
    parser.add_argument(
        "--tflite", metavar="FILE", help="score an exported file: it needs no --model"
    )
    parser.add_argument(
        "--report", metavar="DIR", help="write report.html, a page for people, and report.json"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options) -> None:
    """Prints accuracy and per-class figures on a labelled file, and writes the report."""
    from tfkit import data, evaluation, export

    if (options.data is None) == (options.data_option is None):
        raise ValueError(
            "Expected one file of labelled texts: tfkit evaluate FILE, or --data FILE."
        )
    file, known = options.data or options.data_option, named_kind(options)
    if options.model or not options.tflite:
        model, tokenizer = model_and_tokenizer(options.model, **known)
        known = {"names": model.config.id2label, "problem_type": model.config.problem_type}
    if options.tflite:
        classify = export.Classifier(options.tflite)
        known.setdefault("names", dict(enumerate(classify.labels)))
    examples = data.read(file, **known, **columns(options))
    if options.tflite:
        if examples.text_pairs is not None:
            raise ValueError("A .tflite file answers single texts. Drop --text-pair-column.")
        scores = classify.scores(examples.texts)
        logits = evaluation.logits_of(examples.problem_type, scores)
        answer = lambda columns: classify.scores(columns[0])  # noqa: E731
    else:
        limits = {"batch_size": options.batch_size, "max_length": options.max_length}
        verbose = "auto" if sys.stderr.isatty() else 0
        logits = evaluation.predict_logits(model, tokenizer, examples, verbose=verbose, **limits)
        pairs = examples.text_pairs is not None
        answer = evaluation.answer_of(model, tokenizer, options.max_length, pairs)
    found = evaluation.report_of(
        examples,
        logits,
        answer=answer if options.report else None,
        model_name=_name(options.tflite or options.model or small_model()),
        data_name=_name(file),
        batch_size=options.batch_size,
    )
    page = found.save(options.report) if options.report else None
    if options.json:
        print(json.dumps(found.figures_as_dict(), ensure_ascii=False, indent=2))
    else:
        print(found)
        if page:
            print(f"Wrote {page} and report.json beside it")


def _name(path: str | Path) -> str:
    return Path(path).resolve().name
