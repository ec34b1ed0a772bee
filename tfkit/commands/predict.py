"""`tfkit predict`."""

from __future__ import annotations

import json
import sys

from tfkit.commands.shared import add_batches, add_columns, add_model, columns
from tfkit.shipped import small_model

HELP = "label and score of texts: arguments, a file, or stdin"


def add_arguments(parser) -> None:
    """The arguments of the command."""
    parser.add_argument("texts", nargs="*", metavar="TEXT")
    parser.add_argument("--input", metavar="FILE", help="CSV, TSV or JSON lines with the texts")
    parser.add_argument(
        "--server",
        metavar="URL",
        help="ask a running TF Serving: http://HOST:8501/v1/models/NAME or grpc://HOST:8500/NAME",
    )
    add_model(parser)
    add_columns(parser)
    add_batches(parser)
    parser.add_argument("--top-k", type=int, default=1, help="labels a text (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON lines")


def run(options) -> None:
    """Prints label and score for each text."""
    from tfkit import data, export, pipeline

    if options.input and options.texts:
        raise ValueError("Expected texts or --input FILE. Received both.")
    if options.server and (options.model or options.top_k != 1):
        raise ValueError("--server answers with the best label of its own model: drop the rest.")
    texts = options.texts
    if options.input:
        unlabelled = {**columns(options), "label": None, "text_pair": None}
        texts = data.read(options.input, **unlabelled).texts
    elif not texts:
        texts = [line.rstrip("\r\n") for line in sys.stdin]
    if options.server:
        asked = export.ask(options.server, texts, batch_size=options.batch_size)
        answers = [[answer] for answer in asked]
    else:
        model = options.model or small_model()
        classify = pipeline("text-classification", model=model, batch_size=options.batch_size)
        answers = classify(texts, top_k=options.top_k)
    for text, best in zip(texts, answers):
        if options.json:
            print(json.dumps({"text": text, "labels": best}, ensure_ascii=False))
        else:
            answer = "  ".join(f"{label['label']} {label['score']:.4f}" for label in best)
            print(f"{answer}\t{text}")
