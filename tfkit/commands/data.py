"""`tfkit data`."""

from __future__ import annotations

import json

from tfkit.commands.shared import add_columns, columns

HELP = "what is in a file: balance of classes, lengths, duplicates, contradicting labels"


def add_arguments(parser) -> None:
    """The arguments of the command."""
    parser.add_argument("data", metavar="FILE", help="texts, with labels or without")
    parser.add_argument(
        "--validation", metavar="FILE", help="a second file: how many of its texts are in the first"
    )
    add_columns(parser)
    parser.add_argument("--no-labels", action="store_true", help="the file has texts alone")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options) -> None:
    """Prints what is in a file and what is odd about it."""
    from tfkit import data

    named = columns(options)
    if options.no_labels:
        named["label"] = None
    examples = data.read(options.data, **named)
    other = None
    if options.validation:
        other = data.read(options.validation, names=examples.names, **named)
    found = data.describe(examples, other)
    if options.json:
        print(json.dumps(found.as_dict(), ensure_ascii=False, indent=2))
    else:
        print(found)
