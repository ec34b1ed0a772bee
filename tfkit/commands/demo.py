"""`tfkit demo`."""

from __future__ import annotations

from tfkit.utils.files import local_path

HELP = "see everything work, on the small model"


def add_arguments(parser) -> None:
    parser.add_argument(
        "--output", default="saved_models/demo", help="folder for the results (%(default)s)"
    )


def run(options) -> None:
    from tfkit.demo.run import run

    run(local_path(options.output))
