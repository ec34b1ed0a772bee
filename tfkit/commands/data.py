"""`tfkit data`."""

from __future__ import annotations

import warnings

from tfkit.commands.shared import add_columns, add_problem_type, columns, in_options
from tfkit.utils.console import print_json

HELP = "what is in a file: balance of classes, lengths, duplicates, contradicting labels"

_SHOWN = 20


def add_arguments(parser) -> None:
    add = parser.add_argument
    add("data", metavar="FILE", help="texts, with labels or without")
    second = "a second file: how many of its texts are in the first"
    add("--validation", metavar="FILE", help=second)
    add_columns(parser)
    add("--no-labels", action="store_true", help="the file has texts alone")
    add_problem_type(parser, "what a label is (one class, or by lists in JSON several)")
    add("--json", action="store_true", help="print JSON")


def run(options) -> None:
    from tfkit import data

    named = {**columns(options), "problem_type": options.problem_type, "skip_bad_rows": True}
    if options.no_labels:
        named["label"] = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is printed says it in full
        examples = data.read(options.data, **named)
        other = None
        if options.validation:
            named["problem_type"] = examples.problem_type
            other = data.read(options.validation, names=examples.names or None, **named)
    found = data.describe(examples, other)
    if options.json:
        print_json(found.as_dict(), indent=2)
    else:
        print(found)
        for rows in filter(None, (examples.skipped, other and other.skipped)):
            print(f"Bad rows: {len(rows):,}; `tfkit train --skip-bad-rows` leaves them out:")
            for row in rows[:_SHOWN]:
                print(f"  {in_options(str(row), options.parser)}")
            if len(rows) > _SHOWN:
                print(f"  and {len(rows) - _SHOWN:,} more")
